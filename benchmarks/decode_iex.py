"""How fast IEX captures are decoded: the real DEEP capture where the shared data are, else a synthetic one.

The bound is unpacking: the same gzip file through Python's own zlib, doing nothing else.

Here: the measurement. Not here: tests of what is decoded (tests/feeds/test_adapter_iex.py).
"""

from __future__ import annotations

import gzip
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_REAL = {"iex_deep": ("iex", "DEEP10.pcap.gz"), "iex_tops": ("iex", "TOPS16.pcapng.gz")}


def measure() -> dict[str, dict[str, float | None]]:
    """Rates by format.

    Returns:
        Rows a second to columns and to a tape, the time over that of unpacking alone (no faster decoder in Python is
        known to compare with), and the peak memory of the process.
    """
    with tempfile.TemporaryDirectory() as folder:
        return {name: _measured(path, Path(folder) / name) for name, path in _files(Path(folder)).items()}


def _files(folder: Path) -> dict[str, Path]:
    shared = Path(os.environ.get("T2T_SHARED", Path(__file__).resolve().parents[2] / "shared" / "data"))
    found = {name: shared.joinpath(*parts) for name, parts in _REAL.items() if shared.joinpath(*parts).is_file()}
    if found:
        return found
    from tests.support.iex_files import write_iex_day

    return {"iex_deep": write_iex_day(folder / "day", 1, messages=50_000)[0]}


def _measured(path: Path, folder: Path) -> dict[str, float | None]:
    from feeds.adapters.iex import Iex, Messages

    def columns() -> int:
        return sum(block.shape[1] for block in Messages(path).rows())

    rows = columns()  # compiles
    columns_s, unpack_s = _best(columns), _best(lambda: gzip.decompress(path.read_bytes()))
    tape_s = _best(lambda: Iex().decode(path, folder), 1)
    return {
        "rows_per_s": rows / columns_s,
        "tape_rows_per_s": rows / tape_s,
        "ratio_vs_reference": None,
        "ratio_vs_unpacking": columns_s / unpack_s,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _best(work: Callable[[], object], times: int = 3) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


if __name__ == "__main__":
    for name, figures in measure().items():
        print(name, {key: value if value is None else round(value, 3) for key, value in figures.items()})
