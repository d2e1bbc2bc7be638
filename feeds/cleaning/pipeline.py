"""The steps of cleaning, in order, and the accounting of rows.

Here: which rule comes before which. Not here: the rules (the other modules of this package).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from feeds.cleaning import bnhls, clock, halts, orders, repeats
from feeds.cleaning import sale_conditions as sales
from feeds.cleaning.book import BookKind, OrderBook, at_whole_events, book_kind, build_book
from feeds.cleaning.faults import replay_faults
from feeds.cleaning.rules import CleaningRules
from feeds.cleaning.trade_sign import trade_signs
from feeds.errors import RowAccountingError
from feeds.instruments import InstrumentSpec
from feeds.schema import (
    FLAG_AUCTION,
    FLAG_CLOSING,
    FLAG_GAP,
    FLAG_PARTIAL,
    FLAG_SNAPSHOT,
    FLAG_SUSPICIOUS,
    REJECTED_TICKS,
    conform,
    empty,
)

#: Trades before one that stand in for the mid where a source has no book.
TRADES_BEFORE = 50
_DEFAULT = CleaningRules()
#: (whether it applies, reason code, rows)
_Rule = tuple[bool, str, pl.Expr]


@dataclass(frozen=True)
class CleanResult:
    """A cleaned instrument-day.

    Attributes:
        clean: CLEAN_TICKS.
        rejected: REJECTED_TICKS; every raw row is in exactly one of both.
        figures: Plain numbers and texts about the day: ``rows_in``, ``rows_clean``, ``rows_rejected``, ``book`` (see
            `book_kind`), ``rejected`` (reason -> rows), ``gaps`` and ``rows_after_gap`` (see `gap_figures`), of a
            source with two clocks ``clock_*`` (see `feeds.cleaning.clock.ClockFigures`), of a level feed ``levels_*``
            (see `feeds.cleaning.level_books.LevelStats`), of a feed of orders ``orders_*`` (`sim.replay.BookStats`),
            ``faults`` (kind -> count, see `feeds.cleaning.faults.ReplayFaults`).
    """

    clean: pl.DataFrame
    rejected: pl.DataFrame
    figures: dict[str, Any] = field(default_factory=dict)


def clean(
    raw: pl.DataFrame,
    spec: InstrumentSpec,
    bounds: tuple[int, int],
    rules: CleaningRules,
    order_book: OrderBook,
    kind: BookKind | None = None,
) -> CleanResult:
    """Clean an instrument-day.

    Args:
        raw: RAW_TICKS.
        spec: Units and venue of the instrument.
        bounds: Open (inclusive) and close (exclusive) of the session, ns UTC, on the venue clock.
        rules: Switches and thresholds.
        order_book: Fills the book columns of order events (`sim.replay.with_book`, which feeds may not import).
        kind: What book the source makes; by default what its rows show. A day that has only begun may not show it yet.

    Raises:
        RowAccountingError: Rows were lost.
    """
    kept, rejected_early = filter_rows(raw, spec, bounds, rules)
    kind = kind or book_kind(raw)
    booked, book_figures = with_standing_book(kept, kind, rules, order_book)
    cleaned, rejected_late = finish(booked, bounds, rules, kind)
    merged = empty("rejected_ticks")
    if rules.one_entry_a_stamp:
        cleaned, merged = _one_entry_a_stamp(cleaned)
    rejected = pl.concat([rejected_early, rejected_late, merged])
    if raw.height != cleaned.height + rejected.height:
        raise RowAccountingError(
            f"cleaning of {spec.id}",
            received=f"{raw.height} rows in",
            expected=f"{cleaned.height} clean + {rejected.height} rejected",
            remedy="A cleaning step loses rows: this is a bug, please report it.",
        )
    figures = {
        "rows_in": raw.height,
        "rows_clean": cleaned.height,
        "rows_rejected": rejected.height,
        "book": kind,
        "rejected": dict(rejected["reason"].value_counts().sort("reason").iter_rows()),
        **gap_figures(kept),
        **_clock_figures(kept),
        **book_figures,
        "faults": vars(replay_faults(raw, booked, book_figures)),
    }
    return CleanResult(cleaned, rejected, figures)


def filter_rows(
    raw: pl.DataFrame, spec: InstrumentSpec, bounds: tuple[int, int], rules: CleaningRules = _DEFAULT
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """First cleaning step: what must touch neither the book nor the tape.

    Args:
        raw: RAW_TICKS.
        spec: Units and venue of the instrument.
        bounds: Open and close of the session, ns UTC. Rows from the close on cannot matter and go at once.
        rules: Switches and thresholds.

    Returns:
        ``(kept, rejected)``: RAW_TICKS in source order and REJECTED_TICKS; every raw row is in exactly one of them.

    Raises:
        RowAccountingError: Rows were lost.
    """
    if not raw["sequence"].is_sorted():
        raw = raw.sort("sequence", maintain_order=True)
    has_orders = bool((raw["action"] == "A").any())
    flags = _flags_in(raw)
    again = pl.Series([False])
    if rules.repeated_events != "off":
        again = repeats.repeated_events(raw, rules.repeated_events)
    sized = pl.col("action").is_in(["T", "F", "A"])
    chain: list[_Rule] = [
        (flags & FLAG_CLOSING > 0, "closing_snapshot", pl.col("flags") & FLAG_CLOSING > 0),
        (rules.session_only, "outside_session", pl.col("ts_event") >= bounds[1]),
        (rules.suspicious and flags & FLAG_SUSPICIOUS > 0, "suspicious", bnhls.t1_corrected()),
        (rules.unpriced_orders and has_orders, "unpriced_order", orders.is_of_unpriced_order(spec)),
        (True, "non_positive_price", bnhls.p2_without_price()),
        (True, "non_positive_size", sized & (pl.col("size") <= 0)),
        (True, "no_side", pl.col("action").is_in(["A", "Q", "L"]) & (pl.col("side") == "N")),
        (rules.duplicate_orders and has_orders, "duplicate_event", orders.is_repeated_addition()),
        (bool(again.any()), "repeated_event", pl.lit(again)),
        (rules.equal_neighbours, "equal_neighbour", repeats.is_equal_neighbour()),
        (rules.only_exchange is not None, "other_exchange", bnhls.p3_other_exchange(rules.only_exchange or "")),
        (rules.sale_conditions, "ineligible_sale_condition", bnhls.t2_abnormal_condition(spec)),
        (rules.auction_prints, "auction_print", sales.is_auction_print(spec)),
        (rules.late_print_ns is not None, "late_print", repeats.is_late_print(rules.late_print_ns or 0)),
    ]
    return _part(raw.with_columns(reason=_first_reason(chain)))


def with_standing_book(
    kept: pl.DataFrame, kind: BookKind, rules: CleaningRules, order_book: OrderBook
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Second step: the book after each row, shown at whole events only.

    Args:
        kept: RAW_TICKS of `filter_rows`.
        kind: `book_kind` of the raw rows.
        rules: Switches and thresholds.
        order_book: See `clean`.

    Returns:
        RAW_TICKS with book columns (0: empty side), and figures about the building.
    """
    booked, figures = build_book(kept, kind, rules.book_levels, order_book)
    return at_whole_events(booked), figures


