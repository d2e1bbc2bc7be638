"""Gather what a nightly report is built from: partitions and artefacts of one night.

Here: reading and naming parents. Not here: what the report says (models/report), the asset (assets/evaluation.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from assets import report_models
from assets.checks import DATE_TABLES, INSTRUMENT_DAY_TABLES
from assets.quality import quality_inputs
from assets.store import StudyStore
from assets.universe import Universe, universe_of
from feeds.manifest import Manifest, code_version
from feeds.study import Study

if TYPE_CHECKING:
    import polars as pl

    from models.report.inputs import AlphaInputs, BacktestInputs, ReportInputs, VolatilityInputs

#: Parts of the report that `assets.report_models` gathers.
PARTS = ("regimes", "correlation", "anomaly", "limits", "simulator", "execution", "promotion", "planted")
#: What a report compares with the night before, by artefact.
COMPARED = {
    "alpha_model": ("ic", "rank_ic", "hit_rate"),
    "volatility_model": ("qlike_har", "qlike_ewma"),
    "regime_model": ("log_likelihood_gain",),
    "correlation_model": ("loss_identity", "loss_ledoit_wolf"),
    "execution_evaluation": ("is_bps_dqn", "is_bps_ppo", "is_bps_twap_taker", "is_bps_twap_passive"),
    "backtest": ("gross_total_bps", "net_total_bps", "turnover"),
}
#: Models named in the provenance block, and tables beside them.
MODELS = ("alpha_model", "volatility_model", "regime_model", "correlation_model", "anomaly_model")
EXECUTION_MODELS = ("simulator_calibration", "execution_policy")
TABLES = ("feature_table", "training_set", "alpha_forecast", "backtest", "risk_limits", "promotion")


@dataclass
class Gathered:
    """Inputs of a report and the ids of everything that went in."""

    inputs: ReportInputs
    parents: list[str] = field(default_factory=list)


class Gatherer:
    """Reads one night's results and remembers what it read.

    Args:
        store: The study's files.
        date: The night.
    """

    def __init__(self, store: StudyStore, date: str) -> None:
        self.store, self.date, self.lake = store, date, store.lake
        self.parents: list[str] = []
        self.universe: Universe = universe_of(self.lake, store.config, date)

    def table(self, name: str, symbol: str | None = None, columns: list[str] | None = None) -> pl.DataFrame | None:
        """A partition of the night, None where it is not there."""
        if not self.lake.exists(name, self.date, symbol):
            return None
        self.parents.append(self.lake.manifest(name, self.date, symbol).id)
        return self.lake.read(name, self.date, symbol, columns)

    def by_symbol(self, name: str, columns: list[str] | None = None) -> pl.DataFrame | None:
        """Partitions of the included instruments, stacked, with a symbol column."""
        import polars as pl

        frames = []
        for symbol in self.universe.included:
            if (frame := self.table(name, symbol, columns)) is not None:
                frames.append(frame.with_columns(pl.lit(symbol).alias("symbol")))
        return pl.concat(frames) if frames else None

    def artefact(self, name: str, file_name: str) -> tuple[Manifest, Any] | None:
        """An artefact of the night and one of its JSON files."""
        if not self.store.artefacts.exists(name, self.date):
            return None
        manifest = self.store.artefacts.current(name, self.date)
        self.parents.append(manifest.id)
        return manifest, self.store.artefacts.read_json(manifest, file_name)

    def quality(self) -> pl.DataFrame | None:
        """Check results of all dates, with a row per instrument that is missing altogether."""
        import polars as pl

        frames = []
        for table in INSTRUMENT_DAY_TABLES:
            for date in self.lake.dates(f"quality_{table}"):
                frames += [
                    self.lake.read(f"quality_{table}", date, s) for s in self.lake.symbols(f"quality_{table}", date)
                ]
        for table in DATE_TABLES:
            frames += [self.lake.read(f"quality_{table}", date) for date in self.lake.dates(f"quality_{table}")]
        if not frames:
            return None
        frame = pl.concat(frames).with_columns(
            pl.when(pl.col("passed"))
            .then(pl.lit("pass"))
            .when(pl.col("blocking"))
            .then(pl.lit("fail"))
            .otherwise(pl.lit("warn"))
            .alias("status")
        )
        return pl.concat([frame, self._missing(frame)], how="diagonal")

    def _missing(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        dates = frame["date"].unique().to_list()
        records = [
            {"date": date, "symbol": spec.id, "table": "raw_ticks", "status": "missing", "rows_failed": 0}
            for date in dates
            for spec in self.store.config.instruments
            if not self.lake.exists("raw_ticks", date, spec.id)
        ]
        return pl.DataFrame(
            records, schema={k: frame.schema[k] for k in ("date", "symbol", "table", "status", "rows_failed")}
        )

    def ingest(self) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
        """Row accounting of the night and rejected rows by reason."""
        import polars as pl

        rows, reasons = [], []
        for symbol in self.lake.symbols("raw_ticks", self.date):
            raw = self.lake.manifest("raw_ticks", self.date, symbol).rows
            done = self.lake.exists("clean_ticks", self.date, symbol)
            clean = self.lake.manifest("clean_ticks", self.date, symbol).rows if done else None
            rejected = self.table("rejected_ticks", symbol, ["reason"])
            rows.append(
                {
                    "date": self.date,
                    "symbol": symbol,
                    "rows_in": raw,
                    "clean": clean,
                    "rejected": None if rejected is None else rejected.height,
                }
            )
            if rejected is not None and rejected.height:
                counts = rejected.group_by("reason").len("rows").with_columns(pl.lit(symbol).alias("symbol"))
                reasons.append(counts.sort("rows", "reason", descending=[True, False]))
        return (pl.DataFrame(rows) if rows else None), (pl.concat(reasons) if reasons else None)

    def alpha(self) -> AlphaInputs | None:
        """The alpha models' evaluation."""
        import polars as pl

        from models.report.inputs import AlphaInputs

        found = self.artefact("alpha_model", "evaluation.json")
        if found is None:
            return None
        tree = found[1]
        frames = {
            name: pl.DataFrame(tree[name]) for name in ("ic_series", "calibration", "quantile_returns", "horizons")
        }
        table = pl.DataFrame(tree["table"], infer_schema_length=None)
        importance = pl.DataFrame(tree["importance"], infer_schema_length=None)
        return AlphaInputs(table, verdict=tree["verdict"], split=tree["split"], importance=importance, **frames)

    def volatility(self) -> VolatilityInputs | None:
        """The volatility models' evaluation and forecasts."""
        import polars as pl

        from models.report.inputs import VolatilityInputs

        found = self.artefact("volatility_model", "evaluation.json")
        if found is None:
            return None
        tree = found[1]
        return VolatilityInputs(
            table=pl.DataFrame(tree["table"], infer_schema_length=None),
            forecasts=self.table("volatility_forecast"),
            verdict=tree["verdict"],
            notes=tree["notes"],
            split=tree["split"],
            block_s=self.store.config.models.volatility.block_s,
        )

    def backtest(self) -> BacktestInputs | None:
        """The backtest's curve and figures."""
        import polars as pl

        from models.report.inputs import BacktestInputs

        found = self.artefact("backtest", "backtest.json")
        curve = self.table("backtest")
        if found is None or curve is None:
            return None
        by_symbol = pl.DataFrame(found[1]["by_symbol"], infer_schema_length=None)
        measured = self.lake.manifest("backtest", self.date).params
        costs = self.store.config.costs.model_dump()
        costs |= {name: measured[name] for name in ("measured_bps", "expected_bps") if measured.get(name)}
        return BacktestInputs(curve=curve, summary=found[1]["summary"], by_symbol=by_symbol, costs=costs)

    def previous(self) -> pl.DataFrame | None:
        """Tonight's headline metrics beside the night before."""
        import polars as pl

        earlier = [date for date in self.store.artefacts.dates("alpha_model") if date < self.date]
        if not earlier:
            return None
        records = []
        for name, metrics in COMPARED.items():
            nights = [self._metrics(name, date) for date in (earlier[-1], self.date)]
            for metric in metrics:
                before, now = (night.get(metric) for night in nights)
                if before is not None or now is not None:
                    records.append({"metric": f"{name} {metric}", earlier[-1]: before, self.date: now})
        return pl.DataFrame(records, infer_schema_length=None) if records else None

    def _metrics(self, name: str, date: str) -> dict[str, Any]:
        artefacts = self.store.artefacts
        return dict(artefacts.current(name, date).metrics) if artefacts.exists(name, date) else {}

    def provenance(self) -> dict[str, Any]:
        """What made tonight's numbers."""
        study = self.store.config
        facts: dict[str, Any] = {
            "study": study.name,
            "code version": code_version(),
            "seeds": ", ".join(map(str, study.seeds)),
            "instruments": ", ".join(self.universe.included),
        }
        for name in (*MODELS, *EXECUTION_MODELS):
            if self.store.artefacts.exists(name, self.date):
                facts[name] = self.store.artefacts.current(name, self.date).id
        for table in TABLES:
            if self.lake.exists(table, self.date):
                facts[table] = self.lake.manifest(table, self.date).id
        return facts | {"raw files (sha256)": ", ".join(self._raw_files())}

    def _raw_files(self) -> list[str]:
        ids = {
            parent
            for symbol in self.lake.symbols("raw_ticks", self.date)
            for parent in self.lake.manifest("raw_ticks", self.date, symbol).parents
        }
        manifests = [self.lake.manifests.get(manifest_id) for manifest_id in ids]
        return sorted(f"{manifest.name} {manifest.sha256[:12]}" for manifest in manifests)


