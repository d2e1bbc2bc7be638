"""How the kernels of the book and the flow are compiled.

Without reference counts: a book is a tuple of twenty arrays, and numba counts references to each of them at every call,
which costs ten times what the calls do. Arrays live as long as the Python object that holds them, so nothing needs the
counts in a kernel that neither allocates nor returns an array. Without wrappers: a kernel that only kernels call needs
no entry from Python, whose compilation takes longer than the kernel's. Inlined: passing all these arrays to a function
takes longer than what most of these functions do.

Here: options of numba's ``njit``. Not here: where compiled kernels are cached (feeds/kernel_cache.py).
"""

from __future__ import annotations

from typing import Any

#: A kernel called from Python that neither allocates nor returns an array.
ENTRY: dict[str, Any] = {"cache": True, "_nrt": False}
#: The same, called from kernels alone.
INNER: dict[str, Any] = {**ENTRY, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
#: A kernel that only kernels call and that is too large, or called from too many places, to be inlined.
PART: dict[str, Any] = {**ENTRY, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: A kernel that becomes part of its only caller before either is compiled: whatever a kernel calls is optimised again
#: with it, so that each level of calls costs the compilation of all that is below.
MERGED: dict[str, Any] = {**ENTRY, "inline": "always"}
