"""The arrays running queue-reactive books consist of: tables of the parameters, state of n books side by side.

A queue of a book is numbered bid 1 .. K, then ask 1 .. K. Prices are whole ticks around the arrival reference price:
level i (from 0) of the asks stands i + 1/2 ticks above the reference price, that of the bids as far below; sums of such
prices are kept in half ticks, which are whole.

Here: structures and new ones. Not here: what moves them (sim/qrm_kernel.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sim.qrm_params import QrmParams
from sim.random_stream import stream_key

#: Streams of random numbers of an episode, see sim/random_stream.py.
ARRIVALS, MOVES, OWN, OPENING = 0, 1, 2, 3
N_STREAMS = 4

#: Places of a row of `QrmState.counts`, int64.
ARRIVAL = 0  # number of the next arrival; each interval between decisions has its own range
EVENTS = 1  # arrivals that changed the book
REJECTED = 2  # arrivals turned away
REFERENCE = 3  # reference price, ticks above the arrival price
DECISION = 4
INVENTORY = 5  # units still to buy
PAID = 6  # half ticks above the arrival price, summed over units bought
EPISODE = 7
N_COUNTS = 8

#: Arrivals an interval between decisions may have.
INTERVAL_BITS = 32
#: Entries of the guide to a cumulative law.
GUIDE = 64


class QrmTables(NamedTuple):
    """Parameters in the form the kernels read.

    Attributes:
        rates: (2K, Q + 1, 3) per second.
        totals: (2K, Q + 1) their sums.
        law: (2K, Q + 1) cumulative law of the queues; the last is above 1.
        guide: (2K, 64) first size whose cumulative law exceeds j / 64.
        nearer: (K, Q + 1) size at level k - 1 of what had a size at level k.
        deeper: (K, Q + 1) size at level k + 1 of what had a size at level k.
        thetas: (2,) theta and theta_reinit.
    """

    rates: np.ndarray
    totals: np.ndarray
    law: np.ndarray
    guide: np.ndarray
    nearer: np.ndarray
    deeper: np.ndarray
    thetas: np.ndarray


class QrmState(NamedTuple):
    """n books; a row belongs to one.

    Attributes:
        queues: (n, 2K) int64 units.
        rates: (n, 2K) float64 total rate of each queue.
        saved: (n, 2K) int64 scratch.
        clock: (n,) float64 seconds since the opening.
        counts: (n, 8) int64, see the constants.
        keys: (n, 4) uint64 keys of the streams.
    """

    queues: np.ndarray
    rates: np.ndarray
    saved: np.ndarray
    clock: np.ndarray
    counts: np.ndarray
    keys: np.ndarray


def tables_of(params: QrmParams) -> QrmTables:
    """The tables of ``params``; sizes that change level are rounded half to even and bounded by Q."""
    k, q = params.levels, params.max_queue
    rates = np.ascontiguousarray(np.moveaxis(params.rates, 2, 0).reshape(2 * k, q + 1, 3))
    law = np.cumsum(params.law().reshape(2 * k, q + 1), axis=1)
    law[:, -1] = 2.0
    starts = np.arange(GUIDE) / GUIDE
    guide = np.array([np.searchsorted(row, starts, side="right") for row in law], dtype=np.int64)
    sizes, units = np.asarray(params.event_size), np.arange(q + 1)
    nearer, deeper = np.zeros((k, q + 1), np.int64), np.zeros((k, q + 1), np.int64)
    for level in range(k - 1):
        deeper[level] = np.minimum(q, np.rint(units * (sizes[level] / sizes[level + 1])))
        nearer[level + 1] = np.minimum(q, np.rint(units * (sizes[level + 1] / sizes[level])))
    thetas = np.array([params.theta, params.theta_reinit])
    return QrmTables(rates, rates.sum(axis=2), law, guide, nearer, deeper, thetas)


def new_state(params: QrmParams, books: int) -> QrmState:
    """Room for ``books`` books, not yet opened (`sim.qrm_kernel.open_book`)."""
    queues = 2 * params.levels
    return QrmState(
        np.zeros((books, queues), np.int64),
        np.zeros((books, queues)),
        np.zeros((books, queues), np.int64),
        np.zeros(books),
        np.zeros((books, N_COUNTS), np.int64),
        np.zeros((books, N_STREAMS), np.uint64),
    )


@njit(cache=True)
def episode_key(seed: int, episode: int, stream: int) -> np.uint64:
    """The key of a stream of an episode of a seed: the same whatever else is run beside it."""
    return stream_key(seed, episode * N_STREAMS + stream)
