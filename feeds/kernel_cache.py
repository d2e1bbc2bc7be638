"""Where compiled kernels are cached: a folder named after the source of all kernels.

Numba renews a cached function when its own file changes, not when a function it calls in another file does: after an
update a cached caller would go on running the old callee. A folder per state of the sources rules that out.

Here: choosing the folder. Not here: any kernel.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

_PROJECT = Path(__file__).resolve().parent.parent
#: Folders and files that hold compiled functions; a test holds this list against the sources.
KERNELS = ("sim", "models/features", "feeds/kernels", "feeds/nbbo.py")
VARIABLE = "NUMBA_CACHE_DIR"


def sources_digest(project: Path = _PROJECT) -> str:
    """First 12 hex digits of the SHA-256 of every kernel source, names included."""
    digest = hashlib.sha256()
    for name in KERNELS:
        path = project / name
        for source in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(f"{source.relative_to(project)}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:12]


def use() -> None:
    """Point numba at the folder, unless the user chose one or it cannot be written."""
    if os.environ.get(VARIABLE):
        return
    folder = _PROJECT / ".numba_cache" / sources_digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    os.environ[VARIABLE] = str(folder)
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = str(folder)
