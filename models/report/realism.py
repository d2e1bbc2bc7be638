"""Realism of simulated markets in a small table.

Here: counting verdicts. Not here: the verdicts, which the frame brings; the section
(models/report/sections/simulator.py).
"""

from __future__ import annotations

import polars as pl

from models.plots.realism import FAMILIES

CLASSIFIER = "area under a classifier's curve"


def passes_by_generator(realism: pl.DataFrame) -> pl.DataFrame:
    """How many metrics of each family pass, a row a generator and instrument.

    Args:
        realism: Columns symbol, generator, family, metric, simulated, passed (null: not judged).

    Returns:
        ``symbol, generator, passed, judged``, a text ``7 of 9`` a family that has verdicts, and ``classifier_auc``.
    """
    records = []
    for (symbol, generator), part in realism.group_by("symbol", "generator", maintain_order=True):
        judged = part.filter(pl.col("passed").is_not_null())
        row = {"symbol": symbol, "generator": generator, "passed": int(judged["passed"].sum()), "judged": judged.height}
        for family in FAMILIES:
            own = judged.filter(pl.col("family") == family)
            row[family] = f"{int(own['passed'].sum())} of {own.height}" if own.height else ""
        area = part.filter(pl.col("metric") == CLASSIFIER)["simulated"]
        records.append({**row, "classifier_auc": area[0] if area.len() else None})
    texts = dict.fromkeys(FAMILIES, pl.String)
    schema = {"symbol": pl.String, "generator": pl.String, "passed": pl.Int64, "judged": pl.Int64, **texts}
    return pl.DataFrame(records, schema={**schema, "classifier_auc": pl.Float64})
