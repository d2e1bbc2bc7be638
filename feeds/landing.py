"""The landing zone: ``<study root>/landing/**`` holds files as dropped.

Files dropped by hand should come under a name that ends in ``.tmp`` or begins with a dot, and be renamed when whole;
`stage` does so. Which files of an instrument-day belong together is told by their content, not by their place.

A *tape* (a file of many instruments or days) is decoded once into ``<study root>/decoded/<hash>-<format>``; what it
holds is known from then on.

Here: copying files in, recognising what lies there. Not here: grouping into instrument-days (feeds/units.py), parsing
(feeds/adapters), what is done about them (pipelines/triage.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from feeds.adapters import BAR_ADAPTERS, DAILY_ADAPTERS, TAPE_ADAPTERS, FileInfo, companions, sniff
from feeds.errors import IncompleteDropError, LakeError, UnknownFormatError, UnreadableFileError
from feeds.instruments import InstrumentSpec
from feeds.manifest import Manifest, ManifestStore, sha256_of_file, write_atomically
from feeds.units import Landed, Unit, group_units, instrument_specs

#: A file that needs another one beside it is waited for that long before it counts as bad.
PATIENCE_S = 600.0
_INDEX = "landing_index.json"
#: To be raised whenever an adapter comes to recognise files differently.
_INDEX_VERSION = 3
_INCOMING = "incoming"
#: Role of a file that says what others are.
MAPPING = "mapping"
_Entry = dict[str, Any]


@dataclass(frozen=True)
class LandingIndex:
    """What the landing zone holds.

    Attributes:
        units: Instrument-days by (date, instrument).
        daily: Files of headlines and signals.
        bars: Files of published bars.
        undecoded: Tapes nobody decoded yet.
        bad: Files no adapter can use, as the errors that say why.
        specs: Units of instruments that decoded tapes state, by id.
    """

    units: tuple[Unit, ...]
    daily: tuple[FileInfo, ...]
    bars: tuple[FileInfo, ...]
    undecoded: tuple[FileInfo, ...]
    bad: tuple[UnreadableFileError, ...]
    specs: Mapping[str, InstrumentSpec]


def stage(paths: Iterable[Path], root: Path) -> list[Path]:
    """Copy files into the landing zone, atomically.

    Args:
        paths: Files, or folders whose files are taken recursively, without dotfiles, ``*.tmp`` and read-mes.
        root: The study's folder.

    Returns:
        The copies made, those of files beside them included that decide what they are. A file goes to
        ``landing/<format>/<its folder's name>/``, or to ``landing/incoming/...`` where no adapter can use it (the next
        scan tells why). The same content under the same name is left alone; other content replaces it: a correction.
    """
    copied = []
    for path, format_name in _placed(_walk(paths)).items():
        target = root / "landing" / format_name / path.parent.name / path.name
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


def _placed(given: Iterable[Path]) -> dict[Path, str]:
    """Path -> format of the file itself or, of a file that decides what others are, of those; these come first."""
    formats: dict[Path, str] = {}
    for path in given:
        found = _format_of(path)
        formats |= dict.fromkeys(companions(path), found)
        formats.setdefault(path, found)
    return dict(sorted(formats.items(), key=lambda item: bool(companions(item[0]))))


def _format_of(path: Path) -> str:
    try:
        return sniff(path).format
    except UnreadableFileError:
        return _INCOMING


def _ignored(path: Path) -> bool:
    return path.name.startswith((".", "README", "LICENSE")) or path.suffix in (".tmp", ".md", ".py", ".CHECKSUM")


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
    landed = [_landed(root, name, entry) for name, entry in entries.items() if "format" in entry]
    bad = tuple(_error(root, name, entry) for name, entry in entries.items() if "format" not in entry)
    daily = tuple(one.info for one in landed if one.info.format in DAILY_ADAPTERS)
    bars = tuple(one.info for one in landed if one.info.format in BAR_ADAPTERS)
    others = (*DAILY_ADAPTERS, *BAR_ADAPTERS)
    market = [one for one in landed if one.info.format not in others and one.info.role != MAPPING]
    undecoded = tuple(one.info for one in market if one.is_tape and not one.is_decoded)
    ready = [one for one in market if not one.is_tape or one.is_decoded]
    return LandingIndex(tuple(group_units(ready)), daily, bars, undecoded, bad, instrument_specs(ready))


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
        if beside := companions(path):
            entry["beside"] = [sha256_of_file(other) for other in beside]
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


def _landed(root: Path, name: str, entry: _Entry) -> Landed:
    info = FileInfo(root / name, entry["format"], entry["role"], entry["instrument"], tuple(entry["dates"]))
    file_id = _manifest(root, info.path, entry["sha256"]).id
    is_tape = info.format in TAPE_ADAPTERS and info.role != MAPPING
    folder = decoded_folder(root, info.format, entry) if is_tape else None
    beside = zip(companions(info.path), entry.get("beside", ()), strict=False) if is_tape else ()
    ids = tuple((path, _manifest(root, path, sha256).id) for path, sha256 in beside)
    return Landed(info, entry["stamp"][1], file_id, folder, ids)


def decoded_folder(root: Path, format_name: str, hashes: Mapping[str, Any]) -> Path:
    """Where the decoded form of a tape lies: named after its hash and, where a mapping says what it is, the mapping's.

    Args:
        root: The study's folder.
        format_name: Adapter.
        hashes: ``sha256`` of the file, and ``beside``, those of the files that decide what it is, where there are any.
    """
    beside = hashes.get("beside", [])
    name = hashlib.sha256("".join([hashes["sha256"], *beside]).encode()).hexdigest() if beside else hashes["sha256"]
    return root / "decoded" / f"{name[:16]}-{format_name}"


def _error(root: Path, name: str, entry: _Entry) -> UnreadableFileError:
    kind = UnknownFormatError if entry["unknown"] else UnreadableFileError
    return kind(root / name, entry["position"], entry["expected"], entry["found"])


def _manifest(root: Path, path: Path, sha256: str) -> Manifest:
    return Manifest("raw_file", path.name, {}, str(path.relative_to(root)), sha256)


def prune_decoded(root: Path) -> int:
    """Remove decoded forms of tapes that are not in the landing zone any more, and return the bytes freed."""
    entries = _load_index(root)
    kept = {decoded_folder(root, entry["format"], entry) for entry in entries.values() if "format" in entry}
    freed = 0
    for folder in (root / "decoded").glob("[!.]*"):
        if folder not in kept:
            freed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder, ignore_errors=True)
    return freed


def file_id(info: FileInfo, root: Path) -> str:
    """Manifest id of a file of the landing zone."""
    return _hashed(root, info.path).id


def tape_folder(info: FileInfo, root: Path) -> Path:
    """Where the decoded form of a tape of the landing zone lies or will lie."""
    entry = _load_index(root).get(str(info.path.relative_to(root)))
    if entry is None or entry["stamp"] != _stamp(info.path):
        beside = [sha256_of_file(other) for other in companions(info.path)]
        entry = {"sha256": sha256_of_file(info.path)} | ({"beside": beside} if beside else {})
    return decoded_folder(root, info.format, entry)


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
