"""The inputs of the risk limits of a night: latest forecasts, recent alarms, prices and volumes.

Here: gathering. Not here: the formulas (models/limits.py), the asset (assets/risk.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.partitions import StudyPartitions
from assets.split import test_start
from assets.store import StudyStore
from assets.ticks import session_of, spec_from
from assets.universe import universe_of
from assets.volatility import load_blocks

if TYPE_CHECKING:
    import polars as pl

    from models.limits import RiskLimits

NS_PER_S = 1_000_000_000
#: An alarm tightens the limits for so long.
ALARM_WINDOW_S = 3600.0


def limits_of(store: StudyStore, date: str) -> tuple[RiskLimits, list[str]]:
    """Limits from the close of ``date`` on, and the ids of what they are made of."""
    import polars as pl

    from models.anomaly import recent_alarms
    from models.limits import LimitConfig, risk_limits

    lake, study = store.lake, store.config
    start, close = session_of(store, date)
    scores = lake.read("anomaly_score", date)
    matrix = store.artefacts.read_json(store.artefacts.current("correlation_model", date), "evaluation.json")["matrix"]
    known_until = int(scores["available_at"].max() or close)  # type: ignore[arg-type]
    config = LimitConfig(
        capital=study.risk.capital,
        daily_var_share=study.risk.daily_var_share,
        block_s=study.models.volatility.block_s,
        session_s=(close - start) / NS_PER_S,
        max_leverage=study.risk.max_leverage,
    )
    models = {
        family: store.artefacts.current(f"{family}_model", date).id
        for family in ("volatility", "correlation", "anomaly")
    }
    forecasts = latest_variance(lake.read("volatility_forecast", date))
    limits = risk_limits(
        forecasts.join(usual_variance(store, date), on="symbol", how="left"),
        pl.DataFrame(matrix, infer_schema_length=None),
        recent_alarms(scores, known_until, ALARM_WINDOW_S),
        market_frame(store, date),
        config,
        valid_from_ns=close,
        model_ids=models,
    )
    tables = [lake.manifest(table, date).id for table in ("volatility_forecast", "anomaly_score")]
    return limits, [*tables, *models.values()]


def latest_variance(forecasts: pl.DataFrame) -> pl.DataFrame:
    """``symbol, variance``: the latest forecast of each instrument, HAR where it is offered, else EWMA."""
    import polars as pl

    known = forecasts.with_columns(pl.coalesce("har", "ewma").alias("variance")).filter(
        pl.col("variance").is_not_null()
    )
    latest = known.sort("symbol", "ts").unique("symbol", keep="last", maintain_order=True)
    return latest.select("symbol", "variance")


def usual_variance(store: StudyStore, date: str) -> pl.DataFrame:
    """``symbol, median_variance``: the median block of the training window."""
    import polars as pl

    blocks, _, _ = load_blocks(store, date)
    known = blocks.filter(pl.col("ts") <= test_start(store, date))
    return known.group_by("symbol", maintain_order=True).agg(pl.col("rv").median().alias("median_variance"))


def market_frame(store: StudyStore, date: str) -> pl.DataFrame:
    """``symbol, lot_value`` (currency, at the last mid of the date), ``adv_lots`` (mean daily volume of the window)."""
    import polars as pl

    lake = store.lake
    window = sorted({*StudyPartitions(store.config).training_dates(date), date} & set(lake.dates("bars")))
    records = []
    for symbol in universe_of(lake, store.config, date).included:
        spec = spec_from(lake.manifest("bars", date, symbol))
        mids = lake.read("bars", date, symbol, ["mid_close_ticks"])["mid_close_ticks"].drop_nulls()
        volumes = [
            int(lake.read("bars", day, symbol, ["volume_lots"])["volume_lots"].sum())
            for day in window
            if lake.exists("bars", day, symbol)
        ]
        lot_value = float(mids[-1]) * spec.tick_size * spec.lot_size if mids.len() else 0.0
        records.append({"symbol": symbol, "lot_value": lot_value, "adv_lots": sum(volumes) / len(volumes)})
    schema = {"symbol": pl.String, "lot_value": pl.Float64, "adv_lots": pl.Float64}
    return pl.DataFrame(records, schema=schema)
