"""Taking the unpredictable part of the mid's moves out of the rewards an agent learns from.

Nearly all the scatter of a step's reward is the move of the mid on the lots still open, and nearly all of that move is
news that no action brought about. Such an input-driven part can be subtracted (Mao, Venkatakrishnan, Schwarzkopf &
Alizadeh 2019, "Variance reduction for reinforcement learning in input-driven environments"), as long as what is
subtracted has mean 0 given state and action. So the move is first predicted, by least squares, from the state, from the
action and from the action times the share of the order that is open: what the book foretells and what our own trading
moves stay in the reward. What is left of the move, times the open share, times a coefficient an action (with
``by_state`` one that is linear in the same regressors), is subtracted. A foreseeable move that is not linear in these
would be lost with the noise: that is the price.

Here: the regression and the correction. Not here: the agents (dqn.py, ppo.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Ridge penalty an observation, on standardised regressors: shields directions the data hardly shows.
PENALTY = 1e-3
#: Rows worked on at a time, so that regressors of a long memory need not be held at once.
_BLOCK = 32_768


class Steps(NamedTuple):
    """Steps of one or many episodes.

    Attributes:
        states: (n, k) standardised observations.
        actions: (n,) int64; continuous ones (n, m) float32.
        shares: (n,) share of the parent order open when the action was taken.
        moves: (n,) move of the mid until the next decision in bps of the arrival mid; positive is away from us.
    """

    states: npt.NDArray[np.float32]
    actions: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float32]
    moves: npt.NDArray[np.float32]


class MoveNoise:
    """The part of rewards that is news; nothing before the first `fit`.

    A continuous action enters as itself and its square.

    Args:
        actions: Number of actions; of continuous ones 1 + 2 m.
        by_state: Let the coefficient depend on state and open share as well as on the action; continuous actions need
            it.
    """

    def __init__(self, actions: int, *, by_state: bool = False) -> None:
        self.actions, self.by_state = actions, by_state
        self.coefficients: Floats = np.zeros(0)
        self.weights: Floats = np.zeros(actions)

    def fit(self, steps: Steps, rewards: npt.NDArray[np.float32]) -> None:
        """Learn to predict moves, and how much of an unpredicted move each action's reward carries.

        Args:
            steps: What happened.
            rewards: (n,) in bps of the parent order.
        """
        columns = self._regressors(_some(steps, slice(0, 1))).shape[1]
        ridge, n = PENALTY * np.eye(columns), len(steps.actions)
        normal, products = np.zeros((columns, columns)), np.zeros(columns)
        for rows in _blocks(n):
            block = _some(steps, rows)
            x = self._regressors(block)
            normal += x.T @ x
            products += x.T @ block.moves.astype(np.float64)
        self.coefficients = np.asarray(np.linalg.solve(normal + n * ridge, products), dtype=np.float64)
        if self.by_state:
            self._fit_by_state(steps, rewards, ridge)
            return
        news = self._news(steps)
        carried = np.bincount(steps.actions, weights=news * rewards, minlength=self.actions)
        squares = np.bincount(steps.actions, weights=news * news, minlength=self.actions)
        self.weights = np.divide(carried, squares, out=np.zeros(self.actions, dtype=np.float64), where=squares > 0.0)

    def _fit_by_state(self, steps: Steps, rewards: npt.NDArray[np.float32], ridge: Floats) -> None:
        normal, products, squares = np.zeros_like(ridge), np.zeros(len(ridge)), 0.0
        for rows in _blocks(len(rewards)):
            block = _some(steps, rows)
            x = self._regressors(block)
            news = block.shares * (block.moves - x @ self.coefficients)
            loads = x * news[:, None]
            normal += loads.T @ loads
            products += loads.T @ rewards[rows]
            squares += float(np.square(news).sum())
        # where the mid never moved there is no news to carry
        found = np.linalg.solve(normal + squares * ridge, products) if squares > 0.0 else np.zeros_like(products)
        self.weights = np.asarray(found, dtype=np.float64)

    def of(self, steps: Steps) -> npt.NDArray[np.float32]:
        """What to subtract from the rewards of ``steps``, shape (n,), float32."""
        if self.coefficients.size == 0:
            return np.zeros(len(steps.actions), dtype=np.float32)
        loads = self._regressors(steps) @ self.weights if self.by_state else self.weights[steps.actions]
        return (loads * self._news(steps)).astype(np.float32)

    def _news(self, steps: Steps) -> Floats:
        return np.asarray(steps.shares * (steps.moves - self._regressors(steps) @ self.coefficients))

    def _regressors(self, steps: Steps) -> Floats:
        taken = self._taken(steps)
        return np.concatenate([np.clip(steps.states, -4.0, 4.0), taken, taken * steps.shares[:, None]], axis=1)

    def _taken(self, steps: Steps) -> Floats:
        if steps.actions.ndim == 1:
            return np.asarray(np.eye(self.actions)[steps.actions])
        values = np.clip(steps.actions, -2.0, 2.0).astype(np.float64)
        return np.concatenate([np.ones((len(values), 1)), values, np.square(values)], axis=1)


def _some(steps: Steps, rows: slice) -> Steps:
    return Steps(steps.states[rows], steps.actions[rows], steps.shares[rows], steps.moves[rows])


def _blocks(n: int) -> list[slice]:
    return [slice(first, first + _BLOCK) for first in range(0, n, _BLOCK)]
