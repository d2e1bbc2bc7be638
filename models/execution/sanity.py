"""Tests of an evaluation itself: what must win wins, what cannot win does not, nothing beats what is optimal.

- Oracle: perfect foresight is cheaper than everything else, or the costs are booked wrongly or the orders are too few.
- Null: a policy without information is not cheaper than the reference; a test that could not have shown it says so.
- Limit: in a world with a known optimum nothing is significantly cheaper than that.

Here: the three verdicts. Not here: playing (evaluation.py), tests of single differences (significance.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from models.execution.baselines import REFERENCE
from models.execution.significance import LEVEL, significance


@dataclass(frozen=True)
class Verdict:
    """Outcome of one test.

    Attributes:
        passed: Whether the evaluation behaves; None where the orders are too few to say.
        reason: Why, with the figures.
    """

    passed: bool | None
    reason: str


def oracle_test(rows: pl.DataFrame, oracle: str = "foresight", seed: int = 0) -> Verdict:
    """Whether the oracle is significantly cheaper than every other policy of every market.

    Args:
        rows: As from `models.execution.evaluation.evaluate`, the oracle's among them.
        oracle: Its name.
        seed: Of the bootstrap.
    """
    tests = significance(rows, oracle, seed)
    if tests.is_empty() or tests["p_romano_wolf"].null_count():
        return Verdict(None, f"not tested: {tests.height} comparisons with {oracle}, or too few blocks of orders")
    beaten = (pl.col("difference_bps") > 0) & (pl.col("p_romano_wolf") <= LEVEL)
    failed = tests.filter(~beaten)
    if failed.height:
        return Verdict(False, f"{oracle} does not beat {_named(failed)}")
    nearest = tests.sort("difference_bps").row(0, named=True)
    return Verdict(True, f"{oracle} beats all; nearest is {nearest['policy']}, {nearest['difference_bps']:+.2f} bps")


def null_test(
    rows: pl.DataFrame,
    uninformed: Sequence[str],
    reference: str = REFERENCE,
    worthwhile_bps: float = 1.0,
    seed: int = 0,
) -> Verdict:
    """Whether policies without information stay without gain, and whether a gain worth having would have been seen.

    Args:
        rows: As from `models.execution.evaluation.evaluate`.
        uninformed: Policies that know nothing a schedule does not, in a market where nothing can be known.
        reference: What they must not beat.
        worthwhile_bps: A gain the test must be able to show with 80 % chance.
        seed: Of the bootstrap.
    """
    tests = significance(rows, reference, seed).filter(pl.col("policy").is_in(list(uninformed)))
    if tests.is_empty() or tests["p_romano_wolf"].null_count():
        return Verdict(None, f"not tested: {tests.height} comparisons, or too few blocks of orders")
    winners = tests.filter((pl.col("difference_bps") < 0) & (pl.col("p_romano_wolf") <= LEVEL))
    if winners.height:
        return Verdict(False, f"without information, yet cheaper than {reference}: {_named(winners)}")
    weakest = tests.sort("detectable_bps", descending=True).row(0, named=True)
    power = f"{weakest['policy']} would be found out with 80 % chance from {weakest['detectable_bps']:.2f} bps on"
    if weakest["detectable_bps"] > worthwhile_bps:
        return Verdict(None, f"too weak: {power}, more than the {worthwhile_bps:.2f} bps asked for")
    return Verdict(True, f"no gain without information; {power}")


def limit_test(table: pl.DataFrame, optimum_bps: float, rounding_bps: float = 1e-9) -> Verdict:
    """Whether nothing is significantly cheaper than a known optimum.

    Args:
        table: As from `models.execution.comparison.summarise`.
        optimum_bps: Mean shortfall of the best policy there is.
        rounding_bps: What sums of floats may differ by.
    """
    if table.is_empty() or table["is_high"].null_count():
        return Verdict(None, "not tested: no policy, or too few blocks of orders for an interval")
    below = table.filter(pl.col("is_high") < optimum_bps - rounding_bps)
    if below.height:
        names = ", ".join(f"{row['policy']} ({row['is_bps']:+.2f} bps)" for row in below.to_dicts())
        return Verdict(False, f"cheaper than the optimum of {optimum_bps:.2f} bps: {names}")
    nearest = table.sort("is_bps").row(0, named=True)
    return Verdict(
        True, f"nothing beats {optimum_bps:.2f} bps; cheapest is {nearest['policy']}, {nearest['is_bps']:.2f}"
    )


def _named(tests: pl.DataFrame) -> str:
    return ", ".join(
        f"{row['policy']}{' on ' + row['market'] if row['market'] else ''} ({row['difference_bps']:+.2f} bps, "
        f"p {row['p_romano_wolf']:.3f})"
        for row in tests.to_dicts()
    )
