"""The section on what the instruments of the night did.

Here: choosing tables, plots and their words. Not here: bars and features (models/bars.py, models/features).
"""

from __future__ import annotations

import polars as pl

from models import plots
from models.report.content import Figure, Section, Table
from models.report.inputs import ReportInputs
from models.report.sections.absence import absent, is_empty

_MOST_CHARTS = 4


def market_section(inputs: ReportInputs) -> Section:
    """What the instruments of the night did."""
    if is_empty(inputs.features) and is_empty(inputs.bars):
        return Section("Market of the night", absent(inputs, "market", "no bars and no features of this night."))
    section = Section("Market of the night", tables=[_session_table(inputs)])
    bars = None if inputs.bars is None or inputs.bars.is_empty() else with_symbol(inputs.bars)
    features = None if inputs.features is None or inputs.features.is_empty() else inputs.features
    symbols = sorted({name for frame in (bars, features) if frame is not None for name in frame["symbol"]})
    for symbol in symbols[:_MOST_CHARTS]:
        if bars is not None:
            section.figures.append(_candles(inputs, bars.filter(pl.col("symbol") == symbol), symbol))
        if features is not None and symbol in features["symbol"]:
            section.figures.append(_price_and_spread(inputs, features, symbol))
    if features is not None:
        section.figures.append(_spread_distribution(features))
    return section


def _session_table(inputs: ReportInputs) -> Table:
    parts: list[pl.DataFrame] = []
    if inputs.features is not None and not inputs.features.is_empty():
        mid = pl.col("mid_ticks")
        quotes = inputs.features.sort("symbol", "ts").group_by("symbol", maintain_order=True)
        parts.append(
            quotes.agg(
                mid.first().alias("mid_first"),
                mid.last().alias("mid_last"),
                (1e4 * (mid.last() / mid.first()).log()).alias("return_bps"),
                pl.col("spread_bps").median().alias("spread_median_bps"),
                pl.col("spread_bps").mean().alias("spread_mean_bps"),
                pl.len().alias("decision_times"),
            )
        )
    if inputs.bars is not None and not inputs.bars.is_empty():
        parts.append(_traded(with_symbol(inputs.bars)))
    frame = parts[0] if len(parts) == 1 else parts[0].join(parts[1], on="symbol", how="full", coalesce=True)
    frame = _in_currency(frame.sort("symbol"), inputs)
    note = (
        "Mid prices at the first and last decision time. Spread: quoted, sampled at the decision times. "
        "Realised "
        "volatility: square root of the session's sum of squared mid returns inside the bars, not annualised."
    )
    return Table("The session", note, frame)


def _traded(bars: pl.DataFrame) -> pl.DataFrame:
    volume = pl.col("volume_lots").sum()
    aggregates = [pl.col("trades").sum(), volume.alias("volume")]
    if "realised_variance" in bars.columns:
        aggregates.append((1e4 * pl.col("realised_variance").sum().sqrt()).alias("realised_vol_bps"))
    if "signed_volume_lots" in bars.columns:
        net = pl.col("signed_volume_lots").sum() / pl.when(volume > 0).then(volume)
        aggregates.append(net.alias("signed_share"))
    return bars.group_by("symbol", maintain_order=True).agg(aggregates)


def with_symbol(bars: pl.DataFrame) -> pl.DataFrame:
    """``bars`` with a symbol column (empty where the frame has none)."""
    return bars if "symbol" in bars.columns else bars.with_columns(pl.lit("").alias("symbol"))


def _in_currency(frame: pl.DataFrame, inputs: ReportInputs) -> pl.DataFrame:
    ticks = {name: spec.tick_size for name, spec in inputs.instruments.items()}
    lots = {name: spec.lot_size for name, spec in inputs.instruments.items()}
    units = {name: spec.currency for name, spec in inputs.instruments.items()}

    def factor(of: dict[str, float]) -> pl.Expr:
        return pl.col("symbol").replace_strict(of, default=1.0, return_dtype=pl.Float64)

    prices = [name for name in ("mid_first", "mid_last") if name in frame.columns]
    scaled = [(pl.col(name) * factor(ticks)).alias(name) for name in prices]
    if "volume" in frame.columns:
        scaled.append((pl.col("volume") * factor(lots)).alias("volume"))
    unit = pl.col("symbol").replace_strict(units, default="ticks", return_dtype=pl.String).alias("unit")
    place = ["symbol", *prices, "unit"] if prices else ["symbol"]
    done = frame.with_columns(*scaled, unit)
    return done.select(*place, *(name for name in frame.columns if name not in place))


def _candles(inputs: ReportInputs, bars: pl.DataFrame, symbol: str) -> Figure:
    spec = inputs.instruments.get(symbol)
    picture = plots.bar_chart(
        bars,
        spec.tick_size if spec else None,
        symbol=symbol,
        currency=spec.currency if spec else "",
        lot_size=spec.lot_size if spec else None,
        timezone=inputs.timezone,
    )
    caption = "Open, high, low and close of the trades in each bar; bars without a trade are blank."
    return Figure(f"{symbol}: trade price and volume", f"{symbol}. {caption}", picture)


def _price_and_spread(inputs: ReportInputs, features: pl.DataFrame, symbol: str) -> Figure:
    spec = inputs.instruments.get(symbol)
    picture = plots.price_and_spread(
        features,
        symbol=symbol,
        tick_size=spec.tick_size if spec else None,
        currency=spec.currency if spec else "",
        timezone=inputs.timezone,
    )
    caption = "Mid price and quoted spread at every decision time, with the spread's rolling median."
    return Figure(f"{symbol}: mid price and spread", f"{symbol}. {caption}", picture)


def _spread_distribution(features: pl.DataFrame) -> Figure:
    title = "Distribution of the quoted spread"
    caption = (
        "Quoted spread at the decision times, one outline per instrument, median dotted; the axis is cut at "
        "the 0.1 and 99.5 percentiles."
    )
    return Figure(title, caption, plots.feature_distribution(features, "spread_bps", "bps", title=title))
