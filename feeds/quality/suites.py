"""The suites: per table, what a partition must look like to be used.

A suite describes a whole partition. Single bad rows are the business of cleaning, so that expectations on raw data
carry ``mostly``: the share of rows that must satisfy them; the bounds lie well outside what good captures show and
well inside what a damaged, mislabelled or wrongly scaled file shows. Sources differ in what they hold: an expectation
stands under the trait it needs (feeds/quality/traits.py) and is left out, and reported so, where that is absent.

Here: declarations. Not here: derived columns (feeds/quality/derive.py), running (feeds/quality/run.py).
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from feeds.quality import derive
from feeds.quality.expectations import (
    Expectation,
    between,
    has_columns,
    in_set,
    mean_between,
    median_between,
    not_null,
    rows_at_least,
    stamp,
    unique_together,
    when,
)
from feeds.quality.traits import ABSENT, Traits

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
        *when("two_clocks", between("recv_delay_ms", -60_000, 600_000, mostly=0.99)),
        *when(
            "has_trades",
            between("trade_price", 1, mostly=0.99),
            between("trade_size", 1, mostly=0.99),
            between("trade_jump_ratio", 1, 1.5, mostly=0.999),
        ),
        *when(
            "has_quotes",
            between("quote_price", 1, mostly=0.99),
            between("quote_jump_ratio", 1, 1.5, mostly=0.99),
        ),
        *when("has_orders", between("order_id_of_order", 1, mostly=0.999)),
        # A level is removed by size 0, never by less, and has a price.
        *when("has_levels", between("level_price", 1), between("level_size", 0)),
        # Beside its trades, a source with a book shows the book move, on both of its sides.
        *when("has_book", mean_between("is_book_event", 0.05), mean_between("is_bid_side_of_book", 0.02, 0.98)),
        *when("has_stated_book", mean_between("stated_book_is_crossed", 0, 0.01)),
        mean_between("is_suspicious", 0, 0.05),
    ),
    "clean_ticks": (
        has_columns("clean_ticks"),
        rows_at_least(100),
        stamp("ts_event"),
        stamp("available_at"),
        between("available_at_step_ns", 0),
        mean_between("is_known_after_event", 0.99),
        *when(
            "has_book",
            between("bid_px", 1),
            between("spread_ticks", 0),
            between("bid_sz", 1),
            between("ask_sz", 1),
            between("depth_beyond_bid", 0),
            between("depth_beyond_ask", 0),
            median_between("spread_bps", 0, 200),
        ),
        *when("has_trades", between("trade_price", 1), mean_between("trade_is_signed", 0.5, blocking=False)),
        *when("has_trades", *when("has_book", between("trade_to_mid_bps", 0, 500, mostly=0.99))),
        in_set("trade_sign", -1, 0, 1),
        between("sign_of_non_trade", 0, 0),
    ),
    "vendor_bars": (
        has_columns("vendor_bars"),
        rows_at_least(1),
        stamp("ts_open"),
        stamp("ts"),
        not_null("source"),
        # From a second to a day; the next bar opens no earlier than this one closed.
        between("bar_s", 1, 86_400),
        between("open_after_close_ns", 0),
        unique_together("source", "ts_open"),
        not_null("close"),
        between("low", 1),
        between("high_over_body", 0),
        between("body_over_low", 0),
        between("volume_lots", 0),
        # A bar that doubles or halves, or opens far from where the last one closed, is scaled wrongly.
        between("range_ratio", 1, 1.5, mostly=0.999),
        between("open_jump_ratio", 1, 1.5, mostly=0.999),
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
    "vendor_bars": derive.vendor_bars,
    "bars": derive.bars,
    "microstructure_features": derive.features,
    "headlines": derive.texts,
    "external_signals": derive.signals,
    "sentiment": derive.sentiment,
    "feature_table": derive.features,
    "training_set": derive.features,
}


def suite_for(table: str, traits: Traits) -> tuple[tuple[Expectation, ...], tuple[tuple[Expectation, str], ...]]:
    """The suite of ``table`` for a partition with ``traits``.

    Args:
        table: A key of `SUITES`.
        traits: See `feeds.quality.traits.traits_of`.

    Returns:
        ``(applicable, left_out)``, each in the order of the suite; what is left out with the reason.
    """
    applicable, left_out = [], []
    for item in SUITES[table]:
        absent = sorted(item.needs - traits)
        if absent:
            left_out.append((item, "; ".join(ABSENT[name] for name in absent)))
        else:
            applicable.append(item)
    return tuple(applicable), tuple(left_out)
