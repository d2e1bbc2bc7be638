"""Rules that follow the market's volume: a share of what trades (POV), a share of what is displayed (POPV).

Neither knows how much will trade, so neither finishes by itself: what is left at the horizon is taken by the
environment.

Here: the two rules. Not here: schedules fixed at arrival (baselines.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds.errors import StudyError
from models.execution.protocol import Info, Instruction, Observation

_WINDOW_S = 60.0


@dataclass
class Pov:
    """Takes a fixed share of the market's volume: the pace of the last minute, held over the coming interval.

    Fractions of a lot are carried to the next decision, so that the share holds over an order of small slices.

    Attributes:
        rate: Lots of ours a lot traded, 0 to 1.
        interval_s: Time between decisions, seconds.
        name: In tables and plots.

    Raises:
        StudyError: The rate or the interval is out of range.
    """

    rate: float
    interval_s: float
    name: str = "pov"
    training_seed: None = None
    carried: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.rate <= 1.0 or self.interval_s <= 0.0:
            raise StudyError(
                "rule POV",
                received=f"rate {self.rate}, interval {self.interval_s} s",
                expected="a rate above 0, at most 1, and a positive interval",
            )

    def begin(self, info: Info, seed: int) -> None:
        """Nothing is carried over from another order."""
        self.carried = 0.0

    def instruction(self, observation: Observation, info: Info) -> Instruction:
        """Take the share of what is expected to trade until the next decision."""
        wanted = self.carried + self.rate * float(info["traded_lots_60s"]) * self.interval_s / _WINDOW_S
        lots = min(int(wanted), int(info["remaining_lots"]))
        self.carried = wanted - int(wanted)
        return lots, 0, 0


@dataclass
class Popv:
    """Takes a fixed share of the lots displayed at the opposite best price, at every ``every``-th decision.

    "Percentage of posted volume", the rule of arXiv 2511.15262, section 5.1.

    Attributes:
        every: Decisions from one take to the next; the first is at arrival.
        share: Of the displayed lots, above 0, at most 1; rounded up to a lot.

    Raises:
        StudyError: A value is out of range.
    """

    every: int
    share: float = 0.5
    training_seed: None = None
    decisions: int = 0

    def __post_init__(self) -> None:
        if self.every < 1 or not 0.0 < self.share <= 1.0:
            raise StudyError(
                "rule POPV",
                received=f"every {self.every}, share {self.share}",
                expected="at least every decision, a share above 0, at most 1",
            )

    @property
    def name(self) -> str:
        """With the decisions between takes."""
        return f"popv_{self.every}"

    def begin(self, info: Info, seed: int) -> None:
        """Count from here."""
        self.decisions = int(info["decisions_left"])

    def instruction(self, observation: Observation, info: Info) -> Instruction:
        """Take from what is displayed, or wait."""
        number = self.decisions - int(info["decisions_left"])
        if number % self.every:
            return 0, 0, 0
        return min(int(info["remaining_lots"]), -int(-self.share * posted_lots(info) // 1)), 0, 0


def posted_lots(info: Info) -> int:
    """Lots displayed at the best price of the side the order takes from."""
    return int(info["ask_lots"] if info["side"] == 0 else info["bid_lots"])
