"""Working a parent order in a market, as a Gymnasium environment.

The market stands behind the protocol of sim/market.py and nothing else of it is used: a tape, a simulated flow or an
engine that runs many markets at once can be put there without a change here. Where the market has a compiled form an
episode is run in it (sim/compiled_episode.py), else in plain Python (sim/plain_episode.py), with the same results; many
environments at once are sim/vector_env.py.

Here: the environment. Not here: episodes, what an instruction is (sim/execution_task.py), what is seen
(sim/observation.py), costs (sim/execution_account.py), markets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from feeds.errors import StudyError
from sim.compiled_episode import CompiledEpisode
from sim.execution_actions import SliceActions, space_of
from sim.execution_task import ActionGrid, ExecutionTask
from sim.forecast_series import Forecasts
from sim.market import BUY, SELL, Market
from sim.market_kernels import KernelMarket
from sim.observation import ObservationSet
from sim.plain_episode import PlainEpisode

Observation = npt.NDArray[np.float32]
Step = tuple[Observation, float, bool, bool, dict[str, Any]]


class ExecutionEnv(gymnasium.Env[Observation, Any]):
    """Buy or sell ``parent_lots`` until the horizon, at evenly spaced decisions.

    ## Action Space
    ``Discrete(grid.n)``: 0 waits with nothing resting; the others are the grid's sizes by styles (`ActionGrid`). An
    instruction reaches the market ``latency_ns`` after its decision: own orders at other prices are cancelled; what
    shall be taken is taken; at the wanted price what rests keeps its place, too much is cancelled newest first, missing
    lots are placed behind. Its price is that of the decision: a post-only order that would trade on arrival does not
    rest. `execute` takes an instruction instead of a number. With ``actions`` the space is
    ``Box(-1, 1, (3,))`` (`SliceActions`): how much to take, how much to rest, and where.

    ## Observation Space
    ``Box`` float32 of the terms of an `ObservationSet`; these thirteen by default. *own* side: the one the parent
    order rests on. Windows are the last 60 s.

    | name | meaning | range |
    |---|---|---|
    | elapsed_share | time gone by / horizon | 0, 1 |
    | inventory_share | lots left / parent | 0, 1 |
    | schedule_gap | lots left minus time left, as shares: positive is behind an even schedule | -1, 1 |
    | spread_increments | spread in quote increments; the bound where a side is empty | 0, 20 |
    | imbalance | (own - opposite) / (own + opposite) lots at the best prices: positive moves the price away | -1, 1 |
    | depth_imbalance_5 | the same over five levels | -1, 1 |
    | queue_ahead | own order's place: 0 first, 1 last at the best, 1 + increments behind; 1: none rests | 0, 5 |
    | resting_share | own resting lots / lots left | 0, 1 |
    | opposite_slices | ln(1 + lots at the opposite best / even slice) | 0, 5 |
    | drift_bps | mid against arrival, positive: away from us | -100, 100 |
    | signed_flow | (lots taken by our side - by the other) / lots traded | -1, 1 |
    | volatility_bps | root of the summed squared log mid returns of a second | 0, 100 |
    | volume_ratio | ln(1 + lots traded / lots an even schedule does in the window) | 0, 10 |

    ## Rewards
    ``-(shortfall of the step's fills, fees included, bps of arrival mid x parent) - risk``; risk is ``risk_aversion`` x
    (share left after the instruction)^2 x (mid move of the step in bps)^2, whose mean is the variance term of Almgren
    and Chriss, "Optimal execution of portfolio transactions", Journal of Risk 3 (2000). Without it the rewards of an
    episode add up to ``-is_bps``. With ``impact_aversion`` that many times ``walk_bps`` comes off as well: what takes
    paid beyond the best price displayed when they met the market, a part of ``spread_bps``. The terms are in ``info``:
    ``reward_shortfall_bps``, ``reward_risk``, ``reward_impact``.

    ## Starting State
    The market's, chosen by the seed; so is the side unless ``options={"side": 0 | 1}`` fixes it (the market stays the
    same). Arrival is that moment, at its mid.

    ## Episode End
    ``terminated`` when nothing is left, or after the last decision's interval: then resting orders are cancelled and
    the rest is taken, one latency after the horizon. What finds no depth stays unfilled and costs the last mid plus
    ``unfilled_penalty_bps``. Never truncated. ``info`` then also holds ``is_bps = spread_bps + timing_bps + fees_bps``
    (positive: cost; each fill's spread is held against the mid at which the instruction in force met the market),
    ``walk_bps``, ``completion``, ``maker_share``, ``fills``, ``inventory_path`` ((decisions + 1,) share left),
    ``arrival_ns``.

    ## Arguments
    Args:
        make_market: A market, or what makes one; it must allow ``task.episode_ns`` after its start.
        task: The parent order.
        grid: The discrete actions.
        symbol: Told in ``info``.
        actions: Continuous ones instead.
        observation: The terms that are seen.
        forecasts: Series the terms ``alpha_bps`` and ``forecast_volatility_bps`` read, point in time.
        compiled: Run the market's compiled form where it has one.

    Raises:
        StudyError: A term of the observation needs depths that the market does not tell.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  (Gymnasium's interface)

    def __init__(
        self,
        make_market: Callable[[], Market] | Market,
        task: ExecutionTask,
        grid: ActionGrid | None = None,
        symbol: str = "",
        *,
        actions: SliceActions | None = None,
        observation: ObservationSet | None = None,
        forecasts: Forecasts | None = None,
        compiled: bool = True,
    ) -> None:
        # A class has all that the protocol asks for, too.
        given: Any = make_market
        made = isinstance(given, Market) and not isinstance(given, type)
        self.market: Market = given if made else given()
        self.task, self.grid, self.symbol = task, grid or ActionGrid(), symbol
        self._actions = actions
        self.observation, self._forecasts = observation or ObservationSet(), forecasts or Forecasts()
        self.action_space = space_of(actions or self.grid)
        self.observation_space = gymnasium.spaces.Box(self.observation.low, self.observation.high, dtype=np.float32)
        self._compiled = compiled and isinstance(self.market, KernelMarket)
        # A market's compiled form is prepared at the first reset: an environment that is only described is cheap.
        self._plain = PlainEpisode(self.market, task, self.observation, self._forecasts, symbol)
        self._episode: PlainEpisode | CompiledEpisode = self._plain

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; see the class.

        Raises:
            InsufficientDataError: The market ends before the episode would, or has no two-sided book at its start.
            StudyError: ``options`` asks for another side than 0 or 1.
        """
        super().reset(seed=seed)
        # Both are drawn in any case: fixing the side must not change the market.
        market_seed, side = int(self.np_random.integers(2**31)), int(self.np_random.integers(2))
        side = int((options or {}).get("side", side))
        if side not in (BUY, SELL):
            raise StudyError("option side", received=side, expected="0 to buy or 1 to sell")
        if self._compiled and self._episode is self._plain:
            assert isinstance(self.market, KernelMarket)
            form, step = self.market.compiled(), self.market.increment_ticks
            self._episode = CompiledEpisode(form, step, self.task, self.observation, self._forecasts, self.symbol)
        return self._episode.begin(market_seed, side)

    def step(self, action: Any) -> Step:
        """Act by the number of an action, or by the three of `SliceActions`, and run to the next decision."""
        lots, decisions = self._episode.left()
        if self._actions is not None:
            return self._episode.execute(self._actions.instruction(action, lots, decisions))
        return self._episode.execute(self.grid.instruction(int(action), lots, decisions))

    def execute(self, instruction: tuple[int, int, int]) -> Step:
        """Act by (take_lots, rest_lots, rest_offset) and run to the next decision.

        More lots than are left when it reaches the market are cut to what is left.

        Raises:
            StudyError: The episode is over, or lots are negative.
        """
        return self._episode.execute(instruction)
