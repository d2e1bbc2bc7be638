"""Rollouts of PPO: what many environments do under a policy that stays as it is.

Here: playing. Not here: learning from it (ppo_learner.py), when which policy plays (ppo.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.execution.config import PpoConfig
from models.execution.ppo_heads import Head
from models.execution.ppo_learner import ACTOR, new_nets
from models.execution.protocol import Observation, VectorEnvLike
from models.execution.shaping import Shaped, Shaper
from models.execution.training_log import EpisodeLog

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class Rollout(NamedTuple):
    """What n environments did in T steps.

    Attributes:
        states: (T + 1, n, k) float32; the last row is where the rollout stopped.
        drawn: (T, n) int64 or (T, n, m) float32, actions as remembered.
        rewards: (T, n) float64, shaped; a truncated episode's last is to be topped up by the value of ``cuts``.
        ended: (T, n) bool.
        shares: (T, n) share of the order open when the action was taken.
        moves: (T, n) move of the mid in the step, bps.
        cuts: (T, n) index and last observation (k,) of each truncated episode.
        began: Environment steps before it.
        player: (p,) parameters of the policy that played it.
    """

    states: Observation
    drawn: Array
    rewards: Floats
    ended: npt.NDArray[np.bool_]
    shares: Floats
    moves: Floats
    cuts: list[tuple[tuple[int, int], Observation]]
    began: int
    player: Tensor


class _Told(NamedTuple):
    """What a rollout's steps told, (T, n) each, gone through once it was played: a call a step would cost more."""

    rewards: Floats
    shares: Floats
    drifts: Floats
    costs: Floats
    ended: npt.NDArray[np.bool_]
    known: set[str]

    @classmethod
    def of(cls, steps: int, n: int) -> _Told:
        rewards, shares, drifts, costs = np.zeros((4, steps, n))
        return cls(rewards, shares, drifts, costs, np.zeros((steps, n), np.bool_), set())

    def note(self, t: int, rewards: Array, info: dict[str, Any]) -> None:
        self.rewards[t] = rewards
        # nothing a step where an environment does not tell
        for name, target in (("remaining_share", self.shares), ("drift_bps", self.drifts), ("is_bps", self.costs)):
            if name in info:
                target[t] = info[name]
                self.known.add(name)


class Player:
    """Plays rollouts, one at a time; shares nothing with the learner, so that both may work at once.

    Args:
        env: Environments stepped together.
        head: What actions are.
        config: Of the training.
        random: Chance of the actions.

    Attributes:
        step: Environment steps done.
        log: Episodes that ended.
    """

    def __init__(self, env: VectorEnvLike, head: Head, config: PpoConfig, random: np.random.Generator) -> None:
        self.env, self.head, self.config, self.random, self.n = env, head, config, random, env.num_envs
        self.nets = new_nets(int(env.single_observation_space.shape[0]), head, config)
        self.log, self.shaper, self.step = EpisodeLog(self.n), Shaper(self.n), 0

    def begin(self, seed: int) -> None:
        """Start all environments afresh."""
        seen, info = self.env.reset(seed=seed)
        self.states = np.array(seen, dtype=np.float32)
        self.shaper.start(info)
        self.log.start()

    def play(self, player: Tensor, mean: Tensor, scale: Tensor) -> Rollout:
        """The next rollout.

        Args:
            player: (p,) parameters, which must stay as they are.
            mean: (k,) of the observations, taken off.
            scale: (k,) divided by.
        """
        torch.set_num_threads(1)  # a thread's own
        with torch.inference_mode():
            self.nets.parameters.copy_(player)
            # scales become part of the first layer
            first = self.nets.layers[ACTOR][0]
            first.weight.div_(scale.to(self.nets.device))
            first.bias.sub_(first.weight @ mean.to(self.nets.device))
            return self._play(player)

    def _play(self, player: Tensor) -> Rollout:
        steps, began, spread = self.config.rollout, self.step, self.nets.parameters[: self.head.more]
        noise, told = self.head.noise(steps, self.n, self.random), _Told.of(steps, self.n)
        states = np.empty((steps + 1, *self.states.shape), dtype=np.float32)
        states[0] = self.states
        cuts, drawn = [], []
        for t in range(steps):
            outputs = self.nets.of(ACTOR, torch.from_numpy(states[t]).to(self.nets.device))
            drawn.append(self.head.draw(outputs.cpu().numpy(), noise[t], spread))
            states[t + 1], got, terminated, truncated, info = self.env.step(self.head.to_env(drawn[-1]))
            np.logical_or(terminated, truncated, out=told.ended[t])
            told.note(t, got, info)
            if np.any(truncated):
                for place in np.flatnonzero(truncated & ~np.asarray(terminated)).tolist():
                    cuts.append(((t, place), np.array(info["final_obs"][place], dtype=np.float32)))
            self.step += self.n
        self.states = states[-1]
        self._log(told, began)
        shaped = Shaped(told.rewards, told.shares, told.drifts)
        if {"remaining_share", "drift_bps"} <= told.known:
            shaped = self.shaper.steps(told.rewards, told.ended, told.shares, told.drifts)
        return Rollout(
            states, np.stack(drawn), shaped.rewards, told.ended, shaped.shares, shaped.moves, cuts, began, player
        )

    def _log(self, told: _Told, began: int) -> None:
        if "is_bps" in told.known:
            self.log.steps(told.ended, told.costs, began)
            return
        for t, (rewards, ended) in enumerate(zip(told.rewards, told.ended, strict=True)):
            self.log.step(rewards, ended, {}, began + t * self.n)
