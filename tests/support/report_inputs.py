"""A made-up night for the tests of plots and report: three instruments, one of them with a bad day."""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.instruments import InstrumentSpec
from models.report import AlphaInputs, BacktestInputs, ReportInputs, VolatilityInputs

NIGHT = "2013-10-09"
OPEN_NS = 1_381_325_400_000_000_000  # 09:30 New York
SECOND = 1_000_000_000
SYMBOLS = ("AIG.US", "BAC.US", "IBM.US")
LEVELS = {"AIG.US": 480_000.0, "BAC.US": 139_000.0, "IBM.US": 1_812_000.0}


def features(symbols=SYMBOLS, seconds=23_400, step=5, seed=3):
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in symbols:
        n = seconds // step
        mid = LEVELS.get(symbol, 100_000.0) * np.exp(np.cumsum(rng.normal(0, 4e-5, n)))
        hour = np.linspace(0, 1, n)
        spread = 1.2 + 1.5 * np.exp(-8 * hour) + rng.gamma(2.0, 0.35, n)
        ts = OPEN_NS + SECOND * step * np.arange(1, n + 1)
        frames.append(
            pl.DataFrame({"ts": ts, "mid_ticks": mid, "spread_bps": spread}).with_columns(symbol=pl.lit(symbol))
        )
    return pl.concat(frames)


def bars(symbols=SYMBOLS, minutes=390, seed=4):
    rng = np.random.default_rng(seed)
    frames = []
    for symbol in symbols:
        close = LEVELS.get(symbol, 100_000.0) * np.exp(np.cumsum(rng.normal(0, 3e-4, minutes)))
        first = np.concatenate([[close[0]], close[:-1]])
        wick = close * np.abs(rng.normal(0, 2e-4, minutes))
        ts_open = OPEN_NS + 60 * SECOND * np.arange(minutes)
        volume = rng.poisson(9000 * (1 + np.linspace(-1, 1, minutes) ** 2))
        frame = pl.DataFrame(
            {
                "ts_open": ts_open,
                "ts": ts_open + 60 * SECOND,
                "open": first.astype(int),
                "high": (np.maximum(first, close) + wick).astype(int),
                "low": (np.minimum(first, close) - wick).astype(int),
                "close": close.astype(int),
                "volume_lots": volume,
                "trades": volume // 100,
                "realised_variance": rng.gamma(4.0, 9e-8 / 4, minutes),
                "signed_volume_lots": (volume * rng.normal(0, 0.2, minutes)).astype(int),
            }
        )
        frames.append(frame.with_columns(symbol=pl.lit(symbol)))
    return pl.concat(frames)


