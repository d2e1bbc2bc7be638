"""Limits: closed forms at the base, and nothing that looks dangerous ever loosens one."""

import json
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from feeds.errors import SchemaError
from models.limits import LimitConfig, risk_limits

CONFIG = LimitConfig(capital=1_000_000.0, daily_var_share=0.02, block_s=300, session_s=23_400.0)
SYMBOLS = ("A.X", "B.X", "C.X")
Z = float(norm.ppf(0.99))
BLOCKS = 23_400 / 300


def volatility(now=(1e-6, 1e-6, 1e-6), usual=(1e-6, 1e-6, 1e-6)):
    return pl.DataFrame({"symbol": SYMBOLS, "variance": now, "median_variance": usual}, strict=False)


def correlation(usual=0.3, recent=0.3):
    records = [
        {"symbol_a": a, "symbol_b": b, "ledoit_wolf": 1.0 if a == b else usual, "ewma": 1.0 if a == b else recent}
        for a in SYMBOLS
        for b in SYMBOLS
    ]
    return pl.DataFrame(records)


def alarms(*counts):
    return pl.DataFrame({"symbol": SYMBOLS, "alarms": counts})


def market(adv=(1e9, 1e9, 1e9)):
    return pl.DataFrame({"symbol": SYMBOLS, "lot_value": [50.0, 20.0, 5.0], "adv_lots": adv}, strict=False)


def limits(now=volatility, matrix=correlation, counts=None, traded=market, config=CONFIG):
    frames = [part() if callable(part) else part for part in (now, matrix, counts, traded)]
    return risk_limits(*frames, config, valid_from_ns=7, model_ids={"correlation": "c-1"})


def values(found):
    return {(row["scope"], row["limit"]): row for row in found.frame.to_dicts()}


def test_a_position_uses_its_share_of_the_value_at_risk_in_ordinary_times():
    row = values(limits())["A.X", "max_position_notional"]
    expected = 0.5 * 20_000 / (Z * math.sqrt(1e-6 * BLOCKS))
    assert row["value"] == row["base"] == pytest.approx(expected)
    assert row["tightened_by"] == 1.0
    assert row["reason"] == "base set by value at risk; forecast volatility 1.00 × its median"
    lots = values(limits())["A.X", "max_position_lots"]
    assert lots["value"] == math.floor(expected / 50.0)


def test_a_position_is_bound_by_volume_or_leverage_where_they_are_smaller():
    thin = values(limits(traded=market((1000.0, None, 1e9))))
    assert thin["A.X", "max_position_notional"]["base"] == pytest.approx(0.02 * 1000 * 50)
    assert "average volume" in thin["A.X", "max_position_notional"]["reason"]
    still = values(limits(now=volatility((1e-12,) * 3, (1e-12,) * 3)))
    assert still["B.X", "max_position_notional"]["base"] == 2_000_000.0
    assert "leverage" in still["B.X", "max_position_notional"]["reason"]


def test_an_order_is_a_share_of_volume_and_never_more_than_the_position():
    found = values(limits(traded=market((100_000.0, None, 1e9))))
    assert found["A.X", "max_order_lots"]["value"] == 100
    assert found["B.X", "max_order_lots"]["base"] == found["B.X", "max_position_lots"]["base"]


def test_the_collar_is_some_block_volatilities_wide_and_does_not_widen_with_the_forecast():
    calm, wild = (values(limits(now=volatility((v,) * 3)))["A.X", "price_collar_bps"] for v in (1e-6, 1e-4))
    assert calm["value"] == wild["value"] == pytest.approx(6 * 1e4 * 1e-3)
    still = values(limits(now=volatility((1e-14,) * 3, (1e-14,) * 3)))
    assert still["A.X", "price_collar_bps"]["value"] == 5.0


def test_twice_the_volatility_halves_the_position():
    found = values(limits(now=volatility((4e-6, 1e-6, 1e-6))))
    row = found["A.X", "max_position_notional"]
    assert row["tightened_by"] == pytest.approx(0.5)
    assert row["value"] == pytest.approx(0.5 * row["base"])
    assert "2.00 × its median" in row["reason"]
    assert found["B.X", "max_position_notional"]["tightened_by"] == 1.0


def test_a_calm_forecast_loosens_nothing():
    assert limits(now=volatility((1e-8,) * 3)).frame["value"].equals(limits().frame["value"])


def test_an_alarm_tightens_its_instrument_and_in_part_the_book():
    quiet, alarmed = values(limits()), values(limits(counts=alarms(2, 0, 0)))
    for limit in ("max_position_notional", "price_collar_bps", "max_orders_per_s"):
        assert alarmed["A.X", limit]["value"] == pytest.approx(0.5 * quiet["A.X", limit]["value"])
        assert alarmed["B.X", limit]["value"] == quiet["B.X", limit]["value"]
    assert "2 recent alarms" in alarmed["A.X", "price_collar_bps"]["reason"]
    var = alarmed["*", "value_at_risk_99"]
    assert (var["base"], var["value"]) == (20_000.0, pytest.approx(20_000 * 5 / 6))


