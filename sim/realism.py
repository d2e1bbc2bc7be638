"""How real a simulated market looks: its statistics against the range in which two real periods differ.

The band of a metric is the 95 % interval of a block bootstrap (Künsch, "The jackknife and the bootstrap for general
stationary observations", Annals of Statistics 17, 1989) on the second real period, widened to hold the first period's
value: a simulation cannot be asked to be closer to one day than the next day is.

Distances between whole distributions are information without a verdict: total variation over Freedman-Diaconis bins
and the first Wasserstein distance after pooled standardisation, as in LOB-Bench (Nagy et al., 2025).

Here: `realism_report`. Not here: the statistics (sim/realism_stats.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.instruments import InstrumentSpec
from sim.flow_fit import increment_of
from sim.flow_measure import arrays_of
from sim.realism_stats import Samples, Statistic, samples_of, statistics_of

_BLOCKS, _RESAMPLES, _SEED, _COVERAGE = 20, 1_000, 7, 0.95
_LEVELS = 10

REPORT_SCHEMA: dict[str, type[pl.DataType]] = {
    "symbol": pl.String,
    "metric": pl.String,
    "unit": pl.String,
    "real": pl.Float64,
    "band_low": pl.Float64,
    "band_high": pl.Float64,
    "simulated": pl.Float64,
    "passed": pl.Boolean,
}


def realism_report(
    real_a: pl.DataFrame, real_b: pl.DataFrame, simulated: pl.DataFrame, spec: InstrumentSpec
) -> pl.DataFrame:
    """Hold a simulated tape against two real ones.

    Args:
        real_a: RAW_TICKS with book columns: the period the simulation was fitted on.
        real_b: Another period of the same instrument.
        simulated: The simulated tape.
        spec: Units of the instrument.

    Returns:
        One row a metric: ``symbol, metric, unit, real`` (of ``real_b``), ``band_low, band_high, simulated, passed``
        (null: information only, or the real tape does not say).

    Raises:
        InsufficientDataError: A tape has too few live rows.
    """
    a, b, other = (arrays_of(tape) for tape in (real_a, real_b, simulated))
    increment = increment_of(b, spec.quote_increment_ticks, _LEVELS)
    of_a, of_b, of_other = (statistics_of(tape, increment, _BLOCKS) for tape in (a, b, other))
    rng = np.random.default_rng(_SEED)
    draws = rng.integers(0, _BLOCKS, (_RESAMPLES, _BLOCKS))
    rows = [_judged(*three, draws) for three in zip(of_a, of_b, of_other, strict=True)]
    rows += _distances(*(samples_of(tape, increment) for tape in (a, b, other)))
    return pl.DataFrame([{"symbol": spec.id, **row} for row in rows], schema=REPORT_SCHEMA)


def _judged(a: Statistic, b: Statistic, other: Statistic, draws: np.ndarray) -> dict[str, object]:
    real, earlier, found = b.of(), a.of(), other.of()
    resampled = np.array([b.of(blocks) for blocks in draws])
    resampled = resampled[np.isfinite(resampled)]
    row: dict[str, object] = {"metric": b.metric, "unit": b.unit}
    if not np.isfinite(real) or resampled.size < draws.shape[0] // 2:
        return {**row, "real": _or_null(real), "simulated": _or_null(found)}
    tail = 0.5 * (1.0 - _COVERAGE)
    edges = [*np.quantile(resampled, [tail, 1.0 - tail]), *([earlier] if np.isfinite(earlier) else []), real]
    low, high = float(min(edges)), float(max(edges))
    passed = bool(low <= found <= high) if np.isfinite(found) else False
    return {**row, "real": real, "band_low": low, "band_high": high, "simulated": _or_null(found), "passed": passed}


def _or_null(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _distances(a: Samples, b: Samples, other: Samples) -> list[dict[str, object]]:
    """Distances of the simulated and of the first real period from the second real one."""
    rows: list[dict[str, object]] = []
    for name, what in (("spread", "spread"), ("log_interval", "interval"), ("log_touch", "touch volume")):
        x, y, z = (getattr(samples, name) for samples in (a, b, other))
        for label, distance in (("total variation", total_variation), ("Wasserstein", wasserstein)):
            between, found = distance(x, y), distance(z, y)
            rows.append({"metric": f"{label} distance, {what}", "unit": "1", "real": between, "simulated": found})
    return rows


def total_variation(x: np.ndarray, y: np.ndarray) -> float:
    """Half the summed absolute difference of two histograms over Freedman-Diaconis bins of the pooled values."""
    pooled = np.concatenate([x, y])
    low, high = np.quantile(pooled, [0.001, 0.999])
    spread = float(np.subtract(*np.quantile(pooled, [0.75, 0.25])))
    width = 2.0 * spread / pooled.size ** (1 / 3)
    bins = int(np.clip((high - low) / width, 1, 500)) if width > 0 else 50
    edges = np.linspace(low, high, bins + 1) if high > low else np.array([low - 0.5, low + 0.5])
    p, q = (np.histogram(np.clip(v, edges[0], edges[-1]), edges)[0] / v.size for v in (x, y))
    return float(0.5 * np.abs(p - q).sum())


def wasserstein(x: np.ndarray, y: np.ndarray) -> float:
    """First Wasserstein distance in pooled standard deviations."""
    scale = float(np.concatenate([x, y]).std())
    if scale == 0.0:
        return 0.0
    at = (np.arange(2_000) + 0.5) / 2_000
    return float(np.mean(np.abs(np.quantile(x, at) - np.quantile(y, at))) / scale)
