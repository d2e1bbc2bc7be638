"""Market by order and by price to canonical events: compiled code against plain Python, and against the book itself."""

import random
import struct

import numpy as np
import pytest

from feeds.adapters.dbn_fold import LevelFold, OrderFold, QuoteFold
from feeds.adapters.dbn_records import RTYPE_MBO, RTYPE_MBP_1, RTYPE_MBP_10, layout
from feeds.kernels.dbn_rows import IN_CODE, RECORD_FIELDS
from feeds.kernels.dbn_walk import unpack
from feeds.schema import ACTIONS, FLAG_AUCTION, FLAG_GAP, FLAG_PARTIAL, FLAG_SNAPSHOT, SIDES
from tests.support.dbn_files import LAST, MAYBE_BAD, NO_PRICE, NO_STAMP, SNAPSHOT, mbo, order_flow, trade

UNIT = 10**7


def folded(fold, records, rtype, codes=None):
    content = b"".join(records)
    size = layout(rtype, False).itemsize
    places = np.arange(0, len(content), size)
    fields = np.empty((RECORD_FIELDS, len(places)), np.int64)
    unpack(np.frombuffer(content, "<u4"), places, rtype == RTYPE_MBO, fields)
    fields[IN_CODE] = 0 if codes is None else codes
    raw = np.frombuffer(content, layout(rtype, False))
    levels = raw["levels"].view("<i8") if "levels" in raw.dtype.names else None
    rows = []
    for block in fold(fields, levels, UNIT):
        for row in block.T.tolist():
            named = dict(zip(fold.names, row, strict=True))
            rows.append(named | {"action": ACTIONS[named["action"]], "side": SIDES[named["side"]]})
    return rows