def test_the_gross_limit_holds_the_value_at_risk_of_equal_risk_positions():
    found = values(limits(matrix=correlation(0.3, 0.3), config=CONFIG))
    gross = found["*", "max_gross_notional"]["value"]
    sigma = math.sqrt(1e-6 * BLOCKS)
    square = np.full((3, 3), 0.3) + 0.7 * np.eye(3)
    each = np.full(3, gross / 3) * sigma
    assert Z * math.sqrt(each @ square @ each) == pytest.approx(20_000.0)


def test_a_risen_correlation_tightens_the_gross_limit_and_a_fallen_one_does_not_loosen_it():
    usual, risen, fallen = (
        values(limits(matrix=correlation(0.3, recent)))["*", "max_gross_notional"] for recent in (0.3, 0.9, 0.0)
    )
    assert risen["value"] == pytest.approx(usual["value"] * math.sqrt((3 + 6 * 0.3) / (3 + 6 * 0.9)))
    assert fallen["value"] == usual["value"]
    negative = values(limits(matrix=correlation(0.3, -0.9)))["*", "max_gross_notional"]
    assert negative["value"] == pytest.approx(risen["value"])


def test_without_correlations_all_instruments_move_as_one():
    assert limits(matrix=None).frame["value"].equals(limits(matrix=correlation(1.0, 1.0)).frame["value"])


@pytest.mark.parametrize("missing", [None, math.nan, 0.0, -1.0, math.inf])
def test_no_volatility_forecast_means_no_position(missing):
    found = values(limits(now=volatility((missing, 1e-6, 1e-6))))
    for limit in ("max_position_notional", "max_position_lots", "max_order_lots", "max_orders_per_s"):
        assert found["A.X", limit]["value"] == 0.0
    assert "no volatility forecast" in found["A.X", "max_position_lots"]["reason"]
    assert found["*", "max_gross_notional"]["value"] < values(limits())["*", "max_gross_notional"]["value"]


def test_no_forecast_at_all_closes_the_book():
    found = limits(now=volatility().clear())
    assert values(found)["*", "max_gross_notional"]["value"] == 0.0
    assert found.session_volatility == dict.fromkeys(SYMBOLS)
    json.loads(found.to_json())


finite = st.floats(1e-9, 1e-3)
triple = st.tuples(finite, finite, finite)
factors = st.tuples(*[st.floats(1.0, 50.0)] * 3)
counted = st.tuples(*[st.integers(0, 3)] * 3)


@given(triple, triple, factors, st.floats(-0.45, 0.95), st.floats(-0.45, 0.95), counted)
@settings(max_examples=80, deadline=None)
def test_more_volatility_never_loosens_a_limit(now, usual, more, before, after, counts):
    matrix = correlation(before, after)
    low = limits(volatility(now, usual), matrix, alarms(*counts))
    high = limits(volatility([v * m for v, m in zip(now, more, strict=True)], usual), matrix, alarms(*counts))
    assert (high.frame["value"] <= low.frame["value"] * (1 + 1e-12)).all()


@given(triple, triple, st.floats(0.0, 0.9), st.floats(0.0, 0.9), st.floats(0.0, 0.09), counted, counted)
@settings(max_examples=80, deadline=None)
def test_more_correlation_and_more_alarms_never_loosen_a_limit(now, usual, before, after, rise, counts, extra):
    low = limits(volatility(now, usual), correlation(before, after), alarms(*counts))
    worse = tuple(a + b for a, b in zip(counts, extra, strict=True))
    high = limits(volatility(now, usual), correlation(before, after + rise), alarms(*worse))
    assert (high.frame["value"] <= low.frame["value"] * (1 + 1e-12)).all()


@given(triple, triple, st.floats(-0.45, 0.95), st.floats(-0.45, 0.95), counted)
@settings(max_examples=80, deadline=None)
def test_a_limit_never_exceeds_its_base(now, usual, before, after, counts):
    frame = limits(volatility(now, usual), correlation(before, after), alarms(*counts)).frame
    assert (frame["value"] <= frame["base"]).all()
    assert frame["tightened_by"].is_between(0, 1).all()
    assert frame["value"].is_finite().all() and (frame["value"] >= 0).all()


def test_the_json_is_strict_and_holds_what_the_gate_needs():
    found = limits(counts=alarms(1, 0, 0))
    tree = json.loads(found.to_json(), parse_constant=pytest.fail)
    assert (tree["format"], tree["valid_from_ns"], tree["models"]) == (1, 7, {"correlation": "c-1"})
    assert tree["limits"]["A.X"]["max_position_lots"]["value"] == values(found)["A.X", "max_position_lots"]["value"]
    assert tree["limits"]["*"]["value_at_risk_99"]["base"] == 20_000.0
    assert tree["session_volatility"]["B.X"] == pytest.approx(math.sqrt(1e-6 * BLOCKS))
    assert tree["correlation"]["A.X"]["B.X"] == 0.3
    assert found.to_json() == limits(counts=alarms(1, 0, 0)).to_json()


def test_frames_without_the_needed_columns_or_with_double_instruments_are_refused():
    with pytest.raises(SchemaError, match="median_variance"):
        limits(now=volatility().drop("median_variance"))
    with pytest.raises(SchemaError, match="ewma"):
        limits(matrix=correlation().drop("ewma"))
    with pytest.raises(SchemaError, match="an instrument twice"):
        limits(traded=pl.concat([market(), market().head(1)]))
