"""A forecast traded at the quoted spread: what it would have earned before and after cost.

Returns are simple returns of a fixed notional in bps, so they add up. Orders are assumed small: no market
impact, no queue; the simulator judges those (sim/).

Here: positions from forecasts, their profit and cost. Not here: statistics (models/metrics/performance.py),
forecasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.errors import InsufficientDataError, SchemaError, StudyError
from models.metrics.forecast import NS_PER_MS, Floats
from models.metrics.performance import (
    annualised_return,
    annualised_volatility,
    deflated_sharpe,
    max_drawdown,
    moments,
    sharpe,
)

#: Fewer days than this and nothing is annualised.
MIN_DAYS_TO_ANNUALISE = 5
#: A shorter test makes no claim about skill.
MIN_CLAIM_NS = 3_600_000_000_000

Stamps = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CostModel:
    """What trading costs.

    Attributes:
        fee_bps: Commission and exchange fee per side, bps of notional.
        half_spread: Whether each side also pays half the spread quoted at execution.
        latency_ms: From decision to execution.

    Raises:
        StudyError: A cost is negative.
    """

    fee_bps: float
    half_spread: bool = True
    latency_ms: int = 0

    def __post_init__(self) -> None:
        if not (self.fee_bps >= 0 and self.latency_ms >= 0):
            raise StudyError(
                "costs",
                received=f"fee_bps {self.fee_bps}, latency_ms {self.latency_ms}",
                expected="not negative",
            )

    def per_side_bps(self, spread_bps: Floats) -> Floats:
        """Cost of trading one notional once at each quoted spread, bps."""
        return self.fee_bps + (0.5 * spread_bps if self.half_spread else np.zeros_like(spread_bps))


@dataclass(frozen=True)
class PositionRule:
    """From forecast to position.

    A forecast whose size exceeds ``cost_multiple`` round trips (two sides at the spread quoted at the
    decision) opens one notional in its direction. It is held until ``horizon_ms`` after the last forecast
    that confirmed it; a forecast as strong against it reverses it. Every position is closed at the end of its
    session (UTC date).

    Attributes:
        horizon_ms: Horizon of the forecast.
        cost_multiple: Round-trip costs a forecast must exceed; 0 trades on every forecast that is not zero.
    """

    horizon_ms: int
    cost_multiple: float = 1.0


@dataclass(frozen=True)
class BacktestResult:
    """Outcome of one backtest.

    Attributes:
        curve: By ``ts`` (ns UTC), instruments on equal shares of the capital: ``gross_period_bps,
            cost_period_bps, net_period_bps`` since the row before, ``turnover`` (one-way, multiples of
            capital), ``position`` (net) and ``exposure`` (absolute) held from here on, ``gross_bps, net_bps``
            (cumulative), and ``blind_gross_bps, blind_net_bps``: the same for a rule that ignores cost.
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

    Raises:
        SchemaError: A column is missing or ``market`` has two rows of one instrument and time.
        InsufficientDataError: No instrument has both a forecast and a price at or after it.
    """
    signals, prices = _inputs(forecast, market)
    parts = [
        _trade(str(symbol), session, signals.filter(pl.col("symbol") == symbol), costs, rule)
        for (symbol, _), session in prices.group_by("symbol", "date", maintain_order=True)
    ]
    legs = pl.concat([part[0] for part in parts])
    trades = pl.concat([part[1] for part in parts])
    symbols = int(legs["symbol"].n_unique())
    curve = _portfolio(legs, symbols)
    summary = _summary(curve, trades, symbols, n_trials, days_per_year)
    return BacktestResult(curve.drop("date"), summary, _by_symbol(legs, trades))


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
) -> Floats:
    """Position of one instrument in one session, -1, 0 or 1 from each price row on; 0 on the last row.

    Args:
        price_ts: Grid times, ascending, ns.
        spread_bps: Quoted spread at each.
        signal_ts: Times of the forecasts, ascending, ns.
        forecast_bps: The forecasts.
        costs: Latency and the cost a forecast must exceed.
        rule: Threshold and holding time.
    """
    quoted = np.searchsorted(price_ts, signal_ts, side="right") - 1
    threshold = rule.cost_multiple * 2.0 * costs.per_side_bps(spread_bps[np.maximum(quoted, 0)])
    # before the first quote of the session there is no cost to compare with
    strong = (quoted >= 0) & (np.abs(forecast_bps) > threshold)
    times, side = signal_ts[strong], np.sign(forecast_bps[strong])
    known_until = price_ts - costs.latency_ms * NS_PER_MS
    latest = np.searchsorted(times, known_until, side="right") - 1
    held = np.zeros(price_ts.size)
    seen = latest >= 0
    age = known_until[seen] - times[latest[seen]]
    held[seen] = np.where(age < rule.horizon_ms * NS_PER_MS, side[latest[seen]], 0.0)
    held[-1] = 0.0
    return held


def _trade(
    symbol: str, session: pl.DataFrame, signals: pl.DataFrame, costs: CostModel, rule: PositionRule
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
    side_cost = costs.per_side_bps(spread)
    returns = np.concatenate([[0.0], 1e4 * (mid[1:] / mid[:-1] - 1.0)])
    held = positions(*arguments, rule)
    blind = positions(*arguments, PositionRule(rule.horizon_ms, 0.0))
    columns: dict[str, Any] = {}
    for prefix, position in (("", held), ("blind_", blind)):
        before = np.concatenate([[0.0], position[:-1]])
        changed = np.abs(position - before)
        columns[f"{prefix}gross"] = before * returns
        columns[f"{prefix}cost"] = changed * side_cost
        columns[f"{prefix}turnover"] = changed
    legs = session.select("ts", "symbol", "date").with_columns(
        pl.Series("position", held), *(pl.Series(name, values) for name, values in columns.items())
    )
    return legs, _round_trips(symbol, held, columns["gross"], side_cost)


def _round_trips(symbol: str, held: Floats, gross: Floats, side_cost: Floats) -> pl.DataFrame:
    before = np.concatenate([[0.0], held[:-1]])
    opened = np.flatnonzero((held != before) & (held != 0.0))
    closed = np.flatnonzero((held != before) & (before != 0.0))
    earned = [float(gross[a + 1 : b + 1].sum()) for a, b in zip(opened, closed, strict=True)]
    paid = [float(side_cost[a] + side_cost[b]) for a, b in zip(opened, closed, strict=True)]
    schema = {"symbol": pl.String, "gross": pl.Float64, "cost": pl.Float64}
    return pl.DataFrame({"symbol": [symbol] * len(earned), "gross": earned, "cost": paid}, schema=schema)


def _portfolio(legs: pl.DataFrame, symbols: int) -> pl.DataFrame:
    flows = ["gross", "cost", "turnover", "blind_gross", "blind_cost"]
    exposure = pl.col("position").abs().alias("exposure")
    # sorted, so that each sum over instruments runs in one fixed order
    by_time = (
        legs.with_columns(exposure)
        .sort("ts", "symbol")
        .group_by("ts", maintain_order=True)
        .agg(pl.col("date").first(), pl.col(*flows, "position", "exposure").sum() / symbols)
    )
    net, blind_net = pl.col("gross") - pl.col("cost"), pl.col("blind_gross") - pl.col("blind_cost")
    return by_time.select(
        "ts",
        "date",
        pl.col("gross").alias("gross_period_bps"),
        pl.col("cost").alias("cost_period_bps"),
        net.alias("net_period_bps"),
        "turnover",
        "position",
        "exposure",
        pl.col("gross").cum_sum().alias("gross_bps"),
        net.cum_sum().alias("net_bps"),
        pl.col("blind_gross").cum_sum().alias("blind_gross_bps"),
        blind_net.cum_sum().alias("blind_net_bps"),
    )


def _summary(
    curve: pl.DataFrame, trades: pl.DataFrame, symbols: int, n_trials: int, days_per_year: float
) -> dict[str, Any]:
    days = int(curve["date"].n_unique())
    annualise = days >= MIN_DAYS_TO_ANNUALISE
    summary: dict[str, Any] = {}
    for side in ("gross", "net"):
        returns = curve[f"{side}_period_bps"].to_numpy()
        earned = trades["gross"] - (trades["cost"] if side == "net" else 0.0)
        daily = curve.group_by("date", maintain_order=True).agg(pl.col(f"{side}_period_bps").sum())
        by_day = daily[f"{side}_period_bps"].to_numpy() / 1e4
        summary |= {
            f"{side}_total_bps": float(curve[f"{side}_bps"][-1]),
            f"{side}_max_drawdown_bps": max_drawdown(returns),
            f"{side}_hit_rate": float((earned > 0).mean()) if trades.height else None,  # type: ignore[arg-type]
            f"{side}_sharpe_per_period": sharpe(returns, 1.0).per_period,
            f"{side}_sharpe_annualised": sharpe(by_day, days_per_year).value if annualise else None,
            f"{side}_annualised_return": annualised_return(by_day, days_per_year).value if annualise else None,
            f"{side}_annualised_volatility": annualised_volatility(by_day, days_per_year).value if annualise else None,
            f"cost_blind_{side}_total_bps": float(curve[f"blind_{side}_bps"][-1]),
        }
    return summary | {
        "cost_total_bps": float(curve["cost_period_bps"].sum()),
        "turnover": float(curve["turnover"].sum()),
        "trades": trades.height,
        "instruments": symbols,
        "days": days,
        "periods": curve.height,
        "n_trials": n_trials,
        "deflated_sharpe": _deflated(curve, n_trials),
        "annualisation": f"daily returns x {days_per_year:g} days a year"
        if annualise
        else f"nothing is annualised: {days} {'day' if days == 1 else 'days'} of returns, "
        f"at least {MIN_DAYS_TO_ANNUALISE} are needed",
        "rule_note": _rule_note(trades),
    }


def _deflated(curve: pl.DataFrame, n_trials: int) -> float | None:
    """Of the net period returns, taken as independent; None below an hour of test."""
    span = int(curve["ts"][-1]) - int(curve["ts"][0])
    returns = curve["net_period_bps"].to_numpy()
    ratio = sharpe(returns, 1.0)
    if ratio.per_period is None or span < MIN_CLAIM_NS:
        return None
    return deflated_sharpe(ratio.per_period, n_trials, ratio.observations, *moments(returns))


def _rule_note(trades: pl.DataFrame) -> str:
    if trades.is_empty():
        return (
            "no forecast exceeded the cost of a round trip, so the cost-aware rule never traded; "
            "the cost-blind figures show what trading anyway would have brought"
        )
    return "the cost-blind figures trade on every forecast, whatever it costs"


def _by_symbol(legs: pl.DataFrame, trades: pl.DataFrame) -> pl.DataFrame:
    sums = legs.group_by("symbol", maintain_order=True).agg(
        pl.col("gross").sum().alias("gross_total_bps"),
        (pl.col("gross") - pl.col("cost")).sum().alias("net_total_bps"),
        pl.col("cost").sum().alias("cost_total_bps"),
        pl.col("turnover").sum(),
        pl.col("blind_gross").sum().alias("cost_blind_gross_total_bps"),
        (pl.col("blind_gross") - pl.col("blind_cost")).sum().alias("cost_blind_net_total_bps"),
    )
    trips = trades.group_by("symbol", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("trades"), (pl.col("gross") > 0).mean().alias("hit_rate")
    )
    joined = sums.join(trips, on="symbol", how="left").sort("symbol")
    return joined.with_columns(pl.col("trades").fill_null(0))
