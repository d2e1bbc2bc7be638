"""A market of closed form: linear temporary impact on a Gaussian mid, as an execution environment.

The world of Almgren & Chriss (2000) without permanent impact: ``lots`` traded at a decision pay the mid and
``IMPACT_BPS`` times the share of the parent order that they are. TWAP is the cheapest schedule on average, at
``IMPACT_BPS / DECISIONS``. Resting lots never fill. Observations: elapsed share, share left, drift.
"""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box, Discrete

DECISIONS = 5
PARENT_LOTS = 1000
IMPACT_BPS = 50.0
POSTED_LOTS = 300
ARRIVAL_TICKS = 100_000.0
#: What an action takes, in multiples of an even split of what is left.
MULTIPLES = (0.0, 0.5, 1.0, 1.5, 2.5)
OBSERVATIONS = ("elapsed_share", "inventory_share", "drift_bps")


class LinearImpactEnv:
    """See the module docstring; ``mid_sd_bps`` is the deviation of the mid's move in a decision interval."""

    action_space = Discrete(len(MULTIPLES))
    observation_space = Box(-np.inf, np.inf, (len(OBSERVATIONS),), np.float32)

    def __init__(self, mid_sd_bps=1.0, symbol="LINEAR.TEST"):
        self.mid_sd_bps, self.symbol = mid_sd_bps, symbol

    def reset(self, *, seed=None, options=None):
        random = np.random.default_rng(seed)
        self.side = (options or {}).get("side", int(random.integers(2)))
        self.moves = np.cumsum(random.normal(0.0, self.mid_sd_bps, DECISIONS))
        self.arrival_ns = int(random.integers(1, 10**6)) * 1_000_000_000
        self.left, self.done, self.drift = PARENT_LOTS, 0, 0.0
        self.path, self.spread, self.timing = [1.0], 0.0, 0.0
        self.fills = []
        self.met = self._mid()
        return self._state(), self._info()

    def step(self, action):
        even = self.left / (DECISIONS - self.done)
        return self.execute((min(self.left, int(np.ceil(MULTIPLES[action] * even))), 0, 0))

    def execute(self, instruction):
        wanted, _, _ = instruction
        assert wanted >= 0
        # one trade: in two, the last decision would pay less than its lots cost
        last = self.done == DECISIONS - 1
        self.met = self._mid()
        reward = self._trade(self.left if last else min(int(wanted), self.left))
        self.path.append(self.left / PARENT_LOTS)
        self.drift = float(self.moves[self.done])
        self.done += 1
        ended = self.done == DECISIONS
        return self._state(), reward, ended, False, self._info() | (self._end() if ended else {})

    def _trade(self, lots):
        share, sign = lots / PARENT_LOTS, 1.0 if self.side == 0 else -1.0
        spread, timing = IMPACT_BPS * share**2, sign * self.drift * share
        price = self._mid() * (1.0 + sign * IMPACT_BPS * share / 1e4)
        self.fills += [(self.arrival_ns + self.done, price, lots, 0)] if lots else []
        self.left -= lots
        self.spread += spread
        self.timing += timing
        return -(spread + timing)

    def _state(self):
        sign = 1.0 if self.side == 0 else -1.0
        return np.array([self.done / DECISIONS, self.left / PARENT_LOTS, sign * self.drift], dtype=np.float32)

    def _mid(self):
        return ARRIVAL_TICKS * (1.0 + self.drift / 1e4)

    def _info(self):
        mid = self._mid()
        return {
            "side": self.side,
            "parent_lots": PARENT_LOTS,
            "remaining_lots": self.left,
            "decisions_left": DECISIONS - self.done,
            "elapsed_share": self.done / DECISIONS,
            "arrival_mid_ticks": ARRIVAL_TICKS,
            "mid_ticks": mid,
            "spread_ticks": 2.0,
            "increment_ticks": 1,
            "bid_px": mid - 1.0,
            "ask_px": mid + 1.0,
            "now_ns": self.arrival_ns + self.done,
            "symbol": self.symbol,
            "bid_lots": POSTED_LOTS,
            "ask_lots": POSTED_LOTS,
            "traded_lots_60s": POSTED_LOTS,
            "met_mid_ticks": self.met,
            "met_spread_ticks": 0.0,
        }

    def _end(self):
        return {
            "is_bps": self.spread + self.timing,
            "spread_bps": self.spread,
            "timing_bps": self.timing,
            "fees_bps": 0.0,
            "completion": 1.0,
            "maker_share": 0.0,
            "inventory_path": np.asarray(self.path),
            "arrival_ns": self.arrival_ns,
            "fills": np.array(self.fills).reshape(-1, 4),
        }
