"""The suites: per table, what a partition must look like to be used.

A suite describes a whole partition. Single bad rows are the business of cleaning, so that expectations on raw data
carry ``mostly``: the share of rows that must satisfy them; the bounds lie well outside what good captures show and
well inside what a damaged, mislabelled or wrongly scaled file shows.

Here: declarations. Not here: derived columns (feeds/quality/derive.py), running (feeds/quality/run.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from feeds.quality import derive
from feeds.schema import TABLES

#: 1990-01-01 and 2100-01-01 in ns UTC: milliseconds or microseconds taken for nanoseconds fall outside.
EARLIEST_NS, LATEST_NS = 631_152_000_000_000_000, 4_102_444_800_000_000_000


@dataclass(frozen=True)
class Expectation:
    """One Great Expectations expectation.

    Attributes:
        type: GX expectation type, e.g. ``"expect_column_values_to_be_between"``.
        kwargs: Its arguments.
        blocking: Whether a failure stops the partition; else it is a warning.
    """

    type: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    blocking: bool = True

    @property
    def column(self) -> str | None:
        """The column it speaks of, None for one about the table."""
        return self.kwargs.get("column")

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns it needs."""
        single = (self.column,) if self.column else ()
        return (*single, *self.kwargs.get("column_list", ()))

    @property
    def text(self) -> str:
        """The expectation in one line, e.g. ``trade_price between 1 and ... (mostly 0.99)``."""
        return _in_words(self)


def between(
    column: str,
    least: float | None = None,
    most: float | None = None,
    *,
    mostly: float = 1.0,
    blocking: bool = True,
) -> Expectation:
    """Values lie in ``[least, most]``."""
    bounds = {"column": column, "min_value": least, "max_value": most, "mostly": mostly}
    return Expectation("expect_column_values_to_be_between", bounds, blocking)


def not_null(column: str) -> Expectation:
    """No value is missing."""
    return Expectation("expect_column_values_to_not_be_null", {"column": column})


def mean_between(
    column: str, least: float | None = None, most: float | None = None, *, blocking: bool = True
) -> Expectation:
    """The mean (of a 0/1 column: the share) lies in ``[least, most]``."""
    return Expectation(
        "expect_column_mean_to_be_between", {"column": column, "min_value": least, "max_value": most}, blocking
    )


def median_between(column: str, least: float | None, most: float | None, *, blocking: bool = True) -> Expectation:
    """The median lies in ``[least, most]``."""
    return Expectation(
        "expect_column_median_to_be_between", {"column": column, "min_value": least, "max_value": most}, blocking
    )


def rows_at_least(count: int) -> Expectation:
    """The partition has that many rows."""
    return Expectation("expect_table_row_count_to_be_between", {"min_value": count})


def has_columns(table: str) -> Expectation:
    """All columns of the schema are there; more may be."""
    return Expectation("expect_table_columns_to_match_set", {"column_set": list(TABLES[table]), "exact_match": False})


def unique_together(*columns: str) -> Expectation:
    """No two rows share these columns."""
    return Expectation("expect_compound_columns_to_be_unique", {"column_list": list(columns)})


def in_set(column: str, *values: Any) -> Expectation:
    """Values are among ``values``."""
    return Expectation("expect_column_values_to_be_in_set", {"column": column, "value_set": list(values)})


def stamp(column: str) -> Expectation:
    """A time in ns UTC."""
    return between(column, EARLIEST_NS, LATEST_NS)


_FEATURE_ROWS = (
    not_null("symbol"),
    stamp("ts"),
    between("lookahead_ns", None, 0),
    unique_together("ts", "symbol"),
    between("mid_ticks", 0.5),
    between("infinite_values", 0, 0),
    between("missing_share", 0, 0.5, mostly=0.9),
    mean_between("missing_share", 0, 0.3, blocking=False),
)

