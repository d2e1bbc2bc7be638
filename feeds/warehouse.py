"""The DuckDB file a researcher queries: one view per table of the lake, nothing stored twice.

A DuckDB writer locks out every reader and an open reader every writer, so nobody ever writes to the published
file: `publish` builds a new one beside it and renames it into place. Readers keep what they opened.

Here: building and opening the file. Not here: the tables (feeds/lake.py).
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from feeds.errors import LakeError

FILE_NAME = "warehouse.duckdb"
FEATURES = "features"
EVALUATION = "evaluation"
TICKS = "ticks"
#: Tables of the first two schemas; every other table is an evaluation result.
_SCHEMA_OF = dict.fromkeys(("raw_ticks", "clean_ticks", "rejected_ticks"), TICKS) | dict.fromkeys(
    (
        "bars",
        "microstructure_features",
        "headlines",
        "sentiment",
        "external_signals",
        "feature_table",
        "training_set",
    ),
    FEATURES,
)
_QUALITY_PREFIX = "quality_"
_QUALITY_VIEW = "quality_results"


def publish(root: Path) -> Path:
    """Build ``root/warehouse.duckdb`` anew over ``root/lake`` and return its path.

    Schema ``features`` holds the feature tables, ``ticks`` the event tables, ``evaluation`` everything else
    (forecasts, backtests, trials) and ``quality_results``, the union of all check results. Partition keys are
    columns of each view. Views name the lake by absolute path: publish again after moving the root.

    Raises:
        LakeError: A table cannot be read; the published file stays as it was.
    """
    root = Path(root).resolve()
    root.mkdir(parents=True, exist_ok=True)
    target = root / FILE_NAME
    temporary = root / f".{FILE_NAME}.{os.getpid()}.tmp"
    try:
        with duckdb.connect(str(temporary)) as connection:
            _create_views(connection, root / "lake")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
        temporary.with_name(f"{temporary.name}.wal").unlink(missing_ok=True)
    return target


def open_readonly(root: Path) -> duckdb.DuckDBPyConnection:
    """Open the published warehouse for reading.

    The views' schemas are found without a prefix (``FROM feature_table``) and with one (``FROM
    features.feature_table``).

    Raises:
        LakeError: Nothing was published yet.
    """
    path = Path(root).resolve() / FILE_NAME
    if not path.is_file():
        raise LakeError(str(path), received="no warehouse", remedy="`t2t run` publishes it.")
    # Opened directly, a process that still holds the previous file would be handed that one again.
    connection = duckdb.connect(":memory:")
    connection.execute(f"ATTACH {_literal(str(path))} AS warehouse (READ_ONLY)")
    connection.execute("USE warehouse")
    path_of_search = ",".join(f"warehouse.{schema}" for schema in (FEATURES, EVALUATION, TICKS))
    connection.execute(f"SET search_path = '{path_of_search}'")
    return connection


def _create_views(connection: duckdb.DuckDBPyConnection, lake: Path) -> None:
    for schema in (FEATURES, EVALUATION, TICKS):
        connection.execute(f"CREATE SCHEMA {schema}")
    tables = sorted(folder.name for folder in lake.glob("*") if next(folder.rglob("part.parquet"), None))
    for table in tables:
        schema = _SCHEMA_OF.get(table, EVALUATION)
        try:
            connection.execute(f"CREATE VIEW {schema}.{_quoted(table)} AS {_select(lake / table)}")
        except duckdb.Error as error:
            raise LakeError(
                f"table {table}", received=str(error), remedy="Materialise its broken partition again."
            ) from error
    checks = [_select(lake / table) for table in tables if table.startswith(_QUALITY_PREFIX)]
    if checks and _QUALITY_VIEW not in tables:
        union = " UNION ALL BY NAME ".join(checks)
        connection.execute(f"CREATE VIEW {EVALUATION}.{_QUALITY_VIEW} AS {union}")


def _select(folder: Path) -> str:
    pattern = _literal(str(folder / "**" / "part.parquet"))
    # Without the cast a key stays the text it is in the path; "2013-10-07" would become a DATE here and not
    # there.
    options = "hive_partitioning = true, hive_types_autocast = false, union_by_name = true"
    return f"SELECT * FROM read_parquet({pattern}, {options})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
