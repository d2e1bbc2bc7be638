"""Writers to be killed: a process that imports once and forks a writer whenever a line says so.

Usage: ``python -m tests.support.lake_writers``; a line of JSON in (`Order`), the writer's pid out. Nothing here uses
polars before the fork, so that its threads start in the writer only.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl

from feeds.adapters import TICK_ADAPTERS
from feeds.lake import Lake
from feeds.manifest import code_version

PROJECT = Path(__file__).resolve().parent.parent.parent
DATE, SYMBOL = "2026-05-02", "BTCUSD.BITSTAMP"
ROWS, CHUNK = 140_000, 30_000


class Nursery:
    """Starts writers that loop for ever.

    Use as a context manager; what still runs at the end is killed.
    """

    def __enter__(self):
        command = [sys.executable, "-m", "tests.support.lake_writers"]
        self._process = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._alive = set()
        return self

    def __exit__(self, *_):
        for pid in list(self._alive):
            self.kill(pid)
        self._process.stdin.close()
        self._process.wait(timeout=10)

    def start(self, kind, root, **more):
        """Fork a writer of ``kind`` (a name in `WRITERS`) and return its pid."""
        self._process.stdin.write(json.dumps({"kind": kind, "root": str(root), **more}) + "\n")
        pid = int(self._process.stdout.readline())
        self._alive.add(pid)
        return pid

    def kill(self, pid):
        """kill -9, and wait until it is gone."""
        os.kill(pid, signal.SIGKILL)
        self._alive.discard(pid)
        self._process.stdin.write(json.dumps({"reap": pid}) + "\n")
        assert int(self._process.stdout.readline()) == pid


def wait_for(condition, seconds=60.0):
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "the writer wrote nothing"
        time.sleep(0.001)


def kill_at_random(nursery, lake, kind, times, look, table="t", **more):
    """Start a writer, kill it at a random time up to twice that of its first partition, look; ``times`` times."""
    chance = random.Random(1)
    for _ in range(2):
        lake.delete(table, DATE, SYMBOL)
        started = time.monotonic()
        pid = nursery.start(kind, lake.root, url=lake.url, **more)
        wait_for(lambda: lake.exists(table, DATE, SYMBOL))
        spread_s = 2 * (time.monotonic() - started)
        nursery.kill(pid)
    for attempt in range(times):
        pid = nursery.start(kind, lake.root, url=lake.url, first=attempt, **more)
        time.sleep(chance.uniform(0, spread_s))
        nursery.kill(pid)
        look()


def frame(value, rows=ROWS):
    return pl.DataFrame(
        {"value": pl.repeat(value, rows, dtype=pl.Int64, eager=True), "row": pl.int_range(rows, eager=True)}
    )


def write(lake, value, order):
    lake.write("t", frame(value), DATE, SYMBOL, params={"value": value})


def stream(lake, value, order):
    whole = frame(value)
    chunks = (whole.slice(start, CHUNK) for start in range(0, ROWS, CHUNK))
    lake.write_stream("t", chunks, DATE, SYMBOL, params=lambda: {"value": value})


def small(lake, value, order):
    lake.write("t", frame(value, 1000), DATE, SYMBOL, params={"value": value})


def ingest(lake, value, order):
    """One of two captures, read by its adapter."""
    adapter = TICK_ADAPTERS["bitstamp"]
    folder = Path(order["captures"][value % 2])
    files = {"orders": next(folder.glob("orders*")), "trades": folder / "trades.csv", "meta": folder / "meta.json"}
    parsed = adapter.parse(files, adapter.default_spec(SYMBOL), DATE)
    params = {"value": value % 2, "rows_in": parsed.rows_in}
    raw = lake.write_stream("raw_ticks", [parsed.frame], DATE, SYMBOL, params=lambda: params)
    lake.write("rejected_raw_ticks", parsed.rejected, DATE, SYMBOL, parents=[raw.id], params=params)


def careless(lake, value, order):
    """Writes over the partition instead of replacing it."""
    path = lake.path("t", DATE, SYMBOL)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame(value).write_parquet(path)


WRITERS = {"write": write, "stream": stream, "small": small, "ingest": ingest, "careless": careless}


def _loop(order):
    lake, value = Lake(order["root"], order.get("url")), order.get("first", 0)
    while True:
        WRITERS[order["kind"]](lake, value, order)
        value += order.get("step", 1)


def main():
    code_version()
    if "AWS_ENDPOINT_URL" in os.environ:
        import s3fs  # noqa: F401
    for line in sys.stdin:
        order = json.loads(line)
        if "reap" in order:
            os.waitpid(order["reap"], 0)
            print(order["reap"], flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123
            _loop(order)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
