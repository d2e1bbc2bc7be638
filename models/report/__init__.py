"""The nightly report: one self-contained page and the same numbers as JSON.

Here: what the report says and how it is set. Not here: plots (models/plots), the statistics it shows
(models/metrics), reading the lake (assets/).
"""

from models.report.build import build_report
from models.report.content import Figure, Highlight, ReportContent, Section, Table
from models.report.html import render_html
from models.report.inputs import AlphaInputs, BacktestInputs, ReportInputs, VolatilityInputs
from models.report.json import render_json

__all__ = [
    "AlphaInputs",
    "BacktestInputs",
    "Figure",
    "Highlight",
    "ReportContent",
    "ReportInputs",
    "Section",
    "Table",
    "VolatilityInputs",
    "build_report",
    "render_html",
    "render_json",
]
