"""A Gaussian mixture over market states, its states in order of volatility.

Here: fitting and saving. Not here: states of rows (models/regimes/states.py), judging
(models/regimes/evaluate.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from feeds.errors import InsufficientDataError
from models.metrics.forecast import Floats
from models.regimes.config import RegimeConfig
from models.regimes.gaussians import component_densities
from models.regimes.smoothing import fitting_stride, independent_rows, smoothed, span_rows
from models.regimes.state_features import VOLATILITY, state_columns, state_matrix
from models.saved import loaded, saved
from models.scaling import Scale, moment_scale

#: Added to every variance: no component is narrower than a fifth of a feature's spread. Spreads and counts are
#: whole numbers, and a likelihood without a floor rewards a spike on each of them without end.
VARIANCE_FLOOR = 0.04
#: An instrument with fewer training rows than this has no scale of its own and is not classified.
MIN_SYMBOL_ROWS = 50
#: A feature known in less than this share of the training rows is left out.
MIN_KNOWN = 0.8
#: Steps between rows above which they no longer follow each other: a night, a halt.
GAP_STEPS = 10


@dataclass(frozen=True)
class RegimeModel:
    """What was learned from the training rows.

    Attributes:
        config: Settings.
        features: State columns used.
        scales: Instrument -> scale of its features.
        weights: Share of each state in the mixture, shape (states,); states run from calm to turbulent.
        means: Shape (states, features), in scaled units.
        covariances: Shape (states, features, features).
        single_mean: Of the one Gaussian the mixture is held against, shape (features,).
        single_covariance: Shape (features, features).
        transition: Probability of the next row's state, shape (states, states), rows sum to 1.
        step_ns: Median time between training rows of an instrument.
        span: Rows of the trailing average of each feature, see `models.regimes.smoothing`.
        bic: Number of states tried -> Bayesian information criterion of the independent rows, lower is better.
        rows: Complete training rows.
    """

    config: RegimeConfig
    features: tuple[str, ...]
    scales: dict[str, Scale]
    weights: Floats
    means: Floats
    covariances: Floats
    single_mean: Floats
    single_covariance: Floats
    transition: Floats
    step_ns: int
    span: float
    bic: dict[int, float]
    rows: int

    @property
    def states(self) -> int:
        """Number of states."""
        return int(self.weights.size)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the states, calm first."""
        return state_labels(self.states)

    def to_bytes(self) -> bytes:
        """The model as joblib bytes."""
        return saved(self)

    @classmethod
    def from_bytes(cls, content: bytes) -> RegimeModel:
        """Load what `to_bytes` wrote; see `models.saved.loaded`."""
        return loaded(content, cls, "regime model")


def state_labels(states: int) -> tuple[str, ...]:
    """Names of ``states`` states in order of volatility."""
    if states <= 3:
        return ("calm", "turbulent") if states == 2 else ("calm", "normal", "turbulent")[:states]
    between = (f"level {place + 2} of {states}" for place in range(states - 2))
    return ("calm", *between, "turbulent")


