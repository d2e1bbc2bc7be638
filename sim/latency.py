"""How long messages take between the venue and us, on two clocks.

Three ways: the market's data to us (*feed*), our instructions to the venue (*entry*), its answers and our fills to us
(*response*). A delay is the receiver's stamp minus the sender's, each on its own clock: where the clocks disagree the
delay holds their difference, and may be negative, but never there and back together. Constant, or interpolated in a
log of measured stamps; of the sender's clock always.

Messages of one way do not overtake each other: whatever the delays say, none arrives before one sent earlier.

Here: delays, their kernels, and the clock of a tape as we receive it. Not here: a market behind them
(sim/delayed_market.py), the delay of a decision (`sim.execution_task.ExecutionTask.latency_ns`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit

from feeds.errors import StudyError
from sim.compile_options import ENTRY, INNER


@dataclass(frozen=True, eq=False)
class Delay:
    """Delay of one way by the moment of sending.

    Attributes:
        sent_ns: (k,) int64, ascending, sender's clock; before the first and after the last the delay stays.
        delay_ns: (k,) int64.

    Raises:
        StudyError: The arrays are empty or of different lengths, or the stamps do not ascend.
    """

    sent_ns: np.ndarray
    delay_ns: np.ndarray

    def __post_init__(self) -> None:
        sent, delay = np.asarray(self.sent_ns), np.asarray(self.delay_ns)
        if sent.ndim != 1 or sent.shape != delay.shape or sent.size == 0 or (np.diff(sent) <= 0).any():
            raise StudyError(
                "delay",
                received=f"stamps of shape {sent.shape}, delays of shape {delay.shape}",
                expected="one delay for each of one or more ascending stamps",
                remedy="Sort the log by the time of sending, one row a stamp (Delay.of_log).",
            )
        object.__setattr__(self, "sent_ns", np.ascontiguousarray(sent, np.int64))
        object.__setattr__(self, "delay_ns", np.ascontiguousarray(delay, np.int64))

    @classmethod
    def constant(cls, delay_ns: int) -> Delay:
        """The same delay always."""
        return cls(np.zeros(1, np.int64), np.array([delay_ns], np.int64))

    @classmethod
    def of_log(cls, sent_ns: np.ndarray, received_ns: np.ndarray) -> Delay:
        """Measured delays, in any order; of several messages with one stamp the slowest counts.

        Args:
            sent_ns: (n,) int64, sender's clock.
            received_ns: (n,) int64, receiver's clock.

        Raises:
            StudyError: The log is empty, or its columns differ in length.
        """
        sent, received = np.asarray(sent_ns, np.int64), np.asarray(received_ns, np.int64)
        if sent.size == 0 or sent.shape != received.shape:
            raise StudyError(
                "log of delays", received=f"{sent.size} and {received.size} stamps", expected="as many each"
            )
        stamps, first = np.unique(sent, return_inverse=True)
        slowest = np.full(stamps.size, np.iinfo(np.int64).min)
        np.maximum.at(slowest, first, received - sent)
        return cls(stamps, slowest)

    def at(self, sent_ns: int) -> int:
        """Delay of a message sent at ``sent_ns``, ns."""
        return int(_delay_at(self.sent_ns, self.delay_ns, sent_ns))

    def arrivals(self, sent_ns: np.ndarray) -> np.ndarray:
        """When messages sent at these moments (n,), in their order, arrive: (n,) int64, never decreasing."""
        out = np.empty(len(sent_ns), np.int64)
        write_arrivals(self.sent_ns, self.delay_ns, np.ascontiguousarray(sent_ns, np.int64), out)
        return out


@dataclass(frozen=True, eq=False)
class Latency:
    """The three ways.

    Attributes:
        feed: Venue to us.
        entry: Us to the venue.
        response: Venue to us, answers and fills.

    Raises:
        StudyError: A message could be answered before it was sent: there and back together take less than nothing.
    """

    feed: Delay
    entry: Delay
    response: Delay

    def __post_init__(self) -> None:
        there = int(self.entry.delay_ns.min())
        for name, back in (("feed", self.feed), ("response", self.response)):
            if there + int(back.delay_ns.min()) < 0:
                raise StudyError(
                    f"latency: entry and {name}",
                    received=f"{there} ns and {int(back.delay_ns.min())} ns at least",
                    expected="0 or more there and back",
                    remedy="Compare the stamps with one clock: the difference of two clocks cancels there and back.",
                )

    @classmethod
    def constant(cls, feed_ns: int = 0, entry_ns: int = 0, response_ns: int = 0) -> Latency:
        """Constant delays."""
        return cls(Delay.constant(feed_ns), Delay.constant(entry_ns), Delay.constant(response_ns))


def feed_delay_of(tape: pl.DataFrame, every_ns: int = 1_000_000_000) -> Delay:
    """The feed's delay as a tape with two clocks shows it.

    Args:
        tape: RAW_TICKS rows in source order.
        every_ns: Grid on the venue's clock: the slowest row of each cell counts, at the cell's beginning.

    Raises:
        StudyError: The tape has no rows.
    """
    sent = tape["ts_event"].to_numpy()
    return Delay.of_log(sent // every_ns * every_ns, sent // every_ns * every_ns + tape["ts_recv"].to_numpy() - sent)


def on_the_venues_clock(tape: pl.DataFrame) -> pl.DataFrame:
    """The same rows, known when they happened: what the venue itself knows (``ts_recv`` is ``ts_event``)."""
    return tape.with_columns(pl.col("ts_event").alias("ts_recv"))


@njit(**INNER)
def delay_at(sent_ns: np.ndarray, delay_ns: np.ndarray, moment_ns: int) -> int:
    """Delay of a message sent at ``moment_ns``: linear between the stamps around it, rounded down."""
    last = sent_ns.shape[0] - 1
    if moment_ns >= sent_ns[last]:
        return delay_ns[last]
    if moment_ns <= sent_ns[0]:
        return delay_ns[0]
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) >> 1
        if sent_ns[middle] <= moment_ns:
            low = middle
        else:
            high = middle
    share = (moment_ns - sent_ns[low]) / (sent_ns[high] - sent_ns[low])
    return delay_ns[low] + int(np.floor(share * (delay_ns[high] - delay_ns[low])))


@njit(**INNER)
def arrival_ns(sent_ns: np.ndarray, delay_ns: np.ndarray, moment_ns: int, before_ns: int) -> int:
    """When a message sent at ``moment_ns`` arrives, the one before it having arrived at ``before_ns``."""
    return max(before_ns, moment_ns + delay_at(sent_ns, delay_ns, moment_ns))


@njit(**ENTRY)
def write_arrivals(sent_ns: np.ndarray, delay_ns: np.ndarray, moments_ns: np.ndarray, out: np.ndarray) -> None:
    """Write the arrivals of messages sent at ``moments_ns`` (n,), in their order, to ``out`` (n,)."""
    for i in range(moments_ns.shape[0]):
        before = out[i - 1] if i else np.iinfo(np.int64).min
        out[i] = arrival_ns(sent_ns, delay_ns, moments_ns[i], before)


@njit(**ENTRY)
def _delay_at(sent_ns: np.ndarray, delay_ns: np.ndarray, moment_ns: int) -> int:
    return delay_at(sent_ns, delay_ns, moment_ns)
