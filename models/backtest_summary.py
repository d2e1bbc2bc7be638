"""Figures and remarks of a backtest, made of its curve and its round trips.

Here: summing up. Not here: trading (models/backtest.py), the statistics (models/metrics/performance.py).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from models.metrics.performance import (
    annualised_return,
    annualised_volatility,
    deflated_sharpe,
    max_drawdown,
    moments,
    sharpe,
)
from models.trading_cost import CostModel

#: Fewer days than this and nothing is annualised.
MIN_DAYS_TO_ANNUALISE = 5
#: A shorter test makes no claim about skill.
MIN_CLAIM_NS = 3_600_000_000_000


def summarise(
    curve: pl.DataFrame, trades: pl.DataFrame, symbols: int, n_trials: int, days_per_year: float
) -> dict[str, Any]:
    """Figures every backtest has.

    Args:
        curve: As in `models.backtest.BacktestResult`, with ``date``.
        trades: Round trips: ``gross`` and ``cost`` in bps.
        symbols: Number of instruments.
        n_trials: Trials behind the forecast.
        days_per_year: Annualisation.
    """
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


def scaling_figures(
    flows: pl.DataFrame, trades: pl.DataFrame, target_bps: float, horizon_ms: int, most: float
) -> dict[str, Any]:
    """The unscaled control beside the scaled rule, and how the sizes came out.

    Args:
        flows: By time: ``unscaled_gross``, ``unscaled_cost``, ``unscaled_turnover`` of the portfolio, bps.
        trades: Round trips with ``size`` and ``volatility`` (NaN where no forecast was known).
        target_bps: Wanted volatility of one position over the horizon.
        horizon_ms: The horizon.
        most: Largest size.
    """
    gross, cost = flows["unscaled_gross"].to_numpy(), flows["unscaled_cost"].to_numpy()
    figures: dict[str, Any] = {}
    for side, returns in (("gross", gross), ("net", gross - cost)):
        figures |= {
            f"unscaled_{side}_total_bps": float(returns.sum()),
            f"unscaled_{side}_max_drawdown_bps": max_drawdown(returns),
            f"unscaled_{side}_sharpe_per_period": sharpe(returns, 1.0).per_period,
        }
    known = int(trades["volatility"].is_finite().sum())
    note = (
        f"each trade is sized when it opens to a forecast volatility of {target_bps:g} bps over {horizon_ms / 1000:g} s"
        f", at most {most:g} notionals; {known} of {trades.height} trades had a forecast, the others have size "
        f"{min(1.0, most):g}; the unscaled control and the cost-blind figures trade one notional"
    )
    return figures | {
        "unscaled_cost_total_bps": float(cost.sum()),
        "unscaled_turnover": float(flows["unscaled_turnover"].sum()),
        "mean_size": float(trades["size"].mean()) if trades.height else None,  # type: ignore[arg-type]
        "trades_with_forecast": known,
        "size_note": note,
    }


def cost_figures(flows: pl.DataFrame, costs: CostModel, traded: list[str]) -> dict[str, Any]:
    """The cost that was assumed beside the one that was measured and charged.

    Args:
        flows: By time: ``gross``, ``cost`` (charged), ``assumed_cost`` of the portfolio, bps.
        costs: With ``measured_bps``.
        traded: Instruments of the backtest.
    """
    assumed, charged = (float(flows[name].sum()) for name in ("assumed_cost", "cost"))
    without = [symbol for symbol in traded if symbol not in (costs.measured_bps or {})]
    note = "charged is the implementation shortfall that execution measured per side, fees included"
    if without:
        note += f"; not measured and charged as assumed: {', '.join(without)}"
    return {
        "cost_assumed_total_bps": assumed,
        "cost_measured_total_bps": charged,
        "assumed_cost_net_total_bps": float(flows["gross"].sum()) - assumed,
        "cost_note": f"{note}; the assumed cost is the fee and half the quoted spread",
    }


def threshold_note(costs: CostModel, traded: list[str]) -> str:
    """Which cost a forecast had to exceed, where it was not the quoted one."""
    expected = [symbol for symbol in traded if symbol in (costs.expected_bps or {})]
    names = "" if len(expected) == len(traded) else f" ({', '.join(expected)})"
    return f"a forecast must exceed the cost measured before the night{names}" if expected else ""


def by_symbol_table(legs: pl.DataFrame, trades: pl.DataFrame) -> pl.DataFrame:
    """One line an instrument on capital of its own."""
    optional = [pl.col(name).sum().alias(f"{name}_total_bps") for name in ("assumed_cost",) if name in legs.columns]
    sums = legs.group_by("symbol", maintain_order=True).agg(
        pl.col("gross").sum().alias("gross_total_bps"),
        (pl.col("gross") - pl.col("cost")).sum().alias("net_total_bps"),
        pl.col("cost").sum().alias("cost_total_bps"),
        *optional,
        pl.col("turnover").sum(),
        pl.col("blind_gross").sum().alias("cost_blind_gross_total_bps"),
        (pl.col("blind_gross") - pl.col("blind_cost")).sum().alias("cost_blind_net_total_bps"),
    )
    trips = trades.group_by("symbol", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("trades"), (pl.col("gross") > 0).mean().alias("hit_rate")
    )
    joined = sums.join(trips, on="symbol", how="left").sort("symbol")
    return joined.with_columns(pl.col("trades").fill_null(0))


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
