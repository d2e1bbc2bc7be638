"""How the kernels of the book and the markets are compiled, beyond what feeds/kernels/options.py says of all kernels.

A book is a tuple of twenty arrays: counting references to each of them at every call would cost ten times what the
calls do, and passing them to a function takes longer than what most of these functions do.

Here: options of numba's ``njit``. Not here: where compiled kernels are cached (feeds/kernel_cache.py).
"""

from __future__ import annotations

from typing import Any

from feeds.kernels.options import ENTRY, INNER, MERGED

__all__ = ["CALLED", "ENTRY", "HOT", "INNER", "MERGED"]

#: Called from Python too, and inlined where kernels call it: short kernels on the way of every step.
HOT: dict[str, Any] = {**ENTRY, "forceinline": True}
#: As `INNER`, not inlined: kernels too large, or called from too many places, whose copies take long to compile.
CALLED: dict[str, Any] = {**ENTRY, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
