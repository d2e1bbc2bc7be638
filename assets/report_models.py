"""Gather what the report shows of regimes, risk, simulator, execution, promotion and planted effects.

Here: reading one night's results into the report's inputs. Not here: the rest of the report (assets/report.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.common import frame_of

if TYPE_CHECKING:
    import polars as pl

    from assets.report import Gatherer
    from models.report.inputs import (
        AnomalyInputs,
        CorrelationInputs,
        ExecutionInputs,
        PlantedInputs,
        PromotionInputs,
        RegimeInputs,
        RiskLimitInputs,
        SimulatorInputs,
    )


def regimes(one: Gatherer) -> RegimeInputs | None:
    """Regimes of the night and the table of the training window."""
    from models.report.inputs import RegimeInputs

    found, states = one.artefact("regime_model", "evaluation.json"), one.table("regime_state")
    if found is None or states is None:
        return None
    tree = found[1]
    return RegimeInputs(states, frame_of(tree["table"]), tree["verdict"], tree["split"])


def correlation(one: Gatherer) -> CorrelationInputs | None:
    """Correlation matrices and their judgement."""
    from models.report.inputs import CorrelationInputs

    found = one.artefact("correlation_model", "evaluation.json")
    if found is None:
        return None
    tree = found[1]
    return_s = one.store.config.models.correlation.return_s
    return CorrelationInputs(
        frame_of(tree["matrix"]), frame_of(tree["table"]), tree["verdict"], tree["split"], return_s
    )


def anomaly(one: Gatherer) -> AnomalyInputs | None:
    """Anomaly scores and alarms."""
    from models.report.inputs import AnomalyInputs

    found, scores = one.artefact("anomaly_score", "evaluation.json"), one.table("anomaly_score")
    if found is None or scores is None:
        return None
    tree = found[1]
    episodes = frame_of(tree["episodes"]) if tree["episodes"] else None
    return AnomalyInputs(scores, frame_of(tree["table"]), episodes, tree["verdict"], tree["split"])


def limits(one: Gatherer) -> RiskLimitInputs | None:
    """Risk limits of the night."""
    from models.report.inputs import RiskLimitInputs

    frame = one.table("risk_limits")
    if frame is None:
        return None
    found = one.artefact("risk_limits", "limits.json")
    return RiskLimitInputs(frame, tuple(found[1].get("notes", ())) if found else ())


def simulator(one: Gatherer) -> SimulatorInputs | None:
    """The calibration and the realism report."""
    from models.report.inputs import SimulatorInputs

    found = one.artefact("simulator_calibration", "calibration.json")
    if found is None:
        return None
    tree = found[1]
    realism, chosen = one.table("realism"), tree["flow_generator"]
    notes = [f"Fitted on {tree['fit_date']}.", *tree["notes"]]
    if tree["hold_out"]:
        told = ", ".join(f"{name} {passes}" for name, passes in tree["hold_out"].items())
        notes.append(f"Agents train in {chosen}, chosen by passes on the last third of the fitting period: {told}.")
    return SimulatorInputs(
        frame_of(tree["parameters"]),
        frame_of(tree["rates"]),
        realism,
        _realism_verdict(realism, chosen),
        tuple(notes),
        frame_of(tree["generators"]),
        chosen,
    )


def _realism_verdict(realism: pl.DataFrame | None, chosen: str) -> str:
    if realism is None or realism.is_empty():
        return ""
    judged = realism.filter(realism["passed"].is_not_null())
    told = []
    for name in judged["generator"].unique(maintain_order=True):
        own = judged.filter(judged["generator"] == name)
        use = ", in which agents train" if name == chosen else ""
        told.append(f"{int(own['passed'].sum())} of {own.height} for {name}{use}")
    return (
        f"Judged metrics inside the band of real against real: {'; '.join(told)}. The others are where a simulated "
        "market can be told from the tape."
    )


def execution(one: Gatherer) -> ExecutionInputs | None:
    """The judgement of the execution policies."""
    from models.report.inputs import ExecutionInputs

    found, slippage = one.artefact("execution_evaluation", "evaluation.json"), one.table("execution_evaluation")
    if found is None or slippage is None:
        return None
    tree = found[1]
    names = ("fan", "learning", "heat", "costs", "tests", "over_seeds", "ablations")
    frames = {name: frame_of(tree[name]) if tree.get(name) else None for name in names}
    headline = tree.get("headline") or {}
    named = headline.get("instruments", ()) if headline.get("named") else ()
    return ExecutionInputs(
        table=frame_of(tree["table"]),
        slippage=slippage,
        **frames,
        cases=frame_of(tree["policy_cases"]) if tree.get("policy_cases") else None,
        headline=frame_of(headline["table"]) if named and headline["table"] else None,
        named=tuple(named),
        verdict=tree["verdict"],
        split=tree["split"],
        notes=tuple(tree["notes"]),
        challenger=str(tree.get("challenger", "")),
    )


def promotion(one: Gatherer) -> PromotionInputs | None:
    """Tonight's decisions with the approvals as they stand."""
    import polars as pl

    from feeds.registry import Registry
    from models.report.inputs import PromotionInputs

    frame = one.table("promotion")
    if frame is None:
        return None
    registry = Registry(one.store.path)
    approvals = [registry.approval_of(champion) for champion in frame["champion"].to_list()]
    # `champion` of the page is the incumbent the challenger was held against.
    table = frame.select(
        "family",
        pl.col("incumbent").alias("champion"),
        *("challenger", "metric", "n", "difference", "low", "high", "decision", "reason"),
        pl.Series("approved_by", [found.by if found else None for found in approvals], dtype=pl.String),
        pl.Series("approved_at", [found.at if found else None for found in approvals], dtype=pl.String),
    )
    return PromotionInputs(table)


def planted(one: Gatherer) -> PlantedInputs | None:
    """What was planted beside what was found."""
    from models.planted import Found, planted_table
    from models.report.inputs import PlantedInputs

    truth = one.table("planted_truth")
    if truth is None:
        return None
    alpha, matrix = (one.artefact(name, "evaluation.json") for name in ("alpha_model", "correlation_model"))
    found = Found(
        labels=one.table("training_set"),
        label=f"label_{one.store.config.label.horizon_ms}ms_bps",
        forecasts=one.table("alpha_forecast"),
        importance=frame_of(alpha[1]["importance"]) if alpha and alpha[1].get("importance") else None,
        regimes=one.table("regime_state"),
        anomalies=one.table("anomaly_score"),
        correlation=frame_of(matrix[1]["matrix"]) if matrix else None,
    )
    return PlantedInputs(planted_table(truth, found))
