"""Splits of labelled rows into train and test, purged of labels that reach into the test.

Source: Lopez de Prado 2018, Advances in Financial Machine Learning, ch. 7 (purging, embargo).

Here: which rows. Not here: what is fitted on them (models/alpha).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from feeds.errors import InsufficientDataError, SchemaError
from models.labels import AVAILABLE_AT

Split = tuple[pl.DataFrame, pl.DataFrame]


def purged_split(frame: pl.DataFrame, test_start_ns: int, embargo_ns: int = 0) -> Split:
    """Train on what was known an embargo before the test begins; test on the decisions from then on.

    Args:
        frame: Labelled rows with ``ts`` and ``label_available_at``.
        test_start_ns: First decision time of the test, ns UTC.
        embargo_ns: Extra distance between the last training label and the test.

    Returns:
        ``(train, test)``: train has ``label_available_at + embargo_ns <= test_start_ns`` (rows without a
        label are left out), test has ``ts >= test_start_ns``. Order is kept.

    Raises:
        SchemaError: A column is missing or the embargo is negative.
    """
    _validate(frame, ("ts", AVAILABLE_AT), embargo_ns)
    known = pl.col(AVAILABLE_AT) + embargo_ns <= test_start_ns
    return frame.filter(known.fill_null(False)), frame.filter(pl.col("ts") >= test_start_ns)


def intraday_split(frame: pl.DataFrame, split_ns: int, horizon_ns: int, embargo_ns: int = 0) -> Split:
    """Split inside a day at ``split_ns``; for rows that carry no ``label_available_at``, too.

    A row is trained on only if ``ts + horizon_ns + embargo_ns <= split_ns`` and, where the column is there,
    its labels were also known by then; it is tested on from ``split_ns`` on.

    Args:
        frame: Rows with ``ts``.
        split_ns: First decision time of the test, ns UTC.
        horizon_ns: Label horizon.
        embargo_ns: Extra distance.

    Raises:
        SchemaError: A column is missing or a distance is negative.
    """
    _validate(frame, ("ts",), min(horizon_ns, embargo_ns))
    ended = frame.filter(pl.col("ts") + horizon_ns + embargo_ns <= split_ns)
    train = purged_split(ended, split_ns, embargo_ns)[0] if AVAILABLE_AT in frame.columns else ended
    return train, frame.filter(pl.col("ts") >= split_ns)


def walk_forward_split(
    frames: Mapping[str, pl.DataFrame], test_date: str, train_days: int, embargo_ns: int = 0
) -> Split:
    """Train on the ``train_days`` dates before ``test_date`` that are there, test on ``test_date``.

    Args:
        frames: ISO date -> labelled rows of the date.
        test_date: Date judged.
        train_days: Number of earlier dates used, the latest ones.
        embargo_ns: Extra distance; see `purged_split`.

    Raises:
        InsufficientDataError: ``test_date`` has no rows or no earlier date is there.
    """
    earlier = sorted(date for date in frames if date < test_date)[-train_days:] if train_days > 0 else []
    test = frames.get(test_date)
    if test is None or test.is_empty() or not earlier:
        raise InsufficientDataError(
            f"walk-forward split for {test_date}",
            received=f"dates {sorted(frames)}",
            expected="rows of the date and of at least one date before it",
            remedy="Bring in more days or use an intraday split.",
        )
    start = int(test["ts"].min())  # type: ignore[arg-type]
    pool = pl.concat([frames[date] for date in earlier], how="diagonal_relaxed")
    return purged_split(pool, start, embargo_ns)[0], test


def _validate(frame: pl.DataFrame, columns: tuple[str, ...], least_distance_ns: int) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing or least_distance_ns < 0:
        raise SchemaError(
            "split",
            received=f"columns {frame.columns}, distance {least_distance_ns} ns",
            expected=f"columns {list(columns)} and distances of zero or more",
        )
