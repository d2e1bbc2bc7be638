"""Agents where the best schedule is known in closed form, and how fast they learn.

Three worlds: Almgren & Chriss without risk aversion (the best schedule is even), the same at 1e-6 (an even schedule is
36.9 % dearer than the best), Obizhaeva & Wang (9.0 % dearer; block, even trades, block). Nothing may beat the optimum.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from models.execution.almgren_chriss import ImpactModel
from models.execution.config import DqnConfig, PpoConfig
from models.execution.worlds import MULTIPLES, AlmgrenChriss, AlmgrenChrissWorld, ObizhaevaWang, ObizhaevaWangWorld
from sim.closed_forms import obizhaeva_wang_trades, schedule_cost

Floats = npt.NDArray[np.float64]
AC_NUMBERS = AlmgrenChriss()
SEEDS = (1, 2, 3)
ENVS = 64
EPISODES = 20_000
#: Double DQN needs steps more than updates. How far an action pushes the price is told apart from the luck of its
#: prices only by many of its steps; until then the luckiest of the close actions wins. So steps are many, updates are
#: as many as 16,000 steps of the default allow, and exploration keeps to the actions that are close.
DQN = DqnConfig(
    steps=1_000_000,
    train_every=125,
    replay=1_000_000,
    lr=5e-4,
    lr_last=0.02,
    temperature=0.05,
    epsilon_last=0.5,
)
DQN_ENVS = 256
#: What plain torch code allows on an idle core: updates alone, 64-64 networks, 4 epochs, batches of 1,024, environment
#: steps a second, lowest and highest of repeated runs.
IDLE_CEILING = (87_000, 108_000)


class Acts(Protocol):
    """What is judged."""

    def act_batch(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Actions of (n, k) observations."""


@dataclass(frozen=True)
class Answer:
    """A world and what is known of it, bps of the order.

    Attributes:
        numbers: Of the world.
        optimum: Utility (mean, plus the risk term) of the best schedule.
        even: Utility of the even one.
        holdings: (trades + 1,) share left under the best schedule.
    """

    numbers: AlmgrenChriss | ObizhaevaWang
    optimum: float
    even: float
    holdings: Floats

    def make(self, num_envs: int, *, discrete: bool) -> AlmgrenChrissWorld | ObizhaevaWangWorld:
        """The world."""
        if isinstance(self.numbers, AlmgrenChriss):
            return AlmgrenChrissWorld(self.numbers, num_envs, discrete=discrete)
        return ObizhaevaWangWorld(self.numbers, num_envs, discrete=discrete)


def almgren_chriss_answer(risk_aversion: float) -> Answer:
    """The example of Almgren & Chriss (2000) at ``risk_aversion`` per currency."""
    numbers = AlmgrenChriss(risk_aversion=risk_aversion)
    model = ImpactModel(
        numbers.shares,
        numbers.horizon,
        numbers.trades,
        numbers.volatility,
        numbers.half_spread,
        numbers.permanent,
        numbers.temporary,
    )

    def utility(holdings: Floats) -> float:
        return (model.mean_cost(holdings) + risk_aversion * model.cost_variance(holdings)) / numbers.currency_per_bps

    best, even = model.holdings(risk_aversion), model.holdings(0.0)
    return Answer(numbers, utility(best), utility(even), best / numbers.shares)


def obizhaeva_wang_answer() -> Answer:
    """Eleven trades at rho T = 2."""
    numbers = ObizhaevaWang()
    trades = obizhaeva_wang_trades(numbers.trades, numbers.resilience)
    apart = np.abs(np.subtract.outer(np.arange(numbers.trades), np.arange(numbers.trades)))
    matrix = numbers.gap_bps * np.exp(-numbers.resilience / (numbers.trades - 1) * apart)
    even = schedule_cost(matrix, np.full(numbers.trades, 1.0 / numbers.trades))
    left = np.append(1.0, np.clip(1.0 - np.cumsum(trades), 0.0, None))
    return Answer(numbers, schedule_cost(matrix, trades), even, left)


