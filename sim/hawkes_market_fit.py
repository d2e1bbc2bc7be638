"""Fitting the synthetic market of market orders to a real one.

Arrivals by maximum likelihood, signs by their autocorrelation, then the two sizes of the mid's moves: impact from how
far the mid has gone on the surprise of a sign a while later, news from what variance is left.

Here: `fit_order_market`. Not here: the market (sim/hawkes_market.py), reading a tape (sim/hawkes_tape.py).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from feeds.errors import InsufficientDataError
from sim.hawkes_fit import HawkesFit, fit_hawkes
from sim.hawkes_market import OrderMarket, signs_less_forecast
from sim.hawkes_params import HawkesEvents
from sim.sign_memory_fit import fit_sign_memory

#: The one kind of the fitted arrivals.
KIND = "market"
_LEAST_ORDERS = 200


def fit_order_market(
    times_s: np.ndarray,
    signs: np.ndarray,
    end_s: float,
    mid_times_s: np.ndarray,
    log_mid: np.ndarray,
    how: HawkesFit | None = None,
    *,
    horizon_s: float = 60.0,
    longest: int = 3_000,
) -> OrderMarket:
    """Fit arrivals, sign memory, impact and news.

    Args:
        times_s: (n,) market orders, seconds, not decreasing, within (0, ``end_s``].
        signs: (n,) +1 buyer took, -1 seller took.
        end_s: Until when was watched.
        mid_times_s: (m,) moments from which each of ``log_mid`` held, not decreasing; the first is the beginning.
        log_mid: (m,) log mids.
        how: Terms of the arrivals' kernel; by default five decays from 0.01 to 1,000 per second, searched.
        horizon_s: Seconds after which impact is looked at, and over which variance is matched: long enough that the
            bounce of the quotes is over.
        longest: Longest hidden order, see `sim.sign_memory.SignMemory`.

    Returns:
        A market of one kind of arrivals, `KIND`, whose log mid has the variance of the real one over ``horizon_s``.

    Raises:
        InsufficientDataError: Fewer than 200 market orders, or fewer than 20 horizons of mids.
    """
    if times_s.size < _LEAST_ORDERS or end_s < 20 * horizon_s or log_mid.size == 0:
        raise InsufficientDataError(
            "market of market orders",
            received=f"{times_s.size} market orders and {log_mid.size} mids in {end_s:.0f} s",
            expected=f"at least {_LEAST_ORDERS} orders and 20 times {horizon_s} s",
            remedy="Use a longer tape.",
        )
    events = HawkesEvents(times_s, np.zeros(times_s.size, np.int64), end_s, (KIND,))
    how = how or HawkesFit(decays_per_s=(0.01, 0.1, 1.0, 30.0, 1_000.0), fastest_per_s=1e5)
    arrivals = fit_hawkes(events, how).params
    arrivals.require_stationary()
    memory = dataclasses.replace(fit_sign_memory(signs).memory, longest=longest)
    bare = OrderMarket(arrivals, memory, (KIND,), impact_bps=0.0, news_bps=0.0)
    surprise = signs_less_forecast(signs, memory, bare.forecast_lags)

    def mid_at(moments: np.ndarray) -> np.ndarray:
        return np.asarray(log_mid[np.maximum(0, np.searchsorted(mid_times_s, moments, "right") - 1)])

    seen = times_s + horizon_s <= end_s
    before = np.nextafter(times_s[seen], -np.inf)
    gone = 1e4 * (mid_at(before + horizon_s) - mid_at(before))
    impact = max(0.0, float((gone * surprise[seen]).sum() / (surprise[seen] ** 2).sum()))
    grid = np.arange(0.0, end_s, horizon_s)
    variance = float(np.mean((1e4 * np.diff(mid_at(grid))) ** 2))
    an_order = variance * end_s / (horizon_s * times_s.size)
    power = float((surprise**2).mean())
    impact = min(impact, float(np.sqrt(an_order / power)))
    news = float(np.sqrt(max(0.0, an_order - impact**2 * power)))
    return dataclasses.replace(bare, impact_bps=impact, news_bps=news)
