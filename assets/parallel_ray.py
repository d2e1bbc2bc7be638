"""Jobs on a Ray cluster: a task of one processor a job.

Ray starts a task again, up to three times, where the machine it ran on is lost; a job that raises is not tried again.
Workers import the project from their own installation and refuse work where that is another one than the caller's.

Here: connecting, submitting, gathering. Not here: jobs and the choice of where they run (parallel.py), processes
(parallel_processes.py), setting up a cluster (``ray start``).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from assets.parallel import Job, Outcome, Tell, attempt, cores, installation, settle
from feeds.errors import JobError, StudyError

#: Ray's own variable for the address of a cluster.
ADDRESS = "RAY_ADDRESS"
#: Seconds between two looks at the lines of progress.
_LISTEN_S = 0.5


def run(jobs: Iterable[Job], workers: int, tell: Tell) -> list[Any]:
    """See `assets.parallel.run_all`; a connection that is already there is used and kept."""
    ray = _ray()
    if ray.is_initialized():
        return _gather(ray, list(jobs), tell)
    with _own_handler_of_sigterm():
        _connect(ray, workers)
        try:
            return _gather(ray, list(jobs), tell)
        finally:
            ray.shutdown()


@contextmanager
def _own_handler_of_sigterm() -> Iterator[None]:
    """Ray replaces the handler and leaves its own behind, which would end a run that outlives the cluster."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ray() -> Any:
    # Ray reads it when it is imported: nothing is reported to its makers unless the user asks for it
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise StudyError(
            "execution.executor",
            received="'ray', and Ray is not installed",
            expected="Ray in this environment",
            remedy="Install it with `pip install 'tick2trade[ray]'`, or choose in_process or processes.",
        ) from error
    return ray


def _connect(ray: Any, workers: int) -> None:
    address = os.environ.get(ADDRESS)
    try:
        if address:
            ray.init(address=address, log_to_driver=False)
        else:
            ray.init(address="local", num_cpus=workers or cores(), include_dashboard=False, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise StudyError(
            "execution.executor",
            received=f"'ray': {error}",
            expected=f"a cluster at {address}" if address else "a cluster that starts here",
            remedy=f"Correct or unset {ADDRESS}, or choose in_process or processes.",
        ) from error


class _Told:
    """Lines of progress on their way from workers to the caller."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def tell(self, line: str) -> None:
        self._lines.append(line)

    def drain(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines


def _work(job: Job, told: Any, wanted: dict[str, str]) -> Outcome:
    import ray

    found = installation()
    others = {name: (found.get(name), kind) for name, kind in wanted.items() if found.get(name) != kind}
    if others:
        texts = (f"{name} {ours}, the caller {theirs}" for name, (ours, theirs) in others.items())
        return Outcome(error=f"a worker of another installation: it has {'; '.join(texts)}")
    # waited for, so that every line is there before the result
    return attempt(job, lambda line: ray.get(told.tell.remote(line)))


def _gather(ray: Any, jobs: list[Job], tell: Tell) -> list[Any]:
    told = ray.remote(num_cpus=0)(_Told).remote()
    work, here = ray.remote(num_cpus=1)(_work), installation()
    pending = {work.options(name=job.name).remote(job, told, here): number for number, job in enumerate(jobs)}
    results: list[Any] = [None] * len(jobs)
    try:
        while pending:
            ready, _ = ray.wait(list(pending), num_returns=1, timeout=_LISTEN_S)
            for line in ray.get(told.drain.remote()):
                tell(line)
            for reference in ready:
                job = jobs[number := pending.pop(reference)]
                results[number] = settle(job, _outcome(ray, reference, job), "ray", tell)
        return results
    finally:
        for reference in pending:
            ray.cancel(reference, force=True)
        ray.kill(told)


def _outcome(ray: Any, reference: Any, job: Job) -> Outcome:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        raise JobError(job.name, "ray", f"{type(error).__name__}: {error}") from error
