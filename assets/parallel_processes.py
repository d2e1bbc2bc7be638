"""Jobs in processes of this machine: a fresh one a job, so that one which dies is known by its job.

Here: starting, listening, ending. Not here: jobs and the choice of where they run (parallel.py), Ray (parallel_ray.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from assets.parallel import Job, Outcome, Tell, attempt, cores, settle
from feeds.errors import JobError


def run(jobs: Iterable[Job], workers: int, tell: Tell) -> list[Any]:
    """See `assets.parallel.run_all`."""
    waiting, width = enumerate(jobs), workers or cores()
    running: dict[Connection, tuple[int, Job, SpawnProcess]] = {}
    results: dict[int, Any] = {}
    try:
        while True:
            while len(running) < width and (following := next(waiting, None)) is not None:
                ours, process = _start(following[1])
                running[ours] = (*following, process)
            if not running:
                return [results[number] for number in range(len(results))]
            for pipe in wait(list(running)):
                assert isinstance(pipe, Connection)
                number, job, process = running[pipe]
                message = _message(pipe, job, process)
                if isinstance(message, str):
                    tell(message)
                    continue
                _end(pipe, running.pop(pipe)[2])
                results[number] = settle(job, message, "processes", tell)
    finally:
        for pipe, (_, _, process) in running.items():
            process.terminate()
            _end(pipe, process)


def _start(job: Job) -> tuple[Connection, SpawnProcess]:
    # a fork would copy the locks of polars' and torch's threads as they happen to be held
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, theirs), name=job.name, daemon=True)
    process.start()
    # only then does the death of the process end the pipe
    theirs.close()
    return ours, process


def _work(job: Job, pipe: Connection) -> None:
    outcome = attempt(job, pipe.send)
    try:
        pipe.send(outcome)
    except Exception as error:
        pipe.send(Outcome(error=f"its result cannot be sent: {type(error).__name__}: {error}"))


def _message(pipe: Connection, job: Job, process: SpawnProcess) -> str | Outcome:
    """The next line of progress or the outcome.

    Raises:
        JobError: The process died without one.
    """
    try:
        return pipe.recv()
    except EOFError:
        process.join()
        raise JobError(job.name, "processes", f"the end of its process, exit code {process.exitcode}") from None


def _end(pipe: Connection, process: SpawnProcess) -> None:
    process.join()
    pipe.close()
