"""The only way live code gets a model: the newest approved champion, with bytes that are still the approved ones.

An approval names a manifest id, the id is an address of the manifest's facts, and the manifest holds the hash of the
files: whatever was changed since the approval no longer fits. Models are pickles, so the check comes before loading.

Here: the gate between the registry and live code. Not here: who approves (feeds/registry.py), unpickling (the model
families' ``from_bytes``).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from feeds.errors import ApprovalError, LakeError
from feeds.manifest import Manifest, ManifestStore
from feeds.registry import Registry


def approved_model(root: Path | str, family: str) -> Manifest:
    """Manifest of the model that may trade for ``family``, its files verified.

    Args:
        root: The study's folder.
        family: Model family, e.g. ``alpha``.

    Raises:
        ApprovalError: No champion of the family is approved, or the approved one is not what was approved.
    """
    return _verified(Path(root), family)[0]


def approved_bytes(root: Path | str, family: str, file_name: str) -> tuple[Manifest, bytes]:
    """Manifest of the model that may trade and one of its files: the very bytes that were verified.

    Args:
        root: The study's folder.
        family: Model family.
        file_name: E.g. ``model.joblib``.

    Raises:
        ApprovalError: As for `approved_model`.
        LakeError: The model has no such file.
    """
    manifest, files = _verified(Path(root), family)
    if file_name not in files:
        raise LakeError(f"artefact {manifest.id}", received=f"no file {file_name}", expected=f"one of {sorted(files)}")
    return manifest, files[file_name]


def _verified(root: Path, family: str) -> tuple[Manifest, dict[str, bytes]]:
    model_id = Registry(root).live_model(family).model_id
    try:
        manifest = ManifestStore(root / "manifests").get(model_id)
    except (LakeError, ValueError, KeyError, TypeError) as error:
        raise _refused(model_id, f"its manifest is gone or damaged ({error})") from error
    if manifest.id != model_id:
        raise _refused(model_id, f"its manifest was changed: it is one of {manifest.id} now")
    folder = root / manifest.path
    # what a killed write may have left behind is read by nobody
    found = [path for path in sorted(folder.glob("*")) if path.is_file() and not path.name.endswith(".tmp")]
    files = {path.name: path.read_bytes() for path in found}
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(name.encode() + b"\0" + content)
    if digest.hexdigest() != manifest.sha256:
        raise _refused(model_id, f"files with sha256 {digest.hexdigest()[:12]} instead of {manifest.sha256[:12]}")
    return manifest, files


def _refused(model_id: str, received: str) -> ApprovalError:
    return ApprovalError(
        f"approved model {model_id}",
        received=received,
        expected="the bytes that were approved",
        remedy="Nothing trades. Restore the artefact, or materialise its date again and approve what comes out.",
    )
