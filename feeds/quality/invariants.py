"""Order-book invariants: what no true record of a market can show, or shows rarely, with the limit of each.

A blocking invariant contradicts the format's own promise; a warning marks what captures do show (they start in the
middle of a day, lose messages, stand still), in an amount worth a look. `INVARIANTS` says which is which and why the
limit lies where it does; docs/quality.md holds the values real captures gave.

Here: the declarations and `check_invariants`. Not here: measuring (feeds/quality/audit.py), suites of single tables
(feeds/quality/suites.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from feeds.adapters.base import SourceProblem
from feeds.quality.audit import Finding, audit_clean, audit_raw
from feeds.quality.run import ExpectationResult, SuiteResult
from feeds.quality.traits import ABSENT, Traits, traits_of

#: Name of the results among those of the tables.
INVARIANTS_TABLE = "invariants"
Severity = Literal["blocking", "warning"]
Measure = Literal["share", "count", "seconds", "rows"]


@dataclass(frozen=True)
class Invariant:
    """One invariant.

    Attributes:
        name: Of the finding it judges (feeds/quality/audit.py).
        table: The table it speaks of.
        severity: Whether exceeding the limit stops the partition.
        measure: What is compared with the limit: the share of what was looked at that was wrong, the number that was,
            or the largest extent in seconds or rows.
        most: The limit; what lies at it still passes.
        text: What should hold, in words.
        reason: Why the limit is there.
        needs: Traits without which it says nothing.
        unless: Traits with which it says nothing.
    """

    name: str
    table: str
    severity: Severity
    measure: Measure
    most: float
    text: str
    reason: str
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        "stated_crossed", "raw_ticks", "blocking", "share", 0.01,
        "a stated book is not crossed", "a venue's own book never is; consolidated ones are for moments",
        needs=("has_stated_book",),
    ),
    Invariant(
        "stated_locked", "raw_ticks", "warning", "share", 0.10,
        "a stated book is rarely locked", "a single venue trades instead of locking",
        needs=("has_stated_book",),
    ),
    Invariant(
        "stated_mismatch", "raw_ticks", "blocking", "share", 0.001,
        "the stated best level follows from the one before it and the message",
        "exact where messages and book rows belong together; one row of shift breaks more than half",
        needs=("has_stated_book", "has_order_ids"),
    ),
    Invariant(
        "built_crossed", "raw_ticks", "warning", "share", 0.20,
        "the book built from orders or levels is rarely crossed when a stamp ends",
        "feeds that announce an aggressive order before its fills cross for as long as the fills take",
        needs=("has_book",), unless=("has_stated_book",),
    ),
    Invariant(
        "phantom_level", "raw_ticks", "warning", "share", 0.01,
        "no level stays crossed for a second",
        "such a level's deletion was lost; a few are survived, many mean a broken capture",
        needs=("has_book",), unless=("has_stated_book",),
    ),
    Invariant(
        "quotes_crossed", "raw_ticks", "blocking", "share", 0.25,
        "quotes are rarely crossed when a stamp ends",
        "never on one exchange, an eighth in pooled currency quotes; 74 to 99 % where the sides are swapped",
        needs=("has_quotes",),
    ),
    Invariant(
        "quotes_locked", "raw_ticks", "warning", "share", 0.20,
        "quotes are rarely locked when a stamp ends", "some per cent in the most liquid instruments, never a fifth",
        needs=("has_quotes",),
    ),
    Invariant(
        "negative_depth", "raw_ticks", "blocking", "share", 0.001,
        "nothing takes more than rests", "the size of an order only shrinks by what was taken from it",
        needs=("has_book",), unless=(),
    ),
    Invariant(
        "other_side", "raw_ticks", "blocking", "share", 0.001,
        "an order stays on its side", "sides mixed up in parsing turn the book inside out",
        needs=("has_orders",),
    ),
    Invariant(
        "duplicate_id", "raw_ticks", "blocking", "share", 0.01,
        "a live order's id is not added again", "ids are unique in a day; repeats mean a file read twice",
        needs=("has_orders",),
    ),
    Invariant(
        "cancel_unknown", "raw_ticks", "warning", "share", 0.50,
        "cancelled orders were seen before",
        "what rested before the capture, and what scrolls into the view of a file of few levels, was not",
        needs=("has_orders",),
    ),
    Invariant(
        "fill_unknown", "raw_ticks", "warning", "share", 0.50,
        "executed orders were seen before", "as for cancelled ones",
        needs=("has_orders",),
    ),
    Invariant(
        "modify_unknown", "raw_ticks", "warning", "share", 0.50,
        "modified orders were seen before", "as for cancelled ones",
        needs=("has_orders",),
    ),
    Invariant(
        "level_quote_mismatch", "raw_ticks", "warning", "share", 0.10,
        "the best levels are among the last second's quotes",
        "two streams of one venue that disagree longer than they lag: one of them lost messages",
        needs=("has_levels", "has_quotes"),
    ),
    Invariant(
        "gap", "raw_ticks", "warning", "count", 0,
        "the source lost no message", "every loss is worth knowing; the book after one may be wrong",
    ),
    Invariant(
        "problems", "raw_ticks", "warning", "count", 0,
        "the source has no other defect", "as the adapter reports it",
    ),
    Invariant(
        "ts_event_back", "raw_ticks", "warning", "share", 0.05,
        "venue stamps rarely run backwards", "streams of one source may be stamped by different machines",
    ),
    Invariant(
        "ts_event_back_by", "raw_ticks", "blocking", "seconds", 60.0,
        "venue stamps run backwards by seconds at most", "further back means files joined in the wrong order",
    ),
    Invariant(
        "ts_recv_back", "raw_ticks", "blocking", "share", 0.01,
        "delivery stamps do not run backwards", "rows are in the order they came; a clock is set back once, not often",
    ),
    Invariant(
        "burst_rows", "raw_ticks", "warning", "rows", 10_000,
        "few rows share one stamp", "a sweep takes hundreds; more means stamps of a coarse or a stopped clock",
    ),
    Invariant(
        "silence", "raw_ticks", "warning", "seconds", 600.0,
        "the session has no silence of ten minutes",
        "the longest of liquid instruments is half a minute; set against its own history by the drift alerts",
    ),
    Invariant(
        "stale", "raw_ticks", "warning", "seconds", 600.0,
        "the best prices and sizes do not stand still for ten minutes",
        "a feed that repeats itself: rows come and nothing changes",
        needs=("has_book",),
    ),
    Invariant(
        "clean_crossed", "clean_ticks", "blocking", "count", 0,
        "no clean row has a crossed book", "cleaning rejects crossed rows",
        needs=("clean",),
    ),
    Invariant(
        "clean_locked", "clean_ticks", "warning", "share", 0.25,
        "few clean rows have a locked book", "as for quotes, per row instead of per stamp",
        needs=("clean",),
    ),
    Invariant(
        "trade_outside_book", "clean_ticks", "warning", "share", 0.25,
        "most trades print within the book before them",
        "96 to 99 % on good tapes; less where trades and quotes are stamped apart or the book is wrong",
        needs=("clean",),
    ),
    Invariant(
        "sequence_back", "clean_ticks", "blocking", "count", 0,
        "clean rows keep the order of the source", "cleaning drops rows and moves none",
        needs=("clean",),
    ),
)  # fmt: skip
_ABSENT = {**ABSENT, "clean": "no clean rows were given"}


def check_invariants(
    raw: pl.DataFrame,
    bounds: tuple[int, int],
    problems: Iterable[SourceProblem] = (),
    clean: pl.DataFrame | None = None,
) -> SuiteResult:
    """Judge one instrument-day.

    Args:
        raw: RAW_TICKS in source order.
        bounds: Open and close of the session, ns UTC.
        problems: Defects the adapter met.
        clean: CLEAN_TICKS of the same day; its invariants are left out without it.

    Returns:
        One result per invariant, of the kind suites give (``table`` is `INVARIANTS_TABLE`, ``column`` the invariant's
        name), so that they are stored and shown together. ``rows_checked`` is what was looked at, ``rows_failed`` how
        often it was wrong; the first example is the place: sequence and time.
    """
    traits = traits_of("raw_ticks", raw)
    findings = audit_raw(raw, bounds, problems)
    findings["ts_event_back_by"] = findings["ts_event_back"]
    if clean is not None:
        findings |= audit_clean(clean)
        traits |= {"clean"}
    results = tuple(_judge(item, traits, findings.get(item.name)) for item in INVARIANTS)
    return SuiteResult(INVARIANTS_TABLE, all(item.passed for item in results if item.blocking), results)


def _judge(item: Invariant, traits: Traits, finding: Finding | None) -> ExpectationResult:
    blocking = item.severity == "blocking"
    reason = _why_left_out(item, traits, finding)
    if reason or finding is None:
        said = (f"left out: {reason}",)
        return ExpectationResult(_in_words(item), item.name, blocking, True, 0, 0, said, reason)
    passed = measured(item, finding) <= item.most
    examples = _examples(item, finding) if finding.wrong or not passed else ()
    return ExpectationResult(
        _in_words(item), item.name, blocking, passed, finding.looked_at, finding.wrong, tuple(examples)
    )


def measured(item: Invariant, finding: Finding) -> float:
    """The figure of ``finding`` that ``item`` limits."""
    if item.measure == "share":
        return finding.wrong / max(1, finding.looked_at)
    return float(finding.wrong) if item.measure == "count" else finding.largest


def _why_left_out(item: Invariant, traits: Traits, finding: Finding | None) -> str:
    absent = [_ABSENT[name] for name in item.needs if name not in traits]
    present = [f"not judged where the source {name.replace('_', ' ')}" for name in item.unless if name in traits]
    if absent or present:
        return "; ".join(absent or present)
    if finding is None or (item.measure == "share" and not finding.looked_at):
        return "nothing it speaks of"
    return ""


def _in_words(item: Invariant) -> str:
    limit = {
        "share": f"at most {item.most:.4g} of them" if item.most else "none",
        "count": f"at most {item.most:.0f}",
        "seconds": f"at most {item.most:g} s",
        "rows": f"at most {item.most:,.0f} rows",
    }[item.measure]
    return f"{item.text} ({limit})"


def _examples(item: Invariant, finding: Finding) -> list[str]:
    said = []
    if finding.first is not None:
        said.append(f"sequence {finding.first.sequence} at {utc_text(finding.first.ts_event)}")
    if item.measure == "share":
        said.append(f"share {measured(item, finding):.4%}")
    elif item.measure in ("seconds", "rows"):
        said.append(f"{finding.largest:,.6g} {'s' if item.measure == 'seconds' else 'rows'}")
    if finding.text:
        said.append(finding.text)
    return said


def utc_text(ts_ns: int) -> str:
    """``2013-10-07T14:30:00.123456789Z``."""
    seconds, rest = divmod(ts_ns, 1_000_000_000)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
