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
from numba.extending import overload

from sim.market import Market

_KERNELS: dict[type, dict[str, Callable[..., Any]]] = {}
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


def register(own: type, **kernels: Callable[..., Any]) -> None:
    """Say which kernels serve markets whose state is an ``own``: one for every name of this module."""
    assert set(kernels) == set(_NAMES), f"a market has the kernels {_NAMES}"
    _KERNELS[own] = kernels


def _kernel(own: Any, name: str) -> Callable[..., Any] | None:
    known = isinstance(own, types.NamedTuple) and own.instance_class in _KERNELS
    return _KERNELS[own.instance_class][name] if known else None


def start(shared: Any, own: Any, opening: np.ndarray) -> None:
    """Go to the start that ``opening`` (k,) int64 says, without own orders and fills."""
    raise NotImplementedError


def advance(shared: Any, own: Any, until_ns: int) -> bool:
    """Run to ``until_ns``; False where own fills have to be read before it can go on."""
    raise NotImplementedError


def take(shared: Any, own: Any, side: int, lots: int) -> int:
    """Lots filled. Own fills were read before, so that there is room for those of one take."""
    raise NotImplementedError


def place(shared: Any, own: Any, side: int, price: int, lots: int) -> int:
    """Number of the order, -1 where it does not rest."""
    raise NotImplementedError


def cancel(shared: Any, own: Any, number: int, lots: int) -> int:
    """Lots cancelled; all of them for 0 ``lots``."""
    raise NotImplementedError


def own_into(shared: Any, own: Any, out: np.ndarray) -> int:
    """Write resting own orders to ``out`` (m, 5) int64, oldest first; their number."""
    raise NotImplementedError


def fills_into(shared: Any, own: Any, out: np.ndarray) -> int:
    """Move the oldest own fills to ``out`` (4096, 4) int64; their number, -1 where some were lost."""
    raise NotImplementedError


def quotes_into(shared: Any, own: Any, view: np.ndarray) -> None:
    """Write only the best prices of `view_into` to ``view``; its other places may be left or written."""
    raise NotImplementedError


def view_into(shared: Any, own: Any, view: np.ndarray) -> None:
    """Write the view to ``view`` (`VIEW`,) float64."""
    raise NotImplementedError


def depths_into(shared: Any, own: Any, out: np.ndarray) -> None:
    """Write displayed lots on the 1, 2, .. `DEPTHS` best levels to ``out`` (2, `DEPTHS`) float64."""
    raise NotImplementedError


def now_ns(shared: Any, own: Any) -> int:
    """The present moment, ns UTC."""
    raise NotImplementedError


@overload(start, strict=False, inline="always")
def _start(shared: Any, own: Any, opening: Any) -> Any:
    kernel = _kernel(own, "start")
    return kernel and (lambda shared, own, opening: kernel(shared, own, opening))


@overload(advance, strict=False, inline="always")
def _advance(shared: Any, own: Any, until_ns: Any) -> Any:
    kernel = _kernel(own, "advance")
    return kernel and (lambda shared, own, until_ns: kernel(shared, own, until_ns))


@overload(take, strict=False, inline="always")
def _take(shared: Any, own: Any, side: Any, lots: Any) -> Any:
    kernel = _kernel(own, "take")
    return kernel and (lambda shared, own, side, lots: kernel(shared, own, side, lots))


@overload(place, strict=False, inline="always")
def _place(shared: Any, own: Any, side: Any, price: Any, lots: Any) -> Any:
    kernel = _kernel(own, "place")
    return kernel and (lambda shared, own, side, price, lots: kernel(shared, own, side, price, lots))


@overload(cancel, strict=False, inline="always")
def _cancel(shared: Any, own: Any, number: Any, lots: Any) -> Any:
    kernel = _kernel(own, "cancel")
    return kernel and (lambda shared, own, number, lots: kernel(shared, own, number, lots))


@overload(own_into, strict=False, inline="always")
def _own_into(shared: Any, own: Any, out: Any) -> Any:
    kernel = _kernel(own, "own_into")
    return kernel and (lambda shared, own, out: kernel(shared, own, out))


@overload(fills_into, strict=False, inline="always")
def _fills_into(shared: Any, own: Any, out: Any) -> Any:
    kernel = _kernel(own, "fills_into")
    return kernel and (lambda shared, own, out: kernel(shared, own, out))


@overload(quotes_into, strict=False, inline="always")
def _quotes_into(shared: Any, own: Any, view: Any) -> Any:
    kernel = _kernel(own, "quotes_into")
    return kernel and (lambda shared, own, view: kernel(shared, own, view))


@overload(view_into, strict=False, inline="always")
def _view_into(shared: Any, own: Any, view: Any) -> Any:
    kernel = _kernel(own, "view_into")
    return kernel and (lambda shared, own, view: kernel(shared, own, view))


@overload(depths_into, strict=False, inline="always")
def _depths_into(shared: Any, own: Any, out: Any) -> Any:
    kernel = _kernel(own, "depths_into")
    return kernel and (lambda shared, own, out: kernel(shared, own, out))


@overload(now_ns, strict=False, inline="always")
def _now_ns(shared: Any, own: Any) -> Any:
    kernel = _kernel(own, "now_ns")
    return kernel and (lambda shared, own: kernel(shared, own))
