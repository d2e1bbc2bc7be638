"""The parameters of the queue-reactive model, and the law its queues settle to.

Model I of Huang, Lehalle and Rosenbaum, "Simulating and analyzing order book data: the queue-reactive model", Journal
of the American Statistical Association 110 (2015): around a reference price stand K queues on each side, at half a
tick, a tick and a half, and so on. Each grows and shrinks by one unit, the average event size of its level, at rates
that depend on its own size alone. When the mid changes, the reference price follows by a tick with probability
`theta`; the book around it is then drawn afresh with probability `theta_reinit`, else it keeps its orders.

Components of impact: what a purchase does to the price is the emptied queue, and the reference price that may follow
(`theta`, `theta_reinit`). There is no other, so nothing counts twice.

Here: the dataclass, the invariant law, an example, reading a published table. Not here: estimation (sim/qrm_fit.py),
simulation (sim/qrm_simulate.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from feeds.errors import InsufficientDataError, UnreadableFileError

Floats = npt.NDArray[np.float64]

#: Kinds of arrivals: last axis of the rates.
LIMIT, CANCEL, MARKET = 0, 1, 2
#: A redraw must fit the draws an address of random numbers holds (sim/random_stream.py).
MAX_LEVELS = 7


def birth_death_law(up: Floats, down: Floats) -> Floats:
    """The invariant law of a queue that grows by one at rate ``up[n]`` and shrinks at ``down[n]``.

    Detailed balance: ``law[n + 1] * down[n + 1] = law[n] * up[n]`` (Huang, Lehalle and Rosenbaum, section 2.3.3); the
    queue is bounded, so growth out of the last state does not count.

    Args:
        up: (Q + 1,) rates of growth.
        down: (Q + 1,) rates of decrease; those from 1 on must be positive.

    Returns:
        (Q + 1,) probabilities.
    """
    law: Floats = np.concatenate(([1.0], np.cumprod(up[:-1] / down[1:])))
    return law / law.sum()


@dataclass(frozen=True, eq=False)
class QrmParams:
    """One instrument's queue-reactive flow.

    Attributes:
        rates: (K, Q + 1, 2, 3) float64, per second: level, size of the queue, side (bid, ask), `LIMIT` | `CANCEL` |
            `MARKET`. A queue holds at most Q units; what would go beyond is turned away.
        theta: Probability that the reference price follows a change of the mid: the lasting part of impact.
        theta_reinit: Probability that the book is then drawn afresh: the part that refills at once.
        event_size: (K,) average event size of a level in lots; only ratios count, when orders change level.
        invariant: (2, K, Q + 1) law of the queues from which books are drawn; None: the closed form of `rates`.
        tick: Price of a tick.
        arrival_price: Opening reference price; between two quotes, so a half tick off the grid.
        source: Where the numbers come from, in words.

    Raises:
        InsufficientDataError: A value is out of range.
    """

    rates: Floats
    theta: float = 0.7
    theta_reinit: float = 0.85
    event_size: tuple[float, ...] = (836.0, 1068.0, 1069.0)
    invariant: Floats | None = None
    tick: float = 0.01
    arrival_price: float = 100.005
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for name, fine, expected in self._conditions():
            if not fine:
                raise InsufficientDataError(
                    f"queue-reactive parameter {name}",
                    received=f"{np.shape(self.rates) if name == 'rates' else getattr(self, name)}",
                    expected=expected,
                    remedy="Fit on a longer tape or set the value by hand.",
                )

    def _conditions(self) -> list[tuple[str, bool, str]]:
        rates = np.asarray(self.rates)
        shaped = rates.ndim == 4 and rates.shape[2:] == (2, 3) and rates.shape[1] >= 2
        k = rates.shape[0] if shaped else 0
        finite = shaped and bool(np.isfinite(rates).all()) and bool((rates >= 0).all())
        moves = finite and bool((rates[:, :-1, :, LIMIT] > 0).all()) and bool((rates[:, 1:, :, 1:].sum(-1) > 0).all())
        law = None if self.invariant is None else np.asarray(self.invariant)
        fine = law is None or (
            shaped and law.shape == (2, k, rates.shape[1]) and (law >= 0).all() and np.allclose(law.sum(-1), 1.0)
        )
        return [
            ("rates", moves and k <= MAX_LEVELS, f"(K <= {MAX_LEVELS}, Q + 1, 2, 3), queues that grow and shrink"),
            ("theta", 0 <= self.theta <= 1, "a probability"),
            ("theta_reinit", 0 <= self.theta_reinit <= 1, "a probability"),
            ("event_size", len(self.event_size) == k and min(self.event_size, default=0) > 0, f"{k} positive sizes"),
            ("invariant", bool(fine), "laws of shape (2, K, Q + 1)"),
            ("tick", self.tick > 0, "a positive price"),
        ]

    @property
    def levels(self) -> int:
        """Queues on a side, K."""
        return int(self.rates.shape[0])

    @property
    def max_queue(self) -> int:
        """Largest size of a queue, Q units."""
        return int(self.rates.shape[1]) - 1

    def closed_form(self) -> Floats:
        """(2, K, Q + 1) birth-death laws of the queues under a reference price that stays."""
        grow = np.moveaxis(self.rates[..., LIMIT], 2, 0)
        shrink = np.moveaxis(self.rates[..., CANCEL] + self.rates[..., MARKET], 2, 0)
        return np.stack(
            [[birth_death_law(*pair) for pair in zip(*side, strict=True)] for side in zip(grow, shrink, strict=True)]
        )

    def law(self) -> Floats:
        """(2, K, Q + 1) law from which books are drawn."""
        return self.closed_form() if self.invariant is None else np.asarray(self.invariant, dtype=np.float64)

    @property
    def expected_jump_ticks(self) -> float:
        """Mean change of the mid in ticks when the best ask is bought whole: (1 + theta theta_reinit) / 2."""
        return 0.5 * (1.0 + self.theta * self.theta_reinit)

    @classmethod
    def example(cls, levels: int = 3, max_queue: int = 30) -> QrmParams:
        """A made-up large-tick stock: every order cancels alone, empty queues fill fast, takers prefer thin queues."""
        size = np.arange(max_queue + 1, dtype=np.float64)
        rates = np.zeros((levels, max_queue + 1, 2, 3))
        for level in range(levels):
            rates[level, :, :, LIMIT] = (0.6 + (0.4 + level) * np.exp(-size))[:, None]
            rates[level, :, :, CANCEL] = (0.5 * size / (size + 2.0 + 4.0 * level) + 0.01 * size)[:, None]
            rates[level, 1:, :, MARKET] = 0.2 * np.exp(-0.1 * size[1:] - 3.0 * level)[:, None]
        return cls(rates, event_size=(800.0,) + (1000.0,) * (levels - 1), source="example")


def read_qrm(folder: Path) -> QrmParams:
    """Read ``intensity_table.npy`` and ``invariant_distribution.npy`` as published with arXiv 2511.15262.

    Raises:
        UnreadableFileError: A file is missing or is not such an array.
    """
    arrays = []
    for name, axes in (("intensity_table.npy", 4), ("invariant_distribution.npy", 2)):
        try:
            array = np.load(folder / name, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UnreadableFileError(folder / name, "its start", f"a NumPy array of {axes} axes", error) from error
        if array.ndim != axes:
            raise UnreadableFileError(folder / name, "its header", f"an array of {axes} axes", f"{array.ndim} axes")
        arrays.append(np.asarray(array, dtype=np.float64))
    rates, law = arrays
    return QrmParams(rates, invariant=np.stack([law, law]), source="arXiv 2511.15262")
