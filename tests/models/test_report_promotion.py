"""The page on promotion, planted effects, importance, scaling and measured cost; pictures that carry a stamp."""

import io
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from feeds.errors import SchemaError
from models import plots
from models.backtest import CostModel, PositionRule, run_backtest
from models.plots.importance import grouped_importance, is_notable
from models.plots.style import AMBER, SIMULATED_STAMP, stamp
from models.report import BacktestInputs
from models.report.inputs import PlantedInputs, PromotionInputs
from models.report.sections.alpha import alpha_section
from models.report.sections.backtest import backtest_section
from models.report.sections.planted import planted_section
from models.report.sections.promotion import promotion_section
from models.report.summary import activity_frame, cost_frame, costs_frame, scaling_frame, summary_frame
from tests.support import report_inputs as made

S = 1_000_000_000


def titles(section):
    return [table.title for table in section.tables]


def table_of(section, title):
    return next(table for table in section.tables if table.title == title)


# --- promotion ---


def promotion(**changes) -> PromotionInputs:
    columns = {
        "family": ["alpha", "volatility", "regime", "execution"],
        "champion": ["alpha_model-1", "volatility_model-1", None, "execution_policy-1"],
        "challenger": ["alpha_model-2", "volatility_model-2", "regime_model-2", "execution_policy-2"],
        "metric": ["squared error (bps²)", "QLIKE", None, "implementation shortfall (bps)"],
        "n": [900, 70, None, 12],
        "difference": [-0.2, 0.01, None, -0.4],
        "low": [-0.3, -0.02, None, None],
        "high": [-0.1, 0.04, None, None],
        "decision": ["promoted", "kept", "first", "not tested"],
        "approved_by": [None, "Ann", None, None],
        "approved_at": [None, "2026-03-09T12:00:00+00:00", None, None],
    }
    return PromotionInputs(pl.DataFrame(columns | changes))


def test_the_promotion_section_says_what_was_decided_and_who_approved():
    section = promotion_section(made.a_night_with(promotion=promotion()))
    assert "4 model families: 1 with a first champion, 1 with a promoted challenger" in section.text
    assert "1 of 4 champions are approved" in section.text
    compared = table_of(section, "Tonight's comparison").frame
    assert compared["decision"].to_list() == [
        "challenger promoted",
        "champion kept",
        "first of its family, hence champion",
        "champion kept, not tested",
    ]
    assert compared["high"].to_list() == [-0.1, 0.04, None, None]


def test_the_champion_from_tonight_on_is_the_challenger_only_where_it_won():
    section = promotion_section(made.a_night_with(promotion=promotion()))
    approved = table_of(section, "Champions and their approval").frame
    assert approved["champion_now"].to_list() == [
        "alpha_model-2",
        "volatility_model-1",
        "regime_model-2",
        "execution_policy-1",
    ]
    assert approved["approved_by"].to_list() == [None, "Ann", None, None]


def test_without_decisions_there_is_no_promotion_section_unless_a_reason_is_known():
    assert promotion_section(made.a_night_with()) is None
    assert promotion_section(made.a_night_with(promotion=PromotionInputs(pl.DataFrame()))) is None
    section = promotion_section(made.a_night_with(reasons={"promotion": "no model was trained"}))
    assert section.text == "Absent: no model was trained."


# --- planted ---


def planted() -> PlantedInputs:
    columns = {
        "effect": ["order-flow signal", "volatility regime"],
        "size": ["IC 0.05", "x 3"],
        "where": ["OAK.SIM", "all"],
        "planted": [0.05, 1.0],
        "found": [0.043, None],
        "note": ["", "too short a test"],
    }
    return PlantedInputs(pl.DataFrame(columns))


def test_the_planted_section_is_there_for_simulated_markets_only():
    section = planted_section(made.a_night_with(planted=planted(), simulated_market=True))
    assert section.text.startswith("SIMULATED MARKET") and "nothing about any real market" in section.text
    assert section.tables[0].frame["found"].to_list() == [0.043, None]
    assert planted_section(made.a_night_with(planted=planted())) is None
    assert planted_section(made.a_night_with(simulated_market=True)) is None
    assert planted_section(made.a_night_with(planted=PlantedInputs(pl.DataFrame()), simulated_market=True)) is None


# --- importance ---


