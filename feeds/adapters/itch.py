"""Nasdaq TotalView-ITCH 5.0: a day of all stocks, order by order, plain or gzipped; BX and PSX use the same format.

Framing after Nasdaq BinaryFILE (a length of two bytes before every message), messages after Nasdaq TotalView-ITCH 5.0,
section 4. What becomes of them:

- ``A``, ``F``: A. ``D``, ``X``: C of what is left or what is taken off. ``U``: C of what is left (FLAG_PARTIAL), then
  A.
- ``E``: F at the resting order's price. ``C`` at that price: F, too; at another one: T at the execution's price
  (FLAG_PARTIAL), then C; one that is not printed (its cross is): C.
- ``P``: T of a hidden order; the specification has its side always be B since 2014, so that nobody is known to be the
  aggressor, unless it says S. ``Q`` with shares: T with FLAG_AUCTION.
- ``H``, and ``h`` of the file's own market: H.
- ``B`` is counted only: it names a match number, which rows do not carry, of a print that did happen and was known to
  everybody until then. All others say nothing about the market of one instrument, or (``I``, ``J``) nothing that rows
  can hold.

Here: this format. Not here: its kernels (feeds/kernels/itch_*.py), the tape store (feeds/tape.py).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from feeds.adapters.base import FileInfo, Progress, SourceProblem
from feeds.adapters.containers import file_head
from feeds.adapters.itch_names import MARKETS, date_of, instrument_of, venue_of
from feeds.adapters.itch_stream import BLOCK_BYTES, Block, blocks
from feeds.calendar import split_ns
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec

if TYPE_CHECKING:
    from feeds.kernels.itch_decode import Setting, State
    from feeds.tape import TapeIndex, TapeWriter

#: Length of every message by its type; section 4, in its order.
LENGTHS = {
    "S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21, "A": 36, "F": 40,
    "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19, "I": 50, "N": 20, "O": 48,
}  # fmt: skip
#: Names of what is counted only; ``q``: a cross without shares.
IGNORED = {
    "S": "system_event",
    "R": "stock_directory",
    "Y": "short_sale_restriction",
    "L": "market_participant",
    "V": "circuit_breaker_levels",
    "W": "circuit_breaker_status",
    "K": "ipo_quoting_period",
    "J": "auction_collar",
    "h": "halt_of_another_market",
    "q": "empty_cross",
    "B": "broken_trade",
    "I": "order_imbalance",
    "N": "retail_interest",
    "O": "direct_listing",
}
_START = b"\x00\x0cS"
_EVENT, _LOCATE, _STOCK = 11, slice(1, 3), slice(11, 19)
#: No message is shorter, its length included.
_SHORTEST = 14
#: Messages framed and then decoded while their bytes are in the cache.
_AT_ONCE = 8_192


class Itch:
    """Adapter of the format; see the module docstring.

    Args:
        block_bytes: Bytes decoded at once.
    """

    name = "itch"

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        self.block_bytes = block_bytes

    def sniff(self, path: Path) -> FileInfo | None:
        """The first message is the event that starts the day's messages; the date stands in the name only."""
        head = file_head(path)
        if not head.startswith(_START) or head[2 + _EVENT : 3 + _EVENT] != b"O":
            return None
        date_of(path)
        return FileInfo(path, self.name, "tape", None, ())

    def decode(self, path: Path, folder: Path, progress: Progress | None = None) -> TapeIndex:
        """Decode a day into a tape.

        A file that lacks only the event that ends the messages (the one that ends the system's hours was there) has a
        problem ``missing_end``; one that ends earlier is cut.

        Raises:
            UnreadableFileError: A message of no known type or of a length its type does not have, a file that ends
                within a message or before the day does, damaged compression.
        """
        from feeds.kernels.itch_decode import REASONS
        from feeds.tape import TapeWriter

        date = date_of(path)
        day = _Day(path, date, self.block_bytes)
        total = path.stat().st_size
        with TapeWriter(folder, format=self.name, day=date, reasons=REASONS) as writer:
            for block in blocks(path, self.block_bytes):
                day.take(block, writer)
                if progress is not None:
                    progress(writer.rows, block.bytes_done, total)
            specs = [None if name is None else self.default_spec(name) for name in day.instruments()]
            return writer.close(specs, ignored=day.ignored(), problems=day.problems())

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Prices kept at 1e-4 dollars, quotes on the cent."""
        return InstrumentSpec(id=instrument, tick_size=1e-4, lot_size=1, quote_increment_ticks=100)


class _Day:
    """What is known of a day while it is decoded."""

    def __init__(self, path: Path, date: str, block_bytes: int) -> None:
        from feeds.kernels.itch_decode import Setting, new_rows
        from feeds.kernels.order_table import new_table

        self._path = path
        self._venue = venue_of(path)
        self._setting: Setting = Setting(split_ns("XNYS", date, dt.time()), ord(MARKETS[self._venue]))
        self._orders = new_table()
        self._live = 0
        messages = max(block_bytes // _SHORTEST, 1) + 4
        self._places = np.empty(_AT_ONCE, np.uint32)
        self._noted = np.empty(messages, np.uint32)
        self._rows = new_rows(messages)
        self._lengths = np.zeros(256, np.int64)
        for letter, length in LENGTHS.items():
            self._lengths[ord(letter)] = length
        self._ignored = np.zeros(256, np.int64)
        self._stocks: dict[int, bytes] = {}
        self._events = ""
        self._problems: list[SourceProblem] = []
        self._closed = False  # by a length of 0

    def take(self, block: Block, writer: TapeWriter) -> None:
        """Decode the whole messages of a block."""
        from feeds.kernels.itch_decode import State
        from feeds.kernels.itch_frames import FULL, SESSION_ENDS, UNKNOWN_TYPE, WRONG_LENGTH, scan

        if self._closed and block.end:
            raise self._unreadable(block, 0, "nothing after the length of 0 that ends the session", "more data")
        state, position, why = State(0, 0, 0, self._live), 0, FULL
        while why == FULL:
            found, position, why = scan(block.data, position, block.end, self._lengths, self._places)
            state = self._decoded(block, self._places[:found], state)
        self._live = state.live
        if why in (UNKNOWN_TYPE, WRONG_LENGTH):
            kind, length = chr(block.data[position + 2]), int.from_bytes(block.data[position : position + 2].tobytes())
            known = "a message of one of the types " + "".join(LENGTHS)
            expected = known if why == UNKNOWN_TYPE else f"{LENGTHS[kind]} bytes of a message {kind}"
            raise self._unreadable(block, position, expected, f"type {kind!r} of {length} bytes")
        for place in self._noted[: state.noted].tolist():
            self._note(bytes(block.data[place : place + LENGTHS["R"]]), block.offset + place)
        writer.append({name: values[: state.rows] for name, values in self._rows.items()})
        if why == SESSION_ENDS:
            self._closed, position = True, position + 2
        block.used = position
        if self._closed and position < block.end:
            raise self._unreadable(block, position, "nothing after the length of 0 that ends the session", "more data")
        if block.last:
            self._end(block)

    def _decoded(self, block: Block, places: np.ndarray, state: State) -> State:
        """Decode some messages of a block, with a larger order table where it fills."""
        from feeds.kernels.itch_decode import State, columns_of, decode
        from feeds.kernels.order_table import grown, table_of

        columns = columns_of(self._rows)
        state = state._replace(messages=0)
        while state.messages < len(places):
            table = table_of(self._orders)
            settings = (self._setting, table, columns, self._ignored, self._noted)
            state = State(*decode(block.data, places, *settings, state)[0])
            if state.messages < len(places):
                self._orders = grown(self._orders)
        return state

    def instruments(self) -> list[str | None]:
        """Ids by locate code; None for a code the stock directory does not name, or names as it did another one."""
        ids: list[str | None] = [None] * (max(self._stocks, default=-1) + 1)
        taken: set[str] = set()
        for locate, stock in sorted(self._stocks.items()):
            made = instrument_of(self._path, stock, self._venue)
            if made in taken:
                text = f"locate code {locate} is {made}, as one before"
                self._problems.append(SourceProblem("repeated_stock", f"locate code {locate}", text))
                continue
            taken.add(made)
            ids[locate] = made
        return ids

    def ignored(self) -> dict[str, int]:
        """See `feeds.adapters.base.ParsedTicks`."""
        return {name: int(self._ignored[ord(letter)]) for letter, name in IGNORED.items() if self._ignored[ord(letter)]}

    def problems(self) -> list[SourceProblem]:
        """Defects found."""
        return self._problems

    def _note(self, message: bytes, position: int) -> None:
        if message.startswith(b"S"):
            self._events += chr(message[_EVENT])
            return
        locate, stock = int.from_bytes(message[_LOCATE]), message[_STOCK]
        if self._stocks.setdefault(locate, stock) != stock:
            text = f"locate code {locate} was {self._stocks[locate]!r} and is now {stock!r}; the first name stays"
            self._problems.append(SourceProblem("renamed_stock", f"byte {position}", text))

    def _end(self, block: Block) -> None:
        if block.used < block.end:
            raise self._unreadable(block, block.used, "a whole message", f"{block.end - block.used} bytes")
        if "C" in self._events:
            return
        if "E" not in self._events:
            found = "the file ends"
            raise self._unreadable(block, block.end, "more messages, up to the event that ends them", found)
        text = "the event that ends the system's hours is the last, the one that ends the messages is missing"
        self._problems.append(SourceProblem("missing_end", f"byte {block.offset + block.end}", text))

    def _unreadable(self, block: Block, position: int, expected: str, found: str) -> UnreadableFileError:
        return UnreadableFileError(self._path, f"byte {block.offset + position}", expected, found)
