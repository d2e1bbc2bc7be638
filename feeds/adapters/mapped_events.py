"""Rows of a mapped file as rows of a tape.

Here: which events a row becomes and why one is rejected. Not here: reading (mapped_csv.py, mapped_parquet.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from feeds.adapters.base import instrument_id
from feeds.adapters.mapped_columns import BETWEEN_UNITS, MISSING, Codes, Values
from feeds.adapters.mapped_csv import Batch
from feeds.adapters.mapped_times import moments
from feeds.adapters.mapping import Coded, Mapping
from feeds.errors import UnreadableFileError
from feeds.schema import ACTION_CODE, FLAG_PARTIAL, SIDE_CODE

#: Why a row is rejected; of several reasons the first.
REASONS = (
    "time_outside_day",
    "unknown_symbol",
    "missing_value",
    "off_tick_price",
    "off_lot_size",
    "unknown_side",
    "unknown_action",
    "empty_quote",
)
_REASON = {name: code for code, name in enumerate(REASONS, start=1)}
_ACTIONS = {"trades": "T", "levels": "L", "quotes": "Q"}
_UNKNOWN = 255
_Columns = dict[str, np.ndarray]


class Instruments:
    """The instruments of a file, numbered as they appear."""

    def __init__(self, path: Path, mapping: Mapping) -> None:
        self.ids: list[str] = []
        self._path, self._mapping = path, mapping
        self._codes: dict[str, int] = {}

    def code(self, symbol: str) -> int:
        """Number of a symbol of the file.

        Raises:
            UnreadableFileError: It makes no instrument id.
        """
        if symbol not in self._codes:
            made = instrument_id(self._path, self._mapping.symbol.names.get(symbol, symbol), self._mapping.venue)
            if made not in self.ids:
                self.ids.append(made)
            self._codes[symbol] = self.ids.index(made)
        return self._codes[symbol]


def tape_columns(path: Path, mapping: Mapping, batch: Batch, instruments: Instruments) -> _Columns:
    """Columns of a tape, see `feeds.tape.TapeWriter.append`.

    Raises:
        UnreadableFileError: A time or a symbol is none.
    """

    def broken(row: int, expected: str, found: object) -> UnreadableFileError:
        return UnreadableFileError(path, f"{batch.place} {batch.first + row}", expected, found)

    stamps, outside = moments(mapping.time, batch.values, "time", broken)
    common: _Columns = {"ts_event": stamps}
    if mapping.receive_time is not None:
        common["ts_recv"], outside_too = moments(mapping.receive_time, batch.values, "receive_time", broken)
        outside = outside | outside_too
    common["reason"] = np.where(outside, _REASON["time_outside_day"], 0).astype(np.uint8)
    codes, nameless = _instrument_codes(mapping, batch, instruments)
    common["instrument"] = codes
    _mark(common["reason"], nameless, "unknown_symbol")
    return _quotes(common, batch) if mapping.rows == "quotes" else _events(common, mapping, batch)


def _instrument_codes(mapping: Mapping, batch: Batch, instruments: Instruments) -> tuple[np.ndarray, np.ndarray]:
    """Instrument of each row, and which rows have none (they count as the first one's)."""
    if mapping.symbol.constant is not None:
        return np.full(batch.rows, instruments.code(mapping.symbol.constant), np.uint32), np.zeros(batch.rows, bool)
    read = batch.codes["symbol"]
    known = np.array([0 if text is None else instruments.code(text) for text in read.texts], np.uint32)
    empty = np.array([text is None for text in read.texts], bool)
    return known[read.places], empty[read.places]


def _mark(reasons: np.ndarray, rows: np.ndarray, name: str) -> None:
    """Give rows without a reason one."""
    reasons[rows & (reasons == 0)] = _REASON[name]


def _coded(read: Codes, coded: Coded, codes: dict[str, int]) -> np.ndarray:
    """(n,) uint8: codes of the project, `_UNKNOWN` for texts the mapping does not name."""
    table = [codes[coded.values[text]] if text in coded.values else _UNKNOWN for text in read.texts]
    return np.array(table, np.uint8)[read.places]


def _events(common: _Columns, mapping: Mapping, batch: Batch) -> _Columns:
    """Trades, levels and order events: one a row."""
    rows, reasons = batch.rows, common["reason"]
    side = np.full(rows, SIDE_CODE["N"], np.uint8)
    if mapping.side is not None:
        side = _coded(batch.codes["side"], mapping.side, SIDE_CODE)
    if mapping.action is not None:
        action = _coded(batch.codes["action"], mapping.action, ACTION_CODE)
    else:
        action = np.full(rows, ACTION_CODE[_ACTIONS[mapping.rows]], np.uint8)
    # Clearing a book has neither a price nor a side.
    clears = action == ACTION_CODE["R"]
    price, size = batch.values["price"], batch.values["size"]
    order = batch.values.get("order_id", Values(np.zeros(rows, np.int64)))
    unnamed = (side == SIDE_CODE["N"]) if mapping.rows in ("levels", "orders") else np.zeros(rows, bool)
    tradeless = ~clears & (action != ACTION_CODE["T"])
    missing = (price.is_(MISSING) | size.is_(MISSING)) & ~clears | (order.is_(MISSING) & tradeless)
    _mark(reasons, missing, "missing_value")
    _mark(reasons, price.is_(BETWEEN_UNITS), "off_tick_price")
    _mark(reasons, size.is_(BETWEEN_UNITS), "off_lot_size")
    _mark(reasons, (side == _UNKNOWN) & ~clears | (unnamed & tradeless), "unknown_side")
    _mark(reasons, action == _UNKNOWN, "unknown_action")
    # A tape has a code for all rows; those of rejected ones mean nothing.
    side[(side == _UNKNOWN) | clears] = SIDE_CODE["N"]
    action[action == _UNKNOWN] = ACTION_CODE["T"]
    return common | {
        "action": action,
        "side": side,
        "order_id": order.numbers,
        "price": price.numbers,
        "size": size.numbers,
    }


def _quotes(common: _Columns, batch: Batch) -> _Columns:
    """One event for each side that is stated, the bid first; a row without any is one that is rejected."""
    rows = batch.rows
    sides = [_quote_side(batch, side) for side in ("bid", "ask")]
    stated = np.column_stack([there for there, _, _, _ in sides])
    neither = ~stated.any(axis=1)
    stated[neither, 0] = True
    taken = np.flatnonzero(stated.reshape(-1))
    made = {name: np.repeat(values, 2)[taken] for name, values in common.items()}
    _mark(made["reason"], np.repeat(neither, 2)[taken], "empty_quote")
    missing, between = (np.column_stack([side[k] for side in sides]).reshape(-1)[taken] for k in (1, 2))
    _mark(made["reason"], missing, "missing_value")
    _mark(made["reason"], between == 1, "off_tick_price")
    _mark(made["reason"], between == 2, "off_lot_size")
    prices, sizes = (np.column_stack([side[3][k] for side in sides]).reshape(-1)[taken] for k in (0, 1))
    letters = np.tile(np.array([SIDE_CODE["B"], SIDE_CODE["A"]], np.uint8), rows)[taken]
    letters[np.repeat(neither, 2)[taken]] = SIDE_CODE["N"]
    # The bid of a row is followed by its ask, unless one of them is rejected.
    paired = np.zeros(taken.size, bool)
    paired[:-1] = (taken[:-1] // 2 == taken[1:] // 2) & (made["reason"][:-1] == 0) & (made["reason"][1:] == 0)
    return made | {
        "action": np.full(taken.size, ACTION_CODE["Q"], np.uint8),
        "side": letters,
        "order_id": np.zeros(taken.size, np.int64),
        "price": prices,
        "size": sizes,
        "flags": np.where(paired, FLAG_PARTIAL, 0).astype(np.uint8),
    }


def _quote_side(batch: Batch, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Of one side: whether it is stated, lacks price or size, is off its tick (1) or lot (2), and price and size."""
    price = batch.values[f"{side}_price"]
    size = batch.values.get(f"{side}_size", Values(np.ones(batch.rows, np.int64)))
    sized = f"{side}_size" in batch.values
    no_price, no_size = price.is_(MISSING), size.is_(MISSING)
    stated = ~(no_price & (no_size | (not sized)))
    between = np.where(price.is_(BETWEEN_UNITS), 1, np.where(size.is_(BETWEEN_UNITS), 2, 0))
    return stated, (no_price | no_size) & stated, between, (price.numbers, size.numbers)
