"""The section on the market simulator.

Here: choosing tables, plots and their words. Not here: the simulator and its statistics; they arrive as frames.
"""

from __future__ import annotations

import polars as pl

from models.plots.simulator import flow_rates, realism_bands
from models.report.content import Figure, Section, Table
from models.report.inputs import ReportInputs
from models.report.sections.absence import absent

TITLE = "Market simulator"
_COLUMNS = ("symbol", "metric", "unit", "real", "band_low", "band_high", "simulated")


def simulator_section(inputs: ReportInputs) -> Section:
    """Parameters of the simulated order flow and how it differs from the tape."""
    if inputs.simulator is None:
        return Section(TITLE, absent(inputs, "simulator", "no order flow was fitted for this night."))
    found = inputs.simulator
    section = Section(TITLE, "\n\n".join(part for part in (found.verdict, *found.notes) if part))
    if found.realism is None or found.realism.is_empty():
        missing = "Realism was not measured: there is no second real period to hold the simulated market against."
        section = Section(TITLE, f"{section.text}\n\n{missing}".strip())
    else:
        _add_realism(section, found.realism)
    if not found.parameters.is_empty():
        note = "Fitted values and where each comes from; none was tuned to the metrics above unless its source says so."
        section.tables.append(Table("Parameters of the order flow", note, found.parameters))
    if not found.rates.is_empty():
        _add_rates(section, found.rates)
    return section


def _add_realism(section: Section, realism: pl.DataFrame) -> None:
    verdict = (
        pl.when(pl.col("passed").is_null())
        .then(pl.lit("information"))
        .when(pl.col("passed"))
        .then(pl.lit("pass"))
        .otherwise(pl.lit("fail"))
    )
    shown = realism.select(*(name for name in _COLUMNS if name in realism.columns), verdict.alias("status"))
    note = (
        "Real: a period the flow was not fitted on. Band: block-bootstrap interval of that period, widened to the "
        "fitted one. Fail: the simulated market can be told from the tape by this metric. Distances are information "
        "only."
    )
    section.tables.append(Table("Realism", note, shown))
    caption = (
        "Simulated value of each metric in its band, all bands drawn equally wide; ● inside, ✕ outside, vertical bar: "
        "the real value. Arrows: farther out than drawn. Metrics without a band are in the table only."
    )
    section.figures.append(Figure("Realism by metric", caption, realism_bands(realism)))


def _add_rates(section: Section, rates: pl.DataFrame) -> None:
    note = (
        "Distance in quoting increments from the opposite best price; limit orders per second and side, cancellations "
        "per resting order and second."
    )
    labels = {
        "limit_rate": "limit orders (1/s)",
        "cancel_rate": "cancellations (1/s per order)",
        "mean_depth": "mean depth (lots)",
    }
    # the catalogue sets names that end in _rate as percentages; these are rates in time
    renamed = {"limit_rate": "limit_orders", "cancel_rate": "cancellations"}
    shown = rates.rename({old: new for old, new in renamed.items() if old in rates.columns})
    titles = {renamed.get(name, name): label for name, label in labels.items()}
    section.tables.append(Table("Order flow by distance", note, shown, labels=titles))
    caption = "Rates of the fitted order flow on logarithmic axes; far levels rest on few orders."
    section.figures.append(Figure("Order flow by distance", caption, flow_rates(rates)))
