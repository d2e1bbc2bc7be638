"""Limits a risk gate enforces: made of volatility, correlation and turnover, tightened by what looks dangerous tonight.

A *base* limit rests on ordinary conditions: the training median of the volatility, the long-run correlation, average
volume. A *factor* in [0, 1] tightens it; no forecast ever loosens a limit beyond its base. With V = capital x
``daily_var_share``, z the normal quantile of ``confidence``, s_i the median and f_i the forecast volatility of
instrument i over a session, R and Q the long-run and the recent correlation:

- position: min(``name_share`` V / (z s_i), ``max_leverage`` capital, ``adv_share`` x average daily value traded)
- order: ``order_adv_share`` of average daily volume, at most the position
- price collar: max(``collar_floor_bps``, ``collar_sigmas`` x median volatility of a block)
- gross: positions of equal risk whose value at risk is V, c sum 1/s_i with c = V / (z sqrt(1'|R|1)), at most
  ``max_leverage`` capital; |R| because signs may be chosen badly
- volatility factor: min(1, s_i / f_i); correlation factor: min(1, sqrt(1'|R|1 / 1'|Q|1)); alarm factor:
  ``alarm_factor`` where the instrument raised an alarm recently, else 1

Value at risk under normal returns: Jorion 2006, Value at Risk, ch. 5 and 7. Tails are heavier than normal, which is why
the collar and the leverage bound stand beside it.

Here: formulas. Not here: forecasts (models/volatility, models/correlation, models/anomaly), the gate (live/).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm

from feeds.errors import SchemaError

FORMAT = 1
PORTFOLIO = "*"
_FRAME = {
    "scope": pl.String,
    "limit": pl.String,
    "value": pl.Float64,
    "unit": pl.String,
    "base": pl.Float64,
    "tightened_by": pl.Float64,
    "reason": pl.String,
}
NOTES = (
    "A base limit rests on median volatility, long-run correlation and average volume of the training window; factors "
    "only tighten it.",
    "Value at risk: one session, normal returns, no overnight gap; positions of the worst signs for the portfolio.",
    "A price collar does not widen with volatility: the order is refused instead.",
)


@dataclass(frozen=True)
class LimitConfig:
    """What the limits rest on.

    Attributes:
        capital: In the instruments' currency.
        daily_var_share: Largest value at risk of the book over a session, as a share of capital.
        block_s: Length of a volatility block, seconds.
        session_s: Length of a session, seconds.
        max_leverage: Gross positions at most, in multiples of capital.
        confidence: Of the value at risk.
        name_share: Share of the book's value at risk one instrument may use alone.
        adv_share: Largest position as a share of average daily volume.
        order_adv_share: Largest order as a share of average daily volume.
        collar_sigmas: Distance of the price collar in block volatilities.
        collar_floor_bps: Least distance of the collar.
        orders_per_s: Orders an instrument may send per second.
        alarm_factor: What is left of a limit after a recent alarm.
    """

    capital: float
    daily_var_share: float
    block_s: int
    session_s: float
    max_leverage: float = 2.0
    confidence: float = 0.99
    name_share: float = 0.5
    adv_share: float = 0.02
    order_adv_share: float = 0.001
    collar_sigmas: float = 6.0
    collar_floor_bps: float = 5.0
    orders_per_s: float = 10.0
    alarm_factor: float = 0.5


@dataclass(frozen=True)
class RiskLimits:
    """Limits and what they were made of.

    Attributes:
        frame: ``scope`` (symbol or "*"), ``limit, value, unit, base, tightened_by`` (product of the factors),
            ``reason``.
        valid_from_ns: From when they hold, ns UTC.
        model_ids: Model family -> id of the model behind the numbers.
        session_volatility: Symbol -> volatility of a session the gate measures value at risk with, as a fraction;
            null where there is no forecast.
        correlation: Symbol -> symbol -> recent correlation.
        config: Settings.
        notes: What the limits rest on.
    """

    frame: pl.DataFrame
    valid_from_ns: int
    model_ids: Mapping[str, str]
    session_volatility: Mapping[str, float | None]
    correlation: Mapping[str, Mapping[str, float]]
    config: LimitConfig
    notes: tuple[str, ...] = NOTES

    def to_json(self) -> str:
        """The file the gate reads: strict JSON, keys sorted."""
        limits: dict[str, dict[str, Any]] = {}
        for row in self.frame.iter_rows(named=True):
            limits.setdefault(row["scope"], {})[row["limit"]] = {
                name: row[name] for name in ("value", "unit", "base", "tightened_by", "reason")
            }
        tree = {
            "format": FORMAT,
            "valid_from_ns": self.valid_from_ns,
            "models": dict(self.model_ids),
            "capital": self.config.capital,
            "confidence": self.config.confidence,
            "limits": limits,
            "session_volatility": dict(self.session_volatility),
            "correlation": {name: dict(row) for name, row in self.correlation.items()},
            "notes": list(self.notes),
        }
        return json.dumps(tree, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class _Name:
    """One instrument's numbers: volatilities of a session, currency per lot, lots per day, recent alarms."""

    symbol: str
    usual: float | None
    now: float | None
    lot_value: float
    adv_lots: float | None
    alarms: int

    @property
    def volatility(self) -> float | None:
        """The larger of forecast and median; None without a forecast."""
        return None if self.usual is None or self.now is None else max(self.usual, self.now)


