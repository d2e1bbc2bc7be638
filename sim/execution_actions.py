"""Continuous actions, and both kinds of action as instructions for many environments at once.

Here: `SliceActions`, spaces, the kernel that translates. Not here: the discrete grid (sim/execution_task.py), carrying
out (sim/env_kernel.py, sim/execution_env.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from numba import njit

from feeds.errors import StudyError
from sim.compile_options import ENTRY
from sim.execution_task import CROSS, ActionGrid, Instruction, offset_of

#: Columns of a translated grid: multiple of the even slice, 1 where it is taken, offset of what rests.
_SIZE, _TAKES, _OFFSET = 0, 1, 2


@dataclass(frozen=True)
class SliceActions:
    """Three numbers in [-1, 1]: how much to take, how much to rest, and where.

    With u = (a + 1) / 2 of each: ``take`` = u0 and ``rest`` = u1 times ``max_slices`` even slices (lots left /
    decisions left), rounded to whole lots, half upwards, and together at most what is left; the offset is the nearest
    whole number to ``low`` + u2 x (``high`` - ``low``), half upwards.

    Attributes:
        max_slices: Most that is taken, and that rests, in even slices.
        offsets: ``low`` and ``high``: increments from the best price of the own side, positive inside the spread.

    Raises:
        StudyError: No positive size, or the offsets are the wrong way round.
    """

    max_slices: float = 3.0
    offsets: tuple[int, int] = (-2, 1)

    def __post_init__(self) -> None:
        if not (0 < self.max_slices < math.inf) or self.offsets[0] > self.offsets[1]:
            raise StudyError("continuous actions", received=self, expected="a positive size, offsets in order")

    def instruction(self, action: Any, remaining_lots: int, decisions_left: int) -> Instruction:
        """What ``action`` (3,) means with so many lots and decisions left; values beyond [-1, 1] are cut."""
        take, rest, place = (0.5 * (min(1.0, max(-1.0, float(value))) + 1.0) for value in action)
        slice_lots = self.max_slices * remaining_lots / max(1, decisions_left)
        takes = min(remaining_lots, math.floor(take * slice_lots + 0.5))
        low, high = self.offsets
        rests = min(remaining_lots - takes, math.floor(rest * slice_lots + 0.5))
        return Instruction(takes, rests, math.floor(low + place * (high - low) + 0.5))


Actions = ActionGrid | SliceActions


def space_of(actions: Actions) -> gymnasium.Space[Any]:
    """``Discrete(n)`` of a grid, ``Box(-1, 1, (3,), float32)`` of continuous actions."""
    if isinstance(actions, ActionGrid):
        return gymnasium.spaces.Discrete(actions.n)
    return gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)


def grid_table(grid: ActionGrid) -> npt.NDArray[np.float64]:
    """(actions, 3): the grid as `grid_instructions` reads it."""
    rows = [
        (size, 1.0, 0.0) if style == CROSS else (size, 0.0, float(offset_of(style)))
        for size in grid.sizes
        for style in grid.styles
    ]
    return np.array([(0.0, 0.0, 0.0), *rows])


@njit(**ENTRY)
def grid_instructions(
    table: np.ndarray, actions: np.ndarray, remaining: np.ndarray, left: np.ndarray, out: np.ndarray
) -> None:
    """`ActionGrid.instruction` for many: (n,) actions, lots and decisions left to ``out`` (n, 3) int64."""
    for i in range(actions.shape[0]):
        row = table[actions[i]]
        # Exact for whole multiples, as in the grid itself.
        lots = min(remaining[i], -int(-row[_SIZE] * remaining[i] // max(1, left[i])))
        out[i, 0] = lots if row[_TAKES] > 0 else 0
        out[i, 1] = 0 if row[_TAKES] > 0 else lots
        out[i, 2] = int(row[_OFFSET])


@njit(**ENTRY)
def slice_instructions(
    bounds: np.ndarray, actions: np.ndarray, remaining: np.ndarray, left: np.ndarray, out: np.ndarray
) -> None:
    """`SliceActions.instruction` for many: (n, 3) actions to ``out`` (n, 3) int64; ``bounds``: most slices, offsets."""
    for i in range(actions.shape[0]):
        take = 0.5 * (min(1.0, max(-1.0, float(actions[i, 0]))) + 1.0)
        rest = 0.5 * (min(1.0, max(-1.0, float(actions[i, 1]))) + 1.0)
        place = 0.5 * (min(1.0, max(-1.0, float(actions[i, 2]))) + 1.0)
        slice_lots = bounds[0] * remaining[i] / max(1, left[i])
        takes = min(remaining[i], math.floor(take * slice_lots + 0.5))
        out[i, 0] = takes
        out[i, 1] = min(remaining[i] - takes, math.floor(rest * slice_lots + 0.5))
        out[i, 2] = math.floor(bounds[1] + place * (bounds[2] - bounds[1]) + 0.5)
