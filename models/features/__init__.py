"""Microstructure features: one resumable fold over an instrument-day's events, the same in batch and live.

Here: what the features are (spec), how they are folded (fold) and their table (table). Not here: labels,
joins with text and signals (models/labels.py, models/feature_table.py).
"""

from models.features.spec import FEATURES, FeatureSpec, feature_names
from models.features.table import microstructure_features

__all__ = ["FEATURES", "FeatureSpec", "feature_names", "microstructure_features"]
