"""The rules an agent is held against: schedules, taker and passive, and chance.

All follow `models.execution.protocol.Policy`. A schedule is fixed when the order arrives; what an earlier slice
did not get is taken at the next decision, so that every rule is on its schedule at every decision.

Here: the rules that are fixed in advance. Not here: those that follow volume (participation.py), those that are fitted
in a market (fitted_rules.py), trained agents (dqn_policy.py), playing episodes (evaluation.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from feeds.errors import StudyError
from models.execution.almgren_chriss import almgren_chriss_fractions
from models.execution.participation import Popv, Pov
from models.execution.protocol import Info, Instruction, Observation, Policy

Floats = npt.NDArray[np.float64]
#: Number of decisions and the info at arrival -> share of the order for each decision interval.
Profile = Callable[[int, Info], Floats]

#: The rule every other is compared with.
REFERENCE = "twap_taker"


def slices(parent_lots: int, fractions: Floats | Sequence[float]) -> npt.NDArray[np.int64]:
    """Lots of each slice: rounded so that they add up to the parent and never lead or lag by more than half a lot.

    Args:
        parent_lots: Size of the order.
        fractions: Not negative, at least one positive; taken relative to their sum.

    Returns:
        (len(fractions),) int64.

    Raises:
        StudyError: The fractions are negative, not finite or all 0.
    """
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.size == 0 or not np.isfinite(shares).all() or shares.min() < 0.0 or shares.sum() <= 0.0:
        raise StudyError("schedule", received=f"fractions {shares}", expected="at least one, none negative, not all 0")
    done = np.floor(parent_lots * np.cumsum(shares) / shares.sum() + 0.5).astype(np.int64)
    done[-1] = parent_lots
    return np.diff(done, prepend=0)


@dataclass
class Schedule:
    """Trades fixed fractions of the order, one a decision interval.

    Attributes:
        name: In tables and plots.
        profile: Fractions of the order, made when it arrives.
        passive: Rest each slice at the best quote of the own side and take what is left of it at its end, instead
            of taking the slice at its start.
    """

    name: str
    profile: Profile
    passive: bool = False
    training_seed: None = None
    lots: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64), repr=False)

    def begin(self, info: Info, seed: int) -> None:
        """Cut the order into slices."""
        self.lots = slices(int(info["parent_lots"]), self.profile(int(info["decisions_left"]), info))

    def instruction(self, observation: Observation, info: Info) -> Instruction:
        """Take what the schedule is behind; take or rest the slice that starts now."""
        now = len(self.lots) - int(info["decisions_left"])
        remaining = int(info["remaining_lots"])
        behind = max(0, remaining - int(self.lots[now:].sum()))
        ahead = max(0, int(self.lots[now:].sum()) - remaining)
        due = max(0, int(self.lots[now]) - ahead)
        return (behind, due, 0) if self.passive else (behind + due, 0, 0)


@dataclass(frozen=True)
class Immediate:
    """Takes the whole order at once, and what the book did not hold at the next decisions."""

    name: str = "immediate"
    training_seed: None = None

    def begin(self, info: Info, seed: int) -> None:
        """Nothing to prepare."""

    def instruction(self, observation: Observation, info: Info) -> Instruction:
        """Take everything."""
        return int(info["remaining_lots"]), 0, 0


@dataclass(frozen=True)
class SubmitAndLeave:
    """Rests the whole order at the best quote of the own side, moved with it; the rest is taken at the end.

    Nevmyvaka, Feng & Kearns (2006) call orders of this kind submit and leave.
    """

    name: str = "submit_and_leave"
    training_seed: None = None

    def begin(self, info: Info, seed: int) -> None:
        """Nothing to prepare."""

    def instruction(self, observation: Observation, info: Info) -> Instruction:
        """Rest everything."""
        return 0, int(info["remaining_lots"]), 0


class RandomActions:
    """Draws every action with equal probability: the control of an agent.

    Args:
        actions: Number of actions of the environment.
    """

    name = "random"
    training_seed: int | None = None

    def __init__(self, actions: int) -> None:
        self.actions = actions
        self.random = np.random.default_rng(0)

    def begin(self, info: Info, seed: int) -> None:
        """A generator of the episode's own, apart from the market's."""
        self.random = np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(int(info["side"]), 1)))

    def instruction(self, observation: Observation, info: Info) -> int:
        """Any action."""
        return int(self.random.integers(self.actions))


def even(decisions: int, info: Info) -> Floats:
    """The profile of TWAP."""
    return np.full(decisions, 1.0 / decisions)


def constant(fractions: Sequence[float]) -> Profile:
    """A profile that is the same for every order; it must have one fraction a decision."""
    values = np.asarray(fractions, dtype=np.float64)

    def profile(decisions: int, info: Info) -> Floats:
        if len(values) != decisions:
            raise StudyError("volume profile", received=f"{len(values)} fractions", expected=f"{decisions} decisions")
        return values

    return profile


def almgren_chriss(kappa_t: float) -> Profile:
    """The profile of Almgren-Chriss for an urgency of kappa times the horizon."""
    return lambda decisions, info: almgren_chriss_fractions(decisions, kappa_t)


def twap_taker() -> Schedule:
    """Equal slices, each taken at its start: the reference."""
    return Schedule(REFERENCE, even)


def twap_passive() -> Schedule:
    """Equal slices, each rested at the best quote and crossed at its end."""
    return Schedule("twap_passive", even, passive=True)


def baselines(
    actions: int,
    volume_profile: Profile = even,
    kappa_t: float = 2.0,
    participation: float = 0.1,
    interval_s: float = 30.0,
) -> list[Policy]:
    """Every rule that needs no fitting, the reference first.

    Args:
        actions: Number of actions of the environment, for the random control.
        volume_profile: Expected volume of each decision interval, from training days.
        kappa_t: Urgency of Almgren-Chriss (almgren_chriss.kappa_from).
        participation: Share of the market's volume of POV: the order's share of the volume usual in its horizon.
        interval_s: Time between decisions, seconds.
    """
    return [
        twap_taker(),
        twap_passive(),
        Schedule("vwap", volume_profile),
        Schedule("vwap_passive", volume_profile, passive=True),
        Schedule("almgren_chriss", almgren_chriss(kappa_t)),
        Pov(participation, interval_s),
        Popv(1, 0.5),
        Popv(3, 1.0),
        SubmitAndLeave(),
        Immediate(),
        RandomActions(actions),
    ]
