"""Who may enter a date's feature table."""

import polars as pl
import pytest

from assets.universe import DESCENT, Universe, universe_of, why_excluded
from feeds.errors import CoverageError
from feeds.lake import Lake
from feeds.study import load_study
from tests.support.studies import write_study

DATE, SYMBOL = "2013-10-07", "AAA.US"
ROWS = pl.DataFrame({"a": [1]})


def verdict(passed=True, blocking=True):
    return pl.DataFrame({"expectation": ["prices_positive"], "passed": [passed], "blocking": [blocking]})


def fill(lake, symbol=SYMBOL, failing=None, unchecked=None, upto=3):
    parent = "file-1"
    for table in DESCENT[:upto]:
        parent = lake.write(table, ROWS, DATE, symbol, parents=[parent]).id
        if table != unchecked:
            lake.write(f"quality_{table}", verdict(passed=table != failing), DATE, symbol, parents=[parent])
        if table == "clean_ticks" and unchecked != "invariants":
            lake.write("quality_invariants", verdict(failing != "invariants"), DATE, symbol, parents=[parent])


def test_a_whole_and_checked_descent_is_in(tmp_path):
    lake = Lake(tmp_path)
    fill(lake)
    assert why_excluded(lake, DATE, SYMBOL) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"upto": 0}, "no raw_ticks"),
        ({"upto": 2}, "no microstructure_features"),
        ({"failing": "clean_ticks"}, "clean_ticks failed prices_positive"),
        ({"unchecked": "raw_ticks"}, "raw_ticks was not checked"),
        ({"failing": "invariants"}, "invariants failed prices_positive"),
        ({"unchecked": "invariants"}, "invariants was not checked"),
    ],
)
def test_a_gap_or_a_failure_is_out_with_its_reason(tmp_path, options, reason):
    lake = Lake(tmp_path)
    fill(lake, **options)
    assert why_excluded(lake, DATE, SYMBOL) == reason


def test_features_of_replaced_ticks_are_out_until_rebuilt(tmp_path):
    lake = Lake(tmp_path)
    fill(lake)
    new = lake.write("raw_ticks", ROWS, DATE, SYMBOL, parents=["file-2"]).id
    assert why_excluded(lake, DATE, SYMBOL) == "the check of raw_ticks is older than the table"
    lake.write("quality_raw_ticks", verdict(), DATE, SYMBOL, parents=[new])
    assert why_excluded(lake, DATE, SYMBOL) == "clean_ticks is older than what it is made from"


def test_a_warning_keeps_an_instrument_in(tmp_path):
    lake = Lake(tmp_path)
    fill(lake)
    raw = lake.manifest("raw_ticks", DATE, SYMBOL).id
    lake.write("quality_raw_ticks", verdict(passed=False, blocking=False), DATE, SYMBOL, parents=[raw])
    assert why_excluded(lake, DATE, SYMBOL) is None


def test_the_universe_is_the_study_and_whatever_else_has_landed(tmp_path):
    study = load_study(write_study(tmp_path))
    lake = Lake(tmp_path / "data")
    fill(lake, "AAA.US")
    fill(lake, "NEW.US")
    universe = universe_of(lake, study, DATE)
    assert universe.included == ("AAA.US", "NEW.US") and universe.excluded == {"BBB.US": "no raw_ticks"}
    assert universe.coverage == pytest.approx(2 / 3)


def test_a_universe_below_the_coverage_raises_and_lists_who_is_missing():
    universe = Universe(("A.US",), {"B.US": "no raw_ticks"})
    universe.require(0.5, DATE)
    with pytest.raises(CoverageError, match=r"coverage 50%; excluded \{'B.US': 'no raw_ticks'\}"):
        universe.require(0.6, DATE)
