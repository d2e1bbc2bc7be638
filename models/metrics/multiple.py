"""Many comparisons at once: p-values that stay honest for the whole family.

With twenty policies held against one reference, one looks better at 5 % by chance. Holm needs nothing but the p-values;
Romano and Wolf take the largest statistic of every bootstrap draw, which uses how the comparisons hang together and
finds more where policies resemble one another.

Here: adjusted p-values. Not here: draws (models/metrics/bootstrap.py), what is compared (models/execution).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feeds.errors import SchemaError

Floats = npt.NDArray[np.float64]


def holm(p_values: npt.ArrayLike) -> Floats:
    """Step-down Bonferroni (Holm 1979, "A simple sequentially rejective multiple test procedure").

    Args:
        p_values: (k,) in [0, 1].

    Returns:
        (k,) adjusted p-values in the same order: reject those at or below the level; the chance of any false rejection
        is then at most the level, however the tests depend on one another.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    factors = np.arange(p.size, 0, -1)
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return adjusted


def bootstrap_p_values(means: npt.ArrayLike, draws: npt.ArrayLike) -> Floats:
    """Two-sided p-values of single means: the share of centred, studentised draws at least as far out.

    Args:
        means: (k,) observed.
        draws: (n, k) the same means in bootstrap draws.

    Returns:
        (k,), none below 1 / (n + 1); 1 where a mean never varies and is 0.

    Raises:
        SchemaError: The shapes do not fit.
    """
    observed, drawn = _studentised(means, draws)
    return (np.sum(drawn >= observed, axis=0) + 1.0) / (len(drawn) + 1.0)


def romano_wolf(means: npt.ArrayLike, draws: npt.ArrayLike) -> Floats:
    """Step-down maximum of studentised statistics.

    Romano & Wolf (2005), "Stepwise multiple testing as formalized data snooping", Econometrica 73; p-values as in
    Romano & Wolf (2016), Statistics & Probability Letters 113, algorithm 4.2.

    Args:
        means: (k,) observed means, each under the null of 0.
        draws: (n, k) the same means in bootstrap draws: one draw resamples all of them alike.

    Returns:
        (k,) adjusted p-values in the same order.

    Raises:
        SchemaError: The shapes do not fit.
    """
    observed, drawn = _studentised(means, draws)
    order = np.argsort(-observed, kind="stable")
    # of each draw the largest statistic among the hypotheses not yet rejected: those from this one on
    largest = np.maximum.accumulate(drawn[:, order][:, ::-1], axis=1)[:, ::-1]
    p = (np.sum(largest >= observed[order], axis=0) + 1.0) / (len(drawn) + 1.0)
    adjusted = np.empty(observed.size)
    adjusted[order] = np.maximum.accumulate(p)
    return adjusted


def _studentised(means: npt.ArrayLike, draws: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Absolute statistics (k,) and those of centred draws (n, k); both 0 where a mean never varies."""
    observed, drawn = np.asarray(means, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    if observed.ndim != 1 or drawn.ndim != 2 or drawn.shape[1] != observed.size or len(drawn) < 2:
        raise SchemaError(
            "multiple comparisons",
            received=f"means of shape {observed.shape}, draws of shape {drawn.shape}",
            expected="(k,) and (n, k), n at least 2",
        )
    error = drawn.std(axis=0, ddof=1)
    varies = error > 1e-12 * np.maximum(1.0, np.abs(observed))
    scale = np.where(varies, error, 1.0)
    # a difference without any scatter is certain, unless it is 0
    certain = ~varies & (np.abs(observed) > 1e-12)
    statistics = np.where(certain, np.inf, np.where(varies, np.abs(observed) / scale, 0.0))
    return statistics, np.where(varies, np.abs(drawn - observed) / scale, 0.0)
