"""Manifests: what a thing was made of. Ids are content addresses, so the chain back to raw bytes cannot drift.

Here: `Manifest`, `ManifestStore`, the chain of parents. Not here: writing tables (feeds/lake.py) or artefacts
(feeds/artefacts.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from feeds.errors import LakeError

Kind = str  # "raw_file", "table", "model", "report"


@dataclass(frozen=True)
class Manifest:
    """Identity and origin of one raw file, table partition, model or report.

    Attributes:
        kind: ``raw_file``, ``table``, ``model`` or ``report``.
        name: Table or asset name; file name of a raw file.
        partition: E.g. ``{"date": "2013-10-07", "symbol": "IBM.US"}``.
        path: Relative to the study's root.
        sha256: Of the content (a raw file's bytes; a table's Arrow data; an artefact's files).
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
    """Manifests by id, one JSON file each below ``<study root>/manifests``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, manifest: Manifest) -> str:
        """Write ``manifest`` and return its id; the same manifest twice is one file."""
        target = self.root / f"{manifest.id}.json"
        if not target.exists():
            write_atomically(target, manifest.to_json().encode())
        return manifest.id

    def get(self, manifest_id: str) -> Manifest:
        """Return the manifest of ``manifest_id``, which may be an unambiguous prefix.

        Raises:
            LakeError: There is none, or the prefix fits several.
        """
        exact = self.root / f"{manifest_id}.json"
        found = [exact] if exact.is_file() else sorted(self.root.glob(f"{_escape(manifest_id)}*.json"))
        if len(found) != 1:
            received = f"{manifest_id!r}, which fits {len(found)} manifests"
            raise LakeError(
                "artefact id",
                received=received,
                expected="the id of one artefact",
                remedy="`t2t status` lists ids.",
            )
        return Manifest.from_json(found[0].read_text())

    def __iter__(self) -> Iterator[Manifest]:
        """All manifests, by id."""
        for path in sorted(self.root.glob("*.json")):
            yield Manifest.from_json(path.read_text())

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


def write_atomically(target: Path, content: bytes) -> None:
    """Write ``content`` to a temporary name beside ``target``, flush it to disk and rename it over ``target``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


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
