"""What the market would have done without the order, and the shortfall split by it.

The same episode is played once with nothing ordered until its end: the mids of that run are those without us. Fill by
fill, with s = 1 for buying and -1 for selling, M the mid at which the instruction met the market, M' the mid without
us at the same moment, A the mid at arrival, Q the best opposite quote at M:

    s (p - A) = s (p - M) + s (M - M') + s (M' - A)
    s (p - M) = s (Q - M) + s (p - Q)        for what was taken

- ``quoted_bps``: half the quoted spread on what was taken, and what resting fills earned or paid against the mid.
- ``walk_bps``: depth walked, past the best quote.
- ``shift_bps``: what own earlier trading had moved the mid by. ``impact_bps`` = walk + shift.
- ``drift_bps``: the market's own move since arrival: timing, with mean near 0 and most of the risk.

``quoted + impact + drift + fees = is``, exactly. On a tape that does not react shift is 0 but for own orders' part in
the mid. In a simulated flow the two runs part after the first trade, so that a single order's shift is mostly noise and
its mean over orders is the impact. A resting fill between a decision and its instruction's arrival is held against the
mid without us at that arrival: a latency later than it was.

Here: the run without us, the split. Not here: playing policies (evaluation.py), fills held against mids
(sim/execution_account.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.execution.protocol import ExecutionEnvLike, Info

Floats = npt.NDArray[np.float64]
#: Names of the split, in the order of the module docstring.
SPLIT = ("quoted_bps", "walk_bps", "shift_bps", "impact_bps", "drift_bps")
_BPS = 1e4


@dataclass(frozen=True)
class NoOrderRun:
    """An episode in which nothing was ordered until its end.

    Attributes:
        now_ns: (D,) int64, moments of the decisions.
        mid: (D,) mids at the decisions, ticks.
        quote: (D,) best opposite quote at the decisions, ticks.
        posted: (D,) lots displayed there.
        met_mid: (D + 1,) mids at which instructions would have met the market, the last at the end of the episode.
        end_ns: That end.
        end_spread: Spread then, ticks.
        arrival_mid: Ticks.
        side: 0 buys, 1 sells.
        parent_lots: Size of the order.
        increment_ticks: Step between quotes.
    """

    now_ns: npt.NDArray[np.int64]
    mid: Floats
    quote: Floats
    posted: Floats
    met_mid: Floats
    end_ns: int
    end_spread: float
    arrival_mid: float
    side: int
    parent_lots: int
    increment_ticks: int

    def step_of(self, stamps: npt.NDArray[np.int64], maker: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """The decision behind each fill (m,); D for what was taken at the end of the episode.

        A resting fill at the very moment of a decision still belongs to the one before.
        """
        taken = np.searchsorted(self.now_ns, stamps, side="right") - 1
        rested = np.searchsorted(self.now_ns, stamps, side="left") - 1
        steps = np.where(maker, np.maximum(rested, 0), taken)
        return np.where(~maker & (stamps >= self.end_ns), len(self.now_ns), steps)


def no_order_run(env: ExecutionEnvLike, seed: int, side: int) -> NoOrderRun:
    """Play the episode that ``seed`` and ``side`` choose without an order until its end.

    Args:
        env: Its reset must depend on seed and options only.
        seed: Of the episode.
        side: 0 buys, 1 sells.
    """
    _, info = env.reset(seed=seed, options={"side": side})
    infos: list[Info] = [info]
    ended = False
    while not ended:
        _, _, terminated, truncated, info = env.execute((0, 0, 0))
        infos.append(info)
        ended = terminated or truncated
    decisions, quote, posted = infos[:-1], *(("ask_px", "ask_lots") if side == 0 else ("bid_px", "bid_lots"))
    return NoOrderRun(
        now_ns=np.array([one["now_ns"] for one in decisions], dtype=np.int64),
        mid=_column(decisions, "mid_ticks"),
        quote=_column(decisions, quote),
        posted=_column(decisions, posted),
        met_mid=np.append(_column(infos[1:], "met_mid_ticks"), float(info["mid_ticks"])),
        end_ns=int(info["now_ns"]),
        end_spread=float(info["spread_ticks"]),
        arrival_mid=float(info["arrival_mid_ticks"]),
        side=side,
        parent_lots=int(info["parent_lots"]),
        increment_ticks=int(info["increment_ticks"]),
    )


def split_shortfall(without: NoOrderRun, steps: Sequence[Info]) -> dict[str, float]:
    """The shortfall of a finished order by `SPLIT`, bps; fees are the environment's.

    Args:
        without: The same episode without the order.
        steps: Info after every step of the order, the last that of its end.
    """
    last, sign = steps[-1], 1.0 if without.side == 0 else -1.0
    unit = sign * _BPS / (without.arrival_mid * without.parent_lots)
    fills = np.asarray(last["fills"], dtype=np.float64).reshape(-1, 4)
    stamps, lots, maker = np.asarray(last["fills"]).reshape(-1, 4)[:, 0].astype(np.int64), fills[:, 2], fills[:, 3] > 0
    step = without.step_of(stamps, maker)
    quote = _met(without, steps, "met_mid_ticks", "mid_ticks") + sign * 0.5 * _met(
        without, steps, "met_spread_ticks", "spread_ticks"
    )
    walk = unit * float((lots * (fills[:, 1] - quote[step]) * ~maker).sum())
    unfilled = without.parent_lots - float(lots.sum())
    drift = unit * float((lots * (without.met_mid[step] - without.arrival_mid)).sum())
    drift += unit * unfilled * (float(without.met_mid[-1]) - without.arrival_mid)
    shift = float(last["timing_bps"]) - drift
    return dict(zip(SPLIT, (float(last["spread_bps"]) - walk, walk, shift, walk + shift, drift), strict=True))


def _met(without: NoOrderRun, steps: Sequence[Info], met: str, end: str) -> Floats:
    """(D + 1,) what each instruction met, the last what was there at the end."""
    values = np.full(len(without.now_ns) + 1, float(steps[-1][end]))
    values[: len(steps)] = _column(steps, met)
    return values


def _column(infos: Sequence[Info], name: str) -> Floats:
    return np.array([float(info[name]) for info in infos])
