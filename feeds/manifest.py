"""Manifests: what a thing was made of. Ids are content addresses, so the chain back to raw bytes cannot drift.

Here: `Manifest`, `ManifestStore`, the chain of parents. Not here: writing tables (feeds/lake.py) or artefacts
(feeds/artefacts.py).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feeds.atomic import write_atomically as write_atomically
from feeds.errors import LakeError

if TYPE_CHECKING:
    from feeds.storage import Storage

Kind = str  # "raw_file", "table", "model", "report"
_MIRRORED = "manifests"


@dataclass(frozen=True)
class Manifest:
    """Identity and origin of one raw file, table partition, model or report.

    Attributes:
        kind: ``raw_file``, ``table``, ``model`` or ``report``.
        name: Table or asset name; file name of a raw file.
        partition: E.g. ``{"date": "2013-10-07", "symbol": "IBM.US"}``.
        path: Relative to the study's root.
        sha256: Of the content (a raw file's bytes; a table's rows, feeds/content_hash.py; an artefact's files).
        rows: Rows of a table, 0 elsewhere.
        parents: Ids of what this was made from.
        code_version: `code_version` when it was made.
        seed: Seed of the run, None where nothing is random.
        params: Settings that went in.
        metrics: Figures that came out.
    """

    kind: Kind
    name: str
    partition: Mapping[str, str]
    path: str
    sha256: str
    rows: int = 0
    parents: tuple[str, ...] = ()
    code_version: str = ""
    seed: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """``<name>-<12 hex digits>``: address of kind, name, partition, content, parents and parameters."""
        facts = [
            self.kind,
            self.name,
            dict(self.partition),
            self.sha256,
            list(self.parents),
            dict(self.params),
        ]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
        stem = "file" if self.kind == "raw_file" else self.name
        return f"{stem}-{digest[:12]}"

    def to_json(self) -> str:
        """JSON text with sorted keys, the id included."""
        return json.dumps({"id": self.id, **asdict(self)}, sort_keys=True, indent=1, default=str)

    @staticmethod
    def from_json(text: str) -> Manifest:
        """Inverse of `to_json`."""
        tree = json.loads(text)
        tree.pop("id", None)
        tree["parents"] = tuple(tree["parents"])
        return Manifest(**tree)


class ManifestStore:
    """Manifests by id, one JSON file each below ``<study root>/manifests``.

    Args:
        root: The folder.
        mirror: Storage of a lake elsewhere: what is put here is put there too (``manifests/<id>.json``), and what is
            not found here is looked for there, so that others who share the lake can follow its chain.
    """

    def __init__(self, root: Path, mirror: Storage | None = None) -> None:
        self.root = root
        self._mirror = mirror

    def put(self, manifest: Manifest) -> str:
        """Write ``manifest`` and return its id; the same manifest twice is one file.

        Raises:
            LakeError: The disk or the store refuses.
        """
        name, content = f"{manifest.id}.json", manifest.to_json().encode()
        target = self.root / name
        # An empty file is what a power cut can leave behind; it counts as none.
        if not target.is_file() or not target.stat().st_size:
            write_atomically(target, content)
        if self._mirror is not None and not self._mirror.exists(f"{_MIRRORED}/{name}"):
            self._mirror.put_bytes(f"{_MIRRORED}/{name}", content)
        return manifest.id

    def exists(self, manifest_id: str) -> bool:
        """Whether there is a manifest of exactly this id."""
        if (self.root / f"{manifest_id}.json").is_file():
            return True
        return self._mirror is not None and self._mirror.exists(f"{_MIRRORED}/{manifest_id}.json")

    def get(self, manifest_id: str) -> Manifest:
        """Return the manifest of ``manifest_id``, which may be an unambiguous prefix.

        Raises:
            LakeError: There is none, or the prefix fits several.
        """
        if (self.root / f"{manifest_id}.json").is_file():
            return Manifest.from_json((self.root / f"{manifest_id}.json").read_text())
        if self._mirror is not None and (text := self._mirrored(f"{manifest_id}.json")) is not None:
            return Manifest.from_json(text)
        found = self._names(manifest_id)
        if len(found) != 1:
            received = f"{manifest_id!r}, which fits {len(found)} manifests"
            raise LakeError(
                "artefact id",
                received=received,
                expected="the id of one artefact",
                remedy="`t2t status` lists ids.",
            )
        return Manifest.from_json(self._text(found[0]))

    def __iter__(self) -> Iterator[Manifest]:
        """All manifests, by id."""
        for name in self._names(""):
            yield Manifest.from_json(self._text(name))

    def _names(self, prefix: str) -> list[str]:
        """File names that begin with ``prefix``, ascending."""
        names = {path.name for path in self.root.glob(f"{_escape(prefix)}*.json")}
        if self._mirror is not None:
            stored = (entry.key.rsplit("/", 1)[-1] for entry in self._mirror.entries(_MIRRORED))
            names |= {name for name in stored if name.startswith(prefix) and name.endswith(".json")}
        return sorted(names)

    def _text(self, name: str) -> str:
        path = self.root / name
        if path.is_file():
            return path.read_text()
        text = self._mirrored(name)
        if text is None:
            raise LakeError(f"manifest {name}", received="nothing", expected="the file that was listed just now")
        return text

    def _mirrored(self, name: str) -> str | None:
        if self._mirror is None:
            return None
        try:
            return self._mirror.read_bytes(f"{_MIRRORED}/{name}").decode()
        except FileNotFoundError:
            return None

    def ancestors(self, manifest_id: str) -> Iterator[tuple[int, Manifest, bool]]:
        """Walk from an artefact to its raw files, depth first.

        Yields:
            ``(depth, manifest, seen)``; ``seen`` marks one whose parents were listed before.
        """
        seen: set[str] = set()
        stack = [(0, manifest_id)]
        while stack:
            depth, current = stack.pop()
            manifest = self.get(current)
            again = manifest.id in seen
            yield depth, manifest, again
            if not again:
                seen.add(manifest.id)
                stack.extend((depth + 1, parent) for parent in reversed(manifest.parents))


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@lru_cache(maxsize=1)
def code_version() -> str:
    """Commit of the checkout (``+`` where it has uncommitted changes), else the package version."""
    here = Path(__file__).resolve().parent.parent
    try:
        commit = _git(here, "rev-parse", "--short=12", "HEAD")
        return commit + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("tick2trade")
        except PackageNotFoundError:
            return "unknown"


def _git(here: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _escape(text: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)
