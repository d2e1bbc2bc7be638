"""Which way a table of rows becomes a flat tape, and what may be assumed of queues on it.

Here: the choice. Not here: the ways (sim/tape_orders.py, sim/tape_levels.py), the models (sim/queue_models.py).
"""

from __future__ import annotations

import polars as pl

from sim.queue_models import QueueModel
from sim.tape_build import FlatTape
from sim.tape_levels import prepare_levels, prepare_quotes
from sim.tape_orders import prepare_tape

_ORDERS = {"A", "M", "C", "F"}
#: Of queues nobody tells about: cancellations come from all lots of a queue alike.
LEVEL_QUEUE = QueueModel("power", 1.0)


def prepare_any(tape: pl.DataFrame) -> FlatTape:
    """Make RAW_TICKS rows ready for replay: as orders, as levels of one venue, or as the best prices they state.

    Raises:
        InsufficientDataError: There are no rows, or none states a two-sided book.
        SchemaError: Changes take more off a level than it has.
    """
    actions = set(tape["action"].unique().to_list())
    if actions & _ORDERS and "L" not in actions:
        return prepare_tape(tape)
    stated = tape["bid_px"].null_count() < tape.height
    if "L" in actions or not stated:
        return prepare_levels(tape)
    return prepare_quotes(tape)


def tells_orders(tape: FlatTape) -> bool:
    """Whether a tape tells when orders entered, so that who stands ahead is known."""
    return bool((tape.events.change_entered >= 0).any())


def queue_for(tape: FlatTape, queue: QueueModel | None = None) -> QueueModel:
    """The queue model of a market on ``tape``: the one asked for, else what the tape tells, else `LEVEL_QUEUE`.

    Raises:
        StudyError: ``exact`` is asked for and the tape does not tell orders one by one.
    """
    if queue is None:
        return QueueModel() if tells_orders(tape) else LEVEL_QUEUE
    if not tells_orders(tape):
        queue.require_levels()
    return queue
