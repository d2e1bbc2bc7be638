"""A forecast traded at the quoted spread: what it would have earned before and after cost.

Returns are simple returns of a fixed notional in bps, so they add up. Orders are assumed small: no market
impact, no queue, unless the cost per side was measured by executing orders (`CostModel.measured_bps`).

Here: positions from forecasts, their profit and cost. Not here: sizes (models/position_size.py), cost per side
(models/trading_cost.py), figures (models/backtest_summary.py), forecasts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.errors import InsufficientDataError, SchemaError, StudyError
from models.backtest_summary import by_symbol_table, cost_figures, scaling_figures, summarise, threshold_note
from models.metrics.forecast import NS_PER_MS, Floats
from models.position_size import VolatilityPath, sized, volatility_paths
from models.trading_cost import CostModel

__all__ = ["BacktestResult", "CostModel", "PositionRule", "positions", "run_backtest"]

Stamps = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PositionRule:
    """From forecast to position.

    A forecast whose size exceeds ``cost_multiple`` round trips (two sides at the cost known at the
    decision) opens a position in its direction. It is held until ``horizon_ms`` after the last forecast
    that confirmed it; a forecast as strong against it reverses it. Every position is closed at the end of its
    session (UTC date).

    Attributes:
        horizon_ms: Horizon of the forecast.
        cost_multiple: Round-trip costs a forecast must exceed; 0 trades on every forecast that is not zero.
        target_volatility_bps: Wanted volatility of one position over the horizon: a trade opens with target over
            forecast volatility notionals and keeps that size. None: always one notional.
        max_leverage: Largest size; also caps the one notional of a trade without a volatility forecast.

    Raises:
        StudyError: Target or cap is not positive and finite.
    """

    horizon_ms: int
    cost_multiple: float = 1.0
    target_volatility_bps: float | None = None
    max_leverage: float = 1.0

    def __post_init__(self) -> None:
        target = 1.0 if self.target_volatility_bps is None else self.target_volatility_bps
        if not (0 < target < math.inf and 0 < self.max_leverage < math.inf):
            raise StudyError(
                "position rule",
                received=f"target_volatility_bps {target}, max_leverage {self.max_leverage}",
                expected="positive and finite",
            )


@dataclass(frozen=True)
class BacktestResult:
    """Outcome of one backtest.

    Attributes:
        curve: By ``ts`` (ns UTC), instruments on equal shares of the capital: ``gross_period_bps,
            cost_period_bps, net_period_bps`` since the row before, ``turnover`` (one-way, multiples of
            capital), ``position`` (net) and ``exposure`` (absolute) held from here on, ``gross_bps, net_bps``
            (cumulative), and ``blind_gross_bps, blind_net_bps``: the same for a rule that ignores cost and trades
            one notional. With volatility scaling also ``unscaled_gross_bps, unscaled_net_bps``, with measured cost
            ``assumed_net_bps``.
        summary: Figures and reasons by name, ready for JSON; null where undefined.
        by_symbol: One line an instrument on capital of its own.
    """

    curve: pl.DataFrame
    summary: dict[str, Any]
    by_symbol: pl.DataFrame


def run_backtest(
    forecast: pl.DataFrame,
    market: pl.DataFrame,
    costs: CostModel,
    rule: PositionRule,
    n_trials: int = 1,
    days_per_year: float = 252.0,
    volatility: pl.DataFrame | None = None,
) -> BacktestResult:
    """Trade ``forecast`` in ``market``.

    The position from ``ts`` on uses forecasts made at or before ``ts`` - latency and earns the mid returns
    after ``ts``; a change of position pays the cost per side at ``ts``.

    Args:
        forecast: ``ts`` (int64 ns), ``symbol``, ``forecast_bps``; missing forecasts are no signal.
        market: ``ts``, ``symbol``, ``mid_ticks``, ``spread_bps`` on the decision grid; rows without mid or
            spread are left out. Rows before the first forecast are not traded.
        costs: What trading costs.
        rule: From forecast to position.
        n_trials: Trials behind the forecast, for the deflated Sharpe ratio.
        days_per_year: Annualisation, used from five days on.
        volatility: ``symbol``, ``ts`` (when made), ``target_ts`` (end of the block, ns), ``variance`` (over the
            block; `models.position_size.variance_of` makes it); read where ``rule`` has a target. A trade uses the
            latest one made at or before the forecast that opened it.

    Raises:
        SchemaError: A column is missing or ``market`` has two rows of one instrument and time.
        InsufficientDataError: No instrument has both a forecast and a price at or after it.
    """
    signals, prices = _inputs(forecast, market)
    paths = volatility_paths(volatility) if rule.target_volatility_bps is not None else {}
    parts = [
        _trade(str(symbol), session, signals.filter(pl.col("symbol") == symbol), costs, rule, paths.get(str(symbol)))
        for (symbol, _), session in prices.group_by("symbol", "date", maintain_order=True)
    ]
    legs = pl.concat([part[0] for part in parts])
    trades = pl.concat([part[1] for part in parts])
    traded = sorted(legs["symbol"].unique().to_list())
    flows = _portfolio(legs, len(traded))
    curve = _curve(flows)
    summary = summarise(curve, trades, len(traded), n_trials, days_per_year)
    if rule.target_volatility_bps is not None:
        summary |= scaling_figures(flows, trades, rule.target_volatility_bps, rule.horizon_ms, rule.max_leverage)
    if costs.measured_bps is not None:
        summary |= cost_figures(flows, costs, traded)
    if note := threshold_note(costs, traded):
        summary["threshold_note"] = note
    return BacktestResult(curve.drop("date"), summary, by_symbol_table(legs, trades))


def _inputs(forecast: pl.DataFrame, market: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    for name, frame, wanted in (
        ("forecast", forecast, {"ts", "symbol", "forecast_bps"}),
        ("market", market, {"ts", "symbol", "mid_ticks", "spread_bps"}),
    ):
        if missing := wanted - set(frame.columns):
            raise SchemaError(name, received=f"columns {frame.columns}", expected=f"also {sorted(missing)}")
    if market.select("ts", "symbol").is_duplicated().any():
        raise SchemaError("market", received="two rows of one instrument and time", expected="one")
    known = pl.col("forecast_bps").cast(pl.Float64).is_finite().fill_null(False)
    signals = forecast.filter(known).select("ts", "symbol", "forecast_bps").sort("symbol", "ts")
    usable = pl.all_horizontal(pl.col("mid_ticks", "spread_bps").cast(pl.Float64).is_finite().fill_null(False))
    day = pl.from_epoch("ts", time_unit="ns").dt.date().alias("date")
    prices = market.filter(usable).select("ts", "symbol", "mid_ticks", "spread_bps", day).sort("symbol", "ts")
    if not signals.is_empty():
        first = int(signals["ts"].min())  # type: ignore[arg-type]
        traded = pl.col("symbol").is_in(signals["symbol"].unique().to_list())
        prices = prices.filter((pl.col("ts") >= first) & traded)
    if signals.is_empty() or prices.is_empty():
        raise InsufficientDataError(
            "backtest",
            received=f"{signals.height} forecasts, {prices.height} prices at or after them",
            expected="at least one of each",
            remedy="Materialise alpha_forecast and feature_table for the date.",
        )
    return signals, prices


def positions(
    price_ts: Stamps,
    spread_bps: Floats,
    signal_ts: Stamps,
    forecast_bps: Floats,
    costs: CostModel,
    rule: PositionRule,
    symbol: str = "",
) -> Floats:
    """Direction of one instrument in one session, -1, 0 or 1 from each price row on; 0 on the last row.

    Args:
        price_ts: Grid times, ascending, ns.
        spread_bps: Quoted spread at each.
        signal_ts: Times of the forecasts, ascending, ns.
        forecast_bps: The forecasts.
        costs: Latency and the cost a forecast must exceed.
        rule: Threshold and holding time.
        symbol: Instrument, for costs by instrument.
    """
    return _directions(price_ts, spread_bps, signal_ts, forecast_bps, costs, rule, symbol)[0]


def _directions(
    price_ts: Stamps,
    spread_bps: Floats,
    signal_ts: Stamps,
    forecast_bps: Floats,
    costs: CostModel,
    rule: PositionRule,
    symbol: str,
) -> tuple[Floats, Stamps]:
    """`positions`, and when the forecast behind each of them was made (the row's own time where there is none)."""
    quoted = np.searchsorted(price_ts, signal_ts, side="right") - 1
    known_cost = costs.decision_bps(spread_bps[np.maximum(quoted, 0)], symbol)
    threshold = rule.cost_multiple * 2.0 * known_cost
    # before the first quote of the session there is no cost to compare with
    strong = (quoted >= 0) & (np.abs(forecast_bps) > threshold)
    times, side = signal_ts[strong], np.sign(forecast_bps[strong])
    known_until = price_ts - costs.latency_ms * NS_PER_MS
    latest = np.searchsorted(times, known_until, side="right") - 1
    held = np.zeros(price_ts.size)
    decided = price_ts.copy()
    seen = latest >= 0
    decided[seen] = times[latest[seen]]
    age = known_until[seen] - decided[seen]
    held[seen] = np.where(age < rule.horizon_ms * NS_PER_MS, side[latest[seen]], 0.0)
    held[-1] = 0.0
    return held, decided


def _trade(
    symbol: str,
    session: pl.DataFrame,
    signals: pl.DataFrame,
    costs: CostModel,
    rule: PositionRule,
    path: VolatilityPath | None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Legs (one row a price) and round trips of one instrument in one session."""
    ts, mid = session["ts"].to_numpy(), session["mid_ticks"].cast(pl.Float64).to_numpy()
    spread = session["spread_bps"].cast(pl.Float64).to_numpy()
    # a forecast of an earlier session must not reach into this one
    inside = signals.filter(pl.col("ts").is_between(int(ts[0]), int(ts[-1])))
    arguments = (
        ts,
        spread,
        inside["ts"].to_numpy(),
        inside["forecast_bps"].cast(pl.Float64).to_numpy(),
        costs,
    )
    side_cost = costs.charged_bps(spread, symbol)
    returns = np.concatenate([[0.0], 1e4 * (mid[1:] / mid[:-1] - 1.0)])
    held, decided = _directions(*arguments, rule, symbol)
    blind = positions(*arguments, PositionRule(rule.horizon_ms, 0.0), symbol)
    position, volatility = held, None
    rows = {"blind_": blind}
    if rule.target_volatility_bps is not None:
        rows["unscaled_"] = held
        position, volatility = sized(
            held, decided, path, rule.horizon_ms, rule.target_volatility_bps, rule.max_leverage
        )
    columns: dict[str, Any] = {}
    for prefix, row in {"": position, **rows}.items():
        before = np.concatenate([[0.0], row[:-1]])
        changed = np.abs(row - before)
        columns[f"{prefix}gross"] = before * returns
        columns[f"{prefix}cost"] = changed * side_cost
        columns[f"{prefix}turnover"] = changed
    if costs.measured_bps is not None:
        columns["assumed_cost"] = columns["turnover"] * costs.per_side_bps(spread)
    legs = session.select("ts", "symbol", "date").with_columns(
        pl.Series("position", position), *(pl.Series(name, values) for name, values in columns.items())
    )
    return legs, _round_trips(symbol, position, columns["gross"], side_cost, volatility)


def _round_trips(
    symbol: str, position: Floats, gross: Floats, side_cost: Floats, volatility: Floats | None
) -> pl.DataFrame:
    before = np.concatenate([[0.0], position[:-1]])
    opened = np.flatnonzero((position != before) & (position != 0.0))
    closed = np.flatnonzero((position != before) & (before != 0.0))
    size = np.abs(position[opened])
    earned = [float(gross[a + 1 : b + 1].sum()) for a, b in zip(opened, closed, strict=True)]
    return pl.DataFrame(
        {
            "symbol": pl.Series([symbol] * len(earned), dtype=pl.String),
            "gross": pl.Series(earned, dtype=pl.Float64),
            "cost": size * (side_cost[opened] + side_cost[closed]),
            "size": size,
            "volatility": np.full(opened.size, np.nan) if volatility is None else volatility,
        }
    )


def _portfolio(legs: pl.DataFrame, symbols: int) -> pl.DataFrame:
    """Sums over the instruments at each time, on equal shares of the capital."""
    flows = [name for name in legs.columns if name not in ("ts", "symbol", "date", "position")]
    exposure = pl.col("position").abs().alias("exposure")
    # sorted, so that each sum over instruments runs in one fixed order
    return (
        legs.with_columns(exposure)
        .sort("ts", "symbol")
        .group_by("ts", maintain_order=True)
        .agg(pl.col("date").first(), pl.col(*flows, "position", "exposure").sum() / symbols)
    )


def _curve(flows: pl.DataFrame) -> pl.DataFrame:
    """`BacktestResult.curve` with its ``date``."""

    def net(prefix: str = "", cost: str = "") -> pl.Expr:
        return pl.col(f"{prefix}gross") - pl.col(cost or f"{prefix}cost")

    optional = []
    if "unscaled_gross" in flows.columns:
        optional += [
            pl.col("unscaled_gross").cum_sum().alias("unscaled_gross_bps"),
            net("unscaled_").cum_sum().alias("unscaled_net_bps"),
        ]
    if "assumed_cost" in flows.columns:
        optional.append(net(cost="assumed_cost").cum_sum().alias("assumed_net_bps"))
    return flows.select(
        "ts",
        "date",
        pl.col("gross").alias("gross_period_bps"),
        pl.col("cost").alias("cost_period_bps"),
        net().alias("net_period_bps"),
        "turnover",
        "position",
        "exposure",
        pl.col("gross").cum_sum().alias("gross_bps"),
        net().cum_sum().alias("net_bps"),
        pl.col("blind_gross").cum_sum().alias("blind_gross_bps"),
        net("blind_").cum_sum().alias("blind_net_bps"),
        *optional,
    )
