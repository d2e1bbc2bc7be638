"""landing_zone -> tapes: files of many instruments or days, decoded once each.

Here: the asset that decodes. Not here: formats (feeds/adapters), which instrument-days come of them (feeds/units.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.common import counts_value, failures, table_value
from assets.partitions import StudyPartitions
from assets.sources import GROUP, OWNERS, landing_zone
from assets.store import StudyStore
from feeds.errors import LakeError, UnreadableFileError

if TYPE_CHECKING:
    from feeds.adapters.base import FileInfo, Progress


def build_tapes(parts: StudyPartitions) -> list[dg.AssetsDefinition]:
    """The assets of this module for one study."""
    return [_tapes(parts)]


def _tapes(parts: StudyPartitions) -> dg.AssetsDefinition:
    @dg.asset(
        deps=[landing_zone],
        group_name=GROUP,
        kinds={"numba", "parquet"},
        owners=OWNERS,
        # A tape's decoded form never changes, so a new tape makes nothing stale that was read from another one.
        code_version="1",
        description="Files of many instruments or days (ITCH, DBN, pcap, mapped tables), decoded once each; "
        "raw_ticks reads its instrument-day from there. What cannot be decoded goes to quarantine with a reason.",
    )
    @failures
    def tapes(context: dg.AssetExecutionContext, store: StudyStore) -> dg.MaterializeResult:
        from feeds.landing import scan

        rows, failed = [], []
        for info in scan(store.path).undecoded:
            try:
                rows.append(decode(store, info, _teller(context, info)))
            except UnreadableFileError as error:
                failed.append(error)
        if failed:
            raise LakeError(
                "tapes",
                received=f"{len(failed)} damaged: " + "; ".join(str(error) for error in failed),
                expected="whole files",
                remedy=f"They are in quarantine; {len(rows)} other tapes were decoded.",
            )
        return dg.MaterializeResult(metadata=metadata_of(rows), data_version=dg.DataVersion("decoded"))

    return tapes


def decode(store: StudyStore, info: FileInfo, progress: Progress | None = None) -> dict[str, Any]:
    """Decode one tape and say what it holds; a damaged one goes to quarantine.

    Raises:
        UnreadableFileError: It is damaged.
    """
    import time

    from feeds.ingest import decode_tape
    from feeds.quarantine import quarantine

    started = time.perf_counter()
    try:
        index = decode_tape(info, store.path, progress)
    except UnreadableFileError as error:
        if info.path.is_file():
            quarantine(store.path, info.path, error)
        raise
    seconds = time.perf_counter() - started
    return {
        "file": info.path.name,
        "format": info.format,
        "rows": index.rows,
        "instrument_days": len(index.contents),
        "ignored": sum(index.ignored.values()),
        "problems": len(index.problems),
        "seconds": round(seconds, 2),
    }


def _teller(context: dg.AssetExecutionContext, info: FileInfo) -> Progress:
    state = {"tenth": 0}

    def tell(rows: int, done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        if tenth > state["tenth"]:
            state["tenth"] = tenth
            context.log.info(f"{info.path.name}: {tenth * 10} %, {rows:,} rows")

    return tell


def metadata_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the UI shows of decoded tapes."""
    import polars as pl

    counts = {row["format"]: sum(other["rows"] for other in rows if other["format"] == row["format"]) for row in rows}
    metadata: dict[str, Any] = {"decoded": len(rows), "rows_by_format": counts_value(counts)}
    return metadata | ({"tapes": table_value(pl.DataFrame(rows))} if rows else {})
