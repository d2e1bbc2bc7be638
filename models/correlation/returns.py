"""Returns of several instruments on one clock.

Here: log returns of the mid on a common grid. Not here: bars (models/bars.py), their correlation
(models/correlation/model.py).
"""

from __future__ import annotations

import polars as pl

from feeds.errors import SchemaError, StudyError

NS_PER_S = 1_000_000_000
_NEEDED = ("ts_open", "ts", "symbol", "mid_open_ticks", "mid_close_ticks")


def log_returns(bars: pl.DataFrame, return_s: int) -> pl.DataFrame:
    """Log returns of the mid between whole multiples of ``return_s`` UTC, one column an instrument.

    The mid at a grid time is the last one known then: a bar that is not there had no event, hence a still mid.
    No return reaches from one date into the next, and none beyond the first or last bar of its date.

    Args:
        bars: BARS with ``symbol``; ``date`` optional (else the UTC date of ``ts_open``). Bars must nest in the
            grid.
        return_s: Length of a return, seconds.

    Returns:
        ``ts`` (when the return is known, ns UTC), ``date``, and one Float64 column an instrument in alphabetical
        order; null where an instrument has no return. Ascending.

    Raises:
        SchemaError: A column is missing.
        StudyError: A bar straddles two returns.
    """
    missing = [name for name in _NEEDED if name not in bars.columns]
    if missing:
        raise SchemaError("correlation bars", received=f"columns {bars.columns}", expected=f"also {missing}")
    length = return_s * NS_PER_S
    if "date" not in bars.columns:
        day = pl.from_epoch("ts_open", time_unit="ns").dt.date().cast(pl.String)
        bars = bars.with_columns(day.alias("date"))
    known = bars.filter(pl.col("mid_close_ticks").is_not_null()).sort("symbol", "date", "ts")
    straddling = known.filter(pl.col("ts") > (pl.col("ts_open") // length + 1) * length).height
    if straddling:
        raise StudyError(
            "models.correlation.return_s",
            received=f"{return_s} s, which {straddling} bars straddle",
            expected="a multiple of bar_ms",
        )
    parts = [
        _of_one_day(day, str(symbol), str(date), length)
        for (symbol, date), day in known.group_by("symbol", "date", maintain_order=True)
    ]
    schema = {"ts": pl.Int64, "date": pl.String}
    if not parts:
        return pl.DataFrame(schema=schema)
    names = sorted(known["symbol"].unique().to_list())
    wide = pl.concat(parts).pivot("symbol", index=["ts", "date"], values="return_log", maintain_order=True)
    absent = [pl.lit(None, pl.Float64).alias(name) for name in names if name not in wide.columns]
    return wide.with_columns(absent).select("ts", "date", *names).sort("ts")


def _of_one_day(day: pl.DataFrame, symbol: str, date: str, length: int) -> pl.DataFrame:
    opening = day.head(1).select(pl.col("ts_open").alias("ts"), pl.col("mid_open_ticks").alias("mid"))
    mids = pl.concat([opening, day.select("ts", pl.col("mid_close_ticks").alias("mid"))]).drop_nulls().sort("ts")
    first, last = int(mids["ts"][0]), int(mids["ts"][-1])
    grid = pl.int_range(-(-first // length) * length, last + 1, length, dtype=pl.Int64, eager=True)
    sampled = grid.alias("ts").set_sorted().to_frame().join_asof(mids.set_sorted("ts"), on="ts")
    step = (pl.col("mid") / pl.col("mid").shift(1)).log().alias("return_log")
    constants = pl.lit(date).alias("date"), pl.lit(symbol).alias("symbol")
    return sampled.select("ts", step, *constants).drop_nulls()


def symbols_in(returns: pl.DataFrame) -> tuple[str, ...]:
    """The instruments of a frame of `log_returns`."""
    return tuple(name for name in returns.columns if name not in ("ts", "date"))
