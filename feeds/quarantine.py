"""Quarantine: files that could not be read whole, each beside the reason.

Here: moving files there and listing them. Not here: deciding what is unreadable (feeds/adapters).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from feeds.errors import T2TError
from feeds.manifest import sha256_of_file, write_atomically

_REASON = ".reason.json"


def quarantine(root: Path, path: Path, error: T2TError) -> Path:
    """Move ``path`` below ``root/quarantine``, in the place it had below the landing zone, with the reason beside it.

    Args:
        root: The study's folder.
        path: A file of the landing zone.
        error: Why it cannot be used.

    Returns:
        Where it lies now; a second file of the same name gets a number.
    """
    landing = root / "landing"
    relative = path.relative_to(landing) if path.is_relative_to(landing) else Path(path.name)
    target = _free(root / "quarantine" / relative)
    reason = {
        "file": str(relative),
        "position": getattr(error, "position", ""),
        "expected": error.expected,
        "found": error.received,
        "error": str(error).replace(str(root), root.name),
        "sha256": sha256_of_file(path),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    # The reason first: a kill in between leaves a file in the landing zone that is found and moved again.
    write_atomically(target.with_name(target.name + _REASON), json.dumps(reason, indent=1).encode())
    shutil.move(path, target)
    return target


def _free(target: Path) -> Path:
    number, free = 1, target
    while free.exists():
        number += 1
        free = target.with_name(f"{target.stem}.{number}{target.suffix}")
    return free


def listing(root: Path) -> list[dict[str, Any]]:
    """Reasons of all files in quarantine, by name."""
    return [json.loads(path.read_text()) for path in sorted((root / "quarantine").rglob(f"*{_REASON}"))]
