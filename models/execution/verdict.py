"""What the comparison of execution policies says, in words.

Here: the sentences. Not here: the figures (comparison.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from models.execution.baselines import REFERENCE
from models.execution.cases import case_label
from models.execution.comparison import CASE
from models.execution.significance import LEVEL

#: Cases named where an agent loses, the worst first.
MOST_NAMED = 8


def verdict(
    table: pl.DataFrame,
    cases: pl.DataFrame | None = None,
    agents: Sequence[str] = ("dqn",),
    reference: str = REFERENCE,
    tests: pl.DataFrame | None = None,
    headline: str = "",
) -> str:
    """What the table says about the agents, losing cases named.

    Args:
        table: As from `summarise`.
        cases: As from `by_case`; of the agents whose losses are to be told.
        agents: Names of the trained policies.
        reference: As for `summarise`.
        tests: As from `models.execution.significance.significance`: what is left of the differences to ``reference``
            once their number is reckoned with.
        headline: As from `headline_verdict`; stands first.
    """
    lines = table.to_dicts()
    said = [_judgement(line, lines, reference) for line in lines if line["policy"] in agents]
    if not said:
        return "No agent was judged."
    if cases is not None:
        said += _losses_by_agent(cases, agents)
    compared = sum(line[name] is not None for line in lines for name in ("vs_twap_low", "vs_best_low"))
    if compared:
        said.append(
            f"The table holds {compared} differences, each with its own 95 % interval and none widened for their "
            f"number: about {0.05 * compared:.1f} would exclude 0 by chance if no policy differed."
        )
    if tests is not None:
        said.append(_survivors(tests, agents, reference))
    return " ".join(part for part in (headline, *said) if part)


def headline_verdict(
    table: pl.DataFrame, agent: str, instruments: Sequence[str], missing: Sequence[str] = (), reference: str = REFERENCE
) -> str:
    """What an agent costs on the instruments that were named to stand for the study.

    Args:
        table: As from `summarise`, of their rows alone; empty where they are all there are.
        agent: The night's challenger.
        instruments: Named before anything was judged, and judged.
        missing: Named, but not judged.
        reference: As for `summarise`.
    """
    if not instruments:
        return f"Headline instruments {', '.join(missing)} were named and not judged."
    lines = table.to_dicts()
    said = [_judgement(line, lines, reference) for line in lines if line["policy"] == agent]
    left_out = f" {', '.join(missing)}: named, not judged." if missing else ""
    own = f" {' '.join(said)} All instruments:" if said else ""
    return f"Headline, named beforehand: {', '.join(instruments)}.{left_out}{own}"


def _survivors(tests: pl.DataFrame, agents: Sequence[str], reference: str) -> str:
    judged = tests.filter(pl.col("policy").is_in(list(agents)) & pl.col("p_romano_wolf").is_not_null())
    texts = []
    for row in judged.to_dicts():
        where = f"{_plain(row['policy'])} on the {row['market']} market" if row["market"] else _plain(row["policy"])
        stands = "stands" if row["p_romano_wolf"] <= LEVEL else "does not stand"
        texts.append(
            f"{where}: the difference to {_plain(reference)} {stands} after adjustment for all policies "
            f"(Romano-Wolf p {row['p_romano_wolf']:.3f}); {row['detectable_bps']:.2f} bps would be shown four times in "
            "five"
        )
    return "; ".join(texts) + "." if texts else ""


def _judgement(line: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], reference: str) -> str:
    peers = [other for other in lines if other["market"] == line["market"]]
    best = next((other["policy"] for other in peers if other["vs_best_bps"] is None), None)
    where = f"On the {line['market']} market" if line["market"] else "Here"
    costs = f"{_signed(line['is_bps'])} bps{_between(line['is_low'], line['is_high'])}"
    text = f"{where}, {_plain(line['policy'])} costs {costs} over {line['n']} orders"
    text += _against(_plain(reference), [line[k] for k in ("vs_twap_taker_bps", "vs_twap_low", "vs_twap_high")])
    if best is not None and best != reference:
        name = f"{_plain(best)}, the cheapest rule"
        text += _against(name, [line[k] for k in ("vs_best_bps", "vs_best_low", "vs_best_high")])
    return text + "." + _ratio(line, next((other for other in peers if other["policy"] == reference), None))


def _against(name: str, difference: Sequence[float | None]) -> str:
    value, low, high = difference
    if value is None:
        return ""
    if low is None or high is None:
        return f"; {_signed(value)} bps against {name}, too few blocks for an interval"
    found = "it wins" if high < 0 else "it loses" if low > 0 else "no difference shown"
    return f"; {_signed(value)} bps{_between(low, high)} against {name}: {found}"


def _ratio(line: Mapping[str, Any], reference: Mapping[str, Any] | None) -> str:
    # a share of a cost that may be 0 or negative means nothing, nor does one of a difference that may be 0
    if reference is None or (reference["is_low"] or 0.0) <= 0.0:
        return ""
    low, high = line["vs_twap_low"], line["vs_twap_high"]
    if low is None or high is None or low <= 0.0 <= high:
        return ""
    share = -line["vs_twap_taker_bps"] / reference["is_bps"]
    return f" That is {abs(share):.0%} {'less' if share >= 0 else 'more'} than {_plain(reference['policy'])}."


def _losses_by_agent(cases: pl.DataFrame, agents: Sequence[str]) -> list[str]:
    """Of several agents each by its name; those without cases are left out."""
    if len(agents) == 1:
        return [_losses(cases.filter(pl.col("policy") == agents[0]))]
    texts = [(agent, cases.filter(pl.col("policy") == agent)) for agent in agents]
    told = [(agent, _losses(own)) for agent, own in texts if own.height]
    return [f"{_plain(agent)}: {text[0].lower()}{text[1:]}" for agent, text in told]


def _losses(cases: pl.DataFrame) -> str:
    others = {"vs_twap_taker_bps": "TWAP taker", "vs_best_bps": "the cheapest rule"}
    if cases["vs_twap_taker_bps"].equals(cases["vs_best_bps"].alias("vs_twap_taker_bps")):
        del others["vs_best_bps"]
    texts, several = [], cases.select(CASE).n_unique() > 1
    for column, name in others.items():
        lost = cases.filter(pl.col(column) > 0)
        if lost.is_empty():
            texts.append(f"no case is dearer than {name} on average")
            continue
        worst = lost.sort(column, descending=True).head(MOST_NAMED).to_dicts()
        named = [
            f"{_case(row, several)} ({row['market']}, {_signed(row[column])})".replace("(, ", "(") for row in worst
        ]
        if lost.height > len(named):
            named.append(f"and {lost.height - len(named)} more")
        texts.append(f"dearer than {name} on average in {lost.height} of {cases.height} cases: {', '.join(named)}")
    text = "; ".join(texts)
    return f"{text[0].upper()}{text[1:]}."


def _case(row: Mapping[str, Any], several: bool) -> str:
    symbol = case_label(row["symbol"], *(row[name] for name in CASE)) if several else row["symbol"]
    return f"{symbol} {row['side']}"


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({_signed(low)} to {_signed(high)})"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _plain(name: str) -> str:
    return {"dqn": "DQN", "ppo": "PPO", "twap_taker": "TWAP taker", "vwap": "VWAP"}.get(name, name.replace("_", " "))
