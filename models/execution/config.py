"""Settings of the double DQN agent.

Here: the frozen configuration. Not here: the study's YAML (feeds/study.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds.errors import StudyError


@dataclass(frozen=True)
class DqnConfig:
    """How a double DQN agent is trained.

    Attributes:
        layers: Units of the hidden layers.
        lr: Step size of Adam at the start; it falls linearly to a tenth of it.
        gamma: Discount a decision. Orders end after few decisions, so what is saved late counts in full.
        batch: Transitions an update.
        replay: Transitions kept.
        train_every: Environment steps between updates.
        target_every: Updates between copies to the target network.
        warm_up: Share of the steps that act at random before the first update; scales are measured in it.
        explore_until: Share of the steps after which exploration stays at its last rate; linear before.
        epsilon_last: Share of random actions from then on.
        steps: Environment steps in all.
        envs: Environments stepped in turn.
        seed: Of the initial weights, exploration, replay and episodes.
        device: Of torch.

    Raises:
        StudyError: A value is outside its range.
    """

    layers: tuple[int, ...] = (64, 64)
    lr: float = 3e-4
    gamma: float = 1.0
    batch: int = 256
    replay: int = 100_000
    train_every: int = 2
    target_every: int = 250
    warm_up: float = 0.05
    explore_until: float = 0.6
    epsilon_last: float = 0.05
    steps: int = 20_000
    envs: int = 8
    seed: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        counts = (self.batch, self.replay, self.train_every, self.target_every, self.steps, self.envs)
        if min((*counts, *self.layers), default=0) < 1 or not self.layers:
            raise StudyError(
                "execution agent", received=f"counts {counts}, layers {self.layers}", expected="at least 1"
            )
        shares = (self.warm_up, self.explore_until, self.epsilon_last, self.gamma)
        if not all(0.0 <= share <= 1.0 for share in shares) or self.lr <= 0.0:
            raise StudyError(
                "execution agent", received=f"shares {shares}, lr {self.lr}", expected="shares in [0, 1], lr above 0"
            )
