"""What stands beside a night's judgement of execution agents, in words: orders, training, fees, headline, markets.

Here: the notes. Not here: the verdict (models/execution/verdict.py), judging (assets/execution_judge.py).
"""

from __future__ import annotations

from typing import Any

from assets.execution_training import agent_of
from feeds.manifest import Manifest
from feeds.study import Execution


def notes_of(config: Execution, policy: Manifest, training: dict[str, Any]) -> list[str]:
    """How agents were trained and orders judged, in words."""
    sizes = ", ".join(f"{order} {lots:,} lots" for order, lots in training["parents"].items())
    horizons = " and ".join(f"{horizon_s}" for horizon_s in config.horizons_s)
    shares = " and ".join(f"{100 * share:g} %" for share in config.parent_shares)
    markets = {"flow": "the calibrated flow", "replay": "the tape it is fitted to, replayed with impact"}
    trained_on = " and ".join(markets[name] for name in config.train_on)
    fresh = ", ".join(f"{kind} {mean:.2f}" for kind, mean in training["fresh_orders_bps"].items())
    told = [f"Impact of {symbol}: {one['told']}." for symbol, one in training["impact"].items()]
    named = ", ".join(config.headline) or "every instrument of the study, none was named beforehand"
    start = "the champion's weights" if policy.params["started_from"] else "random weights"
    seen = (
        "forecasts of return and volatility seen from when they were known" if config.sees_forecasts else "no forecasts"
    )
    return [
        f"Parent orders of {horizons} s in {config.decisions} decisions, {shares} of the volume usually traded in "
        f"that time: {sizes}.",
        f"{config.eval_episodes} orders per instrument, market and case, half of them on either side; agents: seeds "
        f"{list(config.seeds)}, from {start}, on {trained_on}; {seen}.",
        f"Headline: {named}.",
        *_terms_of_trade(config),
        f"Challenger of the night: {agent_of(policy)}, the cheapest on fresh orders of the training markets ({fresh} "
        "bps).",
        "Replay: the unseen tape with our orders laid over it; depth we take comes back by half in the time measured "
        "before, and what takes do beyond it moves the prices we see. Flow: a simulated market in which everything "
        "reacts.",
        *told,
        *training["notes"],
    ]


def _terms_of_trade(config: Execution) -> list[str]:
    """Fees and aversion to risk, where the study states them."""
    told = []
    for venue, fees in config.fees.items():
        shares = f"{fees.taker_bps:g} bps taken and {fees.maker_bps:g} bps made"
        units = f", {fees.taker_per_unit:g} and {fees.maker_per_unit:g} a unit of size"
        told.append(f"Fees of {venue}: {shares}{units if fees.taker_per_unit or fees.maker_per_unit else ''}.")
    if config.risk_aversion:
        told.append(
            f"Agents learn with a weight of {config.risk_aversion:g} per bps on scatter; judged is the shortfall."
        )
    return told
