"""Playing policies on the same parent orders: one row a policy and order.

Common random numbers: every policy meets the same start, side and randomness of the market, which is asserted.

Here: rows, inventory fans, cost decompositions. Not here: intervals and comparisons (comparison.py), rules
(baselines.py), the environment (the caller's).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from feeds.errors import SchemaError
from feeds.study_execution import Case
from models.execution.no_order import SPLIT, NoOrderRun, no_order_run, split_shortfall
from models.execution.protocol import ExecutionEnvLike, Info, MakeEnv, Observation, Policy

#: Length of the blocks of start times where an episode names none, ns.
BLOCK_NS = 30 * 60 * 1_000_000_000
#: Part of a mean shortfall, adding up to is_bps.
PARTS = ("spread_bps", "timing_bps", "fees_bps")

SIDES = ("buy", "sell")
_ROWS: dict[str, Any] = {
    "market": pl.String,
    "policy": pl.String,
    "training_seed": pl.Int64,
    "episode": pl.Int64,
    "seed": pl.Int64,
    "symbol": pl.String,
    "side": pl.String,
    "block": pl.String,
    "arrival_ns": pl.Int64,
    "is_bps": pl.Float64,
    **dict.fromkeys(PARTS, pl.Float64),
    "completion": pl.Float64,
    "maker_share": pl.Float64,
    "horizon_s": pl.Int64,
    "parent_share": pl.Float64,
    "inventory_path": pl.List(pl.Float64),
}


@dataclass(frozen=True)
class Episode:
    """One parent order of the evaluation.

    Attributes:
        seed: Of the environment; chooses the start and the market's randomness.
        side: 0 buys, 1 sells.
        block: Orders of one block are drawn together by the bootstrap; empty: the half hour of the arrival.
    """

    seed: int
    side: int
    block: str = ""


def both_sides(count: int, seed: int, *, own_blocks: bool = False) -> list[Episode]:
    """``count`` orders, a buy and a sell at every start.

    Args:
        count: Orders; an odd number leaves the last start with a buy only.
        seed: Of the starts.
        own_blocks: Make every start a block of its own, for simulated markets that share nothing.
    """
    drawn = np.random.default_rng(seed).integers(2**31, size=-(-count // 2)).tolist()
    blocks = [f"start {number}" if own_blocks else "" for number in range(len(drawn))]
    pairs = [Episode(start, side, block) for start, block in zip(drawn, blocks, strict=True) for side in (0, 1)]
    return pairs[:count]


def evaluate(
    make_env: MakeEnv,
    policies: Sequence[Policy],
    episodes: Sequence[Episode],
    market: str = "",
    progress: Callable[[int, int], None] | None = None,
    counterfactual: bool = False,
    case: Case | None = None,
) -> pl.DataFrame:
    """Play every episode with every policy.

    Args:
        make_env: Called once, with 0.
        policies: Distinct in name and training seed.
        episodes: The parent orders.
        market: Name of the market, carried by every row.
        progress: Called with (episodes done, episodes in all).
        counterfactual: Play every episode once more without an order, and split the shortfalls by it: the columns
            `models.execution.no_order.SPLIT`.
        case: Which of several cases the orders are of; rows of all of them may stand in one table, with the same
            number of episodes each.

    Returns:
        One row a policy and episode: ``market, policy, training_seed`` (null for a rule), ``episode`` (position in
        ``episodes``, numbered through over the cases), ``seed, symbol, side`` ("buy", "sell"), ``block, arrival_ns,
        is_bps, spread_bps, timing_bps, fees_bps`` (bps of the arrival mid, positive is a cost), ``completion,
        maker_share, horizon_s, parent_share`` (null without a case), ``inventory_path``.

    Raises:
        SchemaError: Two policies are the same, or the environment gave them different starts.
    """
    names = [(policy.name, policy.training_seed) for policy in policies]
    if len(set(names)) != len(names):
        raise SchemaError(
            "policies of the evaluation", received=f"{names}", expected="distinct names and training seeds"
        )
    env = make_env(0)
    first = case.number * len(episodes) if case else 0
    of_case = {"horizon_s": case.horizon_s if case else None, "parent_share": case.share if case else None}
    records = []
    for number, episode in enumerate(episodes):
        starts = set()
        without = no_order_run(env, episode.seed, episode.side) if counterfactual else None
        for policy in policies:
            record, start = _play(env, policy, episode, without)
            starts.add(start)
            records.append({"market": market, "episode": first + number, **of_case, **record})
        if len(starts) > 1:
            raise SchemaError(
                f"episode {number} of the evaluation",
                received=f"starts {sorted(starts)}",
                expected="the same start for every policy",
                remedy="Make the environment's reset depend on its seed and options only.",
            )
        if progress is not None:
            progress(number + 1, len(episodes))
    return pl.DataFrame(records, schema=_ROWS | (dict.fromkeys(SPLIT, pl.Float64) if counterfactual else {}))


def _play(
    env: ExecutionEnvLike, policy: Policy, episode: Episode, without: NoOrderRun | None
) -> tuple[dict[str, Any], tuple[int, int, float]]:
    infos, _ = play_through(env, policy, episode)
    info = infos[-1]
    arrival_ns = int(info["arrival_ns"])
    record = {
        "policy": policy.name,
        "training_seed": policy.training_seed,
        "seed": episode.seed,
        "symbol": str(info["symbol"]),
        "side": SIDES[int(info["side"])],
        "block": episode.block or str(arrival_ns // BLOCK_NS),
        "arrival_ns": arrival_ns,
        "inventory_path": [float(share) for share in info["inventory_path"]],
        **{name: float(info[name]) for name in ("is_bps", *PARTS, "completion", "maker_share")},
        **(split_shortfall(without, infos) if without is not None else {}),
    }
    return record, (int(info["side"]), arrival_ns, float(info["arrival_mid_ticks"]))


def play(env: ExecutionEnvLike, policy: Policy, episode: Episode) -> tuple[Info, list[Observation]]:
    """Play one episode; returns the last info and the observations in which the policy decided."""
    infos, seen = play_through(env, policy, episode)
    return infos[-1], seen


def play_through(env: ExecutionEnvLike, policy: Policy, episode: Episode) -> tuple[list[Info], list[Observation]]:
    """Play one episode; returns the info after every step and the observations in which the policy decided."""
    observation, info = env.reset(seed=episode.seed, options={"side": episode.side})
    policy.begin(info, episode.seed)
    infos: list[Info] = []
    seen, ended = [], False
    while not ended:
        seen.append(observation)
        wanted = policy.instruction(observation, info)
        observation, _, terminated, truncated, info = (
            env.execute(wanted) if isinstance(wanted, tuple) else env.step(wanted)
        )
        infos.append(info)
        ended = terminated or truncated
    return infos, seen


def visited_states(make_env: MakeEnv, policy: Policy, episodes: Sequence[Episode]) -> Observation:
    """Observations in which ``policy`` decided, in order, (n, k) float32."""
    env = make_env(0)
    return np.stack([state for episode in episodes for state in play(env, policy, episode)[1]]).astype(np.float32)


def inventory_fan(rows: pl.DataFrame) -> pl.DataFrame:
    """Mean share left over time with the band that holds 80 % of the orders.

    Args:
        rows: As from `evaluate`.

    Returns:
        ``market, policy, elapsed_share, inventory_share, inventory_low`` (10 %), ``inventory_high`` (90 %).
    """
    share = pl.col("inventory_path")
    return (
        rows.select("market", "policy", "inventory_path", last=share.list.len() - 1)
        .with_columns(step=pl.int_ranges(0, pl.col("last") + 1))
        .explode("inventory_path", "step")
        .with_columns(elapsed_share=pl.col("step") / pl.col("last"))
        .group_by("market", "policy", "elapsed_share", maintain_order=True)
        .agg(
            inventory_share=share.mean(),
            inventory_low=share.quantile(0.1, "linear"),
            inventory_high=share.quantile(0.9, "linear"),
        )
    )


def cost_parts(rows: pl.DataFrame) -> pl.DataFrame:
    """Mean decomposition of the shortfall: ``market, policy, spread_bps, timing_bps, fees_bps, is_bps``.

    With the columns `models.execution.no_order.SPLIT` where the rows have them.
    """
    grouped = rows.group_by("market", "policy", maintain_order=True)
    return grouped.agg(pl.col(name).mean() for name in (*PARTS, "is_bps", *SPLIT) if name in rows.columns)


def learning_curve(
    learning: pl.DataFrame, symbol: str, seed: int, window: int = 100, points: int = 200
) -> pl.DataFrame:
    """Moving mean of the training episodes of one agent, thinned for a plot.

    Args:
        learning: As `models.execution.dqn.TrainedDqn.learning`.
        symbol: Instrument the agent was trained on.
        seed: Its training seed.
        window: Episodes averaged; the first points, with fewer, are left out.
        points: Most rows returned.

    Returns:
        ``symbol, seed, episode, is_bps``.
    """
    window = max(1, min(window, learning.height // 4))
    smooth = learning.select("episode", is_bps=pl.col("is_bps").rolling_mean(window)).drop_nulls()
    thin = smooth.gather_every(max(1, -(-smooth.height // points)))
    return thin.select(pl.lit(symbol).alias("symbol"), pl.lit(seed, pl.Int64).alias("seed"), "episode", "is_bps")