SUITES: dict[str, tuple[Expectation, ...]] = {
    "raw_ticks": (
        has_columns("raw_ticks"),
        rows_at_least(100),
        stamp("ts_event"),
        stamp("ts_recv"),
        # One partition is one day: local midnight to midnight, one hour of daylight saving to spare.
        between("hours_since_first", 0, 25),
        between("sequence_step", 1),
        # Delivery order and clock disagree by seconds at most (snapshots, reconnects).
        between("clock_step_ms", -5_000),
        between("recv_delay_ms", -60_000, 600_000, mostly=0.99),
        between("trade_price", 1, mostly=0.99),
        between("trade_size", 1, mostly=0.99),
        between("quote_price", 1, mostly=0.99),
        between("trade_jump_ratio", 1, 1.5, mostly=0.999),
        between("quote_jump_ratio", 1, 1.5, mostly=0.99),
        between("order_id_of_order", 1, mostly=0.999),
        # A tape without quotes or orders has no book; one without a side neither.
        mean_between("is_book_event", 0.05),
        mean_between("is_bid_side_of_book", 0.02, 0.98),
        mean_between("stated_book_is_crossed", 0, 0.01),
        mean_between("is_suspicious", 0, 0.05),
    ),
    "clean_ticks": (
        has_columns("clean_ticks"),
        rows_at_least(100),
        stamp("ts_event"),
        stamp("available_at"),
        between("available_at_step_ns", 0),
        mean_between("is_known_after_event", 0.99),
        between("bid_px", 1),
        between("spread_ticks", 0),
        between("bid_sz", 1),
        between("ask_sz", 1),
        between("depth_beyond_bid", 0),
        between("depth_beyond_ask", 0),
        between("trade_price", 1),
        in_set("trade_sign", -1, 0, 1),
        between("sign_of_non_trade", 0, 0),
        median_between("spread_bps", 0, 200),
        between("trade_to_mid_bps", 0, 500, mostly=0.99),
        mean_between("trade_is_signed", 0.5, blocking=False),
    ),
    "bars": (
        has_columns("bars"),
        rows_at_least(1),
        stamp("ts"),
        between("bar_ns", 1),
        between("ts_step_ns", 1),
        between("known_after_end_ns", 0),
        between("low", 1),
        between("high_over_body", 0),
        between("body_over_low", 0),
        between("volume_lots", 0),
        between("trades", 0),
        between("trades_without_volume", 0, 0),
        between("unsigned_excess_lots", 0),
        between("realised_variance", 0, 0.1),
        between("spread_mean_ticks", 0),
    ),
    "microstructure_features": (
        rows_at_least(1),
        *_FEATURE_ROWS,
        between("spread_bps", 0, 1_000, mostly=0.999),
        between("queue_imbalance", -1, 1),
        between("depth_imbalance", -1, 1),
        between("time_of_session", 0, 1),
        between("quote_age_ms", 0),
    ),
    "headlines": (
        has_columns("headlines"),
        stamp("published_at"),
        between("publication_delay_ns", 0),
        between("headline_characters", 3, 2_000),
        not_null("symbol"),
        not_null("source"),
        unique_together("text_id", "symbol", "published_at"),
    ),
    "external_signals": (
        has_columns("external_signals"),
        stamp("available_at"),
        not_null("symbol"),
        not_null("name"),
        not_null("source"),
        between("value_is_finite", 1, 1),
    ),
    "sentiment": (
        has_columns("sentiment"),
        stamp("published_at"),
        between("publication_delay_ns", 0),
        not_null("p_negative"),
        not_null("p_neutral"),
        not_null("p_positive"),
        between("p_negative", 0, 1),
        between("p_neutral", 0, 1),
        between("p_positive", 0, 1),
        between("probability_excess", 0, 1e-3),
        between("score", -1, 1),
        between("score_error", 0, 1e-6),
    ),
    "feature_table": (rows_at_least(1), *_FEATURE_ROWS),
    "training_set": (
        rows_at_least(1),
        *_FEATURE_ROWS,
        mean_between("is_labelled", 0.05),
        between("label_abs_bps", 0, 1_000, mostly=0.999),
    ),
}

DERIVE: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "raw_ticks": derive.raw_ticks,
    "clean_ticks": derive.clean_ticks,
    "bars": derive.bars,
    "microstructure_features": derive.features,
    "headlines": derive.texts,
    "external_signals": derive.signals,
    "sentiment": derive.sentiment,
    "feature_table": derive.features,
    "training_set": derive.features,
}


def _in_words(expectation: Expectation) -> str:
    kwargs = expectation.kwargs
    subject = expectation.column or ", ".join(kwargs.get("column_list", ()))
    verb = expectation.type.removeprefix("expect_").removeprefix("compound_").replace("column_values_to_", "")
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    bounds = f" [{'' if low is None else f'{low:g}'}, {'' if high is None else f'{high:g}'}]"
    mostly = f" for {kwargs['mostly']:.1%} of rows" if kwargs.get("mostly", 1.0) < 1 else ""
    return (
        f"{subject} {verb.replace('_', ' ')}".strip() + (bounds if low is not None or high is not None else "") + mostly
    )
