"""Champions and challengers: point in time, idempotent, and nothing trades that a person has not approved."""

import datetime as dt
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feeds.artefacts import ArtefactStore
from feeds.errors import ApprovalError, LakeError, StudyError
from feeds.registry import Registry

BETTER = {"metric": "loss", "n": 900, "difference": -0.2, "low": -0.3, "high": -0.1, "better": True, "reason": "won"}
WORSE = BETTER | {"difference": 0.0, "low": -0.1, "high": 0.1, "better": False, "reason": "holds 0"}
SHORT = BETTER | {"low": None, "high": None, "better": False, "reason": "too short"}
NOON = dt.datetime(2026, 3, 9, 12, 0, tzinfo=dt.UTC)


def day(number: int) -> str:
    return f"2026-03-{number:02d}"


def train(root, number: int, family: str = "alpha") -> str:
    return ArtefactStore(root).write("model", f"{family}_model", day(number), {"model.joblib": bytes([number])}).id


def decided(root, *comparisons, family: str = "alpha"):
    """One model and decision a day from the 2nd on; ids by day."""
    registry, ids = Registry(root), {}
    for number, comparison in enumerate(comparisons, start=2):
        ids[number] = train(root, number, family)
        registry.decide(family, day(number), ids[number], comparison)
    return registry, ids


def files_of(root):
    return {path: path.read_bytes() for path in sorted((root / "registry").rglob("*")) if path.is_file()}


# --- decisions ---


def test_the_first_model_is_champion_and_a_later_one_only_where_it_is_better(tmp_path):
    registry, ids = decided(tmp_path, None, WORSE, BETTER, SHORT, None)
    said = [registry.decision("alpha", day(n)) for n in range(2, 7)]
    assert [d.decision for d in said] == ["first", "kept", "promoted", "not tested", "not tested"]
    assert [d.champion for d in said] == [ids[2], ids[2], ids[4], ids[4], ids[4]]
    assert [d.incumbent for d in said] == [None, ids[2], ids[2], ids[4], ids[4]]
    assert [d.since for d in said] == [day(2), day(2), day(4), day(4), day(4)]
    assert [d.challenger for d in said] == list(ids.values())
    assert said[1].comparison == {"metric": "loss", "n": 900, "difference": 0.0, "low": -0.1, "high": 0.1}
    assert [said[1].reason, said[3].reason, said[4].reason] == ["holds 0", "too short", "no comparison was made"]


def test_the_champion_before_a_date_knows_nothing_of_the_date_and_what_follows(tmp_path):
    registry, ids = decided(tmp_path, None, BETTER, BETTER)
    assert registry.champion_before("alpha", day(2)) is None
    assert registry.champion_before("alpha", day(3)).model_id == ids[2]
    assert registry.champion_before("alpha", day(4)).model_id == ids[3]
    assert registry.champion_before("alpha", "2030-01-01").model_id == registry.champion("alpha").model_id == ids[4]
    assert registry.champion_before("volatility", day(9)) is registry.champion("volatility") is None


def test_a_second_run_of_a_date_changes_no_byte_even_after_later_dates(tmp_path):
    registry, ids = decided(tmp_path, None, BETTER, WORSE)
    before = files_of(tmp_path)
    for number, comparison in ((2, None), (3, BETTER), (4, WORSE)):
        registry.decide("alpha", day(number), ids[number], comparison)
    assert files_of(tmp_path) == before and len(before) == 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outcomes=st.lists(st.sampled_from([None, BETTER, WORSE, SHORT]), min_size=1, max_size=8), repeats=st.data())
def test_a_backfill_in_order_equals_nightly_runs_with_any_repetitions(tmp_path_factory, outcomes, repeats):
    plain, _ = decided(tmp_path_factory.mktemp("plain"), *outcomes)
    root = tmp_path_factory.mktemp("repeated")
    registry = Registry(root)
    for number, comparison in enumerate(outcomes, start=2):
        model = train(root, number)
        for _ in range(repeats.draw(st.integers(1, 3))):
            registry.decide("alpha", day(number), model, comparison)
    for date in plain.dates("alpha"):
        assert registry.decision("alpha", date) == plain.decision("alpha", date)


def test_families_do_not_touch_each_other(tmp_path):
    decided(tmp_path, None, BETTER)
    registry, ids = decided(tmp_path, None, family="volatility")
    assert registry.families() == ["alpha", "volatility"]
    assert [ref.model_id for ref in registry.champions("volatility")] == [ids[2]]


def test_a_challenger_must_be_a_model_of_the_date(tmp_path):
    registry, ids = decided(tmp_path, None)
    report = ArtefactStore(tmp_path).write("report", "nightly_report", day(3), {"a": b"a"}).id
    for wrong in (ids[2], ids[2][:-3], report, "alpha_model-000000000000"):
        with pytest.raises(LakeError):
            registry.decide("alpha", day(3), wrong)
    assert registry.dates("alpha") == [day(2)]


@pytest.mark.parametrize(("family", "date"), [("../alpha", "2026-03-02"), ("alpha", "2026-3-2"), ("alpha", "20260302")])
def test_a_malformed_family_or_date_is_refused(tmp_path, family, date):
    with pytest.raises(StudyError):
        Registry(tmp_path).decide(family, date, train(tmp_path, 2))


def test_a_damaged_or_missing_decision_is_named(tmp_path):
    registry, _ = decided(tmp_path, None)
    with pytest.raises(LakeError, match="no decision of 2026-03-03"):
        registry.decision("alpha", day(3))
    (tmp_path / "registry" / "alpha" / f"{day(2)}.json").write_text("{")
    with pytest.raises(LakeError, match="decision alpha 2026-03-02"):
        registry.champion("alpha")


