"""The section on the backtest, and what the length of the data allows to say about it.

Here: choosing tables, plots and their words. Not here: the backtest (models/backtest.py).
"""

from __future__ import annotations

import polars as pl

from models import plots
from models.report.content import Figure, Section, Table
from models.report.inputs import BacktestInputs, ReportInputs
from models.report.sections.absence import absent
from models.report.summary import (
    activity_frame,
    cost_frame,
    costs_frame,
    scaling_frame,
    summary_frame,
    summary_remarks,
)

#: From this many days on, performance figures may be annualised.
DAYS_TO_ANNUALISE = 5


def backtest_section(inputs: ReportInputs) -> Section:
    """The forecast traded, before and after cost."""
    title = "Backtest"
    if inputs.backtest is None:
        return Section(title, absent(inputs, "backtest", "no backtest was run for this night."))
    backtest = inputs.backtest
    text = [performance_caveat(inputs), *summary_remarks(backtest.summary)]
    section = Section(title, "\n\n".join(text))
    _add_summary(section, inputs, backtest)
    _add_curves(section, inputs, backtest.curve)
    return section


def _add_curves(section: Section, inputs: ReportInputs, curve: pl.DataFrame) -> None:
    caveat = performance_caveat(inputs)
    caption = f"The forecast traded by the study's rule; the shaded area is the cost. {caveat}"
    picture = plots.cumulative_return(curve, timezone=inputs.timezone)
    section.figures.append(Figure("Cumulative return, gross and net of cost", caption, picture))
    caption = "Distance of the cumulative return below its highest point so far."
    section.figures.append(Figure("Drawdown", caption, plots.drawdown(curve, timezone=inputs.timezone)))
    if {"blind_gross_bps", "blind_net_bps"} <= set(curve.columns):
        caption = (
            "A control: the same forecast traded at every decision time, whatever it costs. Its gross line "
            "shows what the forecast knows, its net line what ignoring cost would have cost."
        )
        if "unscaled_net_bps" in curve.columns:
            caption += " It trades one notional; the rule above scales its positions."
        picture = plots.cumulative_return(curve, cost_blind=True, timezone=inputs.timezone)
        section.figures.append(Figure("Cost-blind rule: cumulative return", caption, picture))


def performance_caveat(inputs: ReportInputs) -> str:
    """What the length of the data allows to say about performance."""
    hours = inputs.hours()
    if hours is not None and hours < 1:
        return "A capture of less than an hour: the figures show the machinery and are no performance claim."
    if inputs.trading_days < DAYS_TO_ANNUALISE:
        days = "one day" if inputs.trading_days == 1 else f"{inputs.trading_days} days"
        return f"{days.capitalize()} of data: nothing is annualised, and no performance claim is made."
    return "One night: noise outweighs skill in any single one. Only rows that say so are annualised."


def _add_summary(section: Section, inputs: ReportInputs, backtest: BacktestInputs) -> None:
    annualised = "Only rows that say so are annualised."
    if inputs.trading_days < DAYS_TO_ANNUALISE:
        annualised = "Nothing is annualised."
    note = f"bps of the capital over the test window, simple returns added up. {annualised}"
    frame = summary_frame(backtest.summary)
    if not frame.is_empty():
        section.tables.append(Table("Performance", note, frame))
    activity = activity_frame(backtest.summary)
    if not activity.is_empty():
        note = "Figures of the cost-aware rule that are not split into gross and net."
        section.tables.append(Table("Activity", note, activity))
    _add_controls(section, backtest)
    if backtest.by_symbol is not None and not backtest.by_symbol.is_empty():
        note = "Each instrument on its own capital; the portfolio weighs them equally."
        section.tables.append(Table("By instrument", note, backtest.by_symbol))
    if backtest.costs:
        impact = "market impact is not in it."
        if not cost_frame(backtest.summary).is_empty():
            impact = (
                "the measured cost holds the impact of parent orders of the size that execution was judged on, "
                "and none beyond it."
            )
        note = f"What a trade costs in this backtest; {impact}"
        section.tables.append(Table("Cost assumptions", note, costs_frame(backtest.costs)))


def _add_controls(section: Section, backtest: BacktestInputs) -> None:
    """Each of the two choices behind the figures beside its alternative."""
    scaling = scaling_frame(backtest.summary)
    if not scaling.is_empty():
        note = (
            "The same trades with sizes set by forecast volatility and with one notional each. Totals grow with the "
            "mean size: compare the ratios and the drawdown per unit of return, not the totals."
        )
        labels = {"net_sharpe_per_period": "Sharpe ratio, net, per period"}
        controls = frozenset(scaling["rule"].to_list()[1:])
        section.tables.append(Table("Positions scaled to volatility", note, scaling, controls, labels))
    costs = cost_frame(backtest.summary)
    if not costs.is_empty():
        note = (
            "The same trades by both accounts. Every net figure of this section charges the measured cost: the mean "
            "implementation shortfall per side of orders executed in the simulated market, fees included."
        )
        controls = frozenset(costs["cost"].to_list()[1:])
        section.tables.append(Table("Cost measured and assumed", note, costs, controls))
