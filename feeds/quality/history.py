"""Data quality over time: figures of an instrument-day, and the calendar of all instrument-days.

States of the calendar, worst first: ``failed`` (a blocking check failed), ``missing`` (expected and not there),
``warning`` (a check that stops nothing failed), ``ok``.

Here: pure functions over stored results and figures. Not here: running checks (feeds/quality/run.py, invariants.py),
alerts (feeds/quality/drift.py), pictures (models/plots/quality_calendar.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from feeds.errors import SchemaError
from feeds.schema import FLAG_GAP

#: Worst first.
STATES = ("failed", "missing", "warning", "ok")
_NS_PER_S = 1e9
_KEY = ("date", "symbol")

#: Table ``quality_figures``: one row an instrument-day.
QUALITY_FIGURES: Mapping[str, Any] = {
    "date": pl.String,
    "symbol": pl.String,
    "rows_in": pl.Int64,  # raw rows
    "rows_clean": pl.Int64,
    "rows_rejected": pl.Int64,
    "rejected_share": pl.Float64,  # of rows_in, those of BY_DESIGN not counted
    "volume_lots": pl.Int64,
    "trades": pl.Int64,
    "spread_median_bps": pl.Float64,  # over rows with a two-sided book; null without one
    "quote_updates": pl.Int64,  # rows after which the best prices or sizes are others than before
    "longest_gap_s": pl.Float64,  # between two rows of the session
    "gaps": pl.Int64,  # places where the source lost messages
    "covered_share": pl.Float64,  # of the session, from the first to the last row
    "session_s": pl.Float64,
}
#: Rejections that say nothing about the quality of a source.
BY_DESIGN = frozenset(
    {
        "outside_session",
        "snapshot",
        "closing_snapshot",
        "auction_print",
        "trading_halt",
        "quoting_only",
        "inside_event",
        "other_exchange",
        "merged_stamp",
    }
)

CALENDAR: Mapping[str, Any] = {
    "date": pl.String,
    "symbol": pl.String,
    "state": pl.String,  # one of STATES
    "worst": pl.String,  # the worst check that failed, "" where none did
    "worst_table": pl.String,
    "failures": pl.Int64,  # blocking checks that failed
    "warnings": pl.Int64,
    "checks": pl.Int64,
    "rows_in": pl.Int64,
    "rows_rejected": pl.Int64,
    "rejected_share": pl.Float64,
    "rejected_by_reason": pl.String,  # "reason rows, reason rows", the most frequent first
    "gaps": pl.Int64,
}


def raw_counts(raw: pl.DataFrame, rejected: pl.DataFrame, lost: int = 0) -> dict[str, Any]:
    """What `day_figures` needs of the rows that did not become clean ones.

    Args:
        raw: RAW_TICKS.
        rejected: REJECTED_TICKS of the cleaning.
        lost: Gaps the adapter reported as problems; rows flagged as following one are counted here.
    """
    flagged = int(raw.select((pl.col("flags") & FLAG_GAP > 0).sum()).item())
    reasons = {str(reason): int(rows) for reason, rows in rejected["reason"].value_counts(sort=True).iter_rows()}
    return {"rows_in": raw.height, "rejected": reasons, "gaps": max(flagged, lost)}


def day_figures(clean: pl.DataFrame, raw_counts: Mapping[str, Any], bounds: tuple[int, int]) -> dict[str, Any]:
    """The figures of one instrument-day, to be stored and compared over time.

    Args:
        clean: CLEAN_TICKS.
        raw_counts: See `raw_counts`.
        bounds: Open and close of the session, ns UTC.

    Returns:
        The columns of `QUALITY_FIGURES` but date and symbol.
    """
    rejected: Mapping[str, int] = raw_counts["rejected"]
    faulty = sum(rows for reason, rows in rejected.items() if reason not in BY_DESIGN)
    rows_in, session_ns = int(raw_counts["rows_in"]), bounds[1] - bounds[0]
    trade = pl.col("action").cast(pl.String).is_in(["T", "F"])
    bid, ask = pl.col("bid_px"), pl.col("ask_px")
    top = pl.struct("bid_px", "bid_sz", "ask_px", "ask_sz")
    stamps = pl.col("ts_event").cum_max()
    found = clean.select(
        volume_lots=pl.col("size").filter(trade).sum(),
        trades=trade.sum().cast(pl.Int64),
        spread_median_bps=(2e4 * (ask - bid) / (ask + bid)).filter((bid > 0) & (ask > 0)).median(),
        quote_updates=(top != top.shift(1)).sum().cast(pl.Int64),
        longest_gap_s=(stamps.diff().max() / _NS_PER_S).fill_null(0.0),
        covered_share=((pl.col("ts_event").max() - pl.col("ts_event").min()) / session_ns).fill_null(0.0),
    ).to_dicts()[0]
    return {
        "rows_in": rows_in,
        "rows_clean": clean.height,
        "rows_rejected": sum(rejected.values()),
        "rejected_share": faulty / max(1, rows_in),
        **found,
        "gaps": int(raw_counts["gaps"]),
        "session_s": session_ns / _NS_PER_S,
    }


def figures_frame(figures: Mapping[str, Any], date: str, symbol: str) -> pl.DataFrame:
    """`day_figures` as one row of `QUALITY_FIGURES`."""
    return pl.DataFrame([{"date": date, "symbol": symbol, **figures}], schema=dict(QUALITY_FIGURES))


def quality_calendar(
    results: pl.DataFrame | None = None,
    figures: pl.DataFrame | None = None,
    rejected: pl.DataFrame | None = None,
    expected: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """One row per instrument-day: its state and why.

    Args:
        results: Stored check results: date, symbol, table, expectation, blocking, passed; symbol ``*`` for tables of
            all instruments.
        figures: `QUALITY_FIGURES`.
        rejected: date, symbol, reason, rows.
        expected: date, symbol of what should be there; what is not is ``missing``. None: nothing else is expected.

    Returns:
        `CALENDAR`, sorted by date and symbol.

    Raises:
        SchemaError: A frame lacks a column.
    """
    checks = _checks(_given(results, "results", ("table", "expectation", "blocking", "passed")))
    counts = _figures(_given(figures, "figures", ("rows_in", "rows_rejected", "rejected_share", "gaps")))
    reasons = _reasons(_given(rejected, "rejected", ("reason", "rows")))
    wanted = _given(expected, "expected", ()).select(_KEY).unique()
    keys = pl.concat([part.select(_KEY) for part in (checks, counts, wanted)]).unique()
    found = keys.join(checks, on=_KEY, how="left").join(counts, on=_KEY, how="left").join(reasons, on=_KEY, how="left")
    is_there = pl.col("checks").is_not_null() | pl.col("rows_in").is_not_null()
    filled = found.with_columns(
        pl.col("failures", "warnings", "checks").fill_null(0),
        pl.col("worst", "worst_table", "rejected_by_reason").fill_null(""),
        is_there=is_there,
    )
    state = (
        pl.when(pl.col("failures") > 0)
        .then(pl.lit("failed"))
        .when(~pl.col("is_there"))
        .then(pl.lit("missing"))
        .when(pl.col("warnings") > 0)
        .then(pl.lit("warning"))
        .otherwise(pl.lit("ok"))
    )
    done = filled.with_columns(state=state).sort(_KEY)
    return done.select(pl.col(name).cast(kind) for name, kind in CALENDAR.items())


def _given(frame: pl.DataFrame | None, name: str, needs: tuple[str, ...]) -> pl.DataFrame:
    """``frame`` with string keys, or one without rows."""
    wanted = (*_KEY, *needs)
    if frame is None or not frame.columns:
        kinds = {"blocking": pl.Boolean, "passed": pl.Boolean, "rejected_share": pl.Float64}
        texts = ("date", "symbol", "table", "expectation", "reason")
        return pl.DataFrame(schema={n: pl.String if n in texts else kinds.get(n, pl.Int64) for n in wanted})
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise SchemaError(f"quality calendar, {name}", received=f"columns {frame.columns}", expected=f"also {missing}")
    return frame.with_columns(pl.col(_KEY).cast(pl.String))


def _checks(results: pl.DataFrame) -> pl.DataFrame:
    bad = ~pl.col("passed")
    ranked = results.sort(pl.col("passed"), ~pl.col("blocking"), maintain_order=True)
    return ranked.group_by(_KEY, maintain_order=True).agg(
        failures=(bad & pl.col("blocking")).sum().cast(pl.Int64),
        warnings=(bad & ~pl.col("blocking")).sum().cast(pl.Int64),
        checks=pl.len().cast(pl.Int64),
        # Failed blocking checks come first: the first failed one is the worst.
        worst=pl.col("expectation").filter(bad).first(),
        worst_table=pl.col("table").filter(bad).first(),
    )


def _figures(figures: pl.DataFrame) -> pl.DataFrame:
    return figures.select(*_KEY, "rows_in", "rows_rejected", "rejected_share", "gaps").unique(
        list(_KEY), keep="last", maintain_order=True
    )


def _reasons(rejected: pl.DataFrame) -> pl.DataFrame:
    total = rejected.group_by(*_KEY, "reason", maintain_order=True).agg(pl.col("rows").sum())
    ordered = total.sort("rows", "reason", descending=[True, False])
    said = pl.concat_str("reason", pl.lit(" "), pl.col("rows").cast(pl.String))
    return ordered.group_by(_KEY, maintain_order=True).agg(rejected_by_reason=said.str.join(", "))
