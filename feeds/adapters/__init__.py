"""Adapters: one module per format. Files are recognised by content; names only tell what the content does not.

Here: the registry and `sniff`. Not here: a format (one module each), the landing zone (feeds/landing.py).
"""

from __future__ import annotations

from pathlib import Path

from feeds.adapters.base import Adapter, BarAdapter, DailyAdapter, FileInfo, ParsedTicks, TapeAdapter
from feeds.adapters.binance_archive import BinanceArchive
from feeds.adapters.binance_blocks import checksum_paths
from feeds.adapters.binance_book_depth import BinanceBookDepth
from feeds.adapters.binance_klines import BinanceKlines
from feeds.adapters.binance_raw import BinanceRaw
from feeds.adapters.bitstamp import META_NAME, Bitstamp
from feeds.adapters.daily_csv import NewsCsv, RvDailyCsv, SignalsCsv
from feeds.adapters.dbn import Dbn
from feeds.adapters.fx_tick import FxTick
from feeds.adapters.iex import Iex
from feeds.adapters.itch import Itch
from feeds.adapters.lobster import Lobster
from feeds.adapters.mapped import Mapped
from feeds.adapters.mapping_files import mapping_files
from feeds.adapters.us_equity_minute import UsEquityMinute
from feeds.adapters.us_equity_tick import UsEquityTick
from feeds.errors import UnknownFormatError

TICK_ADAPTERS: dict[str, Adapter] = {
    a.name: a for a in (Bitstamp(), Lobster(), UsEquityTick(), FxTick(), BinanceRaw(), BinanceArchive())
}
# A mapping says in so many words what a file is: it is asked before formats that guess by content.
TAPE_ADAPTERS: dict[str, TapeAdapter] = {a.name: a for a in (Mapped(), Itch(), Dbn(), Iex())}
BAR_ADAPTERS: dict[str, BarAdapter] = {a.name: a for a in (UsEquityMinute(), BinanceKlines())}
DAILY_ADAPTERS: dict[str, DailyAdapter] = {
    a.name: a for a in (NewsCsv(), SignalsCsv(), RvDailyCsv(), BinanceBookDepth())
}

__all__ = [
    "BAR_ADAPTERS",
    "DAILY_ADAPTERS",
    "TAPE_ADAPTERS",
    "TICK_ADAPTERS",
    "Adapter",
    "BarAdapter",
    "DailyAdapter",
    "FileInfo",
    "ParsedTicks",
    "TapeAdapter",
    "all_adapters",
    "companions",
    "sniff",
]


def all_adapters() -> dict[str, Adapter | TapeAdapter | BarAdapter | DailyAdapter]:
    """Every adapter by name, in the order in which they are asked."""
    return {**TAPE_ADAPTERS, **TICK_ADAPTERS, **BAR_ADAPTERS, **DAILY_ADAPTERS}


def sniff(path: Path) -> FileInfo:
    """Recognise a file.

    Raises:
        UnknownFormatError: No adapter knows it.
        IncompleteDropError: An adapter knows it but needs another file beside it to tell what it is.
        UnreadableFileError: An adapter knows it, and it is damaged.
    """
    for adapter in all_adapters().values():
        if (info := adapter.sniff(path)) is not None:
            return info
    size = path.stat().st_size
    with path.open("rb") as handle:
        found = f"{handle.read(24)!r}..." if size else "an empty file"
    known = ", ".join(all_adapters())
    raise UnknownFormatError(path, "byte 0", f"a file of one of the formats {known}", found)


def companions(path: Path) -> list[Path]:
    """Files beside ``path`` that decide, too, what it is."""
    beside = path.with_name(META_NAME)
    meta = [beside] if beside != path and beside.is_file() else []
    return [*meta, *mapping_files(path), *(found for found in checksum_paths(path) if found.is_file())]
