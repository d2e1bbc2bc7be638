"""Live code gets approved models only, and only with the bytes that were approved."""

import ast
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.artefacts import ArtefactStore
from feeds.errors import ApprovalError, LakeError
from feeds.registry import Registry
from live.approved import approved_bytes, approved_model

FILES = {"model.joblib": b"a model", "evaluation.json": b"{}"}
BETTER = {"low": -2.0, "high": -1.0, "better": True}
LIVE = Path(__file__).resolve().parents[2] / "live"


def train(root, date="2026-03-02", files=FILES):
    manifest = ArtefactStore(root).write("model", "alpha_model", date, files)
    Registry(root).decide("alpha", date, manifest.id, BETTER)
    return manifest


@pytest.fixture
def approved(tmp_path):
    manifest = train(tmp_path)
    Registry(tmp_path).approve(manifest.id, "Ann")
    return manifest


def test_the_approved_model_comes_with_its_manifest_and_bytes(tmp_path, approved):
    assert approved_model(tmp_path, "alpha") == approved
    assert approved_bytes(tmp_path, "alpha", "model.joblib") == (approved, b"a model")
    with pytest.raises(LakeError, match=r"no file other\.bin"):
        approved_bytes(tmp_path, "alpha", "other.bin")


def test_a_champion_without_approval_does_not_pass(tmp_path):
    train(tmp_path)
    with pytest.raises(ApprovalError, match="none of them approved"):
        approved_model(tmp_path, "alpha")


def test_a_newer_champion_without_approval_leaves_the_approved_one_in_place(tmp_path, approved):
    newer = train(tmp_path, "2026-03-03", {"model.joblib": b"another"})
    assert Registry(tmp_path).champion("alpha").model_id == newer.id
    assert approved_model(tmp_path, "alpha") == approved


def test_nothing_passes_after_a_withdrawal(tmp_path, approved):
    Registry(tmp_path).withdraw(approved.id, "Ann")
    with pytest.raises(ApprovalError):
        approved_model(tmp_path, "alpha")


def test_an_approval_written_for_a_model_that_is_no_champion_does_not_pass(tmp_path):
    train(tmp_path)
    loser = ArtefactStore(tmp_path).write("model", "alpha_model", "2026-03-03", {"model.joblib": b"loser"})
    Registry(tmp_path).log.append("approve", loser.id, "alpha", "Eve", None, "")
    with pytest.raises(ApprovalError, match="none of them approved"):
        approved_model(tmp_path, "alpha")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(FILES)), content=st.binary(max_size=12))
def test_files_with_any_other_bytes_are_refused(tmp_path, approved, name, content):
    path = tmp_path / approved.path / name
    path.write_bytes(content)
    try:
        if content == FILES[name]:
            assert approved_model(tmp_path, "alpha") == approved
        else:
            with pytest.raises(ApprovalError, match="sha256"):
                approved_model(tmp_path, "alpha")
    finally:
        path.write_bytes(FILES[name])


@pytest.mark.parametrize("change", ["file added", "file removed", "folder gone"])
def test_other_files_than_the_approved_ones_are_refused(tmp_path, approved, change):
    folder = tmp_path / approved.path
    if change == "file added":
        (folder / "more.bin").write_bytes(b"")
    else:
        for path in list(folder.iterdir())[: 1 if change == "file removed" else None]:
            path.unlink()
    with pytest.raises(ApprovalError, match="sha256"):
        approved_model(tmp_path, "alpha")


def test_what_a_killed_write_left_behind_does_not_matter(tmp_path, approved):
    (tmp_path / approved.path / ".model.joblib.77.tmp").write_bytes(b"half")
    assert approved_model(tmp_path, "alpha") == approved


@pytest.mark.parametrize("key", ["sha256", "params", "kind"])
def test_a_manifest_changed_to_fit_other_bytes_is_refused(tmp_path, approved, key):
    path = tmp_path / "manifests" / f"{approved.id}.json"
    tree = json.loads(path.read_text())
    path.write_text(json.dumps(tree | {key: {"a": 1} if key == "params" else "0" * 64}))
    with pytest.raises(ApprovalError, match="manifest was changed"):
        approved_model(tmp_path, "alpha")


@pytest.mark.parametrize("content", [None, "{", "[]", '{"parents": []}'])
def test_a_manifest_that_is_gone_or_damaged_is_refused(tmp_path, approved, content):
    path = tmp_path / "manifests" / f"{approved.id}.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(ApprovalError, match="gone or damaged"):
        approved_model(tmp_path, "alpha")


def test_a_path_changed_to_other_bytes_is_refused(tmp_path, approved):
    other = train(tmp_path, "2026-03-03", {"model.joblib": b"evil"})
    path = tmp_path / "manifests" / f"{approved.id}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"path": other.path}))
    with pytest.raises(ApprovalError, match="sha256"):
        approved_model(tmp_path, "alpha")


def loads_past_the_gate(source: str) -> bool:
    """Whether ``source`` unpickles by itself, or loads a model without `live.approved`."""
    nodes = list(ast.walk(ast.parse(source)))
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    loads = any(isinstance(node, ast.Attribute) and node.attr == "from_bytes" for node in nodes)
    return bool(names & {"joblib", "pickle", "dill", "cloudpickle"}) or (loads and "live.approved" not in names)


def test_no_other_live_code_loads_models():
    others = [path for path in LIVE.rglob("*.py") if path.name != "approved.py"]
    assert [path.name for path in others if loads_past_the_gate(path.read_text())] == []
    assert loads_past_the_gate("import pickle")
    assert loads_past_the_gate("AlphaModel.from_bytes(store.read(manifest, name))")
    assert not loads_past_the_gate("from live.approved import approved_bytes\nAlphaModel.from_bytes(b'')")
