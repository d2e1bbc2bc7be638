"""Many states of one kind as one: every array of a named tuple with a leading axis, and a kernel that looks at one row.

A kernel that moves many markets needs them in one argument whose type does not depend on their number. A row of the
stack has the type of a single state, so the kernels of one market work on it as they are, and nothing is copied.

Here: `stack`, `as_stack`, `rows_of`, `row_of`, `bound`. Not here: the states (sim/flow_state.py and others).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import typeof, types
from numba.core import cgutils
from numba.core.typing import signature
from numba.extending import intrinsic


def stack(states: Sequence[Any]) -> Any:
    """Copies of ``states``, named tuples of C-contiguous arrays (nested ones too), with a new first axis each."""
    first = states[0]
    if isinstance(first, tuple):
        return type(first)(*(stack(parts) for parts in zip(*states, strict=True)))
    return np.stack(states)


def rows_of(stacked: Any, rows: slice) -> Any:
    """Views of some rows of a stack: a stack of the same type."""
    if isinstance(stacked, tuple):
        return type(stacked)(*(rows_of(part, rows) for part in stacked))
    return stacked[rows]


def as_stack(state: Any) -> Any:
    """A stack of one that shares its memory with ``state``."""
    return type(state)(*map(as_stack, state)) if isinstance(state, tuple) else state[None]


def _row_type(stacked: Any) -> Any:
    if isinstance(stacked, types.NamedTuple):
        return types.NamedTuple([_row_type(part) for part in stacked.types], stacked.instance_class)
    return stacked.copy(ndim=stacked.ndim - 1)


@intrinsic
def _row_of(typingctx: Any, stacked: Any, row: Any) -> Any:
    if not (isinstance(stacked, types.NamedTuple) and isinstance(row, types.Integer)):
        return None
    result = _row_type(stacked)

    def view(context: Any, builder: Any, kind: Any, value: Any, at: Any) -> Any:
        if isinstance(kind, types.NamedTuple):
            parts = zip(kind.types, cgutils.unpack_tuple(builder, value), strict=True)
            return context.make_tuple(
                builder, _row_type(kind), [view(context, builder, part, one, at) for part, one in parts]
            )
        getitem = context.get_function(operator.getitem, signature(_row_type(kind), kind, types.intp))
        return getitem(builder, (value, at))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        at = context.cast(builder, args[1], sig.args[1], types.intp)
        return view(context, builder, sig.args[0], args[0], at)

    return result(stacked, row), codegen


#: Row ``row`` of a stack, for kernels: views of its memory.
row_of: Any = _row_of


def bound(kernel: Any, arguments: tuple[Any, ...]) -> Any:
    """The compiled form of ``kernel`` for arguments of these types, without the look at their types at each call.

    For tens of arrays that look takes longer than a short kernel does. Arguments of other types must not be passed.
    """
    return kernel.compile(tuple(typeof(argument) for argument in arguments))
