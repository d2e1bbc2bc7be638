"""The real tapes that replay is held against, with what each is held against.

Here: reading them. Not here: counting (benchmarks/replay_facts.py).
"""

from __future__ import annotations

import importlib.util
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from feeds.instruments import InstrumentSpec
from feeds.root import shared_root


@dataclass(frozen=True)
class Source:
    """A tape.

    Attributes:
        rows: RAW_TICKS that cleaning lets touch the book, or all of a capture of levels.
        spec: Units.
        levels: (n, levels, 4) int64: bid price and lots, ask price and lots stated after each row, 0 where empty.
        matches: id, lots, ``ts_event``, side code and price of the order that rested, of each match.
    """

    rows: pl.DataFrame
    spec: InstrumentSpec
    levels: np.ndarray | None = None
    matches: pl.DataFrame | None = None


def lobster(name: str) -> Source | None:
    """A day of NASDAQ messages and its book file, ``TICKER_DATE_LEVELS``; None where it is not here."""
    from feeds.adapters.lobster import Lobster
    from feeds.cleaning import filter_rows

    path = shared_root() / "lobster" / f"LOBSTER_SampleFile_{name}.zip"
    if not path.is_file():
        return None
    ticker, date, _ = name.split("_")
    adapter = Lobster()
    spec = adapter.default_spec(f"{ticker}.NASDAQ")
    raw = adapter.parse({"zip": path}, spec, date).frame
    kept, _ = filter_rows(raw, spec, _all_of(raw))
    with zipfile.ZipFile(path) as archive:
        member = next(entry for entry in archive.namelist() if "orderbook" in entry)
        book = pl.read_csv(archive.read(member), has_header=False).to_numpy().astype(np.int64)
    # A row of the file: ask price and size, bid price and size, level by level.
    levels = book.reshape(book.shape[0], -1, 4)[kept["sequence"].to_numpy()][:, :, [2, 3, 0, 1]]
    empty = (levels[:, :, [0, 2]] <= 0) | (levels[:, :, [0, 2]] >= 9_999_999_999)
    levels[np.repeat(empty, 2, axis=2)] = 0
    return Source(kept, spec, levels=levels)


def es() -> Source | None:
    """A session of E-mini futures, order by order."""
    from feeds.adapters.dbn import Dbn
    from feeds.tape import read_tape

    path = shared_root() / "databento" / "esh4-glbx-mdp3-20231225.mbo.dbn.zst"
    if not path.is_file():
        return None
    with tempfile.TemporaryDirectory() as folder:
        index = Dbn().decode(path, Path(folder) / "tape")
        content = max(index.contents, key=lambda content: content.rows)
        spec = index.specs[content.instrument]
        parts = read_tape(Path(folder) / "tape", content.date, content.instrument, spec)
        return Source(pl.concat([part.frame for part in parts]), spec)


def bitstamp() -> Source | None:
    """The packaged capture of order events and matches."""
    from feeds.adapters.bitstamp import Bitstamp
    from feeds.cleaning import filter_rows

    package = importlib.util.find_spec("ob_analytics")
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(package.submodule_search_locations[0]) / "_sample_data"
    files = {"orders": folder / "orders.csv.gz", "trades": folder / "trades.csv", "meta": folder / "meta.json"}
    adapter = Bitstamp()
    info = adapter.sniff(files["orders"])
    assert info is not None and info.instrument is not None, "the package holds a capture"
    spec = adapter.default_spec(info.instrument)
    raw = adapter.parse(files, spec, info.dates[0]).frame
    buys = pl.col("side") == "buy"
    matches = pl.read_csv(files["trades"]).select(
        pl.when(buys).then("sell_order_id").otherwise("buy_order_id").alias("order_id"),
        (pl.col("amount") / spec.lot_size).round().cast(pl.Int64).alias("lots"),
        (pl.col("exchange_timestamp") * 1_000_000).alias("ts_event"),
        buys.cast(pl.Int64).alias("side"),
        (pl.col("price") / spec.tick_size).round().cast(pl.Int64).alias("price"),
    )
    return Source(filter_rows(raw, spec, _all_of(raw))[0], spec, matches=matches)


def binance(name: str) -> Source | None:
    """A capture of depth, ticker and trades, ``market/symbol``."""
    from feeds.adapters.binance_raw import BinanceRaw

    path = shared_root() / "binance_raw" / f"{name}_20240808.gz"
    if not path.is_file():
        return None
    adapter = BinanceRaw()
    info = adapter.sniff(path)
    assert info is not None and info.instrument is not None, "the capture tells its instrument"
    spec = adapter.default_spec(info.instrument)
    return Source(adapter.parse({"capture": path}, spec, info.dates[0]).frame, spec)


def _all_of(raw: pl.DataFrame) -> tuple[int, int]:
    stamps = raw["ts_event"].to_numpy()
    return int(stamps.min()), int(stamps.max()) + 1
