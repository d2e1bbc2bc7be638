"""Saying that a part of the report is not there.

Here: the sentence and the test for it. Not here: the parts themselves.
"""

from __future__ import annotations

import polars as pl

from models.report.inputs import ReportInputs


def absent(inputs: ReportInputs, part: str, remedy: str) -> str:
    """The sentence that stands where a part is missing."""
    reason = inputs.reasons.get(part)
    return f"Absent: {reason.rstrip('.')}." if reason else f"Absent: {remedy}"


def is_empty(frame: pl.DataFrame | None) -> bool:
    """Whether there is no frame or it has no rows."""
    return frame is None or frame.is_empty()
