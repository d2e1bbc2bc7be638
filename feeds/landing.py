"""The landing zone: ``<study root>/landing/**`` holds files as dropped.

Here: copying files in, recognising what lies there, grouping files into instrument-days. Not here: parsing
(feeds/adapters), what is done about them (pipelines/triage.py).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feeds.adapters import TICK_ADAPTERS, FileInfo, sniff
from feeds.errors import UnknownFormatError, UnreadableFileError
from feeds.manifest import Manifest, ManifestStore, sha256_of_file, write_atomically

_INDEX = "landing_index.json"


@dataclass(frozen=True)
class Unit:
    """The files of one instrument-day.

    Attributes:
        date: ISO date.
        instrument: Id.
        format: Adapter.
        files: Role -> path.
        file_ids: Manifest ids of the files, ascending.
        missing_roles: Roles no file plays.
    """

    date: str
    instrument: str
    format: str
    files: Mapping[str, Path]
    file_ids: tuple[str, ...]
    missing_roles: tuple[str, ...]


@dataclass(frozen=True)
class LandingIndex:
    """What the landing zone holds.

    Attributes:
        units: Instrument-days by (date, instrument).
        daily: Files of headlines and signals.
        bad: Files no adapter can use, as the errors that say why.
    """

    units: tuple[Unit, ...]
    daily: tuple[FileInfo, ...]
    bad: tuple[UnreadableFileError, ...]


def stage(paths: Iterable[Path], root: Path) -> list[Path]:
    """Copy files into the landing zone, atomically.

    Args:
        paths: Files, or folders whose files are taken recursively.
        root: The study's folder.

    Returns:
        The files that were not there yet. A file goes to ``landing/<format>/<its folder's name>/``, or to
        ``landing/incoming/...`` where no adapter knows it (the next scan tells). The same content under the same name is
        left alone; other content replaces it: a correction.
    """
    copied = []
    for path in _walk(paths):
        target = root / "landing" / _format_of(path) / path.parent.name / path.name
        if target.is_file() and sha256_of_file(target) == sha256_of_file(path):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        shutil.copyfile(path, temporary)
        temporary.replace(target)
        copied.append(target)
    return copied


def _walk(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file() and not _ignored(p))
        else:
            yield path


def _format_of(path: Path) -> str:
    try:
        return sniff(path).format
    except UnreadableFileError:
        return "incoming"


def _ignored(path: Path) -> bool:
    return path.name.startswith((".", "README")) or path.suffix == ".tmp"


def scan(root: Path) -> LandingIndex:
    """Recognise everything in the landing zone.

    What a file is and its hash are kept in ``landing_index.json`` by path, size and modification time, so that a second
    scan opens no file. Where two files play one role of one instrument-day, the younger counts: a correction.
    """
    known = _load_index(root)
    entries: dict[str, dict[str, Any]] = {}
    for path in _walk([root / "landing"] if (root / "landing").is_dir() else []):
        entry = _entry(root, path, known)
        if entry is not None:
            entries[str(path.relative_to(root))] = entry
    if entries != known:
        write_atomically(root / _INDEX, json.dumps(entries, indent=0, sort_keys=True).encode())
    infos = [(_info(root, name, entry), entry) for name, entry in entries.items() if "format" in entry]
    bad = tuple(_error(root, name, entry) for name, entry in entries.items() if "format" not in entry)
    daily = tuple(info for info, _ in infos if info.instrument is None)
    return LandingIndex(tuple(_units(root, infos)), daily, bad)


def _load_index(root: Path) -> dict[str, dict[str, Any]]:
    path = root / _INDEX
    try:
        loaded = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _entry(root: Path, path: Path, known: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    """What is known of a file, None where it has just gone."""
    try:
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        old = known.get(str(path.relative_to(root)))
        if old is not None and old["stamp"] == stamp and "format" in old:
            return old
        made: dict[str, Any] = {"stamp": stamp, "sha256": sha256_of_file(path)}
        try:
            info = sniff(path)
        except UnreadableFileError as error:
            return made | {
                "position": error.position,
                "expected": error.expected,
                "found": error.found,
                "unknown": isinstance(error, UnknownFormatError),
            }
        return made | {
            "format": info.format,
            "role": info.role,
            "instrument": info.instrument,
            "dates": list(info.dates),
        }
    except FileNotFoundError:
        return None


def _info(root: Path, name: str, entry: Mapping[str, Any]) -> FileInfo:
    return FileInfo(root / name, entry["format"], entry["role"], entry["instrument"], tuple(entry["dates"]))


def _error(root: Path, name: str, entry: Mapping[str, Any]) -> UnreadableFileError:
    kind = UnknownFormatError if entry["unknown"] else UnreadableFileError
    return kind(root / name, entry["position"], entry["expected"], entry["found"])


def _units(root: Path, infos: list[tuple[FileInfo, dict[str, Any]]]) -> Iterator[Unit]:
    groups: dict[tuple[str, str], list[tuple[FileInfo, dict[str, Any]]]] = {}
    for info, entry in infos:
        if info.instrument is not None:
            groups.setdefault((info.dates[0], info.instrument), []).append((info, entry))
    for (date, instrument), members in sorted(groups.items()):
        by_age = sorted(members, key=lambda member: member[1]["stamp"][1])
        newest = by_age[-1][0].format
        chosen = {info.role: (info, entry) for info, entry in by_age if info.format == newest}
        ids = sorted(_manifest(root, info.path, entry["sha256"]).id for info, entry in chosen.values())
        adapter = TICK_ADAPTERS[newest]
        whole = adapter.whole_roles & chosen.keys()
        missing = () if whole else tuple(sorted(adapter.required_roles - chosen.keys()))
        files = {role: info.path for role, (info, _) in chosen.items()}
        yield Unit(date, instrument, newest, files, tuple(ids), missing)


def _manifest(root: Path, path: Path, sha256: str) -> Manifest:
    return Manifest("raw_file", path.name, {}, str(path.relative_to(root)), sha256)


def file_id(info: FileInfo, root: Path) -> str:
    """Manifest id of a file of the landing zone."""
    return _hashed(root, info.path).id


def _hashed(root: Path, path: Path) -> Manifest:
    entry = _load_index(root).get(str(path.relative_to(root)))
    stat = path.stat()
    if entry is not None and entry["stamp"] == [stat.st_size, stat.st_mtime_ns]:
        return _manifest(root, path, entry["sha256"])
    return _manifest(root, path, sha256_of_file(path))


def register(files: Unit | FileInfo, manifests: ManifestStore) -> tuple[str, ...]:
    """Put the manifests of an instrument-day's files, or of one file, and return their ids, ascending."""
    root = manifests.root.parent
    paths = files.files.values() if isinstance(files, Unit) else [files.path]
    return tuple(sorted(manifests.put(_hashed(root, path)) for path in paths))
