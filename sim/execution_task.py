"""A parent order, and what can be asked of the market at each of its decisions.

Here: the task, instructions, the grid of discrete actions. Not here: carrying them out (sim/execution_env.py), what an
agent sees (sim/observation.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from feeds.errors import StudyError
from sim.fees import Fees

#: Where a resting order of a style stands, in increments from the best price of its own side.
OFFSETS = {"behind": -1, "join": 0, "improve": 1}
CROSS = "cross"
STYLES = (*OFFSETS, CROSS)


@dataclass(frozen=True)
class ExecutionTask:
    """A parent order of one side, to be worked at evenly spaced decisions and finished at the horizon.

    Attributes:
        horizon_ns: Time from arrival to the last moment, ns.
        decisions: Number of decisions; the first at arrival.
        parent_lots: Lots to buy or to sell.
        latency_ns: From a decision to the moment its instruction reaches the market, ns; shorter than an interval.
        taker_fee_bps: Fee of an aggressive fill, bps of its value.
        maker_fee_bps: Fee of a passive fill, bps of its value; negative: a rebate.
        risk_aversion: Weight of the risk term of the reward, per bps (see sim/execution_env.py).
        unfilled_penalty_bps: What a lot that found no depth at the end costs over the last mid, bps.
        impact_aversion: Weight of the impact term of the reward: what takes pay beyond the best price of their moment.
        fees: A schedule in place of the two fees, which must be 0 then; its tiers go by what the parent order traded.

    Raises:
        StudyError: A value is out of range.
    """

    horizon_ns: int
    decisions: int
    parent_lots: int
    latency_ns: int = 0
    taker_fee_bps: float = 0.0
    maker_fee_bps: float = 0.0
    risk_aversion: float = 0.0
    unfilled_penalty_bps: float = 100.0
    impact_aversion: float = 0.0
    fees: Fees | None = None

    def __post_init__(self) -> None:
        _require("decisions", self.decisions, self.decisions >= 1, "at least 1")
        _require("horizon_ns", self.horizon_ns, self.horizon_ns >= self.decisions, "at least 1 ns a decision")
        _require("parent_lots", self.parent_lots, self.parent_lots >= 1, "at least 1")
        interval = self.horizon_ns // self.decisions
        _require("latency_ns", self.latency_ns, 0 <= self.latency_ns < interval, f"0 to less than {interval}")
        _require("risk_aversion", self.risk_aversion, self.risk_aversion >= 0, "0 or more")
        _require("unfilled_penalty_bps", self.unfilled_penalty_bps, self.unfilled_penalty_bps >= 0, "0 or more")
        _require("impact_aversion", self.impact_aversion, self.impact_aversion >= 0, "0 or more")
        stated = self.fees is not None and (self.taker_fee_bps != 0.0 or self.maker_fee_bps != 0.0)
        _require("fees", self.fees, not stated, "a schedule, or the two fees in bps, not both")

    @property
    def episode_ns(self) -> int:
        """How long a market is needed: to the horizon, and until the last instruction has reached it."""
        return self.horizon_ns + self.latency_ns

    def decision_ns(self, number: int) -> int:
        """When decision ``number`` (0 ..) is made, ns after arrival; `decisions` gives the horizon."""
        return self.horizon_ns * number // self.decisions


class Instruction(NamedTuple):
    """What a decision asks for.

    Attributes:
        take_lots: Lots to take at once against the displayed depth.
        rest_lots: Lots that shall rest afterwards, those already resting at that price included.
        rest_offset: Where: increments from the best price of the own side, 0 joins it, 1 improves it where the spread
            allows, -1 stands behind it.
    """

    take_lots: int
    rest_lots: int
    rest_offset: int


#: Nothing is taken, nothing rests.
WAIT = Instruction(0, 0, 0)


@dataclass(frozen=True)
class ActionGrid:
    """Discrete actions: 0 waits without a resting order; the others are sizes by styles, style running fastest.

    Attributes:
        sizes: In multiples of the even slice, lots left / decisions left.
        styles: Of `STYLES`, or whole numbers: increments inside (positive) or behind the best price of the own side;
            all but ``cross`` rest.

    Raises:
        StudyError: A style is unknown, or a size is not positive.
    """

    sizes: tuple[float, ...] = (1.0, 3.0)
    styles: tuple[str | int, ...] = ("join", "improve", "cross")

    def __post_init__(self) -> None:
        unknown = {style for style in self.styles if isinstance(style, str)} - set(STYLES)
        _require("styles", self.styles, not unknown and bool(self.styles), f"some of {STYLES}")
        _require("sizes", self.sizes, bool(self.sizes) and min(self.sizes) > 0, "positive multiples")

    @property
    def n(self) -> int:
        """Number of actions."""
        return 1 + len(self.sizes) * len(self.styles)

    def instruction(self, action: int, remaining_lots: int, decisions_left: int) -> Instruction:
        """What ``action`` means with so many lots and decisions left; sizes are rounded up and never exceed the rest.

        Raises:
            StudyError: There is no such action.
        """
        _require("action", action, 0 <= action < self.n, f"0 to {self.n - 1}")
        if action == 0:
            return WAIT
        size, style = divmod(action - 1, len(self.styles))
        # Exact for whole multiples: a float quotient may lie a hair above the whole number it stands for.
        wanted = -int(-self.sizes[size] * remaining_lots // max(1, decisions_left))
        lots = min(remaining_lots, wanted)
        name = self.styles[style]
        return Instruction(lots, 0, 0) if name == CROSS else Instruction(0, lots, offset_of(name))

    def describe(self, action: int) -> str:
        """The action in words, e.g. ``"join 3 x"``."""
        _require("action", action, 0 <= action < self.n, f"0 to {self.n - 1}")
        if action == 0:
            return "wait"
        size, style = divmod(action - 1, len(self.styles))
        name = self.styles[style]
        words = name if isinstance(name, str) else f"{abs(name)} {'inside' if name > 0 else 'behind'}"
        return f"{words} {self.sizes[size]:g} x"


def offset_of(style: str | int) -> int:
    """Increments from the best price of the own side at which a resting style stands."""
    return OFFSETS[style] if isinstance(style, str) else style


def _require(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise StudyError(f"execution: {name}", received=value, expected=expected, remedy="Correct the setting.")
