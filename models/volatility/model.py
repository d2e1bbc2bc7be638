"""Forecasts for the next block: training mean, EWMA, EWMA with the shape of the day, HAR.

Here: fitting, saving, forecasting. Not here: judging (models/volatility/evaluate.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError
from models.metrics.forecast import Floats
from models.saved import loaded, saved
from models.volatility.blocks import NS_PER_S, prepare
from models.volatility.config import VolatilityConfig
from models.volatility.daily import daily_variance, fit_daily_har
from models.volatility.diurnal import diurnal_profile, factor
from models.volatility.ewma import ewma
from models.volatility.har import LogHar, fit_har

#: Last block, half an hour and an hour of 5-minute blocks; at most the session so far.
WINDOWS = (1, 6, 12)
#: Variances below this share of the training mean count as it: a still mid has no logarithm and no QLIKE.
FLOOR = 0.01


@dataclass(frozen=True)
class VolatilityModel:
    """What was learned from the training blocks.

    Attributes:
        config: Settings.
        scale: Instrument -> mean training variance of a block.
        profile: Shape of the day, shape (slots,), or None.
        har: The pooled intraday HAR on variances relative to scale and profile, or None.
        daily: Instrument -> daily HAR, where there were enough days.
        train_blocks: Training blocks.
        notes: What is not offered, and why.
    """

    config: VolatilityConfig
    scale: dict[str, float]
    profile: Floats | None
    har: LogHar | None
    daily: dict[str, LogHar] = field(default_factory=dict)
    train_blocks: int = 0
    notes: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """The model as joblib bytes; equal models fitted alike give equal bytes."""
        return saved(self)

    @classmethod
    def from_bytes(cls, content: bytes) -> VolatilityModel:
        """Load what `to_bytes` wrote; see `models.saved.loaded`."""
        return loaded(content, cls, "volatility model")


def fit_volatility(blocks_train: pl.DataFrame, config: VolatilityConfig) -> VolatilityModel:
    """Fit what the training blocks allow; what they do not allow is named in ``notes``, never an error.

    Args:
        blocks_train: ``ts_start, ts, symbol, rv`` and optionally ``date``; all known before the first judged
            forecast.
        config: Settings.

    Raises:
        SchemaError: A column is missing.
    """
    prepared = prepare(blocks_train, config.block_s)
    means = prepared.group_by("symbol", maintain_order=True).agg(pl.col("rv").mean()).sort("symbol")
    scale = {symbol: float(rv) for symbol, rv in means.iter_rows() if rv is not None and rv > 0}
    profile = diurnal_profile(prepared)
    notes = [] if profile is not None else ["shape of the day: fewer than 2 whole training days, taken as flat"]
    har = None
    try:
        har = fit_har(_sessions(prepared, scale, profile), WINDOWS, True, config.min_train_blocks, "HAR")
    except InsufficientDataError as error:
        notes.append(f"HAR not offered: {error.received}, {error.expected} needed; EWMA only")
    daily, reason = _fit_daily(prepared, config.daily_min_days)
    notes += [f"daily HAR not offered: {reason}"] if reason else []
    return VolatilityModel(config, scale, profile, har, daily, prepared.height, tuple(notes))


def _sessions(prepared: pl.DataFrame, scale: dict[str, float], profile: Floats | None) -> list[tuple[Floats, Floats]]:
    known = prepared.filter(pl.col("symbol").is_in(list(scale)))
    sessions = []
    for (symbol, _), day in known.group_by("symbol", "date", maintain_order=True):
        series, after = _relative(day, scale[str(symbol)], profile)
        target = np.maximum(day["next_rv"].cast(pl.Float64).to_numpy() / after, FLOOR)
        sessions.append((series, target))
    return sessions


def _relative(day: pl.DataFrame, scale: float, profile: Floats | None) -> tuple[Floats, Floats]:
    slot = day["slot"].to_numpy()
    series = np.maximum(day["rv"].to_numpy() / (scale * factor(profile, slot)), FLOOR)
    return series, scale * factor(profile, slot + 1)


def _fit_daily(prepared: pl.DataFrame, min_days: int) -> tuple[dict[str, LogHar], str]:
    fitted: dict[str, LogHar] = {}
    reason = f"0 days < {min_days}"
    for (symbol,), days in daily_variance(prepared).group_by("symbol", maintain_order=True):
        try:
            positive = days["rv"].to_numpy()
            fitted[str(symbol)] = fit_daily_har(np.maximum(positive, FLOOR * positive.mean()), min_days)
        except InsufficientDataError as error:
            reason = error.received
    return fitted, "" if fitted else reason


def forecast_volatility(model: VolatilityModel, blocks: pl.DataFrame) -> pl.DataFrame:
    """Variance forecasts for the block after each block.

    A forecast uses blocks up to its ``ts`` and nothing later, so that blocks may also hold what is to be
    judged.

    Args:
        model: Fitted model.
        blocks: ``ts_start, ts, symbol, rv`` and optionally ``date``, including enough history for the EWMA.

    Returns:
        ``ts`` (when it was made, ns UTC), ``target_ts`` (right edge of the block it is for), ``symbol``,
        ``naive`` (training mean), ``ewma``, ``ewma_diurnal`` (null without a shape of the day), ``har`` (null
        where not offered or the instrument was not trained), ``rv`` (realised, null where not known).
        Variances per block, not annualised.
    """
    prepared = prepare(blocks, model.config.block_s)
    parts = [
        _forecast_one(model, str(symbol), part) for (symbol,), part in prepared.group_by("symbol", maintain_order=True)
    ]
    schema = {"ts": pl.Int64, "target_ts": pl.Int64, "symbol": pl.String}
    schema |= dict.fromkeys(("naive", "ewma", "ewma_diurnal", "har", "rv"), pl.Float64)
    return pl.concat(parts).sort("ts", "symbol") if parts else pl.DataFrame(schema=schema)


def _forecast_one(model: VolatilityModel, symbol: str, blocks: pl.DataFrame) -> pl.DataFrame:
    rv, slot = blocks["rv"].to_numpy(), blocks["slot"].to_numpy()
    floor = FLOOR * np.cumsum(rv) / np.arange(1, rv.size + 1)
    now, after = factor(model.profile, slot), factor(model.profile, slot + 1)
    shaped = np.full(rv.size, np.nan)
    if model.profile is not None:
        shaped = np.maximum(ewma(rv / now, model.config.ewma_lambda) * after, floor)
    scale = model.scale.get(symbol)
    columns = {
        "naive": np.full(rv.size, np.nan if scale is None else scale),
        "ewma": np.maximum(ewma(rv, model.config.ewma_lambda), floor),
        "ewma_diurnal": shaped,
        "har": _har(model, scale, blocks),
        "rv": blocks["next_rv"].cast(pl.Float64).to_numpy(),
    }
    # a variance forecast of exactly zero says that nothing is known yet
    values = [pl.Series(name, np.where(v > 0, v, np.nan) if name != "rv" else v) for name, v in columns.items()]
    target = (pl.col("ts") + model.config.block_s * NS_PER_S).alias("target_ts")
    return blocks.select("ts", target, "symbol").with_columns(values).with_columns(pl.col(pl.Float64).fill_nan(None))


def _har(model: VolatilityModel, scale: float | None, blocks: pl.DataFrame) -> Floats:
    forecast = np.full(blocks.height, np.nan)
    if model.har is None or scale is None:
        return forecast
    done = 0
    for _, day in blocks.group_by("date", maintain_order=True):
        series, after = _relative(day, scale, model.profile)
        forecast[done : done + day.height] = model.har.predict(series) * after
        done += day.height
    return forecast


def forecast_daily(model: VolatilityModel, blocks: pl.DataFrame) -> pl.DataFrame:
    """Variance of the next session, where a daily HAR is offered.

    Args:
        model: Fitted model.
        blocks: As for `forecast_volatility`.

    Returns:
        ``symbol``, ``date`` (last whole date used), ``har_daily`` (variance per session, not annualised); one
        row an instrument with at least 22 whole dates, none where no daily HAR was fitted.
    """
    records = []
    days = daily_variance(prepare(blocks, model.config.block_s))
    for (symbol,), part in days.group_by("symbol", maintain_order=True):
        fitted = model.daily.get(str(symbol))
        if fitted is None or part.height < fitted.windows[-1]:
            continue
        series = part["rv"].to_numpy()
        predicted = fitted.predict(np.maximum(series, FLOOR * series.mean()))[-1]
        records.append({"symbol": str(symbol), "date": part["date"][-1], "har_daily": float(predicted)})
    return pl.DataFrame(records, schema={"symbol": pl.String, "date": pl.String, "har_daily": pl.Float64})
