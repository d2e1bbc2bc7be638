"""The cleaning rules of Barndorff-Nielsen, Hansen, Lunde and Shephard, "Realized kernels in practice: trades and
quotes", Econometrics Journal 12 (2009), section 3.1, one function a rule.

The paper cleans whole days: some of its rules look at what comes later. Each of those has a causal twin here that looks
at the past only, and says in what it differs.

Here: P1 to P3, T1 to T4, Q1 to Q4. Not here: which of them apply (feeds/cleaning/rules.py), the sale conditions
behind T2 (feeds/cleaning/sale_conditions.py).
"""  # noqa: D205

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.adapters.base import BOOK_COLUMNS
from feeds.cleaning.sale_conditions import is_ineligible
from feeds.instruments import InstrumentSpec
from feeds.schema import FLAG_SUSPICIOUS

_TRADES = ("T", "F")
_BLOCK = 100_000


def p1_outside_hours(bounds: tuple[int, int]) -> pl.Expr:
    """P1: a stamp outside the exchange's hours. ``bounds``: open (inclusive) and close (exclusive), ns UTC."""
    return ~pl.col("ts_event").is_between(*bounds, closed="left")


def p2_without_price() -> pl.Expr:
    """P2: a bid, ask or transaction price of zero (or less). A level or quote of size 0 is a withdrawal, no price."""
    action, size = pl.col("action"), pl.col("size")
    priced = action.is_in(["T", "F", "M"]) | (action.is_in(["Q", "L"]) & (size > 0))
    return priced & (pl.col("price") <= 0)


def p3_other_exchange(exchange: str) -> pl.Expr:
    """P3: not of the one exchange retained; rows that name no exchange (status, clear) stay."""
    return ~pl.col("exchange").is_in(["", exchange])


def t1_corrected() -> pl.Expr:
    """T1: corrected trades. The schema's mark of the source's own doubts stands for the TAQ correction indicator."""
    return pl.col("flags") & FLAG_SUSPICIOUS > 0


def t2_abnormal_condition(spec: InstrumentSpec) -> pl.Expr:
    """T2: an abnormal sale condition, after the venue's vocabulary instead of TAQ's letters."""
    return is_ineligible(spec)


