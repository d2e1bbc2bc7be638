"""What executing cost, by instrument: the figure a backtest charges.

Here: one mean. Not here: playing orders (evaluation.py), comparing policies (comparison.py).
"""

from __future__ import annotations

import polars as pl

#: A backtest enters at the decision, so it pays what trading at once cost; a patient schedule costs less but enters
#: later, at prices the backtest does not know.
CHARGED = "immediate"


def measured_bps(rows: pl.DataFrame, market: str = "replay", policy: str = CHARGED) -> dict[str, float]:
    """Mean implementation shortfall per side of one policy, bps, fees included.

    Args:
        rows: As from `models.execution.evaluation.evaluate`.
        market: Which market.
        policy: Which policy.

    Returns:
        Instrument -> bps.
    """
    own = rows.filter((pl.col("market") == market) & (pl.col("policy") == policy))
    means = own.group_by("symbol", maintain_order=True).agg(pl.col("is_bps").mean()).sort("symbol")
    return dict(means.iter_rows())
