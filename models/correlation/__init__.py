"""Correlation of the instruments' returns: sample, EWMA, Ledoit-Wolf, judged out of sample against independence.

Here: returns, estimates, judging. Not here: bars (models/bars.py), limits made of it (models/limits.py).
"""

from models.correlation.config import CorrelationConfig
from models.correlation.evaluate import CorrelationEvaluation, evaluate_correlation, gaussian_losses
from models.correlation.model import CorrelationModel, correlation_frame, fit_correlation, positive_definite
from models.correlation.returns import log_returns, symbols_in

__all__ = [
    "CorrelationConfig",
    "CorrelationEvaluation",
    "CorrelationModel",
    "correlation_frame",
    "evaluate_correlation",
    "fit_correlation",
    "gaussian_losses",
    "log_returns",
    "positive_definite",
    "symbols_in",
]
