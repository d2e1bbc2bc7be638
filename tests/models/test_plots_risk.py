"""Plots of regimes, risk and simulator: the same bytes twice, small, honest about empty input."""

import base64
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from feeds.errors import SchemaError
from models.plots.anomaly import anomaly_timeline
from models.plots.correlation import correlation_heatmap
from models.plots.realism import halves_of, realism_matrix
from models.plots.regimes import regime_ribbon, stretches
from models.plots.simulator import band_positions, flow_rates, realism_bands
from models.plots.style import UI_DPI, no_data, to_markdown
from tests.support import risk_inputs as made
from tests.support.risk_inputs import SECOND, TS

PLOTS = {
    "regime_ribbon": lambda dpi: regime_ribbon(made.regime_states(), made.prices(), dpi=dpi),
    "correlation_heatmap": lambda dpi: correlation_heatmap(made.correlation_matrix(), dpi=dpi),
    "anomaly_timeline": lambda dpi: anomaly_timeline(made.anomaly_scores(), dpi=dpi),
    "flow_rates": lambda dpi: flow_rates(made.rates(), dpi=dpi),
    "realism_bands": lambda dpi: realism_bands(made.realism(), dpi=dpi),
    "realism_matrix": lambda dpi: realism_matrix(made.realism(generators=tuple("abcd")), dpi=dpi),
    "realism_of_one": lambda dpi: realism_bands(made.realism(("OAK.SIM",)), dpi=dpi),
}
FROM_A_FRAME = {
    "regime_ribbon": lambda frame: regime_ribbon(frame, frame),
    "correlation_heatmap": correlation_heatmap,
    "anomaly_timeline": anomaly_timeline,
    "flow_rates": flow_rates,
    "realism_bands": realism_bands,
    "realism_matrix": realism_matrix,
}


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_in_the_event_log_stays_below_sixty_kilobytes_as_text(name):
    markdown = to_markdown(PLOTS[name](UI_DPI))
    assert len(markdown) < 60_000
    data = markdown.split(",", 1)[1].removesuffix(")")
    assert (pixels(base64.b64decode(data)).min(axis=2) < 250).mean() > 0.01


@pytest.mark.parametrize("name", PLOTS)
def test_the_same_frame_gives_the_same_bytes(name):
    assert PLOTS[name](60) == PLOTS[name](60)


@pytest.mark.parametrize("name", FROM_A_FRAME)
def test_an_empty_frame_gives_the_panel_that_says_so(name):
    panel = FROM_A_FRAME[name](pl.DataFrame())
    assert pixels(panel).shape == pixels(no_data("anything")).shape


@pytest.mark.parametrize("name", FROM_A_FRAME)
def test_a_frame_without_the_needed_columns_is_refused_by_name(name):
    with pytest.raises(SchemaError, match=f"plot {name}"):
        FROM_A_FRAME[name](pl.DataFrame({"unrelated": [1]}))


