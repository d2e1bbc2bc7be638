"""Agents trained in replays of a tape of single orders: environment steps a second from end to end, and what bounds it.

64 orders at once at 100 messages a step (execution_env.py: AMZN where the file is here, else a simulated day), networks
of 64-64. End to end is everything: sampling, learning, scales, logs. Wall time, best of a few short runs in turn with
what they are set beside, since other processes slow all of them alike; ``*_cpu`` are steps a second of processor time.

- ``ppo_*``: four epochs, never stopped by divergence. Designs: ``one_thread``, ``two_threads`` (the environments are
  stepped by two), ``ahead`` (the next rollout is played while one is learned from, a lag of one update), ``ahead_two``
  (both). ``ppo_env_steps_per_s`` is the fastest, ``ppo_design`` its name.
- ``learner_ceiling_per_s``: updates only, on a remembered rollout, in plain torch code: same layers, epochs and batch.
- ``env_alone_per_s``: the environments with random actions, one thread.
- ``sb3_*``: stable-baselines3 on the same environments (two threads), layers, epochs, batch and rollout
  (stable_baselines_peer.py); ``bound``: the ratio if all but the environments cost nothing and they ran on two cores.
- ``ten_seeds_s``: ten seeds of both agents with a study's default settings (two workers, processes), on a replay.

Here: `run`. Not here: what agents learn (known_answers.py, execution_quality.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import stable_baselines_peer as peer
from benchmarks.execution_env import ENVS, orders_setting
from models.execution.config import DqnConfig, PpoConfig

if TYPE_CHECKING:
    from assets.parallel import Tell
    from benchmarks.execution_env import Setting
    from sim.vector_env import ExecutionVectorEnv

PPO = PpoConfig(rollout=64, batch=1024, kl_stop=0.0, steps=1 << 16)
#: Name of a design -> whether it plays ahead, threads of the environments.
DESIGNS = {"one_thread": (False, 1), "two_threads": (False, 2), "ahead": (True, 1), "ahead_two": (True, 2)}
#: Batch of the second comparison, where single updates are small, as libraries have them by default.
SMALL_BATCH = 64
DQN = DqnConfig(steps=6_000, warm_up=0.1)
_REPEATS = 3
#: The defaults of feeds/study_execution.py: environment steps of either agent, environments, order.
NIGHT_STEPS, NIGHT_ENVS, NIGHT_HORIZON_S, NIGHT_DECISIONS, NIGHT_SEEDS, NIGHT_WORKERS = (
    {"dqn": 20_000, "ppo": 200_000}, 32, 300, 10, 10, 2,
)  # fmt: skip


def run() -> dict[str, Any]:
    """All figures; those of stable-baselines3 are None where it is not installed."""
    setting = orders_setting()
    figures: dict[str, Any] = {"envs": ENVS, "ppo_batch": PPO.batch, "dqn_batch": DQN.batch, "cores": os.cpu_count()}
    figures |= ppo_figures(setting, PPO)
    small = ppo_figures(setting, replace(PPO, batch=SMALL_BATCH, steps=1 << 15))
    figures |= {f"batch_{SMALL_BATCH}_{key}": value for key, value in small.items() if key.startswith(("ppo", "sb3"))}
    figures |= dqn_figures(setting, DQN)
    return figures | {"ten_seeds_s": round(ten_seeds(), 1)}


def ppo_figures(setting: Setting, config: PpoConfig) -> dict[str, Any]:
    """Own PPO by all designs, the learner's ceiling, the environments alone, stable-baselines3."""
    envs = {threads: _vector(setting, threads) for threads in (1, 2)}
    theirs = peer.ppo(_vector(setting, 2), config) if peer.is_here() else None
    lesson, rates = _remembered(setting, config), dict[str, list[float]]()

    def note(name: str, rate: float) -> None:
        rates.setdefault(name, []).append(rate)

    for _ in range(_REPEATS):
        for design, (overlap, threads) in DESIGNS.items():
            wall, cpu = _ppo_rates(envs[threads], replace(config, overlap=overlap))
            note(design, wall)
            note(f"{design}_cpu", cpu)
        note("ceiling", torch_ceiling(lesson, config))
        note("alone", _alone_rate(setting))
        if theirs is not None:
            note("sb3", peer.steps_per_s(theirs, config.steps // 4, 1))
    best = {name: max(values) for name, values in rates.items()}
    design = max(DESIGNS, key=lambda name: best[name])
    own = {name: value for name, value in best.items() if name.removesuffix("_cpu") in DESIGNS}
    return {
        "ppo_env_steps_per_s": round(best[design]),
        "ppo_design": design,
        **{f"ppo_{name}_per_s": round(value) for name, value in own.items()},
        "learner_ceiling_per_s": round(best["ceiling"]),
        "learner_ceiling_fraction": round(best[design] / best["ceiling"], 3),
        "env_alone_per_s": round(best["alone"]),
        **_beside("ppo", best[design], rates.get("sb3", []), best["alone"]),
    }


def dqn_figures(setting: Setting, config: DqnConfig) -> dict[str, Any]:
    """Own DQN and that of stable-baselines3, an update every ``train_every`` environment steps."""
    ours, sb3 = [], []
    theirs = peer.dqn(_vector(setting, 2), config) if peer.is_here() else None
    for _ in range(_REPEATS):
        ours.append(_dqn_rate(setting, config))
        if theirs is not None:
            sb3.append(peer.steps_per_s(theirs, config.steps // 3, 1))
    return {"dqn_env_steps_per_s": round(max(ours)), **_beside("dqn", max(ours), sb3, None)}


def _beside(name: str, ours: float, sb3: list[float], alone: float | None) -> dict[str, Any]:
    if not sb3:
        return {f"sb3_{name}_env_steps_per_s": None, f"sb3_{name}_ratio": None}
    found = {f"sb3_{name}_env_steps_per_s": round(max(sb3)), f"sb3_{name}_ratio": round(ours / max(sb3), 2)}
    return found | ({f"sb3_{name}_bound": round(2 * alone / max(sb3), 2)} if alone else {})


def _vector(setting: Setting, threads: int = 1) -> ExecutionVectorEnv:
    from sim.vector_env import ExecutionVectorEnv

    return ExecutionVectorEnv(setting.make(), ENVS, setting.task, threads=threads)


def _ppo_rates(env: ExecutionVectorEnv, config: PpoConfig) -> tuple[float, float]:
    """Steps a second of wall and of processor time."""
    from models.execution.ppo import train_ppo

    before = time.process_time()
    seconds = _seconds(lambda: train_ppo(env, config))
    return config.steps / seconds, config.steps / (time.process_time() - before)


def _dqn_rate(setting: Setting, config: DqnConfig) -> float:
    from models.execution.dqn import train_dqn

    env = _vector(setting)
    return config.steps / _seconds(lambda: train_dqn(env, config))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _alone_rate(setting: Setting, steps: int = 300) -> float:
    env = _vector(setting)
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(env.grid.n, size=(steps, ENVS))

    def play() -> None:
        for row in actions:
            env.step(row)

    return steps * ENVS / _seconds(play)


def _remembered(setting: Setting, config: PpoConfig) -> Any:
    """A rollout's observations and actions, (T n, k) and (T n,)."""
    import torch

    env, random = _vector(setting), np.random.default_rng(0)
    states = np.zeros((config.rollout, *env.reset(seed=0)[0].shape), np.float32)
    actions = random.integers(env.grid.n, size=states.shape[:2])
    for t, row in enumerate(actions):
        states[t] = env.step(row)[0]
    seen = states.reshape(-1, states.shape[-1])
    scale = np.where(seen.std(axis=0) > 1e-6, seen.std(axis=0), 1.0)
    return torch.from_numpy((seen - seen.mean(axis=0)) / scale), torch.from_numpy(actions.ravel()), env.grid.n


def torch_ceiling(remembered: Any, config: PpoConfig, rollouts: int = 4) -> float:
    """Environment steps a second that updates alone allow, written as any torch code of PPO is; one thread.

    Args:
        remembered: Observations and actions of a rollout, and how many actions there are.
        config: Layers, epochs, batch.
        rollouts: How often it is learned from.
    """
    import torch
    from torch import nn

    from models.execution.networks import one_thread

    seen, taken, choices = remembered
    count, sizes = len(seen), (seen.shape[1], *config.layers)

    def network(outputs: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for inputs, units in pairwise(sizes):
            layers += [nn.Linear(inputs, units), nn.Tanh()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(0)
        actor, critic = network(choices), network(1)
        parameters = [*actor.parameters(), *critic.parameters()]
        optimiser = torch.optim.Adam(parameters, lr=3e-4)
        pushed, wanted, old = torch.randn(count), torch.randn(count), torch.full((count,), -float(np.log(choices)))

        def learn() -> None:
            for _ in range(config.epochs):
                for rows in torch.randperm(count).split(config.batch):
                    chances = torch.distributions.Categorical(logits=actor(seen[rows]), validate_args=False)
                    ratio = (chances.log_prob(taken[rows]) - old[rows]).exp()
                    surrogate = torch.min(ratio * pushed[rows], ratio.clamp(0.8, 1.2) * pushed[rows]).mean()
                    loss = 0.5 * (critic(seen[rows]).squeeze(-1) - wanted[rows]).pow(2).mean() - surrogate
                    loss = loss - 0.01 * chances.entropy().mean()
                    optimiser.zero_grad(set_to_none=True)
                    loss.backward()
                    nn.utils.clip_grad_norm_(parameters, 0.5)
                    optimiser.step()

        def several() -> None:
            for _ in range(rollouts):
                learn()

        learn()
        return rollouts * count / _seconds(several)


def ten_seeds(executor: str = "processes", workers: int = NIGHT_WORKERS, seeds: int = NIGHT_SEEDS) -> float:
    """Seconds that ``seeds`` agents of both kinds take with a night's settings, start of the processes included."""
    from assets.parallel import Job, run_all

    jobs = [Job(f"{kind}, seed {seed}", nightly, (kind, seed)) for kind in NIGHT_STEPS for seed in range(1, seeds + 1)]
    return _seconds(lambda: run_all(jobs, executor, workers))  # type: ignore[arg-type]


def nightly(kind: str, seed: int, *, tell: Tell) -> bytes:
    """One agent of a night on the tape, its bytes; a job of `ten_seeds`."""
    from dataclasses import replace as changed

    from models.execution.dqn import train_dqn
    from models.execution.ppo import train_ppo
    from sim.replay_market import ReplayMarket
    from sim.vector_env import ExecutionVectorEnv

    setting = orders_setting()
    task = changed(setting.task, horizon_ns=NIGHT_HORIZON_S * 10**9, decisions=NIGHT_DECISIONS, latency_ns=10_000_000)
    market = setting.make()
    assert isinstance(market, ReplayMarket)
    env = ExecutionVectorEnv(market, NIGHT_ENVS, task)
    if kind == "ppo":
        return train_ppo(env, PpoConfig(steps=NIGHT_STEPS[kind], seed=seed)).policy.to_bytes()
    return train_dqn(env, DqnConfig(steps=NIGHT_STEPS[kind], seed=seed)).policy.to_bytes()
