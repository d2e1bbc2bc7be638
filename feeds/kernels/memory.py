"""Whole numbers at any address, for numba: one instruction each, in network or native byte order.

From an array of bytes a number of eight bytes costs eight loads with as many checks; and arrays handed from function to
function are counted, which costs more than what a decoder does with a message. Addresses are plain int64: the caller
vouches for them and keeps alive what they point into. Nothing is checked here.

Here: loads and stores. Not here: what is read or written with them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

#: As a name without a type: the decorated functions are called with one argument less than they are written with.
_intrinsic: Any = intrinsic
_WIDE = ir.IntType(64)


def _read(builder: Any, address: Any, bits: int, swap: bool) -> Any:
    value = builder.load(builder.inttoptr(address, ir.IntType(bits).as_pointer()), align=1)
    value = builder.bswap(value) if swap else value
    return value if bits == 64 else builder.zext(value, _WIDE)


def _write(context: Any, builder: Any, args: Any, bits: int) -> Any:
    address, value = args
    value = value if bits == 64 else builder.trunc(value, ir.IntType(bits))
    builder.store(value, builder.inttoptr(address, ir.IntType(bits).as_pointer()), align=1)
    return context.get_dummy_value()


@_intrinsic
def u8(typing_context: Any, address: Any) -> Any:
    """The byte at ``address`` as int64."""
    return types.int64(types.int64), lambda context, builder, _, args: _read(builder, args[0], 8, False)


@_intrinsic
def u16(typing_context: Any, address: Any) -> Any:
    """Two bytes in network order as int64."""
    return types.int64(types.int64), lambda context, builder, _, args: _read(builder, args[0], 16, True)


@_intrinsic
def u32(typing_context: Any, address: Any) -> Any:
    """Four bytes in network order as int64."""
    return types.int64(types.int64), lambda context, builder, _, args: _read(builder, args[0], 32, True)


@_intrinsic
def u64(typing_context: Any, address: Any) -> Any:
    """Eight bytes in network order as int64; numbers from 2**63 on come out negative."""
    return types.int64(types.int64), lambda context, builder, _, args: _read(builder, args[0], 64, True)


@_intrinsic
def word(typing_context: Any, address: Any) -> Any:
    """Eight bytes in native order as int64."""
    return types.int64(types.int64), lambda context, builder, _, args: _read(builder, args[0], 64, False)


@_intrinsic
def put8(typing_context: Any, address: Any, value: Any) -> Any:
    """Store the lowest byte of ``value``."""
    return types.void(types.int64, types.int64), lambda context, builder, _, args: _write(context, builder, args, 8)


@_intrinsic
def put16(typing_context: Any, address: Any, value: Any) -> Any:
    """Store the two lowest bytes of ``value`` in native order."""
    return types.void(types.int64, types.int64), lambda context, builder, _, args: _write(context, builder, args, 16)


@_intrinsic
def put32(typing_context: Any, address: Any, value: Any) -> Any:
    """Store the four lowest bytes of ``value`` in native order."""
    return types.void(types.int64, types.int64), lambda context, builder, _, args: _write(context, builder, args, 32)


@_intrinsic
def put64(typing_context: Any, address: Any, value: Any) -> Any:
    """Store ``value`` in native order."""
    return types.void(types.int64, types.int64), lambda context, builder, _, args: _write(context, builder, args, 64)
