"""The microstructure_features table of one instrument-day.

Here: from a CLEAN_TICKS frame to a frame of features. Not here: the arithmetic (fold.py).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feeds.instruments import InstrumentSpec
from models.features.fold import MAX_SILENCE_MS, Events, FeatureRows, Grid, advance, fold, init_state
from models.features.spec import feature_names


def microstructure_features(
    clean: pl.DataFrame,
    bounds: tuple[int, int],
    grid_ms: int,
    spec: InstrumentSpec,
    *,
    max_silence_ms: int = MAX_SILENCE_MS,
) -> pl.DataFrame:
    """Features on the decision grid ``open + k * grid_ms``, k = 1, 2, ..., up to and including the close.

    A row at ``ts`` uses only events with ``available_at <= ts``. There is none before the first two-sided
    book, nor where nothing was heard for longer than ``max_silence_ms`` (a capture that ended, a dead feed).
    Windows reach back to the open at most; a row whose book has an empty side leaves the last two-sided book
    standing.

    Args:
        clean: CLEAN_TICKS of one instrument-day, ``available_at`` never decreasing.
        bounds: Session open and close, ns UTC.
        grid_ms: Spacing of the decisions.
        spec: Units of the instrument; its id becomes ``symbol``.
        max_silence_ms: See above.

    Returns:
        ``ts`` and ``available_at`` (int64 ns UTC, equal), ``symbol``, ``mid_ticks`` and one float64 column
        per `spec.FEATURES`, ascending in ``ts``.

    Raises:
        SchemaError: ``available_at`` decreases.
        StudyError: ``grid_ms`` or the session is not positive.
    """
    state = init_state(Grid.of(bounds, grid_ms, spec, max_silence_ms))
    known = fold(state, Events.from_clean(clean))
    rest = advance(state, bounds[1])
    return features_frame([known, rest], spec.id)


def features_frame(parts: list[FeatureRows], symbol: str) -> pl.DataFrame:
    """Stack the rows that `fold` and `advance` returned into one frame; NaN becomes null."""
    ts = np.concatenate([part.ts for part in parts])
    values = np.concatenate([part.values for part in parts])
    names = (*feature_names(), "mid_ticks")
    columns = {name: values[:, j] for j, name in enumerate(names)}
    frame = pl.DataFrame({"ts": ts, **columns}, schema={"ts": pl.Int64} | dict.fromkeys(names, pl.Float64))
    return frame.select(
        "ts",
        pl.col("ts").alias("available_at"),
        pl.lit(symbol).alias("symbol"),
        "mid_ticks",
        pl.col(feature_names()).fill_nan(None),
    )
