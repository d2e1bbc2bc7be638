"""IEX's historical captures: DEEP 1.0 and TOPS 1.6 or 1.5 in IEX-TP over UDP, as pcap or pcapng, plain or gzip.

DEEP's price level updates become a level feed (``L``; those that do not complete their event have FLAG_PARTIAL), TOPS'
quote updates two ``Q`` rows, trade reports ``T`` of no side with the sale condition bits in ``condition`` (a
single-price cross has FLAG_AUCTION), trading status messages ``H``. What else there is (trade breaks, auction
information, official prices, operational halts, short-sale status, security and system events) is counted, not kept.
``ts_event`` is the message's stamp, ``ts_recv`` the capture's; the file's rows are those of one New York day, that of
its first message.

Messages of a stream are numbered. Numbers that are missing, and a stream that begins anew at 1, are a problem
``sequence_gap``; the first row of every instrument after one has FLAG_GAP, since nobody knows whose messages are
missing. Messages that come again are a problem ``duplicate_packet`` and dropped. A capture that ends inside a packet
is read up to there: ``truncated_tail``.

Here: recognising and decoding files. Not here: captures (iex_capture.py), messages (feeds/kernels/iex_messages.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from feeds.adapters.base import FileInfo, Progress, SourceProblem
from feeds.adapters.byte_blocks import BLOCK_BYTES, unpacked_head
from feeds.adapters.containers import HEAD_BYTES
from feeds.adapters.iex_capture import Capture, Framing, Payloads, is_capture
from feeds.adapters.symbol_ids import distinct, symbol_id
from feeds.adapters.tape_batch import TapeBatch
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec

if TYPE_CHECKING:
    from feeds.tape_index import TapeIndex

_VENUE = "IEX"
_NEW_YORK = ZoneInfo("America/New_York")
_PRICE_UNIT = 1e-4
#: Rows a call of the decoder has room for; a datagram needs fewer than it has bytes.
_ROWS = 1 << 19
_PROBLEMS = 4096
_BY_TYPE = {
    "A": "auction_information",
    "B": "trade_break",
    "D": "security_directory",
    "E": "security_event",
    "I": "retail_liquidity",
    "O": "operational_halt",
    "P": "short_sale_status",
    "S": "system_event",
    "X": "official_price",
}


class Iex:
    """Adapter of the format; see the module docstring."""

    name = "iex"

    def sniff(self, path: Path) -> FileInfo | None:
        """A capture whose first packets hold IEX-TP."""
        head = unpacked_head(path, HEAD_BYTES)
        if head is None or not is_capture(head):
            return None
        from feeds.kernels.iex_messages import first_segment

        framing = Framing(head)
        found, _, _ = framing.payloads(head[framing.head_bytes :])
        if first_segment(found.content, found.places, found.found) < 0:
            return None
        return FileInfo(path, self.name, "tape", None, ())

    def decode(self, path: Path, folder: Path, progress: Progress | None = None) -> TapeIndex:
        """See `feeds.adapters.base.TapeAdapter`."""
        from feeds.kernels.iex_messages import REASONS, ROW_NAMES
        from feeds.tape import TapeWriter

        messages = Messages(path)
        blocks = messages.rows()
        first = next(blocks, None)
        day = messages.day()
        with TapeWriter(folder, format=self.name, day=day, reasons=REASONS) as writer:
            batch = TapeBatch(ROW_NAMES)
            while first is not None:
                batch.add(first)
                if batch.full:
                    writer.append(batch.take())
                if progress is not None:
                    progress(writer.rows + batch.count, messages.bytes_done, path.stat().st_size)
                first = next(blocks, None)
            if batch.count:
                writer.append(batch.take())
            specs = [self.default_spec(name) for name in messages.instruments()]
            params = {"day": day, "day_of": "first message, New York"}
            return writer.close(specs, ignored=messages.ignored(), problems=messages.problems(), params=params)

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Prices kept at 1e-4 dollars, quotes on the cent."""
        return InstrumentSpec(id=instrument, tick_size=_PRICE_UNIT, lot_size=1, quote_increment_ticks=100)