def importance() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "group": ["order flow", "returns", "time", "sentiment"],
            "features": [8, 3, 1, 4],
            "ic_loss": [0.04, 0.01, 0.0, -0.003],
            "ic_loss_low": [0.03, -0.001, 0.0, -0.006],
            "ic_loss_high": [0.05, 0.021, 0.0, 0.001],
        }
    )


def test_only_a_loss_whose_interval_stays_above_zero_is_notable():
    assert [is_notable(row) for row in importance().to_dicts()] == [True, False, False, False]
    bare = importance().select("group", "ic_loss").to_dicts()
    assert [is_notable(row) for row in bare] == [True, True, False, False]
    assert not is_notable({"group": "a", "ic_loss": 0.0009})


def colours(png):
    return {
        tuple(pixel)
        for pixel in np.unique(np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3), axis=0)
    }


def is_blue(colour):
    return colour[2] > 150 and colour[0] < 80


def test_groups_the_model_does_not_need_are_grey():
    some = grouped_importance(importance())
    none = grouped_importance(importance().with_columns(ic_loss_low=-0.01))
    assert any(map(is_blue, colours(some))) and not any(map(is_blue, colours(none)))


def test_the_importance_plot_is_small_deterministic_and_honest_about_empty_input():
    assert grouped_importance(importance(), dpi=60) == grouped_importance(importance(), dpi=60)
    assert len(plots.to_markdown(grouped_importance(importance(), dpi=plots.UI_DPI))) < 60_000
    empty = grouped_importance(pl.DataFrame())
    assert empty == grouped_importance(importance().with_columns(ic_loss=pl.lit(None, pl.Float64)))
    with pytest.raises(SchemaError, match="plot grouped_importance"):
        grouped_importance(pl.DataFrame({"group": ["a"]}))


def test_the_alpha_section_shows_importance_where_it_was_measured():
    plain = alpha_section(made.a_night_with("alpha"))
    assert "What the model leans on" not in titles(plain)
    alpha = replace(made.alpha(), importance=importance().with_columns(ic_loss_sd=pl.lit(None, pl.Float64)))
    section = alpha_section(made.a_night_with(alpha=alpha))
    table = table_of(section, "What the model leans on")
    assert "ic_loss_sd" not in table.frame.columns and "Block-bootstrap" in table.note
    assert len(section.figures) == len(plain.figures) + 1
    bare = replace(alpha, importance=importance().select("group", "ic_loss"))
    assert "No interval" in table_of(alpha_section(made.a_night_with(alpha=bare)), "What the model leans on").note
    empty = replace(alpha, importance=importance().clear())
    assert titles(alpha_section(made.a_night_with(alpha=empty))) == titles(plain)


# --- backtest ---


def backtest_inputs(costs: CostModel, rule: PositionRule) -> BacktestInputs:
    n, random = 200, np.random.default_rng(1)
    ts = made.OPEN_NS + np.arange(n + 1) * S
    moves = random.normal(size=n)
    mid = 1e6 * np.cumprod(np.concatenate([[1.0], 1 + moves / 1e4]))
    market = pl.DataFrame({"ts": ts, "symbol": "A.X", "mid_ticks": mid, "spread_bps": 1.0})
    signal = pl.DataFrame({"ts": ts[:-1], "symbol": "A.X", "forecast_bps": 5 * moves})
    known = pl.DataFrame(
        {"symbol": ["A.X"], "ts": [int(ts[0])], "target_ts": [int(ts[0]) + 300 * S], "variance": [3e-6]}
    )
    result = run_backtest(signal, market, costs, rule, volatility=known)
    shown = {"fee_bps": costs.fee_bps, "half_spread": costs.half_spread, "measured_bps": costs.measured_bps}
    return BacktestInputs(result.curve, result.summary, result.by_symbol, shown)


def test_scaled_and_measured_stand_beside_their_controls():
    costs = CostModel(0.2, measured_bps={"A.X": 1.5})
    inputs = backtest_inputs(costs, PositionRule(1_000, target_volatility_bps=2.0, max_leverage=3.0))
    section = backtest_section(made.a_night_with(backtest=inputs))
    assert {"Positions scaled to volatility", "Cost measured and assumed"} <= set(titles(section))
    scaling = table_of(section, "Positions scaled to volatility")
    assert scaling.frame["net_total_bps"].to_list() == [
        inputs.summary["net_total_bps"],
        inputs.summary["unscaled_net_total_bps"],
    ]
    assert scaling.controls == {"one notional (control)"}
    cost = table_of(section, "Cost measured and assumed").frame
    assert cost["cost_total_bps"].to_list() == [
        inputs.summary["cost_total_bps"],
        inputs.summary["cost_assumed_total_bps"],
    ]
    assert cost["charged"].to_list() == ["yes", "no"]
    assert "Charged is the implementation shortfall" in section.text and "Each trade is sized" in section.text
    assert "impact of parent orders" in table_of(section, "Cost assumptions").note


