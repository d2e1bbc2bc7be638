"""Two clocks: when a row could first be known, though the receiver's clock may be wrong.

A row is known when it is received, ``ts_recv``. Where the receiver's clock runs behind the venue's, rows arrive before
they happened, and a price would be known too early. The delay ``ts_recv - ts_event`` of a row is its way through the
network plus the difference of the clocks; the way is never negative, so the smallest delay of late bounds the
difference from above. `known_at` adds to ``ts_recv`` what lifts the smallest delay of the trailing window to zero.

The way itself cannot be told from the difference with one direction measured: after the correction the fastest row of
the window counts as received at once, so that the estimate is early by the shortest way (milliseconds on the internet,
microseconds in a data centre); a clock that runs *ahead* hides in the delay and only makes rows known late. Both
original stamps stay in ``raw_ticks``.

Here: the running correction, and figures about a day's clocks. Not here: what is done with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Parts of the window: the running minimum forgets in steps of a part.
PARTS = 16
#: Length of the pieces of a day whose smallest delays the envelope runs through.
PIECE_NS = 1_000_000_000
_NS_PER_MS = 1e6


def known_at(ts_event: np.ndarray, ts_recv: np.ndarray, window_ns: int, max_error_ns: int) -> np.ndarray:
    """When each row could first have been known; never decreases, never before the row's own stamp.

    Args:
        ts_event: (n,) int64, venue clock, ns UTC, in source order.
        ts_recv: (n,) int64, receiver's clock.
        window_ns: How long a small delay is remembered, give or take a `PARTS`-th. Longer is steadier, shorter follows
            a drifting clock.
        max_error_ns: Rows received longer than this before their stamp are no evidence about the clock, and may keep
            a time before their own stamp.

    Returns:
        (n,) int64, ns UTC: the running maximum of the corrected ``ts_recv``; depends on a row and its past only.
    """
    delay = ts_recv - ts_event
    evidence = (delay < 0) & (delay >= -max_error_ns)
    if not evidence.any():
        return np.maximum.accumulate(ts_recv) if ts_recv.size else ts_recv.copy()
    received = np.maximum.accumulate(ts_recv)
    error = _trailing_minimum(np.where(evidence, delay, 0), received // max(window_ns // PARTS, 1))
    return np.maximum.accumulate(ts_recv - error)


def is_stamp_ahead(ts_event: np.ndarray, ts_recv: np.ndarray, max_error_ns: int) -> np.ndarray:
    """(n,) rows received longer than ``max_error_ns`` before their venue stamp."""
    return ts_recv - ts_event < -max_error_ns


def _trailing_minimum(values: np.ndarray, part: np.ndarray) -> np.ndarray:
    """(n,) the least value of a row's part up to the row, and of the `PARTS` parts before; ``part`` never decreases."""
    starts = np.flatnonzero(np.concatenate([[True], part[1:] != part[:-1]]))
    lowest = np.minimum.reduceat(values, starts)
    numbers = part[starts]
    out = np.empty_like(values)
    ends = np.append(starts[1:], values.size)
    first = 0
    for k, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        while numbers[first] < numbers[k] - PARTS:
            first += 1
        before = lowest[first:k].min() if first < k else values[start]
        out[start:end] = np.minimum(np.minimum.accumulate(values[start:end]), before)
    return out


@dataclass(frozen=True)
class ClockFigures:
    """How a day's two clocks compare; looks at the whole day.

    Attributes:
        least_delay_ms: Smallest ``ts_recv - ts_event``; negative: the receiver's clock is behind by at least that.
        median_delay_ms: Its median.
        drift_ppm: Slope of the lower envelope of the delays, parts per million: how much faster the receiver's clock
            runs. NaN where the day is too short to tell.
    """

    least_delay_ms: float
    median_delay_ms: float
    drift_ppm: float


def clock_figures(ts_event: np.ndarray, ts_recv: np.ndarray) -> ClockFigures:
    """Compare the clocks of a day.

    The drift is the slope of the line below all delays that is closest to them in sum, after Moon, Skelly and Towsley,
    "Estimation and removal of clock skew from network delay measurements", INFOCOM 1999: the edge of the lower convex
    hull above the mean time. The hull is taken of the smallest delay of each second.

    Args:
        ts_event: (n,) int64 ns, n > 0.
        ts_recv: (n,) int64 ns.
    """
    delay = ts_recv - ts_event
    piece = ts_event // PIECE_NS
    order = np.lexsort((delay, piece))
    first = order[np.concatenate([[True], np.diff(piece[order]) != 0])]
    drift = _envelope_slope((ts_event[first] - ts_event[first[0]]) * 1.0, delay[first] * 1.0) * 1e6
    return ClockFigures(float(delay.min()) / _NS_PER_MS, float(np.median(delay)) / _NS_PER_MS, drift)


def _envelope_slope(x: np.ndarray, y: np.ndarray) -> float:
    """Slope of the lower hull's edge above the mean of ``x`` (ascending); NaN for fewer than two points."""
    hull: list[int] = []
    for i in range(x.size):
        while len(hull) > 1 and not _turns_left(x, y, hull[-2], hull[-1], i):
            hull.pop()
        hull.append(i)
    if len(hull) < 2:
        return float("nan")
    edge = int(np.clip(np.searchsorted(x[hull], x.mean()), 1, len(hull) - 1))
    left, right = hull[edge - 1], hull[edge]
    return float((y[right] - y[left]) / (x[right] - x[left]))


def _turns_left(x: np.ndarray, y: np.ndarray, a: int, b: int, c: int) -> bool:
    return bool((x[b] - x[a]) * (y[c] - y[a]) > (y[b] - y[a]) * (x[c] - x[a]))
