"""Tabular Q-learning of Nevmyvaka, Feng & Kearns (2006).

"Reinforcement learning for optimized trade execution", ICML 23. State: decision, inventory left in a few levels, and a
few market variables cut into thirds. Action: where the limit order for all that is left stands until the next decision;
the last two cross: they take what the opposite best displays, or an even slice however deep, and rest the rest at the
own best. The table is filled backwards in time, so that when a decision's costs are averaged, the values of the
decisions after it are final (their algorithm, section 3):

    c(t, i, o, a) = mean over visits of [ cost of the step + min over a' of c(t + 1, i', o', a') ]

Three things differ. Visits come from orders that were played with random actions, then from rounds that mostly follow
the table so far, because inventories cannot be set in a market that reacts. Costs of a step are the environment's plus
the mid's move on the lots left, a potential that leaves the best policy as it is, less the part of that move that
neither state nor action foretells (move_noise.py): averages over hundreds of orders would be lost in it. And rare
states borrow: a state's mean is shrunk towards that of all market states at its time and inventory.

Here: the table, its learning, the policy. Not here: the tilt of a schedule, which learns the same way
(hendricks_wilcox.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from feeds.errors import LakeError, SchemaError, StudyError
from models.execution.move_noise import MoveNoise, Steps
from models.execution.participation import posted_lots
from models.execution.protocol import ExecutionEnvLike, Info, Instruction, MakeEnv, Observation
from models.execution.shaping import drift_bps, remaining_share

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
#: Number of an action and the info of the decision -> the instruction.
Meaning = Callable[[int, Info], Instruction]

_FORMAT = "tabular q, 1"
#: Visits at which a state's own mean weighs as much as that of all market states at its time and inventory.
BORROWED = 20.0


@dataclass(frozen=True)
class QConfig:
    """How a table is learned.

    Attributes:
        variables: Observations in the state, by name.
        bins: Cells of each, equally many training decisions in each.
        inventories: Levels of the inventory left.
        episodes: Orders played in all.
        rounds: The first plays at random; each later one explores with half the rate of the one before.
        seed: Of orders and exploration.

    Raises:
        StudyError: A number is below 1.
    """

    variables: tuple[str, ...] = ("spread_increments", "imbalance")
    bins: int = 3
    inventories: int = 8
    episodes: int = 400
    rounds: int = 4
    seed: int = 1

    def __post_init__(self) -> None:
        if min(self.bins, self.inventories, self.episodes, self.rounds) < 1:
            raise StudyError("tabular learning", received=f"{self}", expected="numbers of at least 1")


class Visits(NamedTuple):
    """Steps of many orders.

    Attributes:
        time: (n,) int64, number of the decision.
        inventory: (n,) int64, level before.
        variables: (n, v) market variables at the decision.
        action: (n,) int64.
        cost: (n,) cost of the step with the mid's move on the lots left, bps of the order.
        following: (n,) int64, row of the next decision of the same order; -1: the order ended.
    """

    time: Ints
    inventory: Ints
    variables: Floats
    action: Ints
    cost: Floats
    following: Ints


@dataclass(frozen=True)
class QTable:
    """A learned table.

    Attributes:
        edges: (v, bins - 1) between the cells of each market variable.
        costs: (D, inventories, cells, actions) expected cost to the end, bps; infinite where an action was never
            tried at that time and inventory.
        counts: The same shape, visits.
    """

    edges: Floats
    costs: Floats
    counts: Ints

    def cell(self, variables: Floats) -> Ints:
        """Number of the market state of each row of (n, v) variables, shape (n,)."""
        base = self.edges.shape[1] + 1
        found = np.zeros(len(variables), dtype=np.int64)
        for edges, values in zip(self.edges, variables.T, strict=True):
            found = found * base + np.searchsorted(edges, values, side="right")
        return found

    def act(self, time: int, inventory: int, variables: Floats) -> int:
        """The cheapest action; the first of equals."""
        return int(np.argmin(self.costs[time, inventory, self.cell(variables[None, :])[0]]))


def inventory_level(info: Info, inventories: int) -> int:
    """Level 0 .. inventories - 1 of the lots left, full levels rounded up."""
    return max(0, -(-int(info["remaining_lots"]) * inventories // int(info["parent_lots"])) - 1)


def fill_table(visits: Visits, decisions: int, actions: int, config: QConfig) -> QTable:
    """The backward pass over all visits; see the module docstring."""
    quantiles = np.linspace(0.0, 1.0, config.bins + 1)[1:-1]
    edges = np.quantile(visits.variables, quantiles, axis=0).T.reshape(visits.variables.shape[1], config.bins - 1)
    cells = config.bins ** visits.variables.shape[1]
    shape = (decisions, config.inventories, cells, actions)
    table = QTable(edges, np.full(shape, np.inf), np.zeros(shape, dtype=np.int64))
    cell, value = table.cell(visits.variables), np.zeros(len(visits.time))
    for time in range(decisions - 1, -1, -1):
        rows = np.flatnonzero(visits.time == time)
        after = visits.following[rows]
        to_end = visits.cost[rows] + np.where(after >= 0, value[after], 0.0)
        place = np.ravel_multi_index((visits.inventory[rows], cell[rows], visits.action[rows]), shape[1:])
        table.counts[time] = np.bincount(place, minlength=int(np.prod(shape[1:]))).reshape(shape[1:])
        sums = np.bincount(place, weights=to_end, minlength=int(np.prod(shape[1:]))).reshape(shape[1:])
        table.costs[time] = _shrunk(sums, table.counts[time])
        value[rows] = table.costs[time].min(axis=2)[visits.inventory[rows], cell[rows]]
    return table


def _shrunk(sums: Floats, counts: Ints) -> Floats:
    """Means (inventories, cells, actions), those of rare cells drawn to the mean over cells."""
    seen = counts.sum(axis=1, keepdims=True)
    over_cells = np.divide(sums.sum(axis=1, keepdims=True), seen, out=np.full(seen.shape, np.inf), where=seen > 0)
    return np.where(seen > 0, (sums + BORROWED * np.where(seen > 0, over_cells, 0.0)) / (counts + BORROWED), np.inf)


def learn_table(make_env: MakeEnv, meaning: Meaning, actions: int, names: Sequence[str], config: QConfig) -> QTable:
    """Play, fill, play more by what was learned, fill again; the same arguments give the same table.

    Args:
        make_env: Called once, with 0; a market of before the orders that are judged.
        meaning: What the actions ask for.
        actions: How many there are.
        names: The observations, in order.
        config: How.

    Raises:
        SchemaError: A variable of the configuration is no observation.
    """
    columns = columns_of(names, config.variables)
    env, random = make_env(0), np.random.default_rng(config.seed)
    rows: list[tuple[Any, ...]] = []
    table, decisions = None, 0
    edges = [config.episodes * number // config.rounds for number in range(config.rounds + 1)]
    for number, (first, last) in enumerate(pairwise(edges)):
        for _ in range(first, last):
            seed, draws = int(random.integers(2**31)), np.random.default_rng(int(random.integers(2**31)))
            explores = 0.5**number if table is not None else 1.0
            decisions = max(
                decisions, _play(env, seed, meaning, _Chooser(table, actions, explores, draws), columns, rows, config)
            )
        table = fill_table(_visits(rows, columns, actions), decisions, actions, config)
    assert table is not None, "there is at least one round"
    return table


def columns_of(names: Sequence[str], variables: Sequence[str]) -> list[int]:
    """Places of ``variables`` among the observations ``names``.

    Raises:
        SchemaError: One is missing.
    """
    missing = [name for name in variables if name not in names]
    if missing:
        raise SchemaError("tabular learning", received=f"observations {list(names)}", expected=f"{missing} among them")
    return [list(names).index(name) for name in variables]


class _Chooser:
    """Chance, or the table so far."""

    def __init__(self, table: QTable | None, actions: int, explores: float, random: np.random.Generator) -> None:
        self.table, self.actions, self.explores, self.random = table, actions, explores, random
        # an order keeps to one action for a while: chance anew at each decision never sees what leaving does
        self.kept = int(random.integers(actions))

    def __call__(self, time: int, inventory: int, variables: Floats) -> int:
        if self.table is None or self.random.random() < self.explores:
            if self.random.random() < 0.5:
                self.kept = int(self.random.integers(self.actions))
            return self.kept
        return self.table.act(time, inventory, variables)


def _play(
    env: ExecutionEnvLike,
    seed: int,
    meaning: Meaning,
    choose: _Chooser,
    columns: Sequence[int],
    rows: list[tuple[Any, ...]],
    config: QConfig,
) -> int:
    """One order; its steps are appended to ``rows``. Returns the decisions it had at arrival."""
    observation, info = env.reset(seed=seed)
    decisions, ended = int(info["decisions_left"]), False
    while not ended:
        time, variables = decisions - int(info["decisions_left"]), observation[columns].astype(np.float64)
        inventory = inventory_level(info, config.inventories)
        action = choose(time, inventory, variables)
        before, share = drift_bps(info), remaining_share(info)
        state = observation
        observation, reward, terminated, truncated, info = env.execute(meaning(action, info))
        ended = terminated or truncated
        drift = drift_bps(info)
        cost = -float(reward) + (0.0 if ended else drift * remaining_share(info)) - before * share
        rows.append((time, inventory, action, cost, -1 if ended else len(rows) + 1, share, drift - before, *state))
    return decisions


def _visits(rows: Sequence[tuple[Any, ...]], columns: Sequence[int], actions: int) -> Visits:
    made = np.array(rows, dtype=np.float64)
    time, inventory, action, following = (made[:, place].astype(np.int64) for place in (0, 1, 2, 4))
    states = made[:, 7:]
    deviation = states.std(axis=0)
    scaled = (states - states.mean(axis=0)) / np.where(deviation > 1e-9, deviation, 1.0)
    steps = Steps(scaled.astype(np.float32), action, made[:, 5].astype(np.float32), made[:, 6].astype(np.float32))
    noise = MoveNoise(actions)
    noise.fit(steps, (-made[:, 3]).astype(np.float32))
    return Visits(time, inventory, states[:, columns], action, made[:, 3] + noise.of(steps), following)


#: Where the order stands by action, increments from the own best; two more actions cross.
OFFSETS = (-2, -1, 0, 1)
_CROSSING = 2


def limit_order(offsets: Sequence[int] = OFFSETS) -> Meaning:
    """The actions of Nevmyvaka et al.; see the module docstring."""

    def meaning(action: int, info: Info) -> Instruction:
        left = int(info["remaining_lots"])
        if action < len(offsets):
            return 0, left, offsets[action]
        even = -(-left // max(1, int(info["decisions_left"])))
        taken = min(left, posted_lots(info) if action == len(offsets) else even)
        return taken, left - taken, 0

    return meaning


@dataclass
class TabularQ:
    """Acts by a table.

    Attributes:
        table: Learned.
        config: It was learned with.
        offsets: As `OFFSETS`.
        columns: Places of the market variables among the observations.
        name: In tables and plots.
    """

    table: QTable
    config: QConfig
    columns: Sequence[int]
    offsets: tuple[int, ...] = OFFSETS
    name: str = "tabular_q"
    training_seed: None = None
    decisions: int = field(default=0, repr=False)

    def begin(self, info: Info, seed: int) -> None:
        """Count decisions from here."""
        self.decisions = int(info["decisions_left"])

    def instruction(self, observation: Observation, info: Info) -> Instruction:
        """What is cheapest by the table; an order of fewer decisions than trained starts later in it."""
        time = max(0, self.table.costs.shape[0] - int(info["decisions_left"]))
        variables = observation[list(self.columns)].astype(np.float64)
        action = self.table.act(time, inventory_level(info, self.config.inventories), variables)
        return limit_order(self.offsets)(action, info)


def train_tabular_q(
    make_env: MakeEnv, names: Sequence[str], config: QConfig | None = None, offsets: tuple[int, ...] = OFFSETS
) -> TabularQ:
    """Learn the table of Nevmyvaka et al.; arguments as `learn_table`."""
    config = config or QConfig()
    table = learn_table(make_env, limit_order(offsets), len(offsets) + _CROSSING, names, config)
    return TabularQ(table, config, columns_of(names, config.variables), offsets)


def table_to_json(table: QTable, config: QConfig) -> str:
    """Table and settings; what was never tried is null."""
    costs = np.where(np.isfinite(table.costs), table.costs, np.nan)
    tree = {"edges": table.edges.tolist(), "counts": table.counts.tolist(), "config": asdict(config)}
    return json.dumps({"format": _FORMAT, "costs": _nulls(costs.tolist()), **tree})


def table_from_json(text: str) -> tuple[QTable, QConfig]:
    """What `table_to_json` wrote.

    Raises:
        LakeError: The text holds something else.
    """
    try:
        tree = json.loads(text)
        if tree["format"] != _FORMAT:
            raise ValueError(f"format {tree['format']}")
        config = QConfig(**{**tree["config"], "variables": tuple(tree["config"]["variables"])})
        costs = np.array(tree["costs"], dtype=np.float64)
        table = QTable(
            np.array(tree["edges"], dtype=np.float64).reshape(len(config.variables), config.bins - 1),
            np.where(np.isnan(costs), np.inf, costs),
            np.array(tree["counts"], dtype=np.int64),
        )
        return table, config
    except (KeyError, ValueError, TypeError) as error:
        raise LakeError("table of execution costs", received=repr(error), expected="text of table_to_json") from error


def _nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_nulls(part) for part in value]
    return None if value != value else value
