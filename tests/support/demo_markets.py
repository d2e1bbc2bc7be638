"""Small simulated markets, fast enough for a test."""

from __future__ import annotations

from dataclasses import replace

from sim.demo_config import DEMO_INSTRUMENTS, CrashPlant, DemoConfig, NewsPlant, RegimePlant

#: Two days on either side of the change of the American clocks.
DATES = ("2026-03-06", "2026-03-09")
CRASH = CrashPlant(date=DATES[1], start_s=2400)
QUIET_INSTRUMENTS = tuple(replace(instrument, volatility_bps=0.0) for instrument in DEMO_INSTRUMENTS)


def small_market(**changes: object) -> DemoConfig:
    """One instrument, two sessions of an hour, one flash crash."""
    one = {
        "name": "small",
        "dates": DATES,
        "instruments": DEMO_INSTRUMENTS[1:2],
        "correlation": ((1.0,),),
        "crash": CRASH,
        "session_s": 3600,
    }
    return replace(DemoConfig(), **(one | changes))


def quiet_market(**changes: object) -> DemoConfig:
    """Three instruments whose efficient prices move by what is planted only; one regime."""
    calm = {
        "name": "quiet",
        "instruments": QUIET_INSTRUMENTS,
        "overnight_bps": 0.0,
        "regimes": RegimePlant(volatility_factor=1.0, activity_factor=1.0),
        "news": NewsPlant(neutral_share=0.3),
    }
    return replace(DemoConfig(), **(calm | changes))
