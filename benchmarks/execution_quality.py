"""Execution policies of a study's newest night, by the whole protocol: every rule, fitted ones and perfect foresight.

Needs a study that was run: its calibrated flow and its trained agents are read from its folder. Rules are fitted on the
flow, everything is judged on the unseen tape and on the flow, both sides of every start, against a run without the
order. Ablations judge the same orders with one part of the market switched off. With ``--policies`` the agents are
those of another study, so that they are seen on instruments they were not trained in.

Here: the measurement, its command line. Not here: rules and statistics (models/execution), environments
(assets/execution_setup.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.execution_ablations import ABLATIONS as ALL
from assets.execution_ablations import Ablation
from assets.execution_training import agent_of

if TYPE_CHECKING:
    from assets.execution_setup import Parent, Replay
    from assets.store import StudyStore
    from feeds.manifest import Manifest
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
        date: Newest as-of date with trained agents, or of all where they come from elsewhere.
        config: Execution settings.
        orders: Parent orders an instrument, market and case.
        trained: Where the agents lie.
        policy: The agents.
    """

    store: StudyStore
    date: str
    config: Execution
    orders: int
    trained: StudyStore
    policy: Manifest

    def agents(self) -> list[Policy]:
        """Those of the study with its champion's, or those of the other study."""
        from assets.execution_judge import agents_among, contenders
        from assets.execution_setup import observation_of

        if self.trained is self.store:
            return contenders(self.store, self.date, self.policy)[0]
        return agents_among(self.trained, self.policy, observation_of(self.config).terms)


def run(
    study: str = STUDY,
    orders: int = 0,
    fit_orders: int = 60,
    learned_orders: int = 400,
    ablations: bool = True,
    policies: str = "",
) -> dict[str, Any]:
    """Judge all policies.

    Args:
        study: Its name; it was run before (``t2t run``).
        orders: Parent orders an instrument, market and case; 0: the study's.
        fit_orders: As `models.execution.fitted_rules.FitConfig.orders`.
        learned_orders: As `models.execution.fitted_rules.FitConfig.learned_orders`.
        ablations: Judge with parts of the market switched off too, on the tape.
        policies: Study whose newest agents are judged; empty: its own. They are shown every term there is here, and
            see the mean of their training for others.

    Returns:
        ``markets``: market -> policy -> ``is_bps, is_ci, impact_bps, sd_bps, cvar95_bps, completion, maker_share,
        vs_twap_taker, vs_vwap, vs_best_baseline`` (mean, low, high of the paired difference; of the oracle none to the
        best), ``p_romano_wolf`` (to the TWAP taker); ``cases``: the same of every case, by
        ``"{symbol} {horizon}s {share}%"``; ``headline``: the same of the instruments that stand for the study, with
        their names; ``best_baseline``, ``oracle_test``, ``fitted`` (by case), ``ablations``: name -> policy -> change
        of the mean shortfall on the same orders.
    """
    night = _night(study, orders, policies)
    rows, fitted, switched = _play(night, fit_orders, learned_orders, ablations)
    told = {"study": study, "date": night.date, "policies": night.policy.id, "agent": agent_of(night.policy)}
    found = figures(rows) | {"cases": by_case(rows), "headline": headline(rows, night.config.headline)}
    return told | found | {"fitted": fitted, "ablations": _changes(rows, switched)}


def by_case(rows: pl.DataFrame) -> dict[str, Any]:
    """Case -> market -> policy -> figures."""
    from models.execution.cases import case_label
    from models.execution.comparison import CASE

    cases = rows.group_by("symbol", *CASE, maintain_order=True)
    return {case_label(*case): figures(own)["markets"] for case, own in cases}


def headline(rows: pl.DataFrame, named: Sequence[str]) -> dict[str, Any]:
    """``instruments, named`` (whether they were, or are all), ``missing`` and ``markets`` as of all instruments."""
    from models.execution.cases import headline_of

    instruments, missing = headline_of(rows, named)
    own = rows.filter(pl.col("symbol").is_in(instruments))
    markets = figures(own)["markets"] if instruments else {}
    return {"instruments": instruments, "named": bool(named), "missing": missing, "markets": markets}


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


def store_of(study: str) -> StudyStore:
    """Where the results of a study lie."""
    from assets.store import StudyStore
    from feeds.root import study_root
    from feeds.study import load_study

    return StudyStore(study=study, root=str(study_root(load_study(study))))


def _night(study: str, orders: int, policies: str = "") -> Night:
    from assets.execution_setup import settings
    from assets.execution_training import grid_known

    store = store_of(study)
    trained = store_of(policies) if policies and policies != study else store
    trained_on = _newest(trained, policies or study)
    policy, config = trained.artefacts.current("execution_policy", trained_on), settings(store)
    if trained is store:
        return Night(store, trained_on, config, orders or config.eval_episodes, store, policy)
    date, grid = (store.artefacts.dates("execution_policy") or store.lake.dates("clean_ticks"))[-1], grid_known(policy)
    known = config.forecasts and store.lake.exists("alpha_forecast", date)
    shown = {"sizes": grid.sizes, "styles": grid.styles, "observation": "full", "forecasts": known}
    return Night(store, date, config.model_copy(update=shown), orders or config.eval_episodes, trained, policy)


