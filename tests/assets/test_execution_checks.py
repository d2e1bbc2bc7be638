"""The accounts of parent orders, on rows that are wrong in one way each."""

import polars as pl
import pytest

from assets.execution_checks import judge_accounts


def rows():
    records = [
        {
            "market": market,
            "policy": policy,
            "training_seed": None,
            "symbol": "A.X",
            "episode": episode,
            "side": "buy" if episode % 2 else "sell",
            "arrival_ns": 1_000 * episode,
            "is_bps": 1.5,
            "spread_bps": 1.0,
            "timing_bps": 0.25,
            "fees_bps": 0.25,
            "completion": 1.0,
            "maker_share": 0.5,
        }
        for market in ("replay", "flow")
        for policy in ("twap_taker", "dqn")
        for episode in range(4)
    ]
    return pl.DataFrame(records, schema_overrides={"training_seed": pl.Int64})


def changed(column, value):
    return rows().with_columns(pl.when(pl.int_range(pl.len()) == 2).then(value).otherwise(pl.col(column)).alias(column))


def test_orders_that_add_up_pass():
    result = judge_accounts(rows())
    assert result.passed and result.description == "all add up"


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (changed("fees_bps", pl.lit(0.5)), "shortfalls that do not add up"),
        (changed("is_bps", pl.lit(float("nan"))), "shortfalls that do not add up"),
        (changed("completion", pl.lit(1.2)), "impossible fills"),
        (changed("maker_share", pl.lit(-0.1)), "impossible fills"),
        (changed("arrival_ns", pl.lit(77)), "orders with several starts"),
        (changed("side", pl.lit("buy")), "orders with several starts"),
        (rows().tail(15), "markets with missing orders"),
    ],
)
def test_each_way_of_being_wrong_fails_and_is_named(frame, named):
    result = judge_accounts(frame)
    assert not result.passed and result.description == f"1 {named}"


def test_no_orders_at_all_fail():
    assert not judge_accounts(rows().clear()).passed
