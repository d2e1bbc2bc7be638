import re

import pytest

from feeds.errors import StudyError
from feeds.study import available_studies, load_study, parse_study

GOOD = """
name: tiny
title: Tiny
sources: [{format: us_equity_tick, path: "x/*.zip"}]
dates: {start: 2013-10-07, end: 2013-10-09}
calendar: XNYS
instruments: [{id: IBM.US, tick_size: 0.0001, lot_size: 1}]
grid_ms: 5000
label: {horizon_ms: 60000}
split: {kind: intraday, train_until: "13:00:00"}
costs: {fee_bps: 0.3}
"""


@pytest.mark.parametrize("name", available_studies())
def test_every_shipped_study_is_valid_and_named_after_its_file(name):
    assert load_study(name).name == name


def test_the_three_named_studies_are_shipped():
    assert set(available_studies()) >= {"bitstamp_demo", "lobster_2012", "us_equities_2013"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "grid_ms: 5000",
            "grid: 5000",
            r"Key 'grid': found an unknown key; allowed are \[.*'grid_ms'.*Did you mean 'grid_ms'",
        ),
        ("grid_ms: 5000", "", r"Key 'grid_ms': not found; it is required"),
        ("calendar: XNYS", "calendar: XLON", r"Key 'calendar': found 'XLON'; allowed: .*'XNYS' or '24/7'"),
        (
            "fee_bps: 0.3",
            "fee_bps: -1",
            r"Key 'costs.fee_bps': found -1; allowed: .*greater than or equal to 0",
        ),
        (
            "train_until",
            "train_til",
            r"Key 'split.train_til': found an unknown key; allowed are .*train_until",
        ),
        (
            "format: us_equity_tick",
            "format: morse",
            r"Key 'sources.0.format': found 'morse'; allowed: .*lobster",
        ),
        ("end: 2013-10-09", "end: 2013-10-01", r"end 2013-10-01 lies before start 2013-10-07"),
        ("horizon_ms: 60000", "horizon_ms: 7000", r"horizon_ms 7000 is no multiple of grid_ms 5000"),
        ("id: IBM.US", "id: ibm", r"Key 'instruments.0.id': found 'ibm'"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_was_found_and_what_is_allowed(old, new, said):
    with pytest.raises(StudyError) as caught:
        parse_study(GOOD.replace(old, new), "tiny.yaml")
    assert re.search(said, str(caught.value))
    assert "tiny.yaml" in str(caught.value)


def test_a_good_study_parses():
    study = parse_study(GOOD)
    assert study.split.kind == "intraday" and study.seed == 7


def test_a_missing_study_lists_what_there_is():
    with pytest.raises(StudyError, match="bitstamp_demo"):
        load_study("no_such_study")


def test_broken_yaml_is_a_study_error():
    with pytest.raises(StudyError, match="valid YAML"):
        parse_study("a: [")


def test_a_study_admits_only_its_dates_and_where_told_only_its_instruments():
    import datetime as dt

    study = parse_study(GOOD)
    closed = parse_study(GOOD + "admit_new_instruments: false\n")
    inside = dt.date(2013, 10, 8)
    assert study.admits(inside, "BAC.US") and not closed.admits(inside, "BAC.US")
    assert not study.admits(dt.date(2013, 10, 10), "IBM.US")