def quality():
    rows = []
    for date in ("2013-10-07", "2013-10-08", NIGHT):
        for symbol in SYMBOLS:
            for table in ("raw_ticks", "clean_ticks", "bars"):
                bad = symbol == "BAC.US" and date == NIGHT and table == "raw_ticks"
                slow = symbol == "AIG.US" and date == "2013-10-08" and table == "clean_ticks"
                late = symbol == "IBM.US" and date == NIGHT and table == "bars"
                rows += [
                    (
                        date,
                        symbol,
                        table,
                        "expect_column_values_to_be_between",
                        "price",
                        True,
                        not bad,
                        37 if bad else 0,
                    ),
                    (
                        date,
                        symbol,
                        table,
                        "expect_table_row_count_to_be_between",
                        "",
                        False,
                        not (slow or late),
                        0,
                    ),
                ]
    names = ["date", "symbol", "table", "expectation", "column", "blocking", "passed", "rows_failed"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    return frame.with_columns(
        rows_checked=pl.lit(214_003),
        examples=pl.when(pl.col("rows_failed") > 0)
        .then(pl.lit("price=-1 (seq 17); price=0 (seq 4402)"))
        .otherwise(pl.lit("")),
    )


def ingest():
    return pl.DataFrame(
        {
            "date": [NIGHT] * 3,
            "symbol": SYMBOLS,
            "rows_in": [183_201, 402_113, 214_003],
            "clean": [171_988, 377_020, 203_441],
            "rejected": [11_213, 25_093, 10_562],
        }
    )


def rejected():
    counts = {
        "outside_session": (9_800, 21_000, 9_050),
        "duplicate": (903, 2_840, 1_212),
        "crossed_book": (402, 1_093, 260),
    }
    rows = [(NIGHT, s, reason, n) for reason, ns in counts.items() for s, n in zip(SYMBOLS, ns, strict=True)]
    rows += [
        (NIGHT, "AIG.US", "suspicious", 108),
        (NIGHT, "BAC.US", "one_sided_book", 160),
        (NIGHT, "IBM.US", "non_positive_price", 40),
    ]
    return pl.DataFrame(rows, schema=["date", "symbol", "reason", "rows"], orient="row")


def sentiment(source="simulated"):
    texts = [
        ("IBM.US", "IBM cuts full-year outlook after hardware sales slide", -0.83, "reuters"),
        ("IBM.US", "IBM to buy cloud start-up in small deal", 0.12, source),
        ("AIG.US", "AIG resumes dividend, shares rise", 0.91, "reuters"),
        ("AIG.US", "AIG shareholders to meet <b>on Thursday</b>", 0.03, source),
        ("BAC.US", "Bank of America faces new mortgage probe", -0.71, "reuters"),
    ]
    at = [OPEN_NS + SECOND * s for s in (-3600, 2000, 7600, 14000, 20100)]
    return pl.DataFrame(
        {
            "published_at": at,
            "available_at": at,
            "symbol": [text[0] for text in texts],
            "headline": [text[1] for text in texts],
            "source": [text[3] for text in texts],
            "score": [text[2] for text in texts],
        }
    )


def alpha():
    rng = np.random.default_rng(5)
    table = pl.DataFrame(
        {
            "row": ["naive", "linear", "gradient_boosting", "shuffled"],
            "n": [6_480] * 4,
            "ic": [None, 0.0312, 0.0457, -0.0061],
            "ic_low": [None, 0.0051, 0.0214, -0.0288],
            "ic_high": [None, 0.0590, 0.0711, 0.0172],
            "rank_ic": [None, 0.0288, 0.0490, -0.0044],
            "icir": [None, 0.44, 0.71, -0.08],
            "r2": [0.0, 0.0007, 0.0018, -0.0004],
            "hit_rate": [0.503, 0.516, 0.524, 0.498],
        }
    )
    blocks = OPEN_NS + SECOND * 900 * np.arange(14, 26)
    series = pl.DataFrame(
        {
            "ts": blocks,
            "n": [540] * 12,
            "ic": rng.normal(0.045, 0.06, 12),
            "rank_ic": rng.normal(0.04, 0.06, 12),
        }
    )
    forecast = np.linspace(-0.9, 0.9, 10)
    calibration = pl.DataFrame(
        {
            "decile": range(1, 11),
            "n": [648] * 10,
            "forecast_bps": forecast,
            "realised_bps": 0.6 * forecast + rng.normal(0, 0.12, 10),
            "realised_se": [0.13] * 10,
        }
    )
    middle = np.linspace(-0.5, 0.5, 5)
    quantiles = pl.DataFrame(
        {
            "quantile": range(1, 6),
            "n": [1_296] * 5,
            "realised_bps": middle,
            "realised_low": middle - 0.21,
            "realised_high": middle + 0.21,
        }
    )
    horizons = pl.DataFrame(
        {
            "horizon_s": [10.0, 60.0, 300.0],
            "ic": [0.031, 0.0457, float("nan")],
            "rank_ic": [0.03, 0.049, None],
        }
    )
    return AlphaInputs(
        table,
        series,
        calibration,
        quantiles,
        verdict="gradient_boosting: IC +0.046 [+0.021, +0.071]; information found.",
        horizons=horizons,
        split="trained on 2 earlier days and until 13:00, embargo 60 s, judged after",
    )


def volatility():
    rng = np.random.default_rng(6)
    table = pl.DataFrame(
        {
            "model": ["ewma", "har"],
            "n": [105, 105],
            "qlike": [0.214, 0.187],
            "mse": [3.1e-13, 2.8e-13],
            "dm_stat": [None, -1.42],
        }
    )
    frames = []
    for place, symbol in enumerate(SYMBOLS):
        target = OPEN_NS + SECOND * 300 * np.arange(43, 79)
        level = (1 + 0.4 * place) * 4e-7 * (1 + 0.5 * np.linspace(-1, 1, 36) ** 2)
        rv = [*(level * rng.gamma(5, 0.2, 36))[:-1], None]
        frames.append(
            pl.DataFrame(
                {
                    "ts": target - 300 * SECOND,
                    "target_ts": target,
                    "ewma": level * 1.1,
                    "har": level * rng.gamma(60, 1 / 60, 36),
                    "rv": rv,
                }
            ).with_columns(symbol=pl.lit(symbol))
        )
    return VolatilityInputs(
        table,
        pl.concat(frames),
        verdict="HAR lowers QLIKE by 13 % against EWMA; Diebold-Mariano t = -1.42, not significant.",
        notes=("Daily HAR is not offered: 3 days < 60.",),
        block_s=300,
    )


def backtest():
    rng = np.random.default_rng(7)
    ts = OPEN_NS + SECOND * 5 * np.arange(2_600, 4_680)
    gross = np.cumsum(rng.normal(0.006, 0.25, ts.size))
    net = gross - np.linspace(0, 21.5, ts.size)
    curve = pl.DataFrame(
        {
            "ts": ts,
            "gross_bps": gross,
            "net_bps": net,
            "turnover": np.full(ts.size, 0.02),
            "blind_gross_bps": 3 * gross,
            "blind_net_bps": 3 * gross - np.linspace(0, 640, ts.size),
        }
    )
    summary = {}
    for side, values in (("gross", gross), ("net", net)):
        summary |= {
            f"{side}_total_bps": float(values[-1]),
            f"{side}_max_drawdown_bps": 9.2,
            f"{side}_hit_rate": 0.513,
            f"{side}_sharpe_per_period": -0.018,
            f"{side}_sharpe_annualised": None,
            f"cost_blind_{side}_total_bps": float(3 * values[-1]),
        }
    summary |= {
        "cost_total_bps": 21.5,
        "turnover": 41.6,
        "trades": 388,
        "n_trials": 3,
        "deflated_sharpe": 0.11,
        "annualisation": "nothing is annualised: 1 day of returns, at least 5 are needed",
    }
    by_symbol = pl.DataFrame(
        {
            "symbol": SYMBOLS,
            "gross_total_bps": [4.1, -2.0, 9.7],
            "net_total_bps": [-3.2, -11.4, -1.1],
            "trades": [120, 131, 137],
            "hit_rate": [0.51, 0.49, None],
        }
    )
    return BacktestInputs(curve, summary, by_symbol, {"fee_bps": 0.3, "half_spread": True, "latency_ms": 100})


def a_full_night(**changes):
    parts = {
        "study": "us_equities_2013",
        "title": "IBM, BAC and AIG, three days of consolidated trades and per-exchange quotes",
        "night": NIGHT,
        "description": "Made-up numbers in the shape of a real night.",
        "provenance": {
            "report": "nightly_report-0a1b2c3d4e5f",
            "alpha_model": "alpha_model-99aa88bb77cc",
            "volatility_model": "volatility_model-1234567890ab",
            "code version": "99ddbc1a0b2c",
            "seed": 7,
            "raw files": [f"file-{n:012x}" for n in range(18)],
            "settings": {"grid_ms": 5000, "horizon_ms": 60000},
        },
        "quality": quality(),
        "ingest": ingest(),
        "rejected": rejected(),
        "excluded": {"BAC.US": "raw_ticks failed expect_column_values_to_be_between"},
        "bars": bars(),
        "features": features(("AIG.US", "IBM.US")),
        "sentiment": sentiment(),
        "alpha": alpha(),
        "volatility": volatility(),
        "backtest": backtest(),
        "previous": pl.DataFrame(
            {
                "metric": ["IC", "QLIKE, HAR", "net return (bps)"],
                "previous": [0.038, 0.201, -4.4],
                "tonight": [0.0457, 0.187, -6.1],
            }
        ),
        "simulated": ("two of the headlines",),
        "instruments": {
            s: InstrumentSpec(id=s, tick_size=0.0001, lot_size=1, quote_increment_ticks=100) for s in SYMBOLS
        },
        "timezone": "America/New_York",
        "trading_days": 3,
    }
    return ReportInputs(**(parts | changes))


#: Parts of a night that may be None.
PARTS = (
    "quality",
    "ingest",
    "rejected",
    "bars",
    "features",
    "sentiment",
    "alpha",
    "volatility",
    "backtest",
    "previous",
)


def a_night_with(*parts, **changes):
    """A night of which only ``parts`` and ``changes`` are there; drawing everything takes seconds."""
    return a_full_night(**(dict.fromkeys(set(PARTS) - set(parts)) | changes))
