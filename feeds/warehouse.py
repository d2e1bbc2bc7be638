"""The DuckDB file a researcher queries: one view per table of the lake, nothing stored twice.

A DuckDB writer locks out every reader and an open reader every writer, so nobody ever writes to the published
file: `publish` builds a new one beside it and renames it into place. Readers keep what they opened.

Where a table has the column or key ``symbol``, which holds instrument ids (``AMZN.NASDAQ``), its view has ``symbol``
(the ticker, ``AMZN``), ``venue`` (``NASDAQ``) and ``instrument`` (the id). Where they are keys of the path, conditions
on ``date``, ``symbol``, ``venue`` and ``instrument`` are applied before any file is opened.

Here: building and opening the file. Not here: the tables (feeds/lake.py).
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from feeds.atomic import discard, explained, temporary_beside
from feeds.errors import LakeError
from feeds.lake import Lake
from feeds.storage import FsspecStorage

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


def publish(root: Path, url: str | None = None) -> Path:
    """Build ``root/warehouse.duckdb`` anew over the lake and return its path.

    Schema ``features`` holds the feature tables, ``ticks`` the event tables, ``evaluation`` everything else
    (forecasts, backtests, trials) and ``quality_results``, the union of all check results. Partition keys are
    columns of each view.

    Over a folder the views name it by absolute path (publish again after moving it) and show later partitions by
    themselves. Over an object store they name the objects that count now: publish again to see later ones, and open
    them with `connect`: a view alone cannot reach them.

    Args:
        root: The study's folder.
        url: Where the lake lies if not there (`Lake`).

    Raises:
        LakeError: A table cannot be read; the published file stays as it was.
    """
    root = Path(root).resolve()
    lake = Lake(root, url)
    target = root / FILE_NAME
    temporary = temporary_beside(target)
    try:
        with explained(f"publishing {FILE_NAME}", target):
            root.mkdir(parents=True, exist_ok=True)
            with duckdb.connect(str(temporary)) as connection:
                _reach(connection, lake)
                _create_views(connection, lake)
            temporary.replace(target)
    except duckdb.Error as error:
        raise LakeError(
            f"publishing {target}", received=str(error), remedy="Check free space and permissions."
        ) from error
    finally:
        discard(temporary)
        discard(temporary.with_name(f"{temporary.name}.wal"))
    return target


def connect(root: Path | str, url: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open the published warehouse for reading, beside whatever is running.

    The views' schemas are found without a prefix (``FROM feature_table``) and with one (``FROM
    features.feature_table``).

    Args:
        root: The study's folder.
        url: Where the lake lies if not there; its fsspec file system is registered with DuckDB.

    Raises:
        LakeError: Nothing was published yet.
    """
    path = Path(root).resolve() / FILE_NAME
    if not path.is_file():
        raise LakeError(str(path), received="no warehouse", remedy="`t2t run` publishes it.")
    # Opened directly, a process that still holds the previous file would be handed that one again.
    connection = duckdb.connect(":memory:")
    _reach(connection, Lake(root, url))
    connection.execute(f"ATTACH {_literal(str(path))} AS warehouse (READ_ONLY)")
    connection.execute("USE warehouse")
    path_of_search = ",".join(f"warehouse.{schema}" for schema in (FEATURES, EVALUATION, TICKS))
    connection.execute(f"SET search_path = '{path_of_search}'")
    return connection


def _reach(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Let DuckDB read the lake's URL; its own extension for that would have to be downloaded."""
    storage = lake.partitions.storage
    if isinstance(storage, FsspecStorage):
        connection.execute("SET autoinstall_known_extensions = false")
        connection.register_filesystem(storage.filesystem())


def _create_views(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    for schema in (FEATURES, EVALUATION, TICKS):
        connection.execute(f"CREATE SCHEMA {schema}")
    selects = {}
    for table in lake.tables():
        schema = _SCHEMA_OF.get(table, EVALUATION)
        try:
            selects[table] = _select(connection, *lake.partitions.sources(table))
            connection.execute(f"CREATE VIEW {schema}.{_quoted(table)} AS {selects[table]}")
        except duckdb.Error as error:
            raise LakeError(
                f"table {table}", received=str(error), remedy="Materialise its broken partition again."
            ) from error
    checks = [select for table, select in selects.items() if table.startswith(_QUALITY_PREFIX)]
    if checks and _QUALITY_VIEW not in selects:
        union = " UNION ALL BY NAME ".join(checks)
        connection.execute(f"CREATE VIEW {EVALUATION}.{_QUALITY_VIEW} AS {union}")


def _select(connection: duckdb.DuckDBPyConnection, paths: list[str], same_columns: bool) -> str:
    """The query behind a view: its columns by name, so that a later partition with more does not alter it."""
    files = "[" + ", ".join(_literal(path) for path in paths) + "]"
    # Uniting by name opens every file before a query starts; only tables whose columns changed need it.
    by_name = not same_columns and _columns_differ(connection, files)
    # Without the cast a key stays the text it is in the path; "2013-10-07" would become a DATE here and not
    # there.
    options = f"hive_partitioning = true, hive_types_autocast = false, union_by_name = {str(by_name).lower()}"
    source = f"read_parquet({files}, {options})"
    columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    return f"SELECT {', '.join(_shown(columns))} FROM {source}"


def _columns_differ(connection: duckdb.DuckDBPyConnection, files: str) -> bool:
    per_file = (
        f"SELECT file_name, list((name, type, logical_type)) AS columns FROM parquet_schema({files}) GROUP BY ALL"
    )
    found = connection.execute(f"SELECT count(DISTINCT columns) FROM ({per_file})").fetchone()
    return found is None or found[0] > 1


def _shown(columns: list[str]) -> list[str]:
    shown = []
    for name in columns:
        if name != "symbol":
            shown.append(_quoted(name))
            continue
        # An id has one dot; what has none ("*", every instrument) is its own ticker, of no venue.
        shown.append("split_part(symbol, '.', 1) AS symbol")
        more = {"venue": "split_part(symbol, '.', 2)", "instrument": "symbol"}
        shown += [f"{text} AS {new}" for new, text in more.items() if new not in columns]
    return shown


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
