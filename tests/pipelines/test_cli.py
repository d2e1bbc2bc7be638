"""The command line: what it prints, what it exits with, and that an error is one clear paragraph."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import typer.main
from typer.testing import CliRunner

from feeds.artefacts import ArtefactStore
from feeds.errors import UnknownFormatError
from feeds.lake import Lake
from feeds.quarantine import listing, quarantine
from feeds.study import PROJECT_DIR, available_studies, load_study
from pipelines import cli, show
from tests.support.fx_files import write_fx_day
from tests.support.market_files import write_lobster_day, write_us_equity_day
from tests.support.studies import DATES, write_study

DATE = DATES[0]
COMMANDS = typer.main.get_command(cli.app).commands
#: What the commands set for their child processes and a test must not leave behind.
ENVIRONMENT = ("T2T_DATA", "T2T_STUDY", "DAGSTER_HOME")


def plain(text: str) -> str:
    """Without colours and cursor movements, which some CI services force on."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@dataclass
class Answer:
    code: int
    out: str
    err: str

    @property
    def flat(self) -> str:
        """Standard output without white space and table borders, whatever the width of the terminal was."""
        return "".join(self.out.split()).replace("│", "")

    @property
    def paragraph(self) -> str:
        """The one line on standard error; nothing else may stand there."""
        (line,) = [line for line in self.err.splitlines() if line.strip()]
        return line