@dataclass(frozen=True)
class Fixed:
    """A schedule fixed beforehand, behind the interface of an agent; its place is told by the elapsed share.

    Attributes:
        holdings: (trades + 1,) share left.
    """

    holdings: Floats

    def act_batch(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, 1) multiples of an even split of what is left."""
        trades = len(self.holdings) - 1
        now = np.rint(observations[:, 0] * trades).astype(np.int64)
        share = 1.0 - self.holdings[now + 1] / self.holdings[now]
        return np.asarray(share * (trades - now), dtype=np.float32)[:, None]


#: The two schedules every world knows.
SCHEDULERS: dict[str, Callable[[Answer], Fixed]] = {
    "even": lambda answer: Fixed(np.linspace(1.0, 0.0, len(answer.holdings))),
    "optimum": lambda answer: Fixed(answer.holdings),
}


class Played(NamedTuple):
    """What orders cost.

    Attributes:
        utility: (n,) bps, without the luck of prices: what the order's schedule costs on average, plus its risk term.
        realised: (n,) bps, minus the sum of rewards.
        path: (trades + 1,) mean share left.
    """

    utility: Floats
    realised: Floats
    path: Floats


def play(answer: Answer, policy: Acts, episodes: int, seed: int = 99) -> Played:
    """Orders worked by ``policy``, all from one seed."""
    discrete = np.issubdtype(policy.act_batch(np.zeros((1, len_seen(answer)), np.float32)).dtype, np.integer)
    env = answer.make(episodes, discrete=bool(discrete))
    seen, _ = env.reset(seed=seed)
    realised, ended = np.zeros(episodes), False
    while not ended:
        seen, rewards, over, _, info = env.step(policy.act_batch(seen))
        realised -= rewards
        ended = bool(over[0])
    return Played(info["utility_bps"], realised, info["path"].mean(axis=0))


def len_seen(answer: Answer) -> int:
    """Observations of the world."""
    return int(answer.make(1, discrete=True).single_observation_space.shape[0])


def judged(answer: Answer, policy: Acts, episodes: int = EPISODES) -> dict[str, Any]:
    """A policy beside what is known.

    Returns:
        ``utility_bps`` and its ratio to the optimum's, the share ``gap_closed`` of the way from the even schedule,
        ``z_better``: by how many standard errors the policy's orders cost less than those of the best schedule at the
        same prices, ``z_realised``: the mean of what was paid against the closed form of the schedule that was played,
        and the mean ``trades``.
    """
    ours = play(answer, policy, episodes)
    theirs = play(answer, SCHEDULERS["optimum"](answer), episodes)
    better = theirs.realised - ours.realised
    luck = ours.realised - ours.utility
    room = answer.even - answer.optimum
    return {
        "utility_bps": float(ours.utility.mean()),
        "optimum_bps": answer.optimum,
        "utility_over_optimum": float(ours.utility.mean() / answer.optimum),
        "gap_closed": float((answer.even - ours.utility.mean()) / room) if room > 1e-9 else None,
        "z_better": _z(better),
        "z_realised": _z(luck),
        "trades": [round(float(trade), 4) for trade in -np.diff(ours.path)],
    }


def _z(values: Floats) -> float:
    error = float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(values.mean() / error) if error > 1e-9 else 0.0


def train(name: str, answer: Answer, seed: int) -> Acts:
    """An agent by name, at its long budget: ``ppo`` numbered, ``ppo_continuous``, ``dqn``."""
    from models.execution.dqn import train_dqn
    from models.execution.ppo import train_ppo

    if name == "dqn":
        return train_dqn(answer.make(DQN_ENVS, discrete=True), replace(DQN, seed=seed)).policy
    world = answer.make(ENVS, discrete=name == "ppo")
    return train_ppo(world, PpoConfig(steps=200_000, seed=seed)).policy


def run(seeds: tuple[int, ...] = SEEDS) -> dict[str, Any]:
    """Train every agent in every world, from several seeds, and set it beside what is known; then the speed.

    Returns:
        ``world/agent/seed`` -> as `judged`; ``worst``: by world and agent the worst of the seeds; the figures of
        `speed`.
    """
    worlds = {
        "almgren_chriss_neutral": almgren_chriss_answer(0.0),
        "almgren_chriss_averse": almgren_chriss_answer(1e-6),
        "obizhaeva_wang": obizhaeva_wang_answer(),
    }
    lines: dict[str, Any] = {}
    worst: dict[str, Any] = {}
    for world, answer in worlds.items():
        for agent in ("ppo", "ppo_continuous", "dqn"):
            mine = [judged(answer, train(agent, answer, seed)) for seed in seeds]
            lines |= {f"{world}/{agent}/{seed}": line for seed, line in zip(seeds, mine, strict=True)}
            closed = [line["gap_closed"] for line in mine if line["gap_closed"] is not None]
            worst[f"{world}/{agent}"] = {
                "utility_over_optimum": round(max(line["utility_over_optimum"] for line in mine), 4),
                "gap_closed": round(min(closed), 3) if closed else None,
                "z_better": round(max(line["z_better"] for line in mine), 2),
            }
    return {"worst": worst, **speed(), "lines": lines}


def speed(steps: int = 65_536, repeats: int = 3) -> dict[str, Any]:
    """Environment steps a second of PPO with 64-64 networks, acting and environment included; processor time, one core.

    ``learner_ceiling_fraction`` sets it beside what updates alone allow in plain torch code, measured here and now in
    turn with it: `torch_ceiling`.
    """
    from models.execution.ppo import train_ppo

    config = PpoConfig(steps=steps, rollout=64, batch=1024, kl_stop=0.0)
    answer, best, ceiling = almgren_chriss_answer(1e-6), np.inf, 0.0
    for _ in range(repeats):
        ceiling = max(ceiling, torch_ceiling())
        world = answer.make(ENVS, discrete=True)
        started = time.process_time()
        train_ppo(world, config)
        best = min(best, time.process_time() - started)
    return {
        "ppo_env_steps_per_s": round(steps / best),
        "torch_ceiling_env_steps_per_s": round(ceiling),
        "learner_ceiling_fraction": round(steps / best / ceiling, 3),
        "idle_ceiling_env_steps_per_s": IDLE_CEILING,
    }


def torch_ceiling(batch: int = 1024, epochs: int = 4, updates: int = 60) -> float:
    """Environment steps a second that PPO's updates alone allow, written in plain torch for 64-64 networks."""
    import torch
    from torch import nn

    from models.execution.networks import one_thread

    actions, draws = len(MULTIPLES), torch.Generator().manual_seed(0)

    def network(outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))

    with one_thread(), torch.random.fork_rng():
        actor, critic = network(actions), network(1)
        optimiser = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=3e-4)
        seen, pushed, wanted = (torch.randn(shape, generator=draws) for shape in ((batch, 3), (batch,), (batch,)))
        taken, old = torch.randint(0, actions, (batch,), generator=draws), torch.full((batch,), -2.8)

        def update() -> None:
            chances = torch.distributions.Categorical(logits=actor(seen), validate_args=False)
            ratio = (chances.log_prob(taken) - old).exp()
            surrogate = torch.min(ratio * pushed, ratio.clamp(0.8, 1.2) * pushed).mean()
            loss = 0.5 * (critic(seen).squeeze(-1) - wanted).pow(2).mean() - surrogate
            loss = loss - 0.01 * chances.entropy().mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(actor.parameters(), 0.5)
            optimiser.step()

        update()
        started = time.process_time()
        for _ in range(updates):
            update()
        return updates * batch / (epochs * (time.process_time() - started))
