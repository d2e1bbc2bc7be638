"""The section on the market simulator.

Here: choosing tables, plots and their words. Not here: the simulator and its statistics; they arrive as frames.
"""

from __future__ import annotations

import polars as pl

from models.plots.realism import realism_matrix
from models.plots.simulator import flow_rates, realism_bands
from models.report.content import Figure, Section, Table
from models.report.inputs import ReportInputs
from models.report.realism import passes_by_generator
from models.report.sections.absence import absent

TITLE = "Market simulator"
_COLUMNS = ("symbol", "family", "metric", "unit", "real", "band_low", "band_high", "simulated")
_COUNTS = ("symbol", "generator", "tuned", "counted", "tuned_parameters")


def simulator_section(inputs: ReportInputs) -> Section:
    """Realism of every simulated market, and parameters of what was fitted."""
    if inputs.simulator is None:
        return Section(TITLE, absent(inputs, "simulator", "no order flow was fitted for this night."))
    found = inputs.simulator
    section = Section(TITLE, "\n\n".join(part for part in (found.verdict, *found.notes) if part))
    if found.realism is None or found.realism.is_empty():
        missing = "Realism was not measured: there is no second real period to hold the simulated market against."
        section = Section(TITLE, f"{section.text}\n\n{missing}".strip())
    else:
        _add_generators(section, found.realism, found.generators)
        _add_realism(section, found.realism, found.chosen)
    if not found.parameters.is_empty():
        note = "Fitted values and where each comes from; none was tuned to the metrics above unless its source says so."
        section.tables.append(Table("Parameters of the simulated markets", note, found.parameters))
    if not found.rates.is_empty():
        _add_rates(section, found.rates)
    return section


def _add_generators(section: Section, realism: pl.DataFrame, generators: pl.DataFrame | None) -> None:
    caption = (
        "A column a simulated market, a row a metric: blue inside the band of real against real, orange the darker the "
        "farther out. Above each column the metrics that pass, of those judged."
    )
    title = "Where simulated markets can be told from the tape"
    section.figures.append(Figure(title, caption, realism_matrix(realism)))
    if "generator" not in realism.columns:
        return
    counts = passes_by_generator(realism)
    if generators is not None and not generators.is_empty():
        told = generators.select(name for name in _COUNTS if name in generators.columns)
        counts = counts.join(told, on=["symbol", "generator"], how="left", maintain_order="left")
    note = (
        "Metrics inside the band, by family. Tuned: parameters moved until simulated moments met the tape's; counted: "
        "numbers estimated on the tape directly. Classifier: area under the curve of boosted trees that tell ten "
        "seconds of the simulated market from ten of the tape; information, 0.5 is indistinguishable."
    )
    section.tables.append(Table("Realism by simulated market", note, counts, labels={"classifier_auc": "classifier"}))


def _add_realism(section: Section, realism: pl.DataFrame, chosen: str) -> None:
    title = "Realism by metric"
    if chosen and "generator" in realism.columns and chosen in realism["generator"]:
        realism, title = realism.filter(pl.col("generator") == chosen), f"Realism by metric: {chosen}"
    verdict = (
        pl.when(pl.col("passed").is_null())
        .then(pl.lit("information"))
        .when(pl.col("passed"))
        .then(pl.lit("pass"))
        .otherwise(pl.lit("fail"))
    )
    shown = realism.select(*(name for name in _COLUMNS if name in realism.columns), verdict.alias("status"))
    note = (
        "Real: a period the market was not fitted on. Band: block-bootstrap interval of that period, widened to the "
        "fitted one; of a distance between distributions, up to the 95 % quantile between the two real periods. Fail: "
        "the simulated market can be told from the tape by this metric. Information: not judged."
    )
    section.tables.append(Table("Realism", note, shown))
    caption = (
        "Simulated value of each metric in its band, all bands drawn equally wide; ● inside, ✕ outside, vertical bar: "
        "the real value. Arrows: farther out than drawn. Metrics without a band are in the table only."
    )
    section.figures.append(Figure(title, caption, realism_bands(realism)))


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
