"""The point-in-time join against a plain twin; the future and the order of rows change nothing."""

import numpy as np
import polars as pl
import pytest

from feeds.errors import RowAccountingError, SchemaError
from feeds.schema import conform, empty
from models.feature_table import build_feature_table, build_training_set, feature_columns
from models.leakage import audit_cut

DATE = "2024-01-02"
HOUR = 3_600_000_000_000
DAY = 24 * HOUR


def micro(ts, symbols=("A.X",)):
    rows = [
        {"ts": t, "available_at": t, "symbol": s, "mid_ticks": 100.0, "spread_bps": 1.0} for s in symbols for t in ts
    ]
    return pl.DataFrame(rows)


def texts(*rows):
    if not rows:
        return empty("sentiment")
    frame = pl.DataFrame(rows, schema=["available_at", "symbol", "score", "text_id"], orient="row")
    fill = {name: pl.lit("") for name in ("headline", "source")} | {
        name: pl.lit(0.0) for name in ("p_negative", "p_neutral", "p_positive")
    }
    return conform(frame.with_columns(pl.col("available_at").alias("published_at"), **fill), "sentiment")


def signals(*rows):
    if not rows:
        return empty("external_signals")
    names = ["available_at", "effective_at", "symbol", "name", "value"]
    frame = pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)
    return conform(frame.with_columns(pl.lit("s").alias("source")), "external_signals")


def test_a_headline_counts_from_its_nanosecond_on_and_leaves_after_a_day():
    frame = build_feature_table(
        micro([DAY - 1, DAY, DAY + HOUR, 2 * DAY - 1, 2 * DAY]),
        texts((DAY, "A.X", 0.5, "a")),
        signals(),
        DATE,
    )
    assert frame["sent_last"].to_list() == [0.0, 0.5, 0.5, 0.5, 0.5]
    assert frame["news_count_24h"].to_list() == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert frame["sent_mean_24h"].to_list() == [0.0, 0.5, 0.5, 0.5, 0.0]
    assert frame["sent_age_h"].to_list()[:3] == [168.0, 0.0, 1.0]


def test_the_age_of_an_old_headline_is_capped():
    frame = build_feature_table(micro([30 * DAY]), texts((DAY, "A.X", 0.5, "a")), signals(), DATE)
    assert frame["sent_age_h"].to_list() == [168.0]


def test_headlines_of_one_instant_are_averaged_whatever_the_row_order():
    rows = [(DAY, "A.X", 0.1, "a"), (DAY, "A.X", 0.2, "b"), (DAY, "A.X", 0.7, "c")]
    forward = build_feature_table(micro([DAY]), texts(*rows), signals(), DATE)
    backward = build_feature_table(micro([DAY]), texts(*rows[::-1]), signals(), DATE)
    assert forward["sent_last"][0] == pytest.approx(1 / 3)
    assert forward.equals(backward)


def test_a_headline_about_everything_reaches_every_instrument_and_another_symbols_none():
    found = build_feature_table(
        micro([DAY], ("A.X", "B.X")), texts((DAY, "*", 0.5, "a"), (DAY, "B.X", -0.5, "b")), signals(), DATE
    )
    assert found["news_count_24h"].to_list() == [1.0, 2.0]
    assert found["sent_mean_24h"].to_list() == [0.5, 0.0]


def test_a_signal_of_the_symbol_outranks_the_one_for_all():
    frame = build_feature_table(
        micro([1, 10, 20], ("A.X", "B.X")),
        texts(),
        signals((5, 5, "*", "rate", 1.0), (15, 15, "A.X", "rate", 2.0), (18, 18, "*", "rate", 3.0)),
        DATE,
    )
    by_symbol = {key[0]: part["ext_rate"].to_list() for key, part in frame.group_by("symbol", maintain_order=True)}
    assert by_symbol == {"A.X": [None, 1.0, 2.0], "B.X": [None, 1.0, 3.0]}


def test_of_values_that_arrive_together_the_one_about_the_latest_time_counts():
    rows = [(5, 3, "*", "rate", 1.0), (5, 4, "*", "rate", 2.0), (5, 2, "*", "rate", 9.0)]
    for order in (rows, rows[::-1]):
        assert build_feature_table(micro([6]), texts(), signals(*order), DATE)["ext_rate"].to_list() == [2.0]


