"""Rules about trading status.

Here: what the last status says at each row. Not here: reading status messages (feeds/adapters).
"""

from __future__ import annotations

import polars as pl

#: ``condition`` of ``H`` rows.
HALTED, QUOTING = -1, 0


def status() -> pl.Expr:
    """The status after each row: `HALTED`, `QUOTING` or 1; a day begins as trading unless its source says otherwise."""
    return pl.when(pl.col("action") == "H").then(pl.col("condition")).forward_fill().fill_null(1)


def is_halted() -> pl.Expr:
    """Rows while trading is halted; the ``H`` rows themselves, which announce it, are not."""
    return (status() == HALTED) & (pl.col("action") != "H")


def is_quoting_only() -> pl.Expr:
    """Rows while orders and quotes are taken but nothing trades: before a reopening the book may be crossed."""
    return (status() == QUOTING) & (pl.col("action") != "H")
