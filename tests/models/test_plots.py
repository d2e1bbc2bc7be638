"""Plots: real PNGs, the same bytes twice, small enough for the event log, honest about empty input."""

import base64
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from feeds.errors import SchemaError
from models import plots
from models.plots.alpha import judged_row
from models.plots.performance import underwater
from models.plots.quality import worst_status
from models.plots.sentiment import is_simulated
from models.plots.style import clock, usable, with_gaps
from tests.support import report_inputs as made

PLOTS = {
    "data_quality_calendar": lambda dpi: plots.data_quality_calendar(made.quality(), dpi=dpi),
    "rejected_by_reason": lambda dpi: plots.rejected_by_reason(made.rejected(), rows_in=799_317, dpi=dpi),
    "bar_chart": lambda dpi: plots.bar_chart(made.bars(("IBM.US",)), 0.0001, dpi=dpi),
    "price_and_spread": lambda dpi: plots.price_and_spread(made.features(("IBM.US",), step=1), dpi=dpi),
    "feature_distribution": lambda dpi: plots.feature_distribution(made.features(), "spread_bps", "bps", dpi=dpi),
    "sentiment_timeline": lambda dpi: plots.sentiment_timeline(made.sentiment(), dpi=dpi),
    "ic_by_row": lambda dpi: plots.ic_by_row(made.alpha().table, dpi=dpi),
    "ic_series": lambda dpi: plots.ic_series(made.alpha().ic_series, dpi=dpi),
    "calibration": lambda dpi: plots.calibration(made.alpha().calibration, dpi=dpi),
    "quantile_returns": lambda dpi: plots.quantile_returns(made.alpha().quantile_returns, dpi=dpi),
    "volatility_forecast": lambda dpi: plots.volatility_forecast(made.volatility().forecasts, dpi=dpi),
    "cumulative_return": lambda dpi: plots.cumulative_return(made.backtest().curve, dpi=dpi),
    "cost_blind_return": lambda dpi: plots.cumulative_return(made.backtest().curve, cost_blind=True, dpi=dpi),
    "drawdown": lambda dpi: plots.drawdown(made.backtest().curve, dpi=dpi),
}
FROM_A_FRAME = {
    "data_quality_calendar": plots.data_quality_calendar,
    "rejected_by_reason": plots.rejected_by_reason,
    "bar_chart": plots.bar_chart,
    "price_and_spread": plots.price_and_spread,
    "feature_distribution": lambda frame: plots.feature_distribution(frame, "spread_bps", "bps"),
    "sentiment_timeline": plots.sentiment_timeline,
    "ic_by_row": plots.ic_by_row,
    "ic_series": plots.ic_series,
    "calibration": plots.calibration,
    "quantile_returns": plots.quantile_returns,
    "volatility_forecast": plots.volatility_forecast,
    "cumulative_return": plots.cumulative_return,
    "drawdown": plots.drawdown,
}


def size_of(png):
    return Image.open(io.BytesIO(png)).size


def inked(png):
    return float((np.asarray(Image.open(io.BytesIO(png)).convert("L")) < 250).mean())


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_in_the_event_log_stays_below_sixty_kilobytes_as_text(name):
    markdown = plots.to_markdown(PLOTS[name](plots.UI_DPI))
    assert len(markdown) < 60_000
    head, data = markdown.split(",", 1)
    assert head == "![plot](data:image/png;base64"
    assert inked(base64.b64decode(data.removesuffix(")"))) > 0.01


@pytest.mark.parametrize("name", PLOTS)
def test_the_same_frame_gives_the_same_bytes(name):
    assert PLOTS[name](60) == PLOTS[name](60)


def test_dpi_scales_the_picture():
    narrow, wide = (size_of(PLOTS["drawdown"](dpi)) for dpi in (60, 120))
    assert wide[0] == pytest.approx(2 * narrow[0], abs=2)


@pytest.mark.parametrize("name", FROM_A_FRAME)
def test_an_empty_frame_gives_the_panel_that_says_so(name):
    panel = FROM_A_FRAME[name](pl.DataFrame())
    assert size_of(panel) == size_of(plots.no_data("anything"))
    assert inked(panel) < 0.1


@pytest.mark.parametrize("name", FROM_A_FRAME)
def test_a_frame_without_the_needed_columns_is_refused_by_name(name):
    with pytest.raises(SchemaError, match=f"plot {name}"):
        FROM_A_FRAME[name](pl.DataFrame({"unrelated": [1]}))


