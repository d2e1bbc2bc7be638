"""Shared fixtures: thread limits, the shared-data marker."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("T2T_SHARED", PROJECT.parent / "shared" / "data"))


def pytest_collection_modifyitems(items):
    if SHARED.is_dir():
        return
    skip = pytest.mark.skip(reason="the real market data of ../shared/data is not here")
    for item in items:
        if "shared_data" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def shared_data():
    """Folder of real market data; tests that use it carry the marker ``shared_data``."""
    return SHARED
