"""The index of a tape: which instrument-days it holds, in which units, and what was odd about its source.

Here: the index, its JSON form, names of a tape's files. Not here: the rows (feeds/tape.py, feeds/tape_reader.py).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from feeds.instruments import InstrumentSpec

if TYPE_CHECKING:
    from feeds.adapters.base import SourceProblem

INDEX_NAME, RANGES_NAME = "index.json", "ranges.npy"
#: Columns of the ranges: day (see `day_number`), instrument code, part, first row, rows.
RANGE_COLUMNS = 5
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class TapeContent:
    """What a tape holds of one instrument-day.

    Attributes:
        date: ISO date.
        instrument: Id.
        rows: All rows.
        rejected: How many of them have a reason.
        first_ns: Earliest ``ts_event`` of the others, ns UTC; 0 where there are none.
        last_ns: Latest one.
    """

    date: str
    instrument: str
    rows: int
    rejected: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True)
class TapeIndex:
    """What a tape holds.

    Attributes:
        format: Name of the adapter.
        rows: All rows, rejected ones included.
        contents: By date and instrument.
        specs: Instrument id -> the units its rows are in.
        ignored: Kind -> records that say nothing about a market.
        problems: Defects of the source.
        reasons: Why rows were rejected, by ``reason`` - 1.
        params: Settings of the decoding.
    """

    format: str
    rows: int
    contents: tuple[TapeContent, ...]
    specs: dict[str, InstrumentSpec]
    ignored: dict[str, int]
    problems: tuple[SourceProblem, ...]
    reasons: tuple[str, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)


def to_tree(index: TapeIndex, codes: Mapping[str, int], ranges_digest: str) -> dict[str, Any]:
    """The index as JSON values, with each instrument's code (``codes``) and digests of the ranges and itself."""
    tree = asdict(index)
    tree["specs"] = [spec.model_dump() for spec in index.specs.values()]
    tree |= {"codes": dict(codes), "ranges_sha256": ranges_digest}
    return tree | {"sha256": digest_of(tree)}


def digest_of(tree: Mapping[str, Any]) -> str:
    """SHA-256 of an index's values but for the digest among them."""
    rest = {name: value for name, value in tree.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def from_tree(tree: Mapping[str, Any]) -> TapeIndex:
    """Inverse of `to_tree`."""
    from feeds.adapters.base import SourceProblem

    specs = [InstrumentSpec(**spec) for spec in tree["specs"]]
    return TapeIndex(
        format=tree["format"],
        rows=tree["rows"],
        contents=tuple(TapeContent(**content) for content in tree["contents"]),
        specs={spec.id: spec for spec in specs},
        ignored=tree["ignored"],
        problems=tuple(SourceProblem(**problem) for problem in tree["problems"]),
        reasons=tuple(tree["reasons"]),
        params=tree["params"],
    )


def part_name(part: int) -> str:
    """File of a batch."""
    return f"part-{part:05d}.parquet"


def day_number(date: str) -> int:
    """Days from 1970-01-01 to an ISO date."""
    return (dt.date.fromisoformat(date) - _EPOCH).days


def date_of_day(day: int) -> str:
    """Inverse of `day_number`."""
    return (_EPOCH + dt.timedelta(days=day)).isoformat()
