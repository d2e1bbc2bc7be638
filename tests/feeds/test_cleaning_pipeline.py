"""The whole of cleaning: every reason is reached, no row is lost, a growing day gives the same."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from feeds.cleaning import FILTER_REASONS, FINISH_REASONS, CleaningRules, clean
from feeds.errors import RowAccountingError
from feeds.instruments import InstrumentSpec
from feeds.schema import (
    CLEAN_TICKS,
    FLAG_AUCTION,
    FLAG_CLOSING,
    FLAG_GAP,
    FLAG_PARTIAL,
    FLAG_SNAPSHOT,
    FLAG_SUSPICIOUS,
    REJECTED_TICKS,
)
from sim.replay import with_book
from tests.support.raw_events import MS, START_NS, order, quote, raw_frame, trade

SPEC = InstrumentSpec(id="IBM.US", tick_size=0.0001, lot_size=1)
BOUNDS = (START_NS, START_NS + 3_600_000 * MS)
QUOTES = (quote("B", 100, 5), quote("A", 104, 5))
BOOK = {"bid_px": 100, "bid_sz": 5, "ask_px": 104, "ask_sz": 5, "bid_depth": 9, "ask_depth": 9}
STATUS = {"action": "H"}
PROJECT = Path(__file__).resolve().parents[2]
DOC = PROJECT / "docs" / "cleaning.md"


def cleaned(*events, rules=None, spec=SPEC, kind=None):
    return clean(raw_frame(*events), spec, BOUNDS, rules or CleaningRules(), with_book, kind)


def level(side, price, size, **more):
    return {"action": "L", "side": side, "price": price, "size": size, **more}


BEFORE = [order("A", i, "B", 99, 1, ts_event=START_NS + (10 + i) * MS) for i in range(1, 3)]
QUIET = [quote("BA"[i % 2], (100, 104)[i % 2], 5) for i in range(8)]
#: Reason -> (rows of which exactly the last is dropped for it, rules).
TRIGGERS = {
    "suspicious": ([*QUOTES, trade(102, flags=FLAG_SUSPICIOUS)], {}),
    "closing_snapshot": ([*QUOTES, trade(102, flags=FLAG_CLOSING)], {}),
    "unpriced_order": ([order("A", 1, "B", 100, 5), order("A", 2, "A", 0, 5)], {"two_sided": False}),
    "non_positive_price": ([*QUOTES, trade(0)], {}),
    "non_positive_size": ([*QUOTES, trade(102, size=0)], {}),
    "no_side": ([*QUOTES, order("A", 1, "N", 100, 5)], {}),
    "duplicate_event": ([order("A", 1, "B", 100, 5), order("A", 1, "B", 100, 5)], {"two_sided": False}),
    "repeated_event": (
        [*BEFORE, order("C", 1, "B", 99, 1, ts_event=START_NS + 5 * MS), BEFORE[0] | {"action": "C"}, BEFORE[0]],
        {"two_sided": False, "duplicate_orders": False},
    ),
    "equal_neighbour": ([*QUOTES, *[trade(102, ts_event=START_NS + 9 * MS)] * 2], {"equal_neighbours": True}),
    "other_exchange": ([*QUOTES, trade(102, exchange="Q")], {"only_exchange": "N"}),
    "ineligible_sale_condition": ([*QUOTES, trade(102, condition=0x4000)], {}),
    "auction_print": ([*QUOTES, trade(102, condition=0x40)], {}),
    "late_print": ([*QUOTES, trade(102, ts_event=START_NS)], {"late_print_ns": MS // 2}),
    "snapshot": ([*QUOTES, quote("A", 103, 5, flags=FLAG_SNAPSHOT)], {}),
    "outside_session": ([*QUOTES, trade(102, ts_event=BOUNDS[1])], {}),
    "stamp_ahead": ([*QUOTES, trade(102, ts_recv=START_NS - 60_001 * MS)], {}),
    "trading_halt": ([*QUOTES, STATUS | {"condition": -1}, trade(102)], {}),
    "quoting_only": ([*QUOTES, STATUS | {"condition": 0}, quote("B", 101, 5)], {}),
    "inside_event": ([*QUOTES, quote("B", 101, 5, flags=FLAG_PARTIAL)], {"inside_events": "drop"}),
    "one_sided_book": ([*QUOTES, quote("B", 0, 0)], {}),
    "crossed_book": ([*QUOTES, quote("B", 105, 5)], {}),
    "absurd_price": ([*QUOTES, trade(154)], {}),
    "trade_outside_spread": ([*QUOTES, trade(109)], {"trade_outside_spread": "causal"}),
    "wide_spread": ([*QUOTES, quote("A", 301, 5)], {"wide_spread": "causal"}),
    "outlying_mid": ([*QUIET, quote("A", 106, 5)], {"outlying_mid": "causal", "mid_window": 4}),
    "merged_stamp": (
        [*QUOTES, *[trade(price, ts_event=START_NS + 9 * MS) for price in (101, 103)]],
        {"one_entry_a_stamp": True},
    ),
}


def test_every_reason_has_rows_that_reach_it():
    assert set(TRIGGERS) == set(FILTER_REASONS) | set(FINISH_REASONS)


@pytest.mark.parametrize("reason", TRIGGERS)
def test_a_reason_is_reached_by_its_rows_and_by_no_other(reason):
    events, switches = TRIGGERS[reason]
    result = cleaned(*events, rules=CleaningRules(**switches))
    last = len(events) - (2 if reason == "merged_stamp" else 1)
    found = result.rejected.filter(pl.col("reason") != "one_sided_book") if reason != "one_sided_book" else None
    if found is None:
        found = result.rejected.filter(pl.col("sequence") > 0)
    assert found.select("sequence", "reason").rows() == [(last, reason)]
    assert result.figures["rejected"][reason] >= 1


SWITCHES_OFF = {
    "suspicious": {"suspicious": False},
    "unpriced_order": {"unpriced_orders": False, "two_sided": False},
    "duplicate_event": {"duplicate_orders": False, "two_sided": False},
    "repeated_event": {"repeated_events": "off", "two_sided": False, "duplicate_orders": False},
    "ineligible_sale_condition": {"sale_conditions": False},
    "auction_print": {"auction_prints": False},
    "outside_session": {"session_only": False},
    "stamp_ahead": {"max_clock_error_ns": 10**15},
    "trading_halt": {"halts": False},
    "quoting_only": {"halts": False},
    "inside_event": {},
    "one_sided_book": {"two_sided": False},
    "crossed_book": {"uncrossed": False},
    "absurd_price": {"max_trade_deviation": 1.0},
}


@pytest.mark.parametrize("reason", SWITCHES_OFF)
def test_a_rule_can_be_switched_off(reason):
    result = cleaned(*TRIGGERS[reason][0], rules=CleaningRules(**SWITCHES_OFF[reason]))
    assert reason not in result.rejected["reason"].to_list()


OFF_BY_DEFAULT = (
    "equal_neighbour",
    "other_exchange",
    "late_print",
    "inside_event",
    "trade_outside_spread",
    "wide_spread",
    "outlying_mid",
    "merged_stamp",
)


@pytest.mark.parametrize("reason", OFF_BY_DEFAULT)
def test_a_rule_that_is_not_for_everyone_is_off(reason):
    assert reason not in cleaned(*TRIGGERS[reason][0]).rejected["reason"].to_list()


def test_the_document_lists_the_reasons_the_code_has_in_its_order():
    listed = re.findall(r"^\| `([a-z_]+)` \|", DOC.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert listed == [*FILTER_REASONS, *FINISH_REASONS]


def test_a_row_lost_by_the_book_is_noticed():
    def losing(kept):
        booked, stats = with_book(kept)
        return booked.clear(), stats

    with pytest.raises(RowAccountingError, match=r"cleaning of IBM\.US"):
        clean(raw_frame(order("A", 1, "B", 100, 5)), SPEC, BOUNDS, CleaningRules(), losing)


def test_a_row_inside_an_event_shows_the_book_from_before_it():
    result = cleaned(
        *QUOTES, quote("B", 102, 7, flags=FLAG_PARTIAL), quote("A", 106, 8), trade(104, flags=FLAG_PARTIAL), trade(105)
    )
    books = result.clean.select("sequence", "bid_px", "bid_sz", "ask_px", "ask_sz").rows()
    assert books == [
        (1, 100, 5, 104, 5),
        (2, 100, 5, 104, 5),
        (3, 102, 7, 106, 8),
        *[(i, 102, 7, 106, 8) for i in (4, 5)],
    ]


def test_replacing_an_order_never_shows_the_book_without_it():
    replaced = [order("C", 1, "B", 100, 5, flags=FLAG_PARTIAL), order("A", 3, "B", 101, 5)]
    result = cleaned(order("A", 1, "B", 100, 5), order("A", 2, "A", 104, 5), *replaced)
    assert result.clean["bid_px"].to_list() == [100, 100, 101]


def test_trades_and_orders_inside_an_event_stay_when_its_quotes_are_dropped():
    rules = CleaningRules(inside_events="drop")
    result = cleaned(*QUOTES, trade(104, flags=FLAG_PARTIAL), quote("A", 106, 8), rules=rules)
    assert result.clean["sequence"].to_list() == [1, 2, 3]


def test_a_source_of_trades_only_keeps_them_without_a_book():
    result = cleaned(trade(100), trade(101), trade(152), trade(101), trade(49), trade(100, condition=0x40))
    assert result.figures["book"] == "none"
    assert result.clean["price"].to_list() == [100, 101, 101]
    assert result.figures["rejected"] == {"absurd_price": 2, "auction_print": 1}
    assert result.clean.select("bid_px", "ask_px", "bid_depth").unique().rows() == [(0, 0, 0)]
    assert result.clean["trade_sign"].to_list() == [0, 1, -1]


def test_a_level_feed_is_cleaned_with_its_book_and_its_figures():
    result = cleaned(
        {"action": "R", "flags": FLAG_SNAPSHOT},
        level("B", 100, 5, flags=FLAG_SNAPSHOT | FLAG_PARTIAL),
        level("A", 104, 6, flags=FLAG_SNAPSHOT),
        trade(104, side="B"),
        level("B", 105, 1, flags=FLAG_GAP),
        level("B", 105, 0),
        level("B", 0, 5),
    )
    assert result.clean.select("sequence", "bid_px", "ask_px").rows() == [(3, 100, 104), (5, 100, 104)]
    assert result.figures["rejected"] == {"crossed_book": 1, "non_positive_price": 1, "snapshot": 3}
    assert (result.figures["book"], result.figures["levels_crossed_rows"]) == ("levels", 1)
    assert (result.figures["gaps"], result.figures["rows_after_gap"]) == (1, 2)


def test_a_cleared_book_ends_the_doubt_after_a_gap():
    figures = cleaned(*QUOTES, quote("A", 103, 5, flags=FLAG_GAP), trade(102), {"action": "R"}, *QUOTES).figures
    assert (figures["gaps"], figures["rows_after_gap"]) == (1, 2)
    assert cleaned(*QUOTES).figures["gaps"] == 0


def test_an_auction_fill_changes_the_book_and_is_dropped_after_it():
    orders = [order("A", i, side, price, 5) for i, side, price in ((1, "B", 100), (2, "A", 104), (3, "B", 99))]
    result = cleaned(*orders, order("F", 1, "B", 100, 5, flags=FLAG_AUCTION), order("A", 4, "A", 103, 1))
    assert result.clean.select("sequence", "bid_px").rows() == [(1, 100), (2, 100), (4, 99)]
    assert result.figures["rejected"]["auction_print"] == 1


def test_orders_that_come_during_a_halt_stand_afterwards():
    halted, trading = STATUS | {"condition": -1}, STATUS | {"condition": 1}
    result = cleaned(*QUOTES, halted, quote("B", 101, 5), trade(102), trading, trade(102))
    assert result.clean.select("sequence", "bid_px").rows() == [(1, 100), (2, 100), (5, 101), (6, 101)]


def test_conditions_of_another_venue_are_not_read_as_the_us_tapes():
    other = InstrumentSpec(id="IBM.IEX", tick_size=0.0001, lot_size=1)
    prints = [trade(102, condition=bits) for bits in (0x200, 0x40, 0x08)]
    assert cleaned(*QUOTES, *prints, spec=other).figures["rejected"] == {"auction_print": 1, "one_sided_book": 1}
    assert cleaned(*QUOTES, *prints).figures["rejected"]["ineligible_sale_condition"] == 2


def random_day(kind: str, seed: int, rows: int = 400) -> pl.DataFrame:
    """Rows of one kind of source in which most rules find something; the first rows show the kind."""
    rng = np.random.default_rng(seed)
    kinds = {"quotes": "QQQQTH", "levels": "LLLLTQHR", "orders": "AAAMCFTH", "stated": "ACFTH", "none": "TTTH"}[kind]
    flags = (0, 0, 0, 0, 0, FLAG_PARTIAL, FLAG_PARTIAL, FLAG_SNAPSHOT, FLAG_SUSPICIOUS, FLAG_AUCTION, FLAG_GAP)
    now, events = START_NS - 20 * MS, []
    for i in range(rows):
        now += int(rng.integers(0, 3)) * MS
        action = kinds[0] if i == 0 else str(rng.choice(list(kinds)))
        side = str(rng.choice(["B", "A", "B", "A", "N"]))
        away = int(rng.integers(-3, 8))
        row = {
            "action": action,
            "side": side,
            "price": int(rng.choice([1_000 + (away if side == "A" else -away), 0, 2_000], p=[0.96, 0.02, 0.02])),
            "size": int(rng.integers(0, 9)),
            "order_id": int(rng.integers(1, 60)) if action in "AMCF" else 0,
            "exchange": str(rng.choice(["N", "Q"])),
            "condition": int(rng.choice([-1, 0, 1, 1, 1])) if action == "H" else int(rng.choice([1, 1, 0x40, 0x4000])),
            "flags": int(rng.choice(flags)),
            "ts_event": now - int(rng.choice([0, 0, 0, 2])) * MS,
        }
        row["ts_recv"] = (
            row["ts_event"] + int(rng.choice([1, 5, -1_200, -1_210, -70_000], p=[0.2, 0.2, 0.3, 0.25, 0.05])) * MS
        )
        if kind == "stated":
            bid = 1_000 + int(rng.integers(-3, 3))
            row |= {"bid_px": bid, "bid_sz": 1, "ask_px": bid + int(rng.integers(-1, 5)), "ask_sz": 1}
            row |= {"bid_depth": 1, "ask_depth": 1}
        events.append(events[-1] if i and rng.random() < 0.05 else row)
    return raw_frame(*events)


ALL_CAUSAL = CleaningRules(
    repeated_events="all",
    equal_neighbours=True,
    only_exchange="N",
    late_print_ns=MS,
    inside_events="drop",
    clock_window_ns=100 * MS,
    trade_outside_spread="causal",
    wide_spread="causal",
    wide_spread_factor=2.0,
    spread_window=20,
    outlying_mid="causal",
    outlying_mid_deviations=1.0,
    mid_window=6,
)
KINDS = ("quotes", "levels", "orders", "stated", "none")


@pytest.mark.parametrize("rules", [CleaningRules(), ALL_CAUSAL], ids=["default", "all causal"])
@pytest.mark.parametrize("kind", KINDS)
def test_cutting_a_day_gives_the_beginning_of_the_cleaned_day(kind, rules):
    for seed in range(3):
        raw = random_day(kind, seed)
        whole = clean(raw, SPEC, BOUNDS, rules, with_book)
        for cut in np.random.default_rng(seed).integers(2, raw.height, 8).tolist():
            part = clean(raw.head(cut), SPEC, BOUNDS, rules, with_book)
            assert part.clean.equals(whole.clean.filter(pl.col("sequence") < cut))
            assert part.rejected.sort("sequence").equals(
                whole.rejected.filter(pl.col("sequence") < cut).sort("sequence")
            )


def test_the_rules_of_the_paper_do_look_ahead():
    rules = {"wide_spread": "paper", "outlying_mid": "paper", "trade_outside_spread": "paper"}
    changed = 0
    for seed in range(3):
        raw = random_day("quotes", seed)
        loose = {"wide_spread_factor": 1.0, "outlying_mid_deviations": 1.0, "mid_window": 6, "halts": False}
        whole, part = (clean(r, SPEC, BOUNDS, CleaningRules(**rules, **loose), with_book) for r in (raw, raw.head(200)))
        changed += not part.clean.equals(whole.clean.filter(pl.col("sequence") < 200))
    assert changed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("merged", [False, True])
def test_every_row_of_any_day_is_clean_or_rejected_once(kind, merged):
    for seed in range(4):
        raw = random_day(kind, seed)
        result = clean(raw, SPEC, BOUNDS, CleaningRules(one_entry_a_stamp=merged), with_book)
        assert sorted([*result.clean["sequence"], *result.rejected["sequence"]]) == raw["sequence"].to_list()
        assert dict(result.clean.schema) == dict(pl.DataFrame(schema=CLEAN_TICKS).schema)
        assert dict(result.rejected.schema) == dict(pl.DataFrame(schema=REJECTED_TICKS).schema)
        figures = result.figures
        assert figures["rows_in"] == figures["rows_clean"] + figures["rows_rejected"] == raw.height
        assert sum(figures["rejected"].values()) == figures["rows_rejected"]
        assert (result.clean["available_at"] >= result.clean["ts_event"]).all()
        assert result.clean["available_at"].is_sorted()


def test_an_empty_table_stays_empty():
    result = clean(raw_frame(trade(1)).clear(), SPEC, BOUNDS, CleaningRules(), with_book)
    assert result.clean.is_empty() and result.rejected.is_empty()


def test_the_rules_load_without_a_compiler():
    program = "import sys, feeds.cleaning; print([m for m in ('numba', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"