def brief(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def orders(records):
    return folded(OrderFold(), records, RTYPE_MBO)


WHAT = ("action", "side", "order_id", "price", "size")
P = 4_800_250_000_000
PX = P // UNIT


def test_a_full_fill_is_one_row_that_ends_the_event():
    rows = orders(
        [mbo("A", "A", 7, P, 3), mbo("T", "B", 9, P, 3, 0), mbo("F", "A", 7, P, 3, 0), mbo("C", "A", 7, P, 3)]
    )
    assert brief(rows, *WHAT) == [("A", "A", 7, PX, 3), ("F", "A", 7, PX, 3)]
    assert [row["flags"] for row in rows] == [0, 0]


def test_a_partial_fill_needs_no_modification():
    rows = orders(
        [mbo("A", "A", 7, P, 3), mbo("T", "B", 9, P, 1, 0), mbo("F", "A", 7, P, 1, 0), mbo("M", "A", 7, P, 2)]
    )
    assert brief(rows, *WHAT) == [("A", "A", 7, PX, 3), ("F", "A", 7, PX, 1)]


def test_what_a_trade_has_beyond_its_fills_stays_a_trade():
    rows = orders(
        [mbo("A", "A", 7, P, 3), mbo("T", "B", 9, P, 5, 0), mbo("F", "A", 7, P, 3, 0), mbo("C", "A", 7, P, 3)]
    )
    assert brief(rows[1:], *WHAT) == [("F", "A", 7, PX, 3), ("T", "B", 9, PX, 2)]
    assert [row["flags"] for row in rows[1:]] == [FLAG_PARTIAL, 0]


def test_an_iceberg_prints_its_hidden_part_as_a_trade_and_queues_anew():
    rows = orders(
        [mbo("A", "A", 7, P, 3), mbo("T", "B", 9, P, 13, 0), mbo("F", "A", 7, P, 13, 0), mbo("M", "A", 7, P, 2)]
    )
    assert brief(rows[1:], *WHAT) == [("F", "A", 7, PX, 3), ("T", "B", 7, PX, 10), ("A", "A", 7, PX, 2)]


def test_a_cancel_beyond_the_fill_keeps_the_difference():
    rows = orders(
        [mbo("A", "A", 7, P, 9), mbo("T", "B", 9, P, 4, 0), mbo("F", "A", 7, P, 4, 0), mbo("C", "A", 7, P, 9)]
    )
    assert brief(rows[1:], *WHAT) == [("F", "A", 7, PX, 4), ("C", "A", 7, PX, 5)]


def test_fills_of_the_aggressor_print_nothing_but_change_the_book():
    records = [mbo("A", "B", 7, P, 2), mbo("A", "A", 9, P + 250_000_000, 4)]
    records += [mbo("T", "A", 9, P, 2, 0), mbo("F", "A", 9, P, 2, 0), mbo("F", "B", 7, P, 2, 0)]
    records += [mbo("C", "B", 7, P, 2, 0), mbo("M", "A", 9, P, 2)]
    assert brief(orders(records)[2:], *WHAT) == [("F", "B", 7, PX, 2), ("M", "A", 9, PX, 2)]


def test_an_auction_prints_once_and_its_orders_are_cancelled():
    records = [mbo("A", "B", 7, P + 10 * UNIT, 2), mbo("A", "A", 8, P, 2), mbo("T", "N", 0, P, 2, 0)]
    records += [mbo("F", "N", 7, P, 2, 0), mbo("F", "N", 8, P, 2, 0), mbo("C", "B", 7, P, 2, 0), mbo("C", "A", 8, P, 2)]
    rows = orders(records)[2:]
    assert brief(rows, "action", "order_id", "size") == [("T", 0, 2), ("C", 7, 2), ("C", 8, 2)]
    assert [row["flags"] for row in rows] == [FLAG_AUCTION | FLAG_PARTIAL, FLAG_PARTIAL, 0]


def test_a_trade_of_a_later_event_keeps_its_own_fills():
    records = [mbo("A", "A", 7, P, 9), mbo("T", "B", 1, P, 4), mbo("T", "B", 2, P, 4, 0), mbo("F", "A", 7, P, 4, 0)]
    rows = orders([*records, mbo("M", "A", 7, P, 5)])
    assert brief(rows[1:], "action", "order_id", "size", "flags") == [("T", 1, 4, 0), ("F", 7, 4, 0)]


def test_cleared_orders_are_gone():
    rows = orders([mbo("A", "A", 7, P, 9), mbo("R"), mbo("F", "A", 7, P, 9), mbo("A", "A", 7, P, 3)])
    assert brief(rows, "action", "size") == [("A", 9), ("R", 0), ("T", 9), ("A", 3)]


def test_records_that_cannot_be_placed_are_rejected_with_a_reason():
    records = [mbo("X", "A", 7, P, 1), mbo("A", "N", 7, P, 1), mbo("A", "Z", 7, P, 1), mbo("A", "A", 7, NO_PRICE, 1)]
    stamps = bytearray(mbo("A", "A", 7, P, 1))
    struct.pack_into("<Q", stamps, 8, NO_STAMP)
    struct.pack_into("<Q", stamps, 40, NO_STAMP)
    rows = orders([*records, bytes(stamps), mbo("N")])
    assert [row["reason"] for row in rows] == [1, 2, 2, 4, 3]


def test_an_undefined_stamp_is_taken_from_the_other_clock():
    raw = bytearray(mbo("A", "A", 7, P, 1))
    struct.pack_into("<Q", raw, 8, NO_STAMP)
    (row,) = orders([bytes(raw)])
    assert row["ts_event"] == row["ts_recv"] > 0 and row["reason"] == 0


def test_flags_of_the_source_are_translated():
    records = [
        mbo("A", "A", 1, P, 1, SNAPSHOT),
        mbo("A", "A", 2, P, 1),
        *[mbo("A", "A", k, P, 1, LAST | MAYBE_BAD) for k in (3, 4)],
    ]
    assert [row["flags"] for row in orders([*records, mbo("N", flags=LAST)])] == [
        FLAG_SNAPSHOT | FLAG_PARTIAL,
        0,
        FLAG_GAP,
        0,
    ]


def test_a_record_left_out_ends_the_event_of_the_row_before():
    assert [row["flags"] for row in orders([mbo("A", "A", 1, P, 1, 0), mbo("N", flags=LAST)])] == [0]


def replayed(rows):
    """Book of the rows, and what did not fit it."""
    live, odd = {}, 0
    for action, order, price, size in brief(rows, "action", "order_id", "price", "size"):
        if action == "A":
            odd += order in live
            live[order] = [price, size]
        elif action == "M":
            odd += order not in live
            live[order] = [price, size]
        elif action in "CF":
            odd += order not in live or live[order][1] < size
            live[order][1] -= size
            if live[order][1] == 0:
                del live[order]
        elif action == "R":
            live.clear()
    return live, odd


def stated_book(records):
    """Book by Databento's own rule: trades and fills change nothing."""
    live = {}
    for r in np.frombuffer(b"".join(records), layout(RTYPE_MBO, False)):
        order, action = int(r["order_id"]), chr(r["action"])
        if action in "AM":
            live[order] = [int(r["price"]) // UNIT, int(r["size"])]
        elif action == "C":
            live[order][1] -= int(r["size"])
            if live[order][1] <= 0:
                del live[order]
        elif action == "R":
            live.clear()
    return live


@pytest.mark.parametrize("seed", range(12))
def test_the_rows_build_the_book_that_the_source_states_and_print_each_trade_once(seed):
    records = order_flow(seed, 300)
    live, odd = replayed(rows := orders(records))
    assert odd == 0 and live == stated_book(records)
    raw = np.frombuffer(b"".join(records), layout(RTYPE_MBO, False))
    assert sum(row["size"] for row in rows if row["action"] in "FT") == raw["size"][raw["action"] == ord("T")].sum()
    assert {row["action"] for row in rows} >= set("ACMFT")


class Twin:
    """The mapping in plain Python, for records of one instrument."""

    def __init__(self):
        self.live, self.rows, self.open, self.last = {}, [], None, None

    def row(self, r, action, side, order, price, size, extra=0):
        self.rows.append([action, side, order, price, size, FLAG_PARTIAL | extra])
        self.last = len(self.rows) - 1

    def end_trade(self):
        if self.open is not None:
            r, left, auction = self.open
            self.open = None
            if left > 0:
                self.row(r, "T", r[1], r[2], r[3], left, FLAG_AUCTION * auction)

    def __call__(self, r):
        action, side, order, price, size, last = r
        if action != "F":
            self.end_trade()
        if action == "A" and side == "N":
            self.row(r, action, side, 0, price, size)
        elif action == "T":
            self.open = [r, size, False]
        elif action == "F":
            self.fill(r)
        elif action == "A":
            if self.live.get(order, [0, 0, 0, 0])[2] <= 0:
                self.live[order] = [side, price, size, size]
            self.row(r, *r[:5])
        elif action in "CM":
            self.change(r)
        elif action == "R":
            self.live = {}
            self.row(r, "R", side, 0, price, size)
        if last:
            self.end_trade()
            if self.last is not None:
                self.rows[self.last][5] &= ~FLAG_PARTIAL
            self.last = None

    def fill(self, r):
        _, side, order, price, size, _ = r
        taker = {"A": "B", "B": "A"}.get(side, "N")
        if self.open is not None:
            taker = self.open[0][1]
            if taker == "N":
                self.open[2] = True
                return
            if side == taker or (order and self.open[0][2] == order):
                return
            self.open[1] -= size
        known = self.live.get(order)
        shown = min(size, known[2]) if known else 0
        if shown > 0:
            known[2] -= shown
            self.row(r, "F", known[0], order, price, shown)
        if size > shown:
            self.row(r, "T", taker, order, price, size - shown)

    def change(self, r):
        action, side, order, price, size, _ = r
        if order not in self.live:
            self.row(r, *r[:5])
            return
        old_side, old_price, shown, stated = self.live[order]
        left = max(stated - size, 0) if action == "C" else size
        self.live[order] = [old_side, price if action == "M" else old_price, left, left]
        if left == 0:
            del self.live[order]
        if shown == stated or (action == "M" and shown > 0 and price != old_price):
            self.row(r, *r[:5])
            return
        side, price = (old_side, old_price) if action == "C" else (side, price)
        if shown == 0 != left:
            self.row(r, "A", side, order, price, left)
        elif left < shown:
            self.row(r, "C", side, order, price, shown - left)
        elif left > shown:
            self.row(r, "M", side, order, price, left)


@pytest.mark.parametrize("seed", range(20))
def test_compiled_mapping_equals_plain_python_on_records_without_sense(seed):
    rng = random.Random(seed)
    twin, raw = Twin(), []
    for _ in range(400):
        action, side = (
            rng.choice("AACMMTTFFFR" if rng.random() < 0.1 else "AACMMTFFF"),
            rng.choice("BAABN"[: rng.randrange(2, 6)]),
        )
        r = (action, side, rng.randrange(6), rng.randrange(1, 4), rng.randrange(4), rng.random() < 0.4)
        raw.append(mbo(action, side, r[2], r[3] * UNIT, r[4], LAST * r[5]))
        twin(r)
    twin.end_trade()
    assert brief(orders(raw), *WHAT, "flags") == [tuple(row) for row in twin.rows]


def test_a_table_of_orders_that_grows_and_shrinks_loses_none():
    rng, records, live = random.Random(1), [], []
    for k in range(30_000):
        if rng.random() < 0.7 or not live:
            live.append(k)
            records.append(mbo("A", "B", k + 1, P, 5))
        else:
            gone = live.pop(rng.randrange(len(live)))
            records += [mbo("T", "A", 0, P, 5, 0), mbo("F", "B", gone + 1, P, 5, 0), mbo("C", "B", gone + 1, P, 5)]
    book, odd = replayed(orders(records))
    assert odd == 0 and set(book) == {k + 1 for k in live}


def test_orders_of_two_instruments_do_not_mix():
    records = [mbo("A", "B", 1, P, 5), mbo("A", "B", 1, P, 9), mbo("F", "B", 1, P, 5, 0), mbo("F", "B", 1, P, 9, 0)]
    rows = folded(OrderFold(), [*records, mbo("R"), mbo("F", "B", 1, P, 1)], RTYPE_MBO, [0, 1, 0, 1, 0, 1])
    assert brief(rows, "action", "instrument", "size") == [
        ("A", 0, 5),
        ("A", 1, 9),
        ("F", 0, 5),
        ("F", 1, 9),
        ("R", 0, 0),
        ("T", 1, 1),
    ]


def ten(bids, asks):
    rows = []
    for k in range(10):
        bid, ask = (side[k] if k < len(side) else (NO_PRICE, 0) for side in (bids, asks))
        rows.append((bid[0], ask[0], bid[1], ask[1]))
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_level_rows_rebuild_every_view_of_ten_levels(seed):
    rng = random.Random(seed)
    fold, shown = LevelFold(), {}
    for step in range(200):
        bids = [((4800 - d) * 10**9, rng.randrange(1, 4)) for d in sorted(rng.sample(range(1, 15), rng.randrange(11)))]
        asks = [((4800 + d) * 10**9, rng.randrange(1, 4)) for d in sorted(rng.sample(range(1, 15), rng.randrange(11)))]
        rows = folded(fold, [trade("A", "B", levels=ten(bids, asks))], RTYPE_MBP_10)
        for row in rows:
            if row["action"] == "R":
                shown.clear()
            else:
                assert row["action"] == "L"
                shown[row["side"], row["price"]] = row["size"]
                best = {side: [price for (s, price), size in shown.items() if s == side and size] for side in "BA"}
                assert not best["B"] or not best["A"] or max(best["B"]) < min(best["A"])
        stated = {("B", price // UNIT): size for price, size in bids} | {
            ("A", price // UNIT): size for price, size in asks
        }
        assert {key: size for key, size in shown.items() if size} == stated
        if rows:
            depth = (sum(size for _, size in bids), sum(size for _, size in asks))
            assert brief(rows[-1:], "bid_depth", "ask_depth", "flags") == [(*depth, FLAG_SNAPSHOT * (step == 0))]
            assert all(row["flags"] & FLAG_PARTIAL for row in rows[:-1])


def test_a_trade_among_levels_is_a_trade_and_an_unchanged_view_no_row():
    view = ten([(100 * 10**9, 2)], [(101 * 10**9, 3)])
    fold = LevelFold()
    rows = folded(
        fold,
        [trade("A", levels=view), trade("T", "B", 101 * 10**9, 1, levels=view), trade("C", levels=view)],
        RTYPE_MBP_10,
    )
    assert [row["action"] for row in rows] == ["R", "L", "L", "T"] and fold.ignored == {"no_level_changed": 1}
    assert brief(rows[-1:], "side", "price", "size", "bid_px", "ask_px", "ask_sz") == [
        ("B", 10_100, 1, 10_000, 10_100, 3)
    ]


def test_the_best_bid_and_offer_become_quotes_of_the_sides_that_changed():
    level = (100 * 10**9, NO_PRICE, 5, 0)
    records = [
        trade(action, side, levels=[level])
        for action, side in (("A", "B"), ("C", "A"), ("M", "N"), ("T", "A"), ("R", "N"))
    ]
    rows = folded(QuoteFold(stated=True), records, RTYPE_MBP_1)
    assert [row["action"] + row["side"] for row in rows] == ["QB", "QA", "QB", "QA", "TA", "RN", "QB", "QA"]
    assert brief(rows[:2], "price", "size", "bid_px", "bid_sz", "ask_px", "ask_sz") == [
        (10_000, 5, 10_000, 5, 0, 0),
        (0, 0, 10_000, 5, 0, 0),
    ]
    assert [row["flags"] for row in rows] == [0, 0, 8, 0, 0, 8, 8, 0]