def t3_one_trade_a_stamp(clean: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """T3: trades of one stamp become one, at their median price, with their summed size and signed by its majority.

    Not causal inside a stamp. The last row of a stamp stays; of an even number the lower median is taken, so that
    prices stay whole ticks.

    Args:
        clean: CLEAN_TICKS.

    Returns:
        ``(kept, merged)``: CLEAN_TICKS with one trade a stamp, and the rows that went into another.
    """
    trade = pl.col("action").is_in(_TRADES)
    stamp = [pl.col("ts_event"), trade.alias("trade")]
    signed = (pl.col("trade_sign").cast(pl.Int64) * pl.col("size")).sum().over(stamp).sign().cast(pl.Int8)
    merged = clean.with_columns(
        price=pl.when(trade).then(_lower_median("price").over(stamp)).otherwise(pl.col("price")),
        size=pl.when(trade).then(pl.col("size").sum().over(stamp)).otherwise(pl.col("size")),
        trade_sign=pl.when(trade).then(signed).otherwise(pl.col("trade_sign")),
        last=~trade | pl.struct(stamp).is_last_distinct(),
    )
    gone = clean.filter(~merged["last"])
    return merged.filter("last").drop("last"), gone


def q1_one_quote_a_stamp(clean: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Q1: quotes of one stamp become one, with the median bid and the median ask (sizes and depths: medians too).

    Not causal inside a stamp. Quotes are all rows but trades and status; the last row of a stamp stays, see
    `t3_one_trade_a_stamp` for medians.

    Args:
        clean: CLEAN_TICKS.

    Returns:
        ``(kept, merged)`` as there.
    """
    quote = ~pl.col("action").is_in([*_TRADES, "H"])
    stamp = [pl.col("ts_event"), quote.alias("quote")]
    medians = [
        pl.when(quote).then(_lower_median(name).over(stamp)).otherwise(pl.col(name)).alias(name)
        for name in BOOK_COLUMNS
    ]
    merged = clean.with_columns(*medians, last=~quote | pl.struct(stamp).is_last_distinct())
    gone = clean.filter(~merged["last"])
    return merged.filter("last").drop("last"), gone


def t4_outside_spread(booked: pl.DataFrame, *, paper: bool) -> pl.Series:
    """T4: a trade above the ask plus the spread, or below the bid minus the spread.

    The paper matches a trade with the quote of its stamp, later ones of the same stamp included. Causal: with the book
    as it stood before the trade's own row.

    Args:
        booked: RAW_TICKS with book columns.
        paper: Which of the two.

    Returns:
        Boolean, a value a row; rows without a two-sided book to compare with are not judged.
    """
    two_sided = (pl.col("bid_px") > 0) & (pl.col("ask_px") >= pl.col("bid_px"))
    standing = booked.select(
        "action",
        "price",
        "ts_event",
        *(pl.when(two_sided).then(pl.col(name)).forward_fill().alias(name) for name in ("bid_px", "ask_px")),
    )
    if paper:
        bid, ask = (pl.col(name).last().over("ts_event") for name in ("bid_px", "ask_px"))
    else:
        bid, ask = (pl.col(name).shift(1) for name in ("bid_px", "ask_px"))
    price, spread = pl.col("price"), ask - bid
    outside = pl.col("action").is_in(_TRADES) & ((price > ask + spread) | (price < bid - spread))
    return standing.select(outside.fill_null(value=False).alias("t4")).to_series()


def q2_negative_spread() -> pl.Expr:
    """Q2: bid above ask. Both must stand: an empty side (0) is no spread."""
    return (pl.col("bid_px") > pl.col("ask_px")) & (pl.col("ask_px") > 0)


def q3_wide_spread(booked: pl.DataFrame, factor: float, window: int | None) -> pl.Series:
    """Q3: a spread of more than ``factor`` (the paper: 50) times the median spread of the day.

    Args:
        booked: RAW_TICKS with book columns.
        factor: Multiple of the median.
        window: None for the paper's day; else the median is of that many quotes up to the one *before* (fewer at the
            beginning, where the first is not judged).

    Returns:
        Boolean, a value a row. Trades are not judged, they only see the book.
    """
    quotes = _quotes(booked).with_columns(spread=(pl.col("ask_px") - pl.col("bid_px")).cast(pl.Float64))
    usual = pl.col("spread").median()
    if window is not None:
        usual = pl.col("spread").rolling_median(window, min_samples=1).shift(1)
    wide = quotes.filter((pl.col("spread") > factor * usual) & (usual > 0))
    return _at_rows(wide["row"].to_numpy(), booked.height)


def q4_outlying_mid(
    booked: pl.DataFrame, deviations: float, window: int, *, paper: bool, least_ticks: float = 0.0
) -> pl.Series:
    """Q4: a mid that lies more than ``deviations`` (10) mean absolute deviations from the median of ``window`` (50).

    The median, and the mean absolute deviation from it, are of the quotes around the one judged, itself excluded: the
    paper takes half of them before and half after; causal takes all of them before. A causal median is late: after a
    true jump it calls every quote outlying until half the window has passed.

    Args:
        booked: RAW_TICKS with book columns.
        deviations: Multiple of the mean absolute deviation.
        window: Quotes, even.
        paper: Which of the two.
        least_ticks: A distance that is never outlying: where the window does not move at all, every step is infinitely
            many deviations.

    Returns:
        Boolean, a value a row. Trades and quotes without a whole window are not judged.
    """
    quotes = _quotes(booked)
    twice_mid = (quotes["bid_px"] + quotes["ask_px"]).to_numpy()
    n, half = twice_mid.size, window // 2
    first, last = (half, n - half) if paper else (window, n)
    outlying = np.zeros(n, np.bool_)
    offsets = np.concatenate([np.arange(-half, 0), np.arange(1, half + 1)]) if paper else np.arange(-window, 0)
    for start in range(first, last, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, last))
        around = twice_mid[rows[:, None] + offsets]
        median = np.median(around, axis=1)
        deviation = np.abs(around - median[:, None]).mean(axis=1)
        distance = np.abs(twice_mid[rows] - median)
        outlying[rows] = (distance > deviations * deviation) & (distance > 2.0 * least_ticks)
    return _at_rows(quotes["row"].to_numpy()[outlying], booked.height)


def _quotes(booked: pl.DataFrame) -> pl.DataFrame:
    """Rows that may change the book and leave it two-sided, with their place ``row``."""
    quoted = ~pl.col("action").is_in(["T", "H"]) & (pl.col("bid_px") > 0) & (pl.col("ask_px") > 0)
    return booked.select("action", "bid_px", "ask_px").with_row_index("row").filter(quoted)


def _at_rows(places: np.ndarray, height: int) -> pl.Series:
    marked = np.zeros(height, np.bool_)
    marked[places] = True
    return pl.Series(marked)


def _lower_median(name: str) -> pl.Expr:
    return pl.col(name).quantile(0.5, "lower").cast(pl.Int64)
