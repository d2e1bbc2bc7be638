"""Adapters: one module per format. Files are recognised by content; names only tell what the content does not.

Here: the registry and `sniff`. Not here: a format (one module each), the landing zone (feeds/landing.py).
"""

from __future__ import annotations

from pathlib import Path

from feeds.adapters.base import Adapter, DailyAdapter, FileInfo, ParsedTicks
from feeds.adapters.bitstamp import META_NAME, Bitstamp
from feeds.adapters.daily_csv import NewsCsv, RvDailyCsv, SignalsCsv
from feeds.adapters.lobster import Lobster
from feeds.adapters.us_equity_tick import UsEquityTick
from feeds.errors import UnknownFormatError

TICK_ADAPTERS: dict[str, Adapter] = {a.name: a for a in (Bitstamp(), Lobster(), UsEquityTick())}
DAILY_ADAPTERS: dict[str, DailyAdapter] = {a.name: a for a in (NewsCsv(), SignalsCsv(), RvDailyCsv())}

__all__ = [
    "DAILY_ADAPTERS",
    "TICK_ADAPTERS",
    "Adapter",
    "DailyAdapter",
    "FileInfo",
    "ParsedTicks",
    "companions",
    "sniff",
]


def sniff(path: Path) -> FileInfo:
    """Recognise a file.

    Raises:
        UnknownFormatError: No adapter knows it.
        IncompleteDropError: An adapter knows it but needs another file beside it to tell what it is.
        UnreadableFileError: An adapter knows it, and it is damaged.
    """
    adapters: list[Adapter | DailyAdapter] = [*TICK_ADAPTERS.values(), *DAILY_ADAPTERS.values()]
    for adapter in adapters:
        if (info := adapter.sniff(path)) is not None:
            return info
    size = path.stat().st_size
    with path.open("rb") as handle:
        found = f"{handle.read(24)!r}..." if size else "an empty file"
    known = ", ".join((*TICK_ADAPTERS, *DAILY_ADAPTERS))
    raise UnknownFormatError(path, "byte 0", f"a file of one of the formats {known}", found)


def companions(path: Path) -> list[Path]:
    """Files beside ``path`` that may decide, too, what it is."""
    beside = path.with_name(META_NAME)
    return [beside] if beside != path and beside.is_file() else []
