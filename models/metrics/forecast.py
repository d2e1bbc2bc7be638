"""How good a forecast is: correlation, explained variance, direction, calibration, volatility losses.

Pairs in which either side is missing or infinite are left out everywhere. Nothing here is annualised: an
information coefficient is a correlation, the ICIR is per block. A statistic that is undefined (too few pairs,
a constant side) is None, never a number that looks like an answer.

Here: point statistics. Not here: their intervals (models/metrics/bootstrap.py), tests between two forecasts
(models/metrics/comparison.py), returns of a strategy (models/metrics/performance.py).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import rankdata

from feeds.errors import SchemaError

Floats = npt.NDArray[np.float64]

NS_PER_MS = 1_000_000
#: Fewer pairs than this and a correlation is not reported.
MIN_PAIRS = 10


def finite_pairs(forecast: npt.ArrayLike, realised: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Both sides as float64, shape (n,), without the pairs in which one is missing or infinite.

    Raises:
        SchemaError: The two sides differ in length.
    """
    left = np.asarray(forecast, dtype=np.float64).ravel()
    right = np.asarray(realised, dtype=np.float64).ravel()
    if left.shape != right.shape:
        raise SchemaError(
            "forecast and realised", received=f"{left.size} and {right.size} values", expected="equal lengths"
        )
    keep = np.isfinite(left) & np.isfinite(right)
    return left[keep], right[keep]


def information_coefficient(forecast: npt.ArrayLike, realised: npt.ArrayLike) -> float | None:
    """Pearson correlation of forecast and realised (Grinold & Kahn 2000, ch. 6); not annualised.

    Returns:
        A value in [-1, 1], or None below `MIN_PAIRS` pairs or where one side is constant.
    """
    left, right = finite_pairs(forecast, realised)
    return _correlation(left, right) if left.size >= MIN_PAIRS else None


def rank_ic(forecast: npt.ArrayLike, realised: npt.ArrayLike) -> float | None:
    """Spearman correlation with average ranks for ties; None where `information_coefficient` would be."""
    left, right = finite_pairs(forecast, realised)
    return _correlation(rankdata(left), rankdata(right)) if left.size >= MIN_PAIRS else None


def _correlation(left: Floats, right: Floats) -> float | None:
    if np.ptp(left) == 0.0 or np.ptp(right) == 0.0:
        return None
    left, right = left - left.mean(), right - right.mean()
    scale = math.sqrt(float(left @ left)) * math.sqrt(float(right @ right))
    if scale == 0.0:
        return None
    return min(1.0, max(-1.0, float(left @ right) / scale))


def ic_series(
    frame: pl.DataFrame, block_ms: int, forecast: str = "forecast", realised: str = "realised"
) -> pl.DataFrame:
    """Information coefficient of each consecutive time block.

    Args:
        frame: Columns ``ts`` (int64, ns) and the two named ones.
        block_ms: Block length, ms; blocks start at the first ``ts``.
        forecast: Column of the forecast.
        realised: Column of what came.

    Returns:
        ``ts`` (start of the block, ns), ``n`` (finite pairs), ``ic``, ``rank_ic`` (null where undefined), by
        time.
    """
    schema = {"ts": pl.Int64, "n": pl.Int64, "ic": pl.Float64, "rank_ic": pl.Float64}
    if frame.is_empty():
        return pl.DataFrame(schema=schema)
    stamps = frame["ts"].to_numpy()
    left, right = frame[forecast].to_numpy(), frame[realised].to_numpy()
    first, length = int(stamps.min()), block_ms * NS_PER_MS
    block = (stamps - first) // length
    records = []
    for number in np.unique(block):
        inside = block == number
        pairs = finite_pairs(left[inside], right[inside])
        records.append(
            {
                "ts": first + int(number) * length,
                "n": pairs[0].size,
                "ic": information_coefficient(*pairs),
                "rank_ic": rank_ic(*pairs),
            }
        )
    return pl.DataFrame(records, schema=schema)


