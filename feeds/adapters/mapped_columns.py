"""Columns of a mapped file as exact integers: prices in ticks, sizes in lots, times in ns, codes as places in a list.

A cell that is not of its kind at all stops the reading, with its place. A price between two ticks, a size between two
lots or an empty cell is a matter of its row: it is marked here, and the row is rejected.

Here: one column at a time. Not here: cutting files into batches (mapped_csv.py, mapped_parquet.py), what rows become
(mapped_events.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction

import numpy as np
import polars as pl

from feeds.adapters.csv_blocks import Cell, columns_of
from feeds.adapters.mapping import Mapping, Time
from feeds.errors import UnreadableFileError

#: States of a value.
GOOD, BETWEEN_UNITS, MISSING = range(3)
#: Relative distance from a whole multiple of the unit that a float is allowed.
FLOAT_TOLERANCE = 1e-9
_TIME_PLACES = {"ns": 0, "us": 3, "ms": 6, "s": 9}
_TIME_CELLS = {"clock": Cell("clock"), "iso": Cell("iso_local")}
_MAX_INT64 = 2**63 - 1
_MOST_DIGITS = 400
#: Different texts up to which they are numbered without a sort.
_FEW = 1 << 13
#: ``(row, expected, found)`` -> the error that says so.
Broken = Callable[[int, str, object], UnreadableFileError]


@dataclass(frozen=True)
class Values:
    """A column of numbers.

    Attributes:
        numbers: (n,) int64; 0 where ``state`` is not `GOOD`.
        state: (n,) uint8, None where all are `GOOD`.
    """

    numbers: np.ndarray
    state: np.ndarray | None = None

    def is_(self, state: int) -> np.ndarray:
        """(n,) bool: which values are in ``state``."""
        return np.full(self.numbers.size, state == GOOD) if self.state is None else self.state == state


@dataclass(frozen=True)
class Codes:
    """A column of texts.

    Attributes:
        places: (n,) int64, index into ``texts``.
        texts: The different texts; None: an empty cell.
    """

    places: np.ndarray
    texts: list[str | None]


@dataclass(frozen=True)
class Unit:
    """A number of ``mantissa / 10**places``, e.g. 25 and 2 for a tick of 0.25."""

    mantissa: int
    places: int


@dataclass(frozen=True)
class Role:
    """What is read from a column.

    Attributes:
        name: E.g. ``price``, ``time``, ``time_date``, ``symbol``.
        column: Column of the file.
        cell: How its text is read.
        unit: Of prices and sizes.
    """

    name: str
    column: str
    cell: Cell
    unit: Unit | None = None


def unit_of(size: Decimal) -> Unit:
    """The exact unit of a decimal."""
    _, digits, exponent = size.normalize().as_tuple()
    assert isinstance(exponent, int)
    number = int("".join(map(str, digits)))
    return Unit(number * 10 ** max(exponent, 0), max(-exponent, 0))


def roles_of(mapping: Mapping) -> list[Role]:
    """Everything a mapping reads."""
    roles = []
    for name, time in (("time", mapping.time), ("receive_time", mapping.receive_time)):
        if time is not None:
            roles.append(Role(name, time.column, _time_cell(time)))
            if time.date_column is not None:
                roles.append(Role(f"{name}_date", time.date_column, Cell("date")))
    texts = {"symbol": mapping.symbol.column}
    texts |= {name: coded.column for name, coded in (("side", mapping.side), ("action", mapping.action)) if coded}
    roles += [Role(name, column, Cell("text")) for name, column in texts.items() if column is not None]
    if mapping.order_id is not None:
        roles.append(Role("order_id", mapping.order_id, Cell("whole")))
    for name, size in (("price", mapping.tick), ("size", mapping.lot)):
        unit = unit_of(size)
        for role in (name, f"bid_{name}", f"ask_{name}"):
            if (column := getattr(mapping, role)) is not None:
                roles.append(Role(role, column, Cell("amount", unit.places), unit))
    return roles


def _time_cell(time: Time) -> Cell:
    if time.unit in _TIME_PLACES:
        return Cell("decimal", _TIME_PLACES[time.unit])
    return (
        Cell("iso_zoned") if time.unit == "iso" and time.timezone is None else _TIME_CELLS.get(time.unit, Cell("skip"))
    )


def in_units(scaled: np.ndarray, unit: Unit) -> Values:
    """Numbers times ``10**places`` as multiples of a unit."""
    if unit.mantissa == 1:
        return Values(scaled)
    whole, rest = np.divmod(scaled, unit.mantissa)
    between = rest != 0
    if not between.any():
        return Values(whole)
    return Values(np.where(between, 0, whole), np.where(between, BETWEEN_UNITS, GOOD).astype(np.uint8))


def amounts(column: np.ndarray, unit: Unit) -> Values:
    """Values of an ``amount`` column."""
    from feeds.kernels.csv_cells import EMPTY, FINER

    special = column <= FINER
    if not special.any():
        return in_units(column, unit)
    values = in_units(np.where(special, 0, column), unit)
    state = np.zeros(column.size, np.uint8) if values.state is None else values.state
    state[column == EMPTY], state[column == FINER] = MISSING, BETWEEN_UNITS
    return Values(values.numbers, state)


def span_codes(block: bytes, spans: np.ndarray) -> Codes | None:
    """Codes of a ``text`` column of a block; None where texts are too many or not UTF-8."""
    from feeds.kernels.csv_numbers import number_texts

    different, places = np.empty(_FEW, np.int64), np.empty(spans.size, np.int64)
    slots = np.full(4 * _FEW, -1, np.int64)
    count = int(number_texts(np.frombuffer(block, np.uint8), spans, slots, different, places))
    cuts = [(span >> 8, span & 255) for span in different[: max(count, 0)].tolist()]
    try:
        texts = [block[start : start + length].decode() or None for start, length in cuts]
    except UnicodeDecodeError:
        return None
    return Codes(places, texts) if count >= 0 else None


def text_codes(texts: pl.Series) -> Codes:
    """Codes of a column of texts."""
    trimmed = texts.cast(pl.String).str.strip_chars()
    different = trimmed.unique().sort()
    places = trimmed.to_frame("text").with_columns(
        place=pl.col("text").replace_strict(different, pl.int_range(different.len(), eager=True), default=None)
    )
    return Codes(places["place"].to_numpy().astype(np.int64), [text or None for text in different.to_list()])


def text_values(texts: pl.Series, role: Role, broken: Broken) -> Values:
    """Numbers of a column of texts.

    Raises:
        UnreadableFileError: A text is no number of its kind.
    """
    trimmed = texts.str.strip_chars().fill_null("")
    empty = (trimmed == "").to_numpy()
    kept = trimmed.filter(~empty) if empty.any() else trimmed
    if empty.any() and role.unit is None and role.name != "order_id":
        raise broken(int(empty.argmax()), _EXPECTED.get(role.cell.kind, "a time"), "an empty cell")
    columns = columns_of("\n".join(kept.to_list()).encode(), [role.cell]) if kept.len() else np.zeros((1, 0), np.int64)
    if columns is not None and columns.shape[1] == kept.len():
        values = amounts(columns[0], role.unit) if role.unit else Values(columns[0])
    else:
        values = _one_by_one(kept, role, lambda row, *rest: broken(int(np.flatnonzero(~empty)[row]), *rest))
    return values if not empty.any() else _with_gaps(values, empty)


_EXPECTED = {
    "amount": "a number",
    "decimal": "a number",
    "whole": "a whole number of 64 bits",
    "date": "a date YYYY-MM-DD or YYYYMMDD",
    "clock": "a clock time HH:MM:SS with at most 9 decimals",
    "iso_local": "a date and time without a zone, as the mapping states one",
    "iso_zoned": "a date and time with Z or an offset, as the mapping states no timezone",
}


def _one_by_one(texts: pl.Series, role: Role, broken: Broken) -> Values:
    """The same for unusual spellings, each different one once: 1e-3, +5, decimals beyond the unit."""
    codes = text_codes(texts)
    numbers, states = np.zeros(len(codes.texts), np.int64), np.zeros(len(codes.texts), np.uint8)
    expected = _EXPECTED[role.cell.kind]
    for place, text in enumerate(codes.texts):
        value = _scaled(text or "", role)
        if value is None or abs(value) > _MAX_INT64:
            raise broken(int((codes.places == place).argmax()), expected, repr(text))
        whole = value.denominator == 1
        if not whole and role.unit is None and role.name == "order_id":
            raise broken(int((codes.places == place).argmax()), expected, repr(text))
        # What lies below a nanosecond is rounded away; prices and sizes are never rounded.
        states[place] = BETWEEN_UNITS if role.unit is not None and not whole else GOOD
        numbers[place] = 0 if states[place] else round(value)
    return Values(numbers[codes.places], states[codes.places] if states.any() else None)


def _scaled(text: str, role: Role) -> Fraction | None:
    """A text in units of its role, exact; None where it is no number, or one of absurdly many digits."""
    if role.cell.kind not in ("amount", "decimal", "whole"):
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    exponent = value.as_tuple().exponent
    if "_" in text or not isinstance(exponent, int) or exponent < -_MOST_DIGITS or value.adjusted() > _MOST_DIGITS:
        return None
    return Fraction(value) * 10**role.cell.places / (role.unit.mantissa if role.unit is not None else 1)


def _with_gaps(values: Values, empty: np.ndarray) -> Values:
    """The same with rows of `MISSING` where ``empty`` is set."""
    numbers, state = np.zeros(empty.size, np.int64), np.full(empty.size, MISSING, np.uint8)
    numbers[~empty] = values.numbers
    state[~empty] = GOOD if values.state is None else values.state
    return Values(numbers, state)


def float_values(floats: np.ndarray, unit: Unit) -> Values:
    """Floats as multiples of a unit; one further than `FLOAT_TOLERANCE` from any lies between two."""
    missing = ~np.isfinite(floats)
    ratio = np.where(missing, 0.0, floats) * 10.0**unit.places / unit.mantissa
    whole = np.rint(ratio)
    between = np.abs(ratio - whole) > FLOAT_TOLERANCE * np.maximum(1.0, np.abs(ratio))
    # Beyond 2^53 a float no longer tells one multiple from the next.
    between |= np.abs(whole) > 2.0**53
    state = np.where(missing, MISSING, np.where(between, BETWEEN_UNITS, GOOD)).astype(np.uint8)
    return Values(np.where(state == GOOD, whole, 0.0).astype(np.int64), state if state.any() else None)
