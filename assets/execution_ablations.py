"""Parts of the market switched off, to see what a shortfall is made of and what agents live on.

Here: what each ablation changes. Not here: judging (assets/execution_judge.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assets.execution_forecasts import FORECAST_TERMS


@dataclass(frozen=True)
class Ablation:
    """One part switched off.

    Attributes:
        title: What is different, in words.
        settings: Of `feeds.study.Execution`, changed.
        queue: Kind of the queue model instead of the study's; empty: as it is.
        impact: Whether takes move prices beyond the depth they consume.
        without: Terms that agents no longer see: their mean in the training stands there.
    """

    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    queue: str = ""
    impact: bool = True
    without: tuple[str, ...] = ()

    def market(self) -> dict[str, Any]:
        """Options of `sim.replay_market.ReplayMarket`."""
        from sim.queue_models import QueueModel

        changed: dict[str, Any] = {} if self.impact else {"impact": None}
        return changed | ({"queue": QueueModel(self.queue)} if self.queue else {})  # type: ignore[arg-type]


#: By the names a study asks for them.
ABLATIONS: Mapping[str, Ablation] = {
    "no_fees": Ablation("no fees", settings={"taker_fee_bps": 0.0, "maker_fee_bps": 0.0, "fees": {}}),
    "zero_latency": Ablation("instructions arrive at once", settings={"latency_ms": 0}),
    "no_queue": Ablation("the first trade at our price fills us: the bound above", queue="optimistic"),
    "conservative_fills": Ablation("nobody ahead of us ever cancels: the bound below", queue="conservative"),
    "no_impact": Ablation("takes move no price beyond the depth they consume", impact=False),
    "no_forecasts": Ablation("agents do not see the forecasts they were trained with", without=FORECAST_TERMS),
}
