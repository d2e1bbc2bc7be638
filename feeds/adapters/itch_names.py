"""What a TotalView-ITCH file does not say inside: its date and market; and how its tickers become instrument ids.

Here: names. Not here: messages (itch.py).
"""

from __future__ import annotations

import re
from pathlib import Path

from feeds.adapters.base import instrument_id, iso_date
from feeds.errors import UnreadableFileError

#: ``20190130``, ``2019-01-30``, ``2019_01_30``; ``01302019``; ``S013019-v50``: the forms in which such files are named.
_YEAR_FIRST = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d\d)[-_.]?(\d\d)[-_.]?((?:19|20)\d\d)(?!\d)")
_SHORT = re.compile(r"(?:^|[^A-Za-z])S(\d\d)(\d\d)(\d\d)(?!\d)")
#: Letter of a market in operational halts (TotalView-ITCH 5.0, section 4.2.8) by venue.
MARKETS = {"NASDAQ": "Q", "BX": "B", "PSX": "X"}
#: Suffixes of Nasdaq's symbology: preferred, warrant, unit, right, when issued, called. A class (BRK.B) takes a dash
#: as everywhere, so that a preferred share (BAC-L) cannot: AGM.A and AGM-A are two shares of one company.
_SUFFIXES = {"-": "_P", "+": "_W", "=": "_U", "^": "_R", "#": "_I", "*": "_C"}


def date_of(path: Path) -> str:
    """The ISO date a file's name states.

    Raises:
        UnreadableFileError: It states none, or one that does not exist.
    """
    name = path.name
    if found := _YEAR_FIRST.search(name):
        year, month, day = found.groups()
    elif found := _YEAR_LAST.search(name):
        month, day, year = found.groups()
    elif found := _SHORT.search(name):
        month, day, year = found[1], found[2], f"20{found[3]}"
    else:
        expected = "a date as in 01302019.NASDAQ_ITCH50.gz, S013019-v50.txt.gz or 20190130.itch"
        raise UnreadableFileError(path, "name", expected, repr(name))
    return iso_date(path, f"{year}-{month}-{day}")


def venue_of(path: Path) -> str:
    """The market a file's name states (``20190730.BX_ITCH_50.gz``), NASDAQ where it states none."""
    words = re.split(r"[^A-Z]+", path.name.upper())
    return next((venue for venue in ("BX", "PSX") if venue in words), "NASDAQ")


def instrument_of(path: Path, stock: bytes, venue: str) -> str:
    """Instrument id of a ticker as the stock directory pads it; what no id may hold becomes ``_`` and a letter.

    Raises:
        UnreadableFileError: The field is empty or no text.
    """
    text = stock.rstrip(b" ").decode("latin-1")
    plain = re.compile(r"[A-Za-z0-9.]")
    made = "".join(c if plain.match(c) else _SUFFIXES.get(c, f"_X{ord(c):02X}") for c in text)
    return instrument_id(path, made, venue)
