"""Which mapping belongs to a file: ``<file>.t2t.yaml`` beside it, ``t2t.yaml`` in its folder, ``mappings/*.yaml``.

The first of these that speaks of the file counts: its own one, then the folder's, then those of the folder
``mappings`` in its folder, then of the one beside its folder, each by name.

Here: finding and reading mappings. Not here: what they may say (mapping.py).
"""

from __future__ import annotations

import fnmatch
from pathlib import Path

from feeds.adapters.mapping import Mapping, parse_mapping
from feeds.errors import IncompleteDropError, UnreadableFileError

SUFFIX = ".t2t.yaml"
FOLDER_NAME = "t2t.yaml"
MAPPINGS = "mappings"


def is_mapping(path: Path) -> bool:
    """Whether a file is a mapping, by its name and place."""
    shared = path.parent.name == MAPPINGS and path.suffix == ".yaml"
    return path.name == FOLDER_NAME or path.name.endswith(SUFFIX) or shared


def mapping_files(path: Path) -> list[Path]:
    """Mappings that may speak of ``path``, the strongest first."""
    if is_mapping(path):
        return []
    places = [path.with_name(f"{path.name}{SUFFIX}"), path.with_name(FOLDER_NAME)]
    for folder in (path.parent / MAPPINGS, path.parent.parent / MAPPINGS):
        places += sorted(folder.glob("*.yaml"))
    return [place for place in places if place.is_file()]


def load_mapping(path: Path) -> Mapping:
    """Read a mapping.

    Raises:
        UnreadableFileError: It is no mapping; see `parse_mapping`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(path, f"byte {error.start}", "UTF-8 text", error.reason) from error
    mapping = parse_mapping(path, text)
    if not mapping.files and not _own(path):
        raise UnreadableFileError(path, "key files", "names of files, e.g. '*.csv'", "nothing")
    return mapping


def mapping_of(path: Path) -> Mapping | None:
    """The mapping that speaks of ``path``, None where none does.

    Raises:
        UnreadableFileError: A mapping that might is damaged.
    """
    for place in mapping_files(path):
        mapping = load_mapping(place)
        if _own(place) or any(fnmatch.fnmatchcase(path.name, pattern) for pattern in mapping.files):
            return mapping
    return None


def check_has_files(path: Path) -> None:
    """That a mapping speaks of a file that is there; those of a folder ``mappings`` may wait for theirs.

    Raises:
        IncompleteDropError: It does not.
    """
    mapping = load_mapping(path)
    if path.parent.name == MAPPINGS:
        return
    if _own(path):
        name = path.name.removesuffix(SUFFIX)
        if not path.with_name(name).is_file():
            raise IncompleteDropError(path, "the folder", f"the file {name} beside its mapping", "none")
        return
    names = [file.name for file in path.parent.iterdir() if file.is_file() and not is_mapping(file)]
    if not any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in mapping.files):
        raise IncompleteDropError(path, "the folder", f"a file named like {list(mapping.files)}", "none")


def _own(path: Path) -> bool:
    return path.name.endswith(SUFFIX) and path.name != FOLDER_NAME and path.parent.name != MAPPINGS
