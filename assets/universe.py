"""Which instruments of a date may enter its feature table, and why the others may not.

An instrument is in when its features descend from the raw ticks that lie in the lake now and every blocking check of
that descent passed. A failed or late instrument never holds back the others.

Here: reading lineage and check results. Not here: the checks (assets/checks.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from feeds.errors import CoverageError
from feeds.lake import Lake
from feeds.study import Study

#: Tables from raw bytes to features, in order.
DESCENT = ("raw_ticks", "clean_ticks", "microstructure_features")


@dataclass(frozen=True)
class Universe:
    """Instruments of one date.

    Attributes:
        included: Ids whose features may be used, ascending.
        excluded: Id -> reason.
    """

    included: tuple[str, ...]
    excluded: Mapping[str, str]

    @property
    def coverage(self) -> float:
        """Share of the universe that is included."""
        return len(self.included) / max(1, len(self.included) + len(self.excluded))

    def require(self, least: float, date: str) -> None:
        """Raise `CoverageError` where the coverage lies below ``least``."""
        if self.coverage < least or not self.included:
            raise CoverageError(
                f"universe of {date}",
                received=f"coverage {self.coverage:.0%}; excluded {dict(self.excluded)}",
                expected=f"at least {least:.0%} of the instruments",
                remedy="Bring in or correct their data, or lower `coverage` in the study.",
            )


def universe_of(lake: Lake, study: Study, date: str) -> Universe:
    """Sort the study's instruments, and any other with raw ticks on ``date``, into included and excluded."""
    wanted = {spec.id for spec in study.instruments} | set(lake.symbols("raw_ticks", date))
    reasons = {instrument: why_excluded(lake, date, instrument) for instrument in sorted(wanted)}
    included = tuple(instrument for instrument, reason in reasons.items() if reason is None)
    return Universe(included, {instrument: reason for instrument, reason in reasons.items() if reason is not None})


def why_excluded(lake: Lake, date: str, instrument: str, descent: Sequence[str] = DESCENT) -> str | None:
    """The reason an instrument is left out of a date, None where it is in.

    Args:
        lake: The lake.
        date: ISO date.
        instrument: Id.
        descent: Tables that must be there, checked, each made from the one before.
    """
    parent: str | None = None
    for table in descent:
        if not lake.exists(table, date, instrument):
            return f"no {table}"
        manifest = lake.manifest(table, date, instrument)
        if parent is not None and parent not in manifest.parents:
            return f"{table} is older than what it is made from"
        if (verdict := _check_verdict(lake, table, date, instrument, manifest.id)) is not None:
            return verdict
        if table == "clean_ticks" and (verdict := _check_verdict(lake, "invariants", date, instrument, manifest.id)):
            return verdict
        if table == DESCENT[-1] and manifest.params.get("book") == "none":
            return "trades only: without a book there are no features"
        parent = manifest.id
    return None


def _check_verdict(lake: Lake, table: str, date: str, instrument: str, manifest_id: str) -> str | None:
    results = f"quality_{table}"
    if not lake.exists(results, date, instrument):
        return f"{table} was not checked"
    if manifest_id not in lake.manifest(results, date, instrument).parents:
        return f"the check of {table} is older than the table"
    frame = lake.read(results, date, instrument)
    failed = frame.filter(~frame["passed"] & frame["blocking"])
    if failed.is_empty():
        return None
    return f"{table} failed {', '.join(failed['expectation'].to_list())}"
