"""Decoding the crypto exchange's captures and archive files to canonical events.

Captures: against ``json.loads`` of each line's JSON alone, on the text unpacked before; ours also unpacks. Archive:
generated trades and book tickers in plain csv, read, merged and cut to events, against ``polars.read_csv`` of the same
bytes with its schema given. One thread for polars and the csv kernels in both; unpacking and reading ahead have theirs.
Both take turns; medians count.

Here: the measurement. Not here: other formats (benchmarks/decode.py puts them together).
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from feeds.errors import T2TError
from feeds.root import shared_root

FORMATS = ("binance_raw", "binance_archive")
REPEATS = 5
ARCHIVE_LINES = 600_000
#: Messages of a capture that is generated where the shared data are not there.
CAPTURE_MESSAGES = 60_000


def measure() -> dict[str, dict[str, float | None]]:
    """Figures by format, each of a process of its own with one thread for polars; see `measure_one`."""
    return {name: _in_a_process(name) for name in FORMATS}


def _in_a_process(name: str) -> dict[str, float | None]:
    code = f"import json; from benchmarks.decode_binance import measure_one; print(json.dumps(measure_one({name!r})))"
    environment = os.environ | {"POLARS_MAX_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise T2TError(f"benchmark of {name}", received=done.stderr.strip()[-2000:])
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def measure_one(name: str) -> dict[str, float | None]:
    """Figures of one format: canonical rows and source lines a second, our seconds over the reference's."""
    with tempfile.TemporaryDirectory() as folder:
        lines, decode, reference = _capture(Path(folder)) if name == "binance_raw" else _archive(Path(folder))
        rows = decode()
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        ours, theirs = [], []
        for _ in range(REPEATS):
            ours.append(_seconds(decode))
            theirs.append(_seconds(reference))
    median = statistics.median(ours)
    return {
        "rows": rows,
        "rows_per_s": rows / median,
        "lines_per_s": lines / median,
        "ratio_vs_reference": median / statistics.median(theirs),
        "peak_rss_mb": peak_mb,
    }


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _capture(folder: Path) -> tuple[int, Callable[[], int], Callable[[], object]]:
    from feeds.adapters.binance_raw import BinanceRaw

    path = shared_root() / "binance_raw" / "usdm" / "btcusdt_20240808.gz"
    if not path.is_file():
        from tests.support.binance_files import write_binance_raw_day

        (path,) = write_binance_raw_day(folder, 1, "usdm", messages=CAPTURE_MESSAGES)
    adapter = BinanceRaw()
    info = adapter.sniff(path)
    assert info is not None and info.instrument is not None, "a capture tells its instrument"
    spec, date = adapter.default_spec(info.instrument), info.dates[0]
    bodies = [line.partition(b" ")[2] for line in gzip.decompress(path.read_bytes()).splitlines()]

    def decode() -> int:
        return sum(part.rows_in for part in adapter.chunks({"capture": path}, spec, date))

    return len(bodies), decode, lambda: [json.loads(body) for body in bodies]


def _archive(folder: Path) -> tuple[int, Callable[[], int], Callable[[], object]]:
    from feeds.adapters.binance_archive import BinanceArchive

    adapter = BinanceArchive()
    trades = folder / "BTCUSDT-trades-2024-08-08.csv"
    quotes = folder / "BTCUSDT-bookTicker-2024-08-08.csv"
    _write(trades, quotes)
    paths = {"trades": trades, "bookTicker": quotes}
    spec = adapter.default_spec("BTCUSDT.BINANCE_USDM")
    texts = [path.read_bytes() for path in paths.values()]

    def decode() -> int:
        return sum(part.rows_in for part in adapter.chunks(paths, spec, "2024-08-08"))

    def reference() -> None:
        for text, kinds in zip(texts, (_TRADE_KINDS, _QUOTE_KINDS), strict=True):
            pl.read_csv(text, has_header=False, schema={f"c{k}": kind for k, kind in enumerate(kinds)})

    return 2 * ARCHIVE_LINES, decode, reference


_TRADE_KINDS = (pl.Int64, pl.Float64, pl.Float64, pl.Float64, pl.Int64, pl.Boolean)
_QUOTE_KINDS = (pl.Int64, pl.Float64, pl.Float64, pl.Float64, pl.Float64, pl.Int64, pl.Int64)


def _write(trades: Path, quotes: Path) -> None:
    """Random walks with one decimal, sizes with three: the shape of the exchange's own files."""
    rng = np.random.default_rng(1)
    numbers, midnight = np.arange(ARCHIVE_LINES), 1_723_075_200_000
    stamps = midnight + np.sort(rng.integers(0, 86_400_000, ARCHIVE_LINES))
    price = 610_000 + np.cumsum(rng.choice([-1, 0, 1], ARCHIVE_LINES))
    size, other = rng.integers(1, 9_999, (2, ARCHIVE_LINES))
    shown = {"price": price / 10, "ask": (price + 1) / 10, "size": size / 1000, "other": other / 1000}
    table = pl.DataFrame({"id": numbers + 5_000_000_000, **shown, "time": stamps}).with_columns(
        quote=pl.col("price") * pl.col("size"), maker=pl.Series(rng.integers(0, 2, ARCHIVE_LINES) == 1)
    )
    table.select("id", "price", "size", "quote", "time", "maker").write_csv(trades, include_header=False)
    table.select("id", "price", "size", "ask", "other", "time", sent="time").write_csv(quotes, include_header=False)
