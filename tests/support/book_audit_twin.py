"""The audit of feeds/kernels/book_audit.py once more, with dictionaries and lists, as slow and plain as can be."""

from __future__ import annotations

import polars as pl

from feeds.schema import FLAG_CLOSING, FLAG_GAP, FLAG_PARTIAL, FLAG_SNAPSHOT

SECOND = 1_000_000_000


class Audit:
    """Counters of one pass; ``counts[name] = [looked at, wrong, first row]``, ``extremes[name] = [value, row]``."""

    def __init__(self, raw: pl.DataFrame, bounds: tuple[int, int]) -> None:
        self.counts: dict[str, list[int]] = {}
        self.extremes: dict[str, list[int]] = {}
        self.orders: dict[int, list] = {}
        self.book: dict[str, dict[int, int]] = {"B": {}, "A": {}}
        self.changed: dict[tuple[str, int], int] = {}
        self.quotes: dict[str, list[tuple[int, int, int]]] = {"B": [], "A": []}
        self.crossed_since: int | None = None
        rows = raw.with_columns(pl.col("action", "side").cast(pl.String)).to_dicts()
        self.states = any(row["bid_px"] is not None for row in rows)
        self.walk(rows, bounds)

    def look(self, name: str, is_wrong: bool, i: int) -> None:
        count = self.counts.setdefault(name, [0, 0, -1])
        count[0] += 1
        if is_wrong:
            self.wrong(name, i)

    def wrong(self, name: str, i: int) -> None:
        count = self.counts.setdefault(name, [0, 0, -1])
        count[1] += 1
        if count[2] < 0:
            count[2] = i

    def extend(self, name: str, value: int, i: int) -> None:
        if value > self.extremes.setdefault(name, [0, -1])[0]:
            self.extremes[name] = [value, i]

    def best(self, side: str) -> int | None:
        prices = [price for price, size in self.book[side].items() if size > 0]
        if not prices:
            return None
        return max(prices) if side == "B" else min(prices)

    def is_crossed(self) -> bool:
        bid, ask = self.best("B"), self.best("A")
        return bid is not None and ask is not None and bid > ask

    def walk(self, rows: list[dict], bounds: tuple[int, int]) -> None:
        live: list[tuple[int, dict]] = [(i, row) for i, row in enumerate(rows) if not row["flags"] & FLAG_CLOSING]
        previous, run, start = None, 0, 0
        seen = changed = None
        last_top = None
        stated = {"bid_px": 0, "bid_sz": 0, "ask_px": 0, "ask_sz": 0}
        after = []
        for row in rows:
            stated = {name: stated[name] if row[name] is None else row[name] for name in stated}
            after.append(stated)
        for i, row in live:
            snapshot = bool(row["flags"] & FLAG_SNAPSHOT)
            partial = bool(row["flags"] & FLAG_PARTIAL)
            self.look("gap", bool(row["flags"] & FLAG_GAP), i)
            if not snapshot:
                if previous is not None:
                    for name in ("ts_event", "ts_recv"):
                        by = previous[name] - row[name]
                        self.look(f"{name}_back", by > 0, i)
                        self.extend(f"{name}_back_ns", by, i)
                if previous is not None and previous["ts_event"] == row["ts_event"]:
                    run += 1
                else:
                    run, start = 1, i
                self.extend("burst_rows", run, start)
                previous = row
            if self.crossed_since is not None and row["ts_event"] - self.crossed_since >= SECOND:
                self.drop_phantoms(i)
            self.apply(i, row)
            if not self.is_crossed():
                self.crossed_since = None
            elif self.crossed_since is None:
                self.crossed_since = row["ts_event"]
            if self.states and i > 0 and not partial and not rows[i - 1]["flags"] & FLAG_PARTIAL:
                self.reconcile(i, row, after[i - 1], after[i])
            if not partial and row["action"] == "L" and row["side"] != "N":
                self.confirm(i, row["ts_recv"])
            if snapshot or not bounds[0] <= row["ts_event"] < bounds[1]:
                continue
            now = max(seen or -1, row["ts_event"])
            if seen is not None:
                self.extend("silence_ns", now - seen, i)
            seen = now
            if partial:
                continue
            books = self.books(after[i])
            top = books[0] if self.states else books[1:]
            if changed is None or top != last_top:
                changed, last_top = now, top
            else:
                self.extend("stale_ns", now - changed, i)
            if i + 1 == len(rows) or rows[i + 1]["ts_event"] != row["ts_event"]:
                for name, (bid, _, ask, _) in zip(("stated", "built", "quotes"), books, strict=True):
                    if bid > 0 and ask > 0:
                        self.look(f"{name}_crossed", bid > ask, i)
                        self.look(f"{name}_locked", bid == ask, i)

    def books(self, stated: dict[str, int]) -> list[tuple[int, int, int, int]]:
        first = (0, 0, 0, 0)
        if self.states:
            first = (stated["bid_px"], stated["bid_sz"], stated["ask_px"], stated["ask_sz"])
        built = [((best := self.best(s)) or 0, self.book[s].get(best, 0) if best is not None else 0) for s in "BA"]
        quoted = [self.quotes[s][-1][:2] if self.quotes[s] else (0, 0) for s in "BA"]
        return [first, (*built[0], *built[1]), (*quoted[0], *quoted[1])]

    def drop_phantoms(self, i: int) -> None:
        while self.is_crossed():
            self.wrong("phantom_level", i)
            bid, ask = self.best("B"), self.best("A")
            older = "B" if self.changed.get(("B", bid), 0) <= self.changed.get(("A", ask), 0) else "A"
            self.book[older][bid if older == "B" else ask] = 0

    def apply(self, i: int, row: dict) -> None:
        action, side, price, size = row["action"], row["side"], row["price"], row["size"]
        if action == "R":
            self.orders, self.book = {}, {"B": {}, "A": {}}
            self.quotes = {"B": [], "A": []}
        if side == "N":
            return
        if action == "L" or (action in "AM" and row["order_id"]):
            self.look("phantom_level", False, i)
            self.changed[side, price] = row["ts_event"]
        if action == "L":
            self.look("negative_depth", size < 0, i)
            self.book[side][price] = max(size, 0)
        elif action == "Q":
            gone = price <= 0 or size <= 0
            self.quotes[side].append((0 if gone else price, 0 if gone else size, row["ts_recv"]))
        elif action in "AMCF" and row["order_id"]:
            self.order(i, row)

    def order(self, i: int, row: dict) -> None:
        action, side, price, size = row["action"], row["side"], row["price"], row["size"]
        resting = self.orders.get(row["order_id"])
        if action == "A":
            self.look("duplicate_id", resting is not None, i)
            if resting is None and size > 0:
                self.orders[row["order_id"]] = [side, price, size]
                self.rest(side, price, size)
            return
        name = {"M": "modify_unknown", "C": "cancel_unknown", "F": "fill_unknown"}[action]
        self.look(name, resting is None, i)
        if resting is None:
            return
        self.look("other_side", side != resting[0], i)
        if action == "M":
            self.rest(resting[0], resting[1], -resting[2])
            resting[1], resting[2] = price, max(size, 0)
            if size > 0:
                self.rest(resting[0], price, size)
        else:
            self.look("negative_depth", size > resting[2], i)
            taken = min(max(size, 0), resting[2])
            self.rest(resting[0], resting[1], -taken)
            resting[2] -= taken
        if resting[2] <= 0:
            del self.orders[row["order_id"]]

    def rest(self, side: str, price: int, by: int) -> None:
        self.book[side][price] = max(self.book[side].get(price, 0) + by, 0)

    def reconcile(self, i: int, row: dict, before: dict[str, int], after: dict[str, int]) -> None:
        action, side = row["action"], row["side"]
        if action == "T":
            self.look("stated_mismatch", before != after, i)
            return
        if action not in "ACF" or side == "N":
            return
        own, other = ("bid", "ask") if side == "B" else ("ask", "bid")
        best, resting = before[f"{own}_px"], before[f"{own}_sz"]
        if best <= 0:
            return
        better = row["price"] > best if side == "B" else row["price"] < best
        new, left = after[f"{own}_px"], after[f"{own}_sz"]
        if row["price"] == best and action != "A" and row["size"] == resting:
            fine = new <= 0 or (new < best if side == "B" else new > best)
        else:
            fine = (new, left) == self.expected(action, row["price"], row["size"], best, resting, better)
        same = all(before[f"{other}_{what}"] == after[f"{other}_{what}"] for what in ("px", "sz"))
        self.look("stated_mismatch", not (fine and same), i)

    @staticmethod
    def expected(action: str, price: int, size: int, best: int, resting: int, better: bool) -> tuple[int, int] | None:
        if action == "A":
            return (price, size) if better else (best, resting + (size if price == best else 0))
        if price == best:
            return (best, resting - size) if size <= resting else None
        return (best, resting) if action == "C" and not better else None

    def confirm(self, i: int, now: int) -> None:
        for side in "BA":
            best, quotes = self.best(side), self.quotes[side]
            if best is None or not quotes:
                continue
            ends = [later[2] for later in quotes[1:]] + [None]
            standing = [quote[0] for quote, end in zip(quotes, ends, strict=True) if end is None or end >= now - SECOND]
            self.look("level_quote_mismatch", best not in standing, i)
