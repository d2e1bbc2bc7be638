"""The protocol of sim/market.py for kernels: one set of names, whichever market stands behind them.

A market in compiled form is two named tuples of arrays: `shared`, which never changes and any number of markets read,
and `own`, the state of one. A kernel written against the names of this module is compiled once for each kind of market
that it is called with; the kind is the class of `own`. What each name does is said in sim/market.py, and
tests/conformance/test_market_kernels.py holds every kind against the market in Python.

A market offers its compiled form by a method ``compiled() -> CompiledMarket`` and calls `register` for its class of
state. Its kernels neither allocate nor return arrays.

Here: names, dispatch, `CompiledMarket`. Not here: any market, environments (sim/env_kernel.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from numba import types
from numba.core.typing import signature
from numba.extending import intrinsic

from sim.market import Market

_KERNELS: dict[type, tuple[dict[str, Callable[..., Any]], type | None]] = {}
_NAMES = (
    "start", "advance", "take", "place", "cancel", "own_into", "fills_into", "quotes_into", "view_into", "depths_into",
    "now_ns",
)  # fmt: skip


@dataclass(frozen=True)
class CompiledMarket:
    """A market as kernels see it.

    Attributes:
        shared: Named tuple of arrays that are only read.
        own: Named tuple of arrays: the state of the market that offers it. Both stay in step.
        new_own: Makes another state for the same ``shared``.
        opening: What `start` needs for a seed, (k,) int64; the same market as `Market.reset` of that seed.
        end_ns: The last moment that `advance` accepts, ns UTC.
    """

    shared: Any
    own: Any
    new_own: Callable[[], Any]
    opening: Callable[[int], npt.NDArray[np.int64]]
    end_ns: int


@runtime_checkable
class KernelMarket(Market, Protocol):
    """A market that has a compiled form."""

    def compiled(self) -> CompiledMarket:
        """This market for kernels."""


def register(own: type, together: type | None = None, **kernels: Callable[..., Any]) -> None:
    """Say which kernels serve markets whose state is an ``own``: one for every name of this module.

    Args:
        own: Class of the state.
        together: Named tuple of ``shared`` and ``own`` that the kernels take instead of the two.
        kernels: Name -> kernel, compiled as `sim.compile_options` says of those that only kernels call.
    """
    assert set(kernels) == set(_NAMES), f"a market has the kernels {_NAMES}"
    _KERNELS[own] = kernels, together


def _name(definition: Callable[..., Any]) -> Any:
    """A name for kernels; from Python it cannot be called."""
    return intrinsic(definition)


def _call(name: str, typing_context: Any, shared: Any, own: Any, rest: tuple[Any, ...]) -> Any:
    """The kernel of the market at hand as if the caller named it; None where there is none.

    An overload would compile a function around it, for every market, with all that it calls.
    """
    if not (isinstance(own, types.NamedTuple) and own.instance_class in _KERNELS):
        return None
    kernels, together = _KERNELS[own.instance_class]
    kernel: Any = types.Dispatcher(kernels[name])
    first = (shared, own) if together is None else (types.NamedTuple((shared, own), together),)
    inner: Any = kernel.get_call_type(typing_context, (*first, *rest), {})

    def code(context: Any, builder: Any, outer: Any, values: Any) -> Any:
        begun = values[:2] if together is None else [context.make_tuple(builder, first[0], values[:2])]
        told = zip(values[2:], outer.args[2:], inner.args[len(first) :], strict=True)
        given = [context.cast(builder, value, had, wanted) for value, had, wanted in told]
        called = context.get_function(kernel, inner)
        context.add_linking_libs(getattr(called, "libs", ()))
        return called(builder, (*begun, *given))

    return signature(inner.return_type, shared, own, *rest), code


@_name
def start(typing_context: Any, shared: Any, own: Any, opening: Any) -> Any:
    """Go to the start that ``opening`` (k,) int64 says, without own orders and fills."""
    return _call("start", typing_context, shared, own, (opening,))


@_name
def advance(typing_context: Any, shared: Any, own: Any, until_ns: Any) -> Any:
    """Run to ``until_ns``; False where own fills have to be read before it can go on."""
    return _call("advance", typing_context, shared, own, (until_ns,))


@_name
def take(typing_context: Any, shared: Any, own: Any, side: Any, lots: Any) -> Any:
    """Lots filled. Own fills were read before, so that there is room for those of one take."""
    return _call("take", typing_context, shared, own, (side, lots))


@_name
def place(typing_context: Any, shared: Any, own: Any, side: Any, price: Any, lots: Any) -> Any:
    """Number of the order, -1 where it does not rest."""
    return _call("place", typing_context, shared, own, (side, price, lots))


@_name
def cancel(typing_context: Any, shared: Any, own: Any, number: Any, lots: Any) -> Any:
    """Lots cancelled; all of them for 0 ``lots``."""
    return _call("cancel", typing_context, shared, own, (number, lots))


@_name
def own_into(typing_context: Any, shared: Any, own: Any, out: Any) -> Any:
    """Write resting own orders to ``out`` (m, 5) int64, oldest first; their number."""
    return _call("own_into", typing_context, shared, own, (out,))


@_name
def fills_into(typing_context: Any, shared: Any, own: Any, out: Any) -> Any:
    """Move the oldest own fills to ``out`` (4096, 4) int64; their number, -1 where some were lost."""
    return _call("fills_into", typing_context, shared, own, (out,))


@_name
def quotes_into(typing_context: Any, shared: Any, own: Any, view: Any) -> Any:
    """Write only the best prices of `view_into` to ``view``; its other places may be left or written."""
    return _call("quotes_into", typing_context, shared, own, (view,))


@_name
def view_into(typing_context: Any, shared: Any, own: Any, view: Any) -> Any:
    """Write the view to ``view`` (`VIEW`,) float64."""
    return _call("view_into", typing_context, shared, own, (view,))


@_name
def depths_into(typing_context: Any, shared: Any, own: Any, out: Any) -> Any:
    """Write displayed lots on the 1, 2, .. `DEPTHS` best levels to ``out`` (2, `DEPTHS`) float64."""
    return _call("depths_into", typing_context, shared, own, (out,))


@_name
def now_ns(typing_context: Any, shared: Any, own: Any) -> Any:
    """The present moment, ns UTC."""
    return _call("now_ns", typing_context, shared, own, ())
