"""The content of a report, free of any output format.

Here: the frozen parts a page is made of. Not here: what goes into them (models/report/build.py), how they
look (models/report/html.py, models/report/json.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: Short; stands above the table.
        note: What is shown and its caveats; stands below.
        frame: The numbers, unrounded. Column names decide labels, units and digits
            (models/report/columns.py).
        controls: Values of the first column whose rows are controls; set in grey.
        labels: Column name -> label, over the one of models/report/columns.py.
    """

    title: str
    note: str
    frame: pl.DataFrame
    controls: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """One plot: ``png`` with a ``title`` and a ``caption`` that states its caveats."""

    title: str
    caption: str
    png: bytes


@dataclass(frozen=True)
class Section:
    """One part of the report; ``text`` holds paragraphs, blank lines between, or why it is absent."""

    title: str
    text: str = ""
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


@dataclass(frozen=True)
class Highlight:
    """One figure of merit at the top of the page, as text, with what qualifies it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class ReportContent:
    """Everything a report says.

    Attributes:
        study: Name of the study.
        night: Date the report is about, ISO.
        provenance: Ids, versions, seeds; shown first.
        notices: What a reader must know before the first number.
        sections: In reading order.
        title: Title of the study.
        description: What the study is.
        highlights: Few figures of merit.
        timezone: In which times are shown.
    """

    study: str
    night: str
    provenance: Mapping[str, Any]
    notices: list[str]
    sections: list[Section]
    title: str = ""
    description: str = ""
    highlights: list[Highlight] = field(default_factory=list)
    timezone: str = "UTC"
