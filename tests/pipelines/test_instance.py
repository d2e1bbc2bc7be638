"""The home of a study's Dagster instance follows the project's dagster.yaml, its folders excepted."""

import os

import pytest
import yaml

from feeds.study import PROJECT_DIR
from pipelines import instance
from pipelines.instance import FOLDER_SETTINGS, home_of, open_instance, project_settings


def settings_in(home):
    return yaml.safe_load((home / "dagster.yaml").read_text())


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A stand-in of the project's folder, whose dagster.yaml a test may change."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "dagster.yaml").write_text((PROJECT_DIR / "dagster.yaml").read_text())
    monkeypatch.setattr(instance, "PROJECT_DIR", folder)
    return folder


def test_the_home_lies_in_the_studys_folder(tmp_path):
    assert home_of(tmp_path / "study") == tmp_path / "study" / "dagster"


def test_the_home_has_the_projects_settings_without_its_folders(tmp_path):
    settings = project_settings()
    assert set(FOLDER_SETTINGS) < set(settings)
    wanted = {key: value for key, value in settings.items() if key not in FOLDER_SETTINGS}
    assert settings_in(home_of(tmp_path)) == wanted
    assert wanted["telemetry"] == {"enabled": False}


def test_no_setting_that_is_kept_names_a_folder(tmp_path):
    text = yaml.safe_dump(settings_in(home_of(tmp_path)))
    assert "base_dir" not in text and "data/" not in text


def test_a_changed_project_setting_reaches_an_existing_home(tmp_path, project):
    home = home_of(tmp_path)
    changed = project_settings() | {"concurrency": {"runs": {"max_concurrent_runs": 7}}}
    (project / "dagster.yaml").write_text(yaml.safe_dump(changed))
    assert home_of(tmp_path) == home
    assert settings_in(home)["concurrency"] == {"runs": {"max_concurrent_runs": 7}}


def test_a_home_that_is_current_is_left_alone(tmp_path):
    path = home_of(tmp_path) / "dagster.yaml"
    os.utime(path, ns=(1, 1))
    home_of(tmp_path)
    assert path.stat().st_mtime_ns == 1


def test_a_damaged_home_is_repaired(tmp_path):
    path = home_of(tmp_path) / "dagster.yaml"
    whole = path.read_bytes()
    path.write_bytes(whole[:10])
    home_of(tmp_path)
    assert path.read_bytes() == whole


def test_an_instance_keeps_everything_below_its_study_and_tells_child_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "elsewhere"))
    with open_instance(tmp_path / "study") as opened:
        home = tmp_path / "study" / "dagster"
        assert os.environ["DAGSTER_HOME"] == str(home)
        assert opened.root_directory == str(home)
        assert opened.storage_directory().startswith(str(home))
        assert opened.get_dynamic_partitions("tiny_instruments") == []
        assert not opened.telemetry_enabled
    assert not (tmp_path / "elsewhere").exists()
    assert list(home.rglob("*.db"))


def test_two_studies_have_instances_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "elsewhere"))
    with open_instance(tmp_path / "one") as first:
        first.add_dynamic_partitions("instruments", ["AAA.US"])
    with open_instance(tmp_path / "two") as second:
        assert second.get_dynamic_partitions("instruments") == []
    with open_instance(tmp_path / "one") as again:
        assert again.get_dynamic_partitions("instruments") == ["AAA.US"]
