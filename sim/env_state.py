"""The arrays that compiled episodes consist of: settings of the task, parent orders, what the last step returned.

Here: structures and empty ones. Not here: what moves them (sim/env_kernel.py), markets (sim/market_kernels.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.execution_task import ExecutionTask
from sim.fees import FEE_COLUMNS
from sim.forecast_series import Forecasts
from sim.market import DEPTHS, FILL_COLUMNS, OWN_COLUMNS, VIEW
from sim.observation import ALL_HIGH, ALL_LOW, OBSERVATION, ObservationSet
from sim.stacked import rows_of

#: Places of `Settings.whole`, int64.
HORIZON_NS, DECISIONS, PARENT, LATENCY_NS, INCREMENT, END_NS, NEEDS_DEPTHS, FURTHER = range(8)
#: Places of `Settings.real`, float64.
TAKER_FEE, MAKER_FEE, RISK_AVERSION, UNFILLED_PENALTY, IMPACT_AVERSION = range(5)

#: Columns of `Episodes.counts`, int64: what `Account` and the environment count; `STATUS` is a number of this module.
SIDE, LEFT, DECISION, PLACED, MAKER_LOTS, FILLS, ARRIVAL_NS, CLOCK_NS, ENDED, STATUS = range(10)
N_COUNTS = 10
#: Columns of `Episodes.sums`, float64: mids in ticks, bps.
MID, ARRIVAL_MID, PREVIOUS_MID, UNIT, SPREAD_BPS, TIMING_BPS, FEES_BPS, WALK_BPS = range(8)
REWARD, SHORTFALL_TERM, RISK_TERM, IMPACT_TERM = range(8, 12)
#: Mid and spread in ticks that the instruction in force met; value traded, which tiers of fees go by, ticks x lots.
MET_MID, MET_SPREAD, TRADED_VALUE = range(12, 15)
N_SUMS = 15
#: Columns of `Episodes.resting`: lots, price in ticks of the own order that trades first, lots ahead of it.
RESTING_LOTS, RESTING_TICKS, RESTING_AHEAD = range(3)

#: What `Episodes.counts` says of a row: all well; why an episode could not begin; why a step is void.
WELL, TOO_SHORT, ONE_SIDED, FILLS_LOST, NO_ROOM, OVER, NEGATIVE = range(7)

#: Own orders and own fills read at once.
OWN_AT_ONCE, FILLS_AT_ONCE = 64, 4_096
#: Own fills an episode keeps at most.
_MOST_FILLS = 1 << 14


class Settings(NamedTuple):
    """What does not change.

    Attributes:
        whole: (8,) int64, see the constants.
        real: (5,) float64, see the constants.
        fees: (tiers, `sim.fees.FEE_COLUMNS`) float64, in place of the fees in ``real`` where there are any.
        terms: (d,) int64, places in `sim.observation.TERMS`.
        low: (terms,) float32, bounds of all terms.
        high: (terms,) float32.
        alpha_ns: (a,) int64, when values became known.
        alpha_bps: (a,) float64.
        volatility_ns: (v,) int64.
        volatility_bps: (v,) float64.
    """

    whole: np.ndarray
    real: np.ndarray
    fees: np.ndarray
    terms: np.ndarray
    low: np.ndarray
    high: np.ndarray
    alpha_ns: np.ndarray
    alpha_bps: np.ndarray
    volatility_ns: np.ndarray
    volatility_bps: np.ndarray


class Last(NamedTuple):
    """How the last step ended, for every row.

    Attributes:
        counts: (n, 10) int64.
        sums: (n, 15) float64.
        path: (n, decisions + 1) float64.
        observed: (n, d) float32.
    """

    counts: np.ndarray
    sums: np.ndarray
    path: np.ndarray
    observed: np.ndarray


class Episodes(NamedTuple):
    """n parent orders and what their last step returned.

    Attributes:
        counts: (n, 10) int64, see the constants.
        sums: (n, 15) float64, see the constants.
        seen: (n, `VIEW`) float64, the view of the market.
        depths: (n, 2, 10) float64, zero where no term needs them.
        resting: (n, 3) int64, see the constants.
        path: (n, decisions + 1) float64, share left.
        fills: (n, m, 4) int64, own fills of the episode.
        observed: (n, d) float32; of the next episode where one began.
        last: The state at the end of the last step, before the next episode began; rows of the same arrays.
        every: (terms,) float32, scratch.
        own: (64, 5) int64, scratch.
        told: (4096, 4) int64, scratch.
    """

    counts: np.ndarray
    sums: np.ndarray
    seen: np.ndarray
    depths: np.ndarray
    resting: np.ndarray
    path: np.ndarray
    fills: np.ndarray
    observed: np.ndarray
    last: Last
    every: np.ndarray
    own: np.ndarray
    told: np.ndarray


def settings_of(
    task: ExecutionTask, wanted: ObservationSet, forecasts: Forecasts, increment_ticks: int, end_ns: int
) -> Settings:
    """A task in a market as the kernels read it."""
    whole = (
        task.horizon_ns,
        task.decisions,
        task.parent_lots,
        task.latency_ns,
        increment_ticks,
        end_ns,
        int(wanted.needs_depths),
        int(wanted.places.max() >= len(OBSERVATION)),
    )
    real = (
        task.taker_fee_bps,
        task.maker_fee_bps,
        task.risk_aversion,
        task.unfilled_penalty_bps,
        task.impact_aversion,
    )
    return Settings(
        np.array(whole, np.int64),
        np.array(real, np.float64),
        np.zeros((0, FEE_COLUMNS)) if task.fees is None else task.fees.encoded(),
        wanted.places,
        ALL_LOW,
        ALL_HIGH,
        forecasts.alpha_bps.available_at_ns,
        forecasts.alpha_bps.value,
        forecasts.volatility_bps.available_at_ns,
        forecasts.volatility_bps.value,
    )


def new_episodes(n: int, task: ExecutionTask, wanted: ObservationSet) -> Episodes:
    """Room for ``n`` parent orders."""
    kept, terms = min(task.parent_lots, _MOST_FILLS), len(wanted.terms)
    counts, sums = np.zeros((n, N_COUNTS), np.int64), np.zeros((n, N_SUMS))
    path, observed = np.zeros((n, task.decisions + 1)), np.zeros((n, terms), np.float32)
    return Episodes(
        counts,
        sums,
        np.zeros((n, VIEW)),
        np.zeros((n, 2, DEPTHS)),
        np.zeros((n, 3), np.int64),
        path,
        np.zeros((n, kept, FILL_COLUMNS), np.int64),
        observed,
        Last(counts.copy(), sums.copy(), path.copy(), observed.copy()),
        np.zeros(ALL_LOW.size, np.float32),
        np.zeros((OWN_AT_ONCE, OWN_COLUMNS), np.int64),
        np.zeros((FILLS_AT_ONCE, FILL_COLUMNS), np.int64),
    )


def part_of(episodes: Episodes, rows: slice) -> Episodes:
    """Views of some rows, with scratch of their own: parts may be played at the same time."""
    shared, scratch = Episodes._fields[:-3], Episodes._fields[-3:]
    return Episodes(
        *(rows_of(getattr(episodes, name), rows) for name in shared),
        *(getattr(episodes, name).copy() for name in scratch),
    )
