"""Plot of the price with the market regime behind it.

Here: drawing. Not here: the mixture and its filter (models/regimes).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.dates import date2num
from matplotlib.patches import Patch

from models.plots.style import (
    HEIGHT_IN,
    INK,
    PALE,
    REPORT_DPI,
    SMALL_PT,
    SOFT_INK,
    TEXT_PT,
    canvas,
    clock,
    label_axes,
    no_data,
    of_symbol,
    symbols_of,
    time_axis,
    to_png,
    usable,
    with_gaps,
)

#: Calm to turbulent: light to dark as well as blue to red, so that the order survives in grey.
_RAMP = LinearSegmentedColormap.from_list("calm_to_turbulent", ("#dcebf5", "#f3d9a4", "#df8450"))
_MOST_SYMBOLS = 4
#: Rows farther apart than this many steps do not share a stretch.
_GAP_STEPS = 10


def regime_ribbon(
    states: pl.DataFrame,
    prices: pl.DataFrame,
    *,
    labels: Sequence[str] = (),
    timezone: str = "UTC",
    dpi: int = REPORT_DPI,
) -> bytes:
    """Mid price of each instrument over the regime it was in, calm light and turbulent dark.

    Args:
        states: Columns ts (ns UTC), symbol, regime (0: the calmest; null where not classified).
        prices: Columns ts, symbol, mid_ticks; times without a state are drawn on white.
        labels: Names of the regimes in order; empty: their numbers.
        timezone: Of the time axis.
        dpi: Dots per inch.
    """
    title = "Market regimes"
    frame = usable(states, "regime_ribbon", ("ts", "symbol", "regime"))
    mids = usable(prices, "regime_ribbon", ("ts", "symbol", "mid_ticks"))
    if frame.is_empty() or mids.is_empty():
        return no_data(title, "no classified decision time", dpi)
    every = symbols_of(frame)
    symbols = every[:_MOST_SYMBOLS]
    number = max(int(frame["regime"].max()) + 1, len(labels), 2)  # type: ignore[arg-type]
    colours = [to_hex(_RAMP(k / (number - 1))) for k in range(number)]
    hidden = f"first {len(symbols)} of {len(every)} instruments" if len(every) > len(symbols) else ""
    height = HEIGHT_IN * (1.05 if len(symbols) == 1 else 0.5 + 0.45 * len(symbols))
    figure, axes = canvas(title, rows=len(symbols), height_in=height, subtitle=hidden)
    for axis, symbol in zip(axes, symbols, strict=True):
        _panel(axis, of_symbol(frame, symbol).sort("ts"), of_symbol(mids, symbol).sort("ts"), colours, timezone)
        axis.text(0.01, 0.95, symbol, transform=axis.transAxes, va="top", fontsize=TEXT_PT, color=INK)
    figure.supylabel("mid price (bps from the first shown)", fontsize=TEXT_PT, color=SOFT_INK)
    time_axis(axes[-1], timezone)
    names = [*labels, *(f"regime {k}" for k in range(len(labels), number))]
    handles = [Patch(facecolor=c, edgecolor=PALE, label=n) for c, n in zip(colours, names, strict=True)]
    figure.legend(
        handles=handles,
        ncols=min(number, 5),
        fontsize=SMALL_PT,
        labelcolor=INK,
        frameon=False,
        loc="outside lower left",
        borderaxespad=0.2,
    )
    return to_png(figure, dpi)


def _panel(axis: Axes, states: pl.DataFrame, mids: pl.DataFrame, colours: Sequence[str], timezone: str) -> None:
    # prices outside the classified stretch would squeeze it
    inside = mids.filter(pl.col("ts").is_between(states["ts"].min(), states["ts"].max()))
    for regime, colour in enumerate(colours):
        spans = stretches(states, regime)
        if spans.is_empty():
            continue
        start, end = (date2num(clock(spans[name], timezone)) for name in ("start", "end"))
        ranges = list(zip(start.tolist(), (end - start).tolist(), strict=True))
        axis.broken_barh(ranges, (0, 1), transform=axis.get_xaxis_transform(), facecolors=colour, linewidth=0, zorder=0)
    if not inside.is_empty():
        mid = inside["mid_ticks"].cast(pl.Float64).to_numpy()
        axis.plot(*with_gaps(clock(inside["ts"], timezone), 1e4 * np.log(mid / mid[0])), color=INK, linewidth=1.0)
    axis.grid(visible=False)
    axis.margins(x=0)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.12 * (high - low))
    label_axes(axis)


def stretches(states: pl.DataFrame, regime: int) -> pl.DataFrame:
    """Unbroken stretches of one regime: columns start, end (ns UTC), each reaching to the next row.

    Args:
        states: Columns ts, regime of one instrument, ascending.
        regime: Which.
    """
    step = states["ts"].diff().median()
    length = max(1, int(step)) if step is not None else 1_000_000_000  # type: ignore[arg-type]
    following = pl.col("ts").shift(-1) - pl.col("ts")
    reach = pl.when(following <= _GAP_STEPS * length).then(following).otherwise(length).fill_null(length)
    begins = (pl.col("regime") != pl.col("regime").shift(1)) | (pl.col("ts").diff() > _GAP_STEPS * length)
    marked = states.with_columns((pl.col("ts") + reach).alias("end"), begins.fill_null(True).cum_sum().alias("run"))
    runs = marked.filter(pl.col("regime") == regime).group_by("run", maintain_order=True)
    return runs.agg(pl.col("ts").first().alias("start"), pl.col("end").last()).select("start", "end")
