"""How real a simulated market looks: its statistics against the range in which two real periods differ.

The band of a statistic is the 95 % interval of a block bootstrap (Künsch, "The jackknife and the bootstrap for general
stationary observations", Annals of Statistics 17, 1989) on the second real period, widened to hold the first period's
value: a simulation cannot be asked to be closer to one day than the next day is. The band of a distance between whole
distributions (sim/realism_samples.py) begins at 0 and ends at the 95 % quantile of the distance between bootstrap
samples of either real period. What the real tape is too short to say is not judged; how well a classifier tells the
tapes apart is information.

Here: `RealPair` and `realism_report`. Not here: the statistics (sim/realism_stats.py), drawing (models/plots).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.instruments import InstrumentSpec
from sim.flow_fit import increment_of
from sim.flow_measure import TapeArrays, arrays_of
from sim.realism_blocks import Floats, Statistic
from sim.realism_classifier import separability, windows_of
from sim.realism_display import as_displayed, displayed_levels
from sim.realism_samples import Grid, Sample, enough, samples_of
from sim.realism_stats import statistics_of

_BLOCKS, _RESAMPLES, _SEED, _COVERAGE = 20, 1_000, 7, 0.95
#: Resamples behind the bands of distances, each of which weighs whole histograms.
_OF_DISTANCES = 400
_LEVELS = 10
_DISTANCES = ("total variation", "Wasserstein")

REPORT_SCHEMA: dict[str, type[pl.DataType]] = {
    "symbol": pl.String,
    "family": pl.String,
    "metric": pl.String,
    "unit": pl.String,
    "real": pl.Float64,
    "band_low": pl.Float64,
    "band_high": pl.Float64,
    "simulated": pl.Float64,
    "passed": pl.Boolean,
}


@dataclass(frozen=True)
class Measured:
    """One tape, measured.

    Attributes:
        statistics: See `sim.realism_stats`.
        samples: Distributions by name.
        windows: (w, features) float64, see `sim.realism_classifier.windows_of`.
    """

    statistics: list[Statistic]
    samples: dict[str, Sample]
    windows: Floats


@dataclass(frozen=True)
class Band:
    """What two real periods say about a metric; nan where they do not say.

    Attributes:
        real: Value of the second period, or the distance between the two.
        low: Lower end.
        high: Upper end.
    """

    real: float
    low: float
    high: float

    def row(self, found: float) -> dict[str, object]:
        """The columns of the report for a simulated value; outside where that is not a number."""
        if not np.isfinite(self.low):
            return {"real": _or_null(self.real), "simulated": _or_null(found)}
        passed = bool(np.isfinite(found) and self.low <= found <= self.high)
        return {
            **{"real": self.real, "band_low": self.low, "band_high": self.high},
            **{"simulated": _or_null(found), "passed": passed},
        }


class RealPair:
    """Two real periods of an instrument and the bands they span, computed once for any number of simulated tapes.

    Attributes:
        spec: Units of the instrument.
        levels: Levels of a side that the source shows.
        bands: Of the statistics, in their order.
    """

    def __init__(self, real_a: pl.DataFrame, real_b: pl.DataFrame, spec: InstrumentSpec) -> None:
        """See `realism_report`."""
        a, b = (arrays_of(tape) for tape in (real_a, real_b))
        self.spec, self.levels = spec, displayed_levels(real_b)
        self._increment = increment_of(b, spec.quote_increment_ticks, _LEVELS)
        self._a, self._b = (self._measured(arrays) for arrays in (a, b))
        rng = np.random.default_rng(_SEED)
        self._weights = [_weights(rng) for _ in range(2)]
        self.bands = [self._band(*both) for both in zip(self._a.statistics, self._b.statistics, strict=True)]
        self._grids = {
            name: Grid.of(sample.values, self._b.samples[name].values)
            for name, sample in self._a.samples.items()
            if enough(sample, self._b.samples[name])
        }
        self._distance_bands = {name: self._distance_bands_of(name, grid) for name, grid in self._grids.items()}
        self._real_area = separability(self._a.windows, self._b.windows)

    def judge(self, simulated: pl.DataFrame) -> pl.DataFrame:
        """One row a metric, see `realism_report`."""
        shown = as_displayed(simulated, self.levels)
        other = self._measured(arrays_of(shown))
        rows: list[dict[str, object]] = [
            {"family": one.family, "metric": one.metric, "unit": one.unit, **band.row(one.of())}
            for one, band in zip(other.statistics, self.bands, strict=True)
        ]
        for name, grid in self._grids.items():
            rows += self._distances(name, grid, other.samples[name])
        area = separability(self._b.windows, other.windows)
        told = {"real": _or_null(self._real_area), "simulated": _or_null(area)}
        rows.append({"family": "distribution", "metric": "area under a classifier's curve", "unit": "1", **told})
        return pl.DataFrame([{"symbol": self.spec.id, **row} for row in rows], schema=REPORT_SCHEMA)

    def _measured(self, tape: TapeArrays) -> Measured:
        return Measured(
            statistics_of(tape, self._increment, _BLOCKS),
            samples_of(tape, self._increment, _BLOCKS),
            windows_of(tape),
        )

    def _band(self, a: Statistic, b: Statistic) -> Band:
        real, earlier = b.of(), a.of()
        resampled = b.resampled(self._weights[1])
        resampled = resampled[np.isfinite(resampled)]
        if not np.isfinite(real) or resampled.size < _RESAMPLES // 2:
            return Band(real, np.nan, np.nan)
        tail = 0.5 * (1.0 - _COVERAGE)
        edges = [*np.quantile(resampled, [tail, 1.0 - tail]), *([earlier] if np.isfinite(earlier) else []), real]
        return Band(real, float(min(edges)), float(max(edges)))

    def _distance_bands_of(self, name: str, grid: Grid) -> list[Band]:
        a, b = (grid.counts(one.samples[name]) for one in (self._a, self._b))
        drawn = grid.distances(
            *(each.weighed(w[:_OF_DISTANCES]) for w, each in zip(self._weights, (a, b), strict=True))
        )
        return [
            Band(float(real), 0.0, max(float(np.quantile(between, _COVERAGE)), float(real)))
            for real, between in zip(grid.distances(a.whole(), b.whole()), drawn, strict=True)
        ]

    def _distances(self, name: str, grid: Grid, other: Sample) -> list[dict[str, object]]:
        real, found = (grid.counts(sample).whole() for sample in (self._b.samples[name], other))
        apart = [float(d) if enough(other) else np.nan for d in grid.distances(found, real)]
        return [
            {"family": "distribution", "metric": f"{label} distance, {name}", "unit": "1", **band.row(distance)}
            for label, band, distance in zip(_DISTANCES, self._distance_bands[name], apart, strict=True)
        ]


def realism_report(
    real_a: pl.DataFrame, real_b: pl.DataFrame, simulated: pl.DataFrame, spec: InstrumentSpec
) -> pl.DataFrame:
    """Hold a simulated tape against two real ones.

    Args:
        real_a: RAW_TICKS with book columns: the period the simulation was fitted on.
        real_b: Another period of the same instrument.
        simulated: The simulated tape, every order in it; cut to the levels that the real ones show.
        spec: Units of the instrument.

    Returns:
        One row a metric: ``symbol, family, metric, unit, real`` (of ``real_b``; of a distance, that of ``real_a``),
        ``band_low, band_high, simulated, passed`` (null: information only, or the real tape does not say).

    Raises:
        InsufficientDataError: A tape has too few live rows.
    """
    return RealPair(real_a, real_b, spec).judge(simulated)


def _weights(rng: np.random.Generator) -> Floats:
    """(resamples, blocks) how often each bootstrap sample holds each block."""
    return rng.multinomial(_BLOCKS, np.full(_BLOCKS, 1.0 / _BLOCKS), size=_RESAMPLES).astype(float)


def _or_null(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
