"""Settings of the volatility family.

Here: the frozen configuration. Not here: the study's YAML (feeds/study.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VolatilityConfig:
    """How variances are forecast.

    Attributes:
        block_s: Length of a block, seconds.
        ewma_lambda: Weight of the past in the EWMA, per block (per day for daily series).
        min_train_blocks: Fewer training observations than this and no HAR is offered.
        daily_min_days: Fewer whole training days than this and no daily HAR is offered.
    """

    block_s: int = 300
    ewma_lambda: float = 0.94
    min_train_blocks: int = 40
    daily_min_days: int = 60
