"""The fused table: microstructure features, text and signals at each decision, as they were known then.

Here: the point-in-time join (DuckDB, feature_table.sql), the training set, which columns are features. Not
here: how the parts are computed (models/features, models/sentiment, feeds/signals.py), labels
(models/labels.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import duckdb
import polars as pl

from feeds.errors import RowAccountingError, SchemaError
from feeds.schema import conform
from models.labels import mid_return_labels

DAY_NS = 86_400 * 1_000_000_000
#: Age of the last headline where there is none, or none within a week.
AGE_CAP_H = 168.0
EXTERNAL_PREFIX = "ext_"
#: Columns that identify or price a row; neither they nor labels are features.
KEY_COLUMNS = ("ts", "available_at", "date", "symbol", "mid_ticks")
_LABEL_PREFIX = "label_"
_SQL = Path(__file__).with_name("feature_table.sql")
_SIGNAL_NAME = re.compile(r"[a-z][a-z0-9_]*")


def build_feature_table(micro: pl.DataFrame, sentiment: pl.DataFrame, signals: pl.DataFrame, date: str) -> pl.DataFrame:
    """Join text and signals to the decisions of one date, point in time on ``available_at``.

    A headline or signal is used from the nanosecond it is available. Of a signal the latest value known for
    the symbol counts, and the one for ``"*"`` only where the symbol has none yet.

    Args:
        micro: microstructure_features of all instruments of the date, one row per (ts, symbol).
        sentiment: SENTIMENT; may hold earlier days and later rows.
        signals: EXTERNAL_SIGNALS, likewise.
        date: ISO date, becomes the column ``date``.

    Returns:
        As many rows as ``micro``, ordered by (ts, symbol): ``ts``, ``available_at`` (of the latest part used),
        ``date``, the other columns of ``micro``, ``sent_last`` (score of the latest headline, 0 where there is none;
        the mean of several at one instant), ``sent_age_h`` (its age in hours, at most 168), ``sent_mean_24h``
        (mean score of the last 24 hours, 0 where there is none), ``news_count_24h``, and ``ext_<name>`` per
        signal name (null where nothing is known yet).

    Raises:
        RowAccountingError: The join lost or multiplied rows.
        SchemaError: A signal's name is no column name, or an input lacks columns.
    """
    names = sorted(signals["name"].unique().to_list())
    for name in names:
        if not _SIGNAL_NAME.fullmatch(name):
            raise SchemaError(
                "external signal",
                received=f"name {name!r}",
                expected="lower-case letters, digits and underscores",
            )
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.register("micro", micro.to_arrow())
        connection.register("sentiment", conform(sentiment, "sentiment").to_arrow())
        connection.register("signals", conform(signals, "external_signals").to_arrow())
        joined = connection.sql(_query(names), params={"date": date}).to_arrow_table()
    frame = pl.DataFrame(pl.from_arrow(joined))
    _account(micro, frame)
    return frame


def build_training_set(feature_table: pl.DataFrame, horizons_ms: Sequence[int], latency_ms: int) -> pl.DataFrame:
    """Add labels to the feature table; see `models.labels.mid_return_labels`."""
    return mid_return_labels(feature_table, horizons_ms, latency_ms)


def feature_columns(frame: pl.DataFrame) -> list[str]:
    """Names of the columns of ``frame`` a model may read, in order: numeric, neither keys nor labels."""
    return [
        name
        for name, kind in frame.schema.items()
        if kind.is_numeric() and name not in KEY_COLUMNS and not name.startswith(_LABEL_PREFIX)
    ]


def _query(names: Sequence[str]) -> str:
    ctes, columns, joins, available = [], [], [], []
    for k, name in enumerate(names):
        for kind, condition in (("own", "symbol <> '*'"), ("all", "symbol = '*'")):
            ctes.append(_latest(f"{kind}_{k}", name, condition))
        for kind, same in (("own", f"micro.symbol = own_{k}.symbol AND "), ("all", "")):
            joins.append(f"ASOF LEFT JOIN {kind}_{k} ON {same}micro.available_at >= {kind}_{k}.available_at")
        columns.append(f"coalesce(own_{k}.value, all_{k}.value) AS {EXTERNAL_PREFIX}{name}")
        available.append(f"CASE WHEN own_{k}.value IS NULL THEN all_{k}.available_at ELSE own_{k}.available_at END")
    return _SQL.read_text().format(
        day_ns=DAY_NS,
        age_cap_h=AGE_CAP_H,
        ext_ctes="".join(f",\n{cte}" for cte in ctes),
        ext_columns="".join(f",\n    {column}" for column in columns),
        ext_joins="".join(f"\n{join}" for join in joins),
        ext_available="".join(f", {column}" for column in available),
    )


def _latest(alias: str, name: str, condition: str) -> str:
    """One value an instant and symbol: of several, the one that speaks of the latest time."""
    return (
        f"{alias} AS (SELECT symbol, available_at, value FROM signals WHERE name = '{name}' AND {condition}\n"
        "    AND value IS NOT NULL\n"
        "    QUALIFY row_number() OVER (PARTITION BY symbol, available_at\n"
        "        ORDER BY effective_at DESC, source DESC, value DESC) = 1)"
    )


def _account(micro: pl.DataFrame, frame: pl.DataFrame) -> None:
    ahead = frame.filter(pl.col("available_at") > pl.col("ts")).height
    keys = ["ts", "symbol"]
    kept = frame.select(keys).equals(micro.select(keys).unique().sort(keys))
    if not kept or ahead:
        raise RowAccountingError(
            "feature table",
            received=f"{frame.height} rows, {ahead} of them not available at their decision time",
            expected=f"the {micro.height} rows of microstructure_features, each once, all available",
            remedy="Check that (ts, symbol) is unique in microstructure_features.",
        )
