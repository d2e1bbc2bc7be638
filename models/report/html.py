"""A report as one self-contained HTML page.

Here: setting the content in the template. Not here: the content (models/report/build.py), the look
(models/report/templates).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from models.plots.sentiment import SIMULATED
from models.report.columns import cell, describe
from models.report.content import Figure, ReportContent, Section, Table

_TEMPLATES = Path(__file__).resolve().parent / "templates"
#: Items of a long provenance list that the page shows; the JSON has all.
_MOST_ITEMS = 6
_LEFT = ("text", "id", "status")


@dataclass(frozen=True)
class _SetCell:
    text: str
    css: str


@dataclass(frozen=True)
class _SetTable:
    number: int
    title: str
    note: str
    heads: list[_SetCell]
    rows: list[tuple[bool, list[_SetCell]]]


@dataclass(frozen=True)
class _SetFigure:
    number: int
    title: str
    caption: str
    data: str


@dataclass(frozen=True)
class _SetSection:
    anchor: str
    title: str
    paragraphs: list[str]
    tables: list[_SetTable]
    figures: list[_SetFigure]


def render_html(content: ReportContent) -> str:
    """Return ``content`` as one HTML file: style and pictures inline, no script, nothing loaded.

    Provenance comes first, then all tables, then all plots.
    """
    numbers = _Numbers()
    sections = [_section(section, numbers, content.timezone) for section in content.sections]
    provenance = [(str(key).replace("_", " "), _provenance(value)) for key, value in content.provenance.items()]
    return _template().render(content=content, sections=sections, provenance=provenance)


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


class _Numbers:
    """Running numbers of tables and figures over the page."""

    def __init__(self) -> None:
        self.table = 0
        self.figure = 0


def _section(section: Section, numbers: _Numbers, timezone: str) -> _SetSection:
    return _SetSection(
        anchor="".join(char if char.isalnum() else "-" for char in section.title.lower()),
        title=section.title,
        paragraphs=[part.strip() for part in section.text.split("\n\n") if part.strip()],
        tables=[_table(table, numbers, timezone) for table in section.tables],
        figures=[_figure(figure, numbers) for figure in section.figures],
    )


def _figure(figure: Figure, numbers: _Numbers) -> _SetFigure:
    numbers.figure += 1
    data = base64.b64encode(figure.png).decode("ascii")
    return _SetFigure(numbers.figure, figure.title, figure.caption, data)


def _table(table: Table, numbers: _Numbers, timezone: str) -> _SetTable:
    numbers.table += 1
    columns = [
        describe(name, kind.is_integer(), kind.is_numeric(), table.labels.get(name, ""))
        for name, kind in table.frame.schema.items()
    ]
    heads = [
        _SetCell(
            f"{column.label} ({timezone})" if column.kind == "time" else column.label,
            "l" if column.kind in (*_LEFT, "time") else "n",
        )
        for column in columns
    ]
    rows = []
    for record in table.frame.iter_rows():
        cells = [
            _SetCell(cell(value, column, timezone), _css(value, column.kind))
            for value, column in zip(record, columns, strict=True)
        ]
        rows.append((bool(record) and str(record[0]) in table.controls, cells))
    return _SetTable(numbers.table, table.title, table.note, heads, rows)


def _css(value: Any, kind: str) -> str:
    if kind == "status":
        return f"l status {value}" if value in ("pass", "warn", "fail", "missing") else "l"
    if kind == "id":
        return "l id"
    if kind == "time":
        return "l time"
    if value == SIMULATED:
        return "l sim"
    # a column of mixed figures arrives as text; numbers stay on the right
    return "l" if kind == "text" or isinstance(value, str) else "n"


def _provenance(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        items = [f"{key}: {item}" for key, item in value.items()]
    elif isinstance(value, pl.Series | Sequence) and not isinstance(value, str):
        items = [str(item) for item in value]
    else:
        items = [str(value)]
    hidden = len(items) - _MOST_ITEMS
    return items if hidden <= 0 else [*items[:_MOST_ITEMS], f"and {hidden} more, listed in the JSON report"]
