"""Who let which model trade, and when: an append-only record.

One JSON object a line in ``<study root>/registry/approvals.jsonl``: ``action`` ("approve", "withdraw"),
``model_id``, ``family``, ``by``, ``at`` (ISO 8601, UTC), ``note``. Nothing is ever taken out; the state is what the
lines say in their order.

Here: writing and reading the record. Not here: which models may be approved (feeds/registry.py).
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from feeds.errors import ApprovalError, LakeError

Action = Literal["approve", "withdraw"]


@dataclass(frozen=True)
class Approval:
    """One line of the record.

    Attributes:
        action: ``approve`` or ``withdraw``.
        model_id: Manifest id of the model.
        family: Family the model is of.
        by: Who decided.
        at: When, ISO 8601 in UTC.
        note: Why, in the person's words.
    """

    action: Action
    model_id: str
    family: str
    by: str
    at: str
    note: str = ""


class ApprovalLog:
    """The record of one study.

    Args:
        path: Its file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(
        self, action: Action, model_id: str, family: str, by: str | None, at: dt.datetime | None, note: str
    ) -> Approval:
        """Add one line and flush it to disk.

        Args:
            action: What was decided.
            model_id: About which model.
            family: Of which family.
            by: Who decided; None for `current_user`.
            at: When, with a time zone; None for now.
            note: Why.

        Raises:
            ApprovalError: The name is blank or ``at`` has no time zone.
        """
        entry = Approval(action, model_id, family, _name(by), _stamp(at), note)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(entry), ensure_ascii=False) + "\n"
        # one write at the end of the file: two people at once both get their line
        with self.path.open("ab", buffering=0) as handle:
            handle.write(line.encode())
            os.fsync(handle.fileno())
        return entry

    def __iter__(self) -> Iterator[Approval]:
        """All lines, oldest first.

        Raises:
            LakeError: A line is damaged: a record that cannot be read whole approves nothing.
        """
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        for number, line in enumerate(lines, start=1):
            try:
                entry = Approval(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise LakeError(
                    f"{self.path.name}, line {number}",
                    received=line[:80],
                    expected="one approval as a JSON object",
                    remedy="Restore the file from a copy, or repair the line by hand.",
                ) from error
            if entry.action not in ("approve", "withdraw"):
                raise LakeError(
                    f"{self.path.name}, line {number}",
                    received=f"action {entry.action!r}",
                    expected="approve or withdraw",
                )
            yield entry

    def standing(self) -> dict[str, Approval]:
        """Model id -> the approval that holds; withdrawn ones are left out."""
        found: dict[str, Approval] = {}
        for entry in self:
            found.pop(entry.model_id, None)
            if entry.action == "approve":
                found[entry.model_id] = entry
        return found


def current_user() -> str:
    """``$T2T_USER``, else the login name."""
    named = os.environ.get("T2T_USER", "").strip()
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        raise ApprovalError(
            "approval", received="no login name", expected="a name", remedy="Pass --name or set T2T_USER."
        ) from error


def _name(by: str | None) -> str:
    name = current_user() if by is None else by.strip()
    if not name:
        raise ApprovalError("approval", received="a blank name", expected="who decides", remedy="Pass a name.")
    return name


def _stamp(at: dt.datetime | None) -> str:
    moment = dt.datetime.now(dt.UTC) if at is None else at
    if moment.tzinfo is None:
        raise ApprovalError("approval", received=f"{moment} without a time zone", expected="a time with its zone")
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds")
