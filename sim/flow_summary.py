"""Fitted order-flow parameters as tables to be read.

Here: two frames. Not here: the parameters (sim/flow_params.py), their estimators (sim/flow_fit.py).
"""

from __future__ import annotations

import polars as pl

from sim.flow_params import FlowParams

_UNITS = {
    "increment_ticks": "ticks",
    "market_rate": "1/s",
    "spread_ticks": "ticks",
    "split_share": "1",
    "split_exponent": "1",
    "imbalance_slope": "log odds",
    "lean": "log odds per spread",
    "sigma": "1/sqrt(s)",
    "activity_sd": "1",
    "activity_persistence": "1",
    "impact_per_lot": "1/lot",
    "limit_lots": "lots",
    "market_lots": "lots",
}


def parameter_table(params: FlowParams) -> pl.DataFrame:
    """One row a scalar parameter: ``parameter, value, unit, source``; of sizes the median, no rates by distance."""
    everything = params.source.get("all", "")
    records = []
    for name, unit in _UNITS.items():
        value = getattr(params, name)
        if isinstance(value, tuple):
            value = sorted(value)[len(value) // 2]
        source = params.source.get(name, everything)
        shown = f"median_{name}" if isinstance(getattr(params, name), tuple) else name
        records.append({"parameter": shown, "value": float(value), "unit": unit, "source": source})
    schema = {"parameter": pl.String, "value": pl.Float64, "unit": pl.String, "source": pl.String}
    return pl.DataFrame(records, schema=schema)


def rate_table(params: FlowParams) -> pl.DataFrame:
    """The rates by distance.

    Returns:
        ``distance`` (increments from the opposite best), ``limit_rate`` (1/s a side), ``cancel_rate`` (1/s an order),
        ``mean_depth`` (orders).
    """
    return pl.DataFrame(
        {
            "distance": list(range(1, params.levels + 1)),
            "limit_rate": list(params.limit_rate),
            "cancel_rate": list(params.cancel_rate),
            "mean_depth": list(params.profile_orders),
        }
    )
