"""From the symbols of a source to instrument ids, without two symbols ever meeting in one id.

Here: the spelling. Not here: which symbols a file has (one module per format).
"""

from __future__ import annotations

from collections.abc import Iterable

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_SPELLED = {".": "-", "-": "--", " ": "_"}


def symbol_id(symbol: str, venue: str) -> str:
    """``SYMBOL.VENUE``, upper case.

    A dot becomes a dash, a dash two (``BRK.B`` is ``BRK-B``, ``ESH4-ESM4`` is ``ESH4--ESM4``), a run of spaces one
    underscore, any other character its code (``AGM+`` is ``AGM_2B``).

    Args:
        symbol: As the source writes it; must have a character that is no space.
        venue: Venue part of the id.
    """
    words = " ".join(symbol.upper().split())
    return f"{''.join(_spelled(letter) for letter in words)}.{venue}"


def distinct(ids: Iterable[str]) -> list[str]:
    """The same ids, where one comes again followed by its count: of two symbols that differ in case only."""
    seen: dict[str, int] = {}
    taken: set[str] = set()
    made = []
    for name in ids:
        candidate, (stem, _, venue) = name, name.rpartition(".")
        while candidate in taken:
            seen[name] = seen.get(name, 1) + 1
            candidate = f"{stem}_{seen[name]}.{venue}"
        taken.add(candidate)
        made.append(candidate)
    return made


def _spelled(letter: str) -> str:
    if letter in _PLAIN:
        return letter
    return _SPELLED.get(letter) or "".join(f"_{byte:02X}" for byte in letter.encode())
