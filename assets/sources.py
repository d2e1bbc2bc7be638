"""Landing zone -> raw_ticks, headlines, external_signals: the first tables with lineage to raw bytes.

Here: the assets that read files as dropped. Not here: formats (feeds/adapters), when to look (pipelines/sensors.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.common import counts_value, failures, stored_metadata, table_metadata
from assets.partitions import StudyPartitions, split_key
from assets.store import StudyStore
from feeds.errors import LakeError, UnreadableFileError

if TYPE_CHECKING:
    from feeds.adapters.base import SourceProblem
    from feeds.ingest import UnitReader
    from feeds.instruments import InstrumentSpec
    from feeds.landing import LandingIndex
    from feeds.manifest import Manifest
    from feeds.units import Unit

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
        deps=[landing_zone, "tapes"],
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        description="Canonical events of one instrument-day, every row of the source kept: integer ticks and lots, two "
        "clocks in ns UTC. A file that cannot be read whole goes to quarantine with a reason.",
    )
    @failures
    def raw_ticks(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from feeds.ingest import UnitReader
        from feeds.landing import register

        date, instrument = split_key(context)
        unit, spec = _landed_unit(store, date, instrument)
        reader = UnitReader(unit, spec)
        parents = register(unit, store.lake.manifests)
        try:
            manifest = store.lake.write_stream(
                "raw_ticks",
                reader.frames(),
                date,
                instrument,
                parents=parents,
                params=lambda: raw_params(reader),
            )
        except UnreadableFileError as error:
            _quarantine(store, error)
            raise
        register(unit, store.lake.manifests)
        store.lake.write(
            "rejected_raw_ticks",
            reader.rejected,
            date,
            instrument,
            parents=[manifest.id],
            params={"stage": "parse"},
        )
        return dg.MaterializeResult(metadata=_raw_metadata(manifest, reader))

    return raw_ticks


def raw_params(reader: UnitReader) -> dict[str, Any]:
    """What the manifest of raw_ticks says of an instrument-day that was read whole."""
    return {
        "format": reader.unit.format,
        "instrument": reader.spec.model_dump(),
        "rows_in": reader.rows_in,
        "rows_rejected": sum(part.height for part in reader.rejected_parts),
        "ignored": dict(reader.ignored),
        "problems": [asdict(problem) for problem in reader.problems],
        "awaited_roles": list(reader.unit.awaited_roles),
    }


def source_problems(manifest: Manifest) -> tuple[SourceProblem, ...]:
    """The defects of the source that raw_ticks were read from in spite of."""
    from feeds.adapters.base import SourceProblem

    return tuple(SourceProblem(**problem) for problem in manifest.params.get("problems", ()))


def _raw_metadata(manifest: Manifest, reader: UnitReader) -> dict[str, Any]:
    rejected = dict(reader.rejected["reason"].value_counts().iter_rows())
    problems = [f"{item.kind} at {item.position}: {item.text}" for item in reader.problems]
    return {
        **stored_metadata(manifest),
        "rows_in": reader.rows_in,
        "rows_rejected": reader.rejected.height,
        "rejected_by_reason": counts_value(rejected),
        "records_ignored": counts_value(reader.ignored),
        "rows_by_action": counts_value(reader.actions),
        "source_problems": dg.MetadataValue.json(problems),
        "files": dg.MetadataValue.json({role: path.name for role, path in reader.unit.files.items()}),
    }


def _landed_unit(store: StudyStore, date: str, instrument: str) -> tuple[Unit, InstrumentSpec]:
    from feeds.ingest import spec_of
    from feeds.landing import scan

    index = scan(store.path)
    unit = next((unit for unit in index.units if (unit.date, unit.instrument) == (date, instrument)), None)
    if unit is not None and not unit.missing_roles:
        _refuse_where_the_rest_is_broken(store, unit)
        study_spec = store.config.instrument(instrument)
        return unit, spec_of(unit.format, instrument, study_spec, index.specs.get(instrument))
    found = f"only {sorted(unit.files)}" if unit else "no file"
    expected = f"also {list(unit.missing_roles)}" if unit else "the files of this instrument-day"
    raise LakeError(
        f"landing zone, {instrument} on {date}",
        received=found + _set_aside(store, index),
        expected=expected,
        remedy="Drop whole files into the landing zone or run `t2t ingest PATH`.",
    )


def _refuse_where_the_rest_is_broken(store: StudyStore, unit: Unit) -> None:
    """A day lacks a file that a complete one has, and such a file lies in quarantine: it must not pass for whole."""
    from feeds.quarantine import listing

    folders = {str(path.parent.relative_to(store.path / "landing")) for path in unit.files.values()}
    broken = [entry["file"] for entry in listing(store.path) if str(Path(entry["file"]).parent) in folders]
    stamps = (unit.date, unit.date.replace("-", ""))
    blamed = [name for name in broken if any(stamp in name for stamp in stamps)]
    if unit.awaited_roles and blamed:
        raise LakeError(
            f"landing zone, {unit.instrument} on {unit.date}",
            received=f"only {sorted(unit.files)}, and in quarantine {blamed}",
            expected=f"also {list(unit.awaited_roles)}",
            remedy="Drop a whole file, or delete the broken one from quarantine if it was of another instrument.",
        )


def _set_aside(store: StudyStore, index: LandingIndex) -> str:
    """Names of unreadable files, in the landing zone or in quarantine: one of them may be what is missing."""
    from feeds.quarantine import listing

    names = [error.path.rsplit("/", 1)[-1] for error in index.bad] + [entry["file"] for entry in listing(store.path)]
    return f" (unreadable files: {sorted(names)})" if names else ""


def _quarantine(store: StudyStore, error: UnreadableFileError) -> None:
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
        files = [info for info in scan(store.path).daily if info.format != "news_csv"]
        frame = signals_for(files, date)
        parents = [parent for info in files for parent in register(info, store.lake.manifests)]
        manifest = store.lake.write("external_signals", frame, date, parents=parents)
        names: Sequence[str] = sorted(set(frame["name"].to_list()))
        return dg.MaterializeResult(
            metadata={**table_metadata(frame, manifest), "signals": dg.MetadataValue.json(list(names))}
        )

    return external_signals
