"""Made-up rows of the feature table with known regimes, and a flash crash where asked for."""

from __future__ import annotations

import numpy as np
import polars as pl

S = 1_000_000_000
START = 1_772_461_800 * S
STEP = 5 * S
#: Level of log volatility, log spread and log activity in each regime.
LEVELS = np.array([[0.0, 0.5, 0.5], [1.2, 1.0, 1.6]])
STAY = 0.98


def regime_path(n, random, stay=STAY):
    """A two-state Markov chain, shape (n,)."""
    moves = random.random(n) > stay
    moves[0] = False
    return np.cumsum(moves) % 2


def feature_rows(n=1500, symbols=("A.X", "B.X"), seed=0, spread=0.25):
    """Feature rows sorted by time and symbol, with the true regime in column ``truth``; instruments differ in level."""
    frames = []
    for place, symbol in enumerate(symbols):
        random = np.random.default_rng([seed, place])
        truth = regime_path(n, random)
        level = LEVELS[truth] + spread * random.normal(size=(n, 3))
        ts = START + STEP * np.arange(n)
        returns = {w: 0.3 * np.sqrt(w) * np.exp(level[:, 0]) * random.normal(size=n) for w in (1, 10, 60)}
        flows = {f"ofi_{w}s": random.normal(scale=np.sqrt(w), size=n) for w in (1, 10, 60)}
        frames.append(
            pl.DataFrame(
                {
                    "ts": ts,
                    "available_at": ts,
                    "date": ["2026-03-02"] * n,
                    "symbol": [symbol] * n,
                    "mid_ticks": 1e6 + np.cumsum(returns[1]),
                    "realised_vol_60s_bps": (1 + place) * np.exp(level[:, 0]),
                    "spread_bps": (1 + place) * np.exp(level[:, 1]),
                    "depth_log": 8 + place + 0.2 * random.normal(size=n),
                    "trade_count_60s": np.round(20 * np.exp(level[:, 2] / 2)),
                    "quote_event_intensity": 5 * np.exp(level[:, 2]),
                    **{f"return_{w}s_bps": values for w, values in returns.items()},
                    **flows,
                    "truth": truth,
                }
            )
        )
    return pl.concat(frames).sort("ts", "symbol")


def with_crash(rows, first, last, symbol="A.X"):
    """``rows`` with a flash crash of one instrument between two steps."""
    inside = (pl.col("symbol") == symbol) & pl.col("ts").is_between(START + STEP * first, START + STEP * last)
    changes = {
        "return_1s_bps": pl.col("return_1s_bps") - 60.0,
        "return_10s_bps": pl.col("return_10s_bps") - 150.0,
        "return_60s_bps": pl.col("return_60s_bps") - 200.0,
        "spread_bps": pl.col("spread_bps") * 12.0,
        "depth_log": pl.col("depth_log") - 3.0,
        "ofi_10s": pl.col("ofi_10s") - 40.0,
        "realised_vol_60s_bps": pl.col("realised_vol_60s_bps") * 15.0,
    }
    return rows.with_columns(
        pl.when(inside).then(value).otherwise(pl.col(name)).alias(name) for name, value in changes.items()
    )


def holed(rows, share=0.1, seed=5):
    """``rows`` with a share of the feature values null, and as many NaN."""
    random = np.random.default_rng(seed)
    features = [c for c in rows.columns if c not in ("ts", "available_at", "date", "symbol", "mid_ticks", "truth")]
    columns = []
    for name in features:
        draw = random.random(rows.height)
        values = np.where(draw < share, np.nan, rows[name].cast(pl.Float64).to_numpy())
        missing = pl.Series(draw > 1 - share)
        columns.append(pl.select(pl.when(~missing).then(pl.Series(values)).alias(name))[name])
    return rows.with_columns(columns)


def factor_returns(n=400, symbols=("A.X", "B.X", "C.X"), loading=0.8, seed=1):
    """Returns that share one factor: every pair has correlation ``loading`` squared."""
    random = np.random.default_rng(seed)
    factor = random.normal(size=n)
    noise = np.sqrt(1 - loading**2)
    columns = {s: 1e-4 * (k + 1) * (loading * factor + noise * random.normal(size=n)) for k, s in enumerate(symbols)}
    return pl.DataFrame({"ts": START + 300 * S * np.arange(1, n + 1), "date": ["2026-03-02"] * n, **columns})