def test_stretches_break_where_the_regime_changes_or_time_has_a_gap():
    ts = [0, 1, 2, 3, 4, 1000, 1001]
    frame = pl.DataFrame({"ts": [t * SECOND for t in ts], "regime": [0, 0, 1, 0, 0, 0, 1]})
    calm = stretches(frame, 0)
    assert [(a // SECOND, b // SECOND) for a, b in calm.iter_rows()] == [(0, 2), (3, 5), (1000, 1001)]
    wild = stretches(frame, 1)
    assert [(a // SECOND, b // SECOND) for a, b in wild.iter_rows()] == [(2, 3), (1001, 1002)]


def test_a_stretch_of_one_row_has_a_length():
    assert stretches(pl.DataFrame({"ts": [5], "regime": [0]}), 0).row(0) == (5, 5 + SECOND)


def test_a_turbulent_night_is_darker_than_a_calm_one():
    calm, wild = (
        regime_ribbon(
            made.regime_states().with_columns(regime=pl.lit(k)), made.prices(), labels=("a", "b", "c"), dpi=60
        )
        for k in (0, 2)
    )
    assert pixels(wild).mean() < pixels(calm).mean() - 20


def test_rows_without_a_regime_are_left_white():
    states = made.regime_states().with_columns(
        pl.when(pl.col("ts") < int(TS[600])).then(pl.lit(2)).otherwise(None).alias("regime")
    )
    whole = made.regime_states().with_columns(regime=pl.lit(2))
    coloured = [(pixels(regime_ribbon(s, made.prices(), dpi=60)).min(axis=2) < 200).mean() for s in (states, whole)]
    assert coloured[0] <= coloured[1]
    assert regime_ribbon(states.with_columns(regime=pl.lit(None, pl.Int64)), made.prices(), dpi=60) == regime_ribbon(
        pl.DataFrame(), pl.DataFrame(), dpi=60
    )


def test_the_heatmap_shows_the_chosen_estimate():
    other = made.correlation_matrix().with_columns(pl.col("ewma") * 0.1)
    assert correlation_heatmap(other, dpi=60) == correlation_heatmap(made.correlation_matrix(), dpi=60)
    assert correlation_heatmap(other, estimator="ewma", dpi=60) != correlation_heatmap(other, dpi=60)


def test_many_instruments_still_make_a_heatmap_that_says_what_is_hidden():
    names = tuple(f"S{k:02d}.X" for k in range(25))
    assert len(correlation_heatmap(made.correlation_matrix(names), dpi=60)) > 1000


def test_flags_are_drawn_and_only_they_are_vermilion():
    scores = made.anomaly_scores()
    quiet = scores.with_columns(is_anomaly=pl.lit(False))

    def reddish(frame):
        image = pixels(anomaly_timeline(frame, dpi=100))
        return int((image[..., 0] - image[..., 2] > 80).sum())

    # the legend's own mark is there in both
    assert reddish(scores) > reddish(quiet) + 20


def test_positions_are_half_widths_from_the_middle_of_the_band():
    frame = pl.DataFrame(
        {
            "metric": ["a"],
            "real": [10.0],
            "band_low": [8.0],
            "band_high": [16.0],
            "simulated": [20.0],
            "passed": [False],
        }
    )
    row = band_positions(frame).row(0, named=True)
    assert (row["at"], row["real_at"], row["symbol"]) == (2.0, -0.5, "")
    assert len(realism_bands(frame, dpi=60)) > 1000


def test_a_metric_without_a_band_or_of_no_width_is_not_drawn():
    frame = made.realism(("OAK.SIM",))
    drawn = frame.filter(pl.col("band_low").is_not_null())
    assert realism_bands(frame, dpi=60) == realism_bands(drawn, dpi=60)
    flat = frame.with_columns(pl.col("band_low").alias("band_high"))
    assert realism_bands(flat, dpi=60) == no_data("Realism by metric", "no metric has a band", 60)


def test_a_failing_metric_looks_different_from_a_passing_one():
    frame = made.realism(("OAK.SIM",)).with_columns(passed=pl.lit(True))
    assert realism_bands(frame, dpi=60) != realism_bands(frame.with_columns(passed=pl.lit(False)), dpi=60)


def test_rates_of_zero_are_left_out_of_a_logarithmic_axis():
    zero = made.rates().with_columns(
        pl.when(pl.col("distance") == 10).then(0.0).otherwise(pl.col("limit_rate")).alias("limit_rate")
    )
    assert len(flow_rates(zero, dpi=60)) > 1000


def many_metrics(count):
    one = made.realism(("OAK.SIM",)).head(1)
    return pl.concat([one.with_columns(metric=pl.lit(f"metric {k}"), family=pl.lit("flow")) for k in range(count)])


def test_many_metrics_stand_in_two_columns_and_are_no_taller_than_half_as_many():
    few, many = (pixels(realism_bands(many_metrics(count), dpi=60)) for count in (30, 60))
    assert many.shape[1] > 1.4 * few.shape[1] and many.shape[0] < 1.2 * few.shape[0]


def test_the_map_of_metrics_shows_verdicts_by_colour_and_what_is_not_judged_in_grey():
    frame = made.realism(("OAK.SIM",), ("a", "b")).filter(pl.col("passed").is_not_null())
    passing, failing = (
        pixels(realism_matrix(frame.with_columns(passed=pl.lit(verdict)), dpi=60)) for verdict in (True, False)
    )

    def share(picture, wanted):
        return (np.abs(picture - wanted).max(axis=2) < 12).mean()

    sky = (86, 180, 233)
    assert share(passing, sky) > 4 * share(failing, sky)
    some = frame.filter((pl.col("generator") == "a") | (pl.col("family") == "book"))
    grey = (217, 222, 228)
    assert share(pixels(realism_matrix(some, dpi=60)), grey) > 2 * share(pixels(realism_matrix(frame, dpi=60)), grey)


def test_the_map_of_metrics_needs_a_verdict():
    nothing = made.realism().with_columns(passed=pl.lit(None, pl.Boolean))
    wanted = no_data("Where simulated markets can be told from the tape", "no metric was judged", 60)
    assert realism_matrix(nothing, dpi=60) == wanted


def test_families_are_kept_whole_in_two_columns_of_similar_length():
    metrics = [(family, f"{family} {k}") for family in "abcde" for k in range(8)]
    left, right = halves_of(metrics)
    assert left + right == metrics and not {f for f, _ in left} & {f for f, _ in right}
    assert abs(len(left) - len(right)) <= 8
    assert halves_of(metrics[:10]) == [metrics[:10]]


def test_a_metric_the_simulated_market_has_no_value_for_is_drawn_as_failing():
    frame = made.realism(("OAK.SIM",)).filter(pl.col("passed").is_not_null()).with_columns(passed=pl.lit(False))
    without = frame.with_columns(simulated=pl.lit(None, pl.Float64))
    dark = (166, 58, 0)
    share = (np.abs(pixels(realism_matrix(without, dpi=60)) - dark).max(axis=2) < 12).mean()
    assert share > 2 * (np.abs(pixels(realism_matrix(frame, dpi=60)) - dark).max(axis=2) < 12).mean()
