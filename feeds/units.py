"""Instrument-days: which files of the landing zone make up one.

Files of one instrument-day are told by their content. Where two files play one role, the younger one counts: a
correction. Tapes that follow each other in time are parts of one day; where they overlap, the younger one counts.

Here: grouping. Not here: recognising files (feeds/landing.py), reading them (feeds/ingest.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from feeds.adapters import TAPE_ADAPTERS, TICK_ADAPTERS
from feeds.adapters.base import Adapter, FileInfo
from feeds.instruments import InstrumentSpec

if TYPE_CHECKING:
    from feeds.tape import TapeContent, TapeIndex


@dataclass(frozen=True)
class Unit:
    """The files of one instrument-day.

    Attributes:
        date: ISO date.
        instrument: Id.
        format: Adapter.
        files: Role -> path; of tapes ``tape_0``, ``tape_1``, ... in the order of time, and ``mapping_0``, ... of the
            files that say what they are.
        file_ids: Manifest ids of the files, ascending.
        missing_roles: Roles no file plays and without which the day cannot be read.
        awaited_roles: Roles no file plays though a complete day has them; the day can be read without.
        decoded: Role -> folder of the decoded tape; empty where the files are no tapes.
    """

    date: str
    instrument: str
    format: str
    files: Mapping[str, Path]
    file_ids: tuple[str, ...]
    missing_roles: tuple[str, ...]
    awaited_roles: tuple[str, ...] = ()
    decoded: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Landed:
    """A recognised file of the landing zone.

    Attributes:
        info: What it is.
        age_ns: Its modification time.
        file_id: Manifest id.
        folder: Where its decoded form lies or will lie, None where it is no tape.
        beside: Files that say what a tape is, with their manifest ids.
    """

    info: FileInfo
    age_ns: int
    file_id: str
    folder: Path | None = None
    beside: tuple[tuple[Path, str], ...] = ()

    @property
    def is_tape(self) -> bool:
        """Whether it must be decoded before anything is known of it."""
        return self.folder is not None

    @property
    def is_decoded(self) -> bool:
        """Whether that has been done."""
        return self.folder is not None and (self.folder / "index.json").is_file()

    @property
    def index(self) -> TapeIndex:
        """What a decoded tape holds."""
        from feeds.tape import load_index

        assert self.folder is not None
        return load_index(self.folder)


@dataclass(frozen=True)
class _Share:
    """What one file has of one instrument-day; ``content`` of a tape only."""

    landed: Landed
    content: TapeContent | None = None

    @property
    def order(self) -> tuple[int, str]:
        # The path breaks ties: two scans must choose alike.
        return self.landed.age_ns, str(self.landed.info.path)


def group_units(landed: Iterable[Landed]) -> Iterator[Unit]:
    """Instrument-days of the files, by date and instrument; tapes must be decoded."""
    groups: dict[tuple[str, str], list[_Share]] = {}
    for one in landed:
        for date, instrument, share in _shares(one):
            groups.setdefault((date, instrument), []).append(share)
    for (date, instrument), shares in sorted(groups.items()):
        by_age = sorted(shares, key=lambda share: share.order)
        chosen = by_age[-1].landed.info.format
        same = [share for share in by_age if share.landed.info.format == chosen]
        if chosen in TAPE_ADAPTERS:
            yield _unit_of_tapes(date, instrument, chosen, same)
        else:
            yield _unit_of_files(date, instrument, TICK_ADAPTERS[chosen], same)


def instrument_specs(landed: Iterable[Landed]) -> dict[str, InstrumentSpec]:
    """Units that decoded tapes state, the youngest tape's word being last; definition files go before market data."""
    tapes = sorted((one for one in landed if one.is_tape), key=lambda one: (one.age_ns, str(one.info.path)))
    definitions = [one for one in tapes if one.info.role == "definition"]
    specs: dict[str, InstrumentSpec] = {}
    for one in [*(tape for tape in tapes if tape.info.role != "definition"), *definitions]:
        specs |= one.index.specs
    return specs


def _shares(one: Landed) -> Iterator[tuple[str, str, _Share]]:
    if one.is_tape:
        for content in one.index.contents:
            yield content.date, content.instrument, _Share(one, content)
    elif one.info.instrument is not None:
        for date in one.info.dates:
            yield date, one.info.instrument, _Share(one)


def _unit_of_files(date: str, instrument: str, adapter: Adapter, by_age: Sequence[_Share]) -> Unit:
    by_role = {share.landed.info.role: share.landed for share in by_age}
    roles = _chosen_roles(adapter, {role: one.age_ns for role, one in by_role.items()})
    whole = bool(adapter.whole_roles & set(roles))
    missing = () if whole else tuple(sorted(adapter.required_roles - set(roles)))
    awaited = () if whole else tuple(sorted(adapter.awaited_roles - set(roles)))
    files = {role: by_role[role].info.path for role in roles}
    ids = tuple(sorted(by_role[role].file_id for role in roles))
    return Unit(date, instrument, adapter.name, files, ids, missing, awaited)


def _chosen_roles(adapter: Adapter, ages_ns: Mapping[str, int]) -> list[str]:
    """Which of the roles present (role -> modification time) make up the instrument-day: the parts or a whole."""
    wholes = sorted(adapter.whole_roles & ages_ns.keys(), key=lambda role: ages_ns[role])
    parts = sorted(ages_ns.keys() - adapter.whole_roles)
    if not wholes:
        return parts
    complete = bool(adapter.required_roles) and adapter.required_roles <= set(parts)
    corrected = complete and max(ages_ns[role] for role in parts) > ages_ns[wholes[-1]]
    return parts if corrected else wholes[-1:]


def _unit_of_tapes(date: str, instrument: str, format_name: str, by_age: Sequence[_Share]) -> Unit:
    kept: list[tuple[TapeContent, Landed]] = []
    for share in reversed(by_age):
        content = share.content
        assert content is not None
        if all(content.last_ns < other.first_ns or other.last_ns < content.first_ns for other, _ in kept):
            kept.append((content, share.landed))
    kept.sort(key=lambda item: item[0].first_ns)
    files = {f"tape_{number}": one.info.path for number, (_, one) in enumerate(kept)}
    folders = {f"tape_{number}": one.folder for number, (_, one) in enumerate(kept) if one.folder is not None}
    beside = {path: file_id for _, one in kept for path, file_id in one.beside}
    files |= {f"mapping_{number}": path for number, path in enumerate(beside)}
    ids = tuple(sorted({*(one.file_id for _, one in kept), *beside.values()}))
    return Unit(date, instrument, format_name, files, ids, (), (), folders)
