"""Plots of the nightly report and the user interface: pure functions from frames to PNG bytes.

Here: one function per plot, drawn with matplotlib's Agg canvas and its object interface (no pyplot, no
global state); the same frame gives the same bytes on the same machine. Not here: statistics
(models/metrics), what the page says about a plot (models/report).

Every function draws a panel that says "no data" where its frame is empty and raises `SchemaError` where a
column it cannot do without is missing. ``dpi`` scales the picture: `REPORT_DPI` for the page, `UI_DPI` where
the bytes stay in an event log (below 60 KB).
"""

from models.plots.alpha import calibration, ic_by_row, ic_series, quantile_returns
from models.plots.anomaly import anomaly_timeline
from models.plots.correlation import correlation_heatmap
from models.plots.execution import cost_bars, schedule_fan, slippage_distribution
from models.plots.execution_agent import learning_curve, policy_heatmaps
from models.plots.execution_cases import case_heatmap
from models.plots.execution_rules import decomposition_bars, leave_curve, seed_spread
from models.plots.importance import grouped_importance
from models.plots.market import bar_chart, feature_distribution, price_and_spread
from models.plots.performance import cumulative_return, drawdown
from models.plots.quality import data_quality_calendar, rejected_by_reason
from models.plots.quality_drift import drift_panel
from models.plots.realism import realism_matrix
from models.plots.regimes import regime_ribbon
from models.plots.sentiment import sentiment_timeline
from models.plots.simulator import flow_rates, realism_bands
from models.plots.style import REPORT_DPI, SIMULATED_STAMP, UI_DPI, no_data, stamp, to_markdown
from models.plots.volatility import volatility_forecast

__all__ = [
    "REPORT_DPI",
    "SIMULATED_STAMP",
    "UI_DPI",
    "anomaly_timeline",
    "bar_chart",
    "calibration",
    "case_heatmap",
    "correlation_heatmap",
    "cost_bars",
    "cumulative_return",
    "data_quality_calendar",
    "decomposition_bars",
    "drawdown",
    "drift_panel",
    "feature_distribution",
    "flow_rates",
    "grouped_importance",
    "ic_by_row",
    "ic_series",
    "learning_curve",
    "leave_curve",
    "no_data",
    "policy_heatmaps",
    "price_and_spread",
    "quantile_returns",
    "realism_bands",
    "realism_matrix",
    "regime_ribbon",
    "rejected_by_reason",
    "schedule_fan",
    "seed_spread",
    "sentiment_timeline",
    "slippage_distribution",
    "stamp",
    "to_markdown",
    "volatility_forecast",
]
