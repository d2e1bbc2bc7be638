"""The house style of all plots: colours, axes, time axes, PNG encoding.

Here: what every plot shares. Not here: any single plot.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from feeds.errors import SchemaError

#: Dots per inch of a plot in the page, and of one in the user interface.
REPORT_DPI = 144
UI_DPI = 80

WIDTH_IN = 6.0
HEIGHT_IN = 3.35

#: Okabe & Ito (2008), told apart with every common colour blindness.
BLUE = "#0072b2"
VERMILION = "#d55e00"
GREEN = "#009e73"
AMBER = "#e69f00"
SKY = "#56b4e9"
PURPLE = "#a35a87"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, AMBER, SKY)

INK = "#1f2933"
SOFT_INK = "#52606d"
GREY = "#9aa5b1"
PALE = "#d9dee4"
GRID = "#e8ebef"

TITLE_PT = 10.5
TEXT_PT = 8.5
SMALL_PT = 7.5

#: What every picture of a market that nobody traded carries.
SIMULATED_STAMP = "SIMULATED MARKET"

#: Steps from the strip's colour to the text's, for smooth letters.
_STAMP_SHADES = 6

#: Colours of a PNG; anti-aliased lines on white need no more, and the file shrinks to a third.
_PALETTE_COLOURS = 96


def canvas(
    title: str,
    *,
    rows: int = 1,
    height_in: float = HEIGHT_IN,
    ratios: Sequence[float] | None = None,
    subtitle: str = "",
) -> tuple[Figure, list[Axes]]:
    """An empty dressed figure of ``rows`` panels that share their x axis, titled at the top left."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios})
    axes = [row[0] for row in grid]
    for axis in axes:
        dress(axis)
    heading = axes[0]
    heading.set_title(title, loc="left", fontsize=TITLE_PT, fontweight="bold", color=INK, pad=8)
    if subtitle:
        heading.set_title(subtitle, loc="right", fontsize=SMALL_PT, color=SOFT_INK, pad=8)
    return figure, axes


def dress(axis: Axes) -> None:
    """Give ``axis`` the house style: two spines, a light horizontal grid, small grey ticks."""
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(GREY)
        axis.spines[side].set_linewidth(0.8)
    axis.tick_params(labelsize=TEXT_PT, colors=SOFT_INK, width=0.8, length=3)
    axis.grid(axis="y", color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)


def label_axes(axis: Axes, x: str = "", y: str = "") -> None:
    """Name the axes; the unit stands in parentheses."""
    axis.set_xlabel(x, fontsize=TEXT_PT, color=SOFT_INK)
    axis.set_ylabel(y, fontsize=TEXT_PT, color=SOFT_INK)


def legend(axis: Axes, columns: int = 1, **options: Any) -> None:
    """A frameless legend where it hides least."""
    options.setdefault("loc", "best")
    shown = axis.legend(
        fontsize=SMALL_PT,
        frameon=True,
        ncols=columns,
        labelcolor=INK,
        borderaxespad=0.3,
        handlelength=1.6,
        **options,
    )
    shown.get_frame().set(facecolor="white", edgecolor="none", alpha=0.8)


def note(axis: Axes, text: str, *, x: float = 0.99, y: float = 0.97, align: str = "right") -> None:
    """A small remark inside the axes, in axes coordinates."""
    axis.text(
        x,
        y,
        text,
        transform=axis.transAxes,
        ha=align,
        va="top",
        fontsize=SMALL_PT,
        color=SOFT_INK,
        linespacing=1.35,
    )


def zero_line(axis: Axes) -> None:
    """A thin line at y = 0."""
    axis.axhline(0, color=SOFT_INK, linewidth=0.9, zorder=1.5)


def boxes(
    axis: Axes, times: np.ndarray, seconds: float, bottom: np.ndarray, top: np.ndarray, colours: np.ndarray | str
) -> None:
    """Bars centred on ``times`` as one collection: hundreds of single rectangles take a second to draw."""
    axis.xaxis.update_units(times)
    middle, half = date2num(times), seconds / 86_400 / 2
    left, right = middle - half, middle + half
    corners = np.stack([left, bottom, left, top, right, top, right, bottom], axis=1).reshape(-1, 4, 2)
    axis.add_collection(PolyCollection(list(corners), facecolors=colours, linewidths=0))
    axis.autoscale_view()


def time_axis(axis: Axes, timezone: str) -> None:
    """Dates and clock times of ``timezone`` on the x axis."""
    locator = AutoDateLocator(minticks=4, maxticks=8)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axis.xaxis.get_offset_text().set(fontsize=SMALL_PT, color=SOFT_INK)
    axis.set_xlabel(f"time ({timezone})", fontsize=TEXT_PT, color=SOFT_INK)


def clock(ts: pl.Series, timezone: str = "UTC") -> np.ndarray:
    """Nanoseconds UTC -> ``datetime64[us]`` as the clock of ``timezone`` shows them."""
    utc = pl.from_epoch(ts.cast(pl.Int64), time_unit="ns").dt.replace_time_zone("UTC")
    local = utc.dt.convert_time_zone(timezone).dt.replace_time_zone(None)
    return local.dt.cast_time_unit("us").to_numpy()


