"""What the night's agent is worth on every unseen tape: its shortfall and impact beside takers and passive rules.

Reads the newest judged nights of each study, plays nothing. A tape is an instrument of a study and night; the agent is
the night's challenger, chosen before on other data, over all its training seeds. Intervals and tests are paired and by
blocks of start times; p-values are adjusted over all tapes that are asked for (Holm).

Here: reading, one table. Not here: the statistics (models/execution/headline.py), judging (assets/execution_judge.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.execution_quality import store_of

if TYPE_CHECKING:
    from assets.store import StudyStore

MARKET = "replay"


def run(studies: str = "", nights: int = 1) -> dict[str, Any]:
    """Figures of every tape.

    Args:
        studies: Names with commas between; empty: all shipped studies that were run.
        nights: Of each study, the newest; every one is a tape of its own.

    Returns:
        ``tapes``: ``"{study} {instrument}"``, and with several nights the date -> figures of
        `models.execution.headline.tape_headline`, with ``agent, date, headline`` (whether the instrument stands for its
        study), ``p_holm`` and ``cases`` (the same figures by case); ``targets``: what is asked for; ``held``: target ->
        on how many tapes it holds, does not, cannot be said;
        ``held_headline``: the same of the tapes that stand for their studies.

    Raises:
        LakeError: A study that is named was not judged, or none was.
    """
    from feeds.errors import LakeError
    from feeds.study import available_studies
    from models.execution.headline import TARGETS, adjust_over_tapes

    asked = [name for name in studies.split(",") if name]
    tapes: dict[str, Any] = {}
    for study in asked or available_studies():
        store = store_of(study)
        dates = store.lake.dates("execution_evaluation")
        if dates:
            for date in dates[-nights:]:
                when = f" {date}" if nights > 1 else ""
                tapes |= {f"{study} {symbol}{when}": found for symbol, found in tapes_of(store, date).items()}
        elif asked:
            raise LakeError(
                f"execution of {study}", received="no judged night", remedy=f"Run `t2t run --study {study}`."
            )
    if not tapes:
        raise LakeError("execution of all studies", received="no judged night", remedy="Run `t2t run`.")
    for tape, adjusted in zip(tapes.values(), adjust_over_tapes(list(tapes.values())), strict=True):
        tape["p_holm"] = adjusted
    standing = [tape for tape in tapes.values() if tape["headline"]]
    counts = {"held": held(list(tapes.values())), "held_headline": held(standing)}
    return {"tapes": tapes, "targets": TARGETS, **counts}


def tapes_of(store: StudyStore, date: str) -> dict[str, dict[str, Any]]:
    """Instrument -> figures of the challenger on the unseen tape of ``date``."""
    from models.execution.comparison import CASE
    from models.execution.headline import by_label, tape_headline

    tree = store.artefacts.read_json(store.artefacts.current("execution_evaluation", date), "evaluation.json")
    agent, stands = str(tree.get("challenger", "dqn")), (tree.get("headline") or {}).get("instruments")
    rows = store.lake.read("execution_evaluation", date).filter(pl.col("market") == MARKET)
    # nights from before there were several cases do not tell theirs
    rows = rows.with_columns(pl.lit(None).alias(name) for name in CASE if name not in rows.columns)
    found = {}
    for (symbol,), own in rows.group_by("symbol", maintain_order=True):
        told = {"agent": agent, "date": date, "headline": stands is None or symbol in stands}
        found[str(symbol)] = told | tape_headline(own, agent) | {"cases": by_label(own, agent)}
    return found


def held(tapes: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Target -> ``yes, no, unknown``: tapes on which it holds, does not hold, cannot be said."""
    names = tapes[0]["targets"] if tapes else ()
    verdicts = {name: [tape["targets"][name] for tape in tapes] for name in names}
    words = {"yes": True, "no": False, "unknown": None}
    return {name: {word: said.count(value) for word, value in words.items()} for name, said in verdicts.items()}


def lines_of(name: str, tape: Mapping[str, Any]) -> list[str]:
    """A tape as lines of a table."""
    costs, versus = tape["is_bps"], tape["difference"]
    others = {"twap": "TWAP taker", "vwap": "VWAP", "passive": tape["best_passive"]}
    star = "*" if tape["headline"] else ""
    lines = [
        f"{name}{star}: {tape['agent']}, {tape['seeds']} seeds, {tape['orders']} orders, {tape['blocks']} blocks: "
        f"IS {_three(costs['agent'])} bps, sd {_number(tape['sd_bps']['agent'])}"
    ]
    for key, rule in others.items():
        p = f"p {_number(tape['p_value'][key], 4)}, Holm {_number(tape['p_holm'][key], 4)}"
        ratio = f", ratio {_number(tape['ratio'][key])}" if key in tape["ratio"] else ""
        lines.append(
            f"  {rule or 'no passive rule':28} IS {_three(costs[key])}, paired {_three(versus[key])}, {p}{ratio}"
        )
    impact = tape["impact_bps"]
    lines.append(
        f"  {'impact':28} {_three(impact['agent'])} against {_three(impact['twap'])}, ratio "
        f"{_number(tape['impact_ratio'])}"
    )
    said = {True: "holds", False: "fails", None: "cannot be said"}
    lines.append(f"  {'targets':28} " + ", ".join(f"{key} {said[value]}" for key, value in tape["targets"].items()))
    return lines


def _three(values: Sequence[float | None] | None) -> str:
    if values is None:
        return "–"
    middle, low, high = values
    return _number(middle) + ("" if low is None else f" [{_number(low)}, {_number(high)}]")


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def main() -> None:
    """``python -m benchmarks.execution_headline [--studies a,b] [--nights 3] [--json]``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", default="", help="names with commas between; default: all that were run")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--nights", type=int, default=1, help="of each study, the newest")
    asked = parser.parse_args()
    found = run(asked.studies, asked.nights)
    if asked.json:
        print(json.dumps(found))
        return
    for name, tape in found["tapes"].items():
        print("\n".join(lines_of(name, tape)))
    print(f"Targets {found['targets']}: {found['held']}")
    print(f"* stands for its study: {found['held_headline']}")


if __name__ == "__main__":
    main()
