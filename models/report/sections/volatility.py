"""The section on the volatility models.

Here: choosing tables, plots and their words. Not here: the models (models/volatility).
"""

from __future__ import annotations

import polars as pl

from models import plots
from models.report.content import Figure, Section, Table
from models.report.inputs import ReportInputs, VolatilityInputs
from models.report.sections.absence import absent


def volatility_section(inputs: ReportInputs) -> Section:
    """HAR against EWMA."""
    title = "Volatility"
    if inputs.volatility is None:
        return Section(title, absent(inputs, "volatility", "no volatility model was trained for this night."))
    volatility = inputs.volatility
    split = f"Split: {volatility.split}" if volatility.split else ""
    text = "\n\n".join(part for part in (volatility.verdict, split, *volatility.notes) if part)
    section = Section(title, text)
    block = f" of {volatility.block_s} s" if volatility.block_s else ""
    note = (
        f"One-step forecasts of the variance of the next block{block}, out of sample. Lower QLIKE is better. "
        "Diebold-Mariano: QLIKE against EWMA, negative favours the row."
    )
    controls = frozenset({"naive", "ewma"})
    section.tables.append(Table("Volatility models", note, against_ewma(volatility.table), controls))
    _add_volatility_plot(section, inputs, volatility, block)
    return section


def against_ewma(table: pl.DataFrame) -> pl.DataFrame:
    """``table`` with qlike_vs_ewma, the relative difference to EWMA's QLIKE, where there is an EWMA row."""
    if not {"model", "qlike"} <= set(table.columns):
        return table
    base = table.filter(pl.col("model") == "ewma")["qlike"].to_list()
    if not base or not base[0]:
        return table
    relative = (pl.col("qlike") / base[0] - 1.0).alias("qlike_vs_ewma")
    columns = table.with_columns(relative)
    first = [name for name in table.columns if name in ("model", "symbol", "n", "qlike")]
    rest = [name for name in table.columns if name not in first]
    return columns.select(*first, "qlike_vs_ewma", *rest)


def _add_volatility_plot(section: Section, inputs: ReportInputs, volatility: VolatilityInputs, block: str) -> None:
    if volatility.forecasts is None or volatility.forecasts.is_empty():
        return
    caption = (
        f"Square root of the variance of each block{block}, in bps: realised (dots) and what each model had "
        "forecast "
        "for it one block before. Not annualised. Realised variance is itself an estimate."
    )
    picture = plots.volatility_forecast(volatility.forecasts, timezone=inputs.timezone)
    section.figures.append(Figure("Volatility: forecast and realised", caption, picture))
