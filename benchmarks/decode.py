"""Decoding every format, each in a process of its own, and the whole ingest of the US equity ticks.

Figures per format: ``rows_per_s`` (of one core unless the module says otherwise), ``ratio_vs_reference`` (our seconds
over those of the reference on the same bytes and threads; below 1 is faster) and ``peak_rss_mb`` of that process.

Here: putting them together. Not here: a format's measurement (decode_*.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from feeds.errors import T2TError
from feeds.study import PROJECT_DIR

MODULES = ("itch", "dbn", "iex", "binance", "csv")


def run() -> dict[str, Any]:
    """Figures by format; ``ingest_us_equity`` is None where the shared data are not there."""
    figures: dict[str, Any] = {}
    for name in MODULES:
        figures |= _in_a_process(f"benchmarks.decode_{name}")
    figures["ingest_us_equity"] = ingest_us_equity()
    return figures


def _in_a_process(module: str) -> dict[str, Any]:
    code = f"import json, {module} as module; print('\\n' + json.dumps(module.measure()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PROJECT_DIR)
    if done.returncode:
        raise T2TError(f"benchmark {module}", received=done.stderr.strip()[-2000:])
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def ingest_us_equity() -> dict[str, float] | None:
    """Decode, clean, check and write the shared US equity ticks with ``t2t ingest`` into an empty folder.

    Returns:
        ``rows``, ``seconds``, ``rows_per_s``, ``peak_rss_mb`` of the command and its children's largest; None where the
        data are not there.
    """
    from feeds.lake import Lake
    from feeds.root import shared_root

    source = shared_root() / "us_equity_ticks"
    if not source.is_dir():
        return None
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"T2T_DATA": folder, "T2T_STUDY": "us_equities_2013"}
        command = [str(Path(sys.executable).with_name("t2t")), "ingest", str(source), "--ticks-only"]
        started = time.perf_counter()
        with Path(folder, "out").open("w") as out:
            child = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
            _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        lake = Lake(Path(folder) / "us_equities_2013")
        days = [(date, symbol) for date in lake.dates("raw_ticks") for symbol in lake.symbols("raw_ticks", date)]
        rows = sum(int(lake.manifest("raw_ticks", *day).params["rows_in"]) for day in days)
        if status or not rows:
            raise T2TError("t2t ingest", received=Path(folder, "out").read_text()[-2000:])
    return {
        "rows": rows,
        "seconds": seconds,
        "rows_per_s": rows / seconds,
        "peak_rss_mb": usage.ru_maxrss / 1024,
    }
