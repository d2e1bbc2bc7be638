"""How kernels that call other kernels are compiled.

Without reference counts: counting references to every array at every call costs more than most of these functions do;
the arrays live as long as the Python objects that hold them, so a kernel that neither allocates nor returns an array
needs no counts. Inlined, without wrappers: a kernel that only kernels call needs no entry from Python.

Here: options of numba's ``njit``. Not here: where compiled kernels are cached (feeds/kernel_cache.py).
"""

from __future__ import annotations

from typing import Any

#: A kernel called from Python that neither allocates nor returns an array.
ENTRY: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
#: The same, called from kernels alone.
INNER: dict[str, Any] = {**ENTRY, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
#: A kernel that becomes part of its callers before they are compiled: whatever a kernel calls is optimised again with
#: it, so that each level of calls costs the compilation of all that is below. For kernels with one caller.
MERGED: dict[str, Any] = {**ENTRY, "inline": "always"}
