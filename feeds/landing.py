"""The landing zone: ``<study root>/landing/**`` holds files as dropped.

Files dropped by hand should come under a name that ends in ``.tmp`` or begins with a dot, and be renamed when whole;
`stage` does so. Which files of an instrument-day belong together is told by their content, not by their place.

Here: copying files in, recognising what lies there, grouping files into instrument-days. Not here: parsing
(feeds/adapters), what is done about them (pipelines/triage.py).
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from feeds.adapters import TICK_ADAPTERS, FileInfo, companions, sniff
from feeds.adapters.base import Adapter
from feeds.errors import IncompleteDropError, LakeError, UnknownFormatError, UnreadableFileError
from feeds.manifest import Manifest, ManifestStore, sha256_of_file, write_atomically

#: A file that needs another one beside it is waited for that long before it counts as bad.
PATIENCE_S = 600.0
_INDEX = "landing_index.json"
#: To be raised whenever an adapter comes to recognise files differently.
_INDEX_VERSION = 2
_INCOMING = "incoming"
_Entry = dict[str, Any]


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
        paths: Files, or folders whose files are taken recursively, without dotfiles, ``*.tmp`` and read-mes.
        root: The study's folder.

    Returns:
        The copies made. A file goes to ``landing/<format>/<its folder's name>/``, or to
        ``landing/incoming/...`` where no adapter can use it (the next scan tells why). The same content under the same
        name is left alone; other content replaces it: a correction.
    """
    copied = []
    for path in _walk(paths):
        target = root / "landing" / _format_of(path) / path.parent.name / path.name
        if target.is_file() and sha256_of_file(target) == sha256_of_file(path):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            shutil.copyfile(path, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
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
        return _INCOMING


def _ignored(path: Path) -> bool:
    return path.name.startswith((".", "README")) or path.suffix == ".tmp"


def scan(root: Path) -> LandingIndex:
    """Recognise everything in the landing zone.

    What a file is and its hash are kept in ``landing_index.json`` by path, size and modification time, so that a second
    scan opens no file. Where two files play one role of one instrument-day, the younger one counts: a correction. A
    file that says too little without another one beside it is left out for `PATIENCE_S`, then it is bad.
    """
    known = _load_index(root)
    entries: dict[str, _Entry] = {}
    landing = root / "landing"
    for path in _walk([landing] if landing.is_dir() else []):
        entry = _entry(root, path, known)
        if entry is not None:
            entries[str(path.relative_to(root))] = entry
    if entries != known:
        index = {"version": _INDEX_VERSION, "files": entries}
        write_atomically(root / _INDEX, json.dumps(index, indent=0, sort_keys=True).encode())
    infos = [(_info(root, name, entry), entry) for name, entry in entries.items() if "format" in entry]
    bad = tuple(_error(root, name, entry) for name, entry in entries.items() if "format" not in entry)
    daily = tuple(info for info, _ in infos if info.instrument is None)
    return LandingIndex(tuple(_units(root, infos)), daily, bad)


def _load_index(root: Path) -> Mapping[str, _Entry]:
    path = root / _INDEX
    try:
        stat = path.stat()
    except FileNotFoundError:
        return {}
    return _parsed_index(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def _parsed_index(path: Path, mtime_ns: int, size: int) -> Mapping[str, _Entry]:
    """The index as of one version of its file; an index that is none is built anew."""
    try:
        loaded = json.loads(path.read_text())
    except (ValueError, OSError):
        return {}
    current = isinstance(loaded, dict) and loaded.get("version") == _INDEX_VERSION
    return loaded["files"] if current else {}


def _entry(root: Path, path: Path, known: Mapping[str, _Entry]) -> _Entry | None:
    """What is known of a file; None where it has just gone or is waiting for another one."""
    try:
        stamp = _stamp(path)
        old = known.get(str(path.relative_to(root)))
        if old is not None and old["stamp"] == stamp:
            return old
        entry: _Entry = {"stamp": stamp, "sha256": sha256_of_file(path)}
        try:
            info = sniff(path)
        except IncompleteDropError as error:
            waiting = time.time() - path.stat().st_mtime < PATIENCE_S
            return None if waiting else entry | _why(error)
        except UnreadableFileError as error:
            # A file is not to blame for the damaged one beside it, which is found by itself.
            return entry | _why(error) if Path(error.path) == path else None
    except FileNotFoundError:
        return None
    recognised = {"format": info.format, "role": info.role, "instrument": info.instrument, "dates": list(info.dates)}
    return entry | recognised


def _stamp(path: Path) -> list[int]:
    """Size and modification time of a file, then those of what decides, too, what it is."""
    stats = [file.stat() for file in (path, *companions(path))]
    return [number for stat in stats for number in (stat.st_size, stat.st_mtime_ns)]


def _why(error: UnreadableFileError) -> _Entry:
    unknown = isinstance(error, UnknownFormatError)
    return {"position": error.position, "expected": error.expected, "found": error.found, "unknown": unknown}


def _info(root: Path, name: str, entry: _Entry) -> FileInfo:
    return FileInfo(root / name, entry["format"], entry["role"], entry["instrument"], tuple(entry["dates"]))


def _error(root: Path, name: str, entry: _Entry) -> UnreadableFileError:
    kind = UnknownFormatError if entry["unknown"] else UnreadableFileError
    return kind(root / name, entry["position"], entry["expected"], entry["found"])


def _units(root: Path, infos: list[tuple[FileInfo, _Entry]]) -> Iterator[Unit]:
    groups: dict[tuple[str, str], list[tuple[FileInfo, _Entry]]] = {}
    for info, entry in infos:
        if info.instrument is not None:
            groups.setdefault((info.dates[0], info.instrument), []).append((info, entry))
    for (date, instrument), members in sorted(groups.items()):
        # The path breaks ties: two scans must choose alike.
        by_age = sorted(members, key=lambda member: (member[1]["stamp"][1], str(member[0].path)))
        adapter = TICK_ADAPTERS[by_age[-1][0].format]
        by_role = {info.role: (info, entry) for info, entry in by_age if info.format == adapter.name}
        roles = _chosen_roles(adapter, {role: entry["stamp"][1] for role, (_, entry) in by_role.items()})
        ids = sorted(_manifest(root, by_role[role][0].path, by_role[role][1]["sha256"]).id for role in roles)
        missing = () if adapter.whole_roles & set(roles) else tuple(sorted(adapter.required_roles - set(roles)))
        files = {role: by_role[role][0].path for role in roles}
        yield Unit(date, instrument, adapter.name, files, tuple(ids), missing)


def _chosen_roles(adapter: Adapter, ages_ns: Mapping[str, int]) -> list[str]:
    """Which of the roles present (role -> modification time) make up the instrument-day: the parts or a whole."""
    parts = sorted(adapter.required_roles & ages_ns.keys())
    wholes = sorted(adapter.whole_roles & ages_ns.keys(), key=lambda role: ages_ns[role])
    if not wholes:
        return parts
    complete = len(parts) == len(adapter.required_roles)
    corrected = complete and max(ages_ns[role] for role in parts) > ages_ns[wholes[-1]]
    return parts if corrected else wholes[-1:]


def _manifest(root: Path, path: Path, sha256: str) -> Manifest:
    return Manifest("raw_file", path.name, {}, str(path.relative_to(root)), sha256)


def file_id(info: FileInfo, root: Path) -> str:
    """Manifest id of a file of the landing zone."""
    return _hashed(root, info.path).id


def _hashed(root: Path, path: Path) -> Manifest:
    entry = _load_index(root).get(str(path.relative_to(root)))
    if entry is not None and entry["stamp"] == _stamp(path):
        return _manifest(root, path, entry["sha256"])
    return _manifest(root, path, sha256_of_file(path))


def register(files: Unit | FileInfo, manifests: ManifestStore) -> tuple[str, ...]:
    """Put the manifests of an instrument-day's files, or of one file, and return their ids, ascending.

    Raises:
        LakeError: A file of the instrument-day is not the one that was scanned: what was parsed from it in between may
            be either.
    """
    root = manifests.root.parent
    paths = files.files.values() if isinstance(files, Unit) else [files.path]
    found = [_hashed(root, path) for path in paths]
    ids = tuple(sorted(manifest.id for manifest in found))
    if isinstance(files, Unit) and ids != files.file_ids:
        raise LakeError(
            f"landing zone, {files.instrument} on {files.date}",
            received="a file that was replaced while it was read",
            expected=f"files {list(files.file_ids)}",
            remedy="Run the step again.",
        )
    for manifest in found:
        manifests.put(manifest)
    return ids