def test_each_figure_stands_in_one_table_only():
    costs = CostModel(0.2, measured_bps={"A.X": 1.5})
    summary = backtest_inputs(costs, PositionRule(1_000, target_volatility_bps=2.0)).summary
    names = [*summary_frame(summary)["metric"], *activity_frame(summary)["metric"]]
    assert not [name for name in names if "unscaled" in name or "assumed" in name or "measured" in name]
    assert "mean size of a trade (notionals)" in names


def test_a_plain_backtest_shows_neither_table():
    inputs = backtest_inputs(CostModel(0.2), PositionRule(1_000))
    section = backtest_section(made.a_night_with(backtest=inputs))
    assert not {"Positions scaled to volatility", "Cost measured and assumed"} & set(titles(section))
    assert scaling_frame(inputs.summary).is_empty() and cost_frame(inputs.summary).is_empty()
    assert "market impact is not in it" in table_of(section, "Cost assumptions").note


def test_costs_by_instrument_are_listed_and_absent_ones_left_out():
    frame = costs_frame(
        {"fee_bps": 0.5, "half_spread": True, "measured_bps": {"B": -0.25, "A": 1.0}, "expected_bps": None}
    )
    assert frame.rows() == [
        ("fee per side (bps)", "0.5"),
        ("half the quoted spread per side", "paid"),
        ("measured cost per side, charged (bps)", "A 1, B −0.25"),
    ]
    assert costs_frame({}).is_empty()


# --- stamp ---


def opened(png):
    return Image.open(io.BytesIO(png))


PICTURES = {
    "bars": lambda dpi: plots.quantile_returns(made.alpha().quantile_returns, dpi=dpi),
    "lines": lambda dpi: plots.price_and_spread(made.features(("IBM.US",), step=1), dpi=dpi),
    "nothing": lambda dpi: plots.no_data("t", dpi=dpi),
}


@pytest.mark.parametrize("dpi", [plots.UI_DPI, plots.REPORT_DPI])
@pytest.mark.parametrize("name", PICTURES)
def test_a_stamp_adds_a_strip_and_leaves_the_picture_as_it_is(name, dpi):
    png = PICTURES[name](dpi)
    stamped = stamp(png, SIMULATED_STAMP)
    before, after = (np.asarray(opened(one).convert("RGB")) for one in (png, stamped))
    height = after.shape[0] - before.shape[0]
    assert 10 <= height <= 0.1 * before.shape[1] and after.shape[1] == before.shape[1]
    assert (after[height:] == before).all()
    amber = np.array([int(AMBER[k : k + 2], 16) for k in (1, 3, 5)])
    strip = after[:height]
    share = float((strip == amber).all(axis=2).mean())
    assert (strip[0] == amber).all() and 0.6 < share < 0.98
    assert opened(stamped).mode == "P" and len(stamped) - len(png) < 3_000
    assert stamped == stamp(png, SIMULATED_STAMP)


def test_another_text_gives_another_strip_and_a_long_one_still_fits():
    png = PICTURES["nothing"](plots.UI_DPI)
    assert stamp(png, "SIMULATED MARKET") != stamp(png, "SIMULATED DATA")
    long = np.asarray(opened(stamp(png, "SIMULATED " * 9)).convert("L"))
    height = long.shape[0] - opened(png).height
    assert (long[:height, :4] == long[0, 0]).all() and (long[:height, -4:] == long[0, 0]).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(60, 900), st.integers(1, 60), st.sampled_from(["RGB", "L", "RGBA"]))
def test_a_picture_without_a_palette_is_stamped_too(width, height, mode):
    sink = io.BytesIO()
    Image.new(mode, (width, height), 255 if mode == "L" else (10, 200, 30, 255)[: len(mode)]).save(sink, format="png")
    stamped = opened(stamp(sink.getvalue(), SIMULATED_STAMP))
    assert stamped.mode == "P" and stamped.width == width and stamped.height > height
    plain = opened(sink.getvalue()).convert("RGB").getpixel((0, 0))
    assert np.abs(np.subtract(stamped.convert("RGB").getpixel((0, stamped.height - 1)), plain)).max() <= 3
