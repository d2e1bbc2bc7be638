"""Settings of the anomaly family.

Here: the frozen configuration. Not here: the study's YAML (feeds/study.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnomalyConfig:
    """How unusual decision times are found.

    Attributes:
        trees: Trees of the forest.
        alarm_share: Share of ordinary decision times that may raise an alarm: the stated false-alarm rate.
        seed: Seed of the forest.
        tree_rows: Rows each tree is grown on (Liu, Ting & Zhou 2008 use 256).
        min_rows: Fewer training rows of an instrument than this and it is not scored.
        merge_s: Alarms of one instrument at most this far apart are one episode, seconds.
    """

    trees: int = 100
    alarm_share: float = 0.002
    seed: int = 7
    tree_rows: int = 256
    min_rows: int = 200
    merge_s: float = 60.0