def finish(
    booked: pl.DataFrame,
    bounds: tuple[int, int],
    rules: CleaningRules = _DEFAULT,
    kind: BookKind = "stated",
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Last cleaning step: what has no usable book, or breaks a rule that needs the book.

    Args:
        booked: RAW_TICKS with the book columns after each row (0: empty side), in source order.
        bounds: Open (inclusive) and close (exclusive) of the session, ns UTC, on the venue clock.
        rules: Switches and thresholds.
        kind: `book_kind` of the raw rows; rules about the book do not apply to ``"none"``.

    Returns:
        ``(clean, rejected)``: CLEAN_TICKS and REJECTED_TICKS; every row is in exactly one of them.

    Raises:
        RowAccountingError: Rows were lost.
    """
    has_book = kind != "none"
    ts_event, ts_recv = booked["ts_event"].to_numpy(), booked["ts_recv"].to_numpy()
    has_status = rules.halts and bool((booked["action"] == "H").any())
    flags = _flags_in(booked)
    stamp_ahead = clock.is_stamp_ahead(ts_event, ts_recv, rules.max_clock_error_ns)
    inside_event = (pl.col("flags") & FLAG_PARTIAL > 0) & pl.col("action").is_in(["Q", "L", "R"])
    chain: list[_Rule] = [
        (flags & FLAG_SNAPSHOT > 0, "snapshot", pl.col("flags") & FLAG_SNAPSHOT > 0),
        (rules.session_only, "outside_session", bnhls.p1_outside_hours(bounds)),
        (bool(stamp_ahead.any()), "stamp_ahead", pl.lit(pl.Series(stamp_ahead))),
        (has_status, "trading_halt", halts.is_halted()),
        (has_status, "quoting_only", halts.is_quoting_only()),
        (rules.auction_prints and flags & FLAG_AUCTION > 0, "auction_print", sales.is_auction_fill()),
        (rules.inside_events == "drop" and flags & FLAG_PARTIAL > 0, "inside_event", inside_event),
        (rules.two_sided and has_book, "one_sided_book", (pl.col("bid_px") <= 0) | (pl.col("ask_px") <= 0)),
        (rules.uncrossed and has_book, "crossed_book", bnhls.q2_negative_spread()),
        (True, "absurd_price", _is_absurd(rules.max_trade_deviation, has_book)),
        *(_research_rules(booked, rules) if has_book else ()),
    ]
    enriched = booked.with_columns(
        pl.col("^(bid|ask)_(px|sz|depth)$").fill_null(0),
        available_at=pl.Series(clock.known_at(ts_event, ts_recv, rules.clock_window_ns, rules.max_clock_error_ns)),
        trade_sign=pl.Series(trade_signs(booked), dtype=pl.Int8),
    )
    kept, rejected = _part(enriched.with_columns(reason=_first_reason(chain)))
    return conform(kept, "clean_ticks"), rejected


def gap_figures(kept: pl.DataFrame) -> dict[str, int]:
    """``gaps``: rows before which messages were lost; ``rows_after_gap``: rows from one on up to the next ``R`` row,
    which clears the book: until then a book of orders or levels may be wrong.
    """  # noqa: D205
    lost = kept["flags"] & FLAG_GAP > 0
    if not lost.any():
        return {"gaps": 0, "rows_after_gap": 0}
    state = pl.when(pl.col("flags") & FLAG_GAP > 0).then(1).when(pl.col("action") == "R").then(0)
    in_doubt = kept.select(state.forward_fill().fill_null(0).sum()).item()
    return {"gaps": int(lost.sum()), "rows_after_gap": int(in_doubt)}


def _clock_figures(kept: pl.DataFrame) -> dict[str, float]:
    ts_event, ts_recv = kept["ts_event"].to_numpy(), kept["ts_recv"].to_numpy()
    if np.array_equal(ts_event, ts_recv):
        return {}
    return {f"clock_{name}": value for name, value in vars(clock.clock_figures(ts_event, ts_recv)).items()}


def _is_absurd(most: float, has_book: bool) -> pl.Expr:
    executed = pl.col("action").is_in(["T", "F"])
    if has_book:
        bid, ask = pl.col("bid_px"), pl.col("ask_px")
        # In floats: a damaged price may be so large that doubling it would wrap around.
        return executed & ((2.0 * pl.col("price") - bid - ask).abs() > most * (bid + ask))
    usual = pl.when(executed).then(pl.col("price")).cast(pl.Float64)
    before = usual.forward_fill().rolling_median(TRADES_BEFORE, min_samples=1).shift(1)
    return executed & ((pl.col("price") - before).abs() > most * before)


def _research_rules(booked: pl.DataFrame, rules: CleaningRules) -> list[_Rule]:
    found: list[_Rule] = []
    if rules.trade_outside_spread != "off":
        outside = bnhls.t4_outside_spread(booked, paper=rules.trade_outside_spread == "paper")
        found.append((True, "trade_outside_spread", pl.lit(outside)))
    if rules.wide_spread != "off":
        window = None if rules.wide_spread == "paper" else rules.spread_window
        wide = bnhls.q3_wide_spread(booked, rules.wide_spread_factor, window)
        found.append((True, "wide_spread", pl.lit(wide)))
    if rules.outlying_mid != "off":
        paper = rules.outlying_mid == "paper"
        far = bnhls.q4_outlying_mid(booked, rules.outlying_mid_deviations, rules.mid_window, paper=paper)
        found.append((True, "outlying_mid", pl.lit(far)))
    return found


def _one_entry_a_stamp(cleaned: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    one_trade, trades = bnhls.t3_one_trade_a_stamp(cleaned)
    one_entry, quotes = bnhls.q1_one_quote_a_stamp(one_trade)
    gone = pl.concat([trades, quotes]).with_columns(reason=pl.lit("merged_stamp"))
    return conform(one_entry, "clean_ticks"), conform(gone, "rejected_ticks")


def _flags_in(frame: pl.DataFrame) -> int:
    """All FLAG_* bits that some row has: most rules about flags need not look at any row."""
    return int(np.bitwise_or.reduce(frame["flags"].to_numpy())) if frame.height else 0


def _first_reason(chain: Sequence[_Rule]) -> pl.Expr:
    """The reason of the first rule that meets a row, null where none does."""
    active = [(reason, rows) for applies, reason, rows in chain if applies]
    return pl.coalesce(*(pl.when(rows).then(pl.lit(reason)) for reason, rows in active))


def _part(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    kept = frame.filter(pl.col("reason").is_null()).drop("reason")
    refused = frame.filter(pl.col("reason").is_not_null())
    rejected = refused.select(pl.col(name).cast(kind) for name, kind in REJECTED_TICKS.items())
    if kept.height + rejected.height != frame.height:
        raise RowAccountingError(
            "cleaning",
            received=f"{frame.height} rows",
            expected=f"{kept.height} kept + {rejected.height} rejected",
            remedy="A cleaning rule loses rows: this is a bug.",
        )
    return kept, rejected
