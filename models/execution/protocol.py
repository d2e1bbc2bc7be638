"""What agents and schedules expect of an environment: Gymnasium's reset and step, and ``execute`` for schedules.

Models do not import the simulator: an environment arrives through a factory and is held by these protocols alone.

``info`` at every decision holds ``side`` (0 buys, 1 sells), ``parent_lots``, ``remaining_lots``, ``decisions_left``,
``elapsed_share``, ``arrival_mid_ticks``, ``mid_ticks``, ``spread_ticks``, ``increment_ticks``, ``bid_px``, ``ask_px``,
``bid_lots``, ``ask_lots`` (displayed at the best prices), ``traded_lots_60s``, ``now_ns``, ``symbol``, and of the
moment at which the step's instruction met the market, before it traded, ``met_mid_ticks`` and ``met_spread_ticks`` (at
arrival: those of arrival). At the end of an episode also ``is_bps`` (positive is a cost), ``spread_bps``,
``timing_bps``, ``fees_bps`` (they add up to ``is_bps``), ``completion`` (0 to 1), ``maker_share``, ``inventory_path``
(share left at the start and after every decision interval), ``arrival_ns`` and ``fills``, (m, 4): time in ns, price in
ticks, lots, 1 where our order rested.

Many environments stepped together follow `VectorEnvLike`: ``gymnasium.vector.VectorEnv`` with same-step
autoreset: where an episode ends, the observation returned is the next episode's first one. ``info`` of a step holds,
each an array of one value an environment and each with a mask of its name after an underscore (``_is_bps``):

- ``final_obs`` (n, k) float32, or (n,) of objects: the last observation of the episodes that ended with this step.
- ``is_bps`` (n,) float64: their implementation shortfall.
- ``remaining_share``, ``drift_bps`` (n,) float64, of all: share of the parent order left, and the move of the mid since
  arrival in bps, positive away from us, in the state this step led to. Where the episode ended that is its own last
  state, not the next one's first, in which the share is 1 and the drift 0.

Here: the protocols. Not here: environments (sim/execution_env.py), single ones stepped together (serial_vector.py),
policies (baselines.py, dqn_policy.py, ppo_policy.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Observation = npt.NDArray[np.float32]
Info = Mapping[str, Any]
#: Lots to take at once, lots to rest, and where: price increments from the best quote of the own side.
Instruction = tuple[int, int, int]
#: Observation, reward, terminated, truncated, info.
Transition = tuple[Observation, float, bool, bool, Info]


class ExecutionEnvLike(Protocol):
    """An execution environment with a discrete action space."""

    action_space: Any
    observation_space: Any

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start the episode that ``seed`` chooses; ``options`` may fix ``{"side": 0 or 1}``."""

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Act by the number of an action and run to the next decision."""

    def execute(self, instruction: Instruction) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Act by (take_lots, rest_lots, rest_offset) and run to the next decision."""


class VectorEnvLike(Protocol):
    """Many environments stepped together; see the module docstring.

    Attributes:
        num_envs: How many, n.
        single_observation_space: Of one: ``shape`` is (k,).
        single_action_space: Of one: ``n`` where actions are numbers, else ``low``, ``high`` of shape (m,).
    """

    num_envs: int
    single_observation_space: Any
    single_action_space: Any

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in each; all that happens until the next reset follows from ``seed`` and the actions."""

    def step(self, actions: Any) -> tuple[Observation, Array, Array, Array, dict[str, Any]]:
        """Act in each: (n,) int64 or (n, m) float32.

        Returns:
            Observations (n, k) float32, rewards (n,) float64, terminated (n,) bool, truncated (n,) bool, info. The
            arrays may be overwritten by the next step.
        """


#: Makes an environment of its own for every number: those of one training run never share state.
MakeEnv = Callable[[int], ExecutionEnvLike]


class Policy(Protocol):
    """How a parent order is worked.

    Attributes:
        name: In tables and plots.
        training_seed: Of an agent; None for a rule. Agents of one name and several seeds are judged together.
    """

    @property
    def name(self) -> str:
        """In tables and plots."""

    @property
    def training_seed(self) -> int | None:
        """Of an agent; None for a rule."""

    def begin(self, info: Info, seed: int) -> None:
        """A parent order starts; ``seed`` is the episode's and all the randomness a policy may use."""

    def instruction(self, observation: Observation, info: Info) -> Instruction | int | Array:
        """What to do now: an instruction, the number of an action, or the values of a continuous one."""
