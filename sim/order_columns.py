"""Order events as arrays: what a replay needs of a table of RAW_TICKS.

Here: the columns, from a table, and what of them is refused. Not here: replaying them (sim/fast_replay_l3.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from feeds.schema import ACTION_CODE, SIDE_CODE
from sim.ladder_state import SIDE_UNIT
from sim.tape_checks import MOST_LOTS, TAPE, check_codes, check_lengths, check_present, check_range


class OrderColumns(NamedTuple):
    """Order events as arrays of one length n.

    Attributes:
        code: uint8, action plus 16 times side, codes of the schema.
        order_id: int64.
        price: int64, ticks.
        lots: int64, as ``size`` of the schema.
        ts_ns: int64, venue clock.
    """

    code: np.ndarray
    order_id: np.ndarray
    price: np.ndarray
    lots: np.ndarray
    ts_ns: np.ndarray


def order_columns(rows: pl.DataFrame, source: object = TAPE) -> OrderColumns:
    """The columns of RAW_TICKS rows a replay needs.

    Args:
        rows: RAW_TICKS.
        source: The file they are from, for errors.

    Raises:
        InsufficientDataError: An addition is on neither side.
        CorruptTapeError: A row lacks a value.
    """
    check_present(rows, ("action", "side", "order_id", "price", "size", "ts_event"), source)
    action, side = (rows[name].to_physical().cast(pl.UInt8).to_numpy() for name in ("action", "side"))
    adrift = int(((action == ACTION_CODE["A"]) & (side == SIDE_CODE["N"])).sum())
    if adrift:
        raise InsufficientDataError(
            "replay of orders",
            received=f"{adrift} additions without a side",
            expected="B or A",
            remedy="Clean the rows first (feeds.cleaning.filter_rows).",
        )
    numbers = (rows[name].to_numpy() for name in ("order_id", "price", "size", "ts_event"))
    return OrderColumns(action + SIDE_UNIT * side, *(np.ascontiguousarray(column) for column in numbers))


def check_columns(columns: OrderColumns, source: object = TAPE) -> None:
    """Refuse columns that no source can have told.

    Raises:
        CorruptTapeError: Lengths differ, a code is impossible, or a size is beyond `MOST_LOTS`.
    """
    check_lengths(columns._asdict(), source)
    check_codes(columns.code, SIDE_UNIT, np.iinfo(np.uint8).max, source)
    check_range("size", columns.lots, -MOST_LOTS, MOST_LOTS, source)
