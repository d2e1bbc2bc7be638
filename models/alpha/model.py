"""A fitted alpha model: every row of the comparison on one training set.

Here: fitting, saving, forecasting. Not here: judging (models/alpha/evaluate.py), choosing the rows of a split
(models/splits.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from feeds.errors import InsufficientDataError, SchemaError
from models.alpha.config import AlphaConfig
from models.alpha.estimators import ESTIMATORS, Estimator
from models.metrics.forecast import Floats
from models.saved import loaded, saved

#: Fewer labelled rows than this and nothing is fitted.
MIN_TRAIN_ROWS = 50
#: The row whose forecasts are traded, in order of preference.
_LEADS = ("gradient_boosting", "linear", "naive")


@dataclass(frozen=True)
class TrainStats:
    """What the model was fitted on.

    Attributes:
        rows: Labelled training rows.
        label_mean: Their mean label, bps.
        label_std: Standard deviation of the labels, bps.
        first_ts: Decision time of the first row, ns UTC.
        last_ts: Decision time of the last row, ns UTC.
        symbols: Instruments, ascending.
    """

    rows: int
    label_mean: float
    label_std: float
    first_ts: int
    last_ts: int
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class AlphaModel:
    """Fitted rows with all that is needed to forecast.

    Attributes:
        rows: Row name -> fitted estimator.
        features: Columns in the order of the matrix.
        label: Column that was learned, bps.
        train_stats: What it was learned from.
        config: How.
    """

    rows: dict[str, Estimator]
    features: tuple[str, ...]
    label: str
    train_stats: TrainStats
    config: AlphaConfig

    @property
    def lead(self) -> str:
        """The row whose forecasts are used: gradient boosting where it was fitted."""
        return next((row for row in _LEADS if row in self.rows), next(iter(self.rows)))

    def matrix(self, frame: pl.DataFrame) -> Floats:
        """Features of ``frame``, float64 of shape (rows, features), NaN where missing or infinite.

        Raises:
            SchemaError: A feature is missing.
        """
        return feature_matrix(frame, self.features)

    def predict(self, frame: pl.DataFrame, row: str | None = None) -> Floats:
        """Forecasts in bps, shape (rows,), of ``row`` or of the lead row.

        Raises:
            SchemaError: A feature is missing, or the row was not fitted.
        """
        name = self.lead if row is None else row
        if name not in self.rows:
            raise SchemaError("alpha model", received=f"row {name!r}", expected=f"one of {list(self.rows)}")
        if frame.is_empty():
            return np.zeros(0)
        return self.rows[name].predict(self.matrix(frame))

    def to_bytes(self) -> bytes:
        """The model as joblib bytes; equal models fitted alike give equal bytes."""
        return saved(self)

    @classmethod
    def from_bytes(cls, content: bytes) -> AlphaModel:
        """Load what `to_bytes` wrote; see `models.saved.loaded`."""
        return loaded(content, cls, "alpha model")


def feature_matrix(frame: pl.DataFrame, features: Sequence[str]) -> Floats:
    """Columns ``features`` of ``frame`` as float64, NaN where missing or infinite.

    Raises:
        SchemaError: A column is missing.
    """
    missing = [name for name in features if name not in frame.columns]
    if missing:
        raise SchemaError(
            "features of the alpha model",
            received=f"{len(frame.columns)} columns without {missing}",
            expected="every feature the model was trained on",
            remedy="Materialise feature_table again, or retrain the model on the columns there are.",
        )
    values = frame.select(pl.col(name).cast(pl.Float64) for name in features).to_numpy().astype(np.float64)
    return np.ascontiguousarray(np.where(np.isfinite(values), values, np.nan))


def fit_alpha(train: pl.DataFrame, features: Sequence[str], label: str, config: AlphaConfig) -> AlphaModel:
    """Fit every row of ``config`` on the labelled rows of ``train``.

    Args:
        train: Columns ``ts`` (int64 ns), ``symbol``, the features and the label; row order does not matter to
            the controls but is part of what makes two fits equal.
        features: Feature columns, at least one.
        label: Column to learn, a return in bps; rows in which it is null or not finite are left out.
        config: Which rows, and how.

    Raises:
        SchemaError: A column is missing or there is no feature.
        InsufficientDataError: There are fewer than `MIN_TRAIN_ROWS` labelled rows.
    """
    if not features or label not in train.columns:
        raise SchemaError(
            "training set",
            received=f"{len(features)} features, label {label}",
            expected="both in its columns",
        )
    labelled = train.filter(pl.col(label).is_not_null() & pl.col(label).cast(pl.Float64).is_finite())
    if labelled.height < MIN_TRAIN_ROWS:
        raise InsufficientDataError(
            "training set of the alpha model",
            received=f"{labelled.height} labelled rows",
            expected=f"at least {MIN_TRAIN_ROWS}",
            remedy="Add dates, or move the study's train_until later.",
        )
    x, y = feature_matrix(labelled, features), labelled[label].cast(pl.Float64).to_numpy()
    stats = TrainStats(
        rows=labelled.height,
        label_mean=float(y.mean()),
        label_std=float(y.std(ddof=1)),
        first_ts=int(labelled["ts"].min()),  # type: ignore[arg-type]
        last_ts=int(labelled["ts"].max()),  # type: ignore[arg-type]
        symbols=tuple(sorted(labelled["symbol"].unique().to_list())),
    )
    rows = {name: ESTIMATORS[name](config).fit(x, y) for name in config.rows}
    return AlphaModel(rows, tuple(features), label, stats, config)


def forecast(model: AlphaModel, frame: pl.DataFrame, model_id: str) -> pl.DataFrame:
    """Forecasts of the lead row, with the linear control beside it.

    Args:
        model: A fitted model.
        frame: Columns ``ts``, ``available_at``, ``symbol`` and the features; labels are not read.
        model_id: Manifest id of the model, carried by every row.

    Returns:
        ``ts``, ``available_at``, ``symbol``, ``forecast_bps``, ``linear_bps`` (null without a linear row),
        ``model_id``; one row per row of ``frame``, in its order.

    Raises:
        SchemaError: A feature is missing.
    """
    linear = model.predict(frame, "linear") if "linear" in model.rows else None
    return frame.select(
        pl.col("ts"),
        pl.col("available_at"),
        pl.col("symbol"),
        pl.Series("forecast_bps", model.predict(frame), dtype=pl.Float64),
        pl.lit(None, dtype=pl.Float64).alias("linear_bps")
        if linear is None
        else pl.Series("linear_bps", linear, dtype=pl.Float64),
        pl.lit(model_id).alias("model_id"),
    )
