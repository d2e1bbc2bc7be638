"""The truth about a simulated day, for those who judge models by it: never a source, never in the landing zone.

Here: one table a day. Not here: planning (sim/demo_paths.py), comparing models with it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.schema import Schema
from sim.demo_config import NS_PER_S, DemoConfig
from sim.demo_paths import CAUSES, CRASH, NEWS, SIGNAL, DayPlan, Drift, drift_bps

#: Spacing of the rows, seconds.
GRID_S = 5

TRUTH: Schema = {
    "ts": pl.Int64,  # decision time, ns UTC
    "symbol": pl.String,
    "news_bps_per_min": pl.Float64,  # drift of the efficient price now, by cause
    "signal_bps_per_min": pl.Float64,
    "crash_bps_per_min": pl.Float64,
    "news_expected_bps": pl.Float64,  # expected log return over the label horizon, from what is public at ts
    "signal_expected_bps": pl.Float64,
    "expected_bps": pl.Float64,  # of news and signal together; the crash is announced by nothing
    "efficient_bps": pl.Float64,  # planned efficient log price since the open
    "turbulent": pl.Boolean,  # regime of the whole market
    "anomaly": pl.Boolean,  # the flash crash, this instrument
    "correlation": pl.List(pl.Float64),  # with each instrument in the order of the market
}


def truth_of(config: DemoConfig, plan: DayPlan) -> pl.DataFrame:
    """`TRUTH` of one day: every `GRID_S` seconds from the first full step on, by (ts, symbol of the market's order)."""
    k = len(config.instruments)
    seconds = np.arange(GRID_S, plan.seconds + 1, GRID_S)
    at = np.minimum(seconds, plan.seconds - 1)
    pace = {cause: drift_bps(plan, cause, k)[:, at] * 60.0 for cause in CAUSES}
    expected = {cause: _expected(config, plan, cause, seconds) for cause in (NEWS, SIGNAL)}
    frames = [
        pl.DataFrame(
            {
                "ts": plan.open_ns + seconds * NS_PER_S,
                "symbol": [instrument.symbol] * seconds.size,
                **{f"{cause}_bps_per_min": pace[cause][place] for cause in CAUSES},
                **{f"{cause}_expected_bps": expected[cause][place] for cause in (NEWS, SIGNAL)},
                "expected_bps": expected[NEWS][place] + expected[SIGNAL][place],
                "efficient_bps": plan.efficient[place, seconds] * 1e4,
                "turbulent": plan.turbulent[at],
                "anomaly": _in_crash(config, plan, place, seconds),
                "correlation": [list(config.correlation[place])] * seconds.size,
            },
            schema=TRUTH,
        )
        for place, instrument in enumerate(config.instruments)
    ]
    return pl.concat(frames).sort("ts", maintain_order=True)


def _expected(config: DemoConfig, plan: DayPlan, cause: str, seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(k, m) drift of one cause within the horizon, of pieces that have begun: later ones are not known yet."""
    # A label's entry is the first decision time at or after the latency.
    entry = seconds.astype(np.float64) + GRID_S * math.ceil(config.latency_ms / 1000.0 / GRID_S)
    expected = np.zeros((len(config.instruments), seconds.size))
    for piece in plan.drifts:
        if piece.cause == cause:
            expected[piece.instrument] += np.where(
                seconds >= piece.start_s, piece.bps_per_s * _overlap(entry, config.horizon_s, piece), 0.0
            )
    return expected


def _overlap(entry: npt.NDArray[np.float64], horizon_s: int, piece: Drift) -> npt.NDArray[np.float64]:
    left = np.minimum(entry + horizon_s, piece.end_s) - np.maximum(entry, piece.start_s)
    return np.maximum(left, 0.0)


def _in_crash(config: DemoConfig, plan: DayPlan, place: int, seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    pieces = [piece for piece in plan.drifts if piece.cause == CRASH and piece.instrument == place]
    if not pieces or config.crash is None:
        return np.zeros(seconds.size, np.bool_)
    return (seconds >= config.crash.start_s) & (seconds <= config.crash.end_s)
