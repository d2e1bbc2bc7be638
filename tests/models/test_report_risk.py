"""Sections on regimes, correlation, anomalies, limits and the simulator: complete, honest about what is missing."""

from dataclasses import replace

import polars as pl
import pytest

from models.report.inputs import ReportInputs
from models.report.sections.regimes import regime_section
from models.report.sections.risk import anomaly_section, correlation_section, limits_section
from models.report.sections.simulator import simulator_section
from tests.support import risk_inputs as made

SECTIONS = {
    "regimes": regime_section,
    "correlation": correlation_section,
    "anomaly": anomaly_section,
    "limits": limits_section,
    "simulator": simulator_section,
}


def night(**parts):
    return ReportInputs("s", "A study", "2026-03-02", timezone="America/New_York", **parts)


def tables(section):
    return {table.title: table for table in section.tables}


@pytest.mark.parametrize("part", SECTIONS)
def test_an_absent_part_says_so_and_why(part):
    assert SECTIONS[part](night()).text.startswith("Absent: no ")
    told = SECTIONS[part](night(reasons={part: "8 rows < 200"}))
    assert told.text == "Absent: 8 rows < 200."
    assert not told.tables and not told.figures


@pytest.mark.parametrize("part", SECTIONS)
def test_a_section_shows_its_verdict_tables_and_figures_with_captions(part):
    inputs = getattr(made, part)()
    section = SECTIONS[part](night(**{part: inputs}, features=made.prices()))
    assert section.tables and all(table.note and not table.frame.is_empty() for table in section.tables)
    assert all(figure.caption and figure.png.startswith(b"\x89PNG") for figure in section.figures)
    assert len(section.figures) == {"simulator": 3, "limits": 0}.get(part, 1)
    if part != "limits":
        assert section.text.startswith(inputs.verdict)


@pytest.mark.parametrize("part", ["regimes", "correlation", "anomaly"])
def test_the_split_is_stated(part):
    inputs = replace(getattr(made, part)(), split="trained before, judged after")
    assert "Split: trained before, judged after" in SECTIONS[part](night(**{part: inputs})).text


def test_the_regimes_of_the_night_add_up_and_name_what_was_not_classified():
    inputs = made.regimes()
    holed = inputs.states.with_columns(pl.when(pl.int_range(pl.len()) % 10 > 0).then(pl.col("regime")).alias("regime"))
    frame = tables(regime_section(night(regimes=replace(inputs, states=holed))))["Regimes of the night"].frame
    shares = frame.group_by("symbol", maintain_order=True).agg(pl.col("share").sum())
    assert shares["share"].to_list() == pytest.approx([1.0] * 3)
    assert "not classified" in frame["label"].to_list()


def test_regimes_without_prices_have_tables_and_no_picture():
    section = regime_section(night(regimes=made.regimes()))
    assert section.tables and not section.figures


def test_the_strongest_pairs_come_first_and_none_is_named_twice():
    frame = tables(correlation_section(night(correlation=made.correlation())))["Pairs"].frame
    assert frame.height == 3
    strength = frame["ledoit_wolf"].abs().to_list()
    assert strength == sorted(strength, reverse=True)


def test_one_instrument_has_no_pairs_and_no_heatmap():
    alone = replace(made.correlation(), matrix=made.correlation_matrix(("A.X",)), verdict="One instrument.")
    section = correlation_section(night(correlation=alone))
    assert list(tables(section)) == ["Correlation models"] and not section.figures


def test_independence_is_a_control_of_the_correlation_table():
    table = tables(correlation_section(night(correlation=made.correlation())))["Correlation models"]
    assert table.controls == {"identity"}


def test_episodes_carry_duration_and_driver_in_words():
    frame = tables(anomaly_section(night(anomaly=made.anomaly())))["Episodes"].frame
    row = frame.row(0, named=True)
    assert row["duration_s"] == 110.0
    assert row["driver"] == "abs return 10s bps"
    quiet = anomaly_section(night(anomaly=replace(made.anomaly(), episodes=None)))
    assert "Episodes" not in tables(quiet)


def test_the_limits_say_how_many_are_tightened():
    section = limits_section(night(limits=made.limits()))
    assert "3 limits, 2 of them tighter than their base" in section.text
    assert "Factors only tighten." in section.text
    assert tables(section)["Limits of the next session"].frame["scope"].to_list()[0] == "all"


def test_failing_metrics_stay_failing():
    frame = tables(simulator_section(night(simulator=made.simulator())))["Realism"].frame
    expected = {True: "pass", False: "fail", None: "information"}
    assert frame["status"].to_list() == [expected[value] for value in made.realism()["passed"]]
    assert "fail" in frame["status"].to_list()


def test_a_simulator_without_a_second_period_says_that_realism_was_not_measured():
    section = simulator_section(night(simulator=replace(made.simulator(), realism=None)))
    assert "Realism was not measured" in section.text
    assert [figure.title for figure in section.figures] == ["Order flow by distance"]


def test_every_simulated_market_has_a_row_with_its_passes_by_family_and_what_was_tuned():
    found = made.simulator()
    frame = tables(simulator_section(night(simulator=found)))["Realism by simulated market"].frame
    assert frame.select("symbol", "generator").n_unique() == frame.height == 2 * found.realism["symbol"].n_unique()
    for row in frame.iter_rows(named=True):
        own = found.realism.filter((pl.col("symbol") == row["symbol"]) & (pl.col("generator") == row["generator"]))
        assert (row["passed"], row["judged"]) == (own["passed"].sum(), own["passed"].count())
        book = own.filter(pl.col("family") == "book")["passed"]
        assert row["book"] == f"{book.sum()} of {book.count()}"
        assert row["classifier_auc"] == 0.83 and row["tuned"] == ["flow", "hawkes"].index(row["generator"])


def test_realism_of_one_market_without_a_name_has_its_table_all_the_same():
    found = replace(made.simulator(), realism=made.realism().drop("generator"), generators=None, chosen="")
    shown = tables(simulator_section(night(simulator=found)))
    assert "Realism" in shown and "Realism by simulated market" not in shown
