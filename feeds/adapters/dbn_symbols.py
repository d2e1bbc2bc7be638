"""Which instrument a Databento record belongs to: numbers of the venue to instrument ids.

A number may stand for one symbol on one day and another on the next: the mappings of the file say which; symbol-mapping
records of the live feed and definitions say it from their place on.

Here: `Symbols`, definitions. Not here: records of the market (dbn_fold.py).
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from feeds.adapters.dbn_header import Header
from feeds.adapters.dbn_records import DEFINITIONS, INSTRUMENT_ID, MAPPINGS, RAW_SYMBOL, UNDEFINED_PRICE
from feeds.adapters.symbol_ids import distinct, symbol_id
from feeds.instruments import InstrumentSpec

_NO_MULTIPLIER = 2**31 - 1
_MAX_NUMBER = 2**32 - 1
_LATEST = 2**63 - 1
PRICE_UNIT = Decimal("1e-9")


class Symbols:
    """Instruments in the order they were first named; grows while a file is read."""

    def __init__(self, header: Header) -> None:
        self._venue, self._version = header.venue, header.version
        self._names: list[str] = []
        self._by_name: dict[str, int] = {}
        #: Names that only stand in until the venue's own symbol is known.
        self._makeshift: set[int] = set()
        self._intervals: dict[int, dict[int, int]] = {}
        self._increments: dict[int, int] = {}
        self._currencies: dict[int, str] = {}
        self._multipliers: dict[int, int] = {}
        self._table: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        for mapping in sorted(header.mappings, key=lambda mapping: mapping.start_ns):
            asked = header.stype_in == INSTRUMENT_ID
            number, name = (mapping.symbol, mapping.resolved) if asked else (mapping.resolved, mapping.symbol)
            if number.isdecimal() and int(number) <= _MAX_NUMBER and name.strip():
                # Only a raw symbol names one instrument: a parent symbol names many, a continuous one changes.
                raw = asked or header.stype_in == RAW_SYMBOL
                code = self._note(int(number), name if raw else f"{name} {number}", mapping.start_ns)
                if not raw:
                    self._makeshift.add(code)

    def __len__(self) -> int:
        return len(self._names)

    def codes(self, numbers: np.ndarray, stamps: np.ndarray) -> np.ndarray:
        """Code of each record, int64; a number nobody named becomes an instrument ``ID<number>``.

        Args:
            numbers: Venue's instrument numbers, int64, shape ``(n,)``.
            stamps: Receive stamps, int64, shape ``(n,)``; negative where there is none.
        """
        from feeds.kernels.dbn_walk import resolve

        codes, unknown = resolve(numbers, stamps, *self._lookup())
        if unknown < len(numbers):
            known = np.array(sorted(self._intervals), np.int64)
            for number in np.setdiff1d(numbers[unknown:], known).tolist():
                self._makeshift.add(self._note(number, f"ID{number}", 0))
            codes, unknown = resolve(numbers, stamps, *self._lookup())
        return codes

    def read_mapping(self, record: bytes) -> None:
        """Take over a symbol-mapping record of the live feed."""
        length, asked, resolved, size = MAPPINGS[self._version]
        if len(record) < length:
            return
        name = _text(record[resolved : resolved + size])
        # The live feed resolves towards numbers: then the symbol asked for is the name.
        name = _text(record[asked : asked + size]) if name.isdecimal() or not name.strip() else name
        if name.strip():
            self._rename(record, name)

    def read_definition(self, record: bytes) -> None:
        """Take over a definition: name, price increment, currency, contract multiplier."""
        length, increment, currency, multiplier, symbol, size = DEFINITIONS[self._version]
        if len(record) < length:
            return
        name = _text(record[symbol : symbol + size])
        if not name.strip():
            return
        code = self._rename(record, name)
        stated = int.from_bytes(record[increment : increment + 8], "little", signed=True)
        if 0 < stated < UNDEFINED_PRICE:
            self._increments[code] = stated
        factor = int.from_bytes(record[multiplier : multiplier + 4], "little", signed=True)
        if 0 < factor < _NO_MULTIPLIER:
            self._multipliers[code] = factor
        self._currencies[code] = _text(record[currency : currency + 4]).strip() or "USD"

    def increments(self) -> np.ndarray:
        """Price increments that definitions state, in units of 1e-9, int64."""
        return np.array(sorted(self._increments.values()), np.int64)

    def specs(self, unit: int | None) -> list[InstrumentSpec]:
        """Instruments by code.

        Args:
            unit: Units of 1e-9 in a tick; None: the stated price increment is the tick (1e-9 where none is stated).
        """
        return [self._spec(code, name, unit) for code, name in enumerate(self._ids())]

    def multipliers(self) -> dict[str, int]:
        """Contract multiplier by instrument id, where definitions state one."""
        ids = self._ids()
        return {ids[code]: factor for code, factor in sorted(self._multipliers.items())}

    def _ids(self) -> list[str]:
        return distinct(symbol_id(name, self._venue) for name in self._names)

    def _spec(self, code: int, name: str, unit: int | None) -> InstrumentSpec:
        increment = self._increments.get(code, unit or 1)
        tick = increment if unit is None else unit
        return InstrumentSpec(
            id=name,
            tick_size=tick_size(tick),
            lot_size=1,
            quote_increment_ticks=max(increment // tick, 1),
            currency=self._currencies.get(code, "USD"),
        )

    def _note(self, number: int, name: str, start_ns: int) -> int:
        """Let ``number`` stand for ``name`` from a moment on, from ever where it stood for nothing."""
        code = self._by_name.setdefault(name, len(self._names))
        if code == len(self._names):
            self._names.append(name)
        known = self._intervals.setdefault(number, {})
        known[start_ns if known else 0] = code
        self._table = None
        return code

    def _rename(self, record: bytes, name: str) -> int:
        """A record says what its number stands for from its stamp on."""
        number, stamp = int.from_bytes(record[4:8], "little"), int.from_bytes(record[8:16], "little")
        known = self._intervals.get(number, {})
        latest = known[max(known)] if known else None
        if latest is not None and self._names[latest] == name:
            return latest
        if latest in self._makeshift and name not in self._by_name:
            self._makeshift.remove(latest)
            del self._by_name[self._names[latest]]
            self._names[latest], self._by_name[name] = name, latest
            return latest
        return self._note(number, name, stamp)

    def _lookup(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self._table is None:
            rows = [
                (number, *entry) for number, found in sorted(self._intervals.items()) for entry in sorted(found.items())
            ]
            self._table = (
                np.array([row[0] for row in rows], np.int64),
                np.array([min(row[1], _LATEST) for row in rows], np.int64),
                np.array([row[2] for row in rows], np.int64),
            )
        return self._table


def tick_size(unit: int) -> float:
    """``unit`` times 1e-9, rounded once."""
    return float(unit * PRICE_UNIT)


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", errors="replace")
