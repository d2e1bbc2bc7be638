"""The whole graph on the embedded data, in a fresh folder and a fresh interpreter."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from typing import Any

from feeds.study import DEFAULT_RUN

LIMIT_S = 480.0
LIMIT_RSS_MB = 4096.0


def run(study: str = "") -> dict[str, Any]:
    """Run ``t2t run`` once: generating the simulated market, then both embedded studies.

    Args:
        study: One study instead.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "T2T_DATA": folder, "T2T_STUDY": study}
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "pipelines.cli", "run"], env=environment, check=True, capture_output=True)
        seconds = time.perf_counter() - started
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "study": study or "+".join(DEFAULT_RUN),
        "graph_s": round(seconds, 1),
        "limit_s": LIMIT_S,
        "peak_rss_mb": round(peak_mb),
        "limit_rss_mb": LIMIT_RSS_MB,
    }
