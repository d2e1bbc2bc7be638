"""raw_ticks -> clean_ticks -> bars, microstructure_features: everything kept per instrument-day.

Here: thin assets. Not here: cleaning rules (feeds/cleaning), book building (sim/, feeds/nbbo.py), features (models/).
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from assets.common import CARRY_THROUGH, counts_value, failures, plot_value, table_metadata
from assets.partitions import StudyPartitions, split_key
from assets.store import StudyStore
from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec

if TYPE_CHECKING:
    import polars as pl

    from feeds.cleaning import CleaningRules, CleanResult
    from feeds.manifest import Manifest

GROUP = "ticks"
#: `feeds.cleaning.book_kind` of a source of trades only: bars can be built from it, features need a book.
NO_BOOK = "none"
OWNERS = ["team:data"]


def build_ticks(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_clean_ticks(parts), _bars(parts), _microstructure_features(parts)]


def session_of(store: StudyStore, date: str) -> tuple[int, int]:
    """Open and close of the date's session, ns UTC.

    Raises:
        InsufficientDataError: The calendar has no session on that date.
    """
    from feeds.calendar import session_bounds

    bounds = session_bounds(store.config.calendar, date, store.config.session)
    if bounds is None:
        raise InsufficientDataError(
            f"{date}", received=f"no session in calendar {store.config.calendar}", expected="a trading day"
        )
    return bounds


def spec_from(manifest: Manifest) -> InstrumentSpec:
    """The instrument units raw_ticks were written with."""
    return InstrumentSpec.model_validate(manifest.params["instrument"])


def clean(
    raw: pl.DataFrame, spec: InstrumentSpec, bounds: tuple[int, int], rules: CleaningRules | None = None
) -> CleanResult:
    """Clean an instrument-day with the matching engine's book; see `feeds.cleaning.clean`."""
    from feeds.cleaning import CleaningRules
    from feeds.cleaning import clean as clean_with
    from sim.replay import with_book

    return clean_with(raw, spec, bounds, rules or CleaningRules(), partial(with_book, source=f"raw_ticks of {spec.id}"))


def _clean_ticks(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.instrument_days,
        deps=["raw_ticks"],
        group_name=GROUP,
        kinds={"numba", "parquet"},
        owners=OWNERS,
        automation_condition=CARRY_THROUGH,
        description="Events that survive the documented cleaning rules, each with the best bid and offer after it. "
        "Rejected rows are kept with a reason code: rows in = clean + rejected.",
    )
    @failures
    def clean_ticks(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.plots import UI_DPI, rejected_by_reason

        date, instrument = split_key(context)
        origin = store.lake.manifest("raw_ticks", date, instrument)
        raw = store.lake.read("raw_ticks", date, instrument)
        result = clean(raw, spec_from(origin), session_of(store, date), store.config.cleaning)
        cleaned, rejected = result.clean, result.rejected
        if cleaned.is_empty():
            raise InsufficientDataError(
                f"clean_ticks of {instrument} on {date}",
                received=f"{raw.height} raw rows, all rejected: {_reasons(rejected)}",
                expected="at least one row inside the session with a two-sided book",
            )
        params = {
            "instrument": origin.params["instrument"],
            "rows_in": raw.height,
            "rules": asdict(store.config.cleaning),
            "figures": result.figures,
        }
        manifest = store.lake.write("clean_ticks", cleaned, date, instrument, parents=[origin.id], params=params)
        store.lake.write("rejected_ticks", rejected, date, instrument, parents=[origin.id])
        reasons = _reasons(rejected)
        return dg.MaterializeResult(
            metadata={
                **table_metadata(cleaned, manifest),
                "rows_in": raw.height,
                "rows_rejected": rejected.height,
                "rejected_by_reason": counts_value(reasons),
                "faults": sum(result.figures["faults"].values()),
                "faults_by_kind": counts_value(result.figures["faults"]),
                "figures": dg.MetadataValue.json(result.figures),
                "plot": plot_value(rejected_by_reason(reasons, dpi=UI_DPI), store),
            }
        )

    return clean_ticks


def _reasons(rejected: pl.DataFrame) -> dict[str, int]:
    return dict(rejected["reason"].value_counts().iter_rows())


def _bars(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.instrument_days,
        deps=["clean_ticks"],
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        automation_condition=CARRY_THROUGH,
        description="Time bars of trades and mid price, with realised variance inside the bar.",
    )
    @failures
    def bars(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.bars import time_bars
        from models.plots import UI_DPI, bar_chart

        date, instrument = split_key(context)
        origin = store.lake.manifest("clean_ticks", date, instrument)
        study = store.config
        frame = time_bars(
            store.lake.read("clean_ticks", date, instrument),
            session_of(store, date),
            study.bar_ms,
            study.rv_sample_ms,
        )
        params = {
            "bar_ms": study.bar_ms,
            "rv_sample_ms": study.rv_sample_ms,
            "instrument": origin.params["instrument"],
        }
        manifest = store.lake.write("bars", frame, date, instrument, parents=[origin.id], params=params)
        return dg.MaterializeResult(
            metadata={
                **table_metadata(frame, manifest),
                "trades": int(frame["trades"].sum()),
                "plot": plot_value(bar_chart(frame, spec_from(origin).tick_size, dpi=UI_DPI), store),
            }
        )

    return bars


def _microstructure_features(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.instrument_days,
        deps=["clean_ticks"],
        group_name=GROUP,
        kinds={"numba", "parquet"},
        owners=["team:alpha"],
        automation_condition=CARRY_THROUGH,
        description="Spread, microprice, queue imbalance, order-flow imbalance, signed volume, realised volatility and "
        "depth on the study's decision grid: one resumable fold over the events, the same in batch and live.",
    )
    @failures
    def microstructure_features(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from models.features import microstructure_features as compute
        from models.plots import UI_DPI, price_and_spread

        date, instrument = split_key(context)
        origin = store.lake.manifest("clean_ticks", date, instrument)
        spec = spec_from(origin)
        cleaned = store.lake.read("clean_ticks", date, instrument)
        book = origin.params.get("figures", {}).get("book")
        frame = compute(cleaned, session_of(store, date), store.config.grid_ms, spec)
        if book == NO_BOOK:
            frame = frame.clear()
        params = {"grid_ms": store.config.grid_ms, "instrument": origin.params["instrument"], "book": book}
        manifest = store.lake.write(
            "microstructure_features", frame, date, instrument, parents=[origin.id], params=params
        )
        return dg.MaterializeResult(
            metadata={
                **table_metadata(frame, manifest),
                "plot": plot_value(price_and_spread(frame, dpi=UI_DPI), store),
            }
        )

    return microstructure_features
