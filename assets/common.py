"""What every asset shares: attributes, metadata of a table, a plot in the UI, errors as Dagster failures.

Here: small helpers around Dagster. Not here: any asset.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import dagster as dg

from feeds.errors import T2TError

if TYPE_CHECKING:
    import polars as pl

    from assets.store import StudyStore
    from feeds.manifest import Manifest

P = ParamSpec("P")
R = TypeVar("R")

#: Requests a partition when something above it changed, whatever its date, once nothing above it is missing or
#: running and no blocking check above it failed. `eager` alone serves the latest date and looks past failed checks.
CARRY_THROUGH = (
    dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
).with_label("carry new and late data through")

#: The same for assets that gather all instruments of a date: an instrument that is missing or failed its checks
#: must not hold the date back; the asset itself leaves it out and lists it.
CARRY_THROUGH_GATHERED = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("carry what has arrived through")


def failures(function: Callable[P, R]) -> Callable[P, R]:
    """Turn the project's errors into `dagster.Failure`, so that the UI shows what was found and what to do."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except T2TError as error:
            raise failure(error) from error

    wrapped.__signature__ = inspect.signature(resolved(function))  # type: ignore[attr-defined]
    return wrapped


def resolved(function: Callable[P, R]) -> Callable[P, R]:
    """Evaluate the annotations of ``function`` in its own module: Dagster does not read them as strings."""
    function.__annotations__ = inspect.get_annotations(function, eval_str=True)
    return function


def failure(error: T2TError) -> dg.Failure:
    """A Dagster failure with the error's parts as metadata; it is not retried, the input has to change."""
    parts = {"received": error.received, "expected": error.expected, "remedy": error.remedy}
    return dg.Failure(
        description=str(error),
        metadata={"error": type(error).__name__, **{key: text for key, text in parts.items() if text}},
        allow_retries=False,
    )


def table_metadata(frame: pl.DataFrame, manifest: Manifest | None = None) -> dict[str, Any]:
    """Row count, column schema and lineage id of a table partition."""
    columns = [dg.TableColumn(name, str(kind)) for name, kind in frame.schema.items()]
    metadata: dict[str, Any] = {
        "dagster/row_count": frame.height,
        "dagster/column_schema": dg.TableSchema(columns=columns),
    }
    return metadata | (_lineage(manifest) if manifest is not None else {})


def stored_metadata(manifest: Manifest) -> dict[str, Any]:
    """The same of a partition that was written in chunks and is not held."""
    from feeds.schema import TABLES

    columns = [dg.TableColumn(name, str(kind)) for name, kind in TABLES[manifest.name].items()]
    schema = dg.TableSchema(columns=columns)
    return {"dagster/row_count": manifest.rows, "dagster/column_schema": schema, **_lineage(manifest)}


def _lineage(manifest: Manifest) -> dict[str, Any]:
    parents = dg.MetadataValue.json(list(manifest.parents))
    return {"manifest_id": manifest.id, "path": manifest.path, "sha256": manifest.sha256, "parents": parents}


def artefact_metadata(manifest: Manifest) -> dict[str, Any]:
    """Lineage id, parents and scalar metrics of a model or report; the UI plots the metrics over time."""
    scalars = {name: float(value) for name, value in manifest.metrics.items() if isinstance(value, int | float)}
    return {
        "manifest_id": manifest.id,
        "path": manifest.path,
        "sha256": manifest.sha256,
        "parents": dg.MetadataValue.json(list(manifest.parents)),
        "params": dg.MetadataValue.json(dict(manifest.params)),
        **scalars,
    }


def table_value(frame: pl.DataFrame, digits: int = 4) -> dg.TableMetadataValue | dg.MarkdownMetadataValue:
    """A small frame as a table in the UI; numbers rounded to ``digits`` significant digits."""
    if frame.is_empty():
        return dg.MetadataValue.md("no rows")
    records = [dg.TableRecord({name: _cell(value, digits) for name, value in row.items()}) for row in frame.to_dicts()]
    return dg.MetadataValue.table(records=records)


def _cell(value: Any, digits: int) -> str | int | float | bool:
    if value is None:
        return ""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    return value if isinstance(value, int | bool) else str(value)


def frame_of(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """A frame of JSON records; types are told from all of them."""
    import polars as pl

    return pl.DataFrame(list(records), infer_schema_length=None)


def counts_value(counts: Mapping[str, int]) -> dg.MetadataValue:
    """A mapping of names to counts as JSON."""
    return dg.MetadataValue.json(dict(sorted(counts.items())))


def plot_value(png: bytes, store: StudyStore) -> dg.MetadataValue:
    """A PNG as markdown, stamped where the study's market is simulated.

    It stays in the event log for ever, so keep it small.
    """
    from models.plots import SIMULATED_STAMP, stamp, to_markdown

    return dg.MetadataValue.md(to_markdown(stamp(png, SIMULATED_STAMP) if store.config.simulated_market else png))
