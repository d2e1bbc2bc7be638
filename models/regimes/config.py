"""Settings of the regime family.

Here: the frozen configuration. Not here: the study's YAML (feeds/study.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RegimeConfig:
    """How market states are told apart.

    Attributes:
        max_states: Most components tried; the Bayesian information criterion chooses among 2 to this many.
        restarts: Random starts of each fit.
        max_rows: Training rows a fit uses at most, evenly spaced.
        seed: Seed of the starts.
        min_rows: Fewer complete training rows than this are refused.
    """

    max_states: int = 3
    restarts: int = 3
    max_rows: int = 20_000
    seed: int = 7
    min_rows: int = 200
