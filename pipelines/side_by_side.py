"""Runs of a study's graph that do not depend on each other, several at a time in processes of this machine.

What a run does and records is the same in any process: partitions of instrument-days read nothing of each other, and
the study's Dagster instance is made for several writers.

Here: the processes. Not here: which runs there are (runner.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.runner import GraphRunner, Outcome, Step
    from pipelines.triage import Triage

#: Fewer steps than this are done sooner than other processes have started.
LEAST_STEPS = 8
_runner: GraphRunner | None = None


def execute_all(
    runner: GraphRunner, steps: Sequence[Step], workers: int, begins: Callable[[int], None]
) -> list[Outcome]:
    """Run all steps and tell what became of each, in their order.

    The first is run here, so that kernels nobody compiled yet are compiled once. Where processes cannot be started, or
    die, the rest is run here too.

    Args:
        runner: Of this process.
        steps: None of which needs another.
        workers: Processes; 1: all steps are run in this one.
        begins: Called with the number of each step as it begins, in order.
    """
    alone = len(steps) if workers < 2 or len(steps) < LEAST_STEPS else 1
    outcomes = {number: _here(runner, steps, number, begins) for number in range(alone)}
    if alone < len(steps):
        try:
            _elsewhere(runner, steps, workers, begins, outcomes)
        except (BrokenProcessPool, OSError):
            left = [number for number in range(len(steps)) if number not in outcomes]
            outcomes |= {number: _here(runner, steps, number, begins) for number in left}
    return [outcomes[number] for number in range(len(steps))]


def _here(runner: GraphRunner, steps: Sequence[Step], number: int, begins: Callable[[int], None]) -> Outcome:
    begins(number)
    return runner.execute(steps[number])


def _elsewhere(
    runner: GraphRunner,
    steps: Sequence[Step],
    workers: int,
    begins: Callable[[int], None],
    outcomes: dict[int, Outcome],
) -> None:
    # a fork would copy the locks of polars' threads as they happen to be held
    pool = ProcessPoolExecutor(
        workers, get_context("spawn"), _begin, (runner.named, runner.root, runner.force, runner.found)
    )
    waiting = [number for number in range(len(steps)) if number not in outcomes]
    running: dict[Future[Outcome], int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                number = waiting.pop(0)
                begins(number)
                running[pool.submit(_execute, steps[number])] = number
            for one in wait(running, return_when=FIRST_COMPLETED).done:
                outcomes[running[one]] = one.result()
                del running[one]
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(named: str, root: Path, force: bool, found: Triage | None) -> None:
    from pipelines.runner import GraphRunner

    global _runner
    _runner = GraphRunner(named, root, force=force)
    _runner.found = found


def _execute(step: Step) -> Outcome:
    assert _runner is not None, "every process begins with a runner"
    return _runner.execute(step)
