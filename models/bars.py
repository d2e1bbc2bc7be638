"""Time bars of trades and mid price, with realised variance inside the bar.

Here: bars from clean ticks. Not here: volatility blocks made of bars (models/volatility), other clocks.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.errors import StudyError
from feeds.schema import conform

NS_PER_MS = 1_000_000
_EXECUTIONS = ["F", "T"]
# numpy's own log may take another path, and round another way, for another length of array.
_log = np.frompyfunc(math.log, 1, 1)


def time_bars(clean: pl.DataFrame, bounds: tuple[int, int], bar_ms: int, rv_sample_ms: int) -> pl.DataFrame:
    """Bars of ``bar_ms`` from the open on; a bar holds the events with ``ts_open <= available_at < ts``.

    The last bar is cut at the close and includes it. A bar in which no event arrived is left out (before the
    first book, after a capture ends, during a halt); what is known of a bar never depends on later ones.

    Mid and spread are sampled at the bar's left edge and every ``rv_sample_ms`` after it, its right edge
    included, as the book stood just before that moment; samples before the first book are left out. Realised
    variance is the sum of squared log returns between consecutive samples (Andersen, Bollerslev, Diebold,
    Labys 2003, eq. 5).

    Args:
        clean: CLEAN_TICKS of one instrument-day.
        bounds: Session open and close, ns UTC.
        bar_ms: Length of a bar.
        rv_sample_ms: Sampling interval of mid and spread; must divide ``bar_ms``.

    Returns:
        BARS, ascending. ``open``..``close`` and ``vwap_ticks`` are null in a bar without trades.

    Raises:
        StudyError: ``rv_sample_ms`` does not divide ``bar_ms`` or one of them is not positive.
    """
    if bar_ms <= 0 or rv_sample_ms <= 0 or bar_ms % rv_sample_ms:
        raise StudyError(
            "time bars",
            received=f"bar_ms {bar_ms}, rv_sample_ms {rv_sample_ms}",
            expected="positive lengths, rv_sample_ms a divisor of bar_ms",
        )
    open_ns, close_ns = bounds
    bar_ns = bar_ms * NS_PER_MS
    bars = -(-(close_ns - open_ns) // bar_ns)
    number = ((pl.col("available_at") - open_ns) // bar_ns).clip(upper_bound=bars - 1)
    inside = clean.filter(pl.col("available_at").is_between(open_ns, close_ns)).with_columns(number.alias("bar"))
    present = inside["bar"].unique(maintain_order=True)
    edges = pl.DataFrame({"bar": present}).with_columns(
        (open_ns + pl.col("bar") * bar_ns).alias("ts_open"),
        (open_ns + (pl.col("bar") + 1) * bar_ns).clip(upper_bound=close_ns).alias("ts"),
    )
    quoted = _sampled(clean, edges, rv_sample_ms * NS_PER_MS, bar_ms // rv_sample_ms, close_ns)
    table = edges.join(_traded(inside), on="bar", how="left", maintain_order="left").hstack(quoted)
    counts = pl.col("volume_lots", "trades", "signed_volume_lots").fill_null(0)
    return conform(table.with_columns(counts, pl.col("ts").alias("available_at")), "bars")


def _traded(inside: pl.DataFrame) -> pl.DataFrame:
    executed = inside.filter(pl.col("action").is_in(_EXECUTIONS) & (pl.col("size") > 0))
    # Sums of integers are exact in any order, so the grouping may not change a bit.
    return executed.group_by("bar", maintain_order=True).agg(
        pl.col("price").first().alias("open"),
        pl.col("price").max().alias("high"),
        pl.col("price").min().alias("low"),
        pl.col("price").last().alias("close"),
        pl.col("size").sum().alias("volume_lots"),
        pl.len().cast(pl.Int64).alias("trades"),
        ((pl.col("price") * pl.col("size")).sum() / pl.col("size").sum()).alias("vwap_ticks"),
        (pl.col("trade_sign").cast(pl.Int64) * pl.col("size")).sum().alias("signed_volume_lots"),
    )


def _sampled(clean: pl.DataFrame, edges: pl.DataFrame, sample_ns: int, samples: int, close_ns: int) -> pl.DataFrame:
    stamps, mid, spread = _book(clean)
    # len(edges) x (samples + 1): every sample moment of every bar, the last of a short bar at the close.
    moments = edges["ts_open"].to_numpy()[:, None] + sample_ns * np.arange(samples + 1)
    moments = np.minimum(moments, edges["ts"].to_numpy()[:, None])
    last = np.searchsorted(stamps, moments, side="left") - 1
    at_close = moments == close_ns
    last[at_close] = np.searchsorted(stamps, close_ns, side="right") - 1
    known = last >= 0
    mids = np.where(known, mid[last], np.nan) if mid.size else np.full(moments.shape, np.nan)
    spreads = np.where(known, spread[last], 0.0) if mid.size else np.zeros(moments.shape)
    return pl.DataFrame(
        {
            "mid_open_ticks": _first_known(mids),
            "mid_close_ticks": mids[:, -1],
            "spread_mean_ticks": _mean(spreads[:, 1:], known[:, 1:]),
            "realised_variance": _realised_variance(mids),
        }
    ).fill_nan(None)


def _book(
    clean: pl.DataFrame,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    two_sided = clean.filter((pl.col("bid_px") > 0) & (pl.col("ask_px") > 0))
    bid, ask = two_sided["bid_px"].to_numpy(), two_sided["ask_px"].to_numpy()
    return two_sided["available_at"].to_numpy(), (bid + ask) / 2.0, (ask - bid).astype(np.float64)


def _first_known(mids: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    first = np.argmax(~np.isnan(mids), axis=1)
    return mids[np.arange(len(mids)), first]


def _mean(values: npt.NDArray[np.float64], known: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    count = known.sum(axis=1)
    # The values are whole ticks: their sum is exact in any order.
    return np.divide(values.sum(axis=1), count, out=np.full(len(values), np.nan), where=count > 0)


def _realised_variance(mids: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    total = np.zeros(len(mids))
    # Column by column: the order of a float sum is part of the promise of equal bits.
    for j in range(1, mids.shape[1]):
        step = np.asarray(_log(mids[:, j] / mids[:, j - 1]), dtype=np.float64)
        total += np.where(np.isnan(step), 0.0, step * step)
    return np.where(np.isnan(mids[:, -1]), np.nan, total)
