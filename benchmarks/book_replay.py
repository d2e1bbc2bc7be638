"""Replaying tapes: nanoseconds a row on one core, beside hftbacktest on the same tapes.

The other package runs in a process of the Python that ``T2T_HFTBACKTEST_PYTHON`` names (its dependencies are not ours),
or of this one where it is installed; without it its figures are None. Each side keeps the book and stops once a second
of market time; process time, the best of several runs after one that compiles, input in memory. Ratios say how many
times faster ours is, against the faster of the package's two books.

What is measured of ours: *streamed*, ids and prices as they come, nothing known before; *prepared*, a tape whose orders
and prices were numbered once (which costs what *prepare* says).

Here: the measurement. Not here: tapes (benchmarks/replay_tapes.py), the other side (benchmarks/hftbacktest_peer.py).
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.replay_tapes import Tape, generated_orders, level_events, level_tape, order_events, order_tapes
from feeds.errors import T2TError

VARIABLE = "T2T_HFTBACKTEST_PYTHON"
REPEATS = 5
STREAM_ROWS = 100_000_000
_BLOCK = 250_000
_STEP_NS, _QUOTING_LATENCY_NS = 10_000_000, 5_000_000
#: A thousandth of a coin, in lots of the level tape; exponent of the queue model.
_QUOTING_LOTS, _QUEUE_POWER = 100_000, 3.0
#: The package's array book spans the middle price, give or take this share.
_SPAN = 0.2


def run() -> dict[str, Any]:
    """All figures.

    Returns:
        ``l3_ns_per_event``: streamed, of the generated tape, and ``l3_ratio_vs_hftbacktest`` of it; ``l2_ns_per_event``
        and ``l2_ratio_vs_hftbacktest``: prepared, as the package has its events prepared too; ``python_loop_ratio``:
        steps a second from a Python loop by 10 ms, ours over theirs; ``own_orders_ratio``: of a maker who moves one
        order a side every 10 ms, on a prepared tape, and ``own_orders_streamed_ratio``: its preparation counted too;
        ``stream_rows`` and ``stream_peak_mb``: of a long generated stream in a process of its own; ``tapes``: every
        figure of every tape.
    """
    tapes = {name: measure_orders(tape) for name, tape in order_tapes().items()}
    levels = level_tape()
    if levels is not None:
        tapes["binance_levels"] = measure_levels(levels)
    generated, real = tapes["generated"], tapes.get("binance_levels", {})
    return {
        "l3_ns_per_event": generated["streamed_ns"],
        "l3_ratio_vs_hftbacktest": generated["streamed_ratio"],
        "l2_ns_per_event": real.get("prepared_ns"),
        "l2_ratio_vs_hftbacktest": real.get("prepared_ratio"),
        "own_orders_ratio": real.get("quoting_ratio"),
        "own_orders_streamed_ratio": real.get("quoting_streamed_ratio"),
        "python_loop_ratio": real.get("python_loop_ratio"),
        **_in_a_process("stream_memory", STREAM_ROWS),
        "tapes": tapes,
    }


def measure_orders(tape: Tape) -> dict[str, float | None]:
    """Figures of an order tape."""
    from sim.fast_replay_l3 import OrderReplay, prepare_orders

    rows = tape.rows
    prepared = prepare_orders(rows)
    ours = {
        "rows": float(rows.code.size),
        "streamed_ns": _best_ns(OrderReplay, lambda replay: replay.apply(rows), rows.code.size),
        "prepared_ns": _best_ns(prepared.new_book, prepared.replay, rows.code.size),
        "prepare_ns": _best_ns(lambda: None, lambda _: prepare_orders(rows), rows.code.size),
    }
    return ours | _ratios(ours, _theirs(order_events(tape), "l3", tape, rows.price))


def measure_levels(tape: Tape) -> dict[str, float | None]:
    """Figures of a level tape."""
    from sim.fast_replay_l2 import LevelReplay, LevelTape, level_columns

    columns, prepared = level_columns(tape.rows), LevelTape(tape.rows)
    end = int(prepared.rows["recv_ns"].max())

    def rewound() -> LevelTape:
        prepared.rewind()
        return prepared

    ours = {
        "rows": float(tape.rows.height),
        "streamed_ns": _best_ns(LevelReplay, lambda replay: replay.apply(columns), tape.rows.height),
        "prepared_ns": _best_ns(rewound, lambda ready: ready.advance(end), tape.rows.height),
    }
    loop_ns = _best_ns(rewound, _step_through, 1)
    rewound()
    steps_per_s = _step_through(prepared) / loop_ns * 1e9
    theirs = _theirs(level_events(tape), "l2", tape, columns.price)
    looped = steps_per_s / theirs["steps_per_s"] if theirs else None
    looping = {"steps_per_s": steps_per_s, "python_loop_ratio": looped}
    return ours | looping | _ratios(ours, theirs) | measure_quoting(tape, theirs)


def measure_quoting(tape: Tape, theirs: dict[str, float]) -> dict[str, float | None]:
    """Figures of a maker who moves one order a side every 10 ms, orders 5 ms on their way, on a level tape.

    Queues shrink by cancellations behind us and ahead of us as their cubed lengths, on both sides of the comparison.
    Which orders fill differs in part: a fill here is of the lots that traded, there of the whole order.
    """
    from sim.latency import Delay
    from sim.queue_models import QueueModel
    from sim.tape_levels import prepare_levels
    from sim.tape_own import start
    from sim.tape_quoting import quote
    from sim.tape_state import TapeRun, TapeState, new_states

    flat, rows = prepare_levels(tape.rows), tape.rows.height
    increment = int(np.gcd.reduce(tape.rows["price"].to_numpy()))
    model = QueueModel("power", _QUEUE_POWER).encoded()
    state = TapeState(*(array[0] for array in new_states(1, flat.most_levels, increment, 1e9, None, model)))
    run, stamps = TapeRun(flat.events, state), flat.events.ts_ns
    first, last = int(stamps[0]), int(stamps[-1])

    def quoted(_: object) -> Any:
        start(run, first, np.uint64(0))
        return quote(run, last, _STEP_NS, _QUOTING_LOTS, Delay.constant(_QUOTING_LATENCY_NS))

    quoting_ns = _best_ns(lambda: None, quoted, rows)
    prepare_ns = _best_ns(lambda: None, lambda _: prepare_levels(tape.rows), rows)
    told, peer = quoted(None), theirs.get("quoting_ns")
    return {
        "quoting_ns": quoting_ns,
        "quoting_prepare_ns": prepare_ns,
        "quoting_bytes_per_row": flat.nbytes / rows,
        "quoting_fills": float(told.maker_fills),
        "quoting_steps": float(told.steps),
        "hftbacktest_quoting_ns": peer,
        "hftbacktest_quoting_fills": theirs.get("quoting_fills"),
        "quoting_ratio": peer / quoting_ns if peer else None,
        "quoting_streamed_ratio": peer / (quoting_ns + prepare_ns) if peer else None,
    }


def _step_through(tape: Any) -> int:
    """Step by 10 ms and read both best prices, as an environment would."""
    now, steps = int(tape.rows["recv_ns"][0]), 0
    while tape.advance(now):
        _ = tape.best(0), tape.best(1)
        now, steps = now + _STEP_NS, steps + 1
    return steps


def stream_memory(rows: int) -> dict[str, float]:
    """Peak memory of this process while a generated stream passes through, block by block."""
    from sim.fast_replay_l3 import OrderReplay

    block, replay, passed = generated_orders(_BLOCK).rows, OrderReplay(), 0
    started = time.process_time()
    while passed < rows:
        replay.apply(block._replace(order_id=block.order_id + passed, ts_ns=block.ts_ns + passed * 1_000_000))
        passed += block.code.size
    assert replay.live_orders == 0 and replay.counts().unknown_ids == 0, "each block cancels what it added"
    taken_ns = (time.process_time() - started) * 1e9
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"stream_rows": float(passed), "stream_peak_mb": peak_mb, "stream_ns_per_event": taken_ns / passed}


def _best_ns(make: Callable[[], Any], work: Callable[[Any], object], rows: int) -> float:
    taken = []
    for _ in range(REPEATS + 1):
        made = make()
        started = time.process_time_ns()
        work(made)
        taken.append(time.process_time_ns() - started)
    return min(taken[1:]) / rows


def _ratios(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, float | None]:
    best = min(theirs["hashmap_ns"], theirs["array_ns"]) if theirs else None
    return {
        "hftbacktest_hashmap_ns": theirs.get("hashmap_ns"),
        "hftbacktest_array_ns": theirs.get("array_ns"),
        "streamed_ratio": best / ours["streamed_ns"] if best else None,
        "prepared_ratio": best / ours["prepared_ns"] if best else None,
    }


def _theirs(events: np.ndarray, kind: str, tape: Tape, price: np.ndarray) -> dict[str, float]:
    python = os.environ.get(VARIABLE)
    if not python and importlib.util.find_spec("hftbacktest") is None:
        return {}
    # The least increment all prices keep, and not the unit of the file.
    tick = float(np.gcd.reduce(price)) * tape.tick
    middle = float(np.median(price)) * tape.tick
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.npy"
        np.save(path, events)
        bounds = (f"{middle * (1 - _SPAN)}", f"{middle * (1 + _SPAN)}")
        script = Path(__file__).with_name("hftbacktest_peer.py")
        return _answer([python or sys.executable, str(script), str(path), kind, f"{tick}", *bounds])


def _in_a_process(name: str, argument: int) -> dict[str, float]:
    code = f"import json; from benchmarks.book_replay import {name}; print(json.dumps({name}({argument})))"
    return _answer([sys.executable, "-c", code])


def _answer(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise T2TError("benchmark of replays", received=done.stderr.strip()[-2000:])
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
