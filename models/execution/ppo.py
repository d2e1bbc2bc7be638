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

Here: the algorithm. Not here: what outputs mean (ppo_heads.py), acting (ppo_policy.py), judging (evaluation.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import nn

from feeds.errors import SchemaError
from models.execution.checkpoint import fresh_seed, read_checkpoint, write_checkpoint
from models.execution.config import PpoConfig
from models.execution.move_noise import MoveNoise, Steps
from models.execution.networks import (
    adam_of,
    array_of,
    dense,
    initialise,
    layers_of,
    linears,
    one_thread,
    set_adam,
    set_layers,
    set_weights,
    weights_of,
)
from models.execution.ppo_heads import Gaussian, Numbered
from models.execution.ppo_policy import PpoPolicy
from models.execution.protocol import MakeEnv, Observation, VectorEnvLike
from models.execution.serial_vector import as_vector
from models.execution.shaping import Shaper
from models.execution.training_log import EpisodeLog

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]
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
        while trainer.step < config.steps:
            trainer.advance()
            if progress is not None:
                progress(min(trainer.step, config.steps), config.steps)
        return TrainedPpo(trainer.policy(), trainer.log.learning())


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
    """

    states: Observation
    drawn: Array
    rewards: Floats
    ended: npt.NDArray[np.bool_]
    shares: Floats
    moves: Floats
    cuts: list[tuple[tuple[int, int], Observation]]


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
    """Plays rollouts and learns from them."""

    def __init__(self, env: VectorEnvLike, config: PpoConfig, start: PpoPolicy | None, checkpoint: Path | None) -> None:
        self.env, self.config, self.n, self.checkpoint = env, config, env.num_envs, checkpoint
        self.device = torch.device(config.device)
        streams = np.random.SeedSequence(config.seed).spawn(3)
        self.explore, self.shuffle = (np.random.default_rng(stream) for stream in streams[:2])
        width, space = int(env.single_observation_space.shape[0]), env.single_action_space
        discrete = hasattr(space, "n")
        self.head = Numbered(int(space.n)) if discrete else Gaussian(space.low, space.high, config.spread)
        self.head.to(self.device)
        self.sizes = (width, *config.layers, self.head.outputs)
        self.actor = dense(self.sizes, self.device, nn.Tanh)
        self.critic = dense((width, *config.layers, 1), self.device, nn.Tanh)
        drawn = torch.Generator().manual_seed(int(streams[2].generate_state(1)[0]))
        initialise(linears(self.actor), drawn, last_gain=0.01)
        initialise(linears(self.critic), drawn, last_gain=0.1)
        self.mean, self.scale, self.reward_scale = torch.zeros(width), torch.ones(width), 0.0
        self.news = MoveNoise(self.head.features, by_state=True)
        if start is not None:
            self._load(start)
        self.policy_side = [*self.actor.parameters(), *self.head.parameters()]
        self.optimiser = torch.optim.Adam(
            [*self.policy_side, *self.critic.parameters()], lr=config.lr, eps=1e-5, fused=True
        )
        self.log, self.shaper = EpisodeLog(self.n), Shaper(self.n)
        self.step = self.starts = self.rollouts = 0
        self.measured = start is not None
        if checkpoint is None or not self._resumed(checkpoint):
            self._begin(config.seed)

    def _load(self, start: PpoPolicy) -> None:
        found = (*(weight.shape[0] for weight in start.weights), start.actions)
        if found != self.sizes or start.discrete != isinstance(self.head, Numbered):
            kind = "numbered" if start.discrete else "continuous"
            raise SchemaError("start of the training", f"layers {found}, {kind} actions", f"{self.sizes} and this kind")
        set_layers(linears(self.actor), start.weights, start.biases)
        if isinstance(self.head, Gaussian):
            self.head.log_spread.data.copy_(torch.from_numpy(start.log_spread))
        self.mean, self.scale = torch.from_numpy(start.mean.copy()), torch.from_numpy(start.scale.copy())

    def _begin(self, seed: int) -> None:
        seen, info = self.env.reset(seed=seed)
        self.states = np.array(seen, dtype=np.float32)
        self.shaper.start(info)
        self.log.start()

    def advance(self) -> None:
        """Play a rollout and learn from it."""
        done = self.step / self.config.steps
        rollout = self._play()
        if not self.measured:
            self._measure(rollout)
            self._fit_news(rollout)
        quiet = rollout.rewards - self.news.of(self._steps(rollout)).reshape(rollout.rewards.shape)
        if self.reward_scale == 0.0:
            returns = advantages(quiet, np.zeros((len(quiet) + 1, self.n)), rollout.ended, self.config.gamma, 1.0)
            self.reward_scale = max(float(returns.std()), 1e-6)
        if self.measured:
            self._learn(rollout, quiet / self.reward_scale, done)
            self._fit_news(rollout)
        self.measured = True
        self.rollouts += 1
        fresh = self.config.fresh_every
        if fresh and self.rollouts % fresh == 0 and self.step < self.config.steps:
            self._start_afresh()

    def _play(self) -> Rollout:
        steps, noise = self.config.rollout, self.head.noise(self.config.rollout, self.n, self.explore)
        states = np.empty((steps + 1, *self.states.shape), dtype=np.float32)
        rewards, shares, moves = np.empty((3, steps, self.n))
        ended, cuts, drawn = np.empty((steps, self.n), dtype=np.bool_), [], []
        for t in range(steps):
            states[t] = self.states
            with torch.inference_mode():
                drawn.append(self.head.draw(self.actor(self._inputs(self.states)), noise[t]))
            following, got, terminated, truncated, info = self.env.step(self.head.to_env(drawn[-1]))
            ended[t] = np.asarray(terminated) | np.asarray(truncated)
            cut = np.flatnonzero(np.asarray(truncated) & ~np.asarray(terminated))
            cuts += [((t, int(place)), np.array(info["final_obs"][place], dtype=np.float32)) for place in cut]
            rewards[t], shares[t], moves[t] = self.shaper.step(got, ended[t], info)
            self.log.step(got, ended[t], info, self.step)
            self.states = np.array(following, dtype=np.float32)
            self.step += self.n
        states[-1] = self.states
        return Rollout(states, np.stack(drawn), rewards, ended, shares, moves, cuts)

    def _measure(self, rollout: Rollout) -> None:
        seen = rollout.states[:-1].reshape(-1, rollout.states.shape[-1])
        deviation = seen.std(axis=0)
        self.mean = torch.from_numpy(seen.mean(axis=0))
        self.scale = torch.from_numpy(np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32))

    def _inputs(self, states: Observation) -> torch.Tensor:
        return ((torch.from_numpy(states) - self.mean) / self.scale).to(self.device)

    def _fit_news(self, rollout: Rollout) -> None:
        if self.config.quiet and rollout.moves.any():
            self.news.fit(self._steps(rollout), rollout.rewards.ravel().astype(np.float32))

    def _steps(self, rollout: Rollout) -> Steps:
        states = self._inputs(rollout.states[:-1].reshape(-1, self.sizes[0])).cpu().numpy()
        actions = rollout.drawn.reshape(-1, *rollout.drawn.shape[2:])
        shares, moves = rollout.shares.ravel().astype(np.float32), rollout.moves.ravel().astype(np.float32)
        return Steps(states, actions, shares, moves)

    def _learn(self, rollout: Rollout, rewards: Floats, done: float) -> None:
        inputs = self._inputs(rollout.states.reshape(-1, self.sizes[0]))
        drawn = torch.from_numpy(rollout.drawn.reshape(-1, *rollout.drawn.shape[2:])).to(self.device)
        count = rewards.size
        with torch.no_grad():
            values = self.critic(inputs).squeeze(1)
            logs = self.head.log_chances(self.actor(inputs[:count]), drawn)[0]
            for place, state in rollout.cuts:
                rewards[place] += self.config.gamma * float(self.critic(self._inputs(state[None, :])))
        told = array_of(values).astype(np.float64).reshape(-1, self.n)
        gains = advantages(rewards, told, rollout.ended, self.config.gamma, self.config.gae_lambda)
        wanted = torch.from_numpy((gains + told[:-1]).ravel().astype(np.float32)).to(self.device)
        gains = (gains - gains.mean()) / (gains.std() + 1e-8)
        pushed = torch.from_numpy(gains.ravel().astype(np.float32)).to(self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.lr * (1.0 - done * (1.0 - self.config.lr_last))
        parts = max(1, round(count / self.config.batch))
        for _ in range(self.config.epochs):
            order = torch.from_numpy(self.shuffle.permutation(count)).to(self.device)
            columns = [column[order].chunk(parts) for column in (inputs[:count], drawn, logs, pushed, values[:count])]
            for batch in zip(*columns, wanted[order].chunk(parts), strict=True):
                if self._update(*batch, entropy_weight=self.config.entropy * (1.0 - done) ** 2):
                    return

    def _update(
        self,
        inputs: torch.Tensor,
        drawn: torch.Tensor,
        old_logs: torch.Tensor,
        pushed: torch.Tensor,
        old_values: torch.Tensor,
        wanted: torch.Tensor,
        *,
        entropy_weight: float,
    ) -> bool:
        """One step of Adam; whether the policy has moved too far."""
        config = self.config
        logs, entropy = self.head.log_chances(self.actor(inputs), drawn)
        moved = logs - old_logs
        ratio = moved.exp()
        # an estimate of the divergence that is never negative: mean of ratio - 1 - log ratio
        if config.kl_stop and float((ratio - 1.0 - moved).detach().mean()) > 1.5 * config.kl_stop:
            return True
        clipped = ratio.clamp(1.0 - config.clip, 1.0 + config.clip)
        surrogate = torch.minimum(ratio * pushed, clipped * pushed).mean()
        values = self.critic(inputs).squeeze(1)
        errors = (values - wanted).square()
        if config.value_clip:
            near = old_values + (values - old_values).clamp(-config.value_clip, config.value_clip)
            errors = torch.maximum(errors, (near - wanted).square())
        loss = config.value_weight * errors.mean() - surrogate - entropy_weight * entropy
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        # apart: large errors of the value must not shorten the policy's step
        nn.utils.clip_grad_norm_(self.policy_side, config.gradient_norm)
        nn.utils.clip_grad_norm_(self.critic.parameters(), config.gradient_norm)
        self.optimiser.step()
        return False

    def policy(self) -> PpoPolicy:
        """What was learned so far."""
        head, (weights, biases) = self.head, layers_of(self.actor)
        continuous = (head.low, head.high, array_of(head.log_spread)) if isinstance(head, Gaussian) else ()
        return PpoPolicy(self.mean.numpy().copy(), self.scale.numpy().copy(), weights, biases, *continuous)

    def _start_afresh(self) -> None:
        self.starts += 1
        if self.checkpoint is not None:
            arrays = {"mean": self.mean.numpy(), "scale": self.scale.numpy(), **adam_of(self.optimiser)}
            for name in ("actor", "critic", "head"):
                arrays |= weights_of(getattr(self, name), name)
            arrays |= {"news": self.news.coefficients, "news_weights": self.news.weights, "log": self.log.ended()}
            state: dict[str, Any] = {name: getattr(self, name).bit_generator.state for name in ("explore", "shuffle")}
            state |= {name: getattr(self, name) for name in ("step", "starts", "rollouts", "reward_scale", "measured")}
            write_checkpoint(self.checkpoint, self.config, arrays, state)
        self._begin(fresh_seed(self.config.seed, self.starts))

    def _resumed(self, checkpoint: Path) -> bool:
        found = read_checkpoint(checkpoint, self.config)
        if found is None:
            return False
        arrays, state = found
        for name in ("actor", "critic", "head"):
            set_weights(getattr(self, name), name, arrays)
        set_adam(self.optimiser, arrays)
        self.mean, self.scale = torch.from_numpy(arrays["mean"]), torch.from_numpy(arrays["scale"])
        self.news.coefficients, self.news.weights = arrays["news"], arrays["news_weights"]
        self.log.restore(arrays["log"])
        for name in ("explore", "shuffle"):
            getattr(self, name).bit_generator.state = state[name]
        self.step, self.starts, self.rollouts = (int(state[name]) for name in ("step", "starts", "rollouts"))
        self.reward_scale, self.measured = float(state["reward_scale"]), bool(state["measured"])
        self._begin(fresh_seed(self.config.seed, self.starts))
        return True
