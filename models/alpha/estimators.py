"""The rows of the comparison: one estimator each, all with ``fit(x, y)`` and ``predict(x)``.

Missing values are NaN in float64 matrices; every estimator takes them. All are deterministic for a seed.

Here: the estimators. Not here: which columns go in (models/alpha/model.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from models.alpha.config import AlphaConfig
from models.metrics.forecast import Floats

#: A pool as wide as the machine waits for its slowest thread: one other busy process makes it ten times slower.
THREADS = max(1, (os.cpu_count() or 2) // 2)


class Estimator(Protocol):
    """What every row offers."""

    def fit(self, x: Floats, y: Floats) -> Estimator:
        """Fit on ``x`` of shape (n, k), NaN where missing, and finite ``y`` of shape (n,); returns itself."""
        ...

    def predict(self, x: Floats) -> Floats:
        """Finite forecasts of shape (n,) in the unit of ``y``."""
        ...


class Naive:
    """The training mean, whatever the features say."""

    def __init__(self) -> None:
        self.mean = 0.0

    def fit(self, x: Floats, y: Floats) -> Naive:
        """Keep the mean of ``y``."""
        self.mean = float(y.mean())
        return self

    def predict(self, x: Floats) -> Floats:
        """The mean, shape (n,)."""
        return np.full(x.shape[0], self.mean)


class Linear:
    """Ridge regression on winsorised, standardised features; a missing feature counts as its training mean.

    Minimises the mean squared error plus ``penalty`` times the squared coefficients (Hoerl & Kennard 1970).

    Args:
        penalty: Per observation, so that it means the same for every sample size.
        winsor: Share of each tail pulled in to the training quantile.
    """

    def __init__(self, penalty: float, winsor: float) -> None:
        self.penalty = penalty
        self.winsor = winsor
        self.low = self.high = self.mean = self.scale = self.coefficients = np.zeros(0)
        self.intercept = 0.0

    def fit(self, x: Floats, y: Floats) -> Linear:
        """Solve the normal equations."""
        present = np.where(np.isnan(x).all(axis=0), 0.0, x)
        self.low, self.high = np.nanquantile(present, [self.winsor, 1.0 - self.winsor], axis=0)
        clipped = np.clip(present, self.low, self.high)
        self.mean = np.nanmean(clipped, axis=0)
        deviation = np.nanstd(clipped, axis=0)
        # a constant feature carries nothing and must not be blown up to unit variance out of rounding noise
        constant = deviation <= 1e-12 * np.maximum(1.0, np.abs(self.mean))
        self.scale = np.where(constant, np.inf, deviation)
        self.intercept = float(y.mean())
        z = self._standardise(x)
        n, k = z.shape
        self.coefficients = np.linalg.solve(z.T @ z / n + self.penalty * np.eye(k), z.T @ (y - self.intercept) / n)
        return self

    def predict(self, x: Floats) -> Floats:
        """Intercept plus standardised features times coefficients."""
        total = np.full(x.shape[0], self.intercept)
        # column by column: a matrix product may round a row differently depending on how many rows there are
        for column, coefficient in zip(self._standardise(x).T, self.coefficients, strict=True):
            total += column * coefficient
        return total

    def _standardise(self, x: Floats) -> Floats:
        return np.nan_to_num((np.clip(x, self.low, self.high) - self.mean) / self.scale, nan=0.0)


class GradientBoosting:
    """Histogram gradient boosting (Friedman 2001; Ke et al. 2017).

    No early stopping: it would need a random holdout, and rows next in time leak into one.

    Args:
        config: Rounds, shrinkage, leaves.
        seed: Seed of the feature binning.
    """

    def __init__(self, config: AlphaConfig, seed: int) -> None:
        self.trees = HistGradientBoostingRegressor(
            max_iter=config.max_iter,
            learning_rate=config.learning_rate,
            max_leaf_nodes=config.max_leaf_nodes,
            min_samples_leaf=config.min_samples_leaf,
            early_stopping=False,
            random_state=seed,
        )
        self.present: npt.NDArray[np.bool_] = np.zeros(0, dtype=bool)

    def fit(self, x: Floats, y: Floats) -> GradientBoosting:
        """Grow the trees; features that are missing in every training row are left out."""
        self.present = np.logical_not(np.isnan(x).all(axis=0))
        with threadpool_limits(limits=THREADS):
            self.trees.fit(self._usable(x), y)
        return self

    def predict(self, x: Floats) -> Floats:
        """Sum of the trees."""
        with threadpool_limits(limits=THREADS):
            return np.asarray(self.trees.predict(self._usable(x)), dtype=np.float64)

    def _usable(self, x: Floats) -> Floats:
        # the binning has no place for a column without a value; a constant column in its stead splits nothing
        return np.where(self.present, x, 0.0)


class Shuffled:
    """The same boosting on permuted labels: what is found where there is nothing to find.

    One permutation leaves a random function of features that do predict, so its single IC scatters around
    zero by more than sampling noise; several permutations show that scatter.

    Args:
        config: As for `GradientBoosting`, and the number of permutations.
    """

    def __init__(self, config: AlphaConfig) -> None:
        self.seeds = np.random.SeedSequence(config.seed).spawn(config.shuffles)
        self.members = [GradientBoosting(config, config.seed) for _ in self.seeds]

    def fit(self, x: Floats, y: Floats) -> Shuffled:
        """Fit each member on its own permutation of ``y``."""
        for member, seed in zip(self.members, self.seeds, strict=True):
            member.fit(x, np.random.default_rng(seed).permutation(y))
        return self

    def predict(self, x: Floats) -> Floats:
        """Forecast of the first permutation."""
        return self.members[0].predict(x)

    def predict_members(self, x: Floats) -> list[Floats]:
        """Forecast of every permutation."""
        return [member.predict(x) for member in self.members]


#: Row name -> maker of its unfitted estimator.
ESTIMATORS: dict[str, Callable[[AlphaConfig], Estimator]] = {
    "naive": lambda config: Naive(),
    "linear": lambda config: Linear(config.ridge_penalty, config.winsor),
    "gradient_boosting": lambda config: GradientBoosting(config, config.seed),
    "shuffled": Shuffled,
}
