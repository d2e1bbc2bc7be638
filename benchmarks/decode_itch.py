"""Decoding TotalView-ITCH: a made-up tape of 8.6 million messages to Parquet, beside the C++ package itch_book.

Both run on one core, in a process of their own, from the same plain file to files on the same disk. Ours resolves every
order's number, orders the rows by instrument and writes them (zstd). The reference resolves the numbers, too, keeps
whole books with their levels besides, and writes its table ``messages`` in file order with a column of tickers: rows
for additions, executions, cancellations, deletions and replacements, none for hidden trades and crosses, which ours
has. Its second pass over the file for a checksum is switched off.

Here: this measurement. Not here: the tape (itch_encoder.py), all formats together (decode.py).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.itch_encoder import write_tape
from feeds.errors import T2TError

NAME = "01302019.NASDAQ_ITCH50"
ORDERS = 4_000_000
#: Orders of a tape of 5 GB.
LARGE_ORDERS = 77_000_000
_REPEATS = 3


def measure(large: bool = False) -> dict[str, dict[str, float | None]]:
    """Figures of the format ``itch``.

    Args:
        large: Also decode a tape of 5 GB, for its peak memory: minutes, and 7 GB of disk.

    Returns:
        ``rows_per_s``: messages a CPU second of all threads, best of three; ``wall_rows_per_s``: messages a second of
        the same run, on one core; ``gzip_rows_per_s``: the first for the tape gzipped; ``reference_rows_per_s``:
        messages a CPU second of itch_book, and ``ratio_vs_reference``: our CPU seconds over its (None where it is not
        installed); ``peak_rss_mb`` of our process; ``large_*``: of the large tape.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        messages = write_tape(path, ORDERS, seed=1).messages
        ours = _best([_child("ours", path, Path(folder) / "tape") for _ in range(_REPEATS)])
        theirs = None
        if find_spec("itch_book"):
            theirs = _best([_child("theirs", path, Path(folder) / "reference") for _ in range(2)])
        subprocess.run(["gzip", "-1", str(path)], check=True)
        packed = _child("ours", path.with_name(NAME + ".gz"), Path(folder) / "tape")
    figures: dict[str, float | None] = {
        "messages": messages,
        "rows_per_s": messages / ours["cpu_s"],
        "wall_rows_per_s": messages / ours["wall_s"],
        "gzip_rows_per_s": messages / packed["cpu_s"],
        "reference_rows_per_s": messages / theirs["cpu_s"] if theirs else None,
        "ratio_vs_reference": ours["cpu_s"] / theirs["cpu_s"] if theirs else None,
        "peak_rss_mb": ours["peak_rss_mb"],
        "bytes_per_row": ours["bytes_per_row"],
    }
    return {"itch": figures | (large_tape() if large else {})}


def large_tape() -> dict[str, float | None]:
    """Bytes, messages a CPU second and peak memory of a generated tape of 5 GB, decoded once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        messages = write_tape(path, LARGE_ORDERS, seed=2).messages
        size = path.stat().st_size
        run = _child("ours", path, Path(folder) / "tape")
    return {
        "large_bytes": size,
        "large_rows_per_s": messages / run["cpu_s"],
        "large_peak_rss_mb": run["peak_rss_mb"],
    }


def _best(runs: list[dict[str, float]]) -> dict[str, float]:
    return min(runs, key=lambda run: run["cpu_s"])


def _child(who: str, path: Path, out: Path) -> dict[str, float]:
    """One run in a process of its own, so that its peak of memory is its own."""
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        command = [sys.executable, "-m", "benchmarks.decode_itch", who, str(path), str(Path(folder) / out.name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise T2TError(f"benchmark {who}", received=done.stderr.strip()[-2000:])
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def _run(who: str, path: Path, out: Path) -> dict[str, Any]:
    """Decode on one core; compiled code is loaded before the clock starts."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    small = out.parent / "small" / NAME
    small.parent.mkdir(parents=True)
    write_tape(small, 2000, symbols=5)
    work = _ours if who == "ours" else _theirs
    work(small, small.parent / "out")
    wall, cpu = time.perf_counter(), time.process_time()
    rows = work(path, out)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall_s": wall, "cpu_s": cpu, "peak_rss_mb": peak, "bytes_per_row": size / rows}


def _ours(path: Path, out: Path) -> int:
    from feeds.adapters.itch import Itch

    return Itch().decode(path, out).rows


def _theirs(path: Path, out: Path) -> int:
    import pyarrow.parquet as pq
    from itch_book.cli import main

    command = ["convert", str(path), str(out), "--tables", "messages", "--price-type", "fixed", "--no-md5"]
    if main([*command, "--date", "2019-01-30"]):
        raise T2TError("itch_book", received="an exit status that is not 0")
    return int(pq.read_metadata(out / "messages.parquet").num_rows)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in ("ours", "theirs"):
        print(json.dumps(_run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
    else:
        print(json.dumps(measure(large="--large" in sys.argv), indent=1))
