"""No forecast reaches an execution agent before it could be known: recomputed with the future cut away.

Inputs are cut at two times, forecasts made anew by the night's models, and what an agent would be shown at every
decision time up to the cut must be the same bits; what lies in the lake must give the same once more. A forecast that
was made later, of later inputs, or dated back, differs in one of the two.

Here: the audit. Not here: comparing (models/leakage.py), the series (assets/execution_forecasts.py), the check
(assets/execution_checks.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.execution_forecasts import alpha_series, volatility_series
from assets.split import test_start
from assets.store import StudyStore
from assets.volatility import load_blocks

if TYPE_CHECKING:
    import polars as pl

    from models.leakage import LeakageReport
    from sim.forecast_series import Series

#: Where inputs are cut, as shares of the night's decision times.
CUTS = (0.3, 0.7)


def audit_forecasts(store: StudyStore, date: str) -> dg.AssetCheckResult:
    """Whether agents of ``date`` saw nothing but what was known."""
    alpha, same_alpha = audit_alpha(store, date)
    volatility, same_volatility = audit_volatility(store, date)
    found = {
        "return forecasts differ without the future": not alpha.passed,
        "stored return forecasts are not those of the model": not same_alpha,
        "volatility forecasts differ without the future": not volatility.passed,
        "stored volatility forecasts are not those of the model": not same_volatility,
    }
    wrong = [name for name, is_so in found.items() if is_so]
    return dg.AssetCheckResult(
        passed=not wrong,
        metadata={
            "moments_compared": alpha.rows_compared + volatility.rows_compared,
            "differing": str((*alpha.differing, *volatility.differing)),
        },
        description="; ".join(wrong) or "every forecast was known when it was seen",
    )


def audit_alpha(store: StudyStore, date: str) -> tuple[LeakageReport, bool]:
    """Return forecasts as seen with features cut away, and whether the stored ones are seen the same."""
    import polars as pl

    from models.alpha import AlphaModel, forecast
    from models.leakage import audit_cut

    trained = store.artefacts.current("alpha_model", date)
    model = AlphaModel.from_bytes(store.artefacts.read(trained, "model.joblib"))
    features = store.lake.read("feature_table", date).filter(pl.col("ts") >= test_start(store, date))
    moments = features.select("ts", "symbol")

    def compute(rows: pl.DataFrame) -> pl.DataFrame:
        return seen(forecast(model, rows, trained.id), moments, alpha_series, "alpha_bps")

    stored = seen(store.lake.read("alpha_forecast", date), moments, alpha_series, "alpha_bps")
    return audit_cut(compute, features, cuts_of(moments), "ts"), stored.equals(compute(features), null_equal=True)


def audit_volatility(store: StudyStore, date: str) -> tuple[LeakageReport, bool]:
    """The same of volatility forecasts, with blocks of bars cut away."""
    import polars as pl

    from models.leakage import audit_cut
    from models.volatility import VolatilityModel, forecast_volatility

    trained = store.artefacts.current("volatility_model", date)
    model = VolatilityModel.from_bytes(store.artefacts.read(trained, "model.joblib"))
    blocks, start = load_blocks(store, date)[0], test_start(store, date)
    moments = blocks.filter(pl.col("ts") >= start).select("ts", "symbol")

    def series(table: pl.DataFrame, symbol: str) -> Series:
        return volatility_series(table, symbol, 1.0)

    def compute(rows: pl.DataFrame) -> pl.DataFrame:
        made = forecast_volatility(model, rows).filter(pl.col("ts") >= start)
        return seen(made, moments, series, "volatility_bps")

    stored = seen(store.lake.read("volatility_forecast", date), moments, series, "volatility_bps")
    return audit_cut(compute, blocks, cuts_of(moments), "ts"), stored.equals(compute(blocks), null_equal=True)


def seen(
    table: pl.DataFrame, moments: pl.DataFrame, series: Callable[[pl.DataFrame, str], Series], name: str
) -> pl.DataFrame:
    """What agents are shown: ``ts, symbol`` and the value.

    Args:
        table: Forecasts.
        moments: ``ts, symbol``: when agents look, at what.
        series: How the table of an instrument becomes what is read point in time.
        name: Of the value's column.
    """
    import polars as pl

    frames = []
    for (symbol,), part in moments.group_by("symbol", maintain_order=True):
        told, stamps = series(table, str(symbol)), part["ts"].sort()
        values = pl.Series(name, [told.at(moment) for moment in stamps.to_list()], dtype=pl.Float64)
        frames.append(pl.DataFrame([stamps, values]).select("ts", pl.lit(str(symbol)).alias("symbol"), name))
    schema: dict[str, Any] = {"ts": pl.Int64, "symbol": pl.String, name: pl.Float64}
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)


def cuts_of(moments: pl.DataFrame) -> list[int]:
    """Times at the shares `CUTS` of all moments."""
    stamps = moments["ts"].unique().sort()
    return [int(stamps[int(stamps.len() * share)]) for share in CUTS] if stamps.len() else []
