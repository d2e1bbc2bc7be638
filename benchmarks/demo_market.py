"""The simulated demo market: what it costs to generate, how large it is, how much of it can be forecast at all."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

HORIZONS_S = (10, 60, 300)


def run(name: str = "demo_market") -> dict[str, Any]:
    """Generate a market in a fresh folder and hold its truth against the labels its mids give.

    Args:
        name: One of `sim.demo_config.DEMO_MARKETS`.

    Returns:
        Seconds, memory, events, size; ``spread_within_2_cents``: share of the decision times. ``ic_*_300s``: the drift
        known from headlines (of the weak signal, of both) correlated with the realised label over the label horizon:
        what a forecaster who knows the plant reaches. ``ic_imbalance_<h>s``: the queue imbalance at the touch against
        the label, which begins a decision time later: part of what the order flow itself gives.
    """
    from sim.demo_config import DEMO_MARKETS
    from sim.demo_market import FILES, fitted_flow, generate

    config = DEMO_MARKETS[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        started = time.perf_counter()
        fitted = fitted_flow()
        fit_s = time.perf_counter() - started
        generate(config, folder, fitted=fitted)
        generate_s = time.perf_counter() - started
        size = sum(path.stat().st_size for path in (folder / FILES).rglob("*") if path.is_file())
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        events, table = _labelled(config, folder)
    days = len(config.dates) * len(config.instruments)
    return {
        "fit_s": round(fit_s, 1),
        "generate_s": round(generate_s, 1),
        "peak_rss_mb": round(peak_mb),
        "files_mb": round(size / 1e6, 1),
        "events": events,
        "events_per_day": round(events / days),
        "spread_within_2_cents": round(float((table["spread_ticks"] <= 200).mean() or 0.0), 3),  # type: ignore[arg-type]
        **ceilings(table, config.horizon_s),
    }


def ceilings(table: pl.DataFrame, horizon_s: int) -> dict[str, float]:
    """Correlations of what is known with what came; see `run`."""
    label = f"label_{horizon_s * 1000}ms_bps"
    pairs = {
        f"ic_news_{horizon_s}s": ("news_expected_bps", label),
        f"ic_signal_{horizon_s}s": ("signal_expected_bps", label),
        f"ic_plant_{horizon_s}s": ("expected_bps", label),
        **{f"ic_imbalance_{h}s": ("imbalance", f"label_{h * 1000}ms_bps") for h in HORIZONS_S},
    }
    rows = table.filter(~pl.col("anomaly")).drop_nulls([label])
    found = rows.select(pl.corr(*pair).alias(name) for name, pair in pairs.items())
    return {name: round(value, 3) for name, value in found.row(0, named=True).items()}


def _labelled(config: Any, folder: Path) -> tuple[int, pl.DataFrame]:
    """Events in all files, and the truth of all days with mids, imbalance and labels."""
    from feeds.adapters import TICK_ADAPTERS
    from models.labels import mid_return_labels
    from sim.demo_market import FILES, TRUTH_FOLDER

    adapter = TICK_ADAPTERS["lobster"]
    events, parts = 0, []
    for path in sorted((folder / FILES / "lobster").glob("*.zip")):
        info = adapter.sniff(path)
        assert info is not None and info.instrument is not None, "a file of the market is a LOBSTER zip"
        frame = adapter.parse({"zip": path}, adapter.default_spec(info.instrument), info.dates[0]).frame
        events += frame.height
        truth = pl.read_parquet(folder / TRUTH_FOLDER / f"{info.dates[0]}.parquet")
        parts.append(_on_grid(frame, truth.filter(pl.col("symbol") == info.instrument)))
    horizons = [1000 * h for h in sorted({*HORIZONS_S, config.horizon_s})]
    return events, mid_return_labels(pl.concat(parts).sort("ts", "symbol"), horizons, config.latency_ms)


def _on_grid(events: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    book = events.filter((pl.col("bid_px") > 0) & (pl.col("ask_px") > 0)).select(
        pl.col("ts_event").alias("ts"),
        mid_ticks=(pl.col("bid_px") + pl.col("ask_px")) / 2,
        spread_ticks=pl.col("ask_px") - pl.col("bid_px"),
        imbalance=(pl.col("bid_sz") - pl.col("ask_sz")) / (pl.col("bid_sz") + pl.col("ask_sz")),
    )
    return truth.join_asof(book, on="ts", strategy="backward")
