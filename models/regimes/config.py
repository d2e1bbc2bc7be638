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
        max_rows: Training rows a fit uses at most, evenly spaced; about one in a quarter of ``smooth_s``.
        seed: Seed of the starts.
        smooth_s: Span of the trailing average of each feature, seconds: states shorter than this are not told apart.
            0: none. A capture shorter than twenty spans has a span of a twentieth of its length.
        min_rows: Fewer complete training rows than this are refused.
    """

    max_states: int = 3
    restarts: int = 3
    max_rows: int = 20_000
    seed: int = 7
    smooth_s: int = 600
    min_rows: int = 200
