"""Landing zone -> raw_ticks, headlines, external_signals: the first tables with lineage to raw bytes.

Here: the assets that read files as dropped. Not here: formats (feeds/adapters), when to look (pipelines/sensors.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from assets.common import counts_value, failures, table_metadata
from assets.partitions import StudyPartitions, split_key
from assets.store import StudyStore
from feeds.errors import LakeError, UnreadableFileError

if TYPE_CHECKING:
    from feeds.landing import LandingIndex, Unit

GROUP = "ingest"
OWNERS = ["team:data"]

landing_zone = dg.AssetSpec(
    "landing_zone",
    group_name=GROUP,
    kinds={"file"},
    owners=OWNERS,
    description="Files as dropped: market data captures, headlines, external signals. A sensor looks here.",
)


def build_sources(parts: StudyPartitions) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets of this module for one study."""
    return [landing_zone, _raw_ticks(parts), _headlines(parts), _external_signals(parts)]


def _raw_ticks(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.instrument_days,
        deps=[landing_zone],
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        description="Canonical events of one instrument-day, every row of the source kept: integer ticks and lots, two "
        "clocks in ns UTC. A file that cannot be read whole goes to quarantine with a reason.",
    )
    @failures
    def raw_ticks(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from feeds.adapters import TICK_ADAPTERS
        from feeds.landing import register

        date, instrument = split_key(context)
        unit = _landed_unit(store, date, instrument)
        adapter = TICK_ADAPTERS[unit.format]
        spec = store.config.instrument(instrument) or adapter.default_spec(instrument)
        try:
            parsed = adapter.parse(unit.files, spec, date)
        except UnreadableFileError as error:
            _quarantine(store, error)
            raise
        parents = register(unit, store.lake.manifests)
        params = {"format": unit.format, "instrument": spec.model_dump(), "rows_in": parsed.rows_in}
        manifest = store.lake.write("raw_ticks", parsed.frame, date, instrument, parents=parents, params=params)
        store.lake.write(
            "rejected_raw_ticks",
            parsed.rejected,
            date,
            instrument,
            parents=[manifest.id],
            params={"stage": "parse"},
        )
        actions = dict(parsed.frame["action"].value_counts().iter_rows())
        return dg.MaterializeResult(
            metadata={
                **table_metadata(parsed.frame, manifest),
                "rows_in": parsed.rows_in,
                "rows_rejected": parsed.rejected.height,
                "rows_by_action": counts_value(actions),
                "files": dg.MetadataValue.json({role: path.name for role, path in unit.files.items()}),
            }
        )

    return raw_ticks


def _landed_unit(store: StudyStore, date: str, instrument: str) -> Unit:
    from feeds.landing import scan

    index = scan(store.path)
    unit = next((unit for unit in index.units if (unit.date, unit.instrument) == (date, instrument)), None)
    if unit is not None and not unit.missing_roles:
        return unit
    found = f"only {sorted(unit.files)}" if unit else "no file"
    expected = f"also {list(unit.missing_roles)}" if unit else "the files of this instrument-day"
    raise LakeError(
        f"landing zone, {instrument} on {date}",
        received=found + _set_aside(store, index),
        expected=expected,
        remedy="Drop whole files into the landing zone or run `t2t ingest PATH`.",
    )


def _set_aside(store: StudyStore, index: LandingIndex) -> str:
    """Names of unreadable files, in the landing zone or in quarantine: one of them may be what is missing."""
    from feeds.quarantine import listing

    names = [error.path.rsplit("/", 1)[-1] for error in index.bad] + [entry["file"] for entry in listing(store.path)]
    return f" (unreadable files: {sorted(names)})" if names else ""


def _quarantine(store: StudyStore, error: UnreadableFileError) -> None:
    from pathlib import Path

    from feeds.quarantine import quarantine

    path = Path(error.path)
    if path.is_file():
        quarantine(store.path, path, error)


def _headlines(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[landing_zone],
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        description="Headlines known by the end of the date, a week back, one row per headline and instrument.",
    )
    @failures
    def headlines(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from feeds.landing import register, scan
        from feeds.signals import headlines_for

        date = context.partition_key
        files = [info for info in scan(store.path).daily if info.format == "news_csv"]
        frame = headlines_for(files, date, _tickers(store, date))
        parents = [parent for info in files for parent in register(info, store.lake.manifests)]
        manifest = store.lake.write("headlines", frame, date, parents=parents)
        simulated = int((frame["source"] == "simulated").sum())
        return dg.MaterializeResult(
            metadata={**table_metadata(frame, manifest), "files": len(files), "simulated_rows": simulated}
        )

    return headlines


def _tickers(store: StudyStore, date: str) -> dict[str, list[str]]:
    ids = {spec.id for spec in store.config.instruments} | set(store.lake.symbols("raw_ticks", date))
    tickers: dict[str, list[str]] = {}
    for instrument in sorted(ids):
        tickers.setdefault(instrument.split(".")[0], []).append(instrument)
    return tickers


def _external_signals(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.dates,
        deps=[landing_zone],
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        description="Fundamentals and alternative data, point in time: each value with the moment it could be known.",
    )
    @failures
    def external_signals(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from feeds.landing import register, scan
        from feeds.signals import signals_for

        date = context.partition_key
        files = [info for info in scan(store.path).daily if info.format in ("signals_csv", "rv_daily_csv")]
        frame = signals_for(files, date)
        parents = [parent for info in files for parent in register(info, store.lake.manifests)]
        manifest = store.lake.write("external_signals", frame, date, parents=parents)
        names: Sequence[str] = sorted(set(frame["name"].to_list()))
        return dg.MaterializeResult(
            metadata={**table_metadata(frame, manifest), "signals": dg.MetadataValue.json(list(names))}
        )

    return external_signals
