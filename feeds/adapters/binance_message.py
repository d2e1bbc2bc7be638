"""One line of a websocket capture, read with the standard library: what the kernel leaves, and what it is held against.

Here: bytes of a line -> `Message`, or why it is none. Not here: the fast way (feeds/kernels/binance_json.py), which
messages count (binance_join.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from feeds.adapters.binance_units import Places

Kind = Literal["depth", "ticker", "trade", "agg_trade", "snapshot", "ignored", "unplaced"]
_LINE = re.compile(rb"([1-8]\d{18}) (.*)", re.DOTALL)
_PARTIAL_BOOK = re.compile(r"@depth\d")
#: Events about the market that are no order, quote or trade, by name.
_NO_MARKET_DATA = ("kline", "24hrTicker", "24hrMiniTicker", "markPriceUpdate", "forceOrder", "avgPrice", "contractInfo")
_INT64 = range(-(2**63), 2**63)
_MS, _US = range(10**12, 10**13), range(10**15, 10**16)


class NoMessageError(ValueError):
    """A line is no receive stamp and JSON object."""


class UnitError(ValueError):
    """A price or size is no whole number of units; ``column`` is ``tick_size`` or ``lot_size``."""

    def __init__(self, column: str, text: str) -> None:
        self.column, self.text = column, text
        super().__init__(f"{column}: {text}")


class _UnplacedError(ValueError):
    """A well-formed message that cannot be placed; the text is the reason."""


@dataclass(frozen=True)
class Message:
    """What a line says.

    Attributes:
        kind: What it is; ``ignored`` and ``unplaced`` carry only ``note`` and stamps.
        recv_ns: Receive stamp.
        time_ns: Transaction time, else event time, else the receive stamp.
        first_id: ``U`` of a depth message, id of a trade, update id of a ticker.
        last_id: ``u`` of a depth message, ``lastUpdateId`` of a snapshot.
        previous_id: ``pu``, -1 where there is none.
        levels: (0 bid or 1 ask, price, size) in units; of a trade the aggressor's side.
        note: Kind of an ignored message, reason of an unplaced one.
    """

    kind: Kind
    recv_ns: int
    time_ns: int
    first_id: int = 0
    last_id: int = 0
    previous_id: int = 0
    levels: tuple[tuple[int, int, int], ...] = ()
    note: str = ""


def split_line(line: bytes) -> tuple[int, Any]:
    """Receive stamp and decoded JSON.

    Raises:
        NoMessageError: The line is something else.
    """
    match = _LINE.fullmatch(line)
    if match is None or int(match[1]) not in _INT64:
        raise NoMessageError("no receive stamp of 19 digits")
    try:
        return int(match[1]), json.loads(match[2])
    except (ValueError, RecursionError) as error:
        raise NoMessageError(str(error)) from error


def read_message(line: bytes, symbol: str, futures: bool, places: Places) -> Message:
    """Read a line without its end.

    Args:
        line: ``<receive ns> <JSON>``.
        symbol: The instrument's symbol as the exchange spells it.
        futures: Whether depth messages must name their predecessor.
        places: Decimals kept.

    Raises:
        NoMessageError: The line is something else.
        UnitError: A price or size is no whole number of units.
    """
    recv_ns, body = split_line(line)
    try:
        return _message(recv_ns, body, symbol, futures, places)
    except _UnplacedError as error:
        return Message("unplaced", recv_ns, recv_ns, note=str(error))
    except (KeyError, TypeError, InvalidOperation):
        return Message("unplaced", recv_ns, recv_ns, note="incomplete_message")


def _message(recv_ns: int, body: Any, symbol: str, futures: bool, places: Places) -> Message:
    stream = body.get("stream") if isinstance(body, dict) else None
    data = body["data"] if stream is not None else body
    if not isinstance(data, dict):
        raise _UnplacedError("unknown_message")
    if "result" in data and "id" in data:
        return Message("ignored", recv_ns, recv_ns, note="subscription_reply")
    if isinstance(stream, str) and _PARTIAL_BOOK.search(stream):
        raise _UnplacedError("partial_book")
    event = data.get("e")
    if event in _NO_MARKET_DATA:
        return Message("ignored", recv_ns, recv_ns, note=str(event))
    named = data.get("s", data.get("symbol"))
    if named is not None and named != symbol:
        raise _UnplacedError("other_symbol")
    time_ns = _time_ns(data, recv_ns)
    if event is None and "lastUpdateId" in data:
        if stream is not None:
            raise _UnplacedError("partial_book")
        return Message(
            "snapshot", recv_ns, time_ns, last_id=_id(data, "lastUpdateId"), levels=_lists(data, "bids", "asks", places)
        )
    if event == "bookTicker" or (event is None and {"b", "B", "a", "A"} <= data.keys()):
        levels = [_level(0, data["b"], data["B"]), _level(1, data["a"], data["A"])]
        return Message("ticker", recv_ns, time_ns, first_id=_id(data, "u"), levels=_in_units(levels, places))
    if named is None:
        raise _UnplacedError("unknown_message")
    if event == "depthUpdate":
        _id(data, "E")
        previous = _id(data, "pu") if futures or "pu" in data else -1
        first, last = _id(data, "U"), _id(data, "u")
        return Message("depth", recv_ns, time_ns, first, last, previous, _lists(data, "b", "a", places))
    if event in ("trade", "aggTrade"):
        _id(data, "T")
        if not isinstance(data["m"], bool):
            raise _UnplacedError("incomplete_message")
        number = _id(data, "t" if event == "trade" else "a")
        levels = [_level(1 if data["m"] else 0, data["p"], data["q"])]
        kind: Kind = "trade" if event == "trade" else "agg_trade"
        return Message(kind, recv_ns, time_ns, number, levels=_in_units(levels, places))
    raise _UnplacedError("unknown_stream")


def _time_ns(data: Mapping[str, Any], recv_ns: int) -> int:
    for key in ("T", "E"):
        if key in data:
            value = _id(data, key)
            if value in _MS:
                return value * 1_000_000
            if value in _US:
                return value * 1_000
            raise _UnplacedError("time_of_unknown_unit")
    return recv_ns


def _id(data: Mapping[str, Any], key: str) -> int:
    value = data[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value not in _INT64:
        raise _UnplacedError("incomplete_message")
    return value


_Level = tuple[int, Decimal, Decimal]


def _level(side: int, price: Any, size: Any) -> _Level:
    values = [Decimal(text) if isinstance(text, str) else None for text in (price, size)]
    if values[0] is None or values[1] is None or not all(value.is_finite() for value in values if value is not None):
        raise _UnplacedError("incomplete_message")
    return side, values[0], values[1]


def _lists(data: Mapping[str, Any], bids: str, asks: str, places: Places) -> tuple[tuple[int, int, int], ...]:
    """Levels of both lists, the list that stands first in the message first."""
    levels = []
    for key in (key for key in data if key in (bids, asks)):
        if not isinstance(data[key], list):
            raise _UnplacedError("incomplete_message")
        for pair in data[key]:
            if not isinstance(pair, list) or len(pair) != 2:
                raise _UnplacedError("incomplete_message")
            levels.append(_level(0 if key == bids else 1, pair[0], pair[1]))
    if not {bids, asks} <= data.keys():
        raise _UnplacedError("incomplete_message")
    return _in_units(levels, places)


def _in_units(levels: Iterable[_Level], places: Places) -> tuple[tuple[int, int, int], ...]:
    return tuple(
        (side, _units(price, places.price, "tick_size"), _units(size, places.size, "lot_size"))
        for side, price, size in levels
    )


def _units(value: Decimal, places: int, column: str) -> int:
    # A decimal's own arithmetic rounds to 28 digits; integers do not. The exponent is bounded first: 1e999999999.
    if value != 0 and not -60 < value.adjusted() < 60:
        raise UnitError(column, str(value))
    numerator, denominator = value.as_integer_ratio()
    whole, rest = divmod(numerator * 10**places, denominator)
    if rest or whole not in _INT64:
        raise UnitError(column, str(value))
    return whole
