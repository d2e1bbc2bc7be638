"""Instrument-days built several at a time: the same tables, the same order of what is told, nothing lost on the way."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool

import pytest

from feeds.lake import Lake
from pipelines import side_by_side
from pipelines.runner import GraphRunner, Outcome, Step, stage_sources
from tests.pipelines.conftest import make_flow, write_files
from tests.support.studies import DATES


class Recorder:
    """A runner that only notes what it is asked for."""

    def __init__(self):
        self.done = []

    def execute(self, step):
        self.done.append(step)
        return Outcome(step, "done", 0.0)


STEPS = [Step("build_instrument_day", str(number)) for number in range(side_by_side.LEAST_STEPS)]


@pytest.mark.parametrize(("steps", "workers"), [(STEPS, 1), (STEPS[:-1], 2)])
def test_one_worker_or_few_steps_need_no_other_process(monkeypatch, steps, workers):
    monkeypatch.setattr(side_by_side, "_elsewhere", None)
    runner, begun = Recorder(), []
    outcomes = side_by_side.execute_all(runner, steps, workers, begun.append)
    assert [outcome.step for outcome in outcomes] == runner.done == steps
    assert begun == list(range(len(steps)))


def test_what_processes_that_died_left_is_run_here(monkeypatch):
    def dies(runner, steps, workers, begins, outcomes):
        begins(1)
        outcomes[1] = Outcome(steps[1], "up to date", 0.0)
        raise BrokenProcessPool

    monkeypatch.setattr(side_by_side, "_elsewhere", dies)
    runner = Recorder()
    outcomes = side_by_side.execute_all(runner, STEPS, 2, lambda number: None)
    assert runner.done == [STEPS[0], *STEPS[2:]]
    assert [outcome.state for outcome in outcomes] == ["done", "up to date", *["done"] * (len(STEPS) - 2)]


def tables(root):
    lake = Lake(root)
    return {
        (table, date, symbol): lake.manifest(table, date, symbol).id
        for table in ("raw_ticks", "clean_ticks", "bars", "microstructure_features")
        for date in lake.dates(table)
        for symbol in lake.symbols(table, date)
    }


def test_instrument_days_of_two_processes_are_those_of_one(tmp_path, monkeypatch):
    monkeypatch.setattr(side_by_side, "LEAST_STEPS", 2)
    monkeypatch.setenv("DAGSTER_HOME", "")
    built = {}
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        write_files(folder, dates=DATES[:1])
        flow, told = make_flow(folder), []
        stage_sources(flow.study, flow.root)
        summary = GraphRunner(flow.yaml, flow.root).run(
            nights=0, listen=lambda index, total, step, told=told: told.append((index, total, step)), workers=workers
        )
        built[workers] = tables(flow.root), told, [(each.step, each.state) for each in summary.outcomes]
    assert len(built[1][0]) == 8
    assert built[1] == built[2]
