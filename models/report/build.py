"""Building a report's content from the frames of a night.

Here: the order of the page, its notices and its figures of merit. Not here: single sections
(models/report/sections), setting (html.py, json.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from models.plots.alpha import judged_row
from models.plots.execution import policy_name
from models.plots.style import SIMULATED_STAMP, stamp
from models.report.columns import Column, cell
from models.report.content import Highlight, ReportContent, Section
from models.report.inputs import ReportInputs
from models.report.sections.alpha import alpha_section
from models.report.sections.backtest import backtest_section, performance_caveat
from models.report.sections.closing import definitions_section, history_section
from models.report.sections.execution import execution_section
from models.report.sections.market import market_section
from models.report.sections.planted import planted_section
from models.report.sections.promotion import promotion_section
from models.report.sections.quality import quality_section, unbalanced_symbols
from models.report.sections.regimes import regime_section
from models.report.sections.risk import anomaly_section, correlation_section, limits_section
from models.report.sections.sentiment import sentiment_section
from models.report.sections.simulator import simulator_section
from models.report.sections.volatility import volatility_section
from models.report.summary import activity_frame

#: The execution agent of the headline where the night names none.
AGENT = "dqn"


def build_report(inputs: ReportInputs) -> ReportContent:
    """Lay out everything ``inputs`` holds; parts that are not there are named with the reason.

    The same inputs give the same content, byte for byte, on the same machine.

    Raises:
        SchemaError: A frame lacks a column its plot cannot do without.
    """
    sections = [
        quality_section(inputs, inputs.quality_history),
        market_section(inputs),
        sentiment_section(inputs),
        alpha_section(inputs),
        regime_section(inputs),
        volatility_section(inputs),
        correlation_section(inputs),
        anomaly_section(inputs),
        limits_section(inputs),
        simulator_section(inputs),
        execution_section(inputs),
        backtest_section(inputs),
        planted_section(inputs),
        promotion_section(inputs),
        history_section(inputs),
        definitions_section(inputs),
    ]
    return ReportContent(
        study=inputs.study,
        night=inputs.night,
        provenance=inputs.provenance,
        notices=notices(inputs),
        sections=[_stamped(section, inputs) for section in sections if section is not None],
        title=inputs.title,
        description=inputs.description,
        highlights=highlights(inputs),
        timezone=inputs.timezone,
    )


def _stamped(section: Section, inputs: ReportInputs) -> Section:
    """``section`` with every picture marked where the market is simulated: pictures travel without their page."""
    if not inputs.simulated_market:
        return section
    figures = [replace(figure, png=stamp(figure.png, SIMULATED_STAMP)) for figure in section.figures]
    return replace(section, figures=figures)


def notices(inputs: ReportInputs) -> list[str]:
    """What a reader must know before the first number."""
    found = [_length_notice(inputs)]
    if inputs.simulated_market:
        found.insert(
            0, "SIMULATED MARKET: no order in it was ever sent. It shows what the models find of what was planted."
        )
    if inputs.simulated:
        names = ", ".join(inputs.simulated)
        found.append(f"Simulated data: {names}. Nobody traded or published it; nothing derived from it is evidence.")
    if inputs.excluded:
        listed = "; ".join(f"{symbol} ({reason})" for symbol, reason in inputs.excluded.items())
        found.append(f"Excluded from this night: {listed}.")
    if inputs.ingest is not None and not inputs.ingest.is_empty() and (wrong := unbalanced_symbols(inputs.ingest)):
        found.append(f"Rows went missing in {', '.join(wrong)}: rows read differ from rows kept plus rejected.")
    return found


def _length_notice(inputs: ReportInputs) -> str:
    hours = inputs.hours()
    if hours is not None and hours < 1:
        return (
            f"The capture covers {60 * hours:.0f} minutes. It shows the machinery end to end and makes no "
            "performance claim; nothing is annualised."
        )
    return performance_caveat(inputs)


def highlights(inputs: ReportInputs) -> list[Highlight]:
    """A few figures of merit, each with what qualifies it."""
    found = [_rows(inputs), _alpha(inputs), _volatility(inputs), _execution(inputs), _net(inputs), _universe(inputs)]
    return [item for item in found if item is not None]


def _rows(inputs: ReportInputs) -> Highlight | None:
    if inputs.ingest is None or inputs.ingest.is_empty():
        return None
    frame = inputs.ingest
    if "date" in frame.columns:
        frame = frame.filter(pl.col("date").cast(pl.String) == inputs.night)
    rows, rejected = int(frame["rows_in"].sum()), int(frame["rejected"].cast(pl.Int64).sum())
    return Highlight("Rows read", f"{rows:,}", f"{rejected / rows:.2%} rejected, with reasons" if rows else "")


def _alpha(inputs: ReportInputs) -> Highlight | None:
    if inputs.alpha is None or inputs.alpha.table.is_empty():
        return None
    name = judged_row(inputs.alpha.table["row"].to_list())
    row = inputs.alpha.table.filter(pl.col("row") == name).to_dicts()[0]
    low, high = row.get("ic_low"), row.get("ic_high")
    interval = "no interval: test too short" if low is None else f"95 % interval {_ic(low)} to {_ic(high)}"
    return Highlight(f"IC, {name.replace('_', ' ')}", _ic(row.get("ic")), interval)


def _ic(value: Any) -> str:
    return cell(value, Column("", "number", 3))


def _volatility(inputs: ReportInputs) -> Highlight | None:
    if inputs.volatility is None or "qlike" not in inputs.volatility.table.columns:
        return None
    scores = {row["model"]: row["qlike"] for row in inputs.volatility.table.to_dicts()}
    if scores.get("ewma") is None:
        return None
    har = scores.get("har")
    note = "HAR not offered" if har is None else f"EWMA {_ic(scores['ewma'])}; lower is better"
    name = "EWMA" if har is None else "HAR"
    return Highlight(f"QLIKE, {name}", _ic(scores["ewma"] if har is None else har), note)


def _execution(inputs: ReportInputs) -> Highlight | None:
    if inputs.execution is None or inputs.execution.table.is_empty():
        return None
    table = inputs.execution.table if inputs.execution.headline is None else inputs.execution.headline
    rows = {(row["market"], row["policy"]): row for row in table.to_dicts()}
    name = inputs.execution.challenger or AGENT
    agent = rows.get(("replay", name))
    if agent is None:
        return None
    low, high = agent.get("vs_best_low"), agent.get("vs_best_high")
    interval = (
        "no interval"
        if low is None
        else f"against the best baseline {_bps(agent['vs_best_bps'])} [{_bps(low)}, {_bps(high)}]"
    )
    return Highlight(f"Shortfall, {policy_name(name)} (bps)", _bps(agent["is_bps"]), interval)


def _bps(value: Any) -> str:
    return cell(value, Column("", "number", 2))


def _net(inputs: ReportInputs) -> Highlight | None:
    if inputs.backtest is None or inputs.backtest.curve.is_empty():
        return None
    last = inputs.backtest.curve.sort("ts").tail(1).to_dicts()[0]
    bps = Column("", "number", 1)
    trades = dict(activity_frame(inputs.backtest.summary).iter_rows()).get("trades")
    suffix = f", {trades:,.0f} trades" if trades is not None else ""
    return Highlight("Net return (bps)", cell(last["net_bps"], bps), f"gross {cell(last['gross_bps'], bps)}{suffix}")


def _universe(inputs: ReportInputs) -> Highlight | None:
    if inputs.features is None or inputs.features.is_empty():
        return None
    used = inputs.features["symbol"].n_unique()
    note = f"{len(inputs.excluded)} excluded" if inputs.excluded else "none excluded"
    return Highlight("Instruments", str(used), note)
