"""Which columns of the feature table describe the state of a market, and in which shape.

Here: columns without a direction, in logs. Not here: their scale (models/scaling.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.errors import SchemaError
from models.metrics.forecast import Floats
from models.scaling import logarithm, matrix

#: Column -> what is added before the logarithm, in the column's unit; None: a logarithm already. A still mid has
#: no volatility to take the logarithm of.
OFFSETS: dict[str, float | None] = {
    "realised_vol_60s_bps": 0.1,
    "realised_vol_300s_bps": 0.1,
    "spread_bps": 0.01,
    "depth_log": None,
    "quote_event_intensity": 1.0,
    "trade_count_60s": 1.0,
    "volume_60s_log": None,
}
#: What orders the regimes from calm to turbulent.
VOLATILITY = ("realised_vol_60s_bps", "realised_vol_300s_bps")
REQUIRED = ("ts", "symbol")


def state_columns(rows: pl.DataFrame) -> tuple[str, ...]:
    """Columns of ``rows`` that describe a state, in the order of `OFFSETS`.

    Raises:
        SchemaError: Time, instrument or every state column is missing.
    """
    found = tuple(name for name in OFFSETS if name in rows.columns)
    missing = [name for name in REQUIRED if name not in rows.columns]
    if missing or not found:
        raise SchemaError(
            "regime features",
            received=f"columns {rows.columns}",
            expected=f"{list(REQUIRED)} and at least one of {list(OFFSETS)}",
            remedy="Pass rows of the feature table.",
        )
    return found


def state_matrix(rows: pl.DataFrame, columns: tuple[str, ...]) -> Floats:
    """State columns in logs, shape (rows, columns); NaN where a value is missing.

    Raises:
        SchemaError: A column is missing.
    """
    missing = [name for name in (*REQUIRED, *columns) if name not in rows.columns]
    if missing:
        raise SchemaError("regime features", received=f"columns {rows.columns}", expected=f"also {missing}")
    raw = matrix(rows, columns)
    shaped = np.empty_like(raw)
    for place, name in enumerate(columns):
        offset = OFFSETS[name]
        shaped[:, place] = raw[:, place] if offset is None else logarithm(raw[:, place] + offset)
    return shaped
