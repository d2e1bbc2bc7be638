"""The chain from an artefact back to raw files, and whether those are still what they were."""

import polars as pl
import pytest

from feeds.artefacts import ArtefactStore
from feeds.errors import LakeError
from feeds.lake import Lake
from feeds.manifest import Manifest, ManifestStore, sha256_of_file
from pipelines.explain import explain_json, print_chain, raw_state

DATE, SYMBOL = "2013-10-07", "AAA.US"


class Chain:
    """Two raw files -> raw_ticks -> two tables -> a model: a diamond above the raw ticks."""

    def __init__(self, root, trade="trade.zip"):
        self.root, self.lake = root, Lake(root)
        self.trade, self.quote = self._raw_file(trade, b"trades"), self._raw_file("quote.zip", b"quotes")
        self.raw = self._table("raw_ticks", SYMBOL, self.trade, self.quote)
        self.bars = self._table("bars", SYMBOL, self.raw)
        self.features = self._table("feature_table", None, self.raw)
        self.model = ArtefactStore(root).write(
            "model", "alpha_model", DATE, {"m": b"1"}, parents=[self.bars, self.features], seed=7
        )

    def _raw_file(self, name, content):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        manifest = Manifest("raw_file", name, {}, str(path.relative_to(self.root)), sha256_of_file(path))
        return ManifestStore(self.root / "manifests").put(manifest)

    def _table(self, name, symbol, *parents):
        return self.lake.write(name, pl.DataFrame({"a": [1]}), DATE, symbol, parents=parents).id

    def path(self, name):
        return self.root / "landing" / name

    def states(self):
        return {
            item["path"].rsplit("/", 1)[-1]: item["raw_state"]
            for item in explain_json(self.root, self.model.id)["artefacts"]
            if item["kind"] == "raw_file"
        }

    def printed(self, capsys, artefact=None):
        print_chain(self.root, artefact or self.model.id)
        return capsys.readouterr().out.splitlines()


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """A terminal wide enough for one line an artefact."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


@pytest.fixture
def chain(tmp_path):
    return Chain(tmp_path)


def test_raw_files_that_are_still_there_are_unchanged(chain):
    assert chain.states() == {"trade.zip": "unchanged", "quote.zip": "unchanged"}


def test_a_raw_file_whose_bytes_changed_is_told(chain):
    chain.path("trade.zip").write_bytes(b"TRADES")
    assert chain.states() == {"trade.zip": "changed", "quote.zip": "unchanged"}


def test_a_raw_file_that_is_gone_is_told(chain):
    chain.path("quote.zip").unlink()
    assert chain.states() == {"trade.zip": "unchanged", "quote.zip": "gone"}


def test_a_raw_file_that_came_back_with_the_same_bytes_is_unchanged(chain):
    path = chain.path("quote.zip")
    path.unlink()
    path.write_bytes(b"quotes")
    assert chain.states()["quote.zip"] == "unchanged"


def test_only_raw_files_have_a_state(chain):
    artefacts = explain_json(chain.root, chain.model.id)["artefacts"]
    assert {item["raw_state"] for item in artefacts if item["kind"] != "raw_file"} == {""}
    assert raw_state(chain.root, chain.lake.manifest("bars", DATE, SYMBOL)) == ""


def test_json_holds_every_artefact_once_and_its_parents(chain):
    tree = explain_json(chain.root, chain.model.id)
    ids = [item["id"] for item in tree["artefacts"]]
    assert tree["id"] == ids[0] == chain.model.id
    expected = {chain.model.id, chain.bars, chain.features, chain.raw, chain.trade, chain.quote}
    assert len(ids) == len(expected) and set(ids) == expected
    parents = {item["id"]: item["parents"] for item in tree["artefacts"]}
    assert parents[chain.model.id] == [chain.bars, chain.features]
    assert parents[chain.raw] == [chain.trade, chain.quote] and parents[chain.trade] == []
    assert {parent for found in parents.values() for parent in found} <= set(ids)


def test_json_says_which_bytes_partition_and_code_an_artefact_is(chain):
    raw = next(item for item in explain_json(chain.root, chain.bars)["artefacts"] if item["id"] == chain.raw)
    manifest = chain.lake.manifest("raw_ticks", DATE, SYMBOL)
    assert raw["partition"] == {"date": DATE, "symbol": SYMBOL}
    assert (raw["sha256"], raw["code_version"], raw["path"]) == (manifest.sha256, manifest.code_version, manifest.path)


def test_an_unambiguous_beginning_of_an_id_is_enough(chain):
    assert explain_json(chain.root, "alpha_model")["id"] == chain.model.id


def test_a_name_stands_for_its_newest_night_though_it_begins_several_ids(chain, capsys):
    newest, middle = (
        ArtefactStore(chain.root).write("model", "alpha_model", date, {"m": b"2"}, parents=[chain.bars])
        for date in ("2013-10-10", "2013-10-09")
    )
    assert explain_json(chain.root, "alpha_model")["id"] == newest.id
    assert chain.printed(capsys, "alpha_model")[0].startswith(newest.id)
    assert explain_json(chain.root, middle.id)["id"] == middle.id


@pytest.mark.parametrize(("wanted", "fits"), [("nothing-0123", 0), ("file-", 2), ("", 6), ("*", 0)])
def test_an_unknown_or_ambiguous_id_is_refused_with_how_many_fit(chain, wanted, fits):
    with pytest.raises(LakeError, match=f"which fits {fits} manifests; expected the id of one artefact"):
        explain_json(chain.root, wanted)


def test_a_lost_manifest_in_the_chain_is_an_error_and_no_shorter_chain(chain):
    (chain.root / "manifests" / f"{chain.raw}.json").unlink()
    with pytest.raises(LakeError, match=chain.raw):
        explain_json(chain.root, chain.model.id)


def test_the_printed_tree_goes_down_to_hashes_of_raw_files(chain, capsys):
    chain.path("trade.zip").write_bytes(b"TRADES")
    lines = chain.printed(capsys)
    assert lines[0].startswith(chain.model.id) and "seed 7" in lines[0]
    of_trade = next(line for line in lines if chain.trade in line)
    of_quote = next(line for line in lines if chain.quote in line)
    before = ManifestStore(chain.root / "manifests").get(chain.trade).sha256
    assert f"sha256 {before} (changed)" in of_trade
    assert f"sha256 {sha256_of_file(chain.path('quote.zip'))} (unchanged)" in of_quote


def test_the_printed_tree_lists_shared_parents_once_and_refers_to_them(chain, capsys):
    lines = chain.printed(capsys)
    of_raw = [line for line in lines if chain.raw in line]
    assert ["(see above)" in line for line in of_raw] == [False, True]
    assert sum(chain.trade in line for line in lines) == 1


def test_the_printed_tree_indents_parents_below_what_is_made_from_them(chain, capsys):
    lines = chain.printed(capsys, chain.bars)
    column = {i: next(line for line in lines if i in line).index(i) for i in (chain.bars, chain.raw, chain.trade)}
    assert 0 == column[chain.bars] < column[chain.raw] < column[chain.trade]


@pytest.mark.parametrize("columns", ["80", "120"])
def test_nothing_of_a_hash_is_cut_off_on_a_narrow_terminal_or_in_a_pipe(chain, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    text = "".join(chain.printed(capsys)).translate(str.maketrans("", "", " │├└─"))
    store = ManifestStore(chain.root / "manifests")
    for manifest_id in (chain.trade, chain.quote):
        assert f"{store.get(manifest_id).sha256}(unchanged)" in text


def test_brackets_in_a_file_name_are_printed_as_they_are(tmp_path, capsys):
    chain = Chain(tmp_path, trade="trade[old].zip")
    assert "landing/trade[old].zip" in "".join(chain.printed(capsys))
