"""The registry of trials: every model row ever tried, so that a deflated Sharpe ratio counts instead of guessing.

Here: counting. Not here: recording (assets/alpha.py), the statistic (models/metrics).
"""

from __future__ import annotations

from feeds.lake import Lake

#: Rows that are controls and were never candidates.
CONTROLS = ("naive", "shuffled")


def count_trials(lake: Lake, study: str) -> int:
    """Number of distinct (model, row) candidates recorded for ``study``, at least 1."""
    found: set[tuple[str, str]] = set()
    for date in lake.dates("trials"):
        for model_id in lake.symbols("trials", date):
            frame = lake.read("trials", date, model_id)
            rows = frame.filter(frame["study"] == study)["row"].to_list()
            found |= {(model_id, row) for row in rows if row not in CONTROLS}
    return max(1, len(found))
