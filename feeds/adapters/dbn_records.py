"""Databento Binary Encoding: codes and record layouts.

Source: "Databento Binary Encoding" and "Schemas and data formats" of Databento's documentation. All records are little
endian and begin with a header whose first byte is the record's length in units of 4 bytes. The records of market data
are the same in versions 1 to 3; definitions and symbol mappings are not.

Here: the layouts. Not here: reading (dbn_header.py, dbn_reader.py), meaning (dbn_fold.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Code of a file whose records are of several schemas: recordings of the live feed.
MIXED = 0xFFFF
SCHEMAS = (
    "mbo",
    "mbp-1",
    "mbp-10",
    "tbbo",
    "trades",
    "ohlcv-1s",
    "ohlcv-1m",
    "ohlcv-1h",
    "ohlcv-1d",
    "definition",
    "statistics",
    "status",
    "imbalance",
    "ohlcv-eod",
    "cmbp-1",
    "cbbo-1s",
    "cbbo-1m",
    "tcbbo",
    "bbo-1s",
    "bbo-1m",
)
#: Symbol types, by code: what the mappings of a file lead from and to.
INSTRUMENT_ID, RAW_SYMBOL = 0, 1

RTYPE_TRADES, RTYPE_MBP_1, RTYPE_MBP_10, RTYPE_MBO = 0x00, 0x01, 0x0A, 0xA0
RTYPE_STATUS, RTYPE_DEFINITION, RTYPE_IMBALANCE, RTYPE_ERROR = 0x12, 0x13, 0x14, 0x15
RTYPE_MAPPING, RTYPE_SYSTEM, RTYPE_STATISTICS = 0x16, 0x17, 0x18
#: What other records are called where they are counted.
OTHER_RTYPES = {
    RTYPE_STATUS: "status",
    RTYPE_DEFINITION: "definition",
    RTYPE_IMBALANCE: "imbalance",
    RTYPE_ERROR: "error",
    RTYPE_MAPPING: "symbol_mapping",
    RTYPE_SYSTEM: "system",
    RTYPE_STATISTICS: "statistics",
    **dict.fromkeys((0x11, 0x20, 0x21, 0x22, 0x23, 0x24), "ohlcv"),
    **dict.fromkeys((0xB1, 0xC0, 0xC1, 0xC2, 0xC3, 0xC4), "bbo"),
}
#: Prices are in units of 1e-9; this one stands for "none".
UNDEFINED_PRICE = 2**63 - 1

_HEADER: list[Any] = [
    ("length", "u1"),
    ("rtype", "u1"),
    ("publisher_id", "<u2"),
    ("instrument_id", "<u4"),
    ("ts_event", "<u8"),
]
_TRADE: list[Any] = [
    *_HEADER,
    ("price", "<i8"),
    ("size", "<u4"),
    ("action", "u1"),
    ("side", "u1"),
    ("flags", "u1"),
    ("depth", "u1"),
    ("ts_recv", "<u8"),
    ("ts_in_delta", "<i4"),
    ("sequence", "<u4"),
]
_LEVEL = np.dtype(
    [
        ("bid_px", "<i8"),
        ("ask_px", "<i8"),
        ("bid_sz", "<u4"),
        ("ask_sz", "<u4"),
        ("bid_ct", "<u4"),
        ("ask_ct", "<u4"),
    ]
)
_MBO: list[Any] = [
    *_HEADER,
    ("order_id", "<u8"),
    ("price", "<i8"),
    ("size", "<u4"),
    ("flags", "u1"),
    ("channel_id", "u1"),
    ("action", "u1"),
    ("side", "u1"),
    ("ts_recv", "<u8"),
    ("ts_in_delta", "<i4"),
    ("sequence", "<u4"),
]
_LAYOUTS: dict[int, list[Any]] = {
    RTYPE_MBO: _MBO,
    RTYPE_TRADES: _TRADE,
    RTYPE_MBP_1: [*_TRADE, ("levels", _LEVEL, (1,))],
    RTYPE_MBP_10: [*_TRADE, ("levels", _LEVEL, (10,))],
}
#: Schemas that become tapes, and the type of their records; ``tbbo`` has those of ``mbp-1``.
MARKET_SCHEMAS = {
    "mbo": RTYPE_MBO,
    "mbp-1": RTYPE_MBP_1,
    "tbbo": RTYPE_MBP_1,
    "mbp-10": RTYPE_MBP_10,
    "trades": RTYPE_TRADES,
}


def layout(rtype: int, ts_out: bool) -> np.dtype[Any]:
    """Layout of a market-data record; with ``ts_out`` the sending stamp of the gateway follows it."""
    return np.dtype([*_LAYOUTS[rtype], *([("ts_out", "<u8")] if ts_out else [])])


#: Of a definition, by version: length in bytes, and where its price increment, currency, contract multiplier and symbol
#: stand: ``(length, increment, currency, multiplier, symbol, length of the symbol)``.
DEFINITIONS = {
    1: (360, 24, 186, 160, 200, 22),
    2: (400, 24, 186, 164, 200, 71),
    3: (520, 24, 224, 176, 238, 71),
}
#: Of a symbol mapping, by version: length in bytes, where the two symbols stand, and their length.
MAPPINGS = {1: (80, 16, 38, 22), 2: (176, 17, 89, 71), 3: (176, 17, 89, 71)}
