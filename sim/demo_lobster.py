"""Writing a simulated day as LOBSTER delivers real ones: a zip of a message and an order-book csv.

Here: the format. Not here: reading it back (feeds/adapters/lobster.py), the events (sim/demo_flow.py).
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.schema import ACTION_CODE
from sim.book_state import BID
from sim.demo_config import NS_PER_S, VENUE, DemoConfig
from sim.demo_flow import DemoTape
from sim.demo_paths import DayPlan
from sim.flow_state import ROW_ACTION, ROW_ID, ROW_PRICE, ROW_SIDE, ROW_SIZE, ROW_TS

_SUBMISSION, _PART_CANCELLED, _DELETED, _EXECUTED = 1, 2, 3, 4
#: LOBSTER's price of an empty level; negative for bids.
_NO_PRICE = 9_999_999_999
_OPEN_S = 34_200
#: Zip entries carry a time of writing; a fixed one keeps equal markets equal byte for byte.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_ZIP_LEVEL = 1


def stem_of(config: DemoConfig, plan: DayPlan, place: int) -> str:
    """``OAK@SIM_2026-03-02_34200000_57600000``: symbol, venue, date, begin and end in ms after midnight."""
    begin, end = _OPEN_S * 1000, (_OPEN_S + plan.seconds) * 1000
    return f"{config.instruments[place].ticker}@{VENUE}_{plan.date}_{begin}_{end}"


def write_lobster(folder: Path, config: DemoConfig, plan: DayPlan, place: int, tape: DemoTape) -> Path:
    """Write one instrument-day and return the zip's path."""
    stem = stem_of(config, plan, place)
    path = folder / f"{stem}_{config.levels}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_ZIP_LEVEL) as archive:
        for role, frame in (("message", messages(tape, plan.open_ns)), ("orderbook", books(tape))):
            entry = zipfile.ZipInfo(f"{stem}_{role}_{config.levels}.csv", _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, frame.write_csv(include_header=False), compresslevel=_ZIP_LEVEL)
    return path


def messages(tape: DemoTape, open_ns: int) -> pl.DataFrame:
    """(n, 6) time as text to the nanosecond, type, order id, size, price, direction of the resting order."""
    rows = tape.rows
    since_ns = rows[:, ROW_TS] - open_ns
    seconds, rest = pl.Series(_OPEN_S + since_ns // NS_PER_S), pl.Series(since_ns % NS_PER_S)
    frame = pl.DataFrame({"seconds": seconds, "rest": rest})
    return frame.select(
        time=pl.format("{}.{}", "seconds", pl.col("rest").cast(pl.String).str.zfill(9)),
        type=pl.Series(message_types(rows)),
        order_id=pl.Series(rows[:, ROW_ID]),
        size=pl.Series(rows[:, ROW_SIZE]),
        price=pl.Series(rows[:, ROW_PRICE]),
        direction=pl.Series(np.where(rows[:, ROW_SIDE] == BID, 1, -1)),
    )


def message_types(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n,) LOBSTER's type of each event; a cancellation deletes the order where nothing of it is left."""
    change = np.where(rows[:, ROW_ACTION] == ACTION_CODE["A"], rows[:, ROW_SIZE], -rows[:, ROW_SIZE])
    frame = pl.DataFrame({"id": rows[:, ROW_ID], "change": change})
    left = frame.select(pl.col("change").cum_sum().over("id")).to_series().to_numpy()
    cancelled = np.where(left == 0, _DELETED, _PART_CANCELLED)
    added, filled = rows[:, ROW_ACTION] == ACTION_CODE["A"], rows[:, ROW_ACTION] == ACTION_CODE["F"]
    return np.where(added, _SUBMISSION, np.where(filled, _EXECUTED, cancelled))


def books(tape: DemoTape) -> pl.DataFrame:
    """(n, 4 L) ask price, ask size, bid price, bid size a level, with LOBSTER's price of an empty one."""
    shown = tape.levels.copy()
    for first, no_price in ((0, _NO_PRICE), (2, -_NO_PRICE)):
        prices = shown[:, first::4]
        prices[prices == 0] = no_price
    return pl.DataFrame(shown, schema=[f"level_{k}" for k in range(shown.shape[1])])