def with_gaps(ts: np.ndarray, values: np.ndarray, factor: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    """Insert a NaN where a step exceeds ``factor`` times the median: no line bridges a closed market."""
    if len(ts) < 3:
        return ts, values
    steps = np.diff(ts).astype("timedelta64[us]").astype(np.int64)
    gaps = np.flatnonzero(steps > factor * max(1.0, float(np.median(steps)))) + 1
    return np.insert(ts, gaps, ts[gaps - 1]), np.insert(values.astype(np.float64), gaps, np.nan)


def usable(frame: pl.DataFrame | None, plot: str, required: Sequence[str]) -> pl.DataFrame:
    """Rows of ``frame`` that have finite values in all ``required`` columns; no frame gives no rows.

    Raises:
        SchemaError: The frame has columns, but not all the required ones.
    """
    if frame is None or not frame.columns:
        return pl.DataFrame(schema=dict.fromkeys(required, pl.Float64))
    missing = [name for name in required if name not in frame.columns]
    if missing:
        raise SchemaError(
            f"plot {plot}",
            received=f"columns {frame.columns}",
            expected=f"also {missing}",
            remedy="Pass the frame of the table this plot is for.",
        )
    kept = frame.drop_nulls(list(required))
    floats = [name for name in required if kept.schema[name].is_float()]
    return kept.filter(pl.all_horizontal(pl.col(name).is_finite() for name in floats)) if floats else kept


def symbols_of(frame: pl.DataFrame) -> list[str]:
    """The symbols of ``frame``, ascending; ``[""]`` where it has no such column."""
    return sorted(frame["symbol"].drop_nulls().unique().to_list()) if "symbol" in frame.columns else [""]


def of_symbol(frame: pl.DataFrame, symbol: str) -> pl.DataFrame:
    """Rows of one symbol of `symbols_of`."""
    return frame.filter(pl.col("symbol") == symbol) if "symbol" in frame.columns else frame


def no_data(title: str, reason: str = "no data", dpi: int = REPORT_DPI) -> bytes:
    """A panel that says that there is nothing to draw, and why."""
    figure, (axis,) = canvas(title, height_in=HEIGHT_IN * 0.6)
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.text(0.5, 0.5, reason, ha="center", va="center", fontsize=TITLE_PT, color=GREY, transform=axis.transAxes)
    return to_png(figure, dpi)


def to_png(figure: Figure, dpi: int) -> bytes:
    """Encode ``figure`` as a palette PNG without time stamps or version texts."""
    figure.set_dpi(dpi)
    engine = figure.get_layout_engine()
    if engine is not None:
        # Laid out once and drawn once: saving would draw everything a second time only to lay it out.
        engine.execute(figure)
        figure.set_layout_engine("none")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    small = picture.quantize(_PALETTE_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    encoded = io.BytesIO()
    small.save(encoded, format="png", optimize=True)
    return encoded.getvalue()


def to_markdown(png: bytes, alt: str = "plot") -> str:
    """A PNG as a markdown image with the bytes inside."""
    return f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode('ascii')})"


def stamp(png: bytes, text: str) -> bytes:
    """``png`` with a strip above it that says ``text``; the picture itself stays as it is, pixel for pixel.

    Args:
        png: A picture of `to_png`; any other is brought to a palette first.
        text: A few words.

    Returns:
        A palette PNG, higher by the strip; the same bytes for the same input.
    """
    picture: Image.Image = Image.open(io.BytesIO(png))
    colours = picture.getpalette() if picture.mode == "P" else None
    if colours is None or len(colours) > 3 * (256 - _STAMP_SHADES):
        picture = picture.convert("RGB").quantize(_PALETTE_COLOURS, dither=Image.Dither.NONE)
        colours = picture.getpalette() or []
    strip = _strip(picture.width, text)
    first = len(colours) // 3
    pixels = np.vstack([strip + first, np.asarray(picture)]).astype(np.uint8)
    stamped = Image.fromarray(pixels)
    stamped.putpalette([*colours, *_shades()])
    encoded = io.BytesIO()
    stamped.save(encoded, format="png", optimize=True)
    return encoded.getvalue()


@lru_cache(maxsize=16)
def _strip(width: int, text: str) -> np.ndarray:
    """Shade of each pixel of the strip, (height, width), 0 the strip's colour."""
    height = max(17, round(0.032 * width))
    face = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf")
    size = round(0.66 * height)
    font = ImageFont.truetype(face, size)
    while size > 6 and font.getlength(text) > 0.94 * width:
        size -= 1
        font = ImageFont.truetype(face, size)
    drawn = Image.new("L", (width, height), 0)
    ImageDraw.Draw(drawn).text((width / 2, height / 2), text, fill=255, font=font, anchor="mm")
    return np.asarray(drawn).astype(np.int64) * (_STAMP_SHADES - 1) // 255


def _shades() -> list[int]:
    """Palette from the strip's colour to the text's."""
    low, high = (np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) for colour in (AMBER, INK))
    share = np.linspace(0.0, 1.0, _STAMP_SHADES)[:, None]
    return [int(value) for value in np.rint(low + share * (high - low)).ravel()]
