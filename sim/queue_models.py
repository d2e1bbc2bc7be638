"""Where an own order stands in a queue whose orders the feed does not tell one by one.

A level feed states how many lots are displayed at a price, not whose they are. That the level shrank by cancellations
does not tell whether those were ahead of us: a model decides. What is certain: who comes later stands behind, an
execution takes the front of the queue first, and no more is ahead than is displayed.

=================  ============================================  ==============================================
model              a cancellation at our price                   a trade at our price fills us with
=================  ============================================  ==============================================
``exact``          known order by order: only tapes of orders    what it leaves over after those ahead
``risk_averse``    was behind us as long as that is possible     what it leaves over after those ahead
``power``          ahead by the share f(ahead)/(f(ahead) +       what it leaves over after those ahead
                   f(behind)), f(x) = x ** power
``log``            the same with f(x) = log(1 + x)               what it leaves over after those ahead
``conservative``   was behind us, even against the display       what it leaves over after those ahead
``optimistic``     all that were ahead are gone at once          all of its lots
=================  ============================================  ==============================================

The last two are bounds, not models: what is reported between them does not depend on the queue. ``conservative`` also
ignores that a quote of the other side at our price would have traded with us: only trades fill. At a price better than
that of a trade every model fills, at most the lots of the trade.

Sources: Moallemi and Yuan, "A model for queue position valuation in a limit order book" (2016); Rigtorp, "Estimating
order queue position" (2013), for the family of shares.

Here: the models and their kernels. Not here: own orders (sim/tape_kernel.py), tapes (sim/tape_state.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit

from feeds.errors import StudyError
from sim.compile_options import MERGED

QueueKind = Literal["exact", "risk_averse", "power", "log", "conservative", "optimistic"]
QUEUE_KINDS: tuple[str, ...] = ("exact", "risk_averse", "power", "log", "conservative", "optimistic")
#: Codes of the kinds in `QueueModel.encoded`.
EXACT, RISK_AVERSE, POWER, LOG, CONSERVATIVE, OPTIMISTIC = range(6)
#: Places of `QueueModel.encoded`: code of the kind, exponent of f.
QUEUE_KIND, QUEUE_POWER = 0, 1
QUEUE_PARAMS = 2


@dataclass(frozen=True)
class QueueModel:
    """What is assumed of queues at our prices.

    Attributes:
        kind: One of `QUEUE_KINDS`.
        power: Exponent of f of ``power``: 1 takes cancellations from all lots alike; the greater, the more of them come
            from the longer part of the queue.

    Raises:
        StudyError: The kind is unknown, or the exponent is not positive and finite.
    """

    kind: QueueKind = "exact"
    power: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in QUEUE_KINDS:
            raise StudyError("queue model", received=repr(self.kind), expected=f"one of {QUEUE_KINDS}")
        if not 0.0 < self.power < math.inf:
            raise StudyError("queue model: power", received=self.power, expected="a positive, finite exponent")

    def encoded(self) -> np.ndarray:
        """(`QUEUE_PARAMS`,) float64 for the kernels."""
        return np.array([QUEUE_KINDS.index(self.kind), self.power])

    def require_levels(self) -> None:
        """Refuse the model that needs orders.

        Raises:
            StudyError: The model is ``exact``.
        """
        if self.kind == "exact":
            raise StudyError(
                "queue model",
                received="'exact' for a tape of levels",
                expected=f"one of {QUEUE_KINDS[1:]}",
                remedy="Only a tape that tells every order knows who stands ahead.",
            )


@njit(**MERGED)
def queue_at_placement(params: np.ndarray, displayed_lots: float) -> float:
    """Lots ahead of an order placed behind ``displayed_lots``."""
    return 0.0 if params[QUEUE_KIND] == OPTIMISTIC else max(0.0, displayed_lots)


@njit(**MERGED)
def queue_after_change(
    params: np.ndarray, ahead: float, level_lots_before: float, change_lots: float, traded_lots: float
) -> float:
    """Lots ahead after the level at our price changed.

    Args:
        params: `QueueModel.encoded`.
        ahead: Lots ahead before; what trades took is off already (`queue_after_trade`).
        level_lots_before: Lots displayed at the price before the change.
        change_lots: Signed. Of ``exact``: of orders ahead alone, the caller knows them.
        traded_lots: Lots traded at the price since its last change: that much of a decrease was executed, not
            cancelled.

    Returns:
        Lots ahead, 0 or more.
    """
    kind = params[QUEUE_KIND]
    if kind == EXACT:
        return max(0.0, ahead + change_lots)
    if kind in (CONSERVATIVE, OPTIMISTIC):
        return ahead
    cancelled = -change_lots - traded_lots
    if kind != RISK_AVERSE and cancelled > 0.0 and ahead > 0.0:
        behind = max(0.0, level_lots_before - traded_lots - ahead)
        was_ahead = cancelled * _share_ahead(params, ahead, behind)
        # Neither part loses more than it has.
        ahead -= min(max(was_ahead, cancelled - behind), ahead)
    return max(0.0, min(ahead, level_lots_before + change_lots))


@njit(**MERGED)
def queue_after_trade(params: np.ndarray, ahead: float, lots: float) -> float:
    """Lots ahead after a trade of ``lots`` at our price; ``exact`` is told by the change of the executed order."""
    return ahead if params[QUEUE_KIND] == EXACT else max(0.0, ahead - lots)


@njit(**MERGED)
def lots_reaching(params: np.ndarray, ahead: float, lots: int) -> int:
    """Lots of a trade of ``lots`` at our price that are left for us; ``ahead`` as before the trade."""
    if params[QUEUE_KIND] == OPTIMISTIC:
        return lots
    # Part of a lot ahead is a lot ahead.
    return max(0, lots - math.ceil(ahead))


@njit(**MERGED)
def fills_by_quote(params: np.ndarray) -> bool:
    """Whether lots displayed by the other side at our price or better trade with us."""
    return params[QUEUE_KIND] != CONSERVATIVE


@njit(**MERGED)
def _share_ahead(params: np.ndarray, ahead: float, behind: float) -> float:
    if params[QUEUE_KIND] == LOG:
        front, back = math.log1p(ahead), math.log1p(behind)
    elif params[QUEUE_POWER] == 1.0:
        front, back = ahead, behind
    else:
        # Of the ratio: large lots to a large power would not be finite.
        longer = max(ahead, behind)
        front, back = (ahead / longer) ** params[QUEUE_POWER], (behind / longer) ** params[QUEUE_POWER]
    return front / (front + back)
