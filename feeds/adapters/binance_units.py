"""Units of the exchange's prices and sizes, and dates.

Here: `binance_spec`, decimals to read, bounds of a date. Not here: reading numbers (feeds/kernels).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from feeds.adapters.base import units_per
from feeds.errors import StudyError
from feeds.instruments import InstrumentSpec

#: Prices and sizes have at most 8 decimals on every market.
UNIT = 1e-8
_PLACES = 8
_NS_PER_DAY = 86_400_000_000_000
_EPOCH = dt.date(1970, 1, 1)
_QUOTE_ASSETS = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL", "JPY", "USD")


@dataclass(frozen=True)
class Places:
    """Decimals kept of prices and of sizes."""

    price: int
    size: int


@dataclass(frozen=True)
class Multiples:
    """Ticks and lots of the instrument per unit the prices and sizes were read in."""

    ticks: int
    lots: int


def binance_spec(instrument: str) -> InstrumentSpec:
    """Default units of an instrument: 1e-8, the finest the exchange uses, whatever a file holds.

    The currency is the quote asset where the end of the symbol tells it, else USD.
    """
    symbol = instrument.split(".")[0].split("_")[0]
    quote = next((asset for asset in _QUOTE_ASSETS if symbol.endswith(asset) and symbol != asset), "USD")
    return InstrumentSpec(id=instrument, tick_size=UNIT, lot_size=UNIT, currency=quote)


def reading_units(spec: InstrumentSpec) -> tuple[Places, Multiples]:
    """How many decimals to read, and what to multiply with.

    8 decimals, or fewer where the instrument's unit is coarser: sizes of cheap coins do not fit 64 bits in 1e-8.

    Raises:
        StudyError: A unit is no power of ten, nor one divided by a whole number.
    """
    ticks, price_places = _places(spec.tick_size, "tick_size", spec)
    lots, size_places = _places(spec.lot_size, "lot_size", spec)
    return Places(price_places, size_places), Multiples(ticks, lots)


def _places(unit: float, what: str, spec: InstrumentSpec) -> tuple[int, int]:
    for places in range(_PLACES, -1, -1):
        try:
            return units_per(10.0**-places, unit, what, spec), places
        except StudyError:
            continue
    return units_per(UNIT, unit, what, spec), _PLACES


def date_of(stamp_ns: int) -> str:
    """ISO date, UTC."""
    return (_EPOCH + dt.timedelta(days=stamp_ns // _NS_PER_DAY)).isoformat()


def day_bounds_ns(date: str) -> tuple[int, int]:
    """Start and end of a UTC date, ns."""
    start = (dt.date.fromisoformat(date) - _EPOCH).days * _NS_PER_DAY
    return start, start + _NS_PER_DAY