@dataclass
class Terminal:
    """``t2t`` in this process, on the tiny study of a folder."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "data" / "tiny"

    def __call__(self, *arguments: str | Path, study: str | None = None) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name in ENVIRONMENT:
                patch.setenv(name, "")
            patch.setenv("T2T_DATA", str(self.folder / "data"))
            patch.setenv("T2T_STUDY", study or str(self.folder / "tiny.yaml"))
            patch.setattr(sys, "argv", ["t2t", *map(str, arguments)])
            try:
                cli.main()
                code = 0
            except SystemExit as stop:
                code = int(stop.code or 0)
        return Answer(code, plain(out.getvalue()), plain(err.getvalue()))


@pytest.fixture
def t2t(tmp_path):
    write_study(tmp_path)
    return Terminal(tmp_path)


# --- help ------------------------------------------------------------------------------------------------------------


def test_help_lists_every_command():
    answer = CliRunner().invoke(cli.app, ["--help"])
    assert answer.exit_code == 0
    assert set(COMMANDS) == {
        "run",
        "ingest",
        "report",
        "status",
        "explain",
        "models",
        "approve",
        "bench",
        "studies",
        "train-sentiment",
        "ui",
        "download",
        "lake",
    }
    listed = {line.strip("│ ").split(" ")[0] for line in plain(answer.output).splitlines()}
    assert set(COMMANDS) <= listed


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_every_option_has_help(name):
    command = COMMANDS[name]
    assert command.help and [parameter.name for parameter in command.params if not parameter.help] == []
    answer = CliRunner().invoke(cli.app, [name, "-h"])
    assert answer.exit_code == 0 and f"t2t {name}" in plain(answer.output)


def test_the_help_of_study_names_its_environment_variable():
    assert "T2T_STUDY" in plain(CliRunner().invoke(cli.app, ["status", "--help"]).output)


def test_no_command_at_all_shows_the_help(t2t):
    answer = t2t()
    assert answer.code == 2 and "train-sentiment" in answer.out + answer.err


def test_help_loads_nothing_heavy():
    heavy = ("dagster", "polars", "numba", "torch", "great_expectations", "sklearn")
    code = (
        "import sys; from typer.testing import CliRunner; from pipelines import cli;"
        "assert CliRunner().invoke(cli.app, ['--help']).exit_code == 0;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_DIR, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "report", "status", "ui"])
def test_an_unknown_study_is_one_paragraph_that_names_the_known_ones(t2t, command):
    answer = t2t(command, "--study", "no_such_study")
    assert answer.code == 1 and answer.out == ""
    assert answer.paragraph.startswith("StudyError: study; received 'no_such_study'; expected one of")
    assert all(name in answer.paragraph for name in available_studies())


def test_an_unknown_study_of_the_environment_is_told_alike(t2t):
    assert "received 'no_such_study'" in t2t("status", study="no_such_study").paragraph


def test_a_wrong_key_in_a_study_is_one_paragraph_that_names_the_right_one(t2t):
    write_study(t2t.folder, covrage=0.5)
    answer = t2t("status")
    assert answer.code == 1
    assert "tiny.yaml" in answer.paragraph and "Key 'covrage'" in answer.paragraph
    assert "Did you mean 'coverage'?" in answer.paragraph


@pytest.mark.parametrize("content", [b"name: [tiny", b"\xff\xfe\x00"], ids=["no YAML", "no text"])
def test_a_study_that_cannot_be_read_is_one_paragraph(t2t, content):
    (t2t.folder / "tiny.yaml").write_bytes(content)
    try:
        answer = t2t("status")
    except UnicodeDecodeError:
        pytest.fail("a traceback instead of a paragraph")
    assert answer.code == 1 and answer.paragraph.startswith("StudyError: tiny.yaml")


@pytest.mark.parametrize("debug", [False, True])
def test_debug_shows_the_traceback_and_nothing_else_does(debug):
    arguments = ["--debug"] if debug else []
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments, "report", "--study", "no_such_study"],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "received 'no_such_study'" in done.stderr
    assert ("Traceback (most recent call last)" in done.stderr) is debug


def test_an_unknown_option_is_a_usage_error(t2t):
    answer = t2t("status", "--colour")
    assert answer.code == 2 and "--colour" in answer.err


def test_a_study_whose_sources_are_missing_stops_before_anything_runs(t2t):
    answer = t2t("run")
    assert answer.code == 1 and "Two synthetic stocks" in answer.out
    assert "received no file there; expected files of format us_equity_tick" in answer.paragraph
    assert not t2t.root.exists()


# --- report, status, studies, bench ----------------------------------------------------------------------------------


def write_reports(root, *dates):
    for date in dates:
        (root / "reports" / date).mkdir(parents=True)
        (root / "reports" / date / "report.html").write_text(date)


def test_without_any_report_it_is_said_how_to_make_one(t2t):
    answer = t2t("report")
    assert answer.code == 1
    assert answer.paragraph == "T2TError: report of any night; received none. Run `t2t run` (or `make run`) first."


def test_a_night_without_a_report_is_named(t2t):
    write_reports(t2t.root, DATES[0])
    assert "report of 2013-10-09; received none" in t2t("report", "--date", DATES[2]).paragraph


def test_the_newest_report_is_printed_unless_a_night_is_named(t2t):
    write_reports(t2t.root, *DATES)
    folder = t2t.root / "reports"
    assert t2t("report").out.strip() == str(folder / DATES[-1] / "report.html")
    assert t2t("report", "--date", DATES[0]).out.strip() == str(folder / DATES[0] / "report.html")


def test_a_report_is_opened_only_when_asked_for(t2t, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    write_reports(t2t.root, DATE)
    t2t("report")
    assert opened == []
    t2t("report", "--open")
    assert opened == [(t2t.root / "reports" / DATE / "report.html").as_uri()]


def test_the_status_of_an_empty_lake_says_what_fills_it(t2t):
    answer = t2t("status")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [f"tiny in {t2t.root}", "the lake is empty; `t2t run` fills it"]


def test_asking_for_the_status_writes_nothing(t2t):
    t2t("status")
    assert not (t2t.folder / "data").exists()


def put_into_quarantine(root, name, found="b'remember the milk'..."):
    path = root / "landing" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("remember the milk")
    quarantine(root, path, UnknownFormatError(path, "byte 0", "a file of a known format", found))


def test_the_status_lists_what_is_in_quarantine_and_why(t2t):
    put_into_quarantine(t2t.root, "notes.txt")
    flat = t2t("status").flat
    assert "quarantinenotes.txt:tiny/landing/notes.txtatbyte0" in flat
    assert "receivedb'rememberthemilk'..." in flat and "expectedafileofaknownformat" in flat


@pytest.mark.parametrize(
    ("name", "found"), [("notes[old].txt", "b'milk'..."), ("notes.txt", "b'[b]milk[/i]'...")], ids=["name", "content"]
)
def test_brackets_in_a_file_do_not_disturb_the_status(t2t, name, found):
    put_into_quarantine(t2t.root, name, found)
    answer = t2t("status")
    assert answer.code == 0 and name in answer.flat and found in answer.flat


def test_the_status_lists_the_last_alerts(t2t):
    t2t.root.mkdir(parents=True)
    records = [
        {"at": f"2013-10-0{day}", "job": "nightly_retraining", "partition": DATE, "message": f"trouble {day}"}
        for day in range(1, 8)
    ]
    (t2t.root / "alerts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    flat = t2t("status").flat
    assert [f"trouble{day}" in flat for day in range(1, 8)] == [False, False, True, True, True, True, True]


def test_studies_are_listed_with_their_titles(t2t):
    lines = t2t("studies").out.splitlines()
    assert [line.split()[0] for line in lines] == available_studies()
    assert all(line.endswith(load_study(line.split()[0]).title) for line in lines)


def test_bench_list_says_what_is_measured(t2t):
    from benchmarks.catalogue import names

    lines = t2t("bench", "list").out.splitlines()
    assert lines == [f"{name}: {text}" for name, text in names().items()] and len(lines) >= 3


def test_an_unknown_benchmark_is_one_paragraph_that_names_the_known_ones(t2t):
    answer = t2t("bench", "no_such_benchmark")
    assert answer.code == 1
    assert answer.paragraph.startswith("T2TError: benchmark; received 'no_such_benchmark'; expected one of")
    assert all(f"'{name}'" in answer.paragraph for name in ("graph", "load", "sentiment"))


def test_a_benchmark_prints_its_figures_as_a_table_or_as_json(t2t, monkeypatch):
    monkeypatch.setattr("benchmarks.load.run", lambda: {"seconds": 1.5, "limit_s": 15})
    assert [line.split() for line in t2t("bench", "load").out.splitlines()] == [["seconds", "1.5"], ["limit_s", "15"]]
    assert json.loads(t2t("bench", "load", "--json").out) == {"seconds": 1.5, "limit_s": 15}


# --- explain ---------------------------------------------------------------------------------------------------------


def test_an_unknown_id_is_one_paragraph_that_says_where_ids_are_listed(t2t):
    answer = t2t("explain", "no-such-id")
    assert answer.code == 1 and answer.out == ""
    assert answer.paragraph == (
        "LakeError: artefact id; received 'no-such-id', which fits 0 manifests; expected the id of one artefact. "
        "`t2t status` lists ids."
    )


def test_an_id_is_explained_as_a_tree_or_as_json(t2t):
    manifest = ArtefactStore(t2t.root).write("report", "nightly_report", DATE, {"report.html": b"x"}, seed=7)
    assert t2t("explain", manifest.id).out.startswith(f"{manifest.id}  report  {DATE}")
    tree = json.loads(t2t("explain", "nightly", "--json").out)
    assert tree["id"] == manifest.id and [item["kind"] for item in tree["artefacts"]] == ["report"]


# --- ingest ----------------------------------------------------------------------------------------------------------


def test_ingest_of_a_missing_path_names_it_and_copies_nothing(t2t):
    (t2t.folder / "there.txt").write_text("x")
    answer = t2t("ingest", t2t.folder / "there.txt", t2t.folder / "gone.zip")
    assert answer.code == 1
    assert f"paths that do not exist: ['{t2t.folder / 'gone.zip'}']" in answer.paragraph
    assert not t2t.root.exists()


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    """A good day of one instrument and a foreign file, brought in together."""
    folder = tmp_path_factory.mktemp("ingested")
    write_study(folder)
    terminal = Terminal(folder)
    write_us_equity_day(folder / "drop" / "aaa", "AAA", DATE, seed=1, quotes=2000, trades=400)
    (folder / "drop" / "notes.txt").write_text("remember the milk")
    terminal.answer = terminal("ingest", folder / "drop")
    return terminal


def test_ingest_of_a_good_day_and_a_foreign_file_lands_the_day(ingested):
    lake = Lake(ingested.root)
    for table in ("raw_ticks", "clean_ticks", "bars", "microstructure_features"):
        assert lake.read(table, DATE, "AAA.US").height > 0
    assert set(lake.read("training_set", DATE)["symbol"]) == {"AAA.US"}
    assert "3newfilesinthelandingzone" in ingested.answer.flat
    assert f"build_instrument_day{DATE}|AAA.USdone" in ingested.answer.flat


def test_ingest_of_a_good_day_and_a_foreign_file_quarantines_the_file_and_says_why(ingested):
    (entry,) = listing(ingested.root)
    assert entry["file"].endswith("notes.txt") and entry["position"] == "byte 0"
    assert list((ingested.root / "quarantine").rglob("notes.txt"))
    assert not list((ingested.root / "landing").rglob("notes.txt"))
    assert "quarantinednotes.txt:" in ingested.answer.flat
    assert "receivedb'rememberthemilk'...;expectedafileofoneoftheformatsmapped,itch" in ingested.answer.flat
    assert ingested.answer.code == 1


def test_ingest_leaves_files_where_they_were_dropped(ingested):
    names = sorted(path.name for path in (ingested.folder / "drop").rglob("*.*"))
    assert names == ["20131007_quote.zip", "20131007_trade.zip", "notes.txt"]


def test_ingest_ends_with_the_training_set_and_trains_nothing(ingested):
    assert "nightly_retraining" not in ingested.answer.out
    assert ArtefactStore(ingested.root).dates("alpha_model") == []


def test_the_status_of_a_lake_shows_dates_instruments_and_why_one_is_missing(ingested):
    flat = ingested("status").flat
    assert DATE in flat and "AAA.US" in flat
    assert "BBB.US:no" in flat and "quarantine" in flat
    rows = Lake(ingested.root).manifest("training_set", DATE).rows
    assert f"{rows}" in flat


def test_the_status_shows_ids_in_one_piece_for_explain(t2t, monkeypatch):
    monkeypatch.setattr(show.console, "width", 80)
    lake, artefacts = Lake(t2t.root), ArtefactStore(t2t.root)
    lake.write("raw_ticks", pl.DataFrame({"a": [1]}), DATE, "AAA.US")
    ids = [
        artefacts.write(kind, name, DATE, {"file": b"x"}).id
        for kind, name in (("model", "alpha_model"), ("report", "nightly_report"))
    ]
    out = t2t("status").out
    assert [artefact for artefact in ids if artefact not in out] == []


def test_a_partition_of_the_lake_is_explained_down_to_the_dropped_files(ingested):
    tree = json.loads(ingested("explain", "--json", "training_set").out)
    raw = {Path(item["path"]).name: item["raw_state"] for item in tree["artefacts"] if item["kind"] == "raw_file"}
    assert raw == {"20131007_quote.zip": "unchanged", "20131007_trade.zip": "unchanged"}


def test_ingest_of_a_foreign_file_alone_fails_with_the_reason(t2t):
    (t2t.folder / "notes.txt").write_text("remember the milk")
    answer = t2t("ingest", t2t.folder / "notes.txt")
    assert answer.code == 1 and "quarantinednotes.txt:" in answer.flat and "rememberthemilk" in answer.flat
    assert Lake(t2t.root).dates("raw_ticks") == []


def test_ingest_of_a_foreign_file_with_brackets_fails_with_the_reason(t2t):
    (t2t.folder / "notes.txt").write_text("[b]milk[/i]")
    answer = t2t("ingest", t2t.folder / "notes.txt")
    assert answer.code == 1 and "[b]milk[/i]" in answer.flat


def test_ingest_says_which_file_an_instrument_day_still_needs(t2t):
    files = write_lobster_day(t2t.folder / "made", "AMZN", DATE, 2, messages=300, plain=True)
    answer = t2t("ingest", *(path for path in files if "message" in path.name))
    assert "waitsforitsmissingfile['orderbook']" in answer.flat


def test_ingest_says_which_files_lie_outside_the_study(t2t):
    answer = t2t("ingest", *write_us_equity_day(t2t.folder / "aaa", "AAA", "2012-10-08", seed=1, quotes=200, trades=40))
    assert "liesoutsidethestudy" in answer.flat and "noshippedstudyadmitsit" in answer.flat


def test_ingest_names_shipped_studies_that_admit_what_this_one_does_not(t2t):
    answer = t2t("ingest", *write_fx_day(t2t.folder / "eur", 1))
    assert "theseshippedstudiesadmitsomeofit:fx_2014" in answer.flat


# --- ui --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What `t2t ui` would have turned into: (command, environment, working directory)."""
    calls = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execv", lambda path, command: calls.append((command, dict(os.environ), Path.cwd())))
    return calls


