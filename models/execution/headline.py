"""What an agent is worth on a tape, in the figures execution is judged by: against takers, against passive rules.

A tape is an instrument of a study; its rows are those of the unseen tape, all training seeds and cases together. Every
difference is paired order by order, with a 95 % interval from a bootstrap over blocks of start times. A ratio of mean
shortfalls is given only where the shortfall below the line is surely a cost: its interval lies above zero.

Here: figures of one tape, p-values adjusted over tapes. Not here: reading tapes (benchmarks/execution_headline.py),
single tables (comparison.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from models.execution.cases import case_label
from models.execution.comparison import CASE, block_interval, block_weights, summarise
from models.execution.significance import significance
from models.metrics.multiple import holm

#: Rules that rest before they take: what an agent has to beat among the patient.
PASSIVE = ("twap_passive", "vwap_passive", "submit_and_leave", "submit_and_leave_optimised")
TWAP, VWAP = "twap_taker", "vwap"
#: What is asked of an agent: at most so much of the taker's shortfall, and of its impact.
TARGETS = {"vs_twap": 0.53, "vs_vwap": 0.65, "impact": 0.41}
#: Comparisons of an agent, by the rule it is held against.
AGAINST = ("twap", "vwap", "passive")


def tape_headline(rows: pl.DataFrame, agent: str, seed: int = 0) -> dict[str, Any]:
    """Figures of one agent on one tape.

    Args:
        rows: As from `models.execution.evaluation.evaluate`, of one market and instrument; with the columns of
            `models.execution.no_order.SPLIT` for the impact.
        agent: Name of the agent.
        seed: Of the bootstrap.

    Returns:
        ``orders, blocks, seeds, is_bps`` (of the agent, the TWAP taker, VWAP and the best passive rule: mean, low,
        high), ``best_passive`` (its name), ``difference`` (against each of `AGAINST`: mean, low, high), ``p_value``,
        ``ratio`` (to ``twap`` and ``vwap``; None where that is no sure cost), ``impact_bps, impact_ratio, sd_bps``,
        ``targets`` (True, False, or None where it cannot be said).
    """
    others = {"twap": TWAP, "vwap": VWAP, "passive": _best_passive(rows)}
    table = {line["policy"]: line for line in summarise(rows, seed=seed).to_dicts()}
    own = rows.filter(pl.col("policy") == agent)
    costs = {name: _mean(table.get(policy)) for name, policy in {"agent": agent, **others}.items()}
    versus = {name: _difference(rows, agent, policy, seed) for name, policy in others.items()}
    ratio = {name: _ratio(costs["agent"], costs[name]) for name in ("twap", "vwap")}
    impact = {name: _impact(rows, policy, seed) for name, policy in (("agent", agent), ("twap", TWAP))}
    impact_ratio = _ratio(impact["agent"], impact["twap"])
    sd = {
        name: table[policy]["sd_bps"] if policy in table else None
        for name, policy in {"agent": agent, **others}.items()
    }
    return {
        "orders": own.select("symbol", "episode").n_unique(),
        "blocks": rows["block"].n_unique(),
        "seeds": own["training_seed"].n_unique(),
        "is_bps": costs,
        "best_passive": others["passive"],
        "difference": {name: one[:3] if one else None for name, one in versus.items()},
        "p_value": {name: one[3] if one else None for name, one in versus.items()},
        "ratio": ratio,
        "impact_bps": impact,
        "impact_ratio": impact_ratio,
        "sd_bps": sd,
        "targets": {
            "vs_twap": _at_most(ratio["twap"], TARGETS["vs_twap"]),
            "vs_vwap": _at_most(ratio["vwap"], TARGETS["vs_vwap"]),
            "impact": _at_most(impact_ratio, TARGETS["impact"]),
            "sd": _lower(sd["agent"], (sd["twap"], sd["vwap"])),
            "passive": None if versus["passive"] is None else _below_zero(versus["passive"]),
        },
    }


def by_label(rows: pl.DataFrame, agent: str, seed: int = 0) -> dict[str, dict[str, Any]]:
    """`tape_headline` of every case of a tape, by its label."""
    cases = rows.group_by("symbol", *CASE, maintain_order=True)
    return {case_label(*case): tape_headline(own, agent, seed) for case, own in cases}


def adjust_over_tapes(tapes: Sequence[Mapping[str, Any]]) -> list[dict[str, float | None]]:
    """P-values by Holm over the tapes, each comparison a family of its own.

    Args:
        tapes: As from `tape_headline`.

    Returns:
        One a tape: comparison -> adjusted p-value, None where there is none.
    """
    adjusted: list[dict[str, float | None]] = [dict.fromkeys(AGAINST) for _ in tapes]
    for name in AGAINST:
        known = [
            (place, tape["p_value"][name]) for place, tape in enumerate(tapes) if tape["p_value"][name] is not None
        ]
        for (place, _), value in zip(known, holm([p for _, p in known]), strict=True):
            adjusted[place][name] = float(value)
    return adjusted


def _best_passive(rows: pl.DataFrame) -> str | None:
    found = rows.filter(pl.col("policy").is_in(PASSIVE))
    means = found.group_by("policy", maintain_order=True).agg(pl.col("is_bps").mean()).sort("is_bps", "policy")
    return str(means["policy"][0]) if means.height else None


def _mean(line: Mapping[str, Any] | None) -> list[float | None] | None:
    return None if line is None else [line["is_bps"], line["is_low"], line["is_high"]]


def _difference(rows: pl.DataFrame, agent: str, other: str | None, seed: int) -> list[float | None] | None:
    """Mean, low, high, p-value of this comparison alone."""
    both = rows.filter(pl.col("policy").is_in([agent, other]))
    if other is None or both["policy"].n_unique() < 2:
        return None
    line = summarise(both, other, seed).row(by_predicate=pl.col("policy") == agent, named=True)
    tested = significance(both, other, seed)
    p = tested["p_value"][0] if tested.height else None
    return [line["vs_twap_taker_bps"], line["vs_twap_low"], line["vs_twap_high"], p]


def _impact(rows: pl.DataFrame, policy: str, seed: int) -> list[float | None] | None:
    own = rows.filter(pl.col("policy") == policy)
    if "impact_bps" not in rows.columns or own.is_empty():
        return None
    values, cell = own["impact_bps"].to_numpy(), (own["block"].rank("dense").cast(pl.Int64) - 1).to_numpy()
    low, high = block_interval(values, cell, block_weights(int(cell.max()) + 1, seed)) or (None, None)
    return [float(np.mean(values)), low, high]


def _ratio(part: Sequence[float | None] | None, whole: Sequence[float | None] | None) -> float | None:
    if part is None or whole is None or part[0] is None or whole[0] is None or (whole[1] or 0.0) <= 0.0:
        return None
    return part[0] / whole[0]


def _at_most(value: float | None, bound: float) -> bool | None:
    return None if value is None else value <= bound


def _lower(value: float | None, others: Sequence[float | None]) -> bool | None:
    known = [other for other in others if other is not None]
    return None if value is None or len(known) < len(others) else all(value < other for other in known)


def _below_zero(difference: Sequence[float | None]) -> bool | None:
    return None if difference[2] is None else difference[2] < 0.0
