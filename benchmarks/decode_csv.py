"""Decoding csv formats to canonical events, against ``polars.read_csv`` alone on the same bytes and threads.

Ours is everything from the csv's bytes to `ParsedTicks` (of mapped files: to the finished tape on disk); the reference
only splits lines and converts cells, its schema given. Both take turns in one process whose polars has the stated
number of threads, and the medians count. Unpacking the zip is measured by itself.

Here: the measurement. Not here: other formats (benchmarks/decode.py puts them together).
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from feeds.adapters.containers import only_csv, read_member, zip_names
from feeds.errors import T2TError
from feeds.root import shared_root

FORMATS = ("lobster", "us_equity_tick", "fx_tick", "mapped")
REPEATS = 7
#: Rows of the files that are generated where the shared data are not there; mapped files always are, five times longer.
GENERATED_ROWS = 200_000
_DATES = {"lobster": "2012-06-21", "us_equity_tick": "2013-10-09", "fx_tick": "2014-05-02"}
_TEXTS = {"exchange", "condition", "time", "symbol", "side"}
_COLUMNS = {
    "message": ("time", "type", "order_id", "size", "price", "direction"),
    "trade": ("ms", "price", "size", "exchange", "condition", "suspicious"),
    "quote": ("ms", "bid", "bid_size", "ask", "ask_size", "exchange", "condition", "suspicious"),
    "fx": ("ms", "bid", "ask"),
    "mapped": ("symbol", "ns", "price", "size", "side"),
}
Schema = dict[str, type[pl.DataType]]


@dataclass(frozen=True)
class Case:
    """What is measured of a format.

    Attributes:
        texts: The csv texts with the schema polars reads them with.
        decode: Decodes them all; returns the canonical rows.
        unpack: Unpacks them from their files; None where they are plain.
    """

    texts: list[tuple[bytes, Schema]]
    decode: Callable[[], int]
    unpack: Callable[[], object] | None


def measure() -> dict[str, dict[str, float | None]]:
    """Figures by format, each of a process of its own with one thread.

    ``ratio_vs_reference_2_threads`` is the same with two; ``unpack_s_per_decode_s`` what unpacking takes of the time of
    decoding.
    """
    figures: dict[str, dict[str, float | None]] = {}
    for name in FORMATS:
        one, two = (_in_a_process(name, threads) for threads in (1, 2))
        figures[name] = one | {
            "rows_per_s_2_threads": two["rows_per_s"],
            "ratio_vs_reference_2_threads": two["ratio_vs_reference"],
        }
    return figures


def _in_a_process(name: str, threads: int) -> dict[str, float | None]:
    code = f"import json; from benchmarks.decode_csv import measure_one; print(json.dumps(measure_one({name!r})))"
    environment = os.environ | {"POLARS_MAX_THREADS": str(threads)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise T2TError(f"benchmark of {name}", received=done.stderr.strip()[-2000:])
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def measure_one(name: str) -> dict[str, float | None]:
    """Figures of one format with this process' threads."""
    with tempfile.TemporaryDirectory() as folder:
        case = _case(name, Path(folder))
        rows = case.decode()
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        ours, reference, unpacking = [], [], []
        for _ in range(REPEATS):
            ours.append(_seconds(case.decode))
            reference.append(_seconds(lambda: [_read(*text) for text in case.texts]))
            if case.unpack is not None:
                unpacking.append(_seconds(case.unpack))
    median = statistics.median(ours)
    return {
        "rows": rows,
        "bytes": sum(len(text) for text, _ in case.texts),
        "rows_per_s": rows / median,
        "ratio_vs_reference": median / statistics.median(reference),
        "peak_rss_mb": peak_mb,
        "unpack_s_per_decode_s": statistics.median(unpacking) / median if unpacking else None,
    }


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _read(text: bytes, schema: Schema) -> pl.DataFrame:
    return pl.read_csv(text, has_header=False, schema=schema, quote_char=None)


def _case(name: str, folder: Path) -> Case:
    return _mapped(folder) if name == "mapped" else _single(name, folder)


def _single(name: str, folder: Path) -> Case:
    """A format of one instrument-day; its adapter has ``decode``."""
    adapter = _adapter(name)
    parts = _members(name, folder)
    contents = {role: (path, read_member(path, member)) for role, (path, member, _) in parts.items()}
    spec, date = adapter.default_spec("EURUSD.FX" if name == "fx_tick" else "XYZ.US"), _DATES[name]
    texts = [(contents[role][1], _schema(kind, contents[role][1])) for role, (_, _, kind) in parts.items()]
    return Case(
        texts,
        lambda: int(adapter.decode(contents, spec, date).rows_in),
        lambda: [read_member(path, member) for path, member, _ in parts.values()],
    )


def _adapter(name: str) -> Any:
    from feeds.adapters.fx_tick import FxTick
    from feeds.adapters.lobster import Lobster
    from feeds.adapters.us_equity_tick import UsEquityTick

    return {"lobster": Lobster, "us_equity_tick": UsEquityTick, "fx_tick": FxTick}[name]()


def _members(name: str, folder: Path) -> dict[str, tuple[Path, str, str]]:
    """Role -> (zip, csv in it, kind of its columns)."""
    paths = _files(name, folder)
    if name == "lobster":
        names = zip_names(paths[0])
        return {
            role: (paths[0], next(member for member in names if role in member), role)
            for role in ("message", "orderbook")
        }
    if name == "fx_tick":
        return {"quote": (paths[0], only_csv(paths[0]) or "", "fx")}
    return {path.stem.split("_")[1]: (path, only_csv(path) or "", path.stem.split("_")[1]) for path in paths}


def _files(name: str, folder: Path) -> list[Path]:
    shared = shared_root()
    real = {
        "lobster": [shared / "lobster" / "LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"],
        "us_equity_tick": [shared / "us_equity_ticks" / "aig" / f"20131009_{role}.zip" for role in ("trade", "quote")],
        "fx_tick": [shared / "fx_ticks" / "20140502_quote.zip"],
    }[name]
    if all(path.is_file() for path in real):
        return real
    from tests.support.fx_files import write_fx_day
    from tests.support.market_files import write_lobster_day, write_us_equity_day

    if name == "lobster":
        return write_lobster_day(folder, "XYZ", _DATES[name], 1, messages=GENERATED_ROWS // 4)
    if name == "fx_tick":
        return write_fx_day(folder, 1, lines=GENERATED_ROWS)
    return write_us_equity_day(folder, "XYZ", _DATES[name], 1, quotes=GENERATED_ROWS, trades=GENERATED_ROWS // 10)


def _schema(kind: str, text: bytes) -> Schema:
    cells = text.partition(b"\n")[0].count(b",") + 1
    names = _COLUMNS.get(kind, tuple(f"c{k}" for k in range(cells)))
    numbers = pl.Float64 if kind in ("fx", "mapped") else pl.Int64
    whole = {"ms", "ns"}
    return {name: pl.String if name in _TEXTS else (pl.Int64 if name in whole else numbers) for name in names}


def _mapped(folder: Path) -> Case:
    from feeds.adapters.mapped import Mapped
    from tests.support.mapped_files import write_mapped_day

    path, _ = write_mapped_day(folder, 1, rows=5 * GENERATED_ROWS)
    text = path.read_bytes()
    count = iter(range(1000))

    def decode() -> int:
        return Mapped().decode(path, folder / f"tape{next(count)}").rows

    body = text.partition(b"\n")[2]
    return Case([(body, _schema("mapped", body))], decode, None)
