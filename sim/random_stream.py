"""Random numbers by address, not by turn: the same place always holds the same number.

A number is the SplitMix64 hash (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014)
of seed, stream, number and draw. Two simulations with the same seed that differ in one order therefore keep all their
randomness, because whatever one of them skips or adds moves no other draw.

Here: the hash, uniforms, normals. Not here: what the streams mean (sim/flow_state.py).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_TO_UNIT = 2.0**-53

#: Draws one number of a stream can hold.
DRAWS = 64


@njit(cache=True)
def mix(value: np.uint64) -> np.uint64:
    """SplitMix64's finaliser: a bijection of 64 bits without visible structure."""
    value = (value ^ (value >> _30)) * _FIRST
    value = (value ^ (value >> _27)) * _SECOND
    return value ^ (value >> _31)


@njit(cache=True)
def stream_key(seed: int, stream: int) -> np.uint64:
    """The key of one stream of a seed, to be handed to `uniform`."""
    return mix(mix(np.uint64(seed) + _GOLDEN) + np.uint64(stream) * _GOLDEN)


@njit(cache=True)
def uniform(key: np.uint64, number: int, draw: int) -> float:
    """A number in (0, 1), never 0 or 1.

    Args:
        key: Of `stream_key`.
        number: What the number belongs to, e.g. an event; not negative.
        draw: Which of its draws, below `DRAWS`.
    """
    place = np.uint64(number) * np.uint64(DRAWS) + np.uint64(draw)
    bits = mix(key + (place + np.uint64(1)) * _GOLDEN) >> _11
    return (np.float64(bits) + 0.5) * _TO_UNIT


@njit(cache=True)
def exponential(key: np.uint64, number: int, draw: int) -> float:
    """A standard exponential."""
    return -math.log(uniform(key, number, draw))


@njit(cache=True)
def normal(key: np.uint64, number: int, draw: int) -> float:
    """A standard normal after Box and Muller; uses ``draw`` and the one after it."""
    radius = math.sqrt(-2.0 * math.log(uniform(key, number, draw)))
    return radius * math.cos(2.0 * math.pi * uniform(key, number, draw + 1))
