"""Proximal policy optimisation for execution, numbered or continuous actions: from environments to a trained policy.

Source: Schulman, Wolski, Dhariwal, Radford & Klimov (2017), "Proximal policy optimization algorithms". A rollout of all
environments is played, judged by generalised advantages (Schulman, Moritz, Levine, Jordan & Abbeel 2016,
"High-dimensional continuous control using generalized advantage estimation", ICLR), and gone through a few times:

- The gradient of a step is dropped once the ratio of its new to its old chance has left 1 by ``clip`` in the direction
  in which its advantage pushes; going through the rollout ends where the policy as a whole has moved too far.
- Advantages have mean 0 and variance 1 over the rollout. The value is a network of its own.
- Rewards are shaped by a potential (shaping.py), and news in the mid is taken out of them (move_noise.py), as the
  rollouts before told it from the rest: what is subtracted must not know the rewards it is subtracted from.
- Observations and rewards are scaled by what the first rollout, played at random and not learned from, saw.
- Step size and entropy weight fall, so that the last policy is a settled one.
- With ``overlap`` a thread plays the next rollout while one is learned from. Which policy plays is fixed by the number
  of the rollout, so the agent does not depend on who is faster: rollout k + 1 is played by the policy that had learned
  from rollouts before k, and weighted for it (ppo_learner.py).

Here: the training loop. Not here: playing (ppo_rollout.py), loss and update (ppo_learner.py), what outputs mean
(ppo_heads.py), acting (ppo_policy.py), judging (evaluation.py).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from models.execution.checkpoint import fresh_seed, read_checkpoint, write_checkpoint
from models.execution.config import PpoConfig
from models.execution.move_noise import MoveNoise, Steps
from models.execution.networks import array_of, one_thread
from models.execution.ppo_learner import Learner, Lesson, head_of
from models.execution.ppo_policy import PpoPolicy
from models.execution.ppo_rollout import Player, Rollout
from models.execution.protocol import MakeEnv, VectorEnvLike
from models.execution.serial_vector import as_vector
from models.execution.training_log import EpisodeLog

Floats = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainedPpo:
    """A trained agent.

    Attributes:
        policy: Acts by its likeliest action.
        learning: One row an episode of the training, in the order they ended: ``episode`` (from 1), ``step``
            (environment steps done), ``is_bps``, exploration included.
    """

    policy: PpoPolicy
    learning: pl.DataFrame


def train_ppo(
    source: MakeEnv | VectorEnvLike,
    config: PpoConfig,
    progress: Progress | None = None,
    start: PpoPolicy | None = None,
    checkpoint: Path | None = None,
) -> TrainedPpo:
    """Train an agent; the same arguments give the same agent.

    Args:
        source: Called with 0 .. ``config.envs`` - 1 for environments that must end their episodes; or environments
            stepped together, then ``config.envs`` is not asked.
        config: How.
        progress: Called after every rollout with (steps done, steps in all).
        start: A policy to go on from; its scales are kept and its layers must be those of ``config``.
        checkpoint: File that is replaced at every fresh start; where it is there, the training goes on from it and
            ends as if it had not been interrupted.

    Raises:
        SchemaError: ``start`` has other layers, observations or actions.
        LakeError: ``checkpoint`` holds something else, or a training of other settings.
    """
    with one_thread():
        trainer = _Trainer(as_vector(source, config.envs), config, start, checkpoint)
        while not trainer.finished:
            trainer.advance()
            if progress is not None:
                progress(min(trainer.learned, config.steps), config.steps)
        return TrainedPpo(trainer.learner.policy(), trainer.log.learning())


def advantages(rewards: Floats, values: Floats, ended: npt.NDArray[np.bool_], gamma: float, lam: float) -> Floats:
    """Generalised advantages: sums of (gamma lam)^i times the value's errors from each step to its episode's end.

    Args:
        rewards: (T, n).
        values: (T + 1, n) of the states; where an episode ended, the next row's is not asked for.
        ended: (T, n).
        gamma: Discount.
        lam: 0 trusts the value, 1 the rewards.

    Returns:
        (T, n).
    """
    goes_on = np.where(ended, 0.0, gamma)
    errors = rewards + goes_on * values[1:] - values[:-1]
    found, carried = np.empty_like(errors), np.zeros(errors.shape[1])
    for t in range(len(errors) - 1, -1, -1):
        carried = errors[t] + lam * goes_on[t] * carried
        found[t] = carried
    return found


class _Trainer:
    """Has rollouts played and learned from, in the order that the number of each fixes."""

    def __init__(self, env: VectorEnvLike, config: PpoConfig, start: PpoPolicy | None, checkpoint: Path | None) -> None:
        self.config, self.n, self.checkpoint = config, env.num_envs, checkpoint
        streams = np.random.SeedSequence(config.seed).spawn(3)
        self.explore, self.shuffle = (np.random.default_rng(stream) for stream in streams[:2])
        head, self.width = head_of(env.single_action_space), int(env.single_observation_space.shape[0])
        self.learner = Learner(self.width, head, config, int(streams[2].generate_state(1)[0]), start)
        self.player = Player(env, head, config, self.explore)
        self.news = MoveNoise(head.features, by_state=True)
        self.reward_scale, self.measured = 0.0, start is not None
        self.starts = self.rollouts = self.learned = 0
        self.ahead: Rollout | None = None
        if checkpoint is None or not self._resumed(checkpoint):
            self.player.begin(config.seed)

    @property
    def log(self) -> EpisodeLog:
        """Episodes that ended."""
        return self.player.log

    @property
    def finished(self) -> bool:
        """Whether all was played and learned from."""
        return self.ahead is None and self.player.step >= self.config.steps

    def advance(self) -> None:
        """Learn from a rollout, and have the next one played: meanwhile, where it may overlap."""
        rollout = self.ahead or self._play(self._policy())
        self.ahead = None
        fresh = self.config.fresh_every
        starts_afresh = bool(fresh) and (self.rollouts + 1) % fresh == 0
        # scales are measured first, and a fresh start begins with what was learned until then
        if self.config.overlap and self.measured and not starts_afresh and self.player.step < self.config.steps:
            with ThreadPoolExecutor(1) as threads:
                following = threads.submit(self._play, self._policy())
                self._learn_from(rollout)
            self.ahead = following.result()
        else:
            self._learn_from(rollout)
        self.rollouts += 1
        self.learned = rollout.began + rollout.rewards.size
        if starts_afresh and self.player.step < self.config.steps:
            self._start_afresh()

    def _policy(self) -> Tensor:
        return self.learner.nets.parameters.clone()

    def _play(self, policy: Tensor) -> Rollout:
        return self.player.play(policy, self.learner.mean, self.learner.scale)

    def _learn_from(self, rollout: Rollout) -> None:
        if not self.measured:
            self.learner.measure(rollout.states[:-1].reshape(-1, self.width))
            self._fit_news(rollout)
        quiet = rollout.rewards - self.news.of(self._steps(rollout)).reshape(rollout.rewards.shape)
        if self.reward_scale == 0.0:
            returns = advantages(quiet, np.zeros((len(quiet) + 1, self.n)), rollout.ended, self.config.gamma, 1.0)
            self.reward_scale = max(float(returns.std()), 1e-6)
        if self.measured:
            self._learn(rollout, quiet / self.reward_scale)
            self._fit_news(rollout)
        self.measured = True

    def _fit_news(self, rollout: Rollout) -> None:
        if self.config.quiet and rollout.moves.any():
            self.news.fit(self._steps(rollout), rollout.rewards.ravel().astype(np.float32))

    def _steps(self, rollout: Rollout) -> Steps:
        states = self.learner.inputs(rollout.states[:-1].reshape(-1, self.width)).cpu().numpy()
        actions = rollout.drawn.reshape(-1, *rollout.drawn.shape[2:])
        shares, moves = rollout.shares.ravel().astype(np.float32), rollout.moves.ravel().astype(np.float32)
        return Steps(states, actions, shares, moves)

    def _learn(self, rollout: Rollout, rewards: Floats) -> None:
        learner, config, count = self.learner, self.config, rewards.size
        inputs = learner.inputs(rollout.states.reshape(-1, self.width))
        drawn = torch.from_numpy(rollout.drawn.reshape(-1, *rollout.drawn.shape[2:])).to(learner.device)
        values = learner.values(inputs)
        for place, state in rollout.cuts:
            rewards[place] += config.gamma * float(learner.values(learner.inputs(state[None, :])))
        told = array_of(values).astype(np.float64).reshape(-1, self.n)
        gains = advantages(rewards, told, rollout.ended, config.gamma, config.gae_lambda)
        wanted = learner.tensor(gains + told[:-1])
        pushed = learner.tensor((gains - gains.mean()) / (gains.std() + 1e-8))
        # only what was played ahead was played by another policy
        played = learner.logs(rollout.player, inputs[:count], drawn) if config.overlap else None
        lesson = Lesson(inputs[:count], drawn, pushed, pushed, values[:count], wanted)
        learner.learn(lesson, played, rollout.began / config.steps, self.shuffle)

    def _start_afresh(self) -> None:
        self.starts += 1
        if self.checkpoint is not None:
            arrays = self.learner.saved() | {"news": self.news.coefficients, "news_weights": self.news.weights}
            arrays["log"] = self.log.ended()
            state: dict[str, Any] = {name: getattr(self, name).bit_generator.state for name in ("explore", "shuffle")}
            state |= {name: getattr(self, name) for name in ("starts", "rollouts", "reward_scale", "measured")}
            write_checkpoint(self.checkpoint, self.config, arrays, state | {"step": self.player.step})
        self.player.begin(fresh_seed(self.config.seed, self.starts))

    def _resumed(self, checkpoint: Path) -> bool:
        found = read_checkpoint(checkpoint, self.config)
        if found is None:
            return False
        arrays, state = found
        self.learner.restore(arrays)
        self.news.coefficients, self.news.weights = arrays["news"], arrays["news_weights"]
        self.log.restore(arrays["log"])
        for name in ("explore", "shuffle"):
            getattr(self, name).bit_generator.state = state[name]
        self.starts, self.rollouts = int(state["starts"]), int(state["rollouts"])
        self.reward_scale, self.measured = float(state["reward_scale"]), bool(state["measured"])
        self.player.step = self.learned = int(state["step"])
        self.player.begin(fresh_seed(self.config.seed, self.starts))
        return True
