"""The volume profile behind VWAP, and the cost a backtest charges."""

import numpy as np
import polars as pl
import pytest

from models.execution.measured import measured_bps
from models.execution.volume_profile import DAY_NS, intraday_profile

MINUTE = 60_000_000_000
OPEN = 14 * 60 + 30


def bars(volume):
    start = 5 * DAY_NS + (OPEN + np.arange(len(volume))) * MINUTE
    return pl.DataFrame({"ts_open": start, "ts": start + MINUTE, "volume_lots": volume})


def test_a_flat_session_gives_even_slices():
    profile = intraday_profile(bars([100] * 120), horizon_s=600)
    assert profile(10, {"now_ns": 9 * DAY_NS + (OPEN + 40) * MINUTE}) == pytest.approx(np.full(10, 0.1))


def test_slices_follow_the_volume_of_the_time_of_day_on_another_date():
    profile = intraday_profile(bars(list(range(10, 130))), horizon_s=3600)
    shares = profile(6, {"now_ns": 8 * DAY_NS + (OPEN + 30) * MINUTE})
    assert shares.sum() == pytest.approx(1.0) and (np.diff(shares) > 0).all()


def test_a_time_of_day_without_volume_gives_even_slices():
    profile = intraday_profile(bars([100] * 10), horizon_s=600)
    assert profile(4, {"now_ns": 8 * DAY_NS}) == pytest.approx(np.full(4, 0.25))


def test_the_measured_cost_is_the_mean_of_trading_at_once_on_the_tape():
    rows = pl.DataFrame(
        {
            "market": ["replay", "replay", "flow", "replay", "replay"],
            "policy": ["immediate", "immediate", "immediate", "twap_taker", "immediate"],
            "symbol": ["A.X", "A.X", "A.X", "A.X", "B.X"],
            "is_bps": [1.0, 3.0, 90.0, 70.0, 5.0],
        }
    )
    assert measured_bps(rows) == {"A.X": 2.0, "B.X": 5.0}
