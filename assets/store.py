"""The one resource of the graph: a study and where its files lie.

Here: `StudyStore`. Not here: partitions (assets/partitions.py), what is written (the assets).
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from feeds.artefacts import ArtefactStore
from feeds.lake import Lake
from feeds.root import lake_url
from feeds.study import Study, load_study


class StudyStore(dg.ConfigurableResource):
    """Study configuration, lake and artefacts of one code location.

    Attributes:
        study: Name of a shipped study or path of a study's YAML.
        root: The study's folder (landing zone, lake, quarantine, artefacts, reports, warehouse).
    """

    study: str
    root: str

    _study: Study | None = PrivateAttr(default=None)

    @property
    def config(self) -> Study:
        """The validated study."""
        if self._study is None:
            self._study = load_study(self.study)
        return self._study

    @property
    def path(self) -> Path:
        """``root`` as a path."""
        return Path(self.root)

    @property
    def lake(self) -> Lake:
        """Tables."""
        return Lake(self.path, lake_url(self.config))

    @property
    def artefacts(self) -> ArtefactStore:
        """Models and reports."""
        return ArtefactStore(self.path)
