"""Champion against challenger: one paired test a model family, as asset checks that decide.

Tonight's model is the challenger, the incumbent the champion of the newest earlier night. Both are judged on tonight's
test window, which neither was fitted on. A challenger is promoted only where the whole paired interval favours it;
a person's approval (`t2t approve`) stands between a champion and anything live.

Here: which losses are compared, the asset and its checks. Not here: the test (models/metrics/paired.py), the record
(feeds/registry.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.common import failures, table_metadata, table_value
from assets.partitions import StudyPartitions
from assets.split import load_dataset, test_start
from assets.store import StudyStore
from feeds.errors import T2TError
from feeds.manifest import Manifest

if TYPE_CHECKING:
    import polars as pl

    from models.metrics.paired import PairedComparison

GROUP = "evaluation"
OWNERS = ["team:research"]
#: Family -> the asset whose artefact is tonight's challenger.
CHALLENGERS = {
    "alpha": "alpha_model",
    "volatility": "volatility_model",
    "regime": "regime_model",
    "correlation": "correlation_model",
    "execution": "execution_policy",
}
#: Stretches the bootstrap draws: longer than labels overlap, short enough for a session to hold a dozen.
MIN_BLOCK_MS = 15 * 60_000
MOST_BLOCKS = 12


def families(parts: StudyPartitions) -> tuple[str, ...]:
    """Model families of the study that are tested for promotion."""
    return tuple(name for name in CHALLENGERS if name != "execution" or parts.study.execution)


def build_promotion(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_promotion(parts)]


def check_name(family: str) -> str:
    """Name of a family's asset check."""
    return f"{family}_challenger_wins"


