"""Fitted parameters of a Hawkes book as a table to be read.

Here: one frame. Not here: the parameters (sim/hawkes_book_params.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from sim.book_events import VERBS
from sim.hawkes_book_params import HawkesBookParams


def hawkes_book_table(params: HawkesBookParams) -> pl.DataFrame:
    """One row a scalar: ``parameter, value, unit, source``; of every verb its rate and how much of it is unprovoked."""
    arrivals, told = params.arrivals, params.source
    rate = params.rates
    rows = [
        ("increment_ticks", params.increment_ticks, "ticks", "the venue's"),
        ("window", params.window, "increments", "ten distances of sim/flow_fit.py"),
        ("spread_ticks", params.spread_ticks, "ticks", told.get("spread_ticks", "")),
        ("behind_orders", params.behind_orders, "orders", told.get("behind_orders", "")),
        ("split_share", params.split_share, "1", told.get("split_share", "")),
    ]
    for verb, name in enumerate(VERBS):
        pair = slice(2 * verb, 2 * verb + 2)
        base = float(arrivals.baseline[pair].sum() / max(rate[pair].sum(), 1e-12))
        rows.append((f"rate of {name}", float(rate[pair].sum()), "1/s", told.get("arrivals", "")))
        rows.append((f"unprovoked share of {name}", base, "1", told.get("arrivals", "")))
        rows.append((f"largest factor of {name}", float(np.max(params.factors[:, verb])), "1", told.get("factors", "")))
    columns = ("parameter", "value", "unit", "source")
    records = [dict(zip(columns, (n, float(v), u, s), strict=True)) for n, v, u, s in rows]
    return pl.DataFrame(
        records, schema={"parameter": pl.String, "value": pl.Float64, "unit": pl.String, "source": pl.String}
    )
