"""From clock times of a zone to ns UTC.

Here: zones, midnights. Not here: reading times (mapped_columns.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feeds.adapters.mapping import Time

if TYPE_CHECKING:
    from feeds.adapters.mapped_columns import Broken, Values

_NS_PER_DAY = 86_400_000_000_000


def local_as_utc(local: np.ndarray, zone: str, broken: Broken) -> np.ndarray:
    """Clock times of a zone as ns UTC; of a time the clock shows twice, the first.

    Args:
        local: (n,) int64, ns since 1970-01-01 by the clock of the zone.
        zone: Its name.
        broken: See `feeds.adapters.mapped_columns.Broken`.

    Raises:
        UnreadableFileError: The clock never showed a time: it was set forward over it.
    """
    if zone == "UTC":
        return local
    clock = pl.Series(local).cast(pl.Datetime("ns"))
    moments = clock.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    if moments.null_count():
        row = int(moments.is_null().arg_max() or 0)
        raise broken(row, f"a time that clocks of {zone} showed", str(clock[row]))
    return moments.to_physical().to_numpy()


def moments(time: Time, values: dict[str, Values], name: str, broken: Broken) -> tuple[np.ndarray, np.ndarray]:
    """When each row happened.

    Args:
        time: Where its time stands.
        values: Columns of a batch by role.
        name: The role of the time, ``time`` or ``receive_time``.
        broken: Makes the error of a time that is none.

    Returns:
        ``(stamps, outside)``: (n,) int64 ns UTC, and (n,) bool where a count since midnight leaves its day; there the
        stamp is that midnight.

    Raises:
        UnreadableFileError: See `local_as_utc`.
    """
    read = values[name].numbers
    never = np.zeros(read.size, bool)
    if not time.dated:
        needs_zone = time.unit == "iso" and time.timezone is not None
        return (local_as_utc(read, time.timezone or "UTC", broken) if needs_zone else read), never
    assert time.timezone is not None
    if time.date is not None:
        days = np.full(read.size, np.datetime64(time.date, "D").astype(np.int64))
    else:
        days = values[f"{name}_date"].numbers
    if time.unit == "clock":
        return local_as_utc(days * _NS_PER_DAY + read, time.timezone, broken), never
    different, places = np.unique(days, return_inverse=True)
    midnights = local_as_utc(different * _NS_PER_DAY, time.timezone, broken)[places]
    outside = (read < 0) | (read >= _NS_PER_DAY)
    return midnights + np.where(outside, 0, read), outside
