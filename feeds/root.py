"""Where a study keeps its files: ``$T2T_DATA/<study name>/`` (default ``./data``).

Here: the folders' names. Not here: reading or writing them.
"""

from __future__ import annotations

import os
from pathlib import Path

from feeds.study import PROJECT_DIR, Study


def data_root() -> Path:
    """``$T2T_DATA`` or ``data`` below the project."""
    return Path(os.environ.get("T2T_DATA") or PROJECT_DIR / "data").resolve()


def shared_root() -> Path:
    """``$T2T_SHARED``: the folder ``shared:`` sources are looked up in."""
    return Path(os.environ.get("T2T_SHARED") or PROJECT_DIR.parent / "shared" / "data").resolve()


def study_root(study: Study) -> Path:
    """Folder of everything that belongs to ``study``."""
    return data_root() / study.name


def lake_url(study: Study) -> str | None:
    """Where the study's tables lie if not in its folder: ``$T2T_LAKE/<study name>``, any fsspec URL; None if unset."""
    base = os.environ.get("T2T_LAKE")
    return f"{base.rstrip('/')}/{study.name}" if base else None
