"""Double DQN for execution: from environments to a trained policy.

The algorithm is double Q-learning with a target network and a replay ring (van Hasselt, Guez & Silver 2016); a dueling
network, sums over several steps and drawing by priority can be asked for. Three things are fitted to parent orders:

- Rewards are shaped by a potential (shaping.py).
- News in the mid, which no action brought about, is taken out of the rewards (move_noise.py). What remains of its
  luck is an error of the mean move of each action, common to all that is remembered: only more steps make it smaller.
- Observations and rewards are scaled by what the random warm-up saw; the scales are part of the policy.

The returned weights are the mean of the iterates over the last quarter of the updates: single iterates chase noise.

Steps are taken one by one unless ``n_step`` says otherwise: sums of several rewards charge an action with the random
ones explored after it. Here: the training loop. Not here: what is learned from a transition (dqn_learner.py), acting
(dqn_policy.py), memory (replay_buffer.py, priorities.py), judging (evaluation.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from models.execution.checkpoint import fresh_seed, read_checkpoint, write_checkpoint
from models.execution.config import DqnConfig
from models.execution.dqn_learner import Batch, Learner
from models.execution.dqn_policy import DqnPolicy
from models.execution.networks import one_thread
from models.execution.priorities import Priorities
from models.execution.protocol import MakeEnv, VectorEnvLike
from models.execution.replay_buffer import ReplayBuffer, Transitions
from models.execution.serial_vector import as_vector
from models.execution.shaping import Shaper
from models.execution.training_log import EpisodeLog

Progress = Callable[[int, int], None]

#: What is news in the mid is fitted anew, to all that is remembered, each time there were so many times the steps.
NEWS_GROWTH = 1.5


@dataclass(frozen=True)
class TrainedDqn:
    """A trained agent.

    Attributes:
        policy: Greedy in its values.
        learning: One row an episode of the training, in the order they ended: ``episode`` (from 1), ``step``
            (environment steps done), ``is_bps``, exploration included.
    """

    policy: DqnPolicy
    learning: pl.DataFrame


def train_dqn(
    source: MakeEnv | VectorEnvLike,
    config: DqnConfig,
    progress: Progress | None = None,
    start: DqnPolicy | None = None,
    checkpoint: Path | None = None,
) -> TrainedDqn:
    """Train an agent; the same arguments give the same agent.

    Args:
        source: Called with 0 .. ``config.envs`` - 1 for environments that must end their episodes; or environments
            stepped together, then ``config.envs`` is not asked.
        config: How.
        progress: Called now and then with (steps done, steps in all).
        start: A policy to go on from; its scales are kept and its layers must be those of ``config``.
        checkpoint: File that is replaced at every fresh start; where it is there, the training goes on from it and
            ends as if it had not been interrupted.

    Raises:
        SchemaError: ``start`` has other layers, observations or actions; or an action is not a number.
        LakeError: ``checkpoint`` holds something else, or a training of other settings.
    """
    with one_thread():
        trainer = _Trainer(as_vector(source, config.envs, discrete=True), config, start, checkpoint)
        told = trainer.step // (trainer.n * 64)
        while trainer.step < config.steps:
            trainer.advance()
            if progress is not None and trainer.step // (trainer.n * 64) > told:
                told = trainer.step // (trainer.n * 64)
                progress(min(trainer.step, config.steps), config.steps)
        if progress is not None:
            progress(config.steps, config.steps)
        return TrainedDqn(trainer.learner.policy(), trainer.log.learning())


class _Trainer:
    """Steps all environments, remembers, and lets the learner learn."""

    def __init__(self, env: VectorEnvLike, config: DqnConfig, start: DqnPolicy | None, checkpoint: Path | None) -> None:
        self.env, self.config, self.n, self.checkpoint = env, config, env.num_envs, checkpoint
        streams = np.random.SeedSequence(config.seed).spawn(3)
        self.explore, self.replay = (np.random.default_rng(stream) for stream in streams[:2])
        actions, width = int(env.single_action_space.n), int(env.single_observation_space.shape[0])
        self.buffer = ReplayBuffer(config.replay, width, self.n)
        self.priorities = Priorities(config.replay, config.prioritised) if config.prioritised > 0.0 else None
        self.learner = Learner(width, actions, config, int(streams[2].generate_state(1)[0]), start)
        self.warm_up = min(config.steps, max(int(config.warm_up * config.steps), config.batch))
        self.log, self.shaper = EpisodeLog(self.n), Shaper(self.n)
        self.step = self.starts = self.fitted = 0
        if checkpoint is None or not self._resumed(checkpoint):
            self._begin(config.seed)

    def _begin(self, seed: int) -> None:
        seen, info = self.env.reset(seed=seed)
        self.states = np.array(seen, dtype=np.float32)
        self.shaper.start(info)
        self.log.start()

    def advance(self) -> None:
        """One step of every environment, and the updates due after each."""
        warm = self.step < self.warm_up
        done = self._play(self._actions(warm))
        # what is due after a step is learned from what was remembered until then
        every = self.n if warm else self.config.train_every
        row = 0
        while row < self.n:
            upto = min(self.n, row + every - (0 if warm else self.step % every))
            rows = self.buffer.add(done.rows(slice(row, upto)))
            if self.priorities is not None:
                self.priorities.add(rows)
            self.step += upto - row
            row = upto
            if not warm and self.step % every == 0:
                self._learn()
        if warm and self.step >= self.warm_up:
            self.learner.fix_scales(self.buffer.kept())
            self.fitted = self.step
        fresh = self.config.fresh_every
        if fresh and self.step // fresh > (self.step - self.n) // fresh and self.step < self.config.steps:
            self._start_afresh()

    def _play(self, actions: npt.NDArray[np.int64]) -> Transitions:
        following, rewards, terminated, truncated, info = self.env.step(actions)
        ended = np.asarray(terminated) | np.asarray(truncated)
        shaped = self.shaper.step(rewards, ended, info)
        self.log.step(rewards, ended, info, self.step)
        following = np.array(following, dtype=np.float32)
        done = Transitions(
            self.states,
            actions,
            shaped.rewards.astype(np.float32),
            following,
            np.where(ended, 0.0, self.config.gamma).astype(np.float32),
            shaped.shares.astype(np.float32),
            shaped.moves.astype(np.float32),
        )
        self.states = following
        return done

    def _learn(self) -> None:
        done = (self.step - self.warm_up) / max(1, self.config.steps - self.warm_up)
        if self.step >= NEWS_GROWTH * self.fitted:
            self.learner.fit_news(self.buffer.kept())
            self.fitted = self.step
        rows, weights = self._draw(done)
        followed = self.buffer.followed(rows, self.config.n_step)
        steps, alive = [self.buffer.ring.rows(place) for place, _ in followed], [mask for _, mask in followed]
        errors = self.learner.update(Batch(steps, alive, weights), done)
        if self.priorities is not None:
            self.priorities.learn(rows, errors)

    def _draw(self, done: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32] | None]:
        if self.priorities is None:
            return self.buffer.draw(self.config.batch, self.replay), None
        correction = self.config.correction + done * (1.0 - self.config.correction)
        return self.priorities.draw(self.config.batch, len(self.buffer), self.replay, correction)

    def _actions(self, warm: bool) -> npt.NDArray[np.int64]:
        random = self.explore.integers(0, self.learner.actions, size=self.n)
        explores = self.explore.random(self.n) < self._epsilon()
        if warm:
            return random
        values = self.learner.values(self.states)
        if self.config.temperature > 0.0:
            # the largest of values with Gumbel noise is drawn from their softmax
            random = (values / self.config.temperature + self.explore.gumbel(size=values.shape)).argmax(axis=1)
        return np.where(explores, random, values.argmax(axis=1))

    def _epsilon(self) -> float:
        end = self.config.explore_until * self.config.steps
        done = min(1.0, self.step / end) if end > 0 else 1.0
        return 1.0 + done * (self.config.epsilon_last - 1.0)

    def _start_afresh(self) -> None:
        self.starts += 1
        self.buffer.cut()
        if self.checkpoint is not None:
            arrays, state = self.learner.saved()
            kept = len(self.buffer)
            arrays |= {f"ring/{name}": column for name, column in self.buffer.kept()._asdict().items()}
            arrays |= {"ring_follows": self.buffer.follows[:kept], "log": self.log.ended()}
            state |= {"step": self.step, "starts": self.starts, "added": self.buffer.added, "fitted": self.fitted}
            state |= {name: getattr(self, name).bit_generator.state for name in ("explore", "replay")}
            if self.priorities is not None:
                arrays["priorities"] = self.priorities.leaves(kept)
                state["largest"] = self.priorities.largest
            write_checkpoint(self.checkpoint, self.config, arrays, state)
        self._begin(fresh_seed(self.config.seed, self.starts))

    def _resumed(self, checkpoint: Path) -> bool:
        found = read_checkpoint(checkpoint, self.config)
        if found is None:
            return False
        arrays, state = found
        self.learner.restore(arrays, state)
        kept = len(arrays["ring_follows"])
        self.buffer.add(Transitions(*(arrays[f"ring/{name}"] for name in Transitions._fields)))
        self.buffer.follows[:kept], self.buffer.added = arrays["ring_follows"], int(state["added"])
        self.log.restore(arrays["log"])
        self.step, self.starts, self.fitted = (int(state[name]) for name in ("step", "starts", "fitted"))
        for name in ("explore", "replay"):
            getattr(self, name).bit_generator.state = state[name]
        if self.priorities is not None:
            self.priorities.set_leaves(np.arange(kept), arrays["priorities"])
            self.priorities.largest = float(state["largest"])
        self._begin(fresh_seed(self.config.seed, self.starts))
        return True
