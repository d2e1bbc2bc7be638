"""Settings of the agents.

Here: the frozen configurations. Not here: the study's YAML (feeds/study.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds.errors import StudyError


@dataclass(frozen=True)
class DqnConfig:
    """How a double DQN agent is trained.

    Attributes:
        layers: Units of the hidden layers.
        lr: Step size of Adam at the start; it falls linearly to ``lr_last`` times it.
        lr_last: See ``lr``; 1 keeps the step size.
        gamma: Discount a decision. Orders end after few decisions, so what is saved late counts in full.
        batch: Transitions an update.
        replay: Transitions kept.
        train_every: Environment steps between updates.
        target_every: Updates between copies to the target network.
        warm_up: Share of the steps that act at random before the first update; scales are measured in it.
        explore_until: Share of the steps after which exploration stays at its last rate; linear before.
        epsilon_last: Share of random actions from then on.
        temperature: Random actions after the warm-up are drawn in proportion to exp(value / temperature), values in
            standard deviations of the rewards of the warm-up: steps go where the choice is close. 0: evenly.
        steps: Environment steps in all.
        envs: Environments stepped in turn, where they are made one by one.
        seed: Of the initial weights, exploration, replay and episodes.
        device: Of torch.
        dueling: Value and advantages from separate halves of a last hidden layer of twice its units (Wang et al. 2016).
        n_step: Rewards summed before the value of a state is asked for.
        prioritised: Exponent alpha of drawing transitions by their last error; 0 draws evenly.
        correction: Exponent beta of their weights at the start; it rises linearly to 1.
        fresh_every: Environment steps between fresh starts of all environments, where a checkpoint can be kept; 0:
            never.
        quiet: Take news in the mid out of the rewards (move_noise.py).

    Raises:
        StudyError: A value is outside its range.
    """

    layers: tuple[int, ...] = (64, 64)
    lr: float = 3e-4
    lr_last: float = 0.1
    gamma: float = 1.0
    batch: int = 256
    replay: int = 100_000
    train_every: int = 2
    target_every: int = 250
    warm_up: float = 0.05
    explore_until: float = 0.6
    epsilon_last: float = 0.05
    temperature: float = 0.0
    steps: int = 20_000
    envs: int = 8
    seed: int = 1
    device: str = "cpu"
    dueling: bool = False
    n_step: int = 1
    prioritised: float = 0.0
    correction: float = 0.4
    fresh_every: int = 0
    quiet: bool = True

    def __post_init__(self) -> None:
        counts = (self.batch, self.replay, self.train_every, self.target_every, self.steps, self.envs, self.n_step)
        _require("counts", (*counts, *self.layers), min((*counts, *self.layers)) >= 1, "at least 1")
        _require("layers", self.layers, bool(self.layers), "at least one")
        of_steps = (self.warm_up, self.explore_until, self.epsilon_last, self.gamma)
        shares = (*of_steps, self.prioritised, self.correction, self.lr_last)
        _require("shares", shares, all(0.0 <= share <= 1.0 for share in shares), "0 to 1")
        _require("lr", self.lr, self.lr > 0.0, "above 0")
        _require("temperature", self.temperature, self.temperature >= 0.0, "0 or more")
        _require("fresh_every", self.fresh_every, self.fresh_every >= 0, "0 or more")


@dataclass(frozen=True)
class PpoConfig:
    """How a PPO agent is trained.

    Attributes:
        layers: Units of the hidden layers of the policy and, in a network of its own, of the value.
        lr: Step size of Adam at the start; it falls linearly to ``lr_last`` times it.
        lr_last: See ``lr``; 1 keeps the step size.
        gamma: Discount a decision.
        gae_lambda: How far errors of the value are carried back (Schulman et al. 2016): 0 trusts the value, 1 the
            rewards.
        rollout: Steps of each environment between updates.
        epochs: Times a rollout is gone through.
        batch: Steps a gradient, about: a rollout is cut into equal parts.
        clip: How far the ratio of probabilities may leave 1 before its gradient is dropped.
        value_clip: The same for the move of the value, in its scale; 0 does not clip.
        value_weight: Of the value's squared error in the loss.
        entropy: Weight of the entropy at the start, against advantages of variance 1; it falls with the square of the
            share of the training that is left: what is best depends on how much chance the later decisions still hold,
            and a policy without any left no longer changes its mind.
        spread: Standard deviation of a continuous action at the start, half ranges of the action space.
        kl_stop: Stop going through a rollout once the mean divergence from the policy that played it exceeds 1.5 times
            this; 0 never stops.
        gradient_norm: Longer gradients are shortened to this.
        quiet: Take news in the mid out of the rewards (move_noise.py).
        steps: Environment steps in all, those that measure scales included; finished to a whole rollout.
        envs: Environments stepped in turn, where they are made one by one.
        seed: Of the initial weights, exploration, batches and episodes.
        device: Of torch.
        fresh_every: Rollouts between fresh starts of all environments, where a checkpoint can be kept; 0: never.

    Raises:
        StudyError: A value is outside its range.
    """

    layers: tuple[int, ...] = (64, 64)
    lr: float = 1e-3
    lr_last: float = 0.02
    gamma: float = 1.0
    gae_lambda: float = 0.95
    rollout: int = 32
    epochs: int = 4
    batch: int = 512
    clip: float = 0.2
    value_clip: float = 0.0
    value_weight: float = 0.5
    entropy: float = 0.1
    spread: float = 0.3
    kl_stop: float = 0.02
    gradient_norm: float = 0.5
    quiet: bool = True
    steps: int = 200_000
    envs: int = 32
    seed: int = 1
    device: str = "cpu"
    fresh_every: int = 0

    def __post_init__(self) -> None:
        counts = (self.rollout, self.epochs, self.batch, self.steps, self.envs)
        _require("counts", (*counts, *self.layers), min((*counts, *self.layers)) >= 1, "at least 1")
        _require("layers", self.layers, bool(self.layers), "at least one")
        shares = (self.gamma, self.gae_lambda, self.lr_last)
        _require("shares", shares, all(0.0 <= share <= 1.0 for share in shares), "0 to 1")
        weights = (self.value_clip, self.value_weight, self.entropy, self.kl_stop, float(self.fresh_every))
        _require("weights", weights, min(weights) >= 0.0, "0 or more")
        sizes = (self.lr, self.clip, self.spread, self.gradient_norm)
        _require("sizes", sizes, min(sizes) > 0.0, "above 0")


def _require(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise StudyError(f"execution agent: {name}", received=value, expected=expected, remedy="Correct the setting.")
