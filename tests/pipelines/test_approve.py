"""What `t2t approve` and `t2t models` print, on a real registry in a folder."""

import pytest

from feeds.artefacts import ArtefactStore
from feeds.errors import ApprovalError
from feeds.registry import Registry
from live.approved import approved_model
from pipelines.approve import approve_model, print_models, withdraw_model

BETTER = {"metric": "loss", "low": -2.0, "high": -1.0, "better": True}
WORSE = BETTER | {"high": 1.0, "better": False}


@pytest.fixture
def ids(tmp_path):
    """Models of three days: champion, better challenger, challenger that did not win."""
    made = []
    for number, comparison in enumerate((None, BETTER, WORSE), start=2):
        date = f"2026-03-0{number}"
        made.append(ArtefactStore(tmp_path).write("model", "alpha_model", date, {"m": bytes([number])}).id)
        Registry(tmp_path).decide("alpha", date, made[-1], comparison)
    return made


def flat(capsys) -> str:
    """What was printed, without white space and table borders."""
    return "".join(capsys.readouterr().out.split()).replace("│", "")


def test_an_approval_says_who_gave_it_and_what_trades_now(tmp_path, ids, capsys):
    approve_model(tmp_path, ids[1], "Ann [b]", "read it")
    out = flat(capsys)
    assert f"approved{ids[1]}(alpha)byAnn[b]at" in out and ":readit" in out
    assert f"alpha:livemodel{ids[1]}" in out and "nothingtrades" not in out
    assert approved_model(tmp_path, "alpha").id == ids[1]


def test_a_second_approval_changes_nothing_and_says_so(tmp_path, ids, capsys):
    first = approve_model(tmp_path, ids[1], "Ann")
    assert approve_model(tmp_path, ids[1], "Bea") == approve_model(tmp_path, ids[1][:-1], "Bea") == first
    assert "alreadyapproved" in flat(capsys)
    assert len(list(Registry(tmp_path).log)) == 1


def test_a_challenger_that_did_not_win_is_refused(tmp_path, ids, capsys):
    with pytest.raises(ApprovalError, match="did not win"):
        approve_model(tmp_path, ids[2], "Ann")
    assert flat(capsys) == ""


def test_the_table_shows_champion_approval_and_newest_challenger(tmp_path, ids, capsys, monkeypatch):
    monkeypatch.setattr("pipelines.approve.console.width", 240)
    print_models(tmp_path)
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if line.count("│") > 6]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["alpha", ids[1], "2026-03-03", "not approved", "", ids[2], "kept (2026-03-04)"]
    assert f"nothing trades. t2t approve {ids[1]}" in out
    approve_model(tmp_path, ids[1], "Ann")
    capsys.readouterr()
    print_models(tmp_path)
    assert f"alpha{ids[1]}2026-03-03Ann20" in flat(capsys)


def test_an_approved_former_champion_trades_until_the_newer_one_is_approved(tmp_path, ids, capsys):
    approve_model(tmp_path, ids[0], "Ann")
    out = flat(capsys)
    assert f"livemodel{ids[0]}" in out and f"newerandnotapproved.t2tapprove{ids[1]}" in out


def test_a_withdrawal_says_that_nothing_trades(tmp_path, ids, capsys):
    approve_model(tmp_path, ids[1], "Ann")
    withdraw_model(tmp_path, ids[1], "Bea")
    out = flat(capsys)
    assert f"withdrawn{ids[1]}(alpha)byBea" in out and "nothingtrades" in out


def test_without_any_decision_the_reader_is_told_how_to_get_one(tmp_path, capsys):
    print_models(tmp_path)
    assert "t2trun" in flat(capsys)
