"""Events of a tape as a point process: market orders, limit orders and cancellations by side.

Here: `tape_events`, `spread_ties`. Not here: measuring rates by distance (sim/flow_measure.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from feeds.schema import ACTION_CODE, FLAG_CLOSING, FLAG_SNAPSHOT, SIDE_CODE
from sim.hawkes_params import HawkesEvents

#: In the order of the marks: what a buyer does stands at even places, what a seller does at odd ones.
KINDS = ("market_buy", "market_sell", "limit_bid", "limit_ask", "cancel_bid", "cancel_ask")
MARKET_BUY, MARKET_SELL, LIMIT_BID, LIMIT_ASK, CANCEL_BID, CANCEL_ASK = range(6)
#: Which kind is which when buyers and sellers change places, for `sim.hawkes_fit.HawkesFit.mirror`.
MIRROR = (1, 0, 3, 2, 5, 4)
_NS = 1_000_000_000


@dataclass(frozen=True)
class TapeEvents:
    """What counts as an event.

    Attributes:
        resolution_ns: Step of the venue's clock. Events of one stamp are spread over it, see `spread_ties`.
        near_ticks: Limit orders and cancellations farther than this from the opposite best do not count; needs book
            columns. None: all count.
        from_ns: Only events from this venue time on.
        until_ns: Only events before this venue time.
    """

    resolution_ns: int = 1
    near_ticks: int | None = None
    from_ns: int | None = None
    until_ns: int | None = None


def tape_events(tape: pl.DataFrame, what: TapeEvents | None = None) -> HawkesEvents:
    """Six kinds of events of a tape, see `KINDS`, in seconds since its first live row or ``from_ns``.

    Executions of one stamp and side are one market order: of its fills, or of its prints where the tape reports no
    fills. A cancellation is a ``C`` row whose order no print names; a reduced size (``M``) is none. Snapshots, closing
    rows and prints of unknown side do not count.

    Args:
        tape: RAW_TICKS rows in source order.
        what: What counts.

    Returns:
        Events in the venue's time (its running maximum, so that late rows do not go back).

    Raises:
        InsufficientDataError: No event is left, or `TapeEvents.near_ticks` is given without a book.
    """
    what = what or TapeEvents()
    frame = _live(tape, what)
    if frame.is_empty():
        raise InsufficientDataError("events of a tape", received="no live row in the window", expected="some")
    venue = frame["venue"].to_numpy()
    action, side = (frame[name].to_physical().cast(pl.Int64).to_numpy() for name in ("action", "side"))
    marks = np.full(frame.height, -1, np.int64)
    near = frame["near"].to_numpy()
    bid, ask = side == SIDE_CODE["B"], side == SIDE_CODE["A"]
    added = (action == ACTION_CODE["A"]) & near
    gone = (action == ACTION_CODE["C"]) & near & ~frame["filled"].to_numpy()
    marks[added & bid], marks[added & ask] = LIMIT_BID, LIMIT_ASK
    marks[gone & bid], marks[gone & ask] = CANCEL_BID, CANCEL_ASK
    fills = action == ACTION_CODE["F"]
    if fills.any():
        # The side of a fill is the resting order's.
        marks[fills & ask], marks[fills & bid] = MARKET_BUY, MARKET_SELL
    else:
        prints = action == ACTION_CODE["T"]
        marks[prints & bid], marks[prints & ask] = MARKET_BUY, MARKET_SELL
    return _events(venue, marks, what)


def _live(tape: pl.DataFrame, what: TapeEvents) -> pl.DataFrame:
    """Live rows of the window with ``venue``, ``near`` and ``filled``."""
    printed = tape.filter((pl.col("action") == "T") & (pl.col("order_id") != 0))["order_id"].unique()
    frame = tape.with_columns(
        venue=pl.col("ts_event").cum_max(),
        filled=pl.col("order_id").is_in(printed.implode()),
        near=_near(tape, what.near_ticks),
    )
    keep = pl.col("flags") & (FLAG_SNAPSHOT | FLAG_CLOSING) == 0
    if what.from_ns is not None:
        keep &= pl.col("venue") >= what.from_ns
    if what.until_ns is not None:
        keep &= pl.col("venue") < what.until_ns
    return frame.filter(keep)


def _near(tape: pl.DataFrame, near_ticks: int | None) -> pl.Expr:
    if near_ticks is None:
        return pl.lit(True)
    if tape["bid_px"].null_count() == tape.height:
        raise InsufficientDataError(
            "events of a tape near the touch",
            received="no book columns",
            expected="the best prices after every row",
            remedy="Replay the orders with sim.replay.with_book first, or leave near_ticks out.",
        )
    # The book that the row met is the one after the row before.
    bid, ask = (pl.col(name).shift(1).fill_null(0) for name in ("bid_px", "ask_px"))
    from_ask = (ask > 0) & (ask - pl.col("price") <= near_ticks)
    from_bid = (bid > 0) & (pl.col("price") - bid <= near_ticks)
    return pl.when(pl.col("side") == "B").then(from_ask).otherwise(from_bid)


def _events(venue: np.ndarray, marks: np.ndarray, what: TapeEvents) -> HawkesEvents:
    start = int(venue[0]) if what.from_ns is None else what.from_ns
    end = int(venue[-1]) if what.until_ns is None else what.until_ns
    wanted = marks >= 0
    times, kinds = venue[wanted], marks[wanted]
    again = np.zeros(times.size, bool)
    for kind in (MARKET_BUY, MARKET_SELL):
        at = np.flatnonzero(kinds == kind)
        again[at[1:]] = times[at[1:]] == times[at[:-1]]
    times, kinds = times[~again], kinds[~again]
    if times.size == 0:
        raise InsufficientDataError("events of a tape", received="no order and no trade", expected="some")
    seconds = spread_ties((times - start).astype(np.int64), what.resolution_ns)
    end_s = max((end - start + what.resolution_ns) / _NS, float(seconds[-1]))
    return HawkesEvents(seconds, kinds, end_s, KINDS)


def spread_ties(times_ns: np.ndarray, resolution_ns: int) -> np.ndarray:
    """Seconds, with the m events of one stamp at (1 to m) / (m + 1) of the step of the clock behind it.

    A clock hides what happens within its step. Left as ties, events of one stamp would make ever faster decays ever
    more likely, without bound.

    Args:
        times_ns: (n,) int64, not decreasing.
        resolution_ns: The clock's step.

    Returns:
        (n,) float64 seconds, not decreasing.
    """
    if times_ns.size == 0:
        return np.zeros(0)
    first = np.flatnonzero(np.diff(times_ns, prepend=times_ns[0] - 1) != 0)
    sizes = np.diff(np.append(first, times_ns.size))
    rank = np.arange(times_ns.size) - np.repeat(first, sizes) + 1
    return np.asarray((times_ns + resolution_ns * rank / (np.repeat(sizes, sizes) + 1.0)) / _NS)