def _newest(store: StudyStore, study: str) -> str:
    from feeds.errors import LakeError

    dates = store.artefacts.dates("execution_policy")
    if not dates:
        raise LakeError(
            f"execution policies of {study}", received="none", expected="a night with agents", remedy="Run `t2t run`."
        )
    return dates[-1]


def _play(
    night: Night, fit_orders: int, learned_orders: int, ablations: bool
) -> tuple[pl.DataFrame, dict[str, Any], dict[str, pl.DataFrame]]:
    from assets.execution_forecasts import judged_forecasts
    from assets.execution_setup import judged_replay, parents_of
    from models.execution.fitted_rules import FitConfig

    budget, wanted = FitConfig(orders=fit_orders, learned_orders=learned_orders), ABLATIONS if ablations else {}
    frames, fitted, switched = [], {}, dict[str, list[pl.DataFrame]]()
    told = judged_forecasts(night.store, night.date)[0] if night.config.sees_forecasts else {}
    for symbol, parents in groupby(parents_of(night.store, night.date), key=lambda parent: parent.symbol):
        tape = judged_replay(night.store, night.date, symbol, told.get(symbol))
        for parent in parents:
            rows, fitted[f"{symbol} {parent.case.label}"], changed = _play_parent(night, parent, tape, budget, wanted)
            frames.append(rows)
            for name, made in changed.items():
                switched.setdefault(name, []).append(made)
    return pl.concat(frames), fitted, {name: pl.concat(parts) for name, parts in switched.items()}


def _play_parent(
    night: Night, parent: Parent, tape: Replay, budget: FitConfig, ablations: Mapping[str, Ablation]
) -> tuple[pl.DataFrame, dict[str, Any], dict[str, pl.DataFrame]]:
    """Rows of both markets, what was fitted, and rows of the tape with parts switched off."""
    from assets.execution_forecasts import usual
    from assets.execution_judge import training_env
    from assets.execution_setup import flow_env, grid_of, observation_of, rules
    from models.execution.fitted_rules import fit_rules

    store, date, config = night.store, night.date, night.config
    shown = usual(tape.forecasts) if tape.forecasts else None

    def flow() -> ExecutionEnvLike:
        return flow_env(config, parent, shown)

    def replay(without: Ablation | None = None) -> ExecutionEnv:
        changed = config.model_copy(update=dict(without.settings) if without else {})
        return tape.env(changed, parent, **(without.market() if without else {}))

    judged = partial(_judged, night, parent)
    learned = fit_rules(lambda _: training_env(store, date, parent, config), observation_of(config).terms, budget)
    known = [*rules(store, date, parent, grid_of(config).n), *learned.policies()]
    policies, concession = [*known, *night.agents()], learned.impact.concession_bps
    rows = [judged(replay, policies, "replay", known, concession)]
    if config.simulates:
        rows.append(judged(flow, policies, "flow", known, concession))
    changed = {name: judged(partial(replay, without), policies, "replay") for name, without in ablations.items()}
    fitted = {
        "leave_level": learned.level.level,
        "kappa_t": _rounded(learned.impact.kappa_t()),
        "concession_bps": _rounded(concession),
        "volatility_bps": _rounded(learned.impact.volatility_bps),
    }
    return pl.concat(rows), fitted, changed


def _judged(
    night: Night,
    parent: Parent,
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
    return evaluate(lambda _: make(), [*policies, *oracle], orders, market, counterfactual=True, case=parent.case)


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
    parser.add_argument("--policies", default="", help="the study whose agents are judged, by default the same")
    parser.add_argument("--orders", type=int, default=0, help="parent orders an instrument, market and case")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = run(asked.study, asked.orders, policies=asked.policies)
    if asked.json:
        print(json.dumps(found))
        return
    for market, table in found["markets"].items():
        print(f"{market}; best rule {found['best_baseline'][market]}")
        _print(table, list(table))
    for label, markets in found["cases"].items() if len(found["cases"]) > 1 else ():
        print(f"{label}, replay")
        _print(markets["replay"], [name for name in ("twap_taker", found["agent"]) if name in markets["replay"]])
    print(found["oracle_test"], found["fitted"], found["ablations"], sep="\n")


def _print(table: Mapping[str, Any], policies: Sequence[str]) -> None:
    for policy in policies:
        line = table[policy]
        costs = f"{line['is_bps']:8.3f} {line['is_ci']} impact {line['impact_bps']:7.3f}"
        print(f"  {policy:28} {costs} vs TWAP {line['vs_twap_taker']}")


if __name__ == "__main__":
    main()