def fit_regimes(train: pl.DataFrame, config: RegimeConfig) -> RegimeModel:
    """Fit mixtures of 2 to ``max_states`` Gaussians and keep the one of least BIC (Schwarz 1978).

    Features are averaged over the recent past first, so that states last. Averages of neighbouring rows are nearly
    the same: the fit takes one row in `fitting_stride`, more often only where too few would be left, and BIC counts
    `independent_rows`. Instruments move together and BIC leans to more states still; the comparison that counts is
    the one on held-out rows. Rows with a missing feature are left out of the fit. Features are scaled by instrument
    over the training window: a regime is calm or turbulent for its instrument in that window.

    Args:
        train: Rows of the feature table: ``ts``, ``symbol`` and state columns; one or more instruments.
        config: Settings.

    Raises:
        InsufficientDataError: There are too few complete rows, or no feature varies.
        SchemaError: A column is missing.
    """
    ordered = train.sort("symbol", "ts")
    step_ns = median_step(ordered)
    follows = following(ordered, step_ns)
    most = ordered.group_by("symbol", maintain_order=True).len()["len"].max() or 0
    span = span_rows(config.smooth_s, step_ns, most)  # type: ignore[arg-type]
    columns = state_columns(ordered)
    raw = smoothed(state_matrix(ordered, columns), follows, span)
    features, scales, values = _scaled(ordered, columns, raw)
    complete = np.flatnonzero(np.isfinite(values).all(axis=1))
    least = max(config.min_rows, 10 * (len(features) + 1) * config.max_states)
    if complete.size < least or not features:
        raise InsufficientDataError(
            "regime model",
            received=f"{complete.size} complete rows with {len(features)} features that vary",
            expected=f"at least {least} rows and one feature",
            remedy="Train on a longer window.",
        )
    wanted = min(config.max_rows, complete.size, max(least, complete.size // fitting_stride(span)))
    places = np.linspace(0, complete.size - 1, wanted).astype(np.int64)
    chosen = values[complete[places]]
    best, bic = _mixture(chosen, config, independent_rows(complete.size, span))
    order = np.argsort(_volatility(best.means_, features), kind="stable")
    means, covariances, weights = best.means_[order], best.covariances_[order], best.weights_[order]
    single = np.cov(chosen.T, bias=True).reshape(len(features), -1) + VARIANCE_FLOOR * np.eye(len(features))
    return RegimeModel(
        config=config,
        features=features,
        scales=scales,
        weights=weights,
        means=means,
        covariances=covariances,
        single_mean=chosen.mean(axis=0),
        single_covariance=single,
        transition=_transitions(component_densities(values, means, covariances) + np.log(weights), values, follows),
        step_ns=step_ns,
        span=span,
        bic=bic,
        rows=int(complete.size),
    )


def _scaled(
    ordered: pl.DataFrame, columns: tuple[str, ...], raw: Floats
) -> tuple[tuple[str, ...], dict[str, Scale], Floats]:
    known = np.isfinite(raw).mean(axis=0) >= MIN_KNOWN if ordered.height else np.zeros(len(columns), dtype=bool)
    symbols = ordered["symbol"].to_numpy()
    counts = {str(name): np.flatnonzero(symbols == name) for name in np.unique(symbols)}
    counts = {name: places for name, places in counts.items() if places.size >= MIN_SYMBOL_ROWS}
    varies = {name: moment_scale(raw[places]).varies for name, places in counts.items()}
    used = np.flatnonzero(known & np.any(list(varies.values()), axis=0)) if varies else np.zeros(0, dtype=np.int64)
    scales = {name: moment_scale(raw[np.ix_(places, used)]) for name, places in counts.items()}
    values = np.full((ordered.height, used.size), np.nan)
    for name, places in counts.items():
        values[places] = scales[name].apply(raw[np.ix_(places, used)], winsorise=True)
    return tuple(columns[place] for place in used), scales, values


def _mixture(chosen: Floats, config: RegimeConfig, independent: float) -> tuple[GaussianMixture, dict[int, float]]:
    fitted: dict[int, GaussianMixture] = {}
    # one thread: sums of several threads depend on who finishes first
    with threadpool_limits(limits=1):
        for states in range(2, config.max_states + 1):
            mixture = GaussianMixture(
                states,
                covariance_type="full",
                reg_covar=VARIANCE_FLOOR,
                n_init=config.restarts,
                init_params="k-means++",
                max_iter=200,
                random_state=config.seed,
            )
            fitted[states] = mixture.fit(chosen)
        likelihood = {states: float(mixture.score(chosen)) for states, mixture in fitted.items()}
    width = chosen.shape[1]
    each = width + width * (width + 1) // 2
    counted = min(independent, len(chosen))
    bic = {
        states: -2.0 * counted * mean + (states - 1 + states * each) * math.log(counted)
        for states, mean in likelihood.items()
    }
    return fitted[min(bic, key=lambda states: bic[states])], bic


def _volatility(means: Floats, features: tuple[str, ...]) -> Floats:
    places = [place for place, name in enumerate(features) if name in VOLATILITY] or [0]
    return means[:, places].mean(axis=1)


def median_step(ordered: pl.DataFrame) -> int:
    """Median time between rows of one instrument, ns; 1 where no instrument has two rows."""
    steps = ordered.select(pl.col("ts").diff().over("symbol").alias("step"))["step"].drop_nulls()
    return max(1, int(steps.median())) if len(steps) else 1  # type: ignore[arg-type]


def following(ordered: pl.DataFrame, step_ns: int) -> npt.NDArray[np.bool_]:
    """Whether each row follows the one before it: same instrument, no gap; rows sorted by symbol and time."""
    step = pl.col("ts").diff().over("symbol").alias("step")
    return (ordered.select(step)["step"] <= GAP_STEPS * step_ns).fill_null(False).to_numpy()


def _transitions(log_joint: Floats, values: Floats, follows: npt.NDArray[np.bool_]) -> Floats:
    """Counted moves between the likeliest states of consecutive rows, each move counted once more than seen.

    States of single rows are noisy, so that states seem to change somewhat more often than they do.
    """
    state = log_joint.argmax(axis=1)
    known = np.isfinite(values).sum(axis=1) > 0
    pairs = np.flatnonzero(follows[1:] & known[1:] & known[:-1])
    counts = np.ones((log_joint.shape[1], log_joint.shape[1]))
    np.add.at(counts, (state[pairs], state[pairs + 1]), 1.0)
    return counts / counts.sum(axis=1, keepdims=True)
