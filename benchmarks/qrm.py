"""The queue-reactive model against what is published on it: execution table, invariant law, jump of the mid; speed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

#: Mean and standard deviation of the reward, 20,000 episodes: arXiv 2511.15262, table 2.
PUBLISHED = {
    "twap": (-0.365, 0.652),
    "popv1": (-0.343, 0.378),
    "popv2": (-0.342, 0.472),
    "popv3": (-0.400, 0.388),
    "popv4": (-0.399, 0.437),
}
#: Mean and its standard error, 4,000 episodes of the authors' code run again.
RERUN = {
    "twap": (-0.3626, 0.0103),
    "popv2": (-0.3439, 0.0074),
    "popv3": (-0.4022, 0.0062),
    "popv4": (-0.4049, 0.0069),
}
#: Share of episodes not finished in time, and units then left on average: section 5.3.
PUBLISHED_UNFINISHED = {"popv2": (0.00035, 2.14), "popv4": (0.00265, 2.51)}
REFERENCE_NS_PER_EVENT = 436.0
REFERENCE_STEPS_PER_S = 5_700.0
EPISODES = 20_000
#: Half a unit of the last printed digit.
_ROUNDING = 0.0005


def table_folder() -> Path:
    """Where the published table lies: ``T2T_SHARED``, else ``shared/data`` beside the project."""
    shared = os.environ.get("T2T_SHARED") or Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    return Path(shared) / "qrm"


def run(episodes: int = EPISODES, seed: int = 2025) -> dict[str, Any]:
    """Run the benchmarks of the published table and set them beside it.

    Returns:
        By schedule: published, run again and our mean rewards with standard errors, the distances in standard errors of
        the difference, unfinished episodes. Then the jump of the mid after buying the best ask, distances of the
        invariant law, events a second, spread, ns per event and steps a second, the last two with their references.
        Where the published rates are absent, speed alone, on made-up ones.
    """
    from feeds.errors import UnreadableFileError
    from sim.qrm_params import QrmParams, read_qrm

    try:
        params = read_qrm(table_folder())
    except UnreadableFileError:
        return {"table": None, **speed(QrmParams.example())}
    return {"table": execution_table(params, episodes, seed), **laws(params, seed), **speed(params)}


def execution_table(params: Any, episodes: int, seed: int) -> dict[str, dict[str, Any]]:
    """Every benchmark schedule over the same episodes; z: distance in standard errors of the difference."""
    from sim.qrm_policies import published_schedules, run_schedule
    from sim.qrm_task import QrmTask

    task, table = QrmTask(), {}
    for name, schedule in published_schedules(task).items():
        ran = run_schedule(params, task, schedule, episodes, seed)
        mean, sd = -float(ran.shortfall.mean()), float(ran.shortfall.std(ddof=1))
        error = sd / np.sqrt(episodes)
        printed, printed_sd = PUBLISHED[name]
        late = ran.left > 0
        row: dict[str, Any] = {
            "published": printed,
            "published_sd": printed_sd,
            "ours": round(mean, 4),
            "ours_se": round(float(error), 4),
            "ours_sd": round(sd, 3),
            "z_published": _z(mean, error, printed, printed_sd / np.sqrt(EPISODES), _ROUNDING),
            "unfinished": float(late.mean()),
            "left_when_unfinished": round(float(ran.left[late].mean()), 2) if late.any() else 0.0,
            "reward_with_penalty": round(float(ran.reward.mean()), 4),
        }
        if name in RERUN:
            again, again_error = RERUN[name]
            row |= {"rerun": again, "rerun_se": again_error, "z_rerun": _z(mean, error, again, again_error)}
        if name in PUBLISHED_UNFINISHED:
            row["published_unfinished"] = PUBLISHED_UNFINISHED[name][0]
        table[name] = row
    return table


def laws(params: Any, seed: int, books: int = 1_000_000, arrivals: int = 20_000_000) -> dict[str, Any]:
    """What the model is known to do, and what it does here."""
    import dataclasses

    from sim.qrm_simulate import jumps_after_buying_the_ask, occupancy

    jumps = jumps_after_buying_the_ask(params, books, seed)
    still = occupancy(dataclasses.replace(params, theta=0.0), arrivals, seed)
    moving = occupancy(params, arrivals, seed)
    closed = params.closed_form()
    return {
        "jump_ticks_expected": params.expected_jump_ticks,
        "jump_ticks": round(float(jumps.mean()), 5),
        "jump_ticks_se": round(float(jumps.std() / np.sqrt(books)), 5),
        "law_shipped_against_closed_form": float(np.abs(params.law() - closed).max()),
        "law_simulated_total_variation": round(float(_variation(still["law"], closed).max()), 5),
        "law_moving_reference_total_variation": [round(float(v), 4) for v in _variation(moving["law"], closed).mean(0)],
        "events_per_s": round(moving["events_per_s"], 3),
        "spread_ticks": round(moving["spread_ticks"], 3),
        "rejected_share": moving["rejected_share"],
    }


def speed(params: Any, events: int = 10_000_000, repeats: int = 3) -> dict[str, Any]:
    """Nanoseconds per event of a book alone; steps a second of one environment and of a batch; processor time."""
    from sim.qrm_env import QrmBatch, QrmEnv
    from sim.qrm_simulate import run_alone, simulate_qrm

    done, _ = run_alone(params, 1_000.0, 0)  # compiles; tells the rate
    seconds_simulated = 1_000.0 * events / done
    best = np.inf
    for _ in range(repeats):
        started = time.process_time()
        done, _ = run_alone(params, seconds_simulated, 0)
        best = min(best, 1e9 * (time.process_time() - started) / done)
    figures: dict[str, Any] = {
        "ns_per_event": round(best, 1),
        "reference_ns_per_event": REFERENCE_NS_PER_EVENT,
        "speedup_event": round(REFERENCE_NS_PER_EVENT / best, 1),
    }
    started = time.process_time()
    recorded = len(simulate_qrm(params, seconds_simulated / 10.0, 0).seconds)
    figures["recorded_ns_per_event"] = round(1e9 * (time.process_time() - started) / recorded, 1)
    env, batch = QrmEnv(params), QrmBatch(params, 1024)
    actions = np.random.default_rng(0).integers(0, 3, (64, 1024)) % 2  # waits or buys half
    env.reset(seed=0)
    env.step(0)
    batch.reset(0)
    batch.step(actions[0])
    steps, started = 0, time.process_time()
    while steps < 20_000:
        env.reset()
        over = False
        while not over:
            over = env.step(int(actions[steps % 64, 0]))[2]
            steps += 1
    figures["env_steps_per_s"] = round(steps / (time.process_time() - started))
    figures["reference_env_steps_per_s"] = REFERENCE_STEPS_PER_S
    started = time.process_time()
    for row in actions:
        batch.step(row)
    figures["batch_1024_steps_per_s"] = round(actions.size / (time.process_time() - started))
    return figures


def _variation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return 0.5 * np.abs(one - other).sum(axis=-1)


def _z(mean: float, error: float, other: float, other_error: float, rounding: float = 0.0) -> float:
    """Distance in standard errors of the difference; what rounding of ``other`` explains counts as none."""
    apart = max(0.0, abs(mean - other) - rounding)
    return round(float(np.copysign(apart, mean - other) / np.hypot(error, other_error)), 2)
