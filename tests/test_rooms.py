"""The rooms keep to themselves: who may import whom, and nothing heavy at module level where Dagster loads code."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parent.parent
ROOMS = ("feeds", "sim", "models", "assets", "pipelines", "live", "benchmarks")
MAY_IMPORT = {
    "feeds": {"feeds"},
    "sim": {"sim", "feeds"},
    "models": {"models", "feeds"},
    "assets": {"assets", "feeds", "models", "sim"},
    "pipelines": {"pipelines", "assets", "feeds", "models", "sim", "benchmarks"},
    "live": {"live", "feeds", "models", "sim"},
    "benchmarks": {"benchmarks", "pipelines", "assets", "feeds", "models", "sim"},
}
DAGSTER_FREE = ("feeds", "sim", "models", "live")
HEAVY = ("great_expectations", "torch", "transformers", "sklearn", "numba", "matplotlib", "duckdb", "scipy")


def imported_packages(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def offences(room: str, source: str) -> set[str]:
    found = imported_packages(source)
    wrong = (found & set(ROOMS)) - MAY_IMPORT[room]
    if room in DAGSTER_FREE:
        wrong |= {name for name in found if name.startswith("dagster")}
    return wrong


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_it_may(room):
    wrong = {
        str(path.relative_to(PROJECT)): offences(room, path.read_text())
        for path in sorted((PROJECT / room).rglob("*.py"))
    }
    assert {path: names for path, names in wrong.items() if names} == {}


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("feeds", "from models.bars import time_bars"),
        ("models", "import sim.book"),
        ("sim", "def f():\n    import dagster as dg"),
        ("assets", "from pipelines.jobs import NIGHTLY"),
        ("live", "import dagster_webserver"),
    ],
)
def test_a_forbidden_import_is_found(room, source):
    assert offences(room, source)


def test_loading_the_code_location_imports_nothing_heavy():
    program = f"import sys, pipelines.definitions; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_starts_without_dagster():
    program = "import sys, pipelines.cli; print([m for m in ('dagster', 'polars') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip() == "[]"


def test_workspace_and_tool_dg_name_the_same_module():
    workspace = yaml.safe_load((PROJECT / "workspace.yaml").read_text())
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    module = workspace["load_from"][0]["python_module"]["module_name"]
    assert project["tool"]["dg"]["project"]["code_location_target_module"] == module == "pipelines.definitions"


def test_the_instance_settings_of_a_plain_dagster_dev_point_at_the_default_study():
    from feeds.study import DEFAULT_STUDY

    settings = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    assert settings["storage"]["sqlite"]["base_dir"] == f"data/{DEFAULT_STUDY}/dagster"
    assert settings["telemetry"] == {"enabled": False}


def test_the_lock_file_is_exact_and_holds_the_pinned_versions():
    lines = [line for line in (PROJECT / "requirements.lock").read_text().splitlines() if line]
    assert all(line.count("==") == 1 for line in lines)
    locked = {line.split("==")[0].lower().replace("-", "_"): line.split("==")[1] for line in lines}
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = [wanted for extra in project["optional-dependencies"].values() for wanted in extra]
    for wanted in project["dependencies"] + extras:
        name, _, version = wanted.partition("==")
        key = name.lower().replace("-", "_")
        if key == "torch":
            continue
        assert key in locked, f"{name} is not locked"
        assert not version or version.endswith("*") or locked[key] == version
