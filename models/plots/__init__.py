"""Plots of the nightly report and the user interface: pure functions from frames to PNG bytes.

Here: one function per plot, drawn with matplotlib's Agg canvas and its object interface (no pyplot, no
global state); the same frame gives the same bytes on the same machine. Not here: statistics
(models/metrics), what the page says about a plot (models/report).

Every function draws a panel that says "no data" where its frame is empty and raises `SchemaError` where a
column it cannot do without is missing. ``dpi`` scales the picture: `REPORT_DPI` for the page, `UI_DPI` where
the bytes stay in an event log (below 60 KB).
"""

from models.plots.alpha import calibration, ic_by_row, ic_series, quantile_returns
from models.plots.market import bar_chart, feature_distribution, price_and_spread
from models.plots.performance import cumulative_return, drawdown
from models.plots.quality import data_quality_calendar, rejected_by_reason
from models.plots.sentiment import sentiment_timeline
from models.plots.style import REPORT_DPI, UI_DPI, no_data, to_markdown
from models.plots.volatility import volatility_forecast

__all__ = [
    "REPORT_DPI",
    "UI_DPI",
    "bar_chart",
    "calibration",
    "cumulative_return",
    "data_quality_calendar",
    "drawdown",
    "feature_distribution",
    "ic_by_row",
    "ic_series",
    "no_data",
    "price_and_spread",
    "quantile_returns",
    "rejected_by_reason",
    "sentiment_timeline",
    "to_markdown",
    "volatility_forecast",
]
