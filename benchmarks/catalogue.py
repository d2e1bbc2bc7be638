"""Names of the benchmarks and how to run one.

Here: the list. Not here: measurements (one module each).
"""

from __future__ import annotations

import importlib
from typing import Any

from feeds.errors import T2TError

_MODULES = {
    "book_replay": "tapes replayed order by order and level by level: ns a row, beside hftbacktest where it is there",
    "decode": "every format decoded beside a reference, and the whole ingest of the US equity ticks",
    "decode_large": "a generated 5 GB ITCH tape: peak memory, messages a second (needs 8 GB of disk)",
    "demo_market": "the simulated demo market: seconds to generate, events, what knowing the plant is worth",
    "execution_env": "execution environments, vectorised and single, by market: steps a second at 100 messages, reset",
    "execution_headline": "the nights' agents on every unseen tape, beside takers and passive rules (--studies a,b)",
    "execution_quality": "execution policies of a study that was run, by the whole protocol (--study NAME)",
    "generators": "simulated markets fitted to real tapes: realism metrics passed, cost of a take by half spreads",
    "graph": "the whole graph on the embedded data, both studies: seconds, peak memory",
    "known_answers": "agents where the best schedule is known: Almgren-Chriss, Obizhaeva-Wang",
    "load": "loading the code location cold: seconds against the 15 s limit",
    "orders": "a message at the venue with every order type: ns on one core, beside the plain twin",
    "qrm": "queue-reactive model: published execution table, jump and invariant law, ns per event",
    "qrm_agents": "agents on the published queue-reactive task: double DQN beside its table, what goes past it",
    "replay_facts": "what replays of real tapes must reproduce: book files, matches, tickers",
    "replay_market": "tapes as markets: preparation, bytes a row, resets, steps; impact measured on each",
    "sentiment": "headline scoring: texts a second, macro-F1 where the labelled headlines are here",
}


def names() -> dict[str, str]:
    """Benchmark name -> what it measures."""
    return dict(_MODULES)


def run_benchmark(name: str, **options: Any) -> dict[str, Any]:
    """Run one benchmark, with the options its ``run`` takes, and return its figures.

    Raises:
        T2TError: There is no such benchmark.
    """
    if name not in _MODULES:
        raise T2TError("benchmark", received=repr(name), expected=f"one of {sorted(_MODULES)}")
    return importlib.import_module(f"benchmarks.{name}").run(**options)
