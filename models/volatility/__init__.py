"""Forecasts of realised variance: HAR against EWMA, per block of some minutes and per day.

Variances are of log returns over one block (or one day), never annualised.

Here: blocks, models, judging. Not here: bars (models/bars.py), QLIKE itself (models/metrics/forecast.py).
"""

from models.volatility.blocks import block_variance
from models.volatility.config import VolatilityConfig
from models.volatility.daily import daily_variance, fit_daily_har, walk_forward_daily
from models.volatility.evaluate import VolatilityEvaluation, evaluate_volatility, lead_losses
from models.volatility.model import VolatilityModel, fit_volatility, forecast_daily, forecast_volatility

__all__ = [
    "VolatilityConfig",
    "VolatilityEvaluation",
    "VolatilityModel",
    "block_variance",
    "daily_variance",
    "evaluate_volatility",
    "fit_daily_har",
    "fit_volatility",
    "forecast_daily",
    "forecast_volatility",
    "lead_losses",
    "walk_forward_daily",
]
