"""What importing the simulator loads: a market is to be had without the rest of the system."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
#: Packages that take long to load and that nothing in sim/ needs to be imported.
HEAVY = {"dagster", "duckdb", "exchange_calendars", "great_expectations", "matplotlib", "pandas", "pyarrow"}
HEAVY |= {"sklearn", "torch", "transformers"}
#: Modules of everything in sim/ together, numba, polars and gymnasium included: 996 when they were counted.
MOST_MODULES = 1_150
#: Of the environment alone, numba included, which knows markets by their protocol: 600 when they were counted.
MOST_OF_THE_ENVIRONMENT = 700


def loaded(*modules):
    code = f"import json, sys\nfor name in {modules!r}: __import__(name)\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.fixture(scope="module")
def everything():
    return loaded(*(f"sim.{path.stem}" for path in (PROJECT / "sim").glob("*.py") if path.stem != "__init__"))


def test_the_environment_is_imported_without_tables_and_without_any_market():
    found = loaded("sim.execution_env")
    assert len(found) < MOST_OF_THE_ENVIRONMENT
    assert not {"polars", "sim.book", "sim.replay_market", "sim.flow_market", *HEAVY} & found


def test_all_of_the_simulator_is_imported_without_what_it_does_not_need(everything):
    assert not HEAVY & everything
    assert len(everything) < MOST_MODULES


def test_no_other_room_but_the_feeds_is_imported(everything):
    rooms = {name.split(".")[0] for name in everything} & {"assets", "benchmarks", "live", "models", "pipelines"}
    assert rooms == set()
