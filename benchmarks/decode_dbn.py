"""How fast Databento files are decoded, against the ``databento`` package where it is installed.

Two files: a real session (where the shared data are) repeated to about two million records, or as many synthetic ones;
compressed as the vendor does. Ours is decoding to canonical columns, mapping of executions included, and beside it the
whole tape; theirs is ``DBNStore.to_ndarray`` (fields as they stand) and ``to_df``.

Here: the measurement. Not here: tests of what is decoded (tests/feeds/test_adapter_dbn.py).
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RECORDS = 2_000_000
_REAL = ("databento", "esh4-glbx-mdp3-20231225.mbo.dbn.zst")
_BLOCK = 1 << 22


def measure(records: int = RECORDS) -> dict[str, dict[str, float | None]]:
    """Rates and ratios by format.

    Returns:
        ``dbn_mbo``: records a second to columns and to a tape; the time of ours over that of the package's ndarray and
        DataFrame for the same file (None where it is not installed); the peak memory of the process that decodes.
    """
    with tempfile.TemporaryDirectory() as folder:
        path, count = _file(Path(folder), records)
        _columns(path)  # compiles
        columns_s = _best(lambda: _columns(path))
        tape_s = _best(lambda: _tape(path, Path(folder) / "tape"), 1)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        theirs = _theirs(path)
    return {
        "dbn_mbo": {
            "rows_per_s": count / columns_s,
            "tape_rows_per_s": count / tape_s,
            "ratio_vs_reference": columns_s / theirs["to_ndarray"] if theirs else None,
            "ratio_vs_to_df": columns_s / theirs["to_df"] if theirs else None,
            "tape_ratio_vs_to_df": tape_s / theirs["to_df"] if theirs else None,
            "peak_rss_mb": peak_mb,
        }
    }


def _file(folder: Path, records: int) -> tuple[Path, int]:
    import pyarrow as pa

    from feeds.adapters.byte_blocks import Blocks
    from feeds.adapters.dbn_header import header_length

    shared = Path(os.environ.get("T2T_SHARED", Path(__file__).resolve().parents[2] / "shared" / "data"))
    source = shared.joinpath(*_REAL)
    if source.is_file():
        content = b"".join(Blocks(source))
    else:
        from tests.support.dbn_files import metadata, order_flow

        content = metadata() + b"".join(order_flow(1, 20_000))
    length = header_length(source, content[:8])
    body = content[length:]
    times = -(-records * 56 // len(body))
    path = folder / "large.mbo.dbn.zst"
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        out.write(content[:length])
        for _ in range(times):
            out.write(body)
    return path, times * len(body) // 56


def _columns(path: Path) -> int:
    """Decode to batches of canonical columns; returns the rows."""
    from feeds.adapters.dbn_reader import Records
    from feeds.adapters.tape_batch import TapeBatch

    source, batch, rows = Records(path), None, 0
    for block in source.rows():
        batch = batch or TapeBatch(source.names)
        batch.add(block)
        rows += block.shape[1]
        if batch.full:
            batch.take()
    return rows


def _tape(path: Path, folder: Path) -> object:
    from feeds.adapters.dbn import Dbn

    return Dbn().decode(path, folder)


def _theirs(path: Path) -> dict[str, float]:
    try:
        from databento import DBNStore
    except ImportError:
        return {}

    def run(name: str) -> Any:
        return getattr(DBNStore.from_file(path), name)()

    return {"to_ndarray": _best(lambda: run("to_ndarray")), "to_df": _best(lambda: run("to_df"), 1)}


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
