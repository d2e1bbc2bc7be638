"""Return labels in closed form: entry after the latency, horizon from the entry, null past the session."""

import math

import polars as pl
import pytest

from feeds.errors import SchemaError
from models.labels import mid_return_labels

S = 1_000_000_000


def frame(mids, symbol="A.X", start=0, step=S):
    ts = [start + (i + 1) * step for i in range(len(mids))]
    return pl.DataFrame({"ts": ts, "symbol": [symbol] * len(mids), "mid_ticks": [float(m) for m in mids]})


def bps(new, old):
    return math.log(new / old) * 1e4


def test_without_latency_the_label_is_the_return_from_now_over_the_horizon():
    out = mid_return_labels(frame([100, 101, 103, 106]), [2000])
    assert out["label_2000ms_bps"].to_list() == pytest.approx([bps(103, 100), bps(106, 101), None, None])
    assert out["label_available_at"].to_list() == [3 * S, 4 * S, None, None]


def test_a_latency_below_one_step_enters_at_the_next_decision_and_keeps_the_whole_horizon():
    out = mid_return_labels(frame([100, 101, 103, 106]), [1000], latency_ms=100)
    assert out["label_1000ms_bps"].to_list() == pytest.approx([bps(103, 101), bps(106, 103), None, None])


def test_the_row_is_known_when_the_longest_label_it_has_is_known():
    out = mid_return_labels(frame([100, 101, 103, 106]), [1000, 3000])
    assert out["label_available_at"].to_list() == [4 * S, 3 * S, 4 * S, None]
    assert out["label_3000ms_bps"].null_count() == 3


def test_symbols_do_not_see_each_other_and_rows_keep_their_order():
    both = pl.concat([frame([100, 110, 120]), frame([50, 60, 70], "B.X")]).sort(
        "ts", "symbol", descending=[True, False]
    )
    out = mid_return_labels(both, [1000])
    assert out.select(both.columns).equals(both)
    first = out.filter(pl.col("ts") == S)
    assert dict(first.select("symbol", "label_1000ms_bps").iter_rows()) == pytest.approx(
        {"A.X": bps(110, 100), "B.X": bps(60, 50)}
    )


def test_a_label_does_not_reach_over_a_gap_longer_than_one_step():
    gapped = pl.concat([frame([100, 101, 102]), frame([200, 201], start=100 * S)])
    out = mid_return_labels(gapped, [1000])
    assert out["label_1000ms_bps"].is_null().to_list() == [False, False, True, False, True]


def test_a_horizon_between_two_decisions_ends_at_the_next_one():
    out = mid_return_labels(frame([100, 101, 103]), [1500])
    assert out["label_1500ms_bps"].to_list() == pytest.approx([bps(103, 100), None, None])


@pytest.mark.parametrize("arguments", [([], 0), ([0], 0), ([1000], -1)])
def test_a_horizon_or_latency_without_meaning_is_rejected(arguments):
    with pytest.raises(SchemaError, match="labels"):
        mid_return_labels(frame([1, 2]), *arguments)


def test_repeated_rows_are_rejected():
    with pytest.raises(SchemaError, match="2 repeated"):
        mid_return_labels(pl.concat([frame([1, 2]), frame([1, 2])]), [1000])


def test_an_empty_frame_gets_the_columns():
    out = mid_return_labels(frame([1]).clear(), [1000])
    assert out.height == 0
    assert dict(out.schema) | {"label_1000ms_bps": pl.Float64, "label_available_at": pl.Int64} == dict(out.schema)
