"""The last sections: tonight beside earlier nights, and what the figures mean.

Here: choosing tables and their words. Not here: the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from models.report.content import Section, Table
from models.report.inputs import ReportInputs

_DEFINITIONS = {
    "alpha": (
        ("IC", "Pearson correlation of forecast and realised return over the test window, out of sample."),
        ("rank IC", "Spearman correlation of the same."),
        ("ICIR", "Mean of the blocks' IC over their standard deviation; per block, not annualised."),
        ("R², out of sample", "1 − squared error of the forecast / squared error of the training mean."),
        ("hit rate", "Share of decision times at which forecast and realised return have the same sign."),
        ("95 % low, high", "Block bootstrap over time with a fixed seed; adjacent labels overlap."),
    ),
    "volatility": (
        ("QLIKE", "rv / f − ln(rv / f) − 1, mean over blocks (Patton 2011); 0 is perfect, lower is better."),
        ("HAR", "Intraday adaptation of Corsi (2009): last block, mean of recent blocks, session so far."),
        ("Diebold-Mariano", "Test of equal loss against EWMA; |t| below 2 may be luck."),
        ("EWMA", "Exponentially weighted mean of past realised variance; the benchmark to beat."),
    ),
    "regimes": (("log-likelihood gain", "Log density of held-out rows, mixture minus one Gaussian, nats a row."),),
    "correlation": (
        ("Gaussian loss", "Log determinant plus quadratic form of standardised returns; lower is better."),
        ("Ledoit-Wolf", "Sample correlation shrunk to the identity (Ledoit & Wolf 2004)."),
    ),
    "anomaly": (("alarm", "Isolation-forest score above the training quantile of the stated rate."),),
    "execution": (
        ("implementation shortfall", "Average fill against the mid at arrival; positive is a cost; bps."),
        ("CVaR 95", "Mean shortfall of the worst 5 % of the parent orders."),
        ("maker share", "Share of the lots that rested and were hit, instead of crossing the spread."),
    ),
    "backtest": (
        (
            "gross, net",
            "Before and after cost: fees and half the quoted spread per side, or the shortfall measured in execution; "
            "simple returns, bps of the capital.",
        ),
        ("turnover", "Sum of absolute position changes, one way, in multiples of the capital."),
        ("drawdown", "Distance below the highest cumulative return so far, which starts at 0."),
    ),
}


def history_section(inputs: ReportInputs) -> Section | None:
    """Tonight beside earlier nights; None where there is no earlier night."""
    if inputs.previous is None or inputs.previous.is_empty():
        return None
    note = "Differences between single nights are mostly noise; watch the intervals above."
    return Section("Against earlier nights", "", [Table("Tonight and before", note, inputs.previous)])


def definitions_section(inputs: ReportInputs) -> Section:
    """What the figures mean, for the parts that are there."""
    present: Mapping[str, Any] = {
        "alpha": inputs.alpha,
        "volatility": inputs.volatility,
        "regimes": inputs.regimes,
        "correlation": inputs.correlation,
        "anomaly": inputs.anomaly,
        "execution": inputs.execution,
        "backtest": inputs.backtest,
    }
    rows = [entry for part, found in present.items() if found is not None for entry in _DEFINITIONS[part]]
    rows.append(("bps", "Hundredths of a percent. Returns are log returns of the mid price unless stated otherwise."))
    frame = pl.DataFrame({"figure": [row[0] for row in rows], "definition": [row[1] for row in rows]})
    return Section("Definitions", "", [Table("What the figures mean", "", frame)])
