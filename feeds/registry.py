"""Champion and challenger of each model family, and which champion a person has approved.

One decision a family and date in ``<study root>/registry/<family>/<date>.json``: the model trained as of
the date is the challenger, the champion of the newest decision before the date the incumbent. No decision looks at a
later one, so a backfill in the order of dates is a walk-forward; a re-run of a date replaces its decision and gives
the same bytes for the same input.

Here: decisions and what follows from them. Not here: comparing losses (models/metrics/paired.py), the record of
approvals (feeds/approvals.py), loading a model (live/approved.py).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from feeds.approvals import Approval, ApprovalLog
from feeds.errors import ApprovalError, LakeError, StudyError
from feeds.manifest import ManifestStore, write_atomically

Outcome = Literal["first", "promoted", "kept", "not tested"]

_FAMILY = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class ModelRef:
    """A model by its manifest.

    Attributes:
        family: E.g. ``alpha``, ``volatility``, ``execution``.
        model_id: Manifest id.
        since: Date of the decision that made it champion; its own date for a challenger.
    """

    family: str
    model_id: str
    since: str


@dataclass(frozen=True)
class Decision:
    """What became of the challenger of one family and date.

    Attributes:
        family: Model family.
        date: As-of date, ISO.
        challenger: Manifest id of the model trained as of the date.
        incumbent: Id of the champion before the date; None where there was none.
        decision: ``first`` (no incumbent), ``promoted``, ``kept`` (the incumbent stays) or ``not tested`` (it stays
            because the comparison could not be made).
        champion: Id of the champion from here on.
        since: Date of the decision that made it champion.
        comparison: ``metric, n, difference, low, high`` (challenger minus incumbent, lower is better) where there
            was one.
        reason: Why, in words.
    """

    family: str
    date: str
    challenger: str
    incumbent: str | None
    decision: Outcome
    champion: str
    since: str
    comparison: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


class Registry:
    """The registry of one study.

    Args:
        root: The study's folder.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.folder = self.root / "registry"
        self.manifests = ManifestStore(self.root / "manifests")
        self.log = ApprovalLog(self.folder / "approvals.jsonl")

    # --- decisions ---

    def decide(
        self, family: str, date: str, challenger: str, comparison: Mapping[str, Any] | None = None, reason: str = ""
    ) -> Decision:
        """Record the decision on ``challenger``; the same call again changes nothing.

        Args:
            family: Model family.
            date: As-of date of the challenger, ISO.
            challenger: Manifest id of the model trained as of ``date``.
            comparison: `models.metrics.paired.PairedComparison.record` of the challenger against
                `champion_before`: ``better`` (bool) decides, ``low`` None means not tested. None where no comparison
                was made.
            reason: Why no comparison was made; the comparison's own reason otherwise.

        Raises:
            StudyError: ``family`` or ``date`` is malformed.
            LakeError: The challenger has no manifest, or is no model of ``date``.
        """
        path = self._path(family, date)
        self._must_be_model_of(challenger, date)
        incumbent = self.champion_before(family, date)
        figures = dict(comparison or {})
        better, why = bool(figures.pop("better", False)), str(figures.pop("reason", "") or reason)
        outcome: Outcome
        if incumbent is None:
            outcome, why = "first", "there was no champion before"
            figures = {}
        elif incumbent.model_id == challenger:
            outcome, why = "kept", "the challenger is the champion itself"
        elif figures.get("low") is None or figures.get("high") is None:
            outcome, why = "not tested", why or "no comparison was made"
        else:
            outcome = "promoted" if better else "kept"
        wins = incumbent is None or outcome == "promoted"
        decision = Decision(
            family=family,
            date=date,
            challenger=challenger,
            incumbent=incumbent.model_id if incumbent else None,
            decision=outcome,
            champion=challenger if wins or incumbent is None else incumbent.model_id,
            since=date if wins or incumbent is None else incumbent.since,
            comparison=figures,
            reason=why,
        )
        write_atomically(path, json.dumps(asdict(decision), indent=1, sort_keys=True).encode())
        return decision

    def families(self) -> list[str]:
        """Families with at least one decision, ascending."""
        return sorted({path.parent.name for path in self.folder.glob("*/*.json")})

    def dates(self, family: str) -> list[str]:
        """Dates with a decision on ``family``, ascending."""
        return sorted(path.stem for path in (self.folder / family).glob("*.json"))

    def decision(self, family: str, date: str) -> Decision:
        """The decision of one family and date.

        Raises:
            LakeError: There is none, or its file is damaged.
        """
        path = self._path(family, date)
        if not path.is_file():
            raise LakeError(
                f"registry, family {family}", received=f"no decision of {date}", expected=f"one of {self.dates(family)}"
            )
        try:
            return Decision(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise LakeError(
                f"registry, decision {family} {date}",
                received=str(error),
                expected="a decision as JSON",
                remedy="Materialise the promotion of the date again.",
            ) from error

    def champion_before(self, family: str, date: str) -> ModelRef | None:
        """Champion of the newest decision before ``date``; None where there is none."""
        earlier = [day for day in self.dates(family) if day < date]
        return self._champion(family, earlier[-1]) if earlier else None

    def champion(self, family: str) -> ModelRef | None:
        """Champion of the newest decision; None where there is none."""
        dates = self.dates(family)
        return self._champion(family, dates[-1]) if dates else None

    def champions(self, family: str) -> list[ModelRef]:
        """Every model that is or was champion of ``family``, newest first, each once."""
        found = {ref.model_id: ref for ref in (self._champion(family, day) for day in self.dates(family))}
        return sorted(found.values(), key=lambda ref: ref.since, reverse=True)

    # --- approvals ---

    def approve(
        self, model_id: str, name: str | None = None, at: dt.datetime | None = None, note: str = ""
    ) -> Approval:
        """Let a champion trade; recorded with name and time.

        A former champion may be approved too; `live_model` prefers the newest approved one.

        Args:
            model_id: Manifest id, or an unambiguous beginning of one.
            name: Who approves; None for ``$T2T_USER`` or the login name.
            at: When; None for now.
            note: Why.

        Raises:
            ApprovalError: The id is unknown, ambiguous, no champion of any family, or approved already.
        """
        full = self.resolve(model_id)
        refs = [ref for family in self.families() for ref in self.champions(family) if ref.model_id == full]
        if not refs:
            raise ApprovalError(
                f"approval of {full}",
                received=self._why_no_champion(full),
                expected="a champion of a family",
                remedy="`t2t models` lists champions.",
            )
        if (standing := self.approval_of(full)) is not None:
            raise ApprovalError(
                f"approval of {full}",
                received=f"approved already by {standing.by} at {standing.at}",
                remedy="Nothing was recorded; nothing needs to be done.",
            )
        return self.log.append("approve", full, refs[0].family, name, at, note)

    def resolve(self, model_id: str) -> str:
        """The full id of an unambiguous beginning of one.

        Raises:
            ApprovalError: It fits no artefact, or several.
        """
        if not model_id:
            raise ApprovalError("approval", received="an empty id", expected="the id of one model")
        try:
            return self.manifests.get(model_id).id
        except LakeError as error:
            raise ApprovalError(
                "approval",
                received=error.received,
                expected="the id of one model",
                remedy="`t2t models` lists champions.",
            ) from error

    def withdraw(
        self, model_id: str, name: str | None = None, at: dt.datetime | None = None, note: str = ""
    ) -> Approval:
        """Take an approval back; this is recorded too, and the model may be approved again later.

        Args:
            model_id: Manifest id, or an unambiguous beginning of one.
            name: Who withdraws; None for ``$T2T_USER`` or the login name.
            at: When; None for now.
            note: Why.

        Raises:
            ApprovalError: The id fits no approval that stands, or several.
        """
        standing = self.log.standing()
        fits = [model_id] if model_id in standing else sorted(key for key in standing if key.startswith(model_id))
        if len(fits) != 1 or not model_id:
            raise ApprovalError(
                "withdrawal",
                received=f"{model_id!r}, which fits {len(fits)} approvals",
                expected=f"one of {sorted(standing)}" if standing else "an approved model; none is",
                remedy="`t2t models` lists approvals.",
            )
        return self.log.append("withdraw", fits[0], standing[fits[0]].family, name, at, note)

    def approval_of(self, model_id: str) -> Approval | None:
        """The approval of exactly this id that stands; None where it has none or it was withdrawn."""
        return self.log.standing().get(model_id)

    def live_model(self, family: str) -> ModelRef:
        """The newest approved champion: a newer one that is not approved does not replace it.

        Raises:
            ApprovalError: No champion of the family is approved.
        """
        standing, champions = self.log.standing(), self.champions(family)
        for ref in champions:
            approval = standing.get(ref.model_id)
            if approval is not None and approval.family == family:
                return ref
        remedy = f"`t2t approve {champions[0].model_id}` approves the newest." if champions else "Train it first."
        raise ApprovalError(
            f"live model of family {family}",
            received=f"{len(champions)} champions, none of them approved",
            expected="an approved champion",
            remedy=remedy,
        )

    # --- helpers ---

    def _path(self, family: str, date: str) -> Path:
        if not _FAMILY.fullmatch(family):
            raise StudyError("model family", received=repr(family), expected="lower-case letters, digits, underscores")
        try:
            plain = dt.date.fromisoformat(date).isoformat() == date
        except ValueError:
            plain = False
        if not plain:
            raise StudyError("date of a decision", received=repr(date), expected="YYYY-MM-DD")
        return self.folder / family / f"{date}.json"

    def _champion(self, family: str, date: str) -> ModelRef:
        decision = self.decision(family, date)
        return ModelRef(family, decision.champion, decision.since)

    def _must_be_model_of(self, challenger: str, date: str) -> None:
        manifest = self.manifests.get(challenger)
        if manifest.id != challenger or manifest.kind != "model" or manifest.partition.get("date") != date:
            raise LakeError(
                f"challenger {challenger}",
                received=f"{manifest.kind} {manifest.id} of {manifest.partition.get('date')}",
                expected=f"the full id of a model of {date}",
            )

    def _why_no_champion(self, model_id: str) -> str:
        for family in self.families():
            for date in reversed(self.dates(family)):
                decision = self.decision(family, date)
                if decision.challenger == model_id:
                    return f"a challenger of family {family} that did not win on {date} ({decision.decision})"
        return "an artefact no decision speaks of"
