"""Loading the code location in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

LIMIT_S = 15.0


def run(repeats: int = 3) -> dict[str, Any]:
    """Import ``pipelines.definitions`` in fresh interpreters; the first may read from a cold disk."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import pipelines.definitions"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return {"first_s": round(seconds[0], 2), "best_s": round(min(seconds), 2), "limit_s": LIMIT_S}