def test_the_ui_is_dagster_on_the_studys_home_with_port_and_host(tmp_path, started):
    write_study(tmp_path, sources=[{"format": "news_csv", "path": str(tmp_path / "tiny.yaml")}])
    terminal = Terminal(tmp_path)
    assert terminal("ui", "--port", "3456", "--host", "0.0.0.0").code == 0
    ((command, environment, folder),) = started
    assert Path(command[0]).name == "dagster" and command[1:4] == ["dev", "-w", "workspace.yaml"]
    assert command[4:] == ["-p", "3456", "-h", "0.0.0.0"]
    assert folder == PROJECT_DIR and (folder / "workspace.yaml").is_file()
    assert environment["DAGSTER_HOME"] == str(terminal.root / "dagster")
    assert environment["T2T_STUDY"] == str(tmp_path / "tiny.yaml")
    assert (terminal.root / "dagster" / "dagster.yaml").is_file()
    assert [path.name for path in (terminal.root / "landing").rglob("*.yaml")] == ["tiny.yaml"]


@pytest.mark.parametrize("variable", ["T2T_DATA", "T2T_SHARED"])
def test_relative_folders_mean_the_same_to_the_processes_of_the_ui(tmp_path, started, monkeypatch, variable):
    write_study(tmp_path, sources=[{"format": "news_csv", "path": str(tmp_path / "tiny.yaml")}])
    for name in (*ENVIRONMENT, "T2T_SHARED"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("T2T_DATA", "data")
    monkeypatch.setenv("T2T_SHARED", "shared")
    meant = Path(os.environ[variable]).resolve()
    assert CliRunner().invoke(cli.app, ["ui", "--study", "tiny.yaml"], catch_exceptions=False).exit_code == 0
    ((_, environment, folder),) = started
    assert (folder / environment[variable]).resolve() == meant
