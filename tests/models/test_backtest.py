import json

import numpy as np
import polars as pl
import pytest

from feeds.errors import InsufficientDataError, SchemaError, StudyError
from models.backtest import CostModel, PositionRule, positions, run_backtest
from models.metrics.performance import deflated_sharpe, max_drawdown, moments

S = 1_000_000_000
T0 = 1_381_152_600 * S
DAY = 86_400 * S
FREE = CostModel(fee_bps=0.0, half_spread=False)


def market(returns_bps, symbol="A.X", start=T0, spread=1.0) -> pl.DataFrame:
    """One row a second; the mid moves by ``returns_bps[k]`` between row k and k + 1."""
    mid = 1e6 * np.cumprod(np.concatenate([[1.0], 1 + np.asarray(returns_bps) / 1e4]))
    ts = start + np.arange(mid.size) * S
    return pl.DataFrame({"ts": ts, "symbol": symbol, "mid_ticks": mid, "spread_bps": np.full(mid.size, spread)})


def forecasts(values, symbol="A.X", start=T0) -> pl.DataFrame:
    ts = start + np.arange(len(values)) * S
    return pl.DataFrame({"ts": ts, "symbol": symbol, "forecast_bps": np.asarray(values, dtype=float)})


def walk(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


def test_a_zero_forecast_earns_and_pays_nothing():
    result = run_backtest(forecasts(np.zeros(50)), market(walk(50)), CostModel(1.0), PositionRule(1_000))
    assert (result.curve["gross_bps"] == 0).all()
    assert (result.curve["net_bps"] == 0).all()
    assert result.summary["trades"] == result.summary["turnover"] == result.summary["cost_blind_net_total_bps"] == 0
    assert result.summary["net_sharpe_per_period"] is None


def test_perfect_foresight_without_cost_earns_every_absolute_return():
    moves = walk(200)
    result = run_backtest(forecasts(moves), market(moves), FREE, PositionRule(1_000))
    assert result.summary["gross_total_bps"] == pytest.approx(np.abs(moves).sum())
    assert result.summary["net_total_bps"] == result.summary["gross_total_bps"]
    assert result.summary["net_max_drawdown_bps"] == 0.0


def test_the_opposite_of_foresight_loses_exactly_as_much():
    moves = walk(200)
    result = run_backtest(forecasts(-moves), market(moves), FREE, PositionRule(1_000))
    assert result.summary["net_total_bps"] == pytest.approx(-np.abs(moves).sum())
    assert result.summary["net_max_drawdown_bps"] == pytest.approx(np.abs(moves).sum())


def test_cost_is_turnover_times_the_cost_of_a_side():
    moves = walk(300)
    costs = CostModel(fee_bps=0.3, half_spread=True)
    result = run_backtest(forecasts(100 * moves), market(moves, spread=2.0), costs, PositionRule(1_000))
    assert result.summary["turnover"] > 100
    assert result.summary["cost_total_bps"] == pytest.approx(result.summary["turnover"] * 1.3)
    paid = result.curve["gross_bps"][-1] - result.curve["net_bps"][-1]
    assert paid == pytest.approx(result.summary["cost_total_bps"])


def test_each_side_pays_the_spread_quoted_when_it_trades():
    moves = np.zeros(4)
    quoted = market(moves).with_columns(pl.Series("spread_bps", [2.0, 4.0, 6.0, 8.0, 10.0]))
    result = run_backtest(forecasts([50.0]), quoted, CostModel(0.5), PositionRule(2_000))
    # opened at row 0 (0.5 + 1), closed two seconds later at row 2 (0.5 + 3)
    assert result.curve["cost_period_bps"].to_list() == [1.5, 0.0, 3.5, 0.0, 0.0]
    assert result.curve["position"].to_list() == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert CostModel(0.5, half_spread=False).per_side_bps(np.array([2.0])).tolist() == [0.5]


def test_only_a_forecast_beyond_the_round_trip_is_traded():
    # round trip: 2 x (0.5 + 1) = 3 bps
    result = run_backtest(
        forecasts([3.0, 0, -3.01, 0]), market(np.ones(6), spread=2.0), CostModel(0.5), PositionRule(1_000)
    )
    assert result.curve["position"].to_list() == [0, 0, -1, 0, 0, 0, 0]
    twice = run_backtest(
        forecasts([5.9, 0, 6.1, 0]), market(np.ones(6), spread=2.0), CostModel(0.5), PositionRule(1_000, 2.0)
    )
    assert twice.curve["position"].to_list() == [0, 0, 1, 0, 0, 0, 0]


def test_a_position_is_held_to_the_horizon_prolonged_by_confirmation_and_reversed_by_contradiction():
    values = [1.0, 0, 0, 0, 0, 1.0, 0, 1.0, 0, 0, 0, 0, 1.0, -1.0, 0, 0, 0]
    result = run_backtest(forecasts(values), market(np.ones(18)), FREE, PositionRule(3_000))
    expected = [1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1, -1, -1, -1, 0, 0, 0]
    assert result.curve["position"].to_list() == expected
    assert result.summary["trades"] == 4


@pytest.mark.parametrize(("latency_ms", "delay"), [(0, 0), (1, 1), (1_000, 1), (1_001, 2), (3_000, 3)])
def test_a_position_uses_only_forecasts_as_old_as_the_latency(latency_ms, delay):
    values = np.zeros(10)
    values[2] = 1.0
    costs = CostModel(0.0, half_spread=False, latency_ms=latency_ms)
    result = run_backtest(forecasts(values), market(np.ones(12)), costs, PositionRule(1_000))
    assert result.curve["position"].to_list().index(1.0) == 2 + delay
    assert result.curve["position"].sum() == 1.0


def test_changing_the_future_changes_no_earlier_position():
    moves, values = walk(100), walk(100, 1)
    costs = CostModel(0.0, half_spread=False, latency_ms=500)
    other = values.copy()
    other[50:] = walk(50, 2)
    # with 500 ms of latency the forecast of second 50 acts at second 51
    runs = [run_backtest(forecasts(v), market(moves), costs, PositionRule(5_000)).curve for v in (values, other)]
    assert runs[0].head(51).equals(runs[1].head(51))
    assert not runs[0].equals(runs[1])


def test_foresight_is_worth_less_the_later_it_is_traded():
    moves = walk(500)
    totals = [
        run_backtest(forecasts(moves), market(moves), CostModel(0, False, ms), PositionRule(1_000)).summary[
            "gross_total_bps"
        ]
        for ms in (0, 1_000)
    ]
    assert totals[0] > 300
    assert abs(totals[1]) < 100


def test_a_session_ends_flat_and_the_next_starts_flat():
    moves = np.ones(10)
    days = pl.concat([market(moves, start=T0 + d * DAY) for d in range(2)])
    always = pl.concat([forecasts(np.ones(11), start=T0 + d * DAY) for d in range(2)])
    costs = CostModel(1.0, half_spread=False)
    result = run_backtest(always, days, costs, PositionRule(2 * 86_400_000, cost_multiple=0.0))
    assert result.curve["position"].to_list() == ([1.0] * 10 + [0.0]) * 2
    assert result.summary["turnover"] == 4.0
    assert result.summary["gross_total_bps"] == pytest.approx(20.0)
    assert result.summary["cost_total_bps"] == pytest.approx(4.0)


def test_the_portfolio_splits_its_capital_equally():
    moves = {"A.X": np.full(5, 2.0), "B.X": np.full(5, -1.0)}
    both = pl.concat([market(m, s) for s, m in moves.items()])
    signals = pl.concat([forecasts(np.ones(5), s) for s in moves])
    result = run_backtest(signals, both, FREE, PositionRule(10_000))
    assert result.summary["gross_total_bps"] == pytest.approx((10 - 5) / 2)
    assert result.summary["instruments"] == 2
    assert result.by_symbol["symbol"].to_list() == ["A.X", "B.X"]
    assert result.by_symbol["gross_total_bps"].to_list() == pytest.approx([10.0, -5.0])
    assert result.by_symbol["hit_rate"].to_list() == [1.0, 0.0]
    assert result.summary["gross_hit_rate"] == 0.5
    assert result.curve["exposure"][0] == 1.0


def test_prices_before_the_first_forecast_and_instruments_without_one_are_not_traded():
    both = pl.concat([market(walk(20)), market(walk(20, 1), "B.X")])
    result = run_backtest(forecasts(np.ones(5), start=T0 + 10 * S), both, FREE, PositionRule(1_000))
    assert result.curve["ts"][0] == T0 + 10 * S
    assert result.by_symbol["symbol"].to_list() == ["A.X"]


def test_the_rule_that_ignores_cost_is_shown_beside_the_one_that_does_not():
    moves = walk(200)
    result = run_backtest(forecasts(0.1 * moves), market(moves, spread=2.0), CostModel(1.0), PositionRule(1_000))
    summary = result.summary
    assert summary["trades"] == 0
    assert summary["net_total_bps"] == 0
    assert summary["cost_blind_gross_total_bps"] == pytest.approx(np.abs(moves).sum())
    assert summary["cost_blind_net_total_bps"] < 0
    assert "never traded" in summary["rule_note"]
    assert result.curve["blind_net_bps"][-1] == summary["cost_blind_net_total_bps"]


def test_a_winning_trade_can_lose_after_cost():
    result = run_backtest(
        forecasts([1.0, 0, 0]), market([0.5, 0, 0, 0]), CostModel(1.0, half_spread=False), PositionRule(1_000, 0.1)
    )
    assert (result.summary["gross_hit_rate"], result.summary["net_hit_rate"]) == (1.0, 0.0)
    assert result.summary["net_total_bps"] == pytest.approx(0.5 - 2.0)


def test_four_days_are_not_annualised_and_five_are():
    def study(days):
        moves = [walk(30, d) + 0.1 for d in range(days)]
        prices = pl.concat([market(m, start=T0 + d * DAY) for d, m in enumerate(moves)])
        signals = pl.concat([forecasts(np.ones(30), start=T0 + d * DAY) for d in range(days)])
        return run_backtest(signals, prices, FREE, PositionRule(1_000)).summary, [m.sum() for m in moves]

    four, _ = study(4)
    assert four["net_sharpe_annualised"] is None
    assert four["net_annualised_return"] is None
    assert "4 days of returns" in four["annualisation"]
    five, daily = study(5)
    fractions = np.array(daily) / 1e4
    assert five["net_sharpe_annualised"] == pytest.approx(fractions.mean() / fractions.std(ddof=1) * 252**0.5)
    assert five["net_annualised_return"] == pytest.approx(fractions.mean() * 252)
    assert "252 days a year" in five["annualisation"]


def test_a_test_shorter_than_an_hour_makes_no_claim_and_a_longer_one_deflates_by_the_trials():
    short = run_backtest(forecasts(walk(600)), market(walk(600, 1)), FREE, PositionRule(1_000))
    assert short.summary["deflated_sharpe"] is None
    moves = walk(4_000)
    signal = moves + 20 * walk(4_000, 1)
    runs = [run_backtest(forecasts(signal), market(moves), FREE, PositionRule(1_000), n) for n in (1, 50)]
    one, fifty = (run.summary["deflated_sharpe"] for run in runs)
    assert 0 < fifty < one <= 1
    returns = runs[1].curve["net_period_bps"].to_numpy()
    ratio = runs[1].summary["net_sharpe_per_period"]
    assert fifty == deflated_sharpe(ratio, 50, returns.size, *moments(returns))
    assert runs[1].summary["n_trials"] == 50


def test_the_curve_adds_up():
    result = run_backtest(forecasts(walk(300, 3)), market(walk(300)), CostModel(0.01, False), PositionRule(2_000))
    curve = result.curve
    net = (curve["gross_period_bps"] - curve["cost_period_bps"]).to_numpy()
    np.testing.assert_allclose(curve["net_bps"].to_numpy(), np.cumsum(net), atol=1e-9)
    assert result.summary["net_max_drawdown_bps"] == pytest.approx(max_drawdown(net))
    assert curve["turnover"].sum() == result.summary["turnover"]


def test_the_order_of_the_rows_does_not_change_a_bit():
    both = pl.concat([market(walk(50)), market(walk(50, 1), "B.X")])
    signals = pl.concat([forecasts(walk(50, 2)), forecasts(walk(50, 3), "B.X")])
    plain = run_backtest(signals, both, CostModel(0.1), PositionRule(2_000))
    mixed = run_backtest(
        signals.sample(fraction=1, shuffle=True, seed=1),
        both.sample(fraction=1, shuffle=True, seed=2),
        CostModel(0.1),
        PositionRule(2_000),
    )
    assert mixed.curve.equals(plain.curve)
    assert mixed.summary == plain.summary
    assert mixed.by_symbol.equals(plain.by_symbol)


def test_the_summary_is_plain_json_without_nan():
    for values in (np.zeros(20), walk(20)):
        summary = run_backtest(forecasts(values), market(walk(20)), FREE, PositionRule(1_000)).summary
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_missing_forecasts_are_no_signal_and_rows_without_a_price_are_left_out():
    values = forecasts([1.0, np.nan, 1.0]).with_columns(pl.col("forecast_bps").fill_nan(None))
    prices = market(np.ones(5)).with_columns(
        pl.when(pl.col("ts") != T0 + 3 * S).then(pl.col("mid_ticks")).alias("mid_ticks")
    )
    result = run_backtest(values, prices, FREE, PositionRule(1_000))
    assert result.curve["ts"].to_list() == [T0 + k * S for k in (0, 1, 2, 4, 5)]
    assert result.curve["position"].to_list() == [1.0, 0.0, 1.0, 0.0, 0.0]


def test_a_forecast_before_the_first_quote_is_not_traded():
    held = positions(
        np.array([5, 6, 7]) * S, np.ones(3), np.array([4]) * S, np.array([9.0]), FREE, PositionRule(10_000)
    )
    assert held.tolist() == [0.0, 0.0, 0.0]


def test_wrong_input_is_named():
    good = market(np.ones(5))
    with pytest.raises(SchemaError, match="forecast_bps"):
        run_backtest(forecasts([1.0]).drop("forecast_bps"), good, FREE, PositionRule(1_000))
    with pytest.raises(SchemaError, match="two rows"):
        run_backtest(forecasts([1.0]), pl.concat([good, good]), FREE, PositionRule(1_000))
    with pytest.raises(InsufficientDataError, match="0 prices"):
        run_backtest(forecasts([1.0], symbol="Z.X"), good, FREE, PositionRule(1_000))
    with pytest.raises(InsufficientDataError, match="0 forecasts"):
        run_backtest(forecasts([np.nan]), good, FREE, PositionRule(1_000))
    with pytest.raises(StudyError, match="fee_bps -1"):
        CostModel(-1.0)
