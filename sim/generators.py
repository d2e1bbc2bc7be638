"""Synthetic markets that can be fitted to a tape, all behind one interface.

A generator learns from RAW_TICKS rows and writes RAW_TICKS rows with the book after each, so whatever reads a tape
reads either. Its parameters say how much of them was counted on the tape and what was moved until simulated moments
met the tape's: a market with many moved parameters that looks real proves less than one with few.

Here: the interface, `GENERATORS`. Not here: the models themselves (the modules named in each entry), how real they look
(sim/realism.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl

from feeds.instruments import InstrumentSpec
from sim.flow import simulate_flow
from sim.flow_fit import fit_flow
from sim.flow_market import FlowMarket
from sim.flow_params import FlowParams
from sim.flow_summary import parameter_table
from sim.hawkes_book import simulate_hawkes_book
from sim.hawkes_book_fit import fit_hawkes_book
from sim.hawkes_book_market import HawkesBookMarket
from sim.hawkes_book_params import HawkesBookParams
from sim.hawkes_book_summary import hawkes_book_table
from sim.market import Market
from sim.qrm_book import QrmBook, fit_qrm_book, qrm_table, simulate_qrm_book
from sim.zero_intelligence_book import (
    ZeroIntelligenceBook,
    fit_zero_intelligence_book,
    simulate_zero_intelligence,
    zero_intelligence_market,
    zero_intelligence_table,
)


class GeneratorParams(Protocol):
    """Fitted parameters of a generator: a frozen dataclass."""

    @property
    def tuned(self) -> tuple[str, ...]:
        """Parameters moved until simulated moments met the tape's."""

    @property
    def counted(self) -> int:
        """How many numbers were estimated from the tape directly."""

    def to_json(self) -> str:
        """One JSON object; `Generator.read` is the inverse."""


class Fit(Protocol):
    """Fits to the rows of a tape known before ``until_ns`` (running maximum of ts_recv; None: all of them)."""

    def __call__(self, tape: pl.DataFrame, spec: InstrumentSpec, *, until_ns: int | None = None) -> Any:
        """The fitted `GeneratorParams`."""


@dataclass(frozen=True)
class Generator:
    """One model of a market.

    Attributes:
        name: Its key in `GENERATORS`.
        title: What it is, in a few words.
        fit: ``fit(tape, spec, until_ns=None) -> params``; raises InsufficientDataError where the tape is too short or
            the model does not suit the instrument.
        read: ``read(text) -> params``, the inverse of `GeneratorParams.to_json`.
        simulate: ``simulate(params, start_ns, until_ns, seed, mid) -> RAW_TICKS`` rows with the book after each, the
            opening book first as snapshot rows; ``mid`` in ticks; the same seed gives the same table.
        summary: ``summary(params) -> parameter, value, unit, source``, a row a scalar parameter.
        market: ``market(params, mid, horizon_s, start_ns=...) -> Market``, the same model to act in, whose episodes
            begin at ``start_ns``; None: it can be watched only.
    """

    name: str
    title: str
    fit: Fit
    read: Callable[[str], Any]
    simulate: Callable[[Any, int, int, int, float], pl.DataFrame]
    summary: Callable[[Any], pl.DataFrame]
    market: Callable[..., Market] | None = None


FLOW = Generator(
    name="flow",
    title="rates by distance, order splitting, activity and an efficient price by the second (sim/flow_params.py)",
    fit=fit_flow,
    read=FlowParams.from_json,
    simulate=simulate_flow,
    summary=parameter_table,
    market=FlowMarket,
)

HAWKES = Generator(
    name="hawkes",
    title="queue-reactive Hawkes events on a real book (sim/hawkes_book_params.py)",
    fit=fit_hawkes_book,
    read=HawkesBookParams.from_json,
    simulate=simulate_hawkes_book,
    summary=hawkes_book_table,
    market=HawkesBookMarket,
)

QUEUE_REACTIVE = Generator(
    name="queue_reactive",
    title="rates by size of each queue around a reference price (sim/qrm_params.py)",
    fit=fit_qrm_book,
    read=QrmBook.from_json,
    simulate=simulate_qrm_book,
    summary=qrm_table,
)

ZERO_INTELLIGENCE = Generator(
    name="zero_intelligence",
    title="rates by distance from the opposite best and nothing else (sim/zero_intelligence.py)",
    fit=fit_zero_intelligence_book,
    read=ZeroIntelligenceBook.from_json,
    simulate=simulate_zero_intelligence,
    summary=zero_intelligence_table,
    market=zero_intelligence_market,
)

#: Name -> generator.
GENERATORS: dict[str, Generator] = {entry.name: entry for entry in (ZERO_INTELLIGENCE, QUEUE_REACTIVE, FLOW, HAWKES)}
