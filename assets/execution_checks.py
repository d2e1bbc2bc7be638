"""Checks of the execution evaluation: the accounts of every parent order, and what agents knew.

Here: asset checks. Not here: the evaluation (assets/execution.py), its statistics (models/execution), the audit of
forecasts (assets/execution_audit.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from assets.common import resolved
from assets.execution_audit import audit_forecasts
from assets.partitions import StudyPartitions
from assets.store import StudyStore

if TYPE_CHECKING:
    import polars as pl

#: Rounding of a sum of three costs, bps.
TOLERANCE_BPS = 1e-6


def build_execution_checks(parts: StudyPartitions) -> list[dg.AssetChecksDefinition]:
    """The checks of this module for one study; none where it does not execute."""
    config = parts.study.execution
    if config is None:
        return []
    return [_accounts(parts), *([_point_in_time(parts)] if config.sees_forecasts else [])]


def _point_in_time(parts: StudyPartitions) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="execution_evaluation",
        name="forecasts_were_known",
        blocking=True,
        partitions_def=parts.dates,
        description="Cuts features and bars at two times, forecasts anew, and requires what agents were shown up to "
        "the cut bit-equal, from the lake as well.",
    )
    @resolved
    def forecasts_were_known(context: dg.AssetCheckExecutionContext, store: StudyStore) -> dg.AssetCheckResult:
        return audit_forecasts(store, context.partition_key)

    return forecasts_were_known


def _accounts(parts: StudyPartitions) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="execution_evaluation",
        name="parent_orders_add_up",
        blocking=True,
        partitions_def=parts.dates,
        description="Every policy worked the same orders from the same start, the parts of every shortfall add up to "
        "it, and no order was filled by more than its size.",
    )
    @resolved
    def parent_orders_add_up(context: dg.AssetCheckExecutionContext, store: StudyStore) -> dg.AssetCheckResult:
        return judge_accounts(store.lake.read("execution_evaluation", context.partition_key))

    return parent_orders_add_up


def judge_accounts(rows: pl.DataFrame) -> dg.AssetCheckResult:
    """Count the parent orders whose accounts do not add up."""
    import polars as pl

    parts = pl.sum_horizontal("spread_bps", "timing_bps", "fees_bps")
    wrong_sum = ((parts - pl.col("is_bps")).abs() > TOLERANCE_BPS) | ~pl.col("is_bps").is_finite()
    wrong_fill = ~pl.col("completion").is_between(0.0, 1.0 + 1e-9) | ~pl.col("maker_share").is_between(0.0, 1.0 + 1e-9)
    order = ["market", "symbol", "episode"]
    starts = rows.group_by(order).agg(pl.col("arrival_ns").n_unique(), pl.col("side").n_unique().alias("sides"))
    counts = rows.group_by("market", "symbol", "policy", "training_seed").len().group_by("market", "symbol")
    figures = {
        "parent_orders": rows.height,
        "shortfalls_that_do_not_add_up": rows.filter(wrong_sum).height,
        "impossible_fills": rows.filter(wrong_fill).height,
        "orders_with_several_starts": starts.filter((pl.col("arrival_ns") > 1) | (pl.col("sides") > 1)).height,
        "markets_with_missing_orders": counts.agg(pl.col("len").n_unique()).filter(pl.col("len") > 1).height,
    }
    found = {name: count for name, count in figures.items() if name != "parent_orders" and count}
    return dg.AssetCheckResult(
        passed=not found and rows.height > 0,
        metadata=figures,
        description="; ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.items()) or "all add up",
    )
