"""``t2t approve`` and ``t2t models``: a person decides which champion may trade, and everyone sees who did.

Here: what the two commands print. Not here: the rules (feeds/registry.py), the arguments (pipelines/cli.py).
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from feeds.approvals import Approval
from feeds.registry import ModelRef, Registry

console = Console()


def approve_model(root: Path, model_id: str, name: str | None = None, note: str = "") -> Approval:
    """Approve a champion and say what trades now; a second approval of one model changes nothing and says so.

    Args:
        root: The study's folder.
        model_id: Manifest id or an unambiguous beginning.
        name: Who approves; None for ``$T2T_USER`` or the login name.
        note: Why.

    Raises:
        ApprovalError: The id fits no champion, or several artefacts.
    """
    registry = Registry(root)
    full = registry.resolve(model_id)
    standing = registry.approval_of(full)
    if standing is not None:
        _say(f"[yellow]already approved[/yellow] {escape(full)} by {_who(standing)}; nothing changed")
        return standing
    approval = registry.approve(full, name, note=note)
    _say(f"[green]approved[/green] {escape(approval.model_id)} ({approval.family}) by {_who(approval)}")
    _say_live(registry, approval.family)
    return approval


def withdraw_model(root: Path, model_id: str, name: str | None = None, note: str = "") -> Approval:
    """Withdraw an approval and say what trades now.

    Args:
        root: The study's folder.
        model_id: Manifest id or an unambiguous beginning.
        name: Who withdraws; None for ``$T2T_USER`` or the login name.
        note: Why.

    Raises:
        ApprovalError: No approval of the model stands.
    """
    registry = Registry(root)
    entry = registry.withdraw(model_id, name, note=note)
    _say(f"[yellow]withdrawn[/yellow] {escape(entry.model_id)} ({entry.family}) by {_who(entry)}")
    _say_live(registry, entry.family)
    return entry


def print_models(root: Path) -> None:
    """A line a family: champion, since when, who approved it, the newest challenger and what became of it."""
    registry = Registry(root)
    families = registry.families()
    if not families:
        _say("no decision on any model yet; `t2t run` makes them")
        return
    table = Table()
    for column in ("family", "champion", "since", "approved by", "approved at", "newest challenger", "decision"):
        table.add_column(column, overflow="fold")
    for family in families:
        table.add_row(*(escape(cell) for cell in _line(registry, family)))
    console.print(table)
    for family in families:
        _say_live(registry, family)


def _line(registry: Registry, family: str) -> list[str]:
    newest = registry.decision(family, registry.dates(family)[-1])
    approval = registry.approval_of(newest.champion)
    by, at = (approval.by, approval.at) if approval else ("not approved", "")
    return [family, newest.champion, newest.since, by, at, newest.challenger, f"{newest.decision} ({newest.date})"]


def _say_live(registry: Registry, family: str) -> None:
    """One line: the model that may trade, in one piece to be copied, or the command that would approve one."""
    live, champion = _live(registry, family), registry.champion(family)
    if live is not None:
        _say(f"{family}: live model {escape(live.model_id)}")
    if champion is not None and (live is None or live.model_id != champion.model_id):
        what = "no approved model; nothing trades" if live is None else "the champion is newer and not approved"
        _say(f"{family}: {what}. t2t approve {escape(champion.model_id)}")


def _live(registry: Registry, family: str) -> ModelRef | None:
    standing = {key for key, approval in registry.log.standing().items() if approval.family == family}
    return next((ref for ref in registry.champions(family) if ref.model_id in standing), None)


def _who(approval: Approval) -> str:
    return escape(f"{approval.by} at {approval.at}" + (f": {approval.note}" if approval.note else ""))


def _say(text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)
