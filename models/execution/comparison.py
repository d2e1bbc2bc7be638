"""Comparing execution policies: means, risks and paired differences with intervals.

Intervals come from a bootstrap over blocks of start times: orders that start near each other meet the same prices. With
few blocks a percentile interval is too narrow (Cameron, Gelbach & Miller 2008); it is widened by the ratio of Student's
quantile to the normal one. Training seeds are taken as given: the intervals do not cover what further seeds would do.

Here: the table and its breakdowns. Not here: what it says in words (verdict.py), playing (evaluation.py), the statistic
of a bootstrap draw (models/metrics/bootstrap.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import norm, t

from feeds.errors import SchemaError
from models.execution.baselines import REFERENCE
from models.metrics.bootstrap import MIN_BLOCKS, mean_draws, percentile_interval

Floats = npt.NDArray[np.float64]

DRAWS = 2000
LEVEL = 0.95
#: Share of the worst orders behind the conditional value at risk.
TAIL = 0.05
_KEY = ("symbol", "episode")
#: Columns that tell the case of an order.
CASE = ("horizon_s", "parent_share")
_NUMBERS = (
    *("is_bps", "is_low", "is_high", "sd_bps", "cvar95_bps", "completion", "maker_share"),
    *("vs_twap_taker_bps", "vs_twap_low", "vs_twap_high", "vs_best_bps", "vs_best_low", "vs_best_high"),
)
_TABLE = {"market": pl.String, "policy": pl.String, "n": pl.Int64, **dict.fromkeys(_NUMBERS, pl.Float64)}


def block_weights(blocks: int, seed: int) -> Floats | None:
    """How often each block occurs in each draw, (draws, blocks); None where there are too few blocks to tell."""
    if blocks < MIN_BLOCKS:
        return None
    random = np.random.default_rng(seed)
    return random.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=DRAWS).astype(np.float64)


def block_interval(values: Floats, block: npt.NDArray[np.int64], weights: Floats | None) -> tuple[float, float] | None:
    """95 % interval of the mean of ``values`` (n,), each in one of the ``block``s (n,) of ``weights``."""
    if weights is None or values.size == 0:
        return None
    mean, present = float(values.mean()), len(np.unique(block))
    if present < MIN_BLOCKS:
        return None
    quantile = (1.0 + LEVEL) / 2.0
    widening = math.sqrt(present / (present - 1)) * float(t.ppf(quantile, present - 1) / norm.ppf(quantile))
    return percentile_interval(mean + (mean_draws(block, values, weights) - mean) * widening, LEVEL)


def cvar(costs: Floats, tail: float = TAIL) -> float:
    """Mean of the worst ``tail`` of ``costs``, at least of one (Rockafellar & Uryasev 2000, rounded up)."""
    worst = max(1, math.ceil(tail * costs.size - 1e-9))
    return float(np.sort(costs)[-worst:].mean())


def summarise(rows: pl.DataFrame, reference: str = REFERENCE, seed: int = 0) -> pl.DataFrame:
    """One line a market and policy; agents of one name are pooled over their training seeds.

    Args:
        rows: As from `models.execution.evaluation.evaluate`; several calls may be concatenated.
        reference: Rule behind the ``vs_twap_`` columns.
        seed: Of the bootstrap; all policies of a market are judged on the same draws.

    Returns:
        ``market, policy, n, is_bps, is_low, is_high, sd_bps, cvar95_bps, completion, maker_share``, and the paired
        differences, policy minus other: ``vs_twap_taker_bps, vs_twap_low, vs_twap_high`` (to ``reference``),
        ``vs_best_bps, vs_best_low, vs_best_high`` (to the cheapest rule of the market, `best_rule`). Null where a
        policy meets itself, and where there are fewer than `MIN_BLOCKS` blocks for an interval. Markets in the order of
        ``rows``, cheapest first.

    Raises:
        SchemaError: A rule has two rows for one order.
    """
    lines: list[dict[str, Any]] = []
    markets = rows["market"].unique(maintain_order=True).to_list()
    for market in markets:
        judge = _Judge(rows.filter(pl.col("market") == market), seed)
        best = judge.best_rule()
        lines += [judge.line(policy, reference, best) for policy in judge.policies]
    lines.sort(key=lambda line: (markets.index(line["market"]), line["is_bps"], line["policy"]))
    return pl.DataFrame(lines, schema=_TABLE)


class _Judge:
    """The rows of one market, with one set of draws."""

    def __init__(self, rows: pl.DataFrame, seed: int) -> None:
        self.rows = rows.with_columns(cell=pl.col("block").rank("dense").cast(pl.Int64) - 1)
        self.policies = rows["policy"].unique(maintain_order=True).to_list()
        self.weights = block_weights(int(self.rows["cell"].n_unique()), seed)

    def best_rule(self) -> str | None:
        """The cheapest policy that was not trained."""
        return _cheapest(self.rows.filter(pl.col("training_seed").is_null()))

    def line(self, policy: str, reference: str, best: str | None) -> dict[str, Any]:
        """The table's line of one policy."""
        own = self.rows.filter(pl.col("policy") == policy)
        costs = own["is_bps"].to_numpy()
        low, high = self.interval(costs, own)
        return {
            "market": own["market"][0],
            "policy": policy,
            "n": own.height,
            "is_bps": float(costs.mean()),
            "is_low": low,
            "is_high": high,
            "sd_bps": float(costs.std(ddof=1)) if costs.size > 1 else None,
            "cvar95_bps": cvar(costs),
            "completion": own["completion"].mean(),
            "maker_share": own["maker_share"].mean(),
            **self.difference(own, reference, ("vs_twap_taker_bps", "vs_twap_low", "vs_twap_high")),
            **self.difference(own, best, ("vs_best_bps", "vs_best_low", "vs_best_high")),
        }

    def interval(self, values: Floats, own: pl.DataFrame) -> tuple[float | None, float | None]:
        """Interval of the mean of ``values``, one a row of ``own``."""
        return block_interval(values, own["cell"].to_numpy(), self.weights) or (None, None)

    def difference(self, own: pl.DataFrame, other: str | None, names: Sequence[str]) -> dict[str, float | None]:
        """Mean paired difference to ``other`` with its interval."""
        if other is None or own["policy"][0] == other:
            return dict.fromkeys(names)
        paired = own.join(_costs_of(self.rows, other), on=_KEY, how="inner", maintain_order="left")
        if paired.is_empty():
            return dict.fromkeys(names)
        # two rules that trade alike must not differ by the rounding of their sums
        values = (paired["is_bps"] - paired["other_bps"]).round(9).to_numpy()
        return dict(zip(names, (float(values.mean()), *self.interval(values, paired)), strict=True))