def risk_limits(
    volatility: pl.DataFrame,
    correlation: pl.DataFrame | None,
    alarms: pl.DataFrame | None,
    market: pl.DataFrame,
    config: LimitConfig,
    *,
    valid_from_ns: int,
    model_ids: Mapping[str, str] | None = None,
) -> RiskLimits:
    """Limits for the instruments of ``market``.

    An instrument without a volatility forecast may hold nothing. Without correlations all instruments count as moving
    as one.

    Args:
        volatility: ``symbol, variance`` (latest forecast of the variance of log returns over ``block_s``),
            ``median_variance`` (of the training window).
        correlation: As from `models.correlation.correlation_frame`: ``ledoit_wolf`` is the long-run one, ``ewma`` the
            recent one.
        alarms: As from `models.anomaly.recent_alarms`; None: no alarm is known of.
        market: ``symbol, lot_value`` (currency per lot at the latest mid), ``adv_lots`` (average daily volume; null
            where not known, and then volume bounds nothing).
        config: Settings.
        valid_from_ns: From when the limits hold, ns UTC.
        model_ids: Model family -> id.

    Raises:
        SchemaError: A column is missing, or an instrument stands twice in ``market``.
    """
    names = _names(volatility, alarms, market, config)
    symbols = [one.symbol for one in names]
    usual, recent = (_square(correlation, symbols, column) for column in ("ledoit_wolf", "ewma"))
    rows = [row for one in names for row in _of_name(one, config)]
    rows += _of_portfolio(names, usual, recent, config)
    return RiskLimits(
        frame=pl.DataFrame(rows, schema=_FRAME),
        valid_from_ns=valid_from_ns,
        model_ids=dict(model_ids or {}),
        session_volatility={one.symbol: one.volatility for one in names},
        correlation={a: {b: float(recent[i, j]) for j, b in enumerate(symbols)} for i, a in enumerate(symbols)},
        config=config,
    )


def _names(
    volatility: pl.DataFrame, alarms: pl.DataFrame | None, market: pl.DataFrame, config: LimitConfig
) -> list[_Name]:
    _require(volatility, "volatility", ("symbol", "variance", "median_variance"))
    _require(market, "market", ("symbol", "lot_value", "adv_lots"))
    if market["symbol"].is_duplicated().any():
        raise SchemaError("limits: market", received="an instrument twice", expected="one row an instrument")
    variances = {row["symbol"]: row for row in volatility.iter_rows(named=True)}
    counted: dict[str, int] = {}
    if alarms is not None:
        _require(alarms, "alarms", ("symbol", "alarms"))
        counted = {str(symbol): int(count or 0) for symbol, count in alarms.select("symbol", "alarms").iter_rows()}
    blocks = config.session_s / config.block_s
    found = []
    for row in market.sort("symbol").iter_rows(named=True):
        variance = variances.get(row["symbol"], {})
        usual, now = (_root(variance.get(name), blocks) for name in ("median_variance", "variance"))
        adv = row["adv_lots"] if _positive(row["adv_lots"]) else None
        found.append(_Name(row["symbol"], usual or now, now, row["lot_value"], adv, counted.get(row["symbol"], 0)))
    return found


