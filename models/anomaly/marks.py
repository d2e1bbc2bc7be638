"""What a flash crash shows in: sizes of moves, spread, depth and flow, and how fast they change.

Here: features without a direction, from the feature table. Not here: their scale (models/scaling.py), the forest
(models/anomaly/model.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.errors import SchemaError
from models.metrics.forecast import Floats
from models.scaling import logarithm, matrix

REQUIRED = ("ts", "symbol")
#: Steps between rows above which a change is no longer one step's.
GAP_STEPS = 3
_MAGNITUDES = (
    "return_1s_bps",
    "return_10s_bps",
    "return_60s_bps",
    "ofi_1s",
    "ofi_10s",
    "ofi_60s",
    "signed_volume_1s",
    "signed_volume_10s",
    "signed_volume_60s",
    "microprice_offset_bps",
)
_COUNTS = ("realised_vol_60s_bps", "quote_event_intensity", "trade_count_60s")
_LOGS = ("depth_log", "volume_60s_log")
#: Name of the mark -> column it is made of.
MARKS: dict[str, str] = {
    **{f"abs_{name}": name for name in _MAGNITUDES},
    **{name: name for name in (*_COUNTS, *_LOGS)},
    "spread_bps": "spread_bps",
    "spread_change": "spread_bps",
    "depth_change": "depth_log",
}


def mark_names(rows: pl.DataFrame) -> tuple[str, ...]:
    """Marks that can be made of ``rows``.

    Raises:
        SchemaError: Time, instrument or every column is missing.
    """
    missing = [name for name in REQUIRED if name not in rows.columns]
    found = tuple(name for name, column in MARKS.items() if column in rows.columns)
    if missing or not found:
        raise SchemaError(
            "anomaly features",
            received=f"columns {rows.columns}",
            expected=f"{list(REQUIRED)} and at least one of {sorted(set(MARKS.values()))}",
            remedy="Pass rows of the feature table.",
        )
    return found


def mark_matrix(ordered: pl.DataFrame, marks: tuple[str, ...], step_ns: int) -> Floats:
    """Marks of rows sorted by symbol and time, shape (rows, marks).

    Magnitudes and counts as ln(1 + x), the spread in logs; changes are absolute differences of those logs to the
    row before, NaN where there is none within three steps.

    Raises:
        SchemaError: A column is missing.
    """
    missing = [name for name in (*REQUIRED, *(MARKS[mark] for mark in marks)) if name not in ordered.columns]
    if missing:
        raise SchemaError("anomaly features", received=f"columns {ordered.columns}", expected=f"also {missing}")
    step = ordered.select(pl.col("ts").diff().over("symbol").alias("step"))["step"]
    follows = (step <= GAP_STEPS * step_ns).fill_null(False).to_numpy()
    raw = matrix(ordered, [MARKS[mark] for mark in marks])
    return np.column_stack([_mark(mark, raw[:, place], follows) for place, mark in enumerate(marks)])


def _mark(mark: str, raw: Floats, follows: np.ndarray) -> Floats:
    column = MARKS[mark]
    level = raw if column in _LOGS else logarithm(raw) if column == "spread_bps" else logarithm(1.0 + np.abs(raw))
    if not mark.endswith("_change"):
        return level
    change = np.full(level.size, np.nan)
    change[1:] = np.abs(level[1:] - level[:-1])
    return np.where(follows, change, np.nan)
