"""Working a parent order in a market, as a Gymnasium environment.

The market stands behind the protocol of sim/market.py and nothing else of it is used: a tape, a simulated flow or an
engine that runs many markets at once can be put there without a change here. Episodes of several environments are run
in turn; nothing is shared between two environments but what their markets share.

Here: episodes, instructions carried out, rewards. Not here: what an instruction is (sim/execution_task.py), what is
seen (sim/observation.py), costs (sim/execution_account.py), markets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, SupportsInt

import gymnasium
import numpy as np
import numpy.typing as npt

from feeds.errors import InsufficientDataError, StudyError
from sim.execution_account import Account
from sim.execution_task import ActionGrid, ExecutionTask, Instruction
from sim.market import (
    ASK_PX,
    ASK_SZ,
    BID_PX,
    BID_SZ,
    BUY,
    OWN_AHEAD,
    OWN_LOTS,
    OWN_NUMBER,
    OWN_PRICE,
    SELL,
    VOLUME_60S,
    Market,
)
from sim.observation import HIGH, LOW, Situation, observe

Observation = npt.NDArray[np.float32]
Step = tuple[Observation, float, bool, bool, dict[str, Any]]
_BPS = 1e4


class ExecutionEnv(gymnasium.Env[Observation, int]):
    """Buy or sell ``parent_lots`` until the horizon, at evenly spaced decisions.

    ## Action Space
    ``Discrete(grid.n)``: 0 waits with nothing resting; the others are the grid's sizes by styles (`ActionGrid`). An
    instruction reaches the market ``latency_ns`` after its decision: own orders at other prices are cancelled; what
    shall be taken is taken; at the wanted price what rests keeps its place, too much is cancelled newest first, missing
    lots are placed behind. Its price is that of the decision: a post-only order that would trade on arrival does not
    rest. `execute` takes an instruction instead of a number.

    ## Observation Space
    ``Box`` float32; *own* side: the one the parent order rests on. Windows are the last 60 s.

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
    episode add up to ``-is_bps``. Both terms are in ``info``: ``reward_shortfall_bps``, ``reward_risk``.

    ## Starting State
    The market's, chosen by the seed; so is the side unless ``options={"side": 0 | 1}`` fixes it (the market stays the
    same). Arrival is that moment, at its mid.

    ## Episode End
    ``terminated`` when nothing is left, or after the last decision's interval: then resting orders are cancelled and
    the rest is taken, one latency after the horizon. What finds no depth stays unfilled and costs the last mid plus
    ``unfilled_penalty_bps``. Never truncated. ``info`` then also holds ``is_bps = spread_bps + timing_bps + fees_bps``
    (positive: cost; each fill's spread is held against the mid at which the instruction in force met the market),
    ``completion``, ``maker_share``, ``fills``, ``inventory_path`` ((decisions + 1,) share left), ``arrival_ns``.

    ## Arguments
    Args:
        make_market: A market, or what makes one; it must allow ``task.episode_ns`` after its start.
        task: The parent order.
        grid: The discrete actions.
        symbol: Told in ``info``.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  (Gymnasium's interface)

    def __init__(
        self,
        make_market: Callable[[], Market] | Market,
        task: ExecutionTask,
        grid: ActionGrid | None = None,
        symbol: str = "",
    ) -> None:
        self.market: Market = make_market if isinstance(make_market, Market) else make_market()
        self.task, self.grid, self.symbol = task, grid or ActionGrid(), symbol
        self.action_space = gymnasium.spaces.Discrete(self.grid.n)  # type: ignore[assignment]
        self.observation_space = gymnasium.spaces.Box(LOW, HIGH, dtype=np.float32)
        self._running = False

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
        self._side = int((options or {}).get("side", side))
        if self._side not in (BUY, SELL):
            raise StudyError("option side", received=self._side, expected="0 to buy or 1 to sell")
        self.market.reset(market_seed)
        self._arrival_ns = self.market.now_ns
        if self.market.end_ns() < self._arrival_ns + self.task.episode_ns:
            raise InsufficientDataError(
                "execution episode",
                received=f"{self.market.end_ns() - self._arrival_ns} ns of market",
                expected=f"{self.task.episode_ns} ns",
                remedy="Shorten the horizon, or let the market start earlier.",
            )
        self._mid = 0.0
        self._look()
        if self._mid == 0.0:
            raise InsufficientDataError("execution episode", "a one-sided book", "a two-sided one at arrival")
        self._arrival_mid = self._mid
        self._met = self._mid, self._spread()
        self._account = Account(self.task, self._side, self._mid)
        self._decision, self._placed, self._running = 0, False, True
        self._path = np.zeros(self.task.decisions + 1)
        self._path[0] = 1.0
        self._situation = self._where()
        return observe(self._view, self._situation, self.task), self._info()

    def step(self, action: SupportsInt) -> Step:
        """Act by the number of an action and run to the next decision."""
        left = self.task.decisions - self._decision
        return self.execute(self.grid.instruction(int(action), self._account.remaining_lots, left))

    def execute(self, instruction: tuple[int, int, int]) -> Step:
        """Act by (take_lots, rest_lots, rest_offset) and run to the next decision.

        More lots than are left when it reaches the market are cut to what is left.

        Raises:
            StudyError: The episode is over, or lots are negative.
        """
        wanted = Instruction(*(int(value) for value in instruction))
        if not self._running:
            raise StudyError("execution episode", "a step after its end", "a reset first")
        if min(wanted.take_lots, wanted.rest_lots) < 0:
            raise StudyError("instruction", received=wanted, expected="lots of 0 or more")
        before_bps, before_mid = self._account.is_bps, self._mid
        price = self._resting_price(wanted.rest_offset)
        began_ns = self._arrival_ns + self.task.decision_ns(self._decision)
        self._run_to(began_ns + self.task.latency_ns)
        self._met = self._mid, self._spread()
        self._apply(wanted, price)
        exposed = self._account.remaining_lots / self.task.parent_lots
        self._decision += 1
        if self._account.remaining_lots:
            self._run_to(self._arrival_ns + self.task.decision_ns(self._decision))
            if self._decision == self.task.decisions:
                self._liquidate()
        left = self._account.remaining_lots
        self._path[self._decision] = left / self.task.parent_lots
        ended = left == 0 or self._decision == self.task.decisions
        if ended and left:
            self._account.give_up(self._mid)
        self._running = not ended
        shortfall = self._account.is_bps - before_bps
        risk = self.task.risk_aversion * (exposed * (self._mid / before_mid - 1.0) * _BPS) ** 2
        self._situation = self._where()
        info = self._info()
        info["reward_shortfall_bps"], info["reward_risk"] = -shortfall, -risk
        if ended:
            info |= self._result()
        return observe(self._view, self._situation, self.task), -shortfall - risk, ended, False, info

    def _run_to(self, until_ns: int) -> None:
        """Advance, and book what filled on the way against the mid before."""
        if until_ns > self.market.now_ns:
            self.market.advance(until_ns)
            self._collect()
            self._look()

    def _apply(self, wanted: Instruction, price: int) -> None:
        take = min(wanted.take_lots, self._account.remaining_lots)
        rest = min(wanted.rest_lots, self._account.remaining_lots - take) if price > 0 else 0
        kept = self._keep(price, rest)
        if take:
            self.market.take(self._side, take)
            self._collect()
        if rest > kept:
            self._placed |= self.market.place(self._side, price, rest - kept) >= 0
        # Fees, spread and what follows are held against the mid before our own trade moved it.

    def _keep(self, price: int, lots: int) -> int:
        """Cancel own orders but ``lots`` at ``price``, the newest first; lots that stay."""
        kept = 0
        if not self._placed:
            return 0
        for order in self.market.own_orders().tolist():
            stays = min(order[OWN_LOTS], lots - kept) if order[OWN_PRICE] == price else 0
            if stays < order[OWN_LOTS]:
                self.market.cancel(order[OWN_NUMBER], 0 if stays == 0 else order[OWN_LOTS] - stays)
            kept += stays
        self._placed = kept > 0
        return kept

    def _liquidate(self) -> None:
        self._run_to(self._arrival_ns + self.task.episode_ns)
        self._keep(0, 0)
        if self._account.remaining_lots:
            self.market.take(self._side, self._account.remaining_lots)
            self._collect()

    def _collect(self) -> None:
        self._account.book(self.market.fills(), self._mid)

    def _look(self) -> None:
        self._view: list[float] = self.market.view().tolist()
        bid, ask = self._view[BID_PX], self._view[ASK_PX]
        if bid > 0 and ask > 0:
            self._mid = (bid + ask) / 2

    def _resting_price(self, offset: int) -> int:
        """Price in ticks ``offset`` increments inside the own best, at most one increment short of the opposite best.

        Where nobody stands on the own side it is counted from there; 0 where nobody stands at all.
        """
        step = self.market.increment_ticks
        bid, ask = int(self._view[BID_PX]), int(self._view[ASK_PX])
        own, opposite, inside = (bid, ask, step) if self._side == BUY else (ask, bid, -step)
        if not own:
            own = opposite - inside if opposite else 0
        room = (opposite - own) // inside - 1 if opposite else offset
        return own + inside * min(offset, max(0, room)) if own else 0

    def _where(self) -> Situation:
        resting, price, ahead = 0, 0, 0
        if self._placed and self._account.remaining_lots:
            orders = self.market.own_orders().tolist()
            if orders:
                first = min(orders, key=lambda order: order[OWN_NUMBER])
                resting, price = sum(order[OWN_LOTS] for order in orders), first[OWN_PRICE]
                ahead = first[OWN_AHEAD]
            self._placed = bool(orders)
        elapsed = (self.market.now_ns - self._arrival_ns) / self.task.horizon_ns
        return Situation(
            self._side,
            min(1.0, elapsed),
            self._account.remaining_lots,
            self.task.decisions - self._decision,
            self._mid,
            self._arrival_mid,
            self.market.increment_ticks,
            resting,
            price,
            ahead,
        )

    def _info(self) -> dict[str, Any]:
        view, now = self._view, self._situation
        return {
            "side": self._side,
            "parent_lots": self.task.parent_lots,
            "remaining_lots": now.remaining_lots,
            "decisions_left": now.decisions_left,
            "elapsed_share": now.elapsed_share,
            "arrival_mid_ticks": self._arrival_mid,
            "mid_ticks": self._mid,
            "spread_ticks": self._spread(),
            "increment_ticks": now.increment_ticks,
            "bid_px": int(view[BID_PX]),
            "ask_px": int(view[ASK_PX]),
            "now_ns": self.market.now_ns,
            "symbol": self.symbol,
            "bid_lots": int(view[BID_SZ]),
            "ask_lots": int(view[ASK_SZ]),
            "traded_lots_60s": int(view[VOLUME_60S]),
            "met_mid_ticks": self._met[0],
            "met_spread_ticks": self._met[1],
        }

    def _spread(self) -> float:
        """Ask less bid, ticks; 0 where a side is empty."""
        bid, ask = self._view[BID_PX], self._view[ASK_PX]
        return ask - bid if bid and ask else 0.0

    def _result(self) -> dict[str, Any]:
        account = self._account
        return {
            "is_bps": account.is_bps,
            "spread_bps": account.spread_bps,
            "timing_bps": account.timing_bps,
            "fees_bps": account.fees_bps,
            "completion": account.filled_lots / self.task.parent_lots,
            "maker_share": account.maker_share,
            "fills": account.fills(),
            "inventory_path": self._path.copy(),
            "arrival_ns": self._arrival_ns,
        }
