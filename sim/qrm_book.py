"""The queue-reactive model of sim/qrm_params.py as a tape of orders.

The model counts units in queues. Here every unit is an order: a limit order joins the end of its queue, a cancellation
takes the last one, a market order the first. When the reference price moves, queues that come into sight or leave it
and books drawn afresh are told as orders that arrive and go at that stamp.

Instruments with a spread of many increments are looked at on a coarser grid of prices (`sim.qrm_fit.fit_qrm`); all
their orders then stand on that grid.

Here: parameters with units, fit, simulation as rows. Not here: the model (sim/qrm_kernel.py).
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from feeds.instruments import InstrumentSpec
from feeds.schema import FLAG_SNAPSHOT, conform
from sim.qrm_fit import fit_qrm
from sim.qrm_params import LIMIT, MARKET, QrmParams
from sim.qrm_simulate import QrmEvents, simulate_qrm
from sim.replay import with_book

_NS = 1_000_000_000
_LEVELS, _MAX_QUEUE = 3, 50
#: Busier than this is no queue-reactive market of that instrument any more.
_MOST_EVENTS = 2_000_000


@dataclass(frozen=True, eq=False)
class QrmBook:
    """Parameters.

    Attributes:
        model: The queue-reactive model.
        step_ticks: Between prices, ticks.
    """

    model: QrmParams
    step_ticks: int

    @property
    def tuned(self) -> tuple[str, ...]:
        """Parameters that sim/qrm_fit.py chooses on a grid so that simulated mids are like the tape's."""
        return ("theta", "theta_reinit")

    @property
    def counted(self) -> int:
        """Rates by level, size and kind (sides share them), sizes of events."""
        return self.model.levels * (self.model.max_queue + 1) * 3 + self.model.levels

    def to_json(self) -> str:
        """One JSON object."""
        model = self.model
        return json.dumps(
            {
                "rates": np.asarray(model.rates).tolist(),
                "theta": model.theta,
                "theta_reinit": model.theta_reinit,
                "event_size": list(model.event_size),
                "tick": model.tick,
                "arrival_price": model.arrival_price,
                "source": model.source,
                "step_ticks": self.step_ticks,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> QrmBook:
        """The inverse of `to_json`."""
        values = json.loads(text)
        step = values.pop("step_ticks")
        values["rates"], values["event_size"] = np.array(values["rates"]), tuple(values["event_size"])
        return cls(QrmParams(**values), step)


def fit_qrm_book(tape: pl.DataFrame, spec: InstrumentSpec, *, until_ns: int | None = None) -> QrmBook:
    """Fit, see `sim.qrm_fit.fit_qrm`.

    Raises:
        InsufficientDataError: As there: no depth behind the touch, or a book whose best queues never empty.
    """
    model = fit_qrm(tape, spec, levels=_LEVELS, max_queue=_MAX_QUEUE, until_ns=until_ns)
    return QrmBook(model, max(1, round(model.tick / spec.tick_size)))


def simulate_qrm_book(params: QrmBook, start_ns: int, until_ns: int, seed: int, mid: float) -> pl.DataFrame:
    """RAW_TICKS rows with the book after each, the opening book first as snapshot rows.

    Raises:
        InsufficientDataError: The period is empty, or the model is busier than any tape.
    """
    if until_ns <= start_ns or mid <= 0:
        raise InsufficientDataError(
            "simulated queue-reactive book",
            received=f"{start_ns} to {until_ns} ns around a mid of {mid} ticks",
            expected="an end after the start and a positive price",
        )
    events = simulate_qrm(params.model, (until_ns - start_ns) / _NS, seed, max_events=_MOST_EVENTS)
    log = _Orders(params, int(mid // params.step_ticks))
    for at in range(events.seconds.size):
        log.follow(events, at, start_ns)
    columns = ("ts_event", "action", "side", "order_id", "price", "size", "flags")
    frame = pl.DataFrame(dict(zip(columns, zip(*log.rows, strict=True), strict=True)))
    n = frame.height
    frame = frame.with_columns(
        ts_recv=pl.col("ts_event"),
        sequence=pl.Series(range(n)),
        exchange=pl.lit(""),
        condition=pl.lit(0),
        **{name: pl.lit(0) for name in ("bid_px", "bid_sz", "ask_px", "ask_sz", "bid_depth", "ask_depth")},
    )
    return with_book(conform(frame, "raw_ticks"))[0]


class _Orders:
    """The orders behind the queues, and what happens to them as rows."""

    def __init__(self, params: QrmBook, base: int) -> None:
        self.step, self.base, self.levels = params.step_ticks, base, params.model.levels
        self.lots = [max(1, round(size)) for size in params.model.event_size]
        self.queues: dict[tuple[int, int], deque[tuple[int, int]]] = {}
        self.rows: list[tuple[int, str, str, int, int, int, int]] = []
        self.number = 0

    def follow(self, events: QrmEvents, at: int, start_ns: int) -> None:
        """Write what an event did: the order it is about, then whatever else changed."""
        ts_ns, flags = start_ns + int(events.seconds[at] * _NS), FLAG_SNAPSHOT if at == 0 else 0
        if at > 0:
            side, level = divmod(int(events.queue[at]), self.levels)
            price = self._price(side, level, int(events.reference[at - 1]))
            self._happen(ts_ns, int(events.kind[at]), side, price, level)
        wanted = {}
        for queue, units in enumerate(events.queues[at].tolist()):
            side, level = divmod(queue, self.levels)
            wanted[side, self._price(side, level, int(events.reference[at]))] = (units, level)
        for side, price in list(self.queues):
            while len(self.queues[side, price]) > wanted.get((side, price), (0, 0))[0]:
                self._remove(ts_ns, "C", side, price, first=False)
            if not self.queues[side, price]:
                del self.queues[side, price]
        for (side, price), (units, level) in wanted.items():
            while len(self.queues.setdefault((side, price), deque())) < units:
                self._add(ts_ns, side, price, level, flags)

    def _price(self, side: int, level: int, reference: int) -> int:
        above = 1 + level if side == 1 else -level
        return (self.base + reference + above) * self.step

    def _happen(self, ts_ns: int, kind: int, side: int, price: int, level: int) -> None:
        if kind == LIMIT:
            self._add(ts_ns, side, price, level, 0)
        elif self.queues.get((side, price)):
            self._remove(ts_ns, "F" if kind == MARKET else "C", side, price, first=kind == MARKET)

    def _add(self, ts_ns: int, side: int, price: int, level: int, flags: int) -> None:
        self.number += 1
        lots = self.lots[level]
        self.queues.setdefault((side, price), deque()).append((self.number, lots))
        self.rows.append((ts_ns, "A", "BA"[side], self.number, price, lots, flags))

    def _remove(self, ts_ns: int, action: str, side: int, price: int, *, first: bool) -> None:
        queue = self.queues[side, price]
        number, lots = queue.popleft() if first else queue.pop()
        self.rows.append((ts_ns, action, "BA"[side], number, price, lots, 0))


def qrm_table(params: QrmBook) -> pl.DataFrame:
    """``parameter, value, unit, source``, a row a scalar."""
    model = params.model
    rows = [
        ("step_ticks", float(params.step_ticks), "ticks"),
        ("theta", model.theta, "1"),
        ("theta_reinit", model.theta_reinit, "1"),
        *((f"event_size of level {i + 1}", size, "lots") for i, size in enumerate(model.event_size)),
    ]
    return pl.DataFrame(
        [{"parameter": name, "value": value, "unit": unit, "source": model.source} for name, value, unit in rows]
    )
