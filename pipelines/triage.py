"""What the landing zone holds for a study: ready, waiting, foreign or broken. The sensor and `t2t` both ask here.

Here: the decision which partitions to ingest. Not here: recognising files (feeds/landing.py), running anything.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from feeds.adapters.base import FileInfo
from feeds.instruments import InstrumentSpec
from feeds.lake import Lake
from feeds.landing import LandingIndex, scan
from feeds.quarantine import quarantine
from feeds.root import lake_url
from feeds.study import Study
from feeds.units import Unit

#: An instrument-day whose second file has not come within this time is tried, and fails visibly, without it.
SETTLE_S = 600.0


@dataclass(frozen=True)
class Triage:
    """Verdict over the landing zone.

    Attributes:
        ready: Instrument-days with new or changed files.
        current: Instrument-days whose files are in the lake already.
        waiting: Instrument-days that lack a file, none of them old enough to give up on.
        outside: Instrument-days outside the study's dates or instruments.
        daily: Files of headlines and signals.
        bars: Files of published bars.
        undecoded: Tapes nobody decoded yet: what they hold is not known.
        quarantined: ``(file name, reason)`` of the files moved to quarantine now.
        specs: Units of instruments that tapes state.
    """

    ready: tuple[Unit, ...]
    current: tuple[Unit, ...]
    waiting: tuple[Unit, ...]
    outside: tuple[Unit, ...]
    daily: tuple[FileInfo, ...]
    bars: tuple[FileInfo, ...]
    undecoded: tuple[FileInfo, ...]
    quarantined: tuple[tuple[str, str], ...]
    specs: Mapping[str, InstrumentSpec]

    @property
    def left_alone(self) -> tuple[str, ...]:
        """Why each waiting or outside instrument-day is not ingested."""
        waiting = [
            f"{u.instrument} {u.date} waits for its missing file {list(u.missing_roles or u.awaited_roles)}"
            for u in self.waiting
        ]
        outside = [f"{u.instrument} {u.date} lies outside the study's dates or instruments" for u in self.outside]
        undecoded = [f"{info.path.name} ({info.format}) is not decoded yet" for info in self.undecoded]
        return (*waiting, *outside, *undecoded)

    def published(self, study: Study) -> dict[tuple[str, str], FileInfo]:
        """The youngest file of published bars by date and instrument, within the study."""
        by_age = sorted(self.bars, key=lambda info: (info.path.stat().st_mtime_ns, str(info.path)))
        return {
            (date, info.instrument): info
            for info in by_age
            for date in info.dates
            if info.instrument is not None and study.admits(dt.date.fromisoformat(date), info.instrument)
        }

    @property
    def dates(self) -> list[str]:
        """Dates with at least one instrument-day of the study, ascending."""
        return sorted({unit.date for unit in (*self.ready, *self.current)})

    @property
    def instruments(self) -> list[str]:
        """Instruments of the study's instrument-days, ascending."""
        return sorted({unit.instrument for unit in (*self.ready, *self.current)})


def triage(root: Path, study: Study, settle_s: float = SETTLE_S, awaited_s: float = SETTLE_S) -> Triage:
    """Scan the landing zone, quarantine what cannot be read, and sort the rest.

    Args:
        root: The study's folder.
        study: The study.
        settle_s: How long an instrument-day waits for a file it needs.
        awaited_s: How long it waits for one that a complete day has, but that it can do without.
    """
    index = scan(root)
    quarantined = _quarantine_bad(root, index)
    lake = Lake(root, lake_url(study))
    sorted_units: dict[str, list[Unit]] = {"ready": [], "current": [], "waiting": [], "outside": []}
    for unit in index.units:
        sorted_units[_verdict(unit, lake, study, settle_s, awaited_s, bool(quarantined))].append(unit)
    return Triage(
        **{name: tuple(units) for name, units in sorted_units.items()},
        daily=index.daily,
        bars=index.bars,
        undecoded=index.undecoded,
        quarantined=quarantined,
        specs=index.specs,
    )


def _quarantine_bad(root: Path, index: LandingIndex) -> tuple[tuple[str, str], ...]:
    moved = []
    for error in index.bad:
        path = Path(error.path)
        if path.is_file():
            quarantine(root, path, error)
            moved.append((path.name, str(error)))
    return tuple(moved)


def _verdict(unit: Unit, lake: Lake, study: Study, settle_s: float, awaited_s: float, something_broke: bool) -> str:
    if not study.admits(dt.date.fromisoformat(unit.date), unit.instrument):
        return "outside"
    if is_ingested(unit, lake):
        return "current"
    youngest = max(path.stat().st_mtime for path in unit.files.values())
    age_s = time.time() - youngest
    if unit.missing_roles:
        return "ready" if something_broke or age_s >= settle_s else "waiting"
    return "waiting" if unit.awaited_roles and not something_broke and age_s < awaited_s else "ready"


def is_ingested(unit: Unit, lake: Lake) -> bool:
    """Whether the lake's raw ticks were made from exactly these files."""
    if not lake.exists("raw_ticks", unit.date, unit.instrument):
        return False
    return lake.manifest("raw_ticks", unit.date, unit.instrument).parents == unit.file_ids


def run_key(what: str, ids: Sequence[str]) -> str:
    """Key under which one set of files is ingested at most once."""
    return f"{what}:{hashlib.sha256('|'.join(ids).encode()).hexdigest()[:16]}"
