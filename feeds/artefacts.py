"""Artefacts: models, reports and their files, addressed by manifest id.

Here: saving and loading artefact files with manifests. Not here: table partitions (feeds/lake.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from feeds.errors import LakeError
from feeds.manifest import Manifest, ManifestStore, code_version, write_atomically


class ArtefactStore:
    """Files of models and reports below ``<study root>/artefacts/<name>/<date>/``.

    A pointer file ``current.json`` is written last: a killed step leaves the old artefact current.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.manifests = ManifestStore(self.root / "manifests")

    def write(
        self,
        kind: str,
        name: str,
        date: str,
        files: Mapping[str, bytes],
        *,
        parents: Sequence[str] = (),
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> Manifest:
        """Store ``files`` (file name -> bytes) as the current artefact ``name`` of ``date``."""
        digest = hashlib.sha256()
        for file_name in sorted(files):
            digest.update(file_name.encode() + b"\0" + files[file_name])
        sha256 = digest.hexdigest()
        folder = self.root / "artefacts" / name / date
        manifest = Manifest(
            kind=kind,
            name=name,
            partition={"date": date},
            path=str((folder / sha256[:12]).relative_to(self.root)),
            sha256=sha256,
            parents=tuple(parents),
            code_version=code_version(),
            seed=seed,
            params=dict(params or {}),
            metrics=dict(metrics or {}),
        )
        for file_name, content in files.items():
            write_atomically(self.root / manifest.path / file_name, content)
        self.manifests.put(manifest)
        write_atomically(folder / "current.json", manifest.to_json().encode())
        return manifest

    def current(self, name: str, date: str) -> Manifest:
        """Manifest of the current artefact ``name`` of ``date``.

        Raises:
            LakeError: There is none.
        """
        pointer = self.root / "artefacts" / name / date / "current.json"
        if not pointer.is_file():
            raise LakeError(f"artefact {name}", received=f"none for {date}", remedy=f"Materialise {name} first.")
        return Manifest.from_json(pointer.read_text())

    def exists(self, name: str, date: str) -> bool:
        """Whether ``name`` has an artefact for ``date``."""
        return (self.root / "artefacts" / name / date / "current.json").is_file()

    def dates(self, name: str) -> list[str]:
        """Dates for which ``name`` has an artefact, ascending."""
        return sorted(path.parent.name for path in (self.root / "artefacts" / name).glob("*/current.json"))

    def read(self, manifest: Manifest, file_name: str) -> bytes:
        """Bytes of one file of an artefact."""
        path = self.root / manifest.path / file_name
        if not path.is_file():
            raise LakeError(f"artefact {manifest.id}", received=f"no file {file_name}", expected=str(path))
        return path.read_bytes()

    def read_json(self, manifest: Manifest, file_name: str) -> Any:
        """Parsed JSON of one file of an artefact."""
        return json.loads(self.read(manifest, file_name))