def test_rows_that_are_null_or_nan_are_not_drawn():
    frame = pl.DataFrame({"ts": [1, 2, 3, 4], "ic": [0.1, None, float("nan"), float("inf")]})
    assert usable(frame, "ic_series", ("ts", "ic"))["ts"].to_list() == [1]
    nothing = frame.filter(pl.col("ts") > 1)
    assert plots.ic_series(nothing) == plots.ic_series(pl.DataFrame())


def test_the_calendar_shows_the_worst_check_of_a_day():
    frame = pl.DataFrame(
        {
            "date": ["2020-01-02"] * 4,
            "symbol": ["A", "A", "B", "B"],
            "passed": [True, False, True, False],
            "blocking": [True, True, True, False],
        }
    )
    assert dict(worst_status(frame).select("symbol", "status").iter_rows()) == {"A": "fail", "B": "warn"}


def test_an_unknown_status_is_refused_instead_of_coloured():
    frame = pl.DataFrame({"date": ["2020-01-02"], "symbol": ["A"], "status": ["fine"]})
    with pytest.raises(SchemaError, match="fine"):
        plots.data_quality_calendar(frame)


def test_a_long_calendar_keeps_the_symbols_that_failed():
    days = pl.DataFrame({"date": [f"2020-01-{day:02d}" for day in range(1, 32)]})
    frame = days.join(pl.DataFrame({"symbol": [f"S{n:02d}" for n in range(40)]}), how="cross")
    failed = (pl.col("symbol") == "S39") & (pl.col("date") == "2020-01-30")
    frame = frame.with_columns(status=pl.when(failed).then(pl.lit("fail")).otherwise(pl.lit("pass")))
    all_passed = frame.with_columns(status=pl.lit("pass"))
    assert plots.data_quality_calendar(frame, dpi=60) != plots.data_quality_calendar(all_passed, dpi=60)


def test_rejections_given_as_counts_or_as_rows_draw_the_same():
    rows = pl.DataFrame({"reason": ["duplicate", "crossed_book", "duplicate"], "rows": [3, 2, 4]})
    counts = {"duplicate": 7, "crossed_book": 2, "never_seen": 0}
    assert plots.rejected_by_reason(rows) == plots.rejected_by_reason(counts)
    assert plots.rejected_by_reason({"duplicate": 0}) == plots.rejected_by_reason({})


def test_the_drawdown_starts_from_zero_and_is_never_positive():
    assert underwater(np.array([-1.0, 2.0, 1.0, 3.0, 0.0])).tolist() == [-1.0, 0.0, -1.0, 0.0, -3.0]


def test_the_clock_shows_the_time_of_the_exchange():
    opening = pl.Series([made.OPEN_NS])
    assert str(clock(opening, "America/New_York")[0]).startswith("2013-10-09T09:30:00")
    assert str(clock(opening, "UTC")[0]).startswith("2013-10-09T13:30:00")


def test_a_line_does_not_bridge_a_closed_market():
    seconds = np.array([0, 1, 2, 3, 50_000, 50_001]).astype("datetime64[s]").astype("datetime64[us]")
    times, values = with_gaps(seconds, np.arange(6.0))
    assert np.flatnonzero(np.isnan(values)).tolist() == [4]
    assert len(times) == 7 and values[5] == 4.0


def test_only_rows_of_the_simulated_source_are_marked():
    assert is_simulated(made.sentiment()).tolist() == [False, True, False, True, False]
    assert not is_simulated(made.sentiment().drop("source")).any()


def test_the_judged_row_is_never_a_control_where_another_exists():
    assert judged_row(["naive", "linear", "gradient_boosting", "shuffled"]) == "gradient_boosting"
    assert judged_row(["naive", "transformer", "shuffled"]) == "transformer"
    assert judged_row(["naive"]) == "naive"


def test_one_symbol_is_drawn_alone_where_asked_for():
    both = made.features(("AIG.US", "IBM.US"))
    alone = both.filter(pl.col("symbol") == "IBM.US")
    picture = plots.price_and_spread(both, symbol="IBM.US", dpi=60)
    assert picture == plots.price_and_spread(alone, symbol="IBM.US", dpi=60)
    assert picture != plots.price_and_spread(both, symbol="AIG.US", dpi=60)
