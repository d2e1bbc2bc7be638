"""From messages to canonical rows: the book joined from its snapshot and diffs, each execution once.

The exchange's rules for a local book ("How to manage a local order book correctly" of the Spot, USD-M and COIN-M
documentation): diffs up to the snapshot are dropped (spot: ``u <= lastUpdateId``; futures: ``u < lastUpdateId``); the
first one kept contains it (spot: ``U <= lastUpdateId + 1 <= u``; futures: ``U <= lastUpdateId <= u``); each following
one begins where the last one ended (spot: ``U == u + 1`` of the last; futures: ``pu == u`` of the last). Where one
begins later, messages were lost. One that begins earlier and ends later overlaps and loses nothing; one that ends
earlier says nothing new.

A snapshot is older than some of the diffs received before it; these stand behind it here, with their own stamps. A
later snapshot restates the levels of the diffs it does not know yet.

Here: order, gaps, repetition. Not here: bytes (feeds/kernels/binance_json.py), rows as a frame (binance_rows.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from feeds.adapters.base import SourceProblem
from feeds.schema import FLAG_GAP

#: Rejected: no snapshot stands before it; all of it is known already; another symbol; received on another date.
REASONS = (
    "before_snapshot",
    "stale_update",
    "stale_snapshot",
    "duplicate_trade",
    "received_on_another_date",
    "other_symbol",
    "partial_book",
    "unknown_stream",
    "unknown_message",
    "incomplete_message",
    "time_of_unknown_unit",
)
REASON_CODE = {reason: code for code, reason in enumerate(REASONS, start=1)}
#: Blocks of diffs kept until a snapshot comes: the request for one takes seconds, a block lasts minutes.
_HELD_BLOCKS = 4
#: Runs of diffs remembered for a later snapshot.
_REMEMBERED = 4


@dataclass(frozen=True)
class Batch:
    """Messages of a run of lines; see feeds/kernels/binance_json.py for the columns.

    Attributes:
        records: (lines, COLUMNS) int64.
        reasons: (lines,) uint8, 0 or a `REASON_CODE`.
        sides: (levels,) uint8; ``prices``, ``sizes``: (levels,) int64.
        first_line: Number of the first line in the file.
        ignored: Kind -> messages that are not about the market.
    """

    records: np.ndarray
    reasons: np.ndarray
    sides: np.ndarray
    prices: np.ndarray
    sizes: np.ndarray
    first_line: int
    ignored: dict[str, int] = field(default_factory=dict)

    def column(self, name: int, lines: np.ndarray) -> np.ndarray:
        """One column of some lines."""
        column: np.ndarray = self.records[lines, name]
        return column


@dataclass(frozen=True)
class Piece:
    """Lines in the order in which their rows stand.

    Attributes:
        batch: Where they are.
        lines: (n,) int64 indices.
        reasons: (n,) uint8, 0 or a `REASON_CODE`.
        flags: (n,) uint8: of the first row of each line.
        snapshot: None, or (receive stamp, time) of the snapshot whose rows these are.
        more: Whether rows of the same snapshot follow.
    """

    batch: Batch
    lines: np.ndarray
    reasons: np.ndarray
    flags: np.ndarray
    snapshot: tuple[int, int] | None = None
    more: bool = False


class BookJoin:
    """State of the join over the batches of one capture.

    Args:
        futures: Whether diffs name their predecessor.
    """

    def __init__(self, futures: bool) -> None:
        self.futures = futures
        self.problems: list[SourceProblem] = []
        self._local: int | None = None
        self._fresh = False
        self._held: deque[Piece] = deque()
        self._applied: deque[Piece] = deque(maxlen=_REMEMBERED)
        self._last_trade: int | None = None

    def pieces(self, batch: Batch, trade_kind: int) -> Iterator[Piece]:
        """The batch's rows in order; what waits for a snapshot comes later.

        Args:
            batch: The next lines.
            trade_kind: TRADE or AGG_TRADE: which of them are executions here.
        """
        from feeds.kernels import binance_json as kernel

        kinds = batch.records[:, kernel.KIND]
        placed = batch.reasons == 0
        reasons, flags = batch.reasons.copy(), np.zeros(kinds.size, np.uint8)
        self._check_trades(batch, np.flatnonzero(placed & (kinds == trade_kind)), trade_kind, reasons, flags)
        start = 0
        for snapshot in [*np.flatnonzero(placed & (kinds == kernel.SNAPSHOT)).tolist(), kinds.size]:
            lines = np.arange(start, snapshot)
            yield self._run(batch, lines, placed & (kinds == kernel.DEPTH), reasons, flags)
            if snapshot < kinds.size:
                yield from self._snapshot(batch, snapshot)
            start = snapshot + 1
        while len(self._held) > _HELD_BLOCKS:
            yield _rejected(self._held.popleft(), "before_snapshot")

    def finish(self) -> Iterator[Piece]:
        """Diffs for which no snapshot came."""
        while self._held:
            yield _rejected(self._held.popleft(), "before_snapshot")

    def _run(
        self, batch: Batch, lines: np.ndarray, is_depth: np.ndarray, reasons: np.ndarray, flags: np.ndarray
    ) -> Piece:
        """Lines between two snapshots."""
        depth = lines[is_depth[lines]]
        if self._local is None:
            if depth.size:
                self._held.append(Piece(batch, depth, reasons[depth], flags[depth]))
            lines = lines[~is_depth[lines]]
        else:
            self._follow(batch, depth, reasons, flags)
            kept = depth[reasons[depth] == 0]
            if kept.size:
                self._applied.append(Piece(batch, kept, reasons[kept], flags[kept]))
        return Piece(batch, lines, reasons[lines], flags[lines])

    def _follow(self, batch: Batch, depth: np.ndarray, reasons: np.ndarray, flags: np.ndarray) -> None:
        """Mark diffs that say nothing new, and those before which messages were lost."""
        from feeds.kernels import binance_json as kernel

        if not depth.size or self._local is None:
            return
        first, last = batch.column(kernel.FIRST_ID, depth), batch.column(kernel.LAST_ID, depth)
        previous = batch.column(kernel.PREVIOUS_ID, depth)
        if self._fresh:
            # A futures diff that ends exactly at the snapshot contains it.
            stale_first = last < self._local if self.futures else last <= self._local
            fresh = int(np.argmin(stale_first)) if not stale_first.all() else depth.size
            reasons[depth[:fresh]] = REASON_CODE["before_snapshot"]
            if fresh == depth.size:
                return
            self._fresh = False
            contained = first[fresh] <= self._local + (0 if self.futures else 1)
            if not (contained or (self.futures and previous[fresh] == self._local)):
                self._lost(batch, depth[fresh], int(first[fresh]), self._local, flags)
            self._local = max(self._local, int(last[fresh]))
            depth, first, last, previous = (part[fresh + 1 :] for part in (depth, first, last, previous))
            if not depth.size:
                return
        known = np.maximum.accumulate(np.concatenate([[self._local], last]))[:-1]
        stale = last <= known
        reasons[depth[stale]] = REASON_CODE["stale_update"]
        lost = ~stale & ((previous > known) if self.futures else (first > known + 1))
        for k in np.flatnonzero(lost).tolist():
            self._lost(batch, depth[k], int(previous[k] if self.futures else first[k]), int(known[k]), flags)
        self._local = max(int(known[-1]), int(last[-1]))

    def _lost(self, batch: Batch, line: int, begins: int, known: int, flags: np.ndarray, what: str = "update") -> None:
        flags[line] |= FLAG_GAP
        position = f"line {batch.first_line + int(line)}"
        text = f"{what} ids: the last one known is {known}, the next message begins at {begins}"
        self.problems.append(SourceProblem("sequence_gap", position, text))

    def _snapshot(self, batch: Batch, line: int) -> Iterator[Piece]:
        from feeds.kernels import binance_json as kernel

        stated = int(batch.records[line, kernel.LAST_ID])
        stamps = (int(batch.records[line, kernel.RECV_NS]), int(batch.records[line, kernel.TIME_NS]))
        lines, none = np.array([line]), np.zeros(1, np.uint8)
        piece = Piece(batch, lines, none, none.copy(), snapshot=stamps)
        if self._local is None:
            held, self._held = list(self._held), deque()
            self._local, self._fresh = stated, True
            waiting = [self._joined(part) for part in held]
            yield from (_only(part, early) for part, early in waiting)
            yield piece
            yield from (_only(part, ~early) for part, early in waiting)
            return
        newer = [_only(part, part.batch.column(kernel.LAST_ID, part.lines) > stated) for part in self._applied]
        newer = [part for part in newer if part.lines.size]
        if stated < self._local and not self._reaches(stated):
            yield _rejected(piece, "stale_snapshot")
            return
        if stated >= self._local:
            self._local, self._fresh = stated, True
        yield replace(piece, more=bool(newer))
        for k, part in enumerate(newer):
            # A gap that the snapshot closes is none any more.
            begins = part.batch.column(kernel.PREVIOUS_ID if self.futures else kernel.FIRST_ID, part.lines)
            open_gap = begins > stated + (0 if self.futures else 1)
            flags = np.where(open_gap, part.flags & FLAG_GAP, 0).astype(np.uint8)
            yield replace(part, flags=flags, snapshot=stamps, more=k + 1 < len(newer))

    def _joined(self, part: Piece) -> tuple[Piece, np.ndarray]:
        """Follow diffs that were held back; which of them are older than the snapshot."""
        size = len(part.batch.records)
        reasons, flags = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        self._follow(part.batch, part.lines, reasons, flags)
        part = replace(part, reasons=reasons[part.lines], flags=flags[part.lines])
        early = part.reasons != 0
        if not early.all():
            self._applied.append(_only(part, ~early))
        return part, early

    def _reaches(self, stated: int) -> bool:
        """Whether the diffs remembered continue a snapshot with that id."""
        from feeds.kernels import binance_json as kernel

        if not self._applied:
            return False
        oldest = self._applied[0]
        first = oldest.batch.column(kernel.FIRST_ID, oldest.lines[:1])[0]
        previous = oldest.batch.column(kernel.PREVIOUS_ID, oldest.lines[:1])[0]
        return bool((previous if self.futures else first - 1) <= stated)

    def _check_trades(
        self, batch: Batch, lines: np.ndarray, trade_kind: int, reasons: np.ndarray, flags: np.ndarray
    ) -> None:
        """Mark executions that were there before, and those before which some were lost.

        Ids of spot trades and of aggregate trades count up by one; futures trades leave out those of the insurance
        fund and of automatic deleveraging.
        """
        from feeds.kernels import binance_json as kernel

        if not lines.size:
            return
        ids = batch.column(kernel.FIRST_ID, lines)
        before = int(ids[0]) - 1 if self._last_trade is None else self._last_trade
        known = np.maximum.accumulate(np.concatenate([[before], ids]))[:-1]
        reasons[lines[ids <= known]] = REASON_CODE["duplicate_trade"]
        if not self.futures or trade_kind == kernel.AGG_TRADE:
            for k in np.flatnonzero(ids > known + 1).tolist():
                self._lost(batch, lines[k], int(ids[k]), int(known[k]), flags, "trade")
        self._last_trade = max(int(known[-1]), int(ids[-1]))


def _only(piece: Piece, chosen: np.ndarray) -> Piece:
    return replace(piece, lines=piece.lines[chosen], reasons=piece.reasons[chosen], flags=piece.flags[chosen])


def _rejected(piece: Piece, reason: str) -> Piece:
    return replace(piece, reasons=np.full(piece.lines.size, REASON_CODE[reason], np.uint8))
