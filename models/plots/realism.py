"""A map of metrics and simulated markets: where each market can be told from the tape, and how far.

Here: drawing. Not here: the verdicts, which the frame brings; bands of one market (models/plots/simulator.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from models.plots.simulator import band_positions
from models.plots.style import INK, PALE, REPORT_DPI, SKY, SMALL_PT, SOFT_INK, TITLE_PT, no_data, to_png, usable

#: Half-widths of the band at which the colour no longer deepens.
_FAR = 6.0
_NEAR_FAIL, _FAR_FAIL = "#f7c59f", "#a63a00"
_TEXT_PT, _ROW_IN, _CELL_IN, _LABEL_IN, _LETTER_IN = 6.0, 0.132, 0.17, 2.45, 0.052
#: Families in the order they are shown.
FAMILIES = ("book", "flow", "distribution", "returns", "volatility", "signs", "impact")
_COLUMNS = ("metric", "family", "band_low", "band_high", "real", "passed")


def realism_matrix(realism: pl.DataFrame, *, dpi: int = REPORT_DPI) -> bytes:
    """Verdict of every judged metric for every generator and instrument.

    Args:
        realism: Columns family, metric, real, band_low, band_high, simulated, passed (null: not judged); symbol and
            generator optional. Metrics that nothing is judged by are left out.
        dpi: Dots per inch.
    """
    title = "Where simulated markets can be told from the tape"
    frame = usable(realism, "realism_matrix", _COLUMNS)
    judged = frame.filter(pl.col("passed").is_not_null()) if not frame.is_empty() else frame
    if judged.is_empty():
        return no_data(title, "no metric was judged", dpi)
    absent = [pl.lit("").alias(name) for name in ("symbol", "generator") if name not in judged.columns]
    judged = band_positions(judged.with_columns(absent))
    markets = list(judged.select("symbol", "generator").unique(maintain_order=True).iter_rows())
    metrics = by_family(judged)
    halves = halves_of(metrics)
    rows = max(len(half) + len({family for family, _ in half}) for half in halves)
    # room for the longest name on end, its counts and the title above it
    head = 0.55 + _LETTER_IN * max(len(f"{symbol.split('.')[0]} {name}  00/00") for symbol, name in markets)
    size = (len(halves) * (_LABEL_IN + _CELL_IN * len(markets)) + 0.3, head + _ROW_IN * rows + 0.35)
    figure = Figure(figsize=size, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.012, 1 - 0.16 / size[1], title, fontsize=TITLE_PT, fontweight="bold", color=INK, va="center")
    for place, half in enumerate(halves):
        left = (0.1 + _LABEL_IN + place * (_LABEL_IN + _CELL_IN * len(markets) + 0.05)) / size[0]
        width, height = _CELL_IN * len(markets) / size[0], _ROW_IN * rows / size[1]
        axis = figure.add_axes((left, 0.32 / size[1], width, height))
        _draw(axis, judged, half, markets, rows)
    _keys(figure)
    return to_png(figure, dpi)


def short_name(metric: str) -> str:
    """A metric's name for a narrow place."""
    return metric.replace(" distance,", ":").replace("autocorrelation", "ACF").replace("order-flow imbalance", "OFI")


def by_family(frame: pl.DataFrame) -> list[tuple[str, str]]:
    """Families and metrics of a frame in the order of `FAMILIES`, unknown families last."""
    pairs = list(frame.select("family", "metric").unique(maintain_order=True).iter_rows())
    known = {family: place for place, family in enumerate(FAMILIES)}
    return sorted(pairs, key=lambda pair: known.get(pair[0], len(known)))


def halves_of(metrics: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Families in two columns of about equal length, each whole."""
    if len(metrics) < 24:
        return [metrics]
    families = list(dict.fromkeys(family for family, _ in metrics))
    sizes = np.cumsum([1 + sum(family == f for f, _ in metrics) for family in families])
    cut = int(np.argmin(np.abs(sizes - sizes[-1] / 2))) + 1
    first = set(families[:cut])
    return [[m for m in metrics if m[0] in first], [m for m in metrics if m[0] not in first]]


def _draw(
    axis: Axes, judged: pl.DataFrame, metrics: list[tuple[str, str]], markets: list[tuple[str, str]], rows: int
) -> None:
    found = {(r["metric"], r["symbol"], r["generator"]): r for r in judged.iter_rows(named=True)}
    image = np.ones((rows, len(markets), 3))
    labels, y, family = [], 0, None
    for own, metric in metrics:
        if own != family:
            family = own
            axis.text(-0.7, y, own, fontsize=SMALL_PT, fontweight="bold", color=INK, ha="right", va="center")
            y += 1
        for x, (symbol, generator) in enumerate(markets):
            image[y, x] = _colour(found.get((metric, symbol, generator)))
        labels.append((y, metric))
        y += 1
    axis.imshow(image, aspect="auto", interpolation="nearest")
    for at, metric in labels:
        axis.text(-0.7, at, short_name(metric), fontsize=_TEXT_PT, color=SOFT_INK, ha="right", va="center")
    for x in range(1, len(markets)):
        new = markets[x][0] != markets[x - 1][0]
        axis.axvline(x - 0.5, color="white", linewidth=2.4 if new else 0.8)
    for line in range(rows):
        axis.axhline(line - 0.5, color="white", linewidth=0.8)
    for x, (symbol, generator) in enumerate(markets):
        market = judged.filter((pl.col("symbol") == symbol) & (pl.col("generator") == generator))
        name = " ".join(part for part in (symbol.split(".")[0], generator) if part)
        text = f"{name}  {int(market['passed'].sum())}/{market.height}"
        axis.text(x, -0.8, text, fontsize=_TEXT_PT, color=INK, rotation=90, ha="center", va="bottom")
    axis.set_axis_off()


def _colour(row: dict[str, object] | None) -> tuple[float, ...]:
    """Blue inside, from pale to dark orange outside the further out, grey where nothing is judged."""
    if row is None:
        return to_rgb(PALE)
    if row["passed"]:
        return to_rgb(SKY)
    at = float(row["at"]) if row["at"] is not None else _FAR  # type: ignore[arg-type]
    far = np.clip((abs(at) - 1.0) / (_FAR - 1.0), 0.0, 1.0) if np.isfinite(at) else 1.0
    return tuple(LinearSegmentedColormap.from_list("fail", [_NEAR_FAIL, _FAR_FAIL])(float(far))[:3])


def _keys(figure: Figure) -> None:
    shown = [
        Patch(color=SKY, label="inside the band of real periods"),
        Patch(color=_NEAR_FAIL, label="just outside"),
        Patch(color=_FAR_FAIL, label=f"{_FAR:g} half-widths from its middle, or no value"),
        Patch(color=PALE, label="not judged"),
    ]
    figure.legend(
        handles=shown, ncols=4, fontsize=_TEXT_PT + 0.5, labelcolor=INK, frameon=False, loc="lower left",
        borderaxespad=0.1, handlelength=1.0, columnspacing=1.2,
    )  # fmt: skip
