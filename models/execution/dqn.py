"""Double DQN for execution: one file from environments to a trained policy.

The algorithm is double Q-learning with a target network and a replay ring (van Hasselt, Guez & Silver 2016). Three
things are fitted to parent orders:

- Rewards are shaped by a potential (Ng, Harada & Russell 1999): minus the cost at which the lots still to do are behind
  the arrival price at the present mid. It moves the price move of a step into the step's reward, which the agent would
  otherwise have to carry through its values, and leaves the best policy as it is (discount 1).
- News in the mid, which no action brought about, is taken out of the rewards (move_noise.py).
- Observations and rewards are scaled by what the random warm-up saw; the scales are part of the policy.

The returned weights are the mean of the iterates over the last quarter of the updates: single iterates chase noise.

Steps are taken one by one: sums of several rewards would charge an action with the random ones explored after it. Here:
the training loop. Not here: acting (dqn_policy.py), memory (replay_buffer.py), judging (evaluation.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import nn
from torch.nn.utils import skip_init

from feeds.errors import SchemaError
from models.execution.config import DqnConfig
from models.execution.dqn_policy import DqnPolicy
from models.execution.move_noise import MoveNoise, Steps
from models.execution.protocol import ExecutionEnvLike, Info, MakeEnv, Observation
from models.execution.replay_buffer import ReplayBuffer, Transitions

Progress = Callable[[int, int], None]

#: Share of the updates, the last ones, whose weights are averaged.
AVERAGED = 0.25
#: Squared error inside, absolute outside, in standard deviations of the reward: near the mean, yet safe from outliers.
HUBER = 5.0
GRADIENT_NORM = 10.0
#: Updates between fits of what is news in the mid, to all that is remembered.
NEWS_EVERY = 250


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
    make_env: MakeEnv, config: DqnConfig, progress: Progress | None = None, start: DqnPolicy | None = None
) -> TrainedDqn:
    """Train an agent; the same arguments give the same agent.

    Args:
        make_env: Called with 0 .. ``config.envs`` - 1; every environment must end its episodes.
        config: How.
        progress: Called now and then with (steps done, steps in all).
        start: A policy to go on from; its scales are kept and its layers must be those of ``config``.

    Raises:
        SchemaError: ``start`` has other layers, observations or actions.
    """
    with _one_thread():
        trainer = _Trainer(make_env, config, start)
        while trainer.step < config.steps:
            trainer.advance()
            if progress is not None and trainer.step % (config.envs * 64) == 0:
                progress(trainer.step, config.steps)
        if progress is not None:
            progress(config.steps, config.steps)
        return TrainedDqn(trainer.learner.policy(), trainer.learning())


@contextmanager
def _one_thread() -> Iterator[None]:
    # networks this small only lose to more threads, and their sums would depend on how many there are
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class _Player:
    """One environment and where its episode stands."""

    env: ExecutionEnvLike
    seeds: np.random.Generator
    buffer: ReplayBuffer
    gamma: float
    state: Observation = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    info: Info = field(default_factory=dict)

    def restart(self) -> None:
        """Begin the next episode."""
        self.state, self.info = self.env.reset(seed=int(self.seeds.integers(2**31)))

    def play(self, action: int) -> Info | None:
        """Act and remember; returns the last info where the episode ended."""
        following, reward, terminated, truncated, info = self.env.step(action)
        ended = terminated or truncated
        shaped = reward + (0.0 if ended else potential(info)) - potential(self.info)
        share = float(self.info["remaining_lots"]) / float(self.info["parent_lots"])
        move = drift_bps(info) - drift_bps(self.info)
        self.buffer.add(self.state, action, shaped, following, 0.0 if ended else self.gamma, share, move)
        self.state, self.info = following, info
        if ended:
            self.restart()
        return info if ended else None


def drift_bps(info: Info) -> float:
    """Move of the mid since arrival in bps, positive away from us."""
    sign = 1.0 if info["side"] == 0 else -1.0
    return sign * (float(info["mid_ticks"]) / float(info["arrival_mid_ticks"]) - 1.0) * 1e4


def potential(info: Info) -> float:
    """Minus the cost, in bps of the whole order, of doing what is left at the present mid instead of at arrival."""
    return -drift_bps(info) * float(info["remaining_lots"]) / float(info["parent_lots"])


class _Trainer:
    """Plays all environments in turn, remembers, and lets the learner learn."""

    def __init__(self, make_env: MakeEnv, config: DqnConfig, start: DqnPolicy | None) -> None:
        self.config = config
        streams = np.random.SeedSequence(config.seed).spawn(3 + config.envs)
        self.explore, self.replay = (np.random.default_rng(stream) for stream in streams[:2])
        envs = [make_env(number) for number in range(config.envs)]
        actions, width = int(envs[0].action_space.n), int(envs[0].observation_space.shape[0])
        self.buffer = ReplayBuffer(config.replay, width)
        self.learner = _Learner(width, actions, config, int(streams[2].generate_state(1)[0]), start)
        self.players = [
            _Player(env, np.random.default_rng(stream), self.buffer, config.gamma)
            for env, stream in zip(envs, streams[3:], strict=True)
        ]
        for player in self.players:
            player.restart()
        self.warm_up = min(config.steps, max(int(config.warm_up * config.steps), config.batch))
        self.ended: list[tuple[int, float]] = []
        self.step = 0

    def advance(self) -> None:
        """One step of every environment, and the updates due after each."""
        warm = self.step < self.warm_up
        for player, action in zip(self.players, self._actions(warm), strict=True):
            last = player.play(int(action))
            self.step += 1
            if last is not None:
                self.ended.append((self.step, float(last["is_bps"])))
            if not warm and self.step % self.config.train_every == 0:
                done = (self.step - self.warm_up) / max(1, self.config.steps - self.warm_up)
                if self.learner.updates % NEWS_EVERY == 0:
                    self.learner.fit_news(self.buffer.kept())
                self.learner.update(self.buffer.sample(self.config.batch, self.replay), done)
        if warm and self.step >= self.warm_up:
            self.learner.fix_scales(self.buffer.kept())

    def _actions(self, warm: bool) -> np.ndarray:
        random = self.explore.integers(0, self.learner.actions, size=len(self.players))
        explores = self.explore.random(len(self.players)) < self._epsilon()
        if warm:
            return random
        greedy = self.learner.greedy(np.stack([player.state for player in self.players]))
        return np.where(explores, random, greedy)

    def _epsilon(self) -> float:
        end = self.config.explore_until * self.config.steps
        done = min(1.0, self.step / end) if end > 0 else 1.0
        return 1.0 + done * (self.config.epsilon_last - 1.0)

    def learning(self) -> pl.DataFrame:
        """The finished episodes, as `TrainedDqn.learning`."""
        return pl.DataFrame(
            [(number, step, cost) for number, (step, cost) in enumerate(self.ended, start=1)],
            schema={"episode": pl.Int64, "step": pl.Int64, "is_bps": pl.Float64},
            orient="row",
        )


class _Learner:
    """Online and target network, their optimiser, and the running mean of the weights."""

    def __init__(self, width: int, actions: int, config: DqnConfig, seed: int, start: DqnPolicy | None) -> None:
        self.config, self.actions = config, actions
        self.device = torch.device(config.device)
        sizes = (width, *config.layers, actions)
        self.online, self.target, self.mean_net = (_network(sizes, self.device) for _ in range(3))
        _initialise(self.online, seed)
        self.mean, self.scale = torch.zeros(width), torch.ones(width)
        self.reward_scale = 1.0
        self.news = MoveNoise(actions)
        self.fixed = start is not None
        if start is not None:
            self._load(start, sizes)
        self.target.load_state_dict(self.online.state_dict())
        self.mean_net.load_state_dict(self.online.state_dict())
        self.optimiser = torch.optim.Adam(self.online.parameters(), lr=config.lr, eps=1e-5, fused=True)
        self.updates = self.averaged = 0

    def _load(self, start: DqnPolicy, sizes: tuple[int, ...]) -> None:
        found = (*(weight.shape[0] for weight in start.weights), start.actions)
        if found != sizes:
            raise SchemaError("start of the training", received=f"layers {found}", expected=f"{sizes}")
        linears = [layer for layer in self.online if isinstance(layer, nn.Linear)]
        with torch.no_grad():
            for layer, weight, bias in zip(linears, start.weights, start.biases, strict=True):
                layer.weight.copy_(torch.from_numpy(weight.T.copy()))
                layer.bias.copy_(torch.from_numpy(bias.copy()))
        self.mean, self.scale = torch.from_numpy(start.mean.copy()), torch.from_numpy(start.scale.copy())
        self.reward_scale = start.reward_scale

    def fix_scales(self, seen: Transitions) -> None:
        """Measure the scales on the warm-up; those of a policy that was started from stay."""
        if self.fixed:
            return
        deviation = seen.states.std(axis=0)
        self.mean = torch.from_numpy(seen.states.mean(axis=0).astype(np.float32))
        self.scale = torch.from_numpy(np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32))
        self.fit_news(seen)
        self.reward_scale = max(float(self._quiet(seen).std()), 1e-6)
        self.fixed = True

    def fit_news(self, seen: Transitions) -> None:
        """Learn anew what of the mid's moves is news."""
        self.news.fit(self._steps(seen), seen.rewards)

    def _steps(self, seen: Transitions) -> Steps:
        return Steps(self._inputs(seen.states).cpu().numpy(), seen.actions, seen.shares, seen.moves)

    def _quiet(self, seen: Transitions) -> np.ndarray:
        """Rewards without the news."""
        return seen.rewards - self.news.of(self._steps(seen))

    def _inputs(self, states: Observation) -> torch.Tensor:
        return ((torch.from_numpy(states) - self.mean) / self.scale).to(self.device)

    def greedy(self, states: Observation) -> np.ndarray:
        """Actions of the highest online value, shape (n,)."""
        with torch.no_grad():
            return self.online(self._inputs(states)).argmax(dim=1).cpu().numpy()

    def update(self, batch: Transitions, done: float) -> None:
        """One step of Adam on the double-Q error; ``done`` is the share of the training behind it."""
        rewards = torch.from_numpy(self._quiet(batch) / np.float32(self.reward_scale)).to(self.device)
        discounts = torch.from_numpy(batch.discounts).to(self.device)
        actions = torch.from_numpy(batch.actions).to(self.device).unsqueeze(1)
        with torch.no_grad():
            following = self._inputs(batch.next_states)
            # the online network chooses, the target network judges: one network would favour its own errors
            chosen = self.online(following).argmax(dim=1, keepdim=True)
            wanted = rewards + discounts * self.target(following).gather(1, chosen).squeeze(1)
        found = self.online(self._inputs(batch.states)).gather(1, actions).squeeze(1)
        loss = nn.functional.huber_loss(found, wanted, delta=HUBER)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.online.parameters(), GRADIENT_NORM)
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.lr * (1.0 - 0.9 * done)
        self.optimiser.step()
        self.updates += 1
        if self.updates % self.config.target_every == 0:
            self.target.load_state_dict(self.online.state_dict())
        if done >= 1.0 - AVERAGED:
            self._average()

    def _average(self) -> None:
        self.averaged += 1
        with torch.no_grad():
            for mean, new in zip(self.mean_net.parameters(), self.online.parameters(), strict=True):
                mean.lerp_(new, 1.0 / self.averaged)

    def policy(self) -> DqnPolicy:
        """The averaged network, or the online one where nothing was averaged."""
        network = self.mean_net if self.averaged else self.online
        linears = [layer for layer in network if isinstance(layer, nn.Linear)]
        return DqnPolicy(
            mean=self.mean.numpy().copy(),
            scale=self.scale.numpy().copy(),
            weights=tuple(_array(layer.weight).T.copy() for layer in linears),
            biases=tuple(_array(layer.bias) for layer in linears),
            reward_scale=self.reward_scale,
        )


def _array(tensor: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return tensor.detach().cpu().numpy().copy()


def _network(sizes: tuple[int, ...], device: torch.device) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        # torch's own initialisation would draw from the global generator, which belongs to the caller
        layers += [skip_init(nn.Linear, inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(device)


def _initialise(network: nn.Sequential, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    linears = [layer for layer in network if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linears:
            drawn = torch.empty(layer.weight.shape)
            nn.init.kaiming_uniform_(drawn, nonlinearity="relu", generator=random)
            layer.weight.copy_(drawn * (0.1 if layer is linears[-1] else 1.0))
            layer.bias.zero_()