def _costs_of(rows: pl.DataFrame, policy: str | None) -> pl.DataFrame:
    other = rows.filter(pl.col("policy") == policy).select(*_KEY, other_bps="is_bps")
    if other.select(_KEY).is_duplicated().any():
        raise SchemaError(
            "rows of the evaluation", received=f"two of {policy} for one order", expected="one", remedy="Drop one run."
        )
    return other


def _cheapest(rules: pl.DataFrame) -> str | None:
    means = rules.group_by("policy", maintain_order=True).agg(pl.col("is_bps").mean()).sort("is_bps", "policy")
    return str(means["policy"][0]) if means.height else None


def best_rule(table: pl.DataFrame, market: str) -> str | None:
    """The rule behind the ``vs_best_`` columns of ``market``: the one without them.

    Args:
        table: As from `summarise`.
        market: One of its markets.
    """
    own = table.filter((pl.col("market") == market) & pl.col("vs_best_bps").is_null())
    return str(own["policy"][0]) if own.height == 1 else None


def by_case(rows: pl.DataFrame, reference: str = REFERENCE) -> pl.DataFrame:
    """Where trained agents win and lose: mean paired differences of every instrument, side and case.

    Args:
        rows: As for `summarise`.
        reference: As for `summarise`.

    Returns:
        ``market, policy, symbol, side, horizon_s, parent_share, n, is_bps, vs_twap_taker_bps, vs_best_bps``; agents
        only. The cheapest rule is that of the whole market.
    """
    parts = []
    for market in rows["market"].unique(maintain_order=True):
        own = rows.filter(pl.col("market") == market)
        best = _cheapest(own.filter(pl.col("training_seed").is_null()))
        paired = own.filter(pl.col("training_seed").is_not_null())
        for name, other in (("vs_twap_taker_bps", reference), ("vs_best_bps", best)):
            costs = _costs_of(own, other).rename({"other_bps": name})
            paired = paired.join(costs, on=_KEY, how="left", maintain_order="left")
            paired = paired.with_columns((pl.col("is_bps") - pl.col(name)).alias(name))
        parts.append(paired)
    return (
        pl.concat(parts)
        .group_by("market", "policy", "symbol", "side", *CASE, maintain_order=True)
        .agg(pl.len().cast(pl.Int64).alias("n"), pl.col("is_bps", "vs_twap_taker_bps", "vs_best_bps").mean())
        .sort("market", "policy", "symbol", "side", *CASE)
    )


def by_training_seed(rows: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Every agent by itself: ``market, policy, training_seed, n, is_bps, is_low, is_high``."""
    records = []
    for market in rows["market"].unique(maintain_order=True):
        judge = _Judge(rows.filter(pl.col("market") == market), seed)
        agents = judge.rows.filter(pl.col("training_seed").is_not_null())
        for (policy, training_seed), own in agents.group_by("policy", "training_seed", maintain_order=True):
            costs = own["is_bps"].to_numpy()
            records.append(
                (market, policy, training_seed, own.height, float(costs.mean()), *judge.interval(costs, own))
            )
    names = ("market", "policy", "training_seed", "n", "is_bps", "is_low", "is_high")
    types = (pl.String, pl.String, pl.Int64, pl.Int64, *(pl.Float64,) * 3)
    return pl.DataFrame(records, schema=dict(zip(names, types, strict=True)), orient="row")


def changes(switched: pl.DataFrame, whole: pl.DataFrame) -> pl.DataFrame:
    """What the same orders cost in other markets, less what they cost in one: paired order by order.

    Args:
        switched: As from `models.execution.evaluation.evaluate`; ``market`` names what differs.
        whole: The same of the market they are held against.

    Returns:
        ``market, policy, n, is_bps, change_bps``, in the order of ``switched``; orders missing in ``whole`` are left
        out.
    """
    key = ["policy", "training_seed", *_KEY]
    paired = switched.join(
        whole.select(*key, whole_bps="is_bps"), on=key, how="inner", nulls_equal=True, maintain_order="left"
    )
    changed = (pl.col("is_bps") - pl.col("whole_bps")).mean().alias("change_bps")
    return paired.group_by("market", "policy", maintain_order=True).agg(
        pl.len().alias("n"), pl.col("is_bps").mean(), changed
    )
