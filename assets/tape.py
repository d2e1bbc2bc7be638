"""Order-by-order tapes for the simulator: raw rows that may touch the book, with the book after each of them.

Here: reading a tape and naming the periods of a night. Not here: replaying it (sim/), the assets (assets/simulator.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assets.partitions import StudyPartitions
from assets.split import test_start
from assets.store import StudyStore
from assets.ticks import session_of, spec_from
from assets.universe import universe_of
from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec

if TYPE_CHECKING:
    import polars as pl

#: Without a trade for so long from its beginning on, a feed is of a market that is still closed, ns.
CLOSED_NS = 600 * 1_000_000_000


@dataclass(frozen=True)
class Tape:
    """One instrument-day for the simulator.

    Attributes:
        symbol: Instrument.
        date: ISO date.
        frame: RAW_TICKS rows with the book after each (see `read_tape`).
        spec: Units.
        bounds: First and last moment of the period, ns UTC.
        parent: Manifest id of the clean ticks of the same raw rows.
    """

    symbol: str
    date: str
    frame: pl.DataFrame
    spec: InstrumentSpec
    bounds: tuple[int, int]
    parent: str


def read_tape(store: StudyStore, date: str, symbol: str, *, orders_only: bool = True) -> Tape:
    """The tape of one instrument-day: the rows cleaning lets touch the book, opening snapshot included.

    Args:
        store: Of the study.
        date: ISO date.
        symbol: Instrument.
        orders_only: Whether order-by-order events are needed, as the fitting of simulated markets does; a replay also
            knows levels and quotes.

    Raises:
        InsufficientDataError: The source has no order-by-order events, or nothing but trades.
    """
    from feeds.cleaning import book_kind, filter_rows

    raw = store.lake.read("raw_ticks", date, symbol)
    origin = store.lake.manifest("raw_ticks", date, symbol)
    spec, bounds = spec_from(origin), session_of(store, date)
    kind = book_kind(raw)
    by_order = kind in ("orders", "stated") and bool((raw["action"] == "A").any())
    if kind == "none" or (orders_only and not by_order):
        raise InsufficientDataError(
            f"tape of {symbol} on {date}",
            received=f"a source of kind {kind!r}",
            expected="order-by-order events" if orders_only else "orders, levels or quotes",
        )
    kept, _ = filter_rows(raw, spec, bounds, store.config.cleaning)
    if kind == "orders":
        from sim.replay import with_book

        kept, _ = with_book(kept, source=f"raw_ticks of {symbol} on {date}")
    elif kind == "quotes":
        from feeds.nbbo import with_nbbo

        kept = with_nbbo(kept)
    stamps = kept["ts_recv"].cum_max()
    # A capture may be much shorter than its session.
    bounds = max(bounds[0], int(stamps[0])), min(bounds[1], int(stamps[-1]))
    bounds = trading_begins(kept, bounds[0]), bounds[1]
    return Tape(symbol, date, kept, spec, bounds, store.lake.manifest("clean_ticks", date, symbol).id)


def trading_begins(rows: pl.DataFrame, start_ns: int) -> int:
    """``start_ns``, or the first trade from there on where nothing trades for long: a feed may open before its market.

    Args:
        rows: RAW_TICKS.
        start_ns: ns UTC.
    """
    import polars as pl

    traded = rows.filter(pl.col("action").is_in(["F", "T"]) & (pl.col("ts_recv") >= start_ns))["ts_recv"].min()
    return int(traded) if isinstance(traded, int) and traded - start_ns > CLOSED_NS else start_ns


def tape_symbols(store: StudyStore, date: str) -> tuple[str, ...]:
    """Instruments of the date's universe."""
    return universe_of(store.lake, store.config, date).included


def fit_date(store: StudyStore, date: str) -> str:
    """The date the simulator of ``date`` is fitted on.

    Before an intraday split it is the date itself, else the newest date before it in the training window.

    Raises:
        InsufficientDataError: The training window holds no ticks.
    """
    if store.config.split.kind == "intraday":
        return date
    known = set(store.lake.dates("clean_ticks"))
    earlier = [day for day in StudyPartitions(store.config).training_dates(date) if day in known and day < date]
    if not earlier:
        raise InsufficientDataError(
            f"simulator of {date}", received="no ticks in the training window", remedy="Materialise earlier dates."
        )
    return earlier[-1]


def fit_tape(store: StudyStore, date: str, symbol: str, *, orders_only: bool = True) -> Tape:
    """What the simulator of ``date`` may be fitted on: nothing at or after the test begins."""
    tape = read_tape(store, fit_date(store, date), symbol, orders_only=orders_only)
    start = test_start(store, date)
    return replace(tape, bounds=(tape.bounds[0], min(tape.bounds[1], start)))


def judged_tape(store: StudyStore, date: str, symbol: str, *, orders_only: bool = True) -> Tape:
    """What policies of ``date`` are judged on: the date from the test's begin on (the rows before build the book)."""
    tape = read_tape(store, date, symbol, orders_only=orders_only)
    return replace(tape, bounds=(max(tape.bounds[0], test_start(store, date)), tape.bounds[1]))
