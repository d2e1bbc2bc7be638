"""Small studies over synthetic files, for the tests of the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DATES = ("2013-10-07", "2013-10-08", "2013-10-09")


def study_tree(folder: Path, tickers: tuple[str, ...] = ("AAA", "BBB"), **changes: Any) -> dict[str, Any]:
    """A valid study of per-exchange quotes and trades over ``folder/files``."""
    tree: dict[str, Any] = {
        "name": "tiny",
        "title": "Two synthetic stocks, three days",
        "sources": [
            {"format": "us_equity_tick", "path": str(folder / "files" / "*" / "*.zip"), "simulated": True},
            {"format": "news_csv", "path": str(folder / "files" / "news.csv"), "simulated": True},
        ],
        "dates": {"start": "2013-10-07", "end": "2013-10-31"},
        "calendar": "XNYS",
        "instruments": [
            {"id": f"{ticker}.US", "tick_size": 0.0001, "lot_size": 1, "quote_increment_ticks": 100}
            for ticker in tickers
        ],
        "grid_ms": 30_000,
        "label": {"horizon_ms": 60_000, "more_horizons_ms": [30_000]},
        "split": {"kind": "intraday", "train_until": "13:00:00", "embargo_s": 60, "train_days": 2},
        "costs": {"fee_bps": 0.3, "latency_ms": 100},
        "models": {"alpha": {"max_iter": 10, "min_samples_leaf": 20}},
        "coverage": 0.5,
        "nights": 2,
    }
    return tree | changes


def write_study(folder: Path, **changes: Any) -> Path:
    """Write the study's YAML and return its path."""
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(study_tree(folder, **changes)))
    return path
