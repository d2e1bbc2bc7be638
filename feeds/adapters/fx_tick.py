"""Foreign exchange quotes: ``YYYYMMDD_quote.zip`` with one csv ``YYYYMMDD_<pair>_tick_quote.csv``, no header.

A line is ``ms since midnight, bid, ask``. The clock is UTC-5 all year round: the vendor states no zone, but the US
payroll report of 2014-05-02 (08:30 New York, 12:30 UTC) moves the price from 07:30 of the file on, and its Friday ends
before 16:00 (17:00 New York). A file thus runs from 05:00 UTC of its date to 05:00 UTC of the next one.

The source states no sizes: each quote has one lot, nominally. It states no trades either.

Here: this format. Not here: the mid and spread of the quotes (feeds/nbbo.py).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from feeds.adapters.base import FileInfo, ParsedTicks, instrument_id, iso_date, units_per
from feeds.adapters.containers import first_line, is_zip, member_head, only_csv, read_member
from feeds.adapters.csv_blocks import Cell, exact_columns
from feeds.adapters.raw_columns import RawColumns, parsed_ticks
from feeds.calendar import split_ns
from feeds.errors import UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.schema import ACTION_CODE, FLAG_PARTIAL, SIDE_CODE

_MEMBER = re.compile(r"(\d{8})_([a-z]{6})_tick_quote\.csv", re.IGNORECASE)
_LINE = re.compile(r"\d+(,\d+(\.\d+)?){2}")
_VENUE = "FX"
#: Decimals of a price by the currency it is in: a tenth of a pip.
_PLACES = {"JPY": 3}
_DEFAULT_PLACES = 5
_ZONE_NS = 5 * 3_600_000_000_000
_NS_PER_MS = 1_000_000
_MS_PER_DAY = 86_400_000


class FxTick:
    """Adapter of the format; see the module docstring."""

    name = "fx_tick"
    required_roles = frozenset({"quote"})
    whole_roles: frozenset[str] = frozenset()
    awaited_roles: frozenset[str] = frozenset()

    def sniff(self, path: Path) -> FileInfo | None:
        """The csv's name tells the format, pair and date; its first line must agree."""
        if not is_zip(path) or (member := only_csv(path)) is None or (match := _MEMBER.fullmatch(member)) is None:
            return None
        line = first_line(member_head(path, member))
        if not _LINE.fullmatch(line):
            raise UnreadableFileError(
                path, "line 1", "milliseconds, bid and ask", repr(line[:80]) if line else "an empty file"
            )
        return FileInfo(path, self.name, "quote", instrument_id(path, match[2], _VENUE), (iso_date(path, match[1]),))

    def parse(self, files: Mapping[str, Path], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """Two events a line, the bid first; both count as records. One clock: ``ts_recv`` is ``ts_event``.

        A line whose time lies outside a day is rejected as ``time_outside_day``.
        """
        path = files["quote"]
        member = only_csv(path)
        if member is None:
            raise UnreadableFileError(path, "the archive's directory", "one csv", "none or several")
        return self.decode({"quote": (path, read_member(path, member))}, spec, date)

    def decode(self, contents: Mapping[str, tuple[Path, bytes]], spec: InstrumentSpec, date: str) -> ParsedTicks:
        """The same from the csv text of the role ``quote``, with its file for errors."""
        places = _places(spec.id)
        ticks = units_per(10.0**-places, spec.tick_size, "tick_size", spec)
        lots = units_per(1.0, spec.lot_size, "lot_size", spec)
        path, content = contents["quote"]
        cells = (Cell("whole"), Cell("decimal", places), Cell("decimal", places))
        expected = f"whole milliseconds, a bid and an ask of at most {places} decimals"
        ms, bids, asks = exact_columns(path, content, cells, expected)
        midnight = split_ns("24/7", date, dt.time()) + _ZONE_NS
        outside = (ms < 0) | (ms >= _MS_PER_DAY)
        return parsed_ticks(
            RawColumns(
                ts_event=np.repeat(np.where(outside, 0, midnight + ms * _NS_PER_MS), 2),
                action=np.full(2 * ms.size, ACTION_CODE["Q"], np.uint8),
                side=np.tile(np.array([SIDE_CODE["B"], SIDE_CODE["A"]], np.uint8), ms.size),
                price=np.column_stack((bids, asks)).reshape(-1) * ticks,
                size=np.full(2 * ms.size, lots, np.int64),
                flags=np.tile(np.array([FLAG_PARTIAL, 0], np.uint8), ms.size),
                reason=np.repeat(outside.astype(np.uint8), 2),
                reasons=("time_outside_day",),
                without_stamp=frozenset({"time_outside_day"}),
            )
        )

    def default_spec(self, instrument: str) -> InstrumentSpec:
        """Prices kept at a tenth of a pip; a lot is one unit of the base currency."""
        symbol = instrument.split(".")[0]
        return InstrumentSpec(
            id=instrument, tick_size=10.0 ** -_places(instrument), lot_size=1, currency=symbol[3:6] or "USD"
        )


def _places(instrument: str) -> int:
    return _PLACES.get(instrument.split(".")[0][3:6], _DEFAULT_PLACES)
