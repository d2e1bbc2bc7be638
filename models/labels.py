"""Labels: what the mid price did after a decision, and when that was known.

Here: return labels on the decision grid. Not here: which rows may be trained on (models/splits.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from feeds.errors import SchemaError

NS_PER_MS = 1_000_000
AVAILABLE_AT = "label_available_at"


def label_name(horizon_ms: int) -> str:
    """Column of the label over ``horizon_ms``."""
    return f"label_{horizon_ms}ms_bps"


def mid_return_labels(frame: pl.DataFrame, horizons_ms: Sequence[int], latency_ms: int = 0) -> pl.DataFrame:
    """Add the log return of the mid, in bps, over each horizon from the first moment one could have acted.

    Entry is the first decision time at or after ``ts + latency_ms``, exit the first at or after entry +
    horizon, both of the same symbol. The horizon runs from the entry, so that a latency below one grid step
    costs a delay and does not shorten (or empty) the period measured. A label is null where entry or exit
    lies more than one grid step later than asked: the session has ended, or no decision was possible (silent
    feed).

    Args:
        frame: Columns ``ts`` (ns UTC), ``symbol``, ``mid_ticks``; other columns pass through. One row per
            (ts, symbol).
        horizons_ms: Horizons, each positive.
        latency_ms: From decision to execution.

    Returns:
        ``frame``, rows in the same order, with ``label_{h}ms_bps`` per horizon and ``label_available_at``:
        when the last of the row's labels is known (null where it has none).

    Raises:
        SchemaError: A horizon is not positive, the latency negative, or (ts, symbol) repeats.
    """
    _validate(frame, horizons_ms, latency_ms)
    mids = frame.select("symbol", "ts", "mid_ticks").sort("ts")
    steps = mids.select((pl.col("ts").diff().over("symbol")).alias("step"))["step"].drop_nulls()
    tolerance_ns = int(steps.min() or 0)  # type: ignore[arg-type]
    entry = _first_at_or_after(mids, frame["symbol"], frame["ts"] + latency_ms * NS_PER_MS, tolerance_ns)
    labels, exits = [], []
    for horizon in horizons_ms:
        left = _first_at_or_after(mids, frame["symbol"], entry["found_ts"] + horizon * NS_PER_MS, tolerance_ns)
        value = (left["mid_ticks"] / entry["mid_ticks"]).log() * 1e4
        labels.append(value.alias(label_name(horizon)))
        exits.append(left["found_ts"].alias(str(horizon)))
    known = pl.DataFrame(exits).select(pl.max_horizontal(pl.all()).alias(AVAILABLE_AT))
    return frame.with_columns(*labels, known[AVAILABLE_AT])


def _first_at_or_after(mids: pl.DataFrame, symbol: pl.Series, wanted: pl.Series, tolerance_ns: int) -> pl.DataFrame:
    """``found_ts`` and ``mid_ticks`` of the first row at or after ``wanted``; null where it is too far."""
    targets = pl.DataFrame({"symbol": symbol, "wanted": wanted}).with_row_index("row")
    found = (
        targets.drop_nulls("wanted")
        .sort("wanted")
        .join_asof(
            mids.with_columns(pl.col("ts").alias("found_ts")),
            left_on="wanted",
            right_on="ts",
            by="symbol",
            strategy="forward",
            check_sortedness=False,
        )
    )
    late = pl.col("found_ts") - pl.col("wanted") > tolerance_ns
    nulled = found.with_columns(
        pl.when(late).then(None).otherwise(pl.col(name)).alias(name) for name in ("found_ts", "mid_ticks")
    )
    columns = nulled.select("row", "found_ts", "mid_ticks")
    return targets.select("row").join(columns, on="row", how="left", maintain_order="left").drop("row")


def _validate(frame: pl.DataFrame, horizons_ms: Sequence[int], latency_ms: int) -> None:
    if latency_ms < 0 or not horizons_ms or min(horizons_ms) <= 0:
        raise SchemaError(
            "labels",
            received=f"horizons {list(horizons_ms)} ms, latency {latency_ms} ms",
            expected="at least one horizon, all positive, and a latency of zero or more",
        )
    repeated = frame.height - frame.select("ts", "symbol").n_unique()
    if repeated:
        raise SchemaError(
            "labels",
            received=f"{repeated} repeated (ts, symbol) rows",
            expected="one row per decision time and symbol",
        )
