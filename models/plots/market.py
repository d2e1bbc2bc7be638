"""Plots of the market of a night: bars, mid price and spread, distributions.

Here: drawing. Not here: building bars (models/bars.py) or features (models/features).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from models.plots.style import (
    BLUE,
    GREY,
    HEIGHT_IN,
    INK,
    PALE,
    REPORT_DPI,
    SERIES,
    SOFT_INK,
    VERMILION,
    boxes,
    canvas,
    clock,
    label_axes,
    legend,
    no_data,
    note,
    of_symbol,
    symbols_of,
    time_axis,
    to_png,
    usable,
    with_gaps,
)

_MOST_SYMBOLS = 6


def _price_label(tick_size: float | None, currency: str) -> str:
    if tick_size is None:
        return "price (ticks)"
    return f"price ({currency})" if currency else "price"


def _named(what: str, symbol: str) -> str:
    return f"{symbol}: {what}" if symbol else what[:1].upper() + what[1:]


def bar_chart(
    bars: pl.DataFrame,
    tick_size: float | None = None,
    *,
    symbol: str = "",
    currency: str = "",
    lot_size: float | None = None,
    timezone: str = "UTC",
    dpi: int = REPORT_DPI,
) -> bytes:
    """Candles of the trade prices above the volume.

    Args:
        bars: BARS of one instrument and one or more days; bars without a trade are left blank.
        tick_size: Currency per tick; without it the price axis is in ticks.
        symbol: For the title.
        currency: For the price axis.
        lot_size: Units per lot; without it the volume axis is in lots.
        timezone: Of the time axis.
        dpi: Dots per inch.
    """
    title = _named("trade price and volume", symbol)
    required = ("ts_open", "ts", "open", "high", "low", "close", "volume_lots")
    frame = usable(bars, "bar_chart", required).sort("ts")
    if frame.is_empty():
        return no_data(title, "no trades", dpi)
    seconds = int((frame["ts"] - frame["ts_open"]).median() or 0) / 1e9  # type: ignore[arg-type]
    figure, (price, volume) = canvas(
        title,
        rows=2,
        ratios=(3, 1),
        height_in=HEIGHT_IN * 1.1,
        subtitle=f"{frame.height:,} bars of {seconds:g} s",
    )
    middle = pl.Series("ts", (frame["ts_open"].to_numpy() + frame["ts"].to_numpy()) // 2)
    times = clock(middle, timezone)
    _candles(price, times, frame, tick_size or 1.0, seconds)
    lots = frame["volume_lots"].to_numpy() * (lot_size or 1.0)
    boxes(volume, times, seconds, np.zeros(lots.size), lots, GREY)
    volume.set_ylim(bottom=0)
    label_axes(price, y=_price_label(tick_size, currency))
    label_axes(volume, y="volume" if lot_size else "volume (lots)")
    volume.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    volume.yaxis.get_major_locator().set_params(nbins=3)  # type: ignore[call-arg]
    time_axis(volume, timezone)
    return to_png(figure, dpi)


def _candles(axis: Axes, times: np.ndarray, frame: pl.DataFrame, tick_size: float, seconds: float) -> None:
    low, high, first, last = (frame[name].to_numpy() * tick_size for name in ("low", "high", "open", "close"))
    rising = last >= first
    colours = np.where(rising, BLUE, VERMILION)
    axis.vlines(times, low, high, color=colours, linewidth=0.8)
    # a bar whose open equals its close keeps a visible dash
    thinnest = max(float(np.nanmax(high) - np.nanmin(low)) * 0.002, tick_size * 0.2)
    bottom = np.minimum(first, last)
    boxes(axis, times, 0.7 * seconds, bottom, bottom + np.maximum(np.abs(last - first), thinnest), colours)
    axis.plot([], [], color=BLUE, linewidth=4, label="close ≥ open")
    axis.plot([], [], color=VERMILION, linewidth=4, label="close < open")
    legend(axis, columns=2)
    axis.margins(x=0.01)
    axis.ticklabel_format(axis="y", useOffset=False, style="plain")


def price_and_spread(
    features: pl.DataFrame,
    *,
    symbol: str = "",
    tick_size: float | None = None,
    currency: str = "",
    timezone: str = "UTC",
    dpi: int = REPORT_DPI,
) -> bytes:
    """Mid price above the quoted spread of one instrument, on the decision grid.

    Args:
        features: Columns ts (ns UTC), mid_ticks, spread_bps; symbol optional.
        symbol: Which instrument of ``features``; empty: the only or first one.
        tick_size: Currency per tick; without it the price axis is in ticks.
        currency: For the price axis.
        timezone: Of the time axis.
        dpi: Dots per inch.
    """
    frame = usable(features, "price_and_spread", ("ts", "mid_ticks", "spread_bps"))
    chosen = symbol or symbols_of(frame)[0] if not frame.is_empty() else symbol
    title = _named("mid price and quoted spread", chosen)
    frame = of_symbol(frame, chosen).sort("ts") if chosen else frame.sort("ts")
    if frame.is_empty():
        return no_data(title, "no quotes", dpi)
    figure, (price, spread) = canvas(title, rows=2, ratios=(2, 1), height_in=HEIGHT_IN * 1.1)
    times = clock(frame["ts"], timezone)
    price.plot(*with_gaps(times, frame["mid_ticks"].to_numpy() * (tick_size or 1.0)), color=BLUE, linewidth=1.1)
    _spread(spread, times, frame["spread_bps"])
    price.ticklabel_format(axis="y", useOffset=False, style="plain")
    label_axes(price, y=f"mid {_price_label(tick_size, currency)}")
    label_axes(spread, y="spread (bps)")
    price.margins(x=0.01)
    time_axis(spread, timezone)
    return to_png(figure, dpi)


def _spread(axis: Axes, times: np.ndarray, spread: pl.Series) -> None:
    rolling = spread.rolling_median(max(5, len(spread) // 80), min_samples=1, center=True)
    axis.plot(*with_gaps(times, spread.to_numpy()), color=PALE, linewidth=0.6)
    axis.plot(*with_gaps(times, rolling.to_numpy()), color=SOFT_INK, linewidth=1.2, label="rolling median")
    # a rare very wide quote must not flatten the rest of the session
    ceiling = float(spread.quantile(0.998) or 0.0) * 1.3
    widest = float(spread.max())  # type: ignore[arg-type]
    text = f"median {float(spread.median()):.2f} bps"  # type: ignore[arg-type]
    if 0 < ceiling < widest:
        text += f", widest {widest:,.1f} bps (axis cut)"
        axis.set_ylim(0, ceiling)
    else:
        axis.set_ylim(0, widest * 1.3 or 1.0)
    axis.plot([], [], linestyle="none", label=text)
    legend(axis, columns=2, loc="upper right")


def feature_distribution(
    frame: pl.DataFrame, column: str, unit: str, *, title: str = "", dpi: int = REPORT_DPI
) -> bytes:
    """Distribution of one feature, one outline per instrument, cut at the 0.1 and 99.5 percentiles.

    Args:
        frame: Column ``column``; symbol optional.
        column: The feature.
        unit: For the axis, e.g. ``"bps"``.
        title: Defaults to the column's name.
        dpi: Dots per inch.
    """
    heading = title or f"Distribution of {column.removesuffix('_' + unit).replace('_', ' ')}"
    rows = usable(frame, "feature_distribution", (column,))
    if rows.is_empty():
        return no_data(heading, dpi=dpi)
    values = rows[column].to_numpy()
    low, high = np.quantile(values, (0.001, 0.995))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, 61).tolist()
    every = symbols_of(rows)
    symbols = every[:_MOST_SYMBOLS]
    hidden = f"first {len(symbols)} of {len(every)} instruments" if len(every) > len(symbols) else ""
    figure, (axis,) = canvas(heading, subtitle=hidden)
    for colour, symbol in zip(SERIES, symbols, strict=False):
        part = of_symbol(rows, symbol)[column].to_numpy()
        weights = np.full(len(part), 100.0 / len(part))
        median, tail = float(np.median(part)), float(np.quantile(part, 0.95))
        text = f"{symbol + ': ' if symbol else ''}median {median:.2f}, 95th percentile {tail:.2f}"
        axis.hist(part, edges, weights=weights, histtype="stepfilled", color=colour, alpha=0.16, linewidth=0)
        axis.hist(part, edges, weights=weights, histtype="step", color=colour, linewidth=1.3, label=text)
        axis.axvline(median, color=colour, linewidth=1, linestyle=":")
    outside = float(np.mean((values < low) | (values > high)))
    label_axes(axis, f"{column.removesuffix('_' + unit).replace('_', ' ')} ({unit})", "share of decision times (%)")
    if outside:
        note(axis, f"{outside:.1%} of the values lie outside the axis", y=0.62)
    legend(axis, loc="upper right")
    axis.tick_params(axis="x", labelcolor=INK)
    return to_png(figure, dpi)
