"""A tape is looked over before a kernel sees it: kernels trust their arrays, and would read beyond them or wrap around.

Input that a venue may well send (unknown orders, stamps that run back, sizes below zero) is no matter of these checks;
it is counted (feeds/cleaning/faults.py). What is refused here cannot come from any source.

Here: the checks. Not here: what is replayed (sim/fast_replay_l3.py, sim/fast_replay_l2.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from feeds.errors import CorruptTapeError
from feeds.schema import ACTIONS, SIDES

#: What a tape is called that has no file.
TAPE = "tape"
#: Lots up to which a thousand orders at a price still sum up in an int64.
MOST_LOTS = 1 << 53


def check_lengths(arrays: Mapping[str, np.ndarray], source: object = TAPE) -> None:
    """Refuse arrays of different lengths.

    Args:
        arrays: Name -> array whose first axis is the rows.
        source: File, or what else names the tape.

    Raises:
        CorruptTapeError: One is shorter than another; the row is the first that not all have.
    """
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise CorruptTapeError(source, min(lengths.values()), "columns of one length", lengths)


def check_codes(code: np.ndarray, side_unit: int, mask: int, source: object = TAPE) -> None:
    """Refuse actions and sides the schema does not know.

    Args:
        code: (n,) integers: action + ``side_unit`` * side, and bits outside ``mask``, which are ignored.
        side_unit: See there.
        mask: Bits of action and side.
        source: See `check_lengths`.

    Raises:
        CorruptTapeError: There is one.
    """
    known = np.zeros(mask + 1, bool)
    known[[action + side_unit * side for action in range(len(ACTIONS)) for side in range(len(SIDES))]] = True
    right = known[code & mask]
    if not right.all():
        row = int(right.argmin())
        side, action = divmod(int(code[row]) & mask, side_unit)
        expected = f"one of {len(ACTIONS)} actions and {len(SIDES)} sides (codes of feeds/schema.py)"
        raise CorruptTapeError(source, row, expected, f"action {action}, side {side}")


def check_range(name: str, values: np.ndarray, least: int, most: int, source: object = TAPE) -> None:
    """Refuse numbers outside a range.

    Args:
        name: Of the numbers, for the text.
        values: (n,) integers.
        least: Smallest that is possible.
        most: Largest that is possible.
        source: See `check_lengths`.

    Raises:
        CorruptTapeError: There is one.
    """
    if values.size and (values.min() < least or values.max() > most):
        row = int(((values < least) | (values > most)).argmax())
        raise CorruptTapeError(source, row, f"{name} from {least} to {most}", int(values[row]))


def int32_of(name: str, values: np.ndarray, source: object = TAPE) -> np.ndarray:
    """Numbers as (n,) int32, unless one does not fit.

    Args:
        name: See `check_range`.
        values: (n,) integers.
        source: See `check_lengths`.

    Raises:
        CorruptTapeError: One is too large.
    """
    limits = np.iinfo(np.int32)
    check_range(name, values, limits.min, limits.max, source)
    return values.astype(np.int32)


def check_slices(name: str, first: np.ndarray, total: int, source: object = TAPE) -> None:
    """Refuse bounds of slices that do not cut up an array of ``total`` elements in order.

    Args:
        name: Of the array that is cut.
        first: (n + 1,) integers: row i has the elements from [i] up to [i + 1].
        total: Elements there are.
        source: See `check_lengths`.

    Raises:
        CorruptTapeError: A slice runs back, or the first and the last do not lie at the ends.
    """
    if first.size == 0 or first[0] != 0 or first[-1] != total:
        ends = "none" if first.size == 0 else f"{first[0]} to {first[-1]}"
        raise CorruptTapeError(source, None, f"slices of {name} from 0 to {total}", ends)
    back = np.diff(first) < 0
    if back.any():
        row = int(back.argmax())
        raise CorruptTapeError(source, row, f"a slice of {name} forwards", f"{first[row]} to {first[row + 1]}")


def check_present(frame: pl.DataFrame, names: Iterable[str], source: object = TAPE) -> None:
    """Refuse rows that lack a value: a null would become a number nobody wrote.

    Args:
        frame: RAW_TICKS.
        names: Columns that every row has.
        source: See `check_lengths`.

    Raises:
        CorruptTapeError: A value is missing.
    """
    for name in names:
        if frame[name].null_count():
            raise CorruptTapeError(source, int(frame[name].is_null().arg_max() or 0), f"a value of {name}", "none")
