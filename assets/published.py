"""landing_zone -> vendor_bars: bars a vendor or venue publishes, held against our own.

Here: the asset and its check. Not here: the comparison (feeds/bar_match.py), our own bars (assets/ticks.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from assets.common import failures, resolved, table_metadata, table_value
from assets.partitions import StudyPartitions, split_key
from assets.sources import GROUP, OWNERS, landing_zone
from assets.store import StudyStore
from feeds.errors import LakeError, UnreadableFileError

if TYPE_CHECKING:
    from feeds.adapters.base import FileInfo
    from feeds.instruments import InstrumentSpec

#: Below this share of equal minutes in any field the check warns.
LEAST_SHARE = 0.95


def build_published(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_vendor_bars(parts)]


def _vendor_bars(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=parts.instrument_days,
        deps=[landing_zone],
        group_name=GROUP,
        kinds={"polars", "parquet"},
        owners=OWNERS,
        description="Bars of one instrument-day as a vendor or venue publishes them; nothing is computed from them, "
        "they are what our own bars are held against.",
    )
    @failures
    def vendor_bars(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from feeds.adapters import BAR_ADAPTERS
        from feeds.landing import register
        from feeds.quarantine import quarantine

        date, instrument = split_key(context)
        info = bars_file(store, date, instrument)
        spec = bars_spec(store, info, date, instrument)
        try:
            frame = BAR_ADAPTERS[info.format].read(info.path, spec, date)
        except UnreadableFileError as error:
            if Path(error.path).is_file():
                quarantine(store.path, Path(error.path), error)
            raise
        params = {"format": info.format, "instrument": spec.model_dump()}
        parents = register(info, store.lake.manifests)
        manifest = store.lake.write("vendor_bars", frame, date, instrument, parents=parents, params=params)
        return dg.MaterializeResult(metadata={**table_metadata(frame, manifest), "file": info.path.name})

    return vendor_bars


def bars_file(store: StudyStore, date: str, instrument: str) -> FileInfo:
    """The youngest file of published bars of an instrument-day.

    Raises:
        LakeError: There is none.
    """
    from feeds.landing import scan

    found = [info for info in scan(store.path).bars if info.instrument == instrument and date in info.dates]
    if not found:
        raise LakeError(
            f"landing zone, published bars of {instrument} on {date}",
            received="no file",
            expected="a file of minute bars or klines",
            remedy="Run `t2t ingest PATH`.",
        )
    return max(found, key=lambda info: (info.path.stat().st_mtime_ns, str(info.path)))


def bars_spec(store: StudyStore, info: FileInfo, date: str, instrument: str) -> InstrumentSpec:
    """Units of the bars: those of the instrument's ticks, else the study's, else the format's."""
    from assets.ticks import spec_from
    from feeds.adapters import BAR_ADAPTERS

    if store.lake.exists("raw_ticks", date, instrument):
        return spec_from(store.lake.manifest("raw_ticks", date, instrument))
    return store.config.instrument(instrument) or BAR_ADAPTERS[info.format].default_spec(instrument)


def build_published_checks(parts: StudyPartitions) -> list[dg.AssetChecksDefinition]:
    """The check of this module for one study."""

    @dg.asset_check(
        asset="vendor_bars",
        name="our_bars_equal",
        additional_deps=["raw_ticks"],
        partitions_def=parts.instrument_days,
        description="Share of minutes in which our bars, built from the ticks with the vendor's own rules, equal the "
        "vendor's, by field; the rest by explanation. A warning: the vendor may be wrong.",
    )
    @resolved
    def our_bars_equal(context: dg.AssetCheckExecutionContext, store: StudyStore) -> dg.AssetCheckResult:
        return compare_bars(store, *split_key(context))

    return [our_bars_equal]


def compare_bars(store: StudyStore, date: str, instrument: str) -> dg.AssetCheckResult:
    """Hold our bars against the vendor's, store the shares in ``bar_match`` and give the verdict."""
    import polars as pl

    from assets.ticks import session_of, spec_from
    from feeds.bar_match import match_bars, plain_bars, vendor_rule_bars

    if not store.lake.exists("raw_ticks", date, instrument):
        return dg.AssetCheckResult(
            passed=True, severity=dg.AssetCheckSeverity.WARN, description="no ticks of that day to build bars from"
        )
    origins = [store.lake.manifest(table, date, instrument) for table in ("vendor_bars", "raw_ticks")]
    if spec_from(origins[0]) != spec_from(origins[1]):
        raise LakeError(
            f"bars of {instrument} on {date}",
            received="published bars and ticks in different units",
            remedy="Materialise vendor_bars again.",
        )
    raw, bounds = store.lake.read("raw_ticks", date, instrument), session_of(store, date)
    # Only the US vendor's rules are known; an exchange's own bars are of all its trades.
    ours = vendor_rule_bars(raw, bounds) if origins[0].params["format"] == "us_equity_minute" else plain_bars(raw)
    shares = match_bars(ours, store.lake.read("vendor_bars", date, instrument), bounds, raw)
    parents = [origin.id for origin in origins]
    store.lake.write("bar_match", shares, date, instrument, parents=parents)
    equal = shares.filter(pl.col("outcome") == "equal")
    least = min(equal["share"].to_list(), default=0.0)
    return dg.AssetCheckResult(
        passed=least >= LEAST_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"shares": table_value(shares), "least_share": least},
        description=f"fields equal in {least:.1%} of minutes or more",
    )
