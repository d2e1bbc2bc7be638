"""Where a study's source files come from: packages, shared and own folders, simulated markets, plain paths.

Here: resolving `Source.path`. Not here: copying into the landing zone (feeds/landing.py).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

from feeds.errors import StudyError
from feeds.root import data_root, shared_root
from feeds.study import STUDIES_DIR, Source, Study

Tell = Callable[[str], None]


def resolve(source: Source, tell: Tell | None = None) -> list[Path]:
    """Files (or folders) a source names; those of a simulated market are generated on first use.

    Args:
        source: The source.
        tell: Called with a line of text while files are generated.

    Raises:
        StudyError: Nothing is there.
    """
    scheme, _, rest = source.path.partition(":")
    pattern = str(_base(scheme, rest, source, tell)) if rest else source.path
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


def _base(scheme: str, rest: str, source: Source, tell: Tell | None) -> Path:
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
    if scheme == "simulate":
        from sim.demo_market import FILES, market_folder

        market, _, inside = rest.partition("/")
        return market_folder(market, data_root(), tell) / FILES / inside
    return Path(source.path)


def _find_package(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):  # a missing parent package, an empty name
        return None


def source_files(study: Study, tell: Tell | None = None) -> list[Path]:
    """All files of a study's sources, in the order of the study; see `resolve`."""
    return [path for source in study.sources for path in resolve(source, tell)]


def truth_files(study: Study) -> list[Path]:
    """What was planted in the simulated markets of a study, one table a date; none where its market is real."""
    found: list[Path] = []
    for source in study.sources:
        scheme, _, rest = source.path.partition(":")
        if scheme == "simulate":
            from sim.demo_market import TRUTH_FOLDER, market_folder

            found += sorted((market_folder(rest.partition("/")[0], data_root()) / TRUTH_FOLDER).glob("*.parquet"))
    return sorted(set(found))
