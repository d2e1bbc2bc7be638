"""Decoding a generated ITCH tape of 5 GB: the memory must not grow with the file.

Here: the measurement behind a name of its own, as it takes 8 GB of disk and minutes. Not here: the usual tape
(decode_itch.py).
"""

from __future__ import annotations

from typing import Any

from benchmarks import decode_itch

LIMIT_RSS_MB = 2048.0


def run() -> dict[str, Any]:
    """Figures of the large tape: size, messages a second of one core, peak memory against its limit."""
    return {**decode_itch.large_tape(), "limit_rss_mb": LIMIT_RSS_MB}
