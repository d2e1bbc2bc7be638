"""Synthetic csv and Parquet files with their mappings: trades of two symbols on two days, one row of each wrong kind.

Every writer is deterministic: the same arguments give the same bytes.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

MAPPED_INSTRUMENTS, MAPPED_DATES = ("AAA.DEMO", "BBB.DEMO"), ("2024-01-02", "2024-01-03")
_START_NS = 1_704_189_600_000_000_000  # 2024-01-02 10:00 UTC

TRADES_MAPPING: dict[str, Any] = {
    "format": "csv",
    "rows": "trades",
    "venue": "DEMO",
    "symbol": {"column": "symbol"},
    "time": {"column": "ns", "unit": "ns"},
    "price": "price",
    "size": "size",
    "side": {"column": "side", "values": {"buy": "B", "sell": "A"}},
    "tick_size": 0.01,
    "lot_size": 0.001,
}


def mapped_rows(seed: int, rows: int) -> pl.DataFrame:
    """Trades as texts, one of them between two ticks."""
    rng = np.random.default_rng(seed)
    prices = 10_000 + np.cumsum(rng.integers(-2, 3, size=rows))
    texts = [f"{price // 100}.{price % 100:02d}" for price in prices.tolist()]
    texts[rows // 2] += "5"
    return pl.DataFrame(
        {
            "symbol": ["AAA" if k else "BBB" for k in rng.integers(0, 2, size=rows).tolist()],
            "ns": _START_NS + np.sort(rng.integers(0, 2 * 43_200 * 10**9, size=rows)),
            "price": texts,
            "size": [f"{size / 1000:.3f}" for size in rng.integers(1, 5000, size=rows).tolist()],
            "side": ["buy" if k else "sell" for k in rng.integers(0, 2, size=rows).tolist()],
        }
    )


def write_mapping(path: Path, mapping: dict[str, Any], **changes: Any) -> Path:
    """Write a mapping as YAML; a change to None leaves a key out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {key: value for key, value in (mapping | changes).items() if value is not None}
    path.write_text(yaml.safe_dump(kept))
    return path


def write_mapped_day(folder: Path, seed: int, rows: int = 400, kind: str = "csv") -> list[Path]:
    """Write a file of trades and its mapping.

    Args:
        folder: Where to.
        seed: Seed of the rows.
        rows: How many.
        kind: ``csv``, ``csv.gz`` or ``parquet`` (there prices and sizes are floats).

    Returns:
        The file, then its mapping.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frame, path = mapped_rows(seed, rows), folder / f"trades.{kind}"
    if kind == "parquet":
        frame.with_columns(pl.col("price", "size").cast(pl.Float64)).write_parquet(path)
    else:
        text = frame.write_csv().encode()
        path.write_bytes(gzip.compress(text, mtime=0) if kind.endswith("gz") else text)
    form = "parquet" if kind == "parquet" else "csv"
    return [path, write_mapping(path.with_name(f"{path.name}.t2t.yaml"), TRADES_MAPPING, format=form)]
