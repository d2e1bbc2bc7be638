"""Columns the suites speak of that the tables do not have: steps, jumps, sums and consistency flags.

Here: one pure function per table, frame to frame of the same height. Not here: the expectations
(feeds/quality/suites.py). Null means "not applicable to this row"; expectations skip nulls.
"""

from __future__ import annotations

import polars as pl

from feeds.schema import FLAG_SNAPSHOT, FLAG_SUSPICIOUS

_NS_PER_MS = 1_000_000
_BOOK_ACTIONS = ("A", "M", "C", "Q", "L")


def raw_ticks(frame: pl.DataFrame) -> pl.DataFrame:
    """Trade prices, jumps, clock steps and shares of RAW_TICKS."""
    action, side, price = pl.col("action"), pl.col("side"), pl.col("price")
    trade, quote = action.is_in(["T", "F"]), (action == "Q") & (pl.col("size") > 0)
    jump = _ratio_to_previous(price.filter(trade & (price > 0)))
    same_quotes = quote & (price > 0)
    states_book = pl.col("bid_px").is_not_null()
    # The orders of an opening snapshot carry the stamps of days ago.
    is_live, stamp = pl.col("flags") & FLAG_SNAPSHOT == 0, pl.col("ts_event")
    return frame.with_columns(
        trade_price=pl.when(trade).then(price),
        trade_size=pl.when(trade).then(pl.col("size")),
        quote_price=pl.when(quote).then(price),
        level_price=pl.when((action == "L") & (pl.col("size") != 0)).then(price),
        level_size=pl.when(action == "L").then(pl.col("size")),
        # A source that states the book may speak of levels only: order id 0.
        order_id_of_order=pl.when(action.is_in(["A", "M", "C", "F"]) & ~(states_book & (pl.col("order_id") == 0))).then(
            pl.col("order_id")
        ),
        clock_step_ms=pl.col("ts_recv").diff() // _NS_PER_MS,
        sequence_step=pl.col("sequence").diff(),
        recv_delay_ms=pl.when(is_live).then((pl.col("ts_recv") - pl.col("ts_event")) // _NS_PER_MS),
        hours_since_first=pl.when(is_live).then((stamp - stamp.filter(is_live).min()) / (3600e3 * _NS_PER_MS)),
        is_suspicious=(pl.col("flags") & FLAG_SUSPICIOUS > 0).cast(pl.Int8),
        is_bid_side_of_book=pl.when(action.is_in(_BOOK_ACTIONS)).then((side == "B").cast(pl.Int8)),
        is_book_event=(action.is_in(_BOOK_ACTIONS) | states_book).cast(pl.Int8),
        stated_book_is_crossed=pl.when(states_book).then(
            ((pl.col("bid_px") > pl.col("ask_px")) & (pl.col("ask_px") > 0)).cast(pl.Int8)
        ),
    ).with_columns(
        trade_jump_ratio=_scatter(frame, trade & (price > 0), jump),
        quote_jump_ratio=pl.when(same_quotes).then(
            _two_sided_ratio(price, pl.when(same_quotes).then(price).forward_fill().shift(1).over("side"))
        ),
    )


def clean_ticks(frame: pl.DataFrame) -> pl.DataFrame:
    """Spread, time steps and distance of trades from the book of CLEAN_TICKS."""
    bid, ask = pl.col("bid_px"), pl.col("ask_px")
    trade = pl.col("action").is_in(["T", "F"])
    return frame.with_columns(
        spread_ticks=ask - bid,
        spread_bps=2e4 * (ask - bid) / (ask + bid),
        available_at_step_ns=pl.col("available_at").diff(),
        is_known_after_event=(pl.col("available_at") >= pl.col("ts_event")).cast(pl.Int8),
        trade_price=pl.when(trade).then(pl.col("price")),
        trade_to_mid_bps=pl.when(trade).then(1e4 * (2 * pl.col("price") / (bid + ask) - 1).abs()),
        trade_is_signed=pl.when(trade).then((pl.col("trade_sign") != 0).cast(pl.Int8)),
        depth_beyond_bid=pl.col("bid_depth") - pl.col("bid_sz"),
        depth_beyond_ask=pl.col("ask_depth") - pl.col("ask_sz"),
        sign_of_non_trade=pl.when(~trade).then(pl.col("trade_sign")),
    )


def bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Order of the four prices, lengths and steps of BARS."""
    return frame.with_columns(
        bar_ns=pl.col("ts") - pl.col("ts_open"),
        ts_step_ns=pl.col("ts").diff(),
        high_over_body=pl.col("high") - pl.max_horizontal("open", "close"),
        body_over_low=pl.min_horizontal("open", "close") - pl.col("low"),
        known_after_end_ns=pl.col("available_at") - pl.col("ts"),
        trades_without_volume=((pl.col("trades") > 0) & (pl.col("volume_lots") <= 0)).cast(pl.Int8),
        unsigned_excess_lots=pl.col("volume_lots") - pl.col("signed_volume_lots").abs(),
    )


def vendor_bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Order of the four prices, lengths and steps of VENDOR_BARS; steps are those within a source."""
    previous = {name: pl.col(name).shift(1).over("source") for name in ("ts", "close")}
    return frame.with_columns(
        bar_s=(pl.col("ts") - pl.col("ts_open")) / (1e3 * _NS_PER_MS),
        open_after_close_ns=pl.col("ts_open") - previous["ts"],
        high_over_body=pl.col("high") - pl.max_horizontal("open", "close"),
        body_over_low=pl.min_horizontal("open", "close") - pl.col("low"),
        range_ratio=pl.col("high") / pl.col("low"),
        open_jump_ratio=_two_sided_ratio(pl.col("open"), previous["close"]),
    )


def features(frame: pl.DataFrame) -> pl.DataFrame:
    """Availability, infinite and missing values of a table with ``ts``, ``available_at`` and float features."""
    floats = [name for name, kind in frame.schema.items() if kind in (pl.Float32, pl.Float64)]
    labels = [name for name in floats if name.startswith("label_") and name.endswith("_bps")]
    inputs = [name for name in floats if name not in labels]
    made = [
        (pl.col("available_at") - pl.col("ts")).alias("lookahead_ns"),
        pl.sum_horizontal(pl.lit(0), *(pl.col(name).is_infinite().fill_null(False) for name in floats)).alias(
            "infinite_values"
        ),
        (pl.sum_horizontal(pl.lit(0), *(_is_missing(name) for name in inputs)) / max(1, len(inputs))).alias(
            "missing_share"
        ),
    ]
    if labels:
        made.append(pl.max_horizontal(pl.col(name).fill_nan(None).abs() for name in labels).alias("label_abs_bps"))
        made.append(pl.any_horizontal(~_is_missing(name) for name in labels).cast(pl.Int8).alias("is_labelled"))
    return frame.with_columns(made)


def texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Lengths and delays of HEADLINES."""
    return frame.with_columns(
        headline_characters=pl.col("headline").str.strip_chars().str.len_chars(),
        publication_delay_ns=pl.col("available_at") - pl.col("published_at"),
    )


def sentiment(frame: pl.DataFrame) -> pl.DataFrame:
    """Consistency of the probabilities of SENTIMENT."""
    total = pl.col("p_negative") + pl.col("p_neutral") + pl.col("p_positive")
    return texts(frame).with_columns(
        probability_excess=(total - 1).abs(),
        score_error=(pl.col("score") - pl.col("p_positive") + pl.col("p_negative")).abs(),
    )


def signals(frame: pl.DataFrame) -> pl.DataFrame:
    """Finite values of EXTERNAL_SIGNALS."""
    return frame.with_columns(value_is_finite=pl.col("value").is_finite().fill_null(False).cast(pl.Int8))


def _is_missing(name: str) -> pl.Expr:
    return pl.col(name).is_null() | pl.col(name).is_nan().fill_null(False)


def _two_sided_ratio(now: pl.Expr, before: pl.Expr) -> pl.Expr:
    ratio = now / before
    return pl.max_horizontal(ratio, 1 / ratio)


def _ratio_to_previous(price: pl.Expr) -> pl.Expr:
    return _two_sided_ratio(price, price.shift(1))


def _scatter(frame: pl.DataFrame, where: pl.Expr, values: pl.Expr) -> pl.Series:
    """``values`` (computed on the rows ``where``) back at their rows, null elsewhere."""
    at = frame.select(where.arg_true()).to_series()
    full = pl.Series([None], dtype=pl.Float64).new_from_index(0, frame.height)
    return full.scatter(at, frame.select(values).to_series())
