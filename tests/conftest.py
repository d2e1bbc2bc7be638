"""Shared fixtures: thread limits, the shared-data marker."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("T2T_SHARED", PROJECT.parent / "shared" / "data"))


#: Beginnings of the names of test files that call the same kernels. Run in one process they are compiled once: two
#: processes that meet a kernel nobody compiled yet both do.
COMPILED_TOGETHER = {
    "environments": (
        "test_compiled_markets", "test_markets", "test_vector_env", "test_stable_baselines", "test_observation",
        "test_execution_env", "test_execution_properties", "test_flow_market", "test_flow_starts",
    ),
    "replays": (
        "test_replay", "test_tape_", "test_level_market", "test_fast_replay", "test_market_benchmarks", "test_book",
        "test_matching", "test_order", "test_queue_models",
    ),
    "flows": ("test_flow", "test_demo_", "test_generators", "test_hawkes", "test_realism", "test_sign_memory"),
    "queue_reactive": ("test_qrm",),
}  # fmt: skip


#: The same of the files that share one run of the graph.
RUN_TOGETHER = {"graph": ("test_flow", "test_automation")}


def group_of(nodeid):
    """What one process runs: the files that share kernels or a run of the graph, else a file."""
    file = nodeid.split("::")[0]
    folder, _, name = file.rpartition("/")
    groups = {"sim": COMPILED_TOGETHER, "conformance": COMPILED_TOGETHER, "pipelines": RUN_TOGETHER}
    for group, starts in groups.get(folder.rpartition("/")[2], {}).items():
        if name.startswith(starts):
            return group
    return file


def pytest_xdist_make_scheduler(config, log):
    """Tests go to processes by `group_of`, in the order of the files."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return ByGroup(config, log)


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