def icir(ics: npt.ArrayLike) -> float | None:
    """Mean over standard deviation (n - 1) of the blocks' ICs; per block, not annualised.

    Grinold & Kahn 2000, ch. 6.

    Returns:
        The ratio, or None for fewer than two finite blocks or blocks that do not vary.
    """
    values = np.asarray(ics, dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size < 2 or np.ptp(values) == 0.0:
        return None
    return float(values.mean() / values.std(ddof=1))


def r2_oos(forecast: npt.ArrayLike, realised: npt.ArrayLike, naive: float) -> float | None:
    """Out-of-sample R2 against the training mean: 1 - SSE / SSE_naive (Campbell & Thompson 2008, eq. 1).

    Args:
        forecast: Forecasts, shape (n,).
        realised: What came, same unit.
        naive: The training mean of the label. The test mean would be hindsight.

    Returns:
        At most 1; negative where the forecast is worse than the training mean; None without a benchmark
        error.
    """
    left, right = finite_pairs(forecast, realised)
    benchmark = float(np.sum((right - naive) ** 2))
    if left.size == 0 or benchmark == 0.0:
        return None
    return 1.0 - float(np.sum((right - left) ** 2)) / benchmark


def hit_rate(forecast: npt.ArrayLike, realised: npt.ArrayLike) -> float | None:
    """Share of pairs of equal sign among those in which neither side is zero; 0.5 is a coin."""
    left, right = finite_pairs(forecast, realised)
    moving = (left != 0.0) & (right != 0.0)
    if not moving.any():
        return None
    return float(np.mean(np.sign(left[moving]) == np.sign(right[moving])))


def calibration_table(forecast: npt.ArrayLike, realised: npt.ArrayLike, buckets: int = 10) -> pl.DataFrame:
    """Mean realised against mean forecast by forecast decile.

    Args:
        forecast: Forecasts, shape (n,).
        realised: What came, same unit.
        buckets: Number of quantile buckets; ties share a bucket, so that fewer may come back.

    Returns:
        ``decile`` (1 the lowest forecasts), ``n``, ``forecast_bps`` and ``realised_bps`` (means, in the unit
        of the inputs), ``realised_se`` (standard error of independent pairs; null below two), ascending.
    """
    left, right = finite_pairs(forecast, realised)
    schema = {
        "decile": pl.Int64,
        "n": pl.Int64,
        "forecast_bps": pl.Float64,
        "realised_bps": pl.Float64,
        "realised_se": pl.Float64,
    }
    if left.size < buckets or np.ptp(left) == 0.0:
        return pl.DataFrame(schema=schema)
    bucket = quantile_buckets(left, buckets)
    records = []
    for number in np.unique(bucket):
        inside = bucket == number
        count = int(inside.sum())
        spread = float(right[inside].std(ddof=1)) / math.sqrt(count) if count > 1 else None
        records.append(
            {
                "decile": int(number) + 1,
                "n": count,
                "forecast_bps": float(left[inside].mean()),
                "realised_bps": float(right[inside].mean()),
                "realised_se": spread,
            }
        )
    return pl.DataFrame(records, schema=schema)


def quantile_buckets(values: Floats, buckets: int) -> npt.NDArray[np.int64]:
    """Bucket 0..buckets-1 of each value by its average rank; equal values share a bucket."""
    share = (rankdata(values) - 0.5) / values.size
    return np.minimum((share * buckets).astype(np.int64), buckets - 1)


def qlike_losses(realised: npt.ArrayLike, forecast: npt.ArrayLike, floor: float = 0.0) -> Floats:
    """QLIKE loss rv/h - ln(rv/h) - 1 of each pair (Patton 2011, eq. 24 normalised to 0 at rv = h).

    Args:
        realised: Realised variance, shape (n,).
        forecast: Variance forecast ``h`` > 0, same unit.
        floor: Realised variances below it count as it; a variance of exactly 0 has no finite QLIKE otherwise.

    Raises:
        SchemaError: A forecast is not positive, or a realised variance is not positive after the floor.
    """
    rv, h = finite_pairs(realised, forecast)
    rv = np.maximum(rv, floor)
    if (h <= 0.0).any() or (rv <= 0.0).any():
        raise SchemaError(
            "QLIKE",
            received=f"least forecast {h.min()}, least realised variance {rv.min()}",
            expected="positive variances",
            remedy="Floor the forecasts at fitting and pass a floor for the realised variance.",
        )
    ratio = rv / h
    return ratio - np.log(ratio) - 1.0


def qlike(realised: npt.ArrayLike, forecast: npt.ArrayLike, floor: float = 0.0) -> float | None:
    """Mean of `qlike_losses`; None without pairs. A loss of ratios: no unit, no annualisation."""
    losses = qlike_losses(realised, forecast, floor)
    return float(losses.mean()) if losses.size else None


def mse(realised: npt.ArrayLike, forecast: npt.ArrayLike) -> float | None:
    """Mean squared error in the square of the inputs' unit; None without pairs."""
    left, right = finite_pairs(realised, forecast)
    return float(np.mean((left - right) ** 2)) if left.size else None
