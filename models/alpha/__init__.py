"""Forecasts of mid-price returns: gradient boosting beside its controls, judged out of sample.

Here: estimators, fitting, evaluation, forecasting. Not here: features and labels (models/features,
models/labels.py), what a forecast earns (models/backtest.py).
"""

from models.alpha.config import AlphaConfig
from models.alpha.evaluate import AlphaEvaluation, evaluate_alpha
from models.alpha.importance import permutation_importance
from models.alpha.model import AlphaModel, TrainStats, fit_alpha, forecast

__all__ = [
    "AlphaConfig",
    "AlphaEvaluation",
    "AlphaModel",
    "TrainStats",
    "evaluate_alpha",
    "fit_alpha",
    "forecast",
    "permutation_importance",
]
