"""Policies case by case: one line an instrument, horizon and size, so that a mean over all hides nothing.

Here: every policy of every case, rows of the instruments a study stands for. Not here: where agents lose by side
(comparison.py), words (verdict.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from models.execution.baselines import REFERENCE
from models.execution.comparison import CASE, summarise

_SHOWN = (
    *("policy", "n", "is_bps", "is_low", "is_high", "sd_bps"),
    *("vs_twap_taker_bps", "vs_twap_low", "vs_twap_high", "vs_best_bps", "vs_best_low", "vs_best_high"),
)


def policy_cases(rows: pl.DataFrame, reference: str = REFERENCE, seed: int = 0) -> pl.DataFrame:
    """Every policy in every case.

    Args:
        rows: As from `models.execution.evaluation.evaluate`, of several cases.
        reference: As for `models.execution.comparison.summarise`.
        seed: Of the bootstrap.

    Returns:
        ``market, symbol, horizon_s, parent_share, case`` (`case_label`), ``policy, n, is_bps, is_low, is_high, sd_bps,
        vs_twap_taker_bps, vs_twap_low, vs_twap_high, vs_best_bps, vs_best_low, vs_best_high``; the cheapest rule is
        that of the case. Markets, instruments and cases in the order of ``rows``.
    """
    parts = []
    for (market, symbol, *case), own in rows.group_by("market", "symbol", *CASE, maintain_order=True):
        table = summarise(own, reference, seed).select(_SHOWN)
        told = {"market": market, "symbol": symbol, **dict(zip(CASE, case, strict=True))}
        columns = [pl.lit(value, rows.schema[name]).alias(name) for name, value in told.items()]
        label = case_label(*(told[name] for name in ("symbol", *CASE)))
        parts.append(table.select(*columns, pl.lit(label).alias("case"), "*"))
    return pl.concat(parts)


def case_label(symbol: str, horizon_s: int | None, parent_share: float | None) -> str:
    """What a case is called, e.g. ``"AAA.US 300s 5%"``; without horizon and size the instrument alone."""
    if horizon_s is None or parent_share is None:
        return symbol
    return f"{symbol} {horizon_s}s {100.0 * parent_share:g}%"


def headline_of(rows: pl.DataFrame, named: Sequence[str]) -> tuple[list[str], list[str]]:
    """Instruments that stand for a study, and those that were named but not judged.

    Args:
        rows: As for `policy_cases`.
        named: Before anything was judged; empty: all.

    Returns:
        Both in the order they were named, or judged.
    """
    judged = rows["symbol"].unique(maintain_order=True).to_list()
    chosen = [symbol for symbol in named if symbol in judged] if named else judged
    return chosen, [symbol for symbol in named if symbol not in judged]
