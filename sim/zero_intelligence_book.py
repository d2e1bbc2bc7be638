"""The zero-intelligence model of sim/zero_intelligence.py on the book of the flow.

Cont, Stoikov and Talreja's model is the flow of sim/flow_params.py with one size of orders and nothing that was added
to it: no order splitting, no taker who looks at the queues, no efficient price, no activity, no lasting impact. What
taking does to the price is depth that is gone until other orders come.

Here: parameters, fit, simulation. Not here: the estimators (sim/zero_intelligence.py), the book (sim/flow.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from feeds.instruments import InstrumentSpec
from sim.flow import simulate_flow
from sim.flow_fit import increment_of
from sim.flow_market import FlowMarket
from sim.flow_measure import arrays_of
from sim.flow_moments import time_mean
from sim.flow_params import FlowParams
from sim.flow_summary import parameter_table
from sim.simulated_market import START_NS
from sim.zero_intelligence import fit_zero_intelligence

_LEVELS = 10
_COUNTED = "counts over exposure, Cont, Stoikov and Talreja 2010, section 4.1"


@dataclass(frozen=True)
class ZeroIntelligenceBook:
    """Parameters.

    Attributes:
        flow: The flow that has these rates and nothing else.
    """

    flow: FlowParams

    @property
    def tuned(self) -> tuple[str, ...]:
        """Nothing: everything is counted."""
        return ()

    @property
    def counted(self) -> int:
        """Rates and depth by distance, rate of market orders, the unit, the spread of the opening book."""
        return 3 * self.flow.levels + 3

    def to_json(self) -> str:
        """One JSON object."""
        return self.flow.to_json()

    @classmethod
    def from_json(cls, text: str) -> ZeroIntelligenceBook:
        """The inverse of `to_json`."""
        return cls(FlowParams.from_json(text))


def fit_zero_intelligence_book(
    tape: pl.DataFrame, spec: InstrumentSpec, *, until_ns: int | None = None
) -> ZeroIntelligenceBook:
    """Fit to the rows of a tape known before ``until_ns`` (running maximum of ts_recv).

    Raises:
        InsufficientDataError: As `sim.zero_intelligence.fit_zero_intelligence`.
    """
    known = tape if until_ns is None else tape.filter(pl.col("ts_recv").cum_max() < until_ns)
    arrays = arrays_of(known)
    increment = increment_of(arrays, spec.quote_increment_ticks, _LEVELS)
    found = fit_zero_intelligence(known, spec, levels=_LEVELS, increment_ticks=increment)
    unit = max(1, round(found.limit_lots))
    least = float(found.cancel_rate[found.cancel_rate > 0].min(initial=1e-4))
    flow = FlowParams(
        increment_ticks=increment,
        limit_rate=tuple(found.limit_rate.tolist()),
        cancel_rate=tuple(max(float(rate), least) for rate in found.cancel_rate),
        market_rate=2.0 * found.market_rate,
        limit_lots=(unit,),
        market_lots=(unit,),
        profile_orders=tuple(found.depth.tolist()),
        spread_ticks=time_mean(arrays, (arrays.ask_px - arrays.bid_px).astype(float)),
        split_share=0.0,
        split_exponent=2.0,
        imbalance_slope=0.0,
        lean=0.0,
        sigma=0.0,
        activity_sd=0.0,
        activity_persistence=0.0,
        impact_per_lot=0.0,
        source={"all": _COUNTED},
    )
    return ZeroIntelligenceBook(flow)


def simulate_zero_intelligence(
    params: ZeroIntelligenceBook, start_ns: int, until_ns: int, seed: int, mid: float
) -> pl.DataFrame:
    """RAW_TICKS rows, see `sim.flow.simulate_flow`."""
    return simulate_flow(params.flow, start_ns, until_ns, seed, mid)


def zero_intelligence_table(params: ZeroIntelligenceBook) -> pl.DataFrame:
    """``parameter, value, unit, source``, a row a scalar."""
    return parameter_table(params.flow)


def zero_intelligence_market(
    params: ZeroIntelligenceBook, mid: float, horizon_s: float, *, start_ns: int = START_NS
) -> FlowMarket:
    """The same model to act in; see `sim.flow_market.FlowMarket`."""
    return FlowMarket(params.flow, mid, horizon_s, start_ns=start_ns)
