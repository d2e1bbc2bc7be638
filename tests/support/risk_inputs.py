"""Made-up regimes, correlations, alarms, limits and simulator figures for the tests of plots and report."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl

from models.report.inputs import (
    AnomalyInputs,
    CorrelationInputs,
    RegimeInputs,
    RiskLimitInputs,
    SimulatorInputs,
)
from models.report.realism import CLASSIFIER

SYMBOLS = ("ASH.SIM", "ELM.SIM", "OAK.SIM")
OPEN_NS = 1_772_461_800_000_000_000  # 2026-03-02 09:30 New York
SECOND = 1_000_000_000
STEPS = 1200
TS = OPEN_NS + 10 * SECOND * np.arange(1, STEPS + 1)


def _regimes(seed):
    random = np.random.default_rng(seed)
    regime = np.zeros(STEPS, dtype=np.int64)
    for t in range(1, STEPS):
        move = random.choice((-1, 1)) if random.random() < 0.02 else 0
        regime[t] = min(2, max(0, regime[t - 1] + move))
    return regime


def regime_states(symbols=SYMBOLS):
    frames = []
    for place, symbol in enumerate(symbols):
        regime = _regimes(place)
        columns = {f"p_{k}": np.where(regime == k, 0.9, 0.05) for k in range(3)}
        frames.append(pl.DataFrame({"ts": TS, "symbol": [symbol] * STEPS, "regime": regime, **columns}))
    return pl.concat(frames)


def prices(symbols=SYMBOLS):
    frames = []
    for place, symbol in enumerate(symbols):
        noise = np.random.default_rng(place + 10).normal(size=STEPS)
        mid = 500_000 * np.exp(np.cumsum(2e-5 * (1 + 2 * _regimes(place)) * noise))
        frames.append(pl.DataFrame({"ts": TS, "symbol": [symbol] * STEPS, "mid_ticks": mid}))
    return pl.concat(frames).with_columns(pl.lit(1.0).alias("spread_bps"))


def regimes():
    table = pl.DataFrame(
        {
            "regime": [0, 1, 2],
            "label": ["calm", "normal", "turbulent"],
            "share": [0.55, 0.35, 0.10],
            "mean_duration_s": [410.0, 220.0, 95.0],
            "realised_vol_60s_bps": [1.1, 2.4, 6.0],
            "spread_bps": [1.9, 2.2, 3.4],
        }
    )
    verdict = "3 regimes (BIC, at most 3 tried) describe unseen rows better: +0.412 nats a row over one Gaussian."
    return RegimeInputs(regime_states(), table, verdict, "trained on 5 earlier days, judged on the night")


def correlation_matrix(symbols=SYMBOLS):
    records = []
    for a, left in enumerate(symbols):
        for b, right in enumerate(symbols):
            value = 1.0 if a == b else (0.62, -0.31, 0.08)[(a + b) % 3]
            records.append({"symbol_a": left, "symbol_b": right, "sample": value, "ewma": value, "ledoit_wolf": value})
    return pl.DataFrame(records)


def correlation():
    table = pl.DataFrame(
        {
            "model": ["identity", "sample", "ewma", "ledoit_wolf"],
            "n": [77] * 4,
            "loss": [3.0, 2.81, 2.86, 2.80],
            "dm_stat": [None, -2.2, -1.7, -2.3],
            "dm_p": [None, 0.031, 0.093, 0.024],
        }
    )
    return CorrelationInputs(correlation_matrix(), table, "Ledoit-Wolf beats independence.", "as above", 300)


def anomaly_scores(symbols=SYMBOLS):
    frames = []
    for place, symbol in enumerate(symbols):
        score = 0.42 + 0.05 * np.abs(np.random.default_rng(place + 20).normal(size=STEPS))
        if place == 2:
            score[700:712] += 0.25
        frame = pl.DataFrame({"ts": TS, "available_at": TS, "symbol": [symbol] * STEPS, "score": score})
        frames.append(frame.with_columns(threshold=pl.lit(0.62)))
    return pl.concat(frames).with_columns(is_anomaly=pl.col("score") > pl.col("threshold"))


def anomaly():
    scores = anomaly_scores()
    table = pl.DataFrame(
        {
            "symbol": SYMBOLS,
            "rows": [STEPS] * 3,
            "flagged": [0, 0, 12],
            "flagged_share": [0.0, 0.0, 0.01],
            "expected_share": [0.002] * 3,
            "episodes": [0, 0, 1],
            "highest_score": [0.58, 0.59, 0.75],
            "highest_at": [int(TS[5]), int(TS[9]), int(TS[705])],
        }
    )
    episodes = pl.DataFrame(
        {
            "start_ts": [int(TS[700])],
            "end_ts": [int(TS[711])],
            "symbol": ["OAK.SIM"],
            "highest_score": [0.75],
            "driver": ["abs_return_10s_bps"],
            "deviation": [14.2],
        }
    )
    return AnomalyInputs(scores, table, episodes, "12 of 3,600 decision times flagged in 1 episode.", "as above")


def limits():
    rows = [
        ("*", "value_at_risk_99", 20_000.0, "currency", 20_000.0, 1.0, "0 of 3 instruments raised an alarm"),
        ("OAK.SIM", "max_position_lots", 4_100.0, "lots", 8_200.0, 0.5, "1 recent alarm"),
        ("OAK.SIM", "price_collar_bps", 30.0, "bps", 60.0, 0.5, "1 recent alarm"),
    ]
    names = ["scope", "limit", "value", "unit", "base", "tightened_by", "reason"]
    return RiskLimitInputs(pl.DataFrame(rows, schema=names, orient="row"), ("Factors only tighten.",))


def rates(symbols=SYMBOLS):
    distance = np.arange(1, 11)
    frames = [
        pl.DataFrame(
            {
                "symbol": [symbol] * 10,
                "distance": distance,
                "limit_rate": (0.5 + place) / distance**1.1,
                "cancel_rate": (0.2 + 0.1 * place) / distance**0.7,
                "mean_depth": 300.0 * distance**0.4,
            }
        )
        for place, symbol in enumerate(symbols)
    ]
    return pl.concat(frames)


METRICS = (
    ("spread_mean", "bps"),
    ("touch_volume_mean", "lots"),
    ("volume_per_minute", "lots"),
    ("imbalance_sd", "1"),
    ("log_inter_arrival_mean", "log(s)"),
    ("return_acf_1s", "1"),
    ("kurtosis_1s", "1"),
    ("kurtosis_10s", "1"),
    ("kurtosis_60s", "1"),
    ("abs_return_acf_slope", "1"),
    ("sign_acf_exponent", "1"),
    ("sign_acf_lag_1", "1"),
    ("response_1", "bps"),
    ("response_10", "bps"),
    ("response_100", "bps"),
    ("signature_ratio", "1"),
)


def realism(symbols=SYMBOLS, generators=("flow",)):
    random = np.random.default_rng(3)
    records = []
    for generator, symbol in itertools.product(generators, symbols):
        who = {"symbol": symbol, "generator": generator}
        for place, (metric, unit) in enumerate(METRICS):
            real = 1.0 + place
            half = 0.2 * real
            simulated = real + half * float(random.normal(0, 2.2))
            records.append(
                {
                    **who,
                    "family": ("book", "returns", "signs", "impact")[place // 4],
                    "metric": metric,
                    "unit": unit,
                    "real": real,
                    "band_low": real - half,
                    "band_high": real + 1.3 * half,
                    "simulated": simulated,
                    "passed": None if place == 15 else real - half <= simulated <= real + 1.3 * half,
                }
            )
        unbounded = {"unit": "1", "real": None, "band_low": None, "band_high": None, "passed": None}
        area = {"family": "distribution", "metric": CLASSIFIER, "simulated": 0.83}
        records.append({**who, **area, **unbounded})
    return pl.DataFrame(records, infer_schema_length=None)


def simulator():
    parameters = pl.DataFrame(
        {
            "symbol": ["OAK.SIM", "OAK.SIM"],
            "generator": ["flow", "flow"],
            "parameter": ["market_rate", "efficient_sigma"],
            "value": [0.41, 3.2],
            "unit": ["1/s", "bps per minute"],
            "source": ["count over exposure", "variance of the mid at a minute"],
        }
    )
    verdict = "31 of 45 judged metrics lie inside the band of real against real."
    both = ("flow", "hawkes")
    generators = pl.DataFrame(
        [
            {"symbol": symbol, "generator": name, "agents_train_in": "yes" if name == "flow" else "", "tuned": place,
             "counted": 12, "tuned_parameters": "sigma", "what": "a market"}
            for symbol in SYMBOLS for place, name in enumerate(both)
        ]
    )  # fmt: skip
    found = realism(generators=both)
    return SimulatorInputs(parameters, rates(), found, verdict, ("Fitted on 2026-03-02.",), generators, "flow")
