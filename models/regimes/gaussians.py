"""Log densities of Gaussian components where some features of a row are missing.

A missing feature is integrated out: the density of the others is the marginal one. Every operation works on one
element at a time, so that a row's density has the same bits whatever stands beside it.

Here: densities. Not here: fitting them (models/regimes/model.py).
"""

from __future__ import annotations

import math

import numpy as np

from models.metrics.forecast import Floats

_LOG_2PI = math.log(2.0 * math.pi)


def component_densities(values: Floats, means: Floats, covariances: Floats) -> Floats:
    """Log density of each row under each component.

    Args:
        values: Shape (rows, features); NaN is missing.
        means: Shape (components, features).
        covariances: Shape (components, features, features), positive definite.

    Returns:
        Shape (rows, components); 0 for a row of which nothing is known.
    """
    known = np.isfinite(values)
    result = np.zeros((values.shape[0], means.shape[0]))
    patterns, which = np.unique(known, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        rows, used = np.flatnonzero(which.ravel() == number), np.flatnonzero(pattern)
        for component, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
            part = covariance[np.ix_(used, used)]
            result[rows, component] = _density(values[np.ix_(rows, used)], mean[used], part)
    return result


def _density(values: Floats, mean: Floats, covariance: Floats) -> Floats:
    lower = np.linalg.cholesky(covariance)
    solved: list[Floats] = []
    total = np.zeros(values.shape[0])
    # forward substitution column by column: a matrix product may round a row by how many rows there are
    for place in range(mean.size):
        rest = values[:, place] - mean[place]
        for earlier, done in enumerate(solved):
            rest = rest - lower[place, earlier] * done
        solved.append(rest / lower[place, place])
        total += solved[-1] * solved[-1]
    log_determinant = 2.0 * float(np.log(np.diag(lower)).sum())
    return -0.5 * (total + log_determinant + mean.size * _LOG_2PI)


def background_density(values: Floats) -> Floats:
    """Log density of independent standard Cauchy variables, shape (rows,); missing features are left out."""
    logs = -np.log(math.pi * (1.0 + values * values))
    return np.where(np.isfinite(logs), logs, 0.0).sum(axis=1)
