"""The plant of the demo market in numbers: per day, second and instrument, what moves the efficient price and why.

The efficient log price is a random walk without memory (correlated across instruments, faster in turbulent stretches)
plus pieces of constant drift: after headlines, during slots of the weak signal, in the flash crash. Nothing else moves
it but the order flow itself (sim/flow_params.py: impact).

Here: planning. Not here: sizes of effects (sim/demo_config.py), orders (sim/demo_flow.py), the truth file
(sim/demo_truth.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sim.demo_config import DemoConfig
from sim.demo_headlines import Headline, draw_headlines

#: Causes of drift.
NEWS, SIGNAL, CRASH = "news", "signal", "crash"
CAUSES = (NEWS, SIGNAL, CRASH)

_BPS = 1e-4
#: Session of 6.5 hours; pace of orders at open and close against the middle of the day.
_FULL_SESSION_S = 23_400.0
_EDGE_PACE, _MIDDLE_PACE = 1.6, 0.85
#: Streams of random numbers of a day.
_REGIMES, _NEWS_DRAWS, _SIGNALS, _PRICES = 0, 1, 2, 3


@dataclass(frozen=True)
class Drift:
    """A piece of drift of one instrument's efficient price.

    Attributes:
        cause: One of `CAUSES`.
        instrument: Place of the instrument.
        start_s: First second, after the open; the piece is public from here on unless its cause is the crash.
        end_s: Second after the last one.
        bps_per_s: Pace.
    """

    cause: str
    instrument: int
    start_s: int
    end_s: int
    bps_per_s: float


@dataclass(frozen=True, eq=False)
class DayPlan:
    """Everything planned of one day, n seconds, k instruments.

    Attributes:
        date: ISO date.
        open_ns: Begin, ns UTC.
        end_ns: End, ns UTC.
        open_price_usd: (k,) efficient price at the open.
        efficient: (k, n + 1) log price since the open, second by second.
        activity: (k, n + 1) planned pace of orders, 1 in an average calm second.
        turbulent: (n,) bool, of the whole market.
        drifts: All pieces of drift.
        headlines: The day's.
        signals: (slots, k, 2) values of ``weak_signal`` and ``placebo``.
    """

    date: str
    open_ns: int
    end_ns: int
    open_price_usd: npt.NDArray[np.float64]
    efficient: npt.NDArray[np.float64]
    activity: npt.NDArray[np.float64]
    turbulent: npt.NDArray[np.bool_]
    drifts: tuple[Drift, ...]
    headlines: tuple[Headline, ...]
    signals: npt.NDArray[np.float64]

    @property
    def seconds(self) -> int:
        """Length of the day."""
        return int(self.turbulent.size)


@lru_cache(maxsize=4)
def plan_market(config: DemoConfig) -> tuple[DayPlan, ...]:
    """All days, each opening where the one before it closed but for an overnight move."""
    plans = []
    last_usd = np.array([instrument.price_usd for instrument in config.instruments])
    root = np.linalg.cholesky(np.asarray(config.correlation))
    for number, date in enumerate(config.dates):
        rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(number, _PRICES)))
        night = root @ rng.standard_normal(len(config.instruments)) * config.overnight_bps * _BPS
        plan = _plan_day(config, number, date, last_usd * np.exp(night if number else 0.0), rng)
        plans.append(plan)
        last_usd = plan.open_price_usd * np.exp(plan.efficient[:, -1])
    return tuple(plans)


def _plan_day(
    config: DemoConfig, number: int, date: str, open_usd: npt.NDArray[np.float64], rng: np.random.Generator
) -> DayPlan:
    seconds = config.seconds(date)
    streams = [
        np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(number, stream)))
        for stream in (_REGIMES, _NEWS_DRAWS, _SIGNALS)
    ]
    turbulent = regimes(config, seconds, streams[0])
    headlines = tuple(draw_headlines(config, seconds, streams[1]))
    slots = -(-seconds // config.signals.slot_s)
    signals = streams[2].standard_normal((slots, len(config.instruments), 2))
    drifts = (*_of_news(config, headlines), *_of_signals(config, signals, seconds), *_of_crash(config, date))
    start, end = config.bounds_ns(date)
    return DayPlan(
        date=date,
        open_ns=start,
        end_ns=end,
        open_price_usd=open_usd,
        efficient=_efficient(config, turbulent, drifts, rng),
        activity=_activity(config, date, turbulent),
        turbulent=turbulent,
        drifts=drifts,
        headlines=headlines,
        signals=signals,
    )


def regimes(config: DemoConfig, seconds: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """(seconds,) True in turbulence; the first stay has begun before the open."""
    plant = config.regimes
    means = (plant.calm_min * 60.0, plant.turbulent_min * 60.0)
    state = bool(rng.random() < means[1] / (means[0] + means[1]))
    turbulent = np.zeros(seconds, np.bool_)
    at, elapsed = 0, float(rng.random())
    while at < seconds:
        stay = rng.gamma(plant.shape, means[state] / plant.shape) * (1.0 - elapsed)
        until = at + max(1, round(stay))
        turbulent[at:until] = state
        at, state, elapsed = until, not state, 0.0
    return turbulent


def _of_news(config: DemoConfig, headlines: tuple[Headline, ...]) -> list[Drift]:
    pace, length = config.news.drift_bps / config.news.drift_s, config.news.drift_s
    return [
        Drift(NEWS, line.instrument, line.second, line.second + length, line.mood * pace)
        for line in headlines
        if line.mood
    ]


def _of_signals(config: DemoConfig, signals: npt.NDArray[np.float64], seconds: int) -> list[Drift]:
    length, pace = config.signals.slot_s, config.signals.weak_bps_per_min / 60.0
    return [
        Drift(SIGNAL, place, slot * length, min((slot + 1) * length, seconds), float(values[place, 0]) * pace)
        for slot, values in enumerate(signals)
        for place in range(signals.shape[1])
    ]


def _of_crash(config: DemoConfig, date: str) -> list[Drift]:
    crash = config.crash
    places = [k for k, instrument in enumerate(config.instruments) if crash and instrument.ticker == crash.ticker]
    if crash is None or crash.date != date or not places:
        return []
    bottom = crash.start_s + crash.fall_s
    back = bottom + crash.hold_s
    rebound = crash.fall_bps * crash.recovery_share / crash.recovery_s
    return [
        Drift(CRASH, places[0], crash.start_s, bottom, -crash.fall_bps / crash.fall_s),
        Drift(CRASH, places[0], back, crash.end_s, rebound),
    ]


def drift_bps(plan: DayPlan, cause: str, instruments: int) -> npt.NDArray[np.float64]:
    """(k, n) drift of one cause within each second, bps."""
    pace = np.zeros((instruments, plan.seconds))
    for piece in plan.drifts:
        if piece.cause == cause:
            pace[piece.instrument, piece.start_s : piece.end_s] += piece.bps_per_s
    return pace


def _efficient(
    config: DemoConfig, turbulent: npt.NDArray[np.bool_], drifts: tuple[Drift, ...], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    k, n = len(config.instruments), turbulent.size
    root = np.linalg.cholesky(np.asarray(config.correlation))
    calm = np.array([instrument.volatility_bps for instrument in config.instruments]) / np.sqrt(60.0)
    scale = np.where(turbulent, config.regimes.volatility_factor, 1.0)
    steps = (root @ rng.standard_normal((k, n))) * calm[:, None] * scale
    for piece in drifts:
        steps[piece.instrument, piece.start_s : piece.end_s] += piece.bps_per_s
    return np.concatenate([np.zeros((k, 1)), np.cumsum(steps, axis=1)], axis=1) * _BPS


def _activity(config: DemoConfig, date: str, turbulent: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Busy at open and close, busier in turbulence, busiest in the crash."""
    k, n = len(config.instruments), turbulent.size
    place = 2.0 * np.arange(n) / _FULL_SESSION_S - 1.0
    day = _MIDDLE_PACE + (_EDGE_PACE - _MIDDLE_PACE) * place**4
    pace = np.tile(day * np.where(turbulent, config.regimes.activity_factor, 1.0), (k, 1))
    for piece in _of_crash(config, date)[:1]:
        assert config.crash is not None, "a piece of the crash has a crash"
        pace[piece.instrument, piece.start_s : config.crash.end_s] *= config.crash.activity_factor
    return np.concatenate([pace, pace[:, -1:]], axis=1)
