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
    """

    table: pl.DataFrame
    ic_series: pl.DataFrame | None = None
    calibration: pl.DataFrame | None = None
    quantile_returns: pl.DataFrame | None = None
    verdict: str = ""
    horizons: pl.DataFrame | None = None
    split: str = ""


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
        ingest: symbol, rows_in, clean, rejected; date optional.
        rejected: reason, rows; symbol optional.
        excluded: Instrument -> why it is not in the night's universe.
        bars: BARS with a symbol column.
        features: ts, symbol, mid_ticks, spread_bps; one row a decision time.
        sentiment: SENTIMENT.
        alpha: See `AlphaInputs`.
        volatility: See `VolatilityInputs`.
        backtest: See `BacktestInputs`.
        previous: Tonight beside earlier nights; any columns, e.g. metric, previous, tonight.
        simulated: Names of the sources nobody traded or published.
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
    ingest: pl.DataFrame | None = None
    rejected: pl.DataFrame | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)
    bars: pl.DataFrame | None = None
    features: pl.DataFrame | None = None
    sentiment: pl.DataFrame | None = None
    alpha: AlphaInputs | None = None
    volatility: VolatilityInputs | None = None
    backtest: BacktestInputs | None = None
    previous: pl.DataFrame | None = None
    simulated: Sequence[str] = ()
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
