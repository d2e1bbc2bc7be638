"""Unusual decision times: an isolation forest with a stated false-alarm rate, and the episodes it finds.

Here: fitting, scoring, episodes. Not here: limits that tighten on alarms (models/limits.py).
"""

from models.anomaly.config import AnomalyConfig
from models.anomaly.episodes import anomaly_episodes, anomaly_table, anomaly_verdict, recent_alarms
from models.anomaly.model import AnomalyModel, anomaly_scores, fit_anomaly

__all__ = [
    "AnomalyConfig",
    "AnomalyModel",
    "anomaly_episodes",
    "anomaly_scores",
    "anomaly_table",
    "anomaly_verdict",
    "fit_anomaly",
    "recent_alarms",
]
