"""What an agent has learned, as maps of its greedy action, and which observations it leans on.

Here: the maps and the permutation measure. Not here: drawing (models/plots/execution.py), the states an agent visits
(evaluation.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from feeds.errors import SchemaError
from models.execution.greedy import ActsOnMany
from models.execution.protocol import Observation

Floats = npt.NDArray[np.float64]
#: Cells along an axis that is not made of decision times.
CELLS = 21
#: An observation that the two axes explain to this share follows them; the others stay at their medians.
DETERMINED = 0.98
_HEAT = {
    "panel": pl.String,
    "x": pl.Float64,
    "y": pl.Float64,
    "x_label": pl.String,
    "y_label": pl.String,
    "action": pl.Int64,
    "action_name": pl.String,
}


class Axis(NamedTuple):
    """One axis of a map.

    Attributes:
        observation: Its name.
        label: On the plot.
        discrete: Use the values that occur, at most `CELLS`, instead of an even grid over the inner 98 %.
    """

    observation: str
    label: str
    discrete: bool = False


#: Panel name -> its x and its y axis.
PANELS = {
    "inventory x time": (
        Axis("elapsed_share", "share of the horizon elapsed", discrete=True),
        Axis("inventory_share", "share of the order left"),
    ),
    "spread x imbalance": (
        Axis("imbalance", "queue imbalance (dimensionless)"),
        Axis("spread_increments", "spread (price increments)"),
    ),
}


def policy_map(
    policy: ActsOnMany,
    visited: Observation,
    names: Sequence[str],
    actions: Sequence[str],
    panels: Mapping[str, tuple[Axis, Axis]] = PANELS,
) -> pl.DataFrame:
    """Greedy action over two observations at a time, the others at their medians over the visited states.

    Observations that the two axes determine, such as a gap to a schedule, follow them instead. Cells without a visited
    state in or beside them are left out: there the network extrapolates.

    Args:
        policy: A trained agent.
        visited: (n, k) float32, as from `models.execution.evaluation.visited_states`; n at least 1.
        names: The k observations.
        actions: Names of the actions, in their order.
        panels: What to draw; panels with an unknown observation are left out.

    Returns:
        ``panel, x, y, x_label, y_label, action, action_name``.

    Raises:
        SchemaError: ``names`` and ``visited`` differ in length, or no state was visited.
    """
    if visited.ndim != 2 or visited.shape[0] == 0 or visited.shape[1] != len(names):
        received = f"states of shape {visited.shape} and {len(names)} names"
        raise SchemaError("map of the policy", received=received, expected="a name for every observation")
    parts = []
    for panel, axes in panels.items():
        if all(axis.observation in names for axis in axes):
            x, y, greedy = _greedy(policy, visited.astype(np.float64), [names.index(a.observation) for a in axes], axes)
            frame = pl.DataFrame({"x": x, "y": y, "action": greedy})
            labels = {"panel": panel, "x_label": axes[0].label, "y_label": axes[1].label}
            called = pl.Series("action_name", [actions[action] for action in greedy], dtype=pl.String)
            parts.append(frame.with_columns(called, **{name: pl.lit(text) for name, text in labels.items()}))
    if not parts:
        return pl.DataFrame(schema=_HEAT)
    return pl.concat(parts).select(pl.col(name).cast(kind) for name, kind in _HEAT.items())


def _greedy(
    policy: ActsOnMany, visited: Floats, places: Sequence[int], axes: Sequence[Axis]
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    first, second = (_grid(visited[:, place], axis.discrete) for place, axis in zip(places, axes, strict=True))
    x, y = (part.ravel() for part in np.meshgrid(first, second, indexing="ij"))
    near = _near(visited[:, places[0]], first)[:, None, :] & _near(visited[:, places[1]], second)[None, :, :]
    seen = near.any(axis=2).ravel()
    x, y = x[seen], y[seen]
    states = np.repeat(np.median(visited, axis=0)[None, :], x.size, axis=0)
    _let_follow(states, visited, places, np.stack([x, y], axis=1))
    states[:, places[0]], states[:, places[1]] = x, y
    return x, y, policy.act_batch(states.astype(np.float32))


def _grid(values: Floats, discrete: bool) -> Floats:
    found = np.unique(values)
    if discrete and found.size <= CELLS:
        return found
    low, high = np.quantile(values, [0.01, 0.99])
    return np.linspace(low, high, CELLS) if high > low else np.array([low])


def _near(values: Floats, grid: Floats) -> npt.NDArray[np.bool_]:
    """Whether each value lies within 1.5 cells of each grid point, shape (grid, values)."""
    step = float(np.min(np.diff(grid))) if grid.size > 1 else 1.0
    return np.abs(values[None, :] - grid[:, None]) <= 1.5 * step


def _let_follow(states: Floats, visited: Floats, places: Sequence[int], cells: Floats) -> None:
    """Set the observations that are linear in the axes to their value in each cell."""
    known = np.column_stack([np.ones(len(visited)), visited[:, places]])
    coefficients = np.linalg.lstsq(known, visited, rcond=None)[0]
    total, left = visited.var(axis=0), (visited - known @ coefficients).var(axis=0)
    follows = (total > 1e-12) & (left <= (1.0 - DETERMINED) * total)
    fitted = np.column_stack([np.ones(len(cells)), cells]) @ coefficients
    states[:, follows] = fitted[:, follows]


def action_importance(
    policy: ActsOnMany,
    visited: Observation,
    names: Sequence[str],
    groups: Mapping[str, Sequence[str]] | None = None,
    repeats: int = 5,
    seed: int = 0,
) -> pl.DataFrame:
    """Share of greedy actions that change when a group of observations is permuted over the visited states.

    Args:
        policy: A trained agent.
        visited: (n, k) float32.
        names: The k observations.
        groups: Group -> observations permuted together; None permutes each by itself.
        repeats: Permutations averaged.
        seed: Of the permutations.

    Returns:
        ``group, changed_share``, largest first.
    """
    before = policy.act_batch(visited)
    random = np.random.default_rng(seed)
    records = []
    for group, members in (groups or {name: [name] for name in names}).items():
        columns = [names.index(name) for name in members if name in names]
        changed = 0.0
        for _ in range(repeats):
            permuted = visited.copy()
            permuted[:, columns] = visited[random.permutation(len(visited))][:, columns]
            changed += float(np.mean(policy.act_batch(permuted) != before)) / repeats
        records.append((group, changed))
    schema = {"group": pl.String, "changed_share": pl.Float64}
    return pl.DataFrame(records, schema=schema, orient="row").sort("changed_share", "group", descending=[True, False])
