"""What a report is built from: frames of one night, each of them optional.

Here: the inputs and their columns. Not here: reading them (assets/), laying them out
(models/report/build.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from feeds.instruments import InstrumentSpec
from models.report.quality_inputs import QualityInputs


@dataclass(frozen=True)
class AlphaInputs:
    """Out-of-sample judgement of the alpha models.

    Attributes:
        table: row, ic; n, ic_low, ic_high, rank_ic, icir, r2, hit_rate optional. One row a model.
        ic_series: ts, ic; row, symbol optional. One row a block of time.
        calibration: forecast_bps, realised_bps; decile, n, realised_low, realised_high or realised_se
            optional.
        quantile_returns: quantile, realised_bps; n and the interval columns of ``calibration`` optional.
        verdict: One sentence.
        horizons: horizon_s, ic, rank_ic: the judged row against further horizons.
        split: How training and test were separated.
        importance: group, features, ic_loss: loss of IC when the group's columns are permuted together.
    """

    table: pl.DataFrame
    ic_series: pl.DataFrame | None = None
    calibration: pl.DataFrame | None = None
    quantile_returns: pl.DataFrame | None = None
    verdict: str = ""
    horizons: pl.DataFrame | None = None
    split: str = ""
    importance: pl.DataFrame | None = None


@dataclass(frozen=True)
class VolatilityInputs:
    """Out-of-sample judgement of the volatility models.

    Attributes:
        table: model, qlike; n, mse, dm_stat and others optional. One row a model.
        forecasts: target_ts, ewma; symbol, har, rv optional. Variances of log returns per block.
        verdict: One sentence.
        notes: Why a model was not offered, e.g. "daily HAR: 12 days < 60".
        split: How training and test were separated.
        block_s: Length of a block in seconds.
    """

    table: pl.DataFrame
    forecasts: pl.DataFrame | None = None
    verdict: str = ""
    notes: Sequence[str] = ()
    split: str = ""
    block_s: int | None = None


@dataclass(frozen=True)
class BacktestInputs:
    """A backtest with and without cost.

    Attributes:
        curve: ts, gross_bps, net_bps (cumulative, bps of capital); turnover, position optional.
        summary: Figures by name. Either ``{"gross": {...}, "net": {...}, ...}`` or flat keys ``gross_x``,
            ``net_x``; figures of neither kind and texts (reasons) are listed below the two.
        by_symbol: symbol and any figures.
        costs: Assumptions by name, e.g. fee_bps, half_spread, latency_ms.
    """

    curve: pl.DataFrame
    summary: Mapping[str, Any] = field(default_factory=dict)
    by_symbol: pl.DataFrame | None = None
    costs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RegimeInputs:
    """Unsupervised market regimes.

    Attributes:
        states: ts, symbol, regime (0: the calmest), p_0 .. p_{k-1}; one row a decision time of the night.
        table: regime, label, share, mean_duration_s, and the mean of each feature in the regime (training window).
        verdict: One sentence.
        split: How training and test were separated.
    """

    states: pl.DataFrame
    table: pl.DataFrame
    verdict: str = ""
    split: str = ""


@dataclass(frozen=True)
class CorrelationInputs:
    """Correlation of the instruments' returns.

    Attributes:
        matrix: symbol_a, symbol_b, sample, ewma, ledoit_wolf; one row an ordered pair, the diagonal included.
        table: model, loss (Gaussian, per observation), n; dm_stat, dm_p optional. Out of sample, lower is better.
        verdict: One sentence.
        split: How training and test were separated.
        return_s: Length of the returns in seconds.
    """

    matrix: pl.DataFrame
    table: pl.DataFrame
    verdict: str = ""
    split: str = ""
    return_s: int | None = None


@dataclass(frozen=True)
class AnomalyInputs:
    """How unusual each decision time is against the training window.

    Attributes:
        scores: ts, symbol, score (the higher the more unusual), threshold, is_anomaly.
        table: symbol, rows, flagged, flagged_share, expected_share, highest_score, highest_at.
        episodes: start_ts, end_ts, symbol, highest_score, driver (feature farthest from its usual range), deviation.
        verdict: One sentence.
        split: How training and test were separated.
    """

    scores: pl.DataFrame
    table: pl.DataFrame
    episodes: pl.DataFrame | None = None
    verdict: str = ""
    split: str = ""


@dataclass(frozen=True)
class RiskLimitInputs:
    """Limits the gate reads.

    Attributes:
        limits: scope (symbol or "*"), limit, value, unit, base (before tightening), tightened_by (factor), reason.
        notes: What the limits rest on.
    """

    limits: pl.DataFrame
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class SimulatorInputs:
    """The market simulator, its calibration and how real it looks.

    Attributes:
        parameters: symbol, generator, parameter, value, unit, source (estimator or paper).
        rates: symbol, distance (increments from the opposite best), limit_rate, cancel_rate, mean_depth; empty where
            the order flow by distance was not fitted.
        realism: symbol, generator, family, metric, real, band_low, band_high, simulated, passed (null: information, no
            gate), unit.
        verdict: One sentence.
        notes: Periods used.
        generators: symbol, generator, agents_train_in, tuned, counted, tuned_parameters, what; None: one generator.
        chosen: The generator agents train in.
    """

    parameters: pl.DataFrame
    rates: pl.DataFrame
    realism: pl.DataFrame | None = None
    verdict: str = ""
    notes: Sequence[str] = ()
    generators: pl.DataFrame | None = None
    chosen: str = ""


@dataclass(frozen=True)
class ExecutionInputs:
    """Execution policies judged on the same parent orders.

    Attributes:
        table: market ("replay", "flow"), policy, n, is_bps, is_low, is_high, sd_bps, cvar95_bps, completion,
            maker_share, vs_twap_taker_bps, vs_twap_low, vs_twap_high, vs_best_bps, vs_best_low, vs_best_high.
        slippage: market, policy, episode, symbol, side, is_bps; one row a parent order.
        fan: market, policy, elapsed_share, inventory_share, inventory_low, inventory_high.
        learning: symbol, seed, episode, is_bps (moving mean of the training episodes).
        heat: panel ("inventory x time" or "spread x imbalance"), x, y, x_label, y_label, action, action_name.
        costs: market, policy, spread_bps, timing_bps, fees_bps, is_bps: decomposition of the mean shortfall; with
            quoted_bps, walk_bps, shift_bps, impact_bps, drift_bps where the orders were played against a run without
            them.
        tests: As from `models.execution.significance.significance`.
        over_seeds: As from `models.execution.seeds.over_seeds`.
        ablations: ablation, what (in words), policy, n, is_bps, change_bps: parts of the market switched off.
        cases: As from `models.execution.cases.policy_cases`.
        headline: As ``table``, of the instruments that were named to stand for the study; None: none was named.
        named: Those instruments.
        verdict: One or more sentences, losing cases included.
        split: How training and test were separated.
        notes: Parent sizes, horizon, seeds.
        challenger: The agent that stands for the night; empty: the first.
    """

    table: pl.DataFrame
    slippage: pl.DataFrame
    fan: pl.DataFrame | None = None
    learning: pl.DataFrame | None = None
    heat: pl.DataFrame | None = None
    costs: pl.DataFrame | None = None
    tests: pl.DataFrame | None = None
    over_seeds: pl.DataFrame | None = None
    ablations: pl.DataFrame | None = None
    cases: pl.DataFrame | None = None
    headline: pl.DataFrame | None = None
    named: Sequence[str] = ()
    verdict: str = ""
    split: str = ""
    notes: Sequence[str] = ()
    challenger: str = ""


@dataclass(frozen=True)
class PromotionInputs:
    """Champion and challenger of each model family.

    Attributes:
        table: family, champion, challenger, metric, n, difference, low, high (challenger minus champion, lower is
            better), decision, approved_by, approved_at.
    """

    table: pl.DataFrame


@dataclass(frozen=True)
class PlantedInputs:
    """What a simulated market holds, and what the models found of it.

    Attributes:
        table: effect, size, where, planted, found, note; ``planted`` is what a model that knew the truth would score.
    """

    table: pl.DataFrame


@dataclass(frozen=True)
class ReportInputs:
    """Everything one report may show; a part that is None is named as absent, with its reason.

    Attributes:
        study: Name of the study.
        title: Its title.
        night: Date of the report, ISO.
        description: What the study is.
        provenance: Ids, versions, seeds, hashes, in the order to show them.
        quality: date, symbol, table, expectation, rows_failed; status ("pass", "warn", "fail", "missing") or
            passed and blocking (bool); column, rows_checked, examples optional. All dates; tables show the
            night's.
        quality_history: Quality over the dates and drift, see `QualityInputs`; None: the night's checks only.
        ingest: symbol, rows_in, clean, rejected; date optional.
        rejected: reason, rows; symbol optional.
        excluded: Instrument -> why it is not in the night's universe.
        bars: BARS with a symbol column.
        features: ts, symbol, mid_ticks, spread_bps; one row a decision time.
        sentiment: SENTIMENT.
        alpha: See `AlphaInputs`.
        volatility: See `VolatilityInputs`.
        backtest: See `BacktestInputs`.
        regimes: See `RegimeInputs`.
        correlation: See `CorrelationInputs`.
        anomaly: See `AnomalyInputs`.
        limits: See `RiskLimitInputs`.
        simulator: See `SimulatorInputs`.
        execution: See `ExecutionInputs`.
        promotion: See `PromotionInputs`.
        planted: See `PlantedInputs`.
        previous: Tonight beside earlier nights; any columns, e.g. metric, previous, tonight.
        simulated: Names of the sources nobody traded or published.
        simulated_market: Whether nobody traded any of the market data; every figure is stamped then.
        instruments: Id -> units, to show prices in currency.
        timezone: In which times are shown.
        trading_days: Days in the study so far; figures are annualised from five on.
        capture_hours: Length of the night's data; None: measured from features or bars.
        reasons: Part ("alpha", "volatility", "backtest", ...) -> why it is absent.
    """

    study: str
    title: str
    night: str
    description: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    quality: pl.DataFrame | None = None
    quality_history: QualityInputs | None = None
    ingest: pl.DataFrame | None = None
    rejected: pl.DataFrame | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)
    bars: pl.DataFrame | None = None
    features: pl.DataFrame | None = None
    sentiment: pl.DataFrame | None = None
    alpha: AlphaInputs | None = None
    volatility: VolatilityInputs | None = None
    backtest: BacktestInputs | None = None
    regimes: RegimeInputs | None = None
    correlation: CorrelationInputs | None = None
    anomaly: AnomalyInputs | None = None
    limits: RiskLimitInputs | None = None
    simulator: SimulatorInputs | None = None
    execution: ExecutionInputs | None = None
    promotion: PromotionInputs | None = None
    planted: PlantedInputs | None = None
    previous: pl.DataFrame | None = None
    simulated: Sequence[str] = ()
    simulated_market: bool = False
    instruments: Mapping[str, InstrumentSpec] = field(default_factory=dict)
    timezone: str = "UTC"
    trading_days: int = 1
    capture_hours: float | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    def hours(self) -> float | None:
        """Length of the night's data in hours, None where neither features nor bars tell."""
        if self.capture_hours is not None:
            return self.capture_hours
        for frame, first in ((self.features, "ts"), (self.bars, "ts_open")):
            if frame is not None and not frame.is_empty():
                return float(int(frame["ts"].max()) - int(frame[first].min())) / 3.6e12  # type: ignore[arg-type]
        return None