class Messages:
    """Reads a capture once: payloads to rows, and what was odd.

    Args:
        path: The file.
        block_bytes: Bytes of a block.
    """

    def __init__(self, path: Path, block_bytes: int = BLOCK_BYTES) -> None:
        from feeds.kernels import iex_messages as kernel

        self._kernel = kernel
        self._path = path
        self._capture = Capture(path, block_bytes)
        self._counters = np.zeros(kernel.COUNTERS, np.int64)
        self._streams = np.zeros((kernel.MOST_STREAMS, 4), np.int64)
        self._slots = np.zeros(kernel.SLOTS, np.int64)
        self._symbols = np.zeros(kernel.MOST_SYMBOLS, np.int64)
        self._epochs = np.zeros(kernel.MOST_SYMBOLS, np.int64)
        self._found = np.zeros((_PROBLEMS, kernel.PROBLEM_FIELDS), np.int64)
        self._rows = np.empty((kernel.ROW_FIELDS, _ROWS), np.int64)
        self._problems: list[SourceProblem] = []
        self._payloads, self._others = 0, 0
        self._first_ns: int | None = None

    @property
    def bytes_done(self) -> int:
        """Bytes of the file read so far."""
        return self._capture.bytes_done

    def day(self) -> str | None:
        """New York date of the first message read so far, of its capture where none has a stamp; None: no packets."""
        if self._first_ns is None:
            return None
        return dt.datetime.fromtimestamp(self._first_ns // 1_000_000_000, _NEW_YORK).date().isoformat()

    def instruments(self) -> list[str]:
        """Ids by code."""
        raw = self._symbols[: self._counters[self._kernel.N_SYMBOLS]].astype("<i8").tobytes()
        symbols = [raw[at : at + 8].decode("latin-1").strip("\0 ") for at in range(0, len(raw), 8)]
        return distinct(symbol_id(symbol or "BLANK", _VENUE) for symbol in symbols)

    def ignored(self) -> dict[str, int]:
        """Kind -> messages that make no rows, heartbeats, repeated messages and packets of something else."""
        kernel, counters = self._kernel, self._counters.tolist()
        found = {
            "heartbeat": counters[kernel.HEARTBEATS],
            "repeated_message": counters[kernel.DROPPED],
            "foreign_packet": counters[kernel.FOREIGN] + self._others,
        }
        for kind, count in enumerate(counters[kernel.BY_TYPE :]):
            name = _BY_TYPE.get(chr(kind), "unknown_message")
            found[name] = found.get(name, 0) + count
        return {name: count for name, count in sorted(found.items()) if count}

    def problems(self) -> list[SourceProblem]:
        """Gaps, repeated packets and a tail, in order of their places."""
        if self._capture.tail is None:
            return self._problems
        at, left = self._capture.tail
        text = f"the capture ends {left} bytes into a packet, all before it was read"
        return [*self._problems, SourceProblem("truncated_tail", f"byte {at}", text)]

    def rows(self) -> Iterator[np.ndarray]:
        """Rows of all messages, in order: int64 of shape ``(len(ROW_NAMES), n)``, valid until the next ones.

        Raises:
            UnreadableFileError: A segment does not hold the messages it says, or see `Capture`.
        """
        for payloads in self._capture:
            self._others += payloads.others
            if self._first_ns is None and payloads.found:
                self._first_ns = self._kernel.first_stamp(payloads.content, payloads.places, payloads.found) or None
            done = 0
            while done < payloads.found:
                done, count, how = self._kernel.decode(
                    payloads.content,
                    payloads.places,
                    done,
                    payloads.found,
                    self._counters,
                    self._streams,
                    self._slots,
                    self._symbols,
                    self._epochs,
                    self._found,
                    self._rows,
                )
                self._note(payloads)
                if count:
                    yield self._rows[:, :count]
                self._check(payloads, done, how)
            self._payloads += payloads.found

    def _check(self, payloads: Payloads, at: int, how: int) -> None:
        if how in (self._kernel.BAD_SEGMENT, self._kernel.TOO_MANY):
            wanted = "an IEX-TP segment with as many messages and bytes as it says"
            if how == self._kernel.TOO_MANY:
                wanted = f"at most {self._kernel.MOST_SYMBOLS} symbols and {self._kernel.MOST_STREAMS} streams"
            start, length = payloads.places[0, at], payloads.places[1, at]
            found = f"a segment of {length} bytes that begins {payloads.content[start : start + 16].tobytes().hex(' ')}"
            raise UnreadableFileError(self._path, self._place(payloads, at), wanted, found)

    def _note(self, payloads: Payloads) -> None:
        kernel = self._kernel
        for kind, p, expected, found, messages in self._found[: self._counters[kernel.N_PROBLEMS]].tolist():
            text = f"message {found} came where {expected} was expected: "
            text += {
                kernel.GAP: f"{messages} messages are missing",
                kernel.RESTART: "the stream begins anew, nobody knows how many messages are missing",
                kernel.REPEATED: f"{messages} messages are repeated",
            }[kind]
            name = "duplicate_packet" if kind == kernel.REPEATED else "sequence_gap"
            self._problems.append(SourceProblem(name, self._place(payloads, p), text))
        self._counters[kernel.N_PROBLEMS] = 0

    def _place(self, payloads: Payloads, p: int) -> str:
        return f"packet {self._payloads + p + 1} at byte {payloads.start + payloads.places[3, p]}"