def _promotion(parts: StudyPartitions) -> dg.AssetsDefinition:
    named = families(parts)
    deps: list[Any] = [CHALLENGERS[family] for family in named]
    deps += ["feature_table", dg.AssetDep("bars", partition_mapping=parts.same_date)]

    @dg.asset(
        partitions_def=parts.dates,
        deps=[*deps, *(["execution_evaluation"] if "execution" in named else [])],
        check_specs=[
            dg.AssetCheckSpec(
                check_name(family),
                asset="promotion",
                description=f"Tonight's {CHALLENGERS[family]} beats the champion on data neither has seen: the whole "
                "paired interval favours it. Fails where the champion stays.",
            )
            for family in named
        ],
        group_name=GROUP,
        kinds={"parquet"},
        owners=OWNERS,
        description="Which model of each family is champion after tonight, and why. Nothing goes live without a "
        "person's approval: `t2t approve ID`.",
    )
    @failures
    def promotion(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        import polars as pl

        date = context.partition_key
        decisions = {family: decide_family(store, date, family) for family in named}
        frame = pl.DataFrame(list(decisions.values()), infer_schema_length=None)
        parents = [record["challenger"] for record in decisions.values()]
        manifest = store.lake.write("promotion", frame, date, parents=parents)
        return dg.MaterializeResult(
            metadata={**table_metadata(frame, manifest), "decisions": table_value(frame)},
            check_results=[_check(family, record) for family, record in decisions.items()],
        )

    return promotion


def _check(family: str, record: dict[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=check_name(family),
        passed=record["decision"] in ("first", "promoted"),
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{record['decision']}: {record['reason']}",
        metadata={key: value for key, value in record.items() if isinstance(value, int | float | str)},
    )


def decide_family(store: StudyStore, date: str, family: str) -> dict[str, Any]:
    """Compare tonight's model of ``family`` with its champion, record the decision and return it as one row."""
    from feeds.registry import Registry

    registry = Registry(store.path)
    challenger = store.artefacts.current(CHALLENGERS[family], date)
    incumbent = registry.champion_before(family, date)
    metric, comparison, reason = "", None, ""
    if incumbent is not None:
        champion = store.artefacts.manifests.get(incumbent.model_id)
        try:
            metric, comparison = COMPARE[family](store, date, challenger, champion)
        except T2TError as error:
            reason = f"the champion cannot be judged on tonight's data: {error}"
    decision = registry.decide(
        family,
        date,
        challenger.id,
        comparison=comparison.record(metric) if comparison is not None else None,
        reason=reason,
    )
    return decision_row(decision)


def decision_row(decision: Any) -> dict[str, Any]:
    """A decision as one flat row of the table ``promotion``."""
    figures = decision.comparison or {}
    return {
        "family": decision.family,
        "date": decision.date,
        "challenger": decision.challenger,
        "incumbent": decision.incumbent,
        "champion": decision.champion,
        "decision": decision.decision,
        "metric": figures.get("metric"),
        "n": figures.get("n"),
        "difference": figures.get("difference"),
        "low": figures.get("low"),
        "high": figures.get("high"),
        "reason": decision.reason,
    }


Comparison = tuple[str, "PairedComparison"]


def block_ms(ts: pl.Series) -> int:
    """Length of the bootstrap's stretches for a test that covers ``ts``."""
    span_ms = (int(ts.max()) - int(ts.min())) // 1_000_000  # type: ignore[arg-type]
    return max(1, min(MIN_BLOCK_MS, span_ms // MOST_BLOCKS))


def _alpha(store: StudyStore, date: str, challenger: Manifest, champion: Manifest) -> Comparison:
    import polars as pl

    from models.alpha import AlphaModel
    from models.metrics.paired import paired_comparison

    data = load_dataset(store, date)
    models = [AlphaModel.from_bytes(store.artefacts.read(one, "model.joblib")) for one in (challenger, champion)]
    test = data.test.filter(pl.col(models[0].label).is_not_null())
    realised = test[models[0].label].to_numpy()
    losses = [(model.predict(test) - realised) ** 2 for model in models]
    return "squared error (bps²)", paired_comparison(losses[0], losses[1], test["ts"].to_numpy(), block_ms(test["ts"]))


def _volatility(store: StudyStore, date: str, challenger: Manifest, champion: Manifest) -> Comparison:
    import polars as pl

    from assets.volatility import load_blocks
    from models.metrics.paired import paired_comparison
    from models.volatility import VolatilityModel, lead_losses

    blocks, _, _ = load_blocks(store, date)
    models = [VolatilityModel.from_bytes(store.artefacts.read(one, "model.joblib")) for one in (challenger, champion)]
    start = test_start(store, date)
    frames = [lead_losses(model, blocks).filter(pl.col("ts") >= start) for model in models]
    both = frames[0].join(frames[1], on=["ts", "symbol"], how="inner", suffix="_champion").sort("ts", "symbol")
    losses = [both[name].to_numpy() for name in ("qlike", "qlike_champion")]
    return "QLIKE", paired_comparison(losses[0], losses[1], both["ts"].to_numpy(), block_ms(both["ts"]))


def _regime(store: StudyStore, date: str, challenger: Manifest, champion: Manifest) -> Comparison:
    from models.metrics.paired import paired_comparison
    from models.regimes import RegimeModel, log_likelihood

    test = load_dataset(store, date).test.sort("symbol", "ts")
    models = [RegimeModel.from_bytes(store.artefacts.read(one, "model.joblib")) for one in (challenger, champion)]
    # A density over other features has another unit.
    shared = [name for name in models[0].features if name in models[1].features]
    losses = [-log_likelihood(model, test, features=shared) for model in models]
    return "negative log-likelihood", paired_comparison(
        losses[0], losses[1], test["ts"].to_numpy(), block_ms(test["ts"])
    )


def _correlation(store: StudyStore, date: str, challenger: Manifest, champion: Manifest) -> Comparison:
    from assets.risk import load_returns
    from models.correlation import CorrelationModel, gaussian_losses
    from models.metrics.paired import paired_comparison

    _, test, _, _ = load_returns(store, date)
    models = [CorrelationModel.from_bytes(store.artefacts.read(one, "model.joblib")) for one in (challenger, champion)]
    losses = [gaussian_losses(model, test) for model in models]
    return "Gaussian loss", paired_comparison(losses[0], losses[1], test["ts"].to_numpy(), block_ms(test["ts"]))


def _execution(store: StudyStore, date: str, challenger: Manifest, champion: Manifest) -> Comparison:
    from assets.execution import paired_losses
    from models.metrics.paired import paired_episodes

    ours, theirs, block = paired_losses(store, date, challenger, champion)
    return "implementation shortfall (bps)", paired_episodes(ours, theirs, block)


COMPARE: dict[str, Callable[[StudyStore, str, Manifest, Manifest], Comparison]] = {
    "alpha": _alpha,
    "volatility": _volatility,
    "regime": _regime,
    "correlation": _correlation,
    "execution": _execution,
}
