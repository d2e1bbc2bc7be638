"""Settings of the correlation family.

Here: the frozen configuration. Not here: the study's YAML (feeds/study.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CorrelationConfig:
    """How correlation is estimated.

    Attributes:
        return_s: Length of the returns, seconds.
        ewma_lambda: Weight of the past in the EWMA, per return.
        min_returns: Fewer aligned training returns than this are refused.
    """

    return_s: int = 300
    ewma_lambda: float = 0.97
    min_returns: int = 20
