"""The small files that ship with the studies."""

import datetime as dt

import polars as pl
import pytest

from feeds.study import STUDIES_DIR, available_studies, load_study


def _read(name):
    return pl.read_csv(STUDIES_DIR / "data" / name, infer_schema=False)


def _time(text):
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize("study", available_studies())
def test_every_file_a_study_ships_is_there(study):
    wanted = [s.path.removeprefix("study:") for s in load_study(study).sources if s.path.startswith("study:")]
    assert [path for path in wanted if not list(STUDIES_DIR.glob(path))] == []


def test_the_demo_headlines_are_called_simulated_and_several_fall_inside_the_capture():
    frame = _read("bitstamp_demo_headlines.csv")
    assert frame.columns == ["published_at", "symbols", "headline", "source"]
    assert set(frame["source"]) == {"simulated"}
    assert set(frame["symbols"]) == {"BTCUSD"}
    times = [_time(text) for text in frame["published_at"]]
    assert times == sorted(times)
    assert all(time.tzinfo == dt.UTC for time in times)
    opens, closes = _time("2026-05-02T02:37:00Z"), _time("2026-05-02T03:05:00Z")
    assert sum(opens <= time <= closes for time in times) >= 4
    assert times[0] < opens


def test_the_block_subsidy_halves_at_every_step_and_is_never_known_before_it_holds():
    frame = _read("bitcoin_protocol_signals.csv")
    assert frame.columns == ["available_at", "effective_at", "symbol", "name", "value", "source"]
    values = frame["value"].cast(pl.Float64).to_list()
    assert values == [50.0 / 2**step for step in range(5)]
    known = [_time(text) for text in frame["available_at"]]
    assert known == sorted(known)
    assert all(a >= _time(e) for a, e in zip(known, frame["effective_at"], strict=True))
    assert known[-1] == _time("2024-04-20T00:09:27Z")
