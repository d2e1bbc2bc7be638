"""What execution agents are told of the future: forecasts of return and volatility, each from when it was known.

On the judged tape they are those of the night. On the fitted tape the night's models would know the labels they
forecast: there, models of the same settings are fitted on what was known before, and orders start after it.

Here: series for the environments. Not here: models (models/alpha, models/volatility), reading a series point in time
(sim/forecast_series.py), the audit (assets/execution_audit.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assets.alpha import alpha_config
from assets.split import load_dataset, test_start
from assets.store import StudyStore
from assets.tape import fit_date
from assets.volatility import load_blocks, volatility_config

if TYPE_CHECKING:
    import polars as pl

    from sim.forecast_series import Forecasts, Series

#: Terms of an observation that forecasts are behind.
FORECAST_TERMS = ("alpha_bps", "forecast_volatility_bps")
_BPS = 1e4


@dataclass(frozen=True)
class TrainingForecasts:
    """Forecasts over the fitted tape.

    Attributes:
        by_symbol: Instrument -> its series.
        since_ns: From then on there are forecasts; the models behind them know nothing later.
        parents: Ids of what they were made of.
    """

    by_symbol: Mapping[str, Forecasts]
    since_ns: int
    parents: tuple[str, ...] = field(default=())


def judged_forecasts(store: StudyStore, date: str) -> tuple[dict[str, Forecasts], list[str]]:
    """The night's forecasts by instrument, and the ids of their tables."""
    tables = [store.lake.read(name, date) for name in ("alpha_forecast", "volatility_forecast")]
    ids = [store.lake.manifest(name, date).id for name in ("alpha_forecast", "volatility_forecast")]
    return forecasts_of(store, *tables), ids


def training_forecasts(store: StudyStore, date: str) -> TrainingForecasts:
    """Forecasts over the tape that the simulator of ``date`` is fitted on, by models of before them.

    Raises:
        InsufficientDataError: There are too few labelled rows before.
    """
    import polars as pl

    from models.alpha import fit_alpha, forecast
    from models.feature_table import feature_columns
    from models.splits import purged_split
    from models.volatility import fit_volatility, forecast_volatility

    data, label = load_dataset(store, date), f"label_{store.config.label.horizon_ms}ms_bps"
    own = data.train.filter(pl.col("date") == fit_date(store, date))
    cut = forecasts_since(data.train, own)
    known, _ = purged_split(data.train, cut)
    settings = replace(alpha_config(store), rows=("gradient_boosting",))
    model = fit_alpha(known.filter(pl.col(label).is_not_null()), feature_columns(known), label, settings)
    alpha = forecast(model, own.filter(pl.col("ts") >= cut), "")
    blocks, bars, _ = load_blocks(store, date)
    blocks = blocks.filter(pl.col("ts") < test_start(store, date))
    volatility = fit_volatility(blocks.filter(pl.col("ts") <= cut), volatility_config(store))
    ahead = forecast_volatility(volatility, blocks).filter(pl.col("ts") >= cut)
    return TrainingForecasts(forecasts_of(store, alpha, ahead), cut, (*data.parents, *bars))


def forecasts_since(train: pl.DataFrame, own: pl.DataFrame) -> int:
    """Where the fitted tape's forecasts begin: with its date where earlier ones are known, else half way into it."""
    stamps = own["ts"].sort()
    return int(stamps[0]) if own.height < train.height else int(stamps[stamps.len() // 2])


def forecasts_of(store: StudyStore, alpha: pl.DataFrame, volatility: pl.DataFrame) -> dict[str, Forecasts]:
    """Series of every instrument of a table of return forecasts; volatility is that of a second, see `over`.

    Args:
        store: Of the study, which says how long a block is.
        alpha: ``ts, available_at, symbol, forecast_bps``.
        volatility: ``ts, symbol, har, ewma``: variances of a block.
    """
    from sim.forecast_series import Forecasts

    second = 1.0 / store.config.models.volatility.block_s
    return {
        symbol: Forecasts(alpha_series(alpha, symbol), volatility_series(volatility, symbol, second))
        for symbol in alpha["symbol"].unique(maintain_order=True).to_list()
    }


def over(told: Forecasts | None, seconds: int) -> Forecasts | None:
    """What an order of so many seconds is told: the volatility of its whole horizon instead of that of a second."""
    if told is None:
        return None
    from sim.forecast_series import Series

    volatility = told.volatility_bps
    return replace(told, volatility_bps=Series(volatility.available_at_ns, volatility.value * seconds**0.5))


def alpha_series(table: pl.DataFrame, symbol: str) -> Series:
    """Forecast returns of one instrument, bps; known from their decision time on, though their inputs were before."""
    import polars as pl

    told = table.filter((pl.col("symbol") == symbol) & pl.col("forecast_bps").is_finite())
    return _series(told.select(at=pl.max_horizontal("ts", "available_at"), value="forecast_bps"))


def volatility_series(table: pl.DataFrame, symbol: str, blocks: float) -> Series:
    """Forecast volatility of one instrument over ``blocks`` blocks, bps; HAR, and EWMA where it is not offered."""
    import polars as pl

    variance = pl.coalesce("har", "ewma")
    told = table.filter((pl.col("symbol") == symbol) & variance.is_finite() & (variance > 0.0))
    return _series(told.select(at="ts", value=(variance * blocks).sqrt() * _BPS))


def _series(told: pl.DataFrame) -> Series:
    from sim.forecast_series import Series

    told = told.sort("at", maintain_order=True)
    return Series(told["at"].to_numpy(), told["value"].to_numpy())


def usual(forecasts: Forecasts) -> Forecasts:
    """What a simulated market without forecasts shows: no return ahead, and the median volatility throughout."""
    import numpy as np

    from sim.forecast_series import Forecasts, Series

    values = forecasts.volatility_bps.value
    if values.size == 0:
        return Forecasts()
    return Forecasts(volatility_bps=Series(np.zeros(1, np.int64), np.array([float(np.median(values))])))
