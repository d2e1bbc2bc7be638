"""Execution policies of a study's newest night, by the whole protocol: every rule, fitted ones and perfect foresight.

Needs a study that was run: its calibrated flow and its trained agents are read from its folder. Rules are fitted on the
flow, everything is judged on the unseen tape and on the flow, both sides of every start, against a run without the
order. Ablations judge the same orders with one part of the market switched off.

Here: the measurement, its command line. Not here: rules and statistics (models/execution), environments
(assets/execution_setup.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.execution_ablations import ABLATIONS as ALL
from assets.execution_ablations import Ablation

if TYPE_CHECKING:
    from assets.execution_setup import Parent
    from assets.store import StudyStore
    from feeds.study import Execution
    from models.execution.fitted_rules import FitConfig
    from models.execution.protocol import ExecutionEnvLike, Policy
    from sim.execution_env import ExecutionEnv

STUDY = "bitstamp_demo"
ORACLE = "foresight"


#: What is switched off, on the tape, by the names a study asks for; what agents know is not among it here.
ABLATIONS: Mapping[str, Ablation] = {name: one for name, one in ALL.items() if not one.without}


@dataclass(frozen=True)
class Night:
    """What is judged.

    Attributes:
        store: Of the study.
        date: Newest as-of date with trained agents.
        config: Execution settings.
        orders: Parent orders an instrument and market.
    """

    store: StudyStore
    date: str
    config: Execution
    orders: int


def run(
    study: str = STUDY, orders: int = 0, fit_orders: int = 60, learned_orders: int = 400, ablations: bool = True
) -> dict[str, Any]:
    """Judge all policies.

    Args:
        study: Its name; it was run before (``t2t run``).
        orders: Parent orders an instrument and market; 0: the study's.
        fit_orders: As `models.execution.fitted_rules.FitConfig.orders`.
        learned_orders: As `models.execution.fitted_rules.FitConfig.learned_orders`.
        ablations: Judge with parts of the market switched off too, on the tape.

    Returns:
        ``markets``: market -> policy -> ``is_bps, is_ci, impact_bps, sd_bps, cvar95_bps, completion, maker_share,
        vs_twap_taker, vs_vwap, vs_best_baseline`` (mean, low, high of the paired difference; of the oracle none to the
        best), ``p_romano_wolf`` (to the TWAP taker); ``best_baseline``, ``oracle_test``, ``fitted``, ``ablations``:
        name -> policy -> change of the mean shortfall on the same orders.
    """
    night = _night(study, orders)
    rows, fitted, switched = _play(night, fit_orders, learned_orders, ablations)
    found = figures(rows)
    return {"study": study, "date": night.date, **found, "fitted": fitted, "ablations": _changes(rows, switched)}


def figures(rows: pl.DataFrame) -> dict[str, Any]:
    """Tables of `run` from rows with the split."""
    from models.execution.comparison import summarise
    from models.execution.sanity import oracle_test
    from models.execution.significance import significance

    judged = rows.filter(pl.col("policy") != ORACLE)
    bound = rows.filter(pl.col("policy").is_in([ORACLE, "twap_taker", "vwap"]))
    tables = [
        pl.concat([summarise(judged, other), summarise(bound, other).filter(pl.col("policy") == ORACLE)])
        for other in ("twap_taker", "vwap")
    ]
    impact = rows.group_by("market", "policy", maintain_order=True).agg(pl.col("impact_bps").mean())
    tests = significance(judged).select("market", "policy", "p_romano_wolf")
    merged = (
        tables[0]
        .join(tables[1].select("market", "policy", *_VERSUS), on=["market", "policy"], how="left", suffix="_vwap")
        .join(impact, on=["market", "policy"], how="left")
        .join(tests, on=["market", "policy"], how="left")
    )
    markets: dict[str, Any] = {}
    for line in merged.sort("market", "is_bps").to_dicts():
        markets.setdefault(line["market"], {})[line["policy"]] = _line(line)
    best = {
        market: next((name for name, one in table.items() if one["vs_best_baseline"] is None and name != ORACLE), None)
        for market, table in markets.items()
    }
    verdicts = {name: oracle_test(rows.filter(pl.col("market") == name), ORACLE) for name in markets}
    oracle = {name: [verdict.passed, verdict.reason] for name, verdict in verdicts.items()}
    return {"markets": markets, "best_baseline": best, "oracle_test": oracle}


_VERSUS = ("vs_twap_taker_bps", "vs_twap_low", "vs_twap_high")


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    best = None if line["policy"] == ORACLE else _three(line, ("vs_best_bps", "vs_best_low", "vs_best_high"))
    return {
        "is_bps": _rounded(line["is_bps"]),
        "is_ci": [_rounded(line["is_low"]), _rounded(line["is_high"])],
        **{name: _rounded(line[name]) for name in ("impact_bps", "sd_bps", "cvar95_bps", "completion", "maker_share")},
        "vs_twap_taker": _three(line, _VERSUS),
        "vs_vwap": _three(line, [f"{name}_vwap" for name in _VERSUS]),
        "vs_best_baseline": best,
        "p_romano_wolf": _rounded(line["p_romano_wolf"], 4),
    }


def _three(line: Mapping[str, Any], names: Sequence[str]) -> list[float | None] | None:
    values = [_rounded(line[name]) for name in names]
    return None if values[0] is None else values


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def _night(study: str, orders: int) -> Night:
    from assets.execution_setup import settings
    from assets.store import StudyStore
    from feeds.errors import LakeError
    from feeds.root import study_root
    from feeds.study import load_study

    store = StudyStore(study=study, root=str(study_root(load_study(study))))
    dates = store.artefacts.dates("execution_policy")
    if not dates:
        raise LakeError(
            f"execution policies of {study}", received="none", expected="a night with agents", remedy="Run `t2t run`."
        )
    config = settings(store)
    return Night(store, dates[-1], config, orders or config.eval_episodes)


def _play(
    night: Night, fit_orders: int, learned_orders: int, ablations: bool
) -> tuple[pl.DataFrame, dict[str, Any], dict[str, pl.DataFrame]]:
    from assets.execution_setup import parents_of
    from models.execution.fitted_rules import FitConfig

    budget = FitConfig(orders=fit_orders, learned_orders=learned_orders)
    frames, fitted, switched = [], {}, dict[str, list[pl.DataFrame]]()
    for parent in parents_of(night.store, night.date):
        rows, fitted[parent.symbol], changed = _play_parent(night, parent, budget, ABLATIONS if ablations else {})
        frames.append(rows)
        for name, made in changed.items():
            switched.setdefault(name, []).append(made)
    return pl.concat(frames), fitted, {name: pl.concat(parts) for name, parts in switched.items()}


def _play_parent(
    night: Night, parent: Parent, budget: FitConfig, ablations: Mapping[str, Ablation]
) -> tuple[pl.DataFrame, dict[str, Any], dict[str, pl.DataFrame]]:
    """Rows of both markets, what was fitted, and rows of the tape with parts switched off."""
    from assets.execution_judge import contenders
    from assets.execution_setup import flow_env, observation_of, replay_env, rules
    from models.execution.fitted_rules import fit_rules

    def flow() -> ExecutionEnvLike:
        return flow_env(night.config, parent)

    def replay(without: Ablation | None = None) -> ExecutionEnv:
        config = night.config.model_copy(update=dict(without.settings) if without else {})
        return replay_env(night.store, night.date, parent, config, **(without.market() if without else {}))[0]

    policy = night.store.artefacts.current("execution_policy", night.date)
    learned = fit_rules(lambda _: flow(), observation_of(night.config).terms, budget)
    known = [*rules(night.store, night.date, parent, replay().grid.n), *learned.policies()]
    policies, concession = [*known, *contenders(night.store, night.date, policy)[0]], learned.impact.concession_bps
    rows = [
        _judged(night, replay, policies, "replay", known, concession),
        _judged(night, flow, policies, "flow", known, concession),
    ]
    changed = {
        name: _judged(night, partial(replay, without), policies, "replay") for name, without in ablations.items()
    }
    fitted = {
        "leave_level": learned.level.level,
        "kappa_t": _rounded(learned.impact.kappa_t()),
        "concession_bps": _rounded(concession),
        "volatility_bps": _rounded(learned.impact.volatility_bps),
    }
    return pl.concat(rows), fitted, changed


def _judged(
    night: Night,
    make: Callable[[], ExecutionEnvLike],
    policies: Sequence[Policy],
    market: str,
    known: Sequence[Policy] = (),
    concession_bps: float = 0.0,
) -> pl.DataFrame:
    """Rows of all policies; with perfect foresight where rules it may use are ``known``."""
    from models.execution.evaluation import both_sides, evaluate
    from models.execution.foresight import Foresight

    oracle: list[Policy] = [Foresight(make(), known, concession_bps=concession_bps)] if known else []
    orders = both_sides(night.orders, night.store.config.seed, own_blocks=market == "flow")
    return evaluate(lambda _: make(), [*policies, *oracle], orders, market, counterfactual=True)


def _changes(rows: pl.DataFrame, switched: Mapping[str, pl.DataFrame]) -> dict[str, dict[str, float]]:
    base = _means(rows.filter(pl.col("market") == "replay"))
    return {
        name: {policy: round(mean - base[policy], 3) for policy, mean in _means(frame).items()}
        for name, frame in switched.items()
    }


def _means(rows: pl.DataFrame) -> dict[str, float]:
    return dict(rows.group_by("policy", maintain_order=True).agg(pl.col("is_bps").mean()).iter_rows())


def main() -> None:
    """``python -m benchmarks.execution_quality --study NAME [--json]``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default=STUDY)
    parser.add_argument("--orders", type=int, default=0, help="parent orders an instrument and market")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = run(asked.study, asked.orders)
    if asked.json:
        print(json.dumps(found))
        return
    for market, table in found["markets"].items():
        print(f"{market}; best rule {found['best_baseline'][market]}")
        for policy, line in table.items():
            costs = f"{line['is_bps']:8.3f} {line['is_ci']} impact {line['impact_bps']:7.3f}"
            print(f"  {policy:28} {costs} vs TWAP {line['vs_twap_taker']}")
    print(found["oracle_test"], found["fitted"], found["ablations"], sep="\n")


if __name__ == "__main__":
    main()