def random_inputs(seed):
    rng = np.random.default_rng(seed)
    ts = sorted(int(t) for t in rng.choice(4 * DAY, 120, replace=False))
    scored = [
        (int(t), str(rng.choice(["A.X", "B.X", "*", "C.X"])), float(rng.uniform(-1, 1)), f"t{i}")
        for i, t in enumerate(rng.choice(4 * DAY, 60))
    ]
    values = [
        (int(t), int(t), str(rng.choice(["A.X", "*"])), str(rng.choice(["u", "v"])), float(rng.normal()))
        for t in rng.choice(4 * DAY, 30, replace=False)
    ]
    return micro(ts, ("A.X", "B.X")), scored, values


def plain_row(t, symbol, scored, values):
    mine = sorted((row for row in scored if row[1] in (symbol, "*") and row[0] <= t), key=lambda row: (row[0], row[3]))
    day = [row[2] for row in mine if row[0] > t - DAY]
    together = [row[2] for row in mine if row[0] == mine[-1][0]] if mine else [0.0]
    result = {
        "sent_last": sum(together) / len(together),
        "sent_age_h": min((t - mine[-1][0]) / 3.6e12, 168.0) if mine else 168.0,
        "sent_mean_24h": sum(day) / len(day) if day else 0.0,
        "news_count_24h": float(len(day)),
    }
    for name in ("u", "v"):
        known = [row for row in values if row[3] == name and row[0] <= t]
        own, everyone = ([row for row in known if row[2] == wanted] for wanted in (symbol, "*"))
        result[f"ext_{name}"] = max(own or everyone)[4] if own or everyone else None
    return result


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_join_equals_a_plain_loop_on_random_data(seed):
    decisions, scored, values = random_inputs(seed)
    frame = build_feature_table(decisions, texts(*scored), signals(*values), DATE)
    for row in frame.to_dicts():
        expected = plain_row(row["ts"], row["symbol"], scored, values)
        for name, value in expected.items():
            assert row[name] == (value if value is None else pytest.approx(value, rel=1e-12)), name


@pytest.mark.parametrize("which", ["sentiment", "signals"])
def test_cutting_future_texts_or_signals_changes_no_bit_before_the_cut(which):
    decisions, scored, values = random_inputs(4)
    parts = {"sentiment": texts(*scored), "signals": signals(*values)}

    def compute(cut):
        frames = parts | {which: cut}
        table = build_feature_table(decisions, frames["sentiment"], frames["signals"], DATE)
        return table.with_columns(pl.lit(None, pl.Float64).alias(f"ext_{n}") for n in "uv" if f"ext_{n}" not in table)

    report = audit_cut(compute, parts[which], [DAY, 2 * DAY, 3 * DAY])
    assert report.passed, report.differing


def test_the_order_of_the_inputs_rows_changes_no_bit():
    decisions, scored, values = random_inputs(5)
    frame = build_feature_table(decisions, texts(*scored), signals(*values), DATE)
    shuffled = build_feature_table(
        decisions.sample(fraction=1.0, shuffle=True, seed=1),
        texts(*scored[::-1]),
        signals(*values[::-1]),
        DATE,
    )
    assert frame.equals(shuffled)


def test_a_repeated_decision_and_one_not_yet_available_are_rejected():
    twice = pl.concat([micro([1]), micro([1])])
    lost = micro([1]).with_columns(pl.lit(2).alias("available_at"))
    with pytest.raises(RowAccountingError, match="1 of them not available"):
        build_feature_table(lost, texts(), signals(), DATE)
    with pytest.raises(RowAccountingError, match="each once"):
        build_feature_table(twice, texts(), signals(), DATE)


def test_a_signal_name_that_is_no_column_name_is_rejected():
    with pytest.raises(SchemaError, match="rate; DROP"):
        build_feature_table(micro([1]), texts(), signals((1, 1, "*", "rate; DROP", 1.0)), DATE)


def test_features_are_the_numeric_columns_that_are_neither_keys_nor_labels():
    table = build_feature_table(micro(range(0, 10 * HOUR, HOUR)), texts(), signals((0, 0, "*", "rate", 1.0)), DATE)
    names = ["spread_bps", "sent_last", "sent_age_h", "sent_mean_24h", "news_count_24h", "ext_rate"]
    assert feature_columns(table) == names
    assert feature_columns(build_training_set(table, [3_600_000], 0)) == names
    assert table.columns[:5] == ["ts", "available_at", "date", "symbol", "mid_ticks"]
    assert all(table.schema[name] == pl.Float64 for name in names)
