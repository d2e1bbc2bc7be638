"""Cleaning of headlines and posts before the transformer sees them.

Here: removing what carries no sentiment (links, cash tags' dollar signs), and the key by which reposts
are recognised. Not here: tokenisation
(encoder.py), language or topic filters.
"""

from __future__ import annotations

import re

_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_CASH_TAG = re.compile(r"\$(?=[A-Za-z])")
_SPACE = re.compile(r"\s+")


def clean_text(text: str) -> str:
    """Return ``text`` without links, without the dollar sign of cash tags and with single spaces.

    ``"$BYND - cut to sell https://t.co/x"`` becomes ``"BYND - cut to sell"``; ``"$10"`` keeps its dollar sign.
    """
    without_links = _LINK.sub(" ", text)
    return _SPACE.sub(" ", _CASH_TAG.sub("", without_links)).strip()


def text_key(text: str) -> str:
    """Return a key that equal stories share: the cleaned text in lower case, letters and digits only.

    Reposts differ in links, case and punctuation; a held-out split must not have one copy on either side.
    """
    return re.sub(r"[^a-z0-9]+", " ", clean_text(text).lower()).strip()