def _require(frame: pl.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    if missing := [column for column in columns if column not in frame.columns]:
        raise SchemaError(f"limits: {name}", received=f"columns {frame.columns}", expected=f"also {missing}")


def _positive(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0.0


def _root(variance: float | None, blocks: float) -> float | None:
    return math.sqrt(variance * blocks) if variance is not None and _positive(variance) else None


def _of_name(one: _Name, config: LimitConfig) -> list[dict[str, Any]]:
    z = float(norm.ppf(config.confidence))
    budget = config.name_share * config.capital * config.daily_var_share
    bounds = {"the leverage bound": config.max_leverage * config.capital}
    if one.adv_lots is not None:
        bounds["average volume"] = config.adv_share * one.adv_lots * one.lot_value
    if one.usual is not None:
        bounds["value at risk"] = budget / (z * one.usual)
    bound = min(bounds, key=lambda name: bounds[name])
    volatility, alarm, why = _factors(one, config)
    factor, notional = volatility * alarm, bounds[bound]
    lots = notional / one.lot_value if one.lot_value > 0.0 else 0.0
    order = lots if one.adv_lots is None else min(lots, config.order_adv_share * one.adv_lots)
    block = 0.0 if one.usual is None else one.usual * math.sqrt(config.block_s / config.session_s)
    collar = max(config.collar_floor_bps, config.collar_sigmas * 1e4 * block)
    place = f"base set by {bound}; {why}"
    return [
        _row(one.symbol, "max_position_notional", notional, "currency", factor, place),
        _row(one.symbol, "max_position_lots", math.floor(lots), "lots", factor, place),
        _row(one.symbol, "max_order_lots", math.floor(order), "lots", factor, why),
        _row(one.symbol, "price_collar_bps", collar, "bps", alarm, _alarm_words(one)),
        _row(one.symbol, "max_orders_per_s", config.orders_per_s, "1/s", factor, why),
    ]


def _factors(one: _Name, config: LimitConfig) -> tuple[float, float, str]:
    """Volatility factor, alarm factor and both in words."""
    alarm = config.alarm_factor if one.alarms else 1.0
    if one.usual is None or one.now is None:
        return 0.0, alarm, "no volatility forecast: no position"
    factor = min(1.0, one.usual / one.now)
    words = f"forecast volatility {one.now / one.usual:.2f} × its median"
    return factor, alarm, f"{words}; {_alarm_words(one)}" if one.alarms else words


def _alarm_words(one: _Name) -> str:
    return f"{one.alarms} recent alarm{'' if one.alarms == 1 else 's'}" if one.alarms else "no recent alarm"


def _row(scope: str, limit: str, base: float, unit: str, factor: float, reason: str) -> dict[str, Any]:
    value = base * factor
    return {
        "scope": scope,
        "limit": limit,
        "value": float(math.floor(value)) if unit == "lots" else value,
        "unit": unit,
        "base": float(base),
        "tightened_by": factor,
        "reason": reason,
    }


def _of_portfolio(
    names: list[_Name], usual: np.ndarray, recent: np.ndarray, config: LimitConfig
) -> list[dict[str, Any]]:
    budget = config.capital * config.daily_var_share
    priced = [place for place, one in enumerate(names) if one.usual is not None]
    alarmed = sum(1 for one in names if one.alarms)
    # half of the instruments in alarm take half of what all of them would
    alarm = 1.0 - (1.0 - config.alarm_factor) * alarmed / max(1, len(names))
    alarms = f"{alarmed} of {len(names)} instruments raised an alarm"
    rows = [_row(PORTFOLIO, f"value_at_risk_{100 * config.confidence:g}", budget, "currency", alarm, alarms)]
    if not priced:
        return [*rows, _row(PORTFOLIO, "max_gross_notional", 0.0, "currency", 0.0, "no volatility forecast")]
    inverse = np.array([1.0 / names[place].usual for place in priced])  # type: ignore[operator]
    ahead = np.array([1.0 / v if (v := names[place].volatility) else 0.0 for place in priced])
    before, after = (math.sqrt(float(np.abs(r[np.ix_(priced, priced)]).sum())) for r in (usual, recent))
    gross = budget / (float(norm.ppf(config.confidence)) * before) * float(inverse.sum())
    volatility = float(ahead.sum() / inverse.sum())
    together = min(1.0, before / after)
    reason = f"volatility factor {volatility:.2f}, correlation factor {together:.2f}; {alarms}"
    gross = min(gross, config.max_leverage * config.capital)
    return [*rows, _row(PORTFOLIO, "max_gross_notional", gross, "currency", volatility * together * alarm, reason)]


def _square(correlation: pl.DataFrame | None, symbols: list[str], column: str) -> np.ndarray:
    """Matrix in the order of ``symbols``; a pair that is not known moves as one."""
    square = np.ones((len(symbols), len(symbols)))
    if correlation is None:
        return square
    _require(correlation, "correlation", ("symbol_a", "symbol_b", column))
    place = {symbol: k for k, symbol in enumerate(symbols)}
    for a, b, value in correlation.select("symbol_a", "symbol_b", column).iter_rows():
        if a in place and b in place and value is not None and math.isfinite(value):
            square[place[a], place[b]] = value
    return square
