"""``t2t explain``: from an artefact back to raw files.

Here: walking manifests and saying whether the raw bytes are still what they were. Not here: manifests themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from feeds.artefacts import ArtefactStore
from feeds.lake import Lake
from feeds.manifest import Manifest, sha256_of_file

WIDTH = 1000


def raw_state(root: Path, manifest: Manifest) -> str:
    """``unchanged``, ``changed``, ``gone`` for raw files, empty for everything else."""
    if manifest.kind != "raw_file":
        return ""
    path = root / manifest.path
    if not path.is_file():
        return "gone"
    return "unchanged" if sha256_of_file(path) == manifest.sha256 else "changed"


def _label(root: Path, manifest: Manifest, seen: bool) -> str:
    partition = " ".join(manifest.partition.values())
    parts = [manifest.id, manifest.kind, partition, manifest.path]
    if manifest.kind == "raw_file":
        parts.append(f"sha256 {manifest.sha256} ({raw_state(root, manifest)})")
    else:
        parts.append(f"code {manifest.code_version}" + (f" seed {manifest.seed}" if manifest.seed is not None else ""))
    if seen and manifest.parents:
        parts.append("(see above)")
    return "  ".join(escape(part) for part in parts if part)


def find_id(root: Path, artefact: str) -> str:
    """The id meant: an id, a beginning of one, or an artefact's name for its newest night (``alpha_model``)."""
    artefacts = ArtefactStore(root)
    dates = artefacts.dates(artefact)
    return artefacts.current(artefact, dates[-1]).id if dates else artefact


def print_chain(root: Path, artefact: str, url: str | None = None) -> None:
    """Print the tree of parents of ``artefact`` down to raw files."""
    store = Lake(root, url).manifests
    artefact = find_id(root, artefact)
    trail: list[Tree] = []
    for depth, manifest, seen in store.ancestors(artefact):
        label = _label(root, manifest, seen)
        node = Tree(label) if depth == 0 else trail[depth - 1].add(label)
        trail[depth:] = [node]
    # Wide enough for a hash at any depth: a terminal wraps, a pipe keeps the line whole.
    Console(width=WIDTH, highlight=False).print(trail[0])


def explain_json(root: Path, artefact: str, url: str | None = None) -> dict[str, Any]:
    """The same chain as ``{"id": ..., "artefacts": [...]}`` without repetition."""
    store = Lake(root, url).manifests
    artefact = find_id(root, artefact)
    records = [
        {
            "id": manifest.id,
            "kind": manifest.kind,
            "partition": dict(manifest.partition),
            "path": manifest.path,
            "sha256": manifest.sha256,
            "parents": list(manifest.parents),
            "code_version": manifest.code_version,
            "raw_state": raw_state(root, manifest),
        }
        for _, manifest, seen in store.ancestors(artefact)
        if not seen
    ]
    return {"id": records[0]["id"], "artefacts": records}
