"""Tapes as markets to execute in, with what takes do to them: made ready once a night and instrument.

Here: replays and their measured impact. Not here: parent orders and environments (assets/execution_setup.py), tapes
(assets/tape.py), markets (sim/).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from assets.tape import Tape
from feeds.errors import InsufficientDataError, StudyError
from feeds.study import Execution

if TYPE_CHECKING:
    from sim.impact_models import Propagator
    from sim.replay_market import ReplayMarket
    from sim.tape_build import FlatTape

#: The queue model of tapes that do not tell orders one by one, where the study names none.
LEVEL_QUEUE: Literal["conservative"] = "conservative"


@dataclass(frozen=True)
class Impact:
    """What takes do to a replayed tape.

    Attributes:
        refill_half_life_s: Until half of the depth we took is displayed again; None: the replay's own.
        permanent_ticks_per_lot: What stays.
        decays: (ticks per lot, rate per second) of what passes.
        told: How it was measured, or why it was not.
    """

    refill_half_life_s: float | None = None
    permanent_ticks_per_lot: float = 0.0
    decays: tuple[tuple[float, float], ...] = ()
    told: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> Impact:
        """The inverse of `to_dict`."""
        return cls(**{**tree, "decays": tuple((float(a), float(b)) for a, b in tree["decays"])})

    def options(self) -> dict[str, Any]:
        """As `sim.replay_market.ReplayMarket` takes it."""
        found: dict[str, Any] = {"impact": self._propagator()}
        return found if self.refill_half_life_s is None else found | {"refill_half_life_s": self.refill_half_life_s}

    def _propagator(self) -> Propagator | None:
        from sim.impact_models import Decay, Propagator

        if not self.decays and self.permanent_ticks_per_lot == 0.0:
            return None
        return Propagator(0.0, 0.0, self.permanent_ticks_per_lot, tuple(Decay(*one) for one in self.decays))


def prepared(tape: Tape, *, until_ns: int | None = None) -> FlatTape:
    """The rows of a tape made ready; with ``until_ns`` only those known before it."""
    import polars as pl

    from sim.tape_kinds import prepare_any

    rows = tape.frame if until_ns is None else tape.frame.filter(pl.col("ts_recv").cum_max() < until_ns)
    return prepare_any(rows)


def measured_impact(flat: FlatTape, tape: Tape, config: Execution) -> Impact:
    """Impact measured on a tape that ends before what is judged; none where the study or the tape says nothing."""
    from sim.tape_impact import fit_impact

    if not config.replay_impact:
        return Impact(told="not asked for")
    try:
        found = fit_impact(flat, tape.spec)
    except (InsufficientDataError, StudyError) as error:
        return Impact(told=f"not measured: {error}")
    kernel = found.propagator
    told = (
        f"{found.market_orders:,} market orders of {found.mean_lots:.4g} lots; depth back to half in "
        f"{found.refill_half_life_s:.3g} s; {found.kept_share:.0%} of the shift beyond consumed depth kept"
    )
    decays = tuple((one.ticks_per_lot, one.rate_per_s) for one in kernel.decays if one.ticks_per_lot > 0.0)
    return Impact(found.refill_half_life_s, kernel.permanent_ticks_per_lot, decays, told)


def replay_market(
    flat: FlatTape, tape: Tape, config: Execution, episode_ns: int, impact: Impact, /, **options: Any
) -> ReplayMarket:
    """A tape to act in.

    Args:
        flat: The rows, made ready.
        tape: Units and bounds.
        config: Names the queue model.
        episode_ns: Time an order needs.
        impact: What takes do.
        options: Of the market, instead of those that follow from the above.
    """
    from sim.queue_models import QueueModel
    from sim.replay_market import ReplayMarket
    from sim.tape_kinds import tells_orders

    kind = config.queue or (None if tells_orders(flat) else LEVEL_QUEUE)
    made = {"queue": QueueModel(kind) if kind else None, **impact.options(), **options}
    return ReplayMarket(flat, tape.spec, tape.bounds, episode_ns, **made)
