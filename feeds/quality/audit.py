"""Figures the order-book invariants judge, from RAW_TICKS and CLEAN_TICKS.

Here: `audit_raw` (one pass of the kernel) and `audit_clean`, both to named `Finding`s. Not here: which figure is too
large (feeds/quality/invariants.py), the pass itself (feeds/kernels/book_audit.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from feeds.adapters.base import SourceProblem

_NS_PER_S = 1e9
_STATED = ("bid_px", "bid_sz", "ask_px", "ask_sz")
#: Problems of a source that mean lost messages; they are counted with the rows flagged as following a gap.
GAP_PROBLEMS = frozenset({"sequence_gap", "truncated_tail", "lost_messages"})


@dataclass(frozen=True)
class Place:
    """Where something was found: the row's ``sequence`` and its ``ts_event``, ns UTC."""

    sequence: int
    ts_event: int


@dataclass(frozen=True)
class Finding:
    """One measured figure.

    Attributes:
        looked_at: How many rows, states or events could have been wrong.
        wrong: How many were.
        largest: The largest extent (seconds or rows) of a finding about extents, 0 for the others.
        first: The first wrong row, or the one with the largest extent.
        text: A source problem in its own words.
    """

    looked_at: int
    wrong: int
    largest: float = 0.0
    first: Place | None = None
    text: str = ""


def audit_raw(raw: pl.DataFrame, bounds: tuple[int, int], problems: Iterable[SourceProblem] = ()) -> dict[str, Finding]:
    """Measure every figure of RAW_TICKS.

    Args:
        raw: RAW_TICKS in source order.
        bounds: Open and close of the session, ns UTC.
        problems: Defects the adapter met.

    Returns:
        The counters and extremes of feeds/kernels/book_audit.py by name, times in seconds, and ``problems``.
    """
    from feeds.kernels.audit_books import COUNTERS, EXTREMES
    from feeds.kernels.book_audit import audit_events

    arrays, sizes = _kernel_input(raw)
    counts, extremes = audit_events(**arrays, **sizes, opened=bounds[0], closed=bounds[1])
    found = {name: _counted(raw, counts[k]) for k, name in enumerate(COUNTERS)}
    found |= {name.removesuffix("_ns"): _extreme(raw, name, extremes[k]) for k, name in enumerate(EXTREMES)}
    for name in ("ts_event_back", "ts_recv_back"):
        # The counter says how often and where first, the extreme how far.
        how_far = int(extremes[EXTREMES.index(f"{name}_ns"), 0]) / _NS_PER_S
        counted = _counted(raw, counts[COUNTERS.index(name)])
        found[name] = Finding(counted.looked_at, counted.wrong, how_far, counted.first)
    lost = [problem for problem in problems if problem.kind in GAP_PROBLEMS]
    other = [problem for problem in problems if problem.kind not in GAP_PROBLEMS]
    gaps = found["gap"]
    found["gap"] = Finding(gaps.looked_at, max(gaps.wrong, len(lost)), 0.0, gaps.first, _said(lost))
    found["problems"] = Finding(raw.height, len(other), 0.0, None, _said(other))
    return found


def audit_clean(clean: pl.DataFrame) -> dict[str, Finding]:
    """Measure every figure of CLEAN_TICKS: crossed and locked rows, trades outside the book, rows out of order."""
    bid, ask, price = pl.col("bid_px"), pl.col("ask_px"), pl.col("price")
    two_sided = (bid > 0) & (ask > 0)
    before = two_sided.shift(1) & pl.col("action").cast(pl.String).is_in(["T", "F"])
    rules = {
        "clean_crossed": (two_sided, bid > ask),
        "clean_locked": (two_sided, bid == ask),
        "trade_outside_book": (before, (price < bid.shift(1)) | (price > ask.shift(1))),
        "sequence_back": (pl.col("sequence").diff().is_not_null(), pl.col("sequence").diff() <= 0),
    }
    marks = clean.select(
        *(looked.fill_null(False).alias(f"{name}?") for name, (looked, _) in rules.items()),
        *((looked & wrong).fill_null(False).alias(name) for name, (looked, wrong) in rules.items()),
    )
    found = {}
    for name in rules:
        wrong = int(marks[name].sum())
        first = _place(clean, int(marks[name].arg_max() or 0)) if wrong else None
        found[name] = Finding(int(marks[f"{name}?"].sum()), wrong, 0.0, first)
    return found


def _kernel_input(raw: pl.DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    """Columns as the kernel takes them: codes, dense numbers for order ids and prices, a stated book or none."""
    dense = raw.select(
        order=pl.when(pl.col("order_id") != 0).then(pl.col("order_id")).rank("dense").cast(pl.Int64).fill_null(0) - 1,
        level=pl.col("price").rank("dense").cast(pl.Int64) - 1,
    )
    states = raw["bid_px"].null_count() < raw.height
    stated = (
        np.ascontiguousarray(raw.select(pl.col(_STATED).forward_fill().fill_null(0)).to_numpy())
        if states
        else np.zeros((0, 4), np.int64)
    )
    arrays = {
        "action": raw["action"].to_physical().to_numpy(),
        "side": raw["side"].to_physical().to_numpy(),
        "order": dense["order"].to_numpy(),
        "level": dense["level"].to_numpy(),
        **{name: raw[name].to_numpy() for name in ("price", "size", "flags", "ts_event", "ts_recv")},
        "stated": stated,
    }
    largest = {name: int(dense[name].max() or 0) + 1 if raw.height else 0 for name in dense.columns}  # type: ignore[arg-type]
    return arrays, {"n_orders": largest["order"], "n_levels": largest["level"]}


def _counted(raw: pl.DataFrame, row: np.ndarray) -> Finding:
    return Finding(int(row[0]), int(row[1]), 0.0, _place(raw, int(row[2])))


def _extreme(raw: pl.DataFrame, name: str, row: np.ndarray) -> Finding:
    value = int(row[0]) / _NS_PER_S if name.endswith("_ns") else float(row[0])
    return Finding(raw.height, 0, value, _place(raw, int(row[1])))


def _place(frame: pl.DataFrame, row: int) -> Place | None:
    if row < 0:
        return None
    return Place(int(frame["sequence"][row]), int(frame["ts_event"][row]))


def _said(problems: list[SourceProblem]) -> str:
    return "; ".join(f"{problem.kind} at {problem.position}: {problem.text}" for problem in problems[:3])
