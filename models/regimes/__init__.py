"""Unsupervised market regimes: a Gaussian mixture over volatility, spread, depth and activity, filtered in time.

Here: fitting, filtering, judging. Not here: features (models/features), plots (models/plots/regimes.py).
"""

from models.regimes.config import RegimeConfig
from models.regimes.evaluate import RegimeEvaluation, evaluate_regimes, regime_table
from models.regimes.model import RegimeModel, fit_regimes, state_labels
from models.regimes.states import log_likelihood, regime_states, single_log_likelihood

__all__ = [
    "RegimeConfig",
    "RegimeEvaluation",
    "RegimeModel",
    "evaluate_regimes",
    "fit_regimes",
    "log_likelihood",
    "regime_states",
    "regime_table",
    "single_log_likelihood",
    "state_labels",
]
