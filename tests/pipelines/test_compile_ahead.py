"""The process that compiles ahead: when there is one, and that it and the run do not take each other's files."""

import os
from pathlib import Path

import pytest
from numba.core.caching import IndexDataCacheFile

from assets import parallel
from feeds.kernel_cache import VARIABLE
from pipelines import compile_ahead
from pipelines.compile_ahead import compiling_ahead


class Started:
    """Stands for a way to start processes and notes what it was asked for."""

    def __init__(self, fails=False):
        self.fails, self.events = fails, []

    def Process(self, target, args, daemon):
        assert daemon, "it must not outlive the run"
        self.target, self.args = target, args
        return self

    def start(self):
        if self.fails:
            raise OSError("no more processes")
        self.events.append("start")

    def terminate(self):
        self.events.append("terminate")

    def join(self):
        self.events.append("join")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    return tmp_path


def runs(monkeypatch, *studies, fails=False):
    started = Started(fails)
    monkeypatch.setattr(compile_ahead, "get_context", lambda method: started)
    inside = []
    with compiling_ahead(studies):
        inside += started.events
    assert inside == started.events[:1], "it runs while the block does"
    return started.events


def test_a_process_compiles_as_long_as_a_study_that_executes_runs(folder, monkeypatch):
    assert runs(monkeypatch, "us_equities_2013", "demo_market") == ["start", "terminate", "join"]


def test_it_ends_where_the_run_fails(folder, monkeypatch):
    started = Started()
    monkeypatch.setattr(compile_ahead, "get_context", lambda method: started)
    with pytest.raises(ValueError, match="the run"), compiling_ahead(["demo_market"]):
        raise ValueError("the run")
    assert started.events == ["start", "terminate", "join"]


def test_where_it_cannot_start_the_run_goes_on(folder, monkeypatch):
    assert runs(monkeypatch, "demo_market", fails=True) == []


def test_there_is_none_for_studies_that_do_not_execute(folder, monkeypatch):
    assert runs(monkeypatch, "fx_2014") == []


def test_there_is_none_on_a_single_core(folder, monkeypatch):
    monkeypatch.setattr(parallel, "cores", lambda: 1)
    assert runs(monkeypatch, "demo_market") == []


def test_there_is_none_once_everything_was_compiled(folder, monkeypatch):
    compile_ahead._mark().touch()
    assert runs(monkeypatch, "demo_market") == []
    monkeypatch.setattr(compile_ahead, "sources_digest", lambda: "of other sources")
    assert runs(monkeypatch, "demo_market") == ["start", "terminate", "join"]


def test_there_is_none_where_no_folder_is_set(folder, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    assert runs(monkeypatch, "demo_market") == []


@pytest.mark.parametrize("works", [True, False])
def test_the_mark_is_set_where_all_went_well_and_errors_stay_inside(tmp_path, monkeypatch, works):
    def play():
        print("nobody reads this")
        if not works:
            raise RuntimeError("a kernel does not compile")

    monkeypatch.setattr(compile_ahead, "compile_all", play)
    monkeypatch.setattr(os, "dup2", lambda *descriptors: None)
    mark = tmp_path / "mark"
    compile_ahead._work(mark)
    assert mark.exists() == works


def test_files_of_two_processes_that_store_a_kernel_at_one_moment_stay_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(IndexDataCacheFile, "_data_name", IndexDataCacheFile._data_name)
    ours, theirs = (IndexDataCacheFile(str(tmp_path), "kernel", "stamp") for _ in range(2))
    ours.save("int64", "of the run")
    compile_ahead._keep_files_apart()
    # what a process that read the index before the other wrote it does
    monkeypatch.setattr(theirs, "_load_index", dict)
    theirs.save("float64", "compiled ahead")
    names = sorted(path.name for path in Path(tmp_path).glob("*.nbc"))
    assert names == ["kernel.1.nbc", "kernel.1001.nbc"]
    assert ours.load("float64") == "compiled ahead"
