"""How large a position is: forecast volatility against a target (Moreira & Muir 2017, J. Finance 72(4)).

A position of ``target / forecast`` notionals has the target's volatility whatever the market does: large in calm
hours, small in wild ones. The size is set when a trade opens and stays until it ends, so that a noisy forecast costs no
turnover.

Here: sizes of trades. Not here: directions (models/backtest.py), the forecasts (models/volatility).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.errors import SchemaError
from models.metrics.forecast import NS_PER_MS, Floats

Stamps = npt.NDArray[np.int64]
#: Forecast columns of volatility_forecast, the best first.
PREFERENCE = ("har", "ewma_diurnal", "ewma")
COLUMNS = ("symbol", "ts", "target_ts", "variance")


@dataclass(frozen=True)
class VolatilityPath:
    """Forecasts of one instrument in the order in which they were made.

    Attributes:
        ts: When each was made, ns UTC, ascending, shape (n,).
        variance_per_ns: Forecast variance of log returns per nanosecond of its block.
    """

    ts: Stamps
    variance_per_ns: Floats

    def known_at(self, moment: Stamps, horizon_ms: int) -> Floats:
        """Volatility over ``horizon_ms`` in bps by the latest forecast made at or before each moment.

        Variance grows with time: square root of the block's variance times horizon over block length.

        Returns:
            Shape of ``moment``; NaN before the first forecast.
        """
        latest = np.searchsorted(self.ts, moment, side="right") - 1
        known = latest >= 0
        volatility = np.full(moment.shape, np.nan)
        variance = self.variance_per_ns[latest[known]] * (horizon_ms * NS_PER_MS)
        volatility[known] = 1e4 * np.sqrt(variance)
        return volatility


def variance_of(forecasts: pl.DataFrame) -> pl.DataFrame:
    """The best variance forecast of every row of volatility_forecast, in `COLUMNS`; see `PREFERENCE`.

    Raises:
        SchemaError: There is no forecast column.
    """
    offered = [name for name in PREFERENCE if name in forecasts.columns]
    if not offered:
        raise SchemaError(
            "volatility forecast", received=f"columns {forecasts.columns}", expected=f"any of {PREFERENCE}"
        )
    best = pl.coalesce(pl.col(name).cast(pl.Float64).fill_nan(None) for name in offered)
    return forecasts.select("symbol", "ts", "target_ts", best.alias("variance"))


def volatility_paths(forecasts: pl.DataFrame | None) -> dict[str, VolatilityPath]:
    """Forecasts by instrument; rows without a positive finite variance are no forecasts.

    Args:
        forecasts: `COLUMNS`: ``ts`` when it was made and ``target_ts`` the end of the block it is for (ns UTC),
            ``variance`` of log returns over that block. None: there are none.

    Raises:
        SchemaError: A column is missing, or a block ends before its forecast was made.
    """
    if forecasts is None:
        return {}
    if missing := [name for name in COLUMNS if name not in forecasts.columns]:
        raise SchemaError("volatility", received=f"columns {forecasts.columns}", expected=f"also {missing}")
    if forecasts.filter(pl.col("target_ts") <= pl.col("ts")).height:
        raise SchemaError("volatility", received="a target_ts at or before its ts", expected="the end of a later block")
    variance = pl.col("variance").cast(pl.Float64)
    usable = forecasts.filter((variance.is_finite() & (variance > 0.0)).fill_null(False)).sort("symbol", "ts")
    rate = (variance / (pl.col("target_ts") - pl.col("ts"))).alias("rate")
    return {
        str(symbol): VolatilityPath(part["ts"].to_numpy(), part["rate"].to_numpy())
        for (symbol,), part in usable.with_columns(rate).group_by("symbol", maintain_order=True)
    }


def sized(
    held: Floats, decided_ts: Stamps, path: VolatilityPath | None, horizon_ms: int, target_bps: float, most: float
) -> tuple[Floats, Floats]:
    """Give every trade of ``held`` its size.

    Args:
        held: Direction from each price row on, -1, 0 or 1, shape (n,).
        decided_ts: When the forecast behind each row's direction was made, ns UTC; read where a trade opens.
        path: Volatility forecasts of the instrument; None: there are none.
        horizon_ms: Time over which ``target_bps`` is meant.
        target_bps: Wanted volatility of one position over the horizon.
        most: Largest size, in notionals.

    Returns:
        The scaled positions, and the forecast volatility (bps over the horizon) behind each trade in the order in
        which they open; NaN where there was none and the size is 1, at most ``most``.
    """
    before = np.concatenate([[0.0], held[:-1]])
    opened = np.flatnonzero((held != before) & (held != 0.0))
    volatility = np.full(opened.size, np.nan)
    if path is not None:
        volatility = path.known_at(decided_ts[opened], horizon_ms)
    sizes = np.minimum(most, np.where(np.isfinite(volatility), target_bps / volatility, 1.0))
    position = np.zeros(held.size)
    inside = held != 0.0
    trade = np.searchsorted(opened, np.flatnonzero(inside), side="right") - 1
    position[inside] = held[inside] * sizes[trade]
    return position, volatility


def usual_volatility_bps(forecasts: pl.DataFrame, horizon_ms: int) -> float | None:
    """Volatility over a horizon that was usual in the training window, bps: where one notional is a full position.

    Args:
        forecasts: volatility_forecast: ``ts, target_ts`` and ``naive``, the mean training variance of a block.
        horizon_ms: The horizon.

    Returns:
        Root of the mean over the instruments; None without a training mean.
    """
    rate = pl.col("naive") / (pl.col("target_ts") - pl.col("ts"))
    known = forecasts.drop_nulls("naive").select("symbol", rate.alias("rate")).unique("symbol", maintain_order=True)
    if known.is_empty():
        return None
    return float(1e4 * np.sqrt(float(known.sort("symbol")["rate"].to_numpy().mean()) * horizon_ms * NS_PER_MS))
