"""Volatility scaling and measured cost: point in time, constant while held, with their controls beside them."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.errors import SchemaError, StudyError
from models.backtest import CostModel, PositionRule, run_backtest
from models.position_size import VolatilityPath, sized, variance_of, volatility_paths

S = 1_000_000_000
T0 = 1_381_152_600 * S
FREE = CostModel(fee_bps=0.0, half_spread=False)


def market(returns_bps, symbol="A.X", spread=1.0, start=T0) -> pl.DataFrame:
    mid = 1e6 * np.cumprod(np.concatenate([[1.0], 1 + np.asarray(returns_bps) / 1e4]))
    ts = start + np.arange(mid.size) * S
    return pl.DataFrame({"ts": ts, "symbol": symbol, "mid_ticks": mid, "spread_bps": np.full(mid.size, spread)})


def forecasts(values, symbol="A.X", start=T0) -> pl.DataFrame:
    ts = start + np.arange(len(values)) * S
    return pl.DataFrame({"ts": ts, "symbol": symbol, "forecast_bps": np.asarray(values, dtype=float)})


def volatility(bps_by_second: dict[float, float | None], symbol="A.X", block_s=300, horizon_s=1) -> pl.DataFrame:
    """Forecasts that mean ``bps`` over ``horizon_s`` seconds, made at given seconds after the start."""
    ts = [T0 + int(second * S) for second in bps_by_second]
    per_block = [None if v is None else (v / 1e4) ** 2 * block_s / horizon_s for v in bps_by_second.values()]
    frame = {"symbol": symbol, "ts": ts, "target_ts": [t + block_s * S for t in ts], "variance": per_block}
    return pl.DataFrame(frame, schema_overrides={"variance": pl.Float64})


def rule(target=10.0, most=100.0, horizon_ms=1_000) -> PositionRule:
    return PositionRule(horizon_ms, target_volatility_bps=target, max_leverage=most)


def walk(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


# --- size ---


@pytest.mark.parametrize(("forecast_bps", "size"), [(10.0, 1.0), (5.0, 2.0), (40.0, 0.25), (0.01, 3.0)])
def test_the_size_is_target_over_forecast_and_never_beyond_the_cap(forecast_bps, size):
    known = volatility({0: forecast_bps})
    result = run_backtest(forecasts([1.0, 0, 0]), market(np.ones(5)), FREE, rule(most=3.0), volatility=known)
    assert result.curve["position"].to_list() == pytest.approx([size, 0, 0, 0, 0, 0])
    assert result.summary["mean_size"] == pytest.approx(size)
    assert result.summary["gross_total_bps"] == pytest.approx(size)
    assert result.summary["unscaled_gross_total_bps"] == pytest.approx(1.0)


@pytest.mark.parametrize(("most", "size"), [(3.0, 1.0), (0.5, 0.5)])
@pytest.mark.parametrize("known", [None, volatility({1.5: 1.0}), volatility({0: None}), volatility({0: 1.0}, "B.X")])
def test_without_a_known_forecast_one_notional_is_traded_at_most_the_cap(known, most, size):
    result = run_backtest(forecasts([0, 1.0, 0]), market(np.ones(5)), FREE, rule(most=most), volatility=known)
    assert result.curve["position"].to_list() == [0, size, 0, 0, 0, 0]
    assert result.summary["trades_with_forecast"] == 0
    assert "0 of 1 trades" in result.summary["size_note"]


def test_variance_is_scaled_from_its_block_to_the_horizon():
    path = volatility_paths(volatility({0: 7.0}, block_s=300, horizon_s=60))["A.X"]
    at = np.array([T0])
    assert path.known_at(at, 60_000) == pytest.approx([7.0])
    assert path.known_at(at, 300_000) == pytest.approx([7.0 * 5**0.5])


def test_a_later_forecast_counts_from_when_it_was_made_and_a_missing_one_never():
    path = volatility_paths(volatility({0: 4.0, 10: None, 20: 8.0}))["A.X"]
    moments = T0 + np.array([-1, 0, 10 * S, 20 * S - 1, 20 * S])
    np.testing.assert_allclose(path.known_at(moments, 1_000), [np.nan, 4, 4, 4, 8])


def test_the_size_comes_from_what_was_known_when_the_trade_was_decided_not_when_it_was_executed():
    known = volatility({0: 10.0, 2.5: 5.0})
    late = CostModel(0.0, half_spread=False, latency_ms=2_000)
    values = [0, 1.0, 0, 0, 1.0, 0]
    held = run_backtest(forecasts(values), market(np.ones(8)), late, rule(), volatility=known).curve["position"]
    # the forecast of second 1 acts at 3 and knows of 10 bps only; the one of second 4 knows of 5 bps
    assert held.to_list() == pytest.approx([0, 0, 0, 1, 0, 0, 2, 0, 0])


def test_a_held_trade_keeps_its_size_and_a_reversal_takes_a_new_one():
    known = volatility({k: 10.0 / (1 + k) for k in range(10)})
    values = [1.0, 1, 1, -1, -1, 0, 0, 1, 0]
    result = run_backtest(forecasts(values), market(np.ones(9)), FREE, rule(), volatility=known)
    assert result.curve["position"].to_list() == pytest.approx([1, 1, 1, -4, -4, 0, 0, 8, 0, 0])
    assert result.summary["turnover"] == pytest.approx(1 + 5 + 4 + 8 + 8)
    assert result.summary["trades"] == 3
    assert result.summary["unscaled_turnover"] == pytest.approx(1 + 2 + 1 + 1 + 1)


def test_a_trade_pays_cost_on_its_size():
    known = volatility({0: 5.0})
    costs = CostModel(1.0, half_spread=False)
    result = run_backtest(forecasts([9.0, 0]), market([3.0, 0, 0]), costs, rule(), volatility=known)
    assert result.summary["net_total_bps"] == pytest.approx(2 * (3.0 - 2.0))
    assert result.summary["unscaled_net_total_bps"] == pytest.approx(3.0 - 2.0)
    assert result.summary["net_hit_rate"] == 1.0
    assert result.summary["unscaled_cost_total_bps"] == pytest.approx(2.0)


def test_the_unscaled_control_is_the_backtest_without_scaling():
    moves, values = walk(400), 3 * walk(400, 1)
    known = volatility({float(k): 5.0 + k % 7 for k in range(0, 400, 30)})
    costs = CostModel(0.2, latency_ms=500)
    plain = run_backtest(forecasts(values), market(moves), costs, PositionRule(3_000))
    scaled = run_backtest(forecasts(values), market(moves), costs, rule(most=2.0, horizon_ms=3_000), volatility=known)
    for side in ("gross", "net"):
        for figure in ("total_bps", "max_drawdown_bps", "sharpe_per_period"):
            control = scaled.summary[f"unscaled_{side}_{figure}"]
            assert control == pytest.approx(plain.summary[f"{side}_{figure}"], abs=1e-9)
        assert scaled.curve[f"unscaled_{side}_bps"].to_list() == pytest.approx(plain.curve[f"{side}_bps"].to_list())
        assert scaled.curve[f"blind_{side}_bps"].equals(plain.curve[f"blind_{side}_bps"])
    assert (scaled.curve["position"] != plain.curve["position"]).any()
    assert (scaled.curve["position"].sign() == plain.curve["position"].sign()).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 118))
def test_changing_later_volatility_forecasts_changes_no_earlier_position(seed, cut):
    moves, values = walk(120, seed), walk(120, seed + 1)
    random = np.random.default_rng(seed)
    known = volatility({float(k): float(v) for k, v in enumerate(random.uniform(2, 30, 120))})
    later = pl.col("ts") >= T0 + cut * S
    other = known.with_columns(pl.when(later).then(pl.col("variance") * 3).otherwise(pl.col("variance")))
    runs = [
        run_backtest(forecasts(values), market(moves), FREE, rule(horizon_ms=4_000), volatility=v).curve
        for v in (known, other)
    ]
    assert runs[0]["position"].head(cut).equals(runs[1]["position"].head(cut))
    # Near the end no further trade may open; up to the middle one always does.
    assert cut > 60 or not runs[0]["position"].equals(runs[1]["position"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=40), st.integers(0, 99))
def test_sizes_agree_with_a_plain_walk_through_the_rows(directions, seed):
    held = np.array([*directions, 0.0])
    random = np.random.default_rng(seed)
    made = np.unique(random.integers(0, held.size, size=4)) * S
    path = VolatilityPath(made, random.uniform(1e-18, 1e-15, made.size))
    decided = np.arange(held.size) * S
    expected, size = [], 0.0
    for k, side in enumerate(held):
        if side != (held[k - 1] if k else 0.0) and side != 0.0:
            (earlier,) = np.nonzero(made <= decided[k])
            forecast = 1e4 * (path.variance_per_ns[earlier[-1]] * 1e9) ** 0.5 if earlier.size else None
            size = min(2.0, 5.0 / forecast if forecast else 1.0)
        expected.append(side * size if side else 0.0)
    position, by_trade = sized(held, decided, path, 1_000, 5.0, 2.0)
    assert position.tolist() == pytest.approx(expected)
    assert by_trade.size == sum(b != a and b != 0.0 for a, b in zip([0.0, *held], held, strict=False))


def test_scaling_steadies_a_market_whose_volatility_changes_where_the_forecast_is_right():
    random = np.random.default_rng(9)
    level = np.repeat([2.0, 20.0], 1_000)
    moves = level * random.normal(size=2_000)
    known = volatility({float(k): float(level[k]) for k in range(0, 2_000, 10)})
    signal = moves + 3 * level * random.normal(size=2_000)
    result = run_backtest(forecasts(signal), market(moves), FREE, rule(), volatility=known).summary
    assert result["gross_sharpe_per_period"] > 1.1 * result["unscaled_gross_sharpe_per_period"]


def test_the_best_offered_forecast_of_each_row_is_taken():
    columns = {"symbol": "A", "ts": [0, 1, 2], "target_ts": [9, 9, 9], "naive": [9.0] * 3, "ewma": [3.0, 3.0, None]}
    frame = pl.DataFrame(columns | {"har": [1.0, None, float("nan")]})
    assert variance_of(frame)["variance"].to_list() == [1.0, 3.0, None]
    with pytest.raises(SchemaError, match="any of"):
        variance_of(frame.drop("har", "ewma"))


def test_wrong_volatility_and_wrong_rules_are_named():
    good = (forecasts([1.0]), market(np.ones(3)), FREE, rule())
    with pytest.raises(SchemaError, match="variance"):
        run_backtest(*good, volatility=volatility({0: 1.0}).drop("variance"))
    with pytest.raises(SchemaError, match="target_ts"):
        run_backtest(*good, volatility=volatility({0: 1.0}).with_columns(pl.col("ts").alias("target_ts")))
    for target, most in ((0.0, 1.0), (1.0, 0.0), (float("inf"), 1.0), (1.0, float("nan"))):
        with pytest.raises(StudyError, match="position rule"):
            PositionRule(1_000, target_volatility_bps=target, max_leverage=most)


# --- measured cost ---


def test_measured_cost_is_charged_in_place_of_the_assumed_and_both_totals_stand_side_by_side():
    moves, values = np.ones(10), [9.0, 0, 0, 9.0, 0, 0]
    assumed = CostModel(0.5)
    measured = CostModel(0.5, measured_bps={"A.X": 3.0})
    plain, charged = (
        run_backtest(forecasts(values), market(moves, spread=2.0), c, PositionRule(1_000)) for c in (assumed, measured)
    )
    assert charged.curve["position"].equals(plain.curve["position"])
    assert plain.summary["cost_total_bps"] == charged.summary["cost_assumed_total_bps"] == pytest.approx(4 * 1.5)
    assert charged.summary["cost_total_bps"] == charged.summary["cost_measured_total_bps"] == pytest.approx(4 * 3.0)
    assert charged.summary["assumed_cost_net_total_bps"] == pytest.approx(plain.summary["net_total_bps"])
    assert charged.curve["assumed_net_bps"].to_list() == pytest.approx(plain.curve["net_bps"].to_list())
    assert charged.summary["net_total_bps"] == pytest.approx(2 * (1.0 - 6.0))
    assert charged.by_symbol["assumed_cost_total_bps"].to_list() == pytest.approx([6.0])
    assert "charged is the implementation shortfall" in charged.summary["cost_note"]
    assert not {"cost_note", "cost_assumed_total_bps", "size_note", "threshold_note"} & set(plain.summary)


def test_an_instrument_without_a_measurement_pays_the_assumed_cost_and_is_named():
    both = pl.concat([market(np.ones(5), s, spread=2.0) for s in ("A.X", "B.X")])
    signals = pl.concat([forecasts([9.0], s) for s in ("A.X", "B.X")])
    result = run_backtest(signals, both, CostModel(0.5, measured_bps={"A.X": 4.0}), PositionRule(1_000))
    assert result.by_symbol["cost_total_bps"].to_list() == pytest.approx([8.0, 3.0])
    assert "charged as assumed: B.X" in result.summary["cost_note"]


def test_the_threshold_knows_the_quote_or_the_expected_cost_and_never_what_was_measured_later():
    values, prices = [5.0, 0, 0], market(np.ones(5), spread=2.0)
    cases = {
        "quoted 3 bps": (CostModel(0.5), True, False),
        "measured later": (CostModel(0.5, measured_bps={"A.X": 50.0}), True, False),
        "expected 6 bps": (CostModel(0.5, expected_bps={"A.X": 3.0}), False, True),
        "expected 2 bps": (CostModel(9.0, expected_bps={"A.X": 1.0}), True, True),
        "expected of another": (CostModel(9.0, expected_bps={"B.X": 1.0}), False, False),
    }
    for name, (costs, trades, noted) in cases.items():
        summary = run_backtest(forecasts(values), prices, costs, PositionRule(1_000)).summary
        assert (bool(summary["trades"]), "threshold_note" in summary) == (trades, noted), name


def test_an_expected_rebate_makes_no_forecast_of_zero_worth_trading():
    costs = CostModel(0.0, half_spread=False, expected_bps={"A.X": -5.0})
    assert costs.decision_bps(np.ones(2), "A.X").tolist() == [0.0, 0.0]
    assert run_backtest(forecasts([0.0, 0]), market(np.ones(3)), costs, PositionRule(1_000)).summary["trades"] == 0


def test_a_measured_cost_must_be_a_number():
    for name in ("measured_bps", "expected_bps"):
        with pytest.raises(StudyError, match=name):
            CostModel(0.0, **{name: {"A.X": float("nan")}})


def test_scaled_and_measured_together_are_plain_json_and_do_not_depend_on_row_order():
    both = pl.concat([market(walk(60)), market(walk(60, 1), "B.X")])
    signals = pl.concat([forecasts(9 * walk(60, 2)), forecasts(9 * walk(60, 3), "B.X")])
    known = pl.concat([volatility({0: 4.0, 20: 9.0}, s) for s in ("A.X", "B.X")])
    costs = CostModel(0.1, measured_bps={"A.X": 1.0}, expected_bps={"B.X": 0.2})
    runs = [
        run_backtest(
            *(f.sample(fraction=1, shuffle=True, seed=k) for f in (signals, both)),
            costs,
            rule(),
            volatility=known.sample(fraction=1, shuffle=True, seed=k),
        )
        for k in (1, 2)
    ]
    assert runs[0].curve.equals(runs[1].curve) and runs[0].by_symbol.equals(runs[1].by_symbol)
    assert json.loads(json.dumps(runs[0].summary, allow_nan=False)) == runs[1].summary
    assert "(B.X)" in runs[0].summary["threshold_note"]
