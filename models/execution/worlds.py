"""Two worlds in which the best schedule is known, as environments stepped together: for agents to be held against.

- `AlmgrenChrissWorld`: linear permanent and temporary impact on a Brownian price (Almgren & Chriss 2000, "Optimal
  execution of portfolio transactions", Journal of Risk 3). Its defaults are the paper's example.
- `ObizhaevaWangWorld`: a block of depth that a trade walks through and that grows back exponentially (Obizhaeva & Wang
  2013, "Optimal trading strategy and supply/demand dynamics", Journal of Financial Markets 16).

Both sell or buy a whole order in a fixed number of trades; an action says how much of an even split of what is left
is traded, and the last trade is all that is left. Rewards are minus the shortfall of the step in bps of the arrival
price, less ``risk_aversion`` x (share left)^2 x (move of the price in bps)^2 as in the execution environments. What a
schedule costs on average, without the luck of its prices, is told at the end as ``utility_bps``.

Here: the worlds. Not here: their optima, which are closed forms of the simulator and so of whoever holds an agent
against them; agents (dqn.py, ppo.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from feeds.errors import StudyError
from models.execution.protocol import Array, Observation

Floats = npt.NDArray[np.float64]
_BPS = 1e4
#: What a numbered action trades, in multiples of an even split of what is left.
MULTIPLES = tuple(float(multiple) for multiple in np.arange(0.0, 4.01, 0.25))
#: Most that a continuous action trades, in the same unit.
MOST = 4.0


@dataclass(frozen=True)
class AlmgrenChriss:
    """The numbers of a world of linear impact.

    Attributes:
        shares: Size of the order.
        price: At arrival, currency.
        horizon: Any unit of time; the others use the same.
        trades: Their number.
        volatility: Currency a share a root of time.
        half_spread: Currency a share.
        permanent: Currency a share per share.
        temporary: Currency a share per (share per time).
        risk_aversion: Of mean + risk aversion x variance of the shortfall, per currency.
    """

    shares: float = 1e6
    price: float = 50.0
    horizon: float = 5.0
    trades: int = 5
    volatility: float = 0.95
    half_spread: float = 0.0625
    permanent: float = 2.5e-7
    temporary: float = 2.5e-6
    risk_aversion: float = 0.0

    @property
    def currency_per_bps(self) -> float:
        """What a basis point of the order is worth."""
        return self.shares * self.price / _BPS


@dataclass(frozen=True)
class ObizhaevaWang:
    """The numbers of a world of exponential resilience.

    Attributes:
        trades: Their number, the first at arrival, the last at the horizon.
        resilience: Decay rate times the horizon.
        gap_bps: How far the whole order, traded at once, moves the price.
        noise_bps: Standard deviation of the price's move between two trades.
    """

    trades: int = 11
    resilience: float = 2.0
    gap_bps: float = 100.0
    noise_bps: float = 5.0


@dataclass
class _Orders:
    """n parent orders: what both worlds share.

    Attributes:
        num_envs: n.
        discrete: Whether an action is one of `MULTIPLES`, or a value of 0 to `MOST`.
        trades: Of an order.
    """

    num_envs: int
    discrete: bool
    trades: int
    left: Floats = field(init=False)
    drift: Floats = field(init=False)
    cost: Floats = field(init=False)
    utility: Floats = field(init=False)
    path: Floats = field(init=False)
    done: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.num_envs < 1 or self.trades < 2:
            raise StudyError(
                "world of known answers", f"{self.num_envs} orders, {self.trades} trades", "at least 1 and 2"
            )
        one = SimpleNamespace(n=len(MULTIPLES), shape=())
        many = SimpleNamespace(shape=(1,), low=np.zeros(1, np.float32), high=np.full(1, MOST, np.float32))
        self.single_action_space = one if self.discrete else many
        self.random = np.random.default_rng(0)
        self.clear()

    def clear(self) -> None:
        """All orders arrive."""
        self.left, self.done = np.ones(self.num_envs), 0
        self.drift, self.cost, self.utility = np.zeros((3, self.num_envs))
        self.path = np.ones((self.trades + 1, self.num_envs))

    def wanted(self, actions: Any) -> Floats:
        """Share of the order each trades now."""
        if self.discrete:
            multiples = np.asarray(MULTIPLES)[np.asarray(actions)]
        else:
            multiples = np.clip(np.asarray(actions, dtype=np.float64)[:, 0], 0.0, MOST)
        share = np.minimum(multiples / (self.trades - self.done), 1.0)
        return np.asarray(self.left if self.done == self.trades - 1 else share * self.left)

    def booked(self, traded: Floats, price_bps: Floats, cost_bps: Floats) -> None:
        """Take note of a trade at ``price_bps`` over arrival that costs ``cost_bps`` of the order on top."""
        self.cost += traded * price_bps + cost_bps
        # to 0 exactly at the last
        self.left = np.where(self.done == self.trades - 1, 0.0, self.left - traded)
        self.done += 1
        self.path[self.done] = self.left

    def told(self) -> tuple[npt.NDArray[np.bool_], dict[str, Any]]:
        """Whether all orders ended, (n,), and what a step tells."""
        ended = np.full(self.num_envs, self.done == self.trades)
        info: dict[str, Any] = {"remaining_share": self.left.copy(), "drift_bps": self.drift.copy()}
        if ended[0]:
            info |= {"is_bps": self.cost.copy(), "utility_bps": self.utility.copy(), "path": self.path.T.copy()}
            info |= {f"_{name}": ended for name in ("is_bps", "utility_bps", "path", "final_obs")}
        return ended, info


class AlmgrenChrissWorld:
    """Implements `models.execution.protocol.VectorEnvLike`; all orders run in step.

    Observations: elapsed share, share left, drift of the price in bps. Prices are kept from one seed to the next step
    by step, so that two policies meet the same ones.

    Args:
        world: Its numbers.
        num_envs: Orders.
        discrete: Whether actions are numbered.

    Attributes:
        single_observation_space: ``shape`` only.
        single_action_space: ``n``, or ``low``, ``high`` and ``shape``.
    """

    def __init__(self, world: AlmgrenChriss, num_envs: int, *, discrete: bool = True) -> None:
        self.world, self.num_envs = world, num_envs
        self.orders = _Orders(num_envs, discrete, world.trades)
        self.single_action_space, self.single_observation_space = (
            self.orders.single_action_space,
            SimpleNamespace(shape=(3,)),
        )
        period, unit = world.horizon / world.trades, _BPS / world.price
        self._move_bps = world.volatility * math.sqrt(period) * unit
        self._spread_bps = world.half_spread * unit
        self._permanent_bps = world.permanent * world.shares * unit
        self._temporary_bps = world.temporary * world.shares / period * unit
        self._risk = world.risk_aversion * world.currency_per_bps

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """All orders arrive."""
        if seed is not None:
            self.orders.random = np.random.default_rng(seed)
        self.orders.clear()
        return self._seen(), self.orders.told()[1]

    def step(self, actions: Any) -> tuple[Observation, Array, Array, Array, dict[str, Any]]:
        """Trade, then let the price move by chance and by what was traded."""
        orders = self.orders
        traded, before, cost = orders.wanted(actions), orders.drift, orders.cost.copy()
        # the paper's trade meets the price before its own permanent impact
        impact = self._spread_bps * traded + self._temporary_bps * traded**2
        orders.booked(traded, before, impact)
        luck = self._move_bps * orders.random.standard_normal(orders.num_envs)
        orders.drift = before + self._permanent_bps * traded + luck
        orders.utility += impact + self._permanent_bps * traded * orders.left
        orders.utility += self._risk * self._move_bps**2 * orders.left**2
        risk = self._risk * (orders.left * luck) ** 2
        rewards = cost - orders.cost - risk
        ended, info = orders.told()
        if ended[0]:
            info["final_obs"] = self._seen()
            orders.clear()
        return self._seen(), rewards, ended, np.zeros_like(ended), info

    def _seen(self) -> Observation:
        orders = self.orders
        elapsed = np.full(orders.num_envs, orders.done / orders.trades)
        return np.stack([elapsed, orders.left, orders.drift], axis=1).astype(np.float32)


class ObizhaevaWangWorld:
    """Implements `models.execution.protocol.VectorEnvLike`; all orders run in step.

    Observations: elapsed share, share left, gap that own trades have left in bps, drift of the mid in bps.

    Args:
        world: Its numbers.
        num_envs: Orders.
        discrete: Whether actions are numbered.

    Attributes:
        single_observation_space: ``shape`` only.
        single_action_space: ``n``, or ``low``, ``high`` and ``shape``.
    """

    def __init__(self, world: ObizhaevaWang, num_envs: int, *, discrete: bool = True) -> None:
        self.world, self.num_envs = world, num_envs
        self.orders = _Orders(num_envs, discrete, world.trades)
        self.single_action_space, self.single_observation_space = (
            self.orders.single_action_space,
            SimpleNamespace(shape=(4,)),
        )
        self._kept = math.exp(-world.resilience / (world.trades - 1))
        self._gap, self._luck = np.zeros(num_envs), np.zeros(num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """All orders arrive."""
        if seed is not None:
            self.orders.random = np.random.default_rng(seed)
        self._clear()
        return self._seen(), self.orders.told()[1]

    def step(self, actions: Any) -> tuple[Observation, Array, Array, Array, dict[str, Any]]:
        """Trade through the gap and half of what the trade adds to it, then let it close."""
        orders = self.orders
        traded, cost = orders.wanted(actions), orders.cost.copy()
        impact = traded * (self._gap + 0.5 * self.world.gap_bps * traded)
        orders.booked(traded, self._luck, impact)
        orders.utility += impact
        self._gap = self._kept * (self._gap + self.world.gap_bps * traded)
        self._luck = self._luck + self.world.noise_bps * orders.random.standard_normal(orders.num_envs)
        # the mid of a block-shaped book whose other side stays lies half the gap higher; own impact is no news
        orders.drift = self._luck.copy()
        rewards = cost - orders.cost
        ended, info = orders.told()
        if ended[0]:
            info["final_obs"] = self._seen()
            self._clear()
        return self._seen(), rewards, ended, np.zeros_like(ended), info

    def _clear(self) -> None:
        self.orders.clear()
        self._gap[:], self._luck[:] = 0.0, 0.0

    def _seen(self) -> Observation:
        orders = self.orders
        elapsed = np.full(orders.num_envs, orders.done / orders.trades)
        return np.stack([elapsed, orders.left, self._gap, orders.drift], axis=1).astype(np.float32)
