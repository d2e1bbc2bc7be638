"""Independent pieces of work, one after the other, in processes of this machine, or on a Ray cluster.

A job is a function with everything it needs, so where it runs changes nothing in what it returns: seeds are arguments,
nothing is shared, results come back in the order of the jobs. That holds to the last bit where code, libraries and kind
of processor are the same; code and libraries are compared on every worker, the processor is the reader's concern
(another instruction set may sum floats in another order).

Here: `Job`, `run_all`, what every executor does with a job. Not here: processes (parallel_processes.py), Ray
(parallel_ray.py), what the jobs do (the assets).
"""

from __future__ import annotations

import hashlib
import os
import platform
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from feeds.errors import JobError, StudyError

Executor = Literal["in_process", "processes", "ray"]
EXECUTORS: tuple[Executor, ...] = ("in_process", "processes", "ray")
Tell = Callable[[str], None]
#: What a job calls: a function of some module, found there by its name, which takes the job's arguments and ``tell``.
Work = Callable[..., Any]

_PROJECT = Path(__file__).resolve().parent.parent
#: Rooms whose sources a result depends on, and libraries that do sums.
_ROOMS = ("feeds", "sim", "models", "assets")
_LIBRARIES = ("numpy", "numba", "llvmlite", "polars", "scipy", "scikit-learn", "torch")


@dataclass(frozen=True)
class Job:
    """One piece of work.

    Attributes:
        name: What progress and errors call it, e.g. ``"training seed 3"``.
        work: Called with ``args`` and with ``tell``, which takes a line of progress now and then.
        args: Its arguments; they and what it returns can be pickled.
    """

    name: str
    work: Work
    args: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a job in another process: errors travel as text, since not every exception can be pickled.

    Attributes:
        value: What it returned.
        error: Kind and text of what it raised; empty where it returned.
        trace: Where it raised that.
    """

    value: Any = None
    error: str = ""
    trace: str = ""


def run_all(
    jobs: Iterable[Job], executor: Executor = "in_process", workers: int = 0, tell: Tell = lambda line: None
) -> list[Any]:
    """Do all jobs and return what each returned, in their order.

    Args:
        jobs: Taken one by one; in this process each is only made when the one before is done.
        executor: ``in_process``: here, one after the other. ``processes``: fresh processes of this machine, one a job.
            ``ray``: the cluster at ``$RAY_ADDRESS``, whose machines hold the same installation; where that is unset, a
            cluster of this machine that ends with the call.
        workers: Jobs at a time on this machine, 0: as many as it has cores. A cluster elsewhere decides by itself.
        tell: Called in this process with lines of progress, each after the name of its job.

    Raises:
        JobError: A job failed; the others are stopped. Names the job, what it raised and, in a note, where.
        StudyError: There is no such executor, or Ray is asked for and not installed.
    """
    if executor == "in_process":
        return [_here(job, tell) for job in jobs]
    if executor == "processes":
        from assets.parallel_processes import run
    elif executor == "ray":
        from assets.parallel_ray import run
    else:
        raise StudyError("execution.executor", received=repr(executor), expected=f"one of {EXECUTORS}")
    return run(jobs, workers, tell)


def _here(job: Job, tell: Tell) -> Any:
    try:
        value = job.work(*job.args, tell=named(job, tell))
    except Exception as error:
        raise JobError(job.name, "in_process", _text(error)) from error
    tell(f"{job.name}: done")
    return value


def named(job: Job, tell: Tell) -> Tell:
    """``tell`` for one job: its name before every line."""
    return lambda line: tell(f"{job.name}: {line}")


def attempt(job: Job, tell: Tell) -> Outcome:
    """Do a job in another process than the one that asked."""
    try:
        return Outcome(job.work(*job.args, tell=named(job, tell)))
    except Exception as error:
        return Outcome(error=_text(error), trace=traceback.format_exc())


def settle(job: Job, outcome: Outcome, executor: Executor, tell: Tell) -> Any:
    """What a job returned elsewhere.

    Raises:
        JobError: It raised something.
    """
    if outcome.error:
        failed = JobError(job.name, executor, outcome.error)
        failed.add_note(f"Where it ran:\n{outcome.trace}")
        raise failed
    tell(f"{job.name}: done")
    return outcome.value


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(".")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def installation() -> dict[str, str]:
    """What results depend on besides their arguments: Python, libraries and a digest of the project's sources."""
    digest = hashlib.sha256()
    for source in sorted(path for room in _ROOMS for path in (_PROJECT / room).rglob("*.py")):
        digest.update(f"{source.relative_to(_PROJECT)}\0".encode() + source.read_bytes())
    libraries = {name: _version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), "tick2trade sources": digest.hexdigest()[:12], **libraries}


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"
