"""An isolation forest over decision times, with a threshold that states how often it cries wolf.

Here: fitting, saving, scoring. Not here: episodes and tables (models/anomaly/episodes.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from sklearn.ensemble import IsolationForest

from feeds.errors import InsufficientDataError
from models.anomaly.config import AnomalyConfig
from models.anomaly.marks import mark_matrix, mark_names
from models.metrics.forecast import Floats
from models.saved import loaded, saved
from models.scaling import Scale, robust_scale

#: A mark known in less than this share of the training rows is left out.
MIN_KNOWN = 0.5
#: Digits kept of a score: its last bits may depend on how many rows are scored together.
DIGITS = 12


@dataclass(frozen=True)
class AnomalyModel:
    """What was learned from the training rows.

    Attributes:
        config: Settings.
        features: Marks used.
        scales: Instrument -> median and width of its marks.
        thresholds: Instrument -> score above which a row is flagged.
        threshold: The same over all training rows.
        forest: The trees.
        step_ns: Median time between training rows of an instrument.
        rows: Training rows.
    """

    config: AnomalyConfig
    features: tuple[str, ...]
    scales: dict[str, Scale]
    thresholds: dict[str, float]
    threshold: float
    forest: IsolationForest
    step_ns: int
    rows: int

    def to_bytes(self) -> bytes:
        """The model as joblib bytes."""
        return saved(self)

    @classmethod
    def from_bytes(cls, content: bytes) -> AnomalyModel:
        """Load what `to_bytes` wrote; see `models.saved.loaded`."""
        return loaded(content, cls, "anomaly model")


def fit_anomaly(train: pl.DataFrame, config: AnomalyConfig) -> AnomalyModel:
    """Grow an isolation forest (Liu, Ting & Zhou 2008) and set each instrument's threshold.

    Marks are scaled by instrument, so that instruments share one forest. A threshold is the quantile
    1 - ``alarm_share`` of the instrument's own training scores.

    Args:
        train: Rows of the feature table: ``ts``, ``symbol`` and what `models.anomaly.marks.MARKS` needs.
        config: Settings.

    Raises:
        InsufficientDataError: No instrument has enough rows, or nothing varies.
        SchemaError: A column is missing.
    """
    ordered = train.sort("symbol", "ts")
    marks = mark_names(ordered)
    steps = ordered.select(pl.col("ts").diff().over("symbol").alias("step"))["step"].drop_nulls()
    step_ns = max(1, int(steps.median())) if len(steps) else 1  # type: ignore[arg-type]
    raw = mark_matrix(ordered, marks, step_ns)
    symbols = ordered["symbol"].to_numpy()
    places = {str(name): np.flatnonzero(symbols == name) for name in np.unique(symbols)}
    trained = {name: rows for name, rows in places.items() if rows.size >= config.min_rows}
    used = _used(raw, trained)
    if not trained or not used.size:
        most = max((rows.size for rows in places.values()), default=0)
        raise InsufficientDataError(
            "anomaly model",
            received=f"at most {most} rows an instrument, {used.size} features that vary",
            expected=f"at least {config.min_rows} rows and one feature",
            remedy="Train on a longer window.",
        )
    scales = {name: robust_scale(raw[np.ix_(rows, used)]) for name, rows in trained.items()}
    scaled = {name: _filled(scales[name].apply(raw[np.ix_(rows, used)], False)) for name, rows in trained.items()}
    everything = np.concatenate(list(scaled.values()))
    forest = IsolationForest(
        n_estimators=config.trees, max_samples=min(config.tree_rows, len(everything)), random_state=config.seed
    ).fit(everything)
    quantile = 1.0 - config.alarm_share
    scores = {name: _scores(forest, values) for name, values in scaled.items()}
    return AnomalyModel(
        config=config,
        features=tuple(marks[place] for place in used),
        scales=scales,
        thresholds={name: float(np.quantile(values, quantile)) for name, values in scores.items()},
        threshold=float(np.quantile(np.concatenate(list(scores.values())), quantile)),
        forest=forest,
        step_ns=step_ns,
        rows=len(everything),
    )


def _used(raw: Floats, trained: dict[str, np.ndarray]) -> np.ndarray:
    if not trained:
        return np.zeros(0, dtype=np.int64)
    rows = np.concatenate(list(trained.values()))
    known = np.isfinite(raw[rows]).mean(axis=0) >= MIN_KNOWN
    varies = np.any([robust_scale(raw[places]).varies for places in trained.values()], axis=0)
    return np.flatnonzero(known & varies)


def _filled(scaled: Floats) -> Floats:
    """A missing mark counts as its median."""
    return np.where(np.isfinite(scaled), scaled, 0.0)


def _scores(forest: IsolationForest, values: Floats) -> Floats:
    return np.round(-forest.score_samples(values), DIGITS) if len(values) else np.zeros(0)


def scaled_marks(model: AnomalyModel, ordered: pl.DataFrame) -> Floats:
    """Marks of rows sorted by symbol and time in robust standard deviations from the training median.

    Returns:
        Shape (rows, features); NaN where a mark is missing or the instrument was not trained.
    """
    raw = mark_matrix(ordered, model.features, model.step_ns)
    symbols = ordered["symbol"].to_numpy()
    values = np.full(raw.shape, np.nan)
    for symbol, scale in model.scales.items():
        places = np.flatnonzero(symbols == symbol)
        values[places] = scale.apply(raw[places], False)
    return values


def anomaly_scores(model: AnomalyModel, rows: pl.DataFrame, model_id: str = "") -> pl.DataFrame:
    """How unusual each row is; a score depends on its row and the one before only.

    Args:
        model: Fitted model.
        rows: Feature rows: ``ts``, ``symbol``, the model's columns; ``available_at`` optional (else ``ts``).
        model_id: Written beside each row.

    Returns:
        ``ts, available_at, symbol, score`` (in (0, 1), the higher the more unusual), ``threshold, is_anomaly,
        model_id``, sorted by time and instrument. Score and flag are null where less than half of the marks are
        known or the instrument was not trained.

    Raises:
        SchemaError: A column is missing.
    """
    ordered = rows.sort("symbol", "ts")
    values = scaled_marks(model, ordered)
    enough = 2 * np.isfinite(values).sum(axis=1) >= values.shape[1]
    score = np.where(enough, _scores(model.forest, _filled(values)), np.nan)
    available = "available_at" if "available_at" in ordered.columns else "ts"
    threshold = pl.col("symbol").replace_strict(model.thresholds, default=None, return_dtype=pl.Float64)
    return (
        ordered.select("ts", pl.col(available).alias("available_at"), "symbol")
        .with_columns(pl.Series("score", score, dtype=pl.Float64).fill_nan(None), threshold.alias("threshold"))
        .with_columns((pl.col("score") > pl.col("threshold")).alias("is_anomaly"), pl.lit(model_id).alias("model_id"))
        .sort("ts", "symbol")
    )
