"""Jobs here, in processes and on a Ray cluster: the same results, progress and errors by the name of the job."""

import importlib.util
import os
import sys
from multiprocessing import Pipe

import pytest

from assets import parallel_processes, parallel_ray
from assets.execution import ELSEWHERE
from assets.execution_setup import Parent
from assets.execution_training import TrainingMarkets, train_all
from assets.parallel import Job, installation, run_all, settle
from feeds.errors import JobError, StudyError
from feeds.study import Execution
from feeds.study_execution import Case
from sim.flow_params import FlowParams
from tests.support.jobs import die, refuse, square, unsendable

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
SOMEWHERE = ["in_process", "processes", pytest.param("ray", marks=needs_ray)]


@pytest.fixture(scope="module")
def ray_cluster():
    """Two processors of this machine, for all tests of the file: starting them takes seconds."""
    if importlib.util.find_spec("ray") is None:
        yield
        return
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    quiet = {"include_dashboard": False, "log_to_driver": False}
    ray.init(address="local", num_cpus=2, object_store_memory=80_000_000, **quiet)
    yield
    ray.shutdown()


def squares(*numbers):
    return [Job(f"square of {number}", square, (number,)) for number in numbers]


@pytest.mark.parametrize("executor", SOMEWHERE)
def test_results_come_in_the_order_of_the_jobs_and_progress_names_them(executor, ray_cluster):
    lines = []
    results = run_all(squares(3, 1), executor, 2, lines.append)
    assert [value for value, _ in results] == [9, 1]
    assert {pid == os.getpid() for _, pid in results} == {executor == "in_process"}
    for number in (3, 1):
        mine = [line for line in lines if line.startswith(f"square of {number}:")]
        assert mine == [f"square of {number}: squaring {number}", f"square of {number}: done"]


@pytest.mark.parametrize("executor", SOMEWHERE)
def test_the_job_that_fails_is_named_with_what_it_raised(executor, ray_cluster):
    with pytest.raises(JobError, match=r"'reading b.csv'.*UnreadableFileError: b.csv at line 17.*a cat") as caught:
        run_all([Job("reading b.csv", refuse, ("b.csv",))], executor)
    assert (caught.value.job, caught.value.executor) == ("reading b.csv", executor)
    if executor != "in_process":
        assert "in refuse" in caught.value.__notes__[0]


def test_a_process_that_dies_is_named():
    with pytest.raises(JobError, match=r"'the mortal one'.*exit code -9"):
        run_all([Job("the mortal one", die)], "processes")


def test_a_result_that_cannot_be_sent_is_an_error_of_its_job():
    ours, theirs = Pipe(duplex=False)
    parallel_processes._work(Job("a function", unsendable), theirs)
    with pytest.raises(JobError, match=r"'a function'.*cannot be sent"):
        settle(Job("a function", unsendable), ours.recv(), "processes", print)


def test_jobs_of_this_process_are_made_one_at_a_time():
    made = []

    def jobs():
        for number in (1, 2):
            made.append(number)
            yield squares(number)[0]

    run_all(jobs(), "in_process", tell=lambda line: made.append(line))
    assert made == [
        1,
        "square of 1: squaring 1",
        "square of 1: done",
        2,
        "square of 2: squaring 2",
        "square of 2: done",
    ]


@pytest.mark.parametrize("executor", SOMEWHERE)
def test_no_jobs_are_no_results(executor, ray_cluster):
    assert run_all([], executor) == []


def test_an_executor_nobody_knows_is_refused():
    with pytest.raises(StudyError, match=r"'slurm'.*in_process"):
        run_all(squares(1), "slurm")


def test_without_ray_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(StudyError, match=r"not installed.*tick2trade\[ray\]"):
        run_all(squares(1), "ray")


@needs_ray
def test_a_worker_of_another_installation_refuses(monkeypatch, ray_cluster):
    monkeypatch.setattr(parallel_ray, "installation", lambda: installation() | {"numpy": "0.1"})
    with pytest.raises(JobError, match=r"'square of 1'.*another installation: it has numpy .*, the caller 0\.1"):
        run_all(squares(1), "ray")


@needs_ray
def test_without_an_address_a_cluster_of_this_machine_comes_and_goes(monkeypatch):
    import ray

    asked, over = [], []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: asked.append(options))
    monkeypatch.setattr(ray, "shutdown", lambda: over.append(len(asked)))
    monkeypatch.setattr(parallel_ray, "_gather", lambda cluster, jobs, tell: [job.name for job in jobs])
    monkeypatch.delenv(parallel_ray.ADDRESS, raising=False)
    assert run_all(squares(5), "ray", 3) == ["square of 5"]
    monkeypatch.setenv(parallel_ray.ADDRESS, "head:6379")
    run_all(squares(5), "ray", 3)
    local, elsewhere = asked
    assert (local["address"], local["num_cpus"]) == ("local", 3)
    assert elsewhere["address"] == "head:6379" and "num_cpus" not in elsewhere
    assert over == [1, 2]


@needs_ray
def test_a_cluster_that_is_not_there_is_an_error_with_its_address(monkeypatch):
    import ray

    def nobody(**options):
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", nobody)
    monkeypatch.setenv(parallel_ray.ADDRESS, "head:6379")
    with pytest.raises(StudyError, match=r"nobody answers.*head:6379"):
        run_all(squares(1), "ray")


def agents(executor, *seeds):
    case = Case(5, 0.05)
    parents = [
        Parent(symbol, 100, FlowParams.example(), 1_000_000, 1_000_000_000, case=case) for symbol in ("A.X", "B.X")
    ]
    settings = {"horizons_s": (5,), "decisions": 2, "train_steps": 400, "train_on": ("flow",), "agents": ("dqn",)}
    config = Execution(seeds=seeds, executor=executor, workers=2, **settings)
    trained = train_all(TrainingMarkets(config, tuple(parents)), {}, lambda line: None)
    return {seed: one for (_, seed), one in trained.items()}


@pytest.fixture(scope="module")
def trained_here():
    return agents("in_process", 1, 2)


@pytest.mark.parametrize(("executor", "seeds"), [("processes", (2,)), pytest.param("ray", (1, 2), marks=needs_ray)])
def test_agents_trained_elsewhere_are_those_trained_here(executor, seeds, trained_here, ray_cluster):
    there = agents(executor, *seeds)
    assert tuple(there) == seeds
    for seed, one in there.items():
        assert one.policy.to_bytes() == trained_here[seed].policy.to_bytes()
        assert one.learning.equals(trained_here[seed].learning)
    assert trained_here[1].policy.to_bytes() != trained_here[2].policy.to_bytes()


def test_where_an_agent_was_trained_is_no_part_of_what_it_is():
    assert set(ELSEWHERE) == set(Execution.model_fields) & {"executor", "workers"}


def test_jobs_after_the_one_that_failed_are_not_begun():
    begun = []

    def work(number, *, tell):
        begun.append(number)
        if number == 2:
            raise ValueError("two")

    with pytest.raises(JobError, match=r"'2'.*ValueError: two"):
        run_all([Job(str(number), work, (number,)) for number in (1, 2, 3)])
    assert begun == [1, 2]
