"""Rewards of parent orders shaped by a potential, for many environments at once.

The potential is minus the cost at which the lots still to do are behind the arrival price at the present mid. So what
a step's move of the mid costs the lots left is part of that step's reward, which an agent would otherwise have to carry
through its values; the best policy stays as it is (Ng, Harada & Russell 1999, "Policy invariance under reward
transformations", ICML; discount 1).

Here: potential, drift, `Shaper`. Not here: taking news out of the rewards (move_noise.py), agents (dqn.py, ppo.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.execution.protocol import Array, Info

Floats = npt.NDArray[np.float64]


def drift_bps(info: Info) -> float:
    """Move of the mid since arrival in bps, positive away from us."""
    sign = 1.0 if info["side"] == 0 else -1.0
    return sign * (float(info["mid_ticks"]) / float(info["arrival_mid_ticks"]) - 1.0) * 1e4


def remaining_share(info: Info) -> float:
    """Share of the parent order left, 0 to 1."""
    return float(info["remaining_lots"]) / float(info["parent_lots"])


def potential(info: Info) -> float:
    """Minus the cost, in bps of the whole order, of doing what is left at the present mid instead of at arrival."""
    return -drift_bps(info) * remaining_share(info)


class Shaped(NamedTuple):
    """What a step of n environments was worth.

    Attributes:
        rewards: (n,) float64, shaped, bps of the parent order.
        shares: (n,) share of the order open when the action was taken.
        moves: (n,) move of the mid in the step, bps of the arrival mid, positive away from us.
    """

    rewards: Floats
    shares: Floats
    moves: Floats


class Shaper:
    """Follows share left and drift of n environments; environments that tell neither keep their rewards.

    Args:
        n: How many.
    """

    def __init__(self, n: int) -> None:
        self.shares, self.drifts = np.zeros(n), np.zeros(n)

    def start(self, info: Mapping[str, Any]) -> None:
        """Begin after a reset of all, with what it told."""
        known = "drift_bps" in info and "remaining_share" in info
        self.shares[:], self.drifts[:] = (1.0 if known else 0.0), 0.0

    def step(self, rewards: Array, ended: npt.NDArray[np.bool_], info: Mapping[str, Any]) -> Shaped:
        """Shape the rewards of a step.

        Args:
            rewards: (n,).
            ended: (n,) episodes that ended with this step.
            info: Of the step, see `models.execution.protocol`.
        """
        if "drift_bps" not in info or "remaining_share" not in info:
            return Shaped(np.asarray(rewards, np.float64), np.zeros(len(rewards)), np.zeros(len(rewards)))
        shares, drifts = (np.asarray(info[name], np.float64) for name in ("remaining_share", "drift_bps"))
        after, before = np.where(ended, 0.0, -drifts * shares), -self.drifts * self.shares
        shaped = Shaped(rewards + after - before, self.shares.copy(), drifts - self.drifts)
        self.shares, self.drifts = np.where(ended, 1.0, shares), np.where(ended, 0.0, drifts)
        return shaped

    def steps(self, rewards: Floats, ended: npt.NDArray[np.bool_], shares: Floats, drifts: Floats) -> Shaped:
        """Shape the rewards of T steps as `step` does one after the other, (T, n) each.

        Args:
            rewards: Of the environments.
            ended: Episodes that ended with each step.
            shares: ``remaining_share`` of each step's info.
            drifts: ``drift_bps`` of each step's info.
        """
        goes_on = ~ended
        shares_then = np.concatenate([self.shares[None], np.where(goes_on, shares, 1.0)])
        drifts_then = np.concatenate([self.drifts[None], np.where(goes_on, drifts, 0.0)])
        after, before = np.where(goes_on, -drifts * shares, 0.0), -drifts_then[:-1] * shares_then[:-1]
        self.shares, self.drifts = shares_then[-1], drifts_then[-1]
        return Shaped(rewards + after - before, shares_then[:-1], drifts - drifts_then[:-1])
