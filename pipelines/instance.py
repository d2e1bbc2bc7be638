"""The Dagster instance of a study: ``<study root>/dagster`` with the settings of the project's dagster.yaml.

Here: making the instance's home. Not here: what runs on it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from feeds.manifest import write_atomically
from feeds.study import PROJECT_DIR

if TYPE_CHECKING:
    import dagster as dg

#: Settings of the project's dagster.yaml that name folders: below DAGSTER_HOME they follow it instead.
FOLDER_SETTINGS = ("storage", "local_artifact_storage", "compute_logs")


def home_of(root: Path) -> Path:
    """Folder of the study's Dagster instance, with its dagster.yaml in place."""
    home = root / "dagster"
    settings = project_settings()
    for key in FOLDER_SETTINGS:
        settings.pop(key, None)
    text = yaml.safe_dump(settings, sort_keys=True).encode()
    target = home / "dagster.yaml"
    if not target.is_file() or target.read_bytes() != text:
        write_atomically(target, text)
    return home


def project_settings() -> dict[str, Any]:
    """The parsed dagster.yaml of the project."""
    return yaml.safe_load((PROJECT_DIR / "dagster.yaml").read_text())


def open_instance(root: Path) -> dg.DagsterInstance:
    """The study's instance; also sets DAGSTER_HOME for child processes."""
    import dagster as dg

    os.environ["DAGSTER_HOME"] = str(home_of(root))
    return dg.DagsterInstance.get()
