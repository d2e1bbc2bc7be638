"""Where a study's source files come from: packages, the shared folder, the study's own folder or a plain path.

Here: resolving `Source.path`. Not here: copying into the landing zone (feeds/landing.py).
"""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

from feeds.errors import StudyError
from feeds.root import shared_root
from feeds.study import STUDIES_DIR, Source, Study


def resolve(source: Source) -> list[Path]:
    """Files (or folders) a source names.

    Raises:
        StudyError: Nothing is there.
    """
    scheme, _, rest = source.path.partition(":")
    pattern = str(_base(scheme, rest, source)) if rest else source.path
    path = Path(pattern)
    found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if not found:
        raise StudyError(
            f"source '{source.path}'",
            received="no file there",
            expected=f"files of format {source.format}",
            remedy="`shared:` sources are looked up below $T2T_SHARED (default ../shared/data)."
            if scheme == "shared"
            else "",
        )
    return found


def _base(scheme: str, rest: str, source: Source) -> Path:
    if scheme == "shared":
        return shared_root() / rest
    if scheme == "study":
        return STUDIES_DIR / rest
    if scheme == "package":
        module, _, inside = rest.partition("/")
        spec = _find_package(module)
        if spec is None or spec.origin is None:
            raise StudyError(f"source '{source.path}'", received=f"package {module} is not installed")
        return Path(spec.origin).parent / inside
    return Path(source.path)


def _find_package(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):  # a missing parent package, an empty name
        return None


def source_files(study: Study) -> list[Path]:
    """All files of a study's sources, in the order of the study."""
    return [path for source in study.sources for path in resolve(source)]
