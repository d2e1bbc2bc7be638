"""The section on a simulated market: what was planted, and what the models found of it.

Here: the table and its words. Not here: the planted effects (the market's own manifest), the figures found.
"""

from __future__ import annotations

from models.report.content import Section, Table
from models.report.inputs import ReportInputs
from models.report.sections.absence import is_empty


def planted_section(inputs: ReportInputs) -> Section | None:
    """Planted against found; None for every market that is not simulated as a whole."""
    if inputs.planted is None or is_empty(inputs.planted.table) or not inputs.simulated_market:
        return None
    text = (
        "SIMULATED MARKET: nobody traded here. Its effects were put in on purpose, so that what the models find can be "
        "held against the truth. Finding them says that the machinery works, and nothing about any real market."
    )
    note = (
        "Planted: what a model that knew the truth would score on the same test window. Found: what tonight's model "
        "scored. Where nothing was planted, finding something would be the error."
    )
    labels = {"where": "where", "planted": "planted (truth known)", "found": "found (models)"}
    table = Table("Planted and found", note, inputs.planted.table, labels=labels)
    return Section("What was planted and what was found", text, [table])