def absence_reasons(study: Study) -> dict[str, str]:
    """Why parts of the report cannot be there in this study."""
    if study.execution:
        alone = "agents of this study are trained on replayed tapes alone (`execution.train_on`)"
        return {} if study.execution.simulates else {"simulator": alone}
    reason = "the study has no `execution` settings"
    return {"simulator": f"{reason}; simulated markets need order-by-order data", "execution": reason}


def gather(store: StudyStore, date: str) -> Gathered:
    """Everything the report of ``date`` shows."""
    from feeds.calendar import timezone
    from models.report.inputs import ReportInputs

    study, one = store.config, Gatherer(store, date)
    ingest, rejected = one.ingest()
    features = ["ts", "symbol", "mid_ticks", "spread_bps"]
    inputs = ReportInputs(
        study=study.name,
        title=study.title,
        night=date,
        description=study.description,
        quality=one.quality(),
        quality_history=quality_inputs(store, date),
        ingest=ingest,
        rejected=rejected,
        excluded=one.universe.excluded,
        bars=one.by_symbol("bars"),
        features=one.table("feature_table", columns=features),
        sentiment=one.table("sentiment"),
        alpha=one.alpha(),
        volatility=one.volatility(),
        backtest=one.backtest(),
        **{name: getattr(report_models, name)(one) for name in PARTS},
        previous=one.previous(),
        simulated_market=study.simulated_market,
        reasons=absence_reasons(study),
        simulated=[source.path.rsplit("/", 1)[-1] for source in study.sources if source.simulated],
        instruments={spec.id: spec for spec in study.instruments},
        timezone=str(timezone(study.calendar)),
        trading_days=len(store.lake.dates("training_set")),
        provenance=one.provenance(),
    )
    return Gathered(inputs, sorted(set(one.parents)))