# --- approvals ---


def test_an_approval_is_recorded_with_name_and_time_in_utc(tmp_path):
    registry, ids = decided(tmp_path, None)
    at = NOON.astimezone(dt.timezone(dt.timedelta(hours=2)))
    approval = registry.approve(ids[2], "Ann", at, "looked at the report")
    assert (approval.by, approval.at, approval.family) == ("Ann", "2026-03-09T12:00:00+00:00", "alpha")
    assert registry.approval_of(ids[2]) == approval
    (line,) = (tmp_path / "registry" / "approvals.jsonl").read_text().splitlines()
    assert json.loads(line)["note"] == "looked at the report"


def test_the_name_comes_from_the_environment_where_none_is_given(tmp_path, monkeypatch):
    registry, ids = decided(tmp_path, None, BETTER)
    monkeypatch.setenv("T2T_USER", "Bea")
    assert registry.approve(ids[2]).by == "Bea"
    monkeypatch.delenv("T2T_USER")
    monkeypatch.setattr("getpass.getuser", lambda: "carl")
    approval = registry.approve(ids[3])
    assert approval.by == "carl"
    assert dt.datetime.fromisoformat(approval.at).utcoffset() == dt.timedelta(0)


def test_only_a_champion_is_approved(tmp_path):
    registry, ids = decided(tmp_path, None, WORSE, SHORT)
    report = ArtefactStore(tmp_path).write("report", "nightly_report", day(3), {"a": b"a"}).id
    for wrong, says in (
        (ids[3], r"did not win on 2026-03-03 \(kept\)"),
        (ids[4], r"did not win on 2026-03-04 \(not tested\)"),
        (report, "no decision speaks of"),
        ("alpha_model-", "fits 3 manifests"),
        ("nothing", "fits 0 manifests"),
        ("", "empty id"),
        ("*", "fits 0 manifests"),
    ):
        with pytest.raises(ApprovalError, match=says):
            registry.approve(wrong, "Ann")
    assert not (tmp_path / "registry" / "approvals.jsonl").exists()


def test_a_second_approval_changes_nothing_and_says_who_gave_the_first(tmp_path):
    registry, ids = decided(tmp_path, None)
    registry.approve(ids[2][:-2], "Ann", NOON)
    before = files_of(tmp_path)
    with pytest.raises(ApprovalError, match="already by Ann at 2026-03-09T12:00:00"):
        registry.approve(ids[2], "Bea")
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(("name", "at"), [("  ", NOON), ("Ann", dt.datetime(2026, 3, 9))])
def test_a_blank_name_or_a_time_without_zone_is_refused(tmp_path, name, at):
    registry, ids = decided(tmp_path, None)
    with pytest.raises(ApprovalError):
        registry.approve(ids[2], name, at)
    assert registry.approval_of(ids[2]) is None


def test_nothing_is_live_before_an_approval_and_a_new_champion_does_not_replace_the_approved_one(tmp_path):
    registry, ids = decided(tmp_path, None, BETTER)
    with pytest.raises(ApprovalError, match="2 champions, none of them approved"):
        registry.live_model("alpha")
    with pytest.raises(ApprovalError, match="0 champions"):
        registry.live_model("volatility")
    registry.approve(ids[2], "Ann")
    assert registry.champion("alpha").model_id == ids[3]
    assert registry.live_model("alpha").model_id == ids[2]
    registry.approve(ids[3], "Ann")
    assert registry.live_model("alpha").model_id == ids[3]


def test_a_withdrawal_is_recorded_and_the_older_approved_champion_is_live_again(tmp_path):
    registry, ids = decided(tmp_path, None, BETTER)
    for number in (2, 3):
        registry.approve(ids[number], "Ann")
    registry.withdraw(ids[3], "Bea", note="slipped")
    assert registry.live_model("alpha").model_id == ids[2]
    assert registry.approval_of(ids[3]) is None
    registry.withdraw(ids[2], "Bea")
    with pytest.raises(ApprovalError):
        registry.live_model("alpha")
    registry.approve(ids[3], "Cat")
    assert registry.approval_of(ids[3]).by == "Cat"
    actions = [(entry.action, entry.by) for entry in registry.log]
    assert actions == [("approve", "Ann")] * 2 + [("withdraw", "Bea")] * 2 + [("approve", "Cat")]


def test_only_a_standing_approval_is_withdrawn(tmp_path):
    registry, ids = decided(tmp_path, None, BETTER)
    registry.approve(ids[2], "Ann")
    for wrong in (ids[3], "", "nothing"):
        with pytest.raises(ApprovalError, match="fits"):
            registry.withdraw(wrong, "Ann")
    registry.approve(ids[3], "Ann")
    with pytest.raises(ApprovalError, match="fits 2 approvals"):
        registry.withdraw("alpha_model-", "Ann")


@pytest.mark.parametrize("line", ['{"action": "approve"', '{"model_id": "x"}', "3", ""])
def test_a_damaged_record_approves_nothing(tmp_path, line):
    registry, ids = decided(tmp_path, None)
    registry.approve(ids[2], "Ann")
    with (tmp_path / "registry" / "approvals.jsonl").open("a") as handle:
        handle.write(line + "\n")
    with pytest.raises(LakeError, match=r"approvals\.jsonl, line 2"):
        registry.live_model("alpha")
