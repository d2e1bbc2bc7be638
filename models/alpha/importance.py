"""Which groups of features a model leans on: out-of-sample permutation importance.

Here: the measurement. Not here: what the groups are (the caller names them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from models.alpha.model import AlphaModel
from models.metrics.forecast import information_coefficient


def permutation_importance(
    model: AlphaModel,
    test: pl.DataFrame,
    groups: Mapping[str, Sequence[str]],
    row: str | None = None,
    repeats: int = 5,
    seed: int = 0,
) -> pl.DataFrame:
    """Loss of IC when a group's columns are permuted together over the rows (Breiman 2001, grouped).

    Correlated features hide each other when permuted one by one; groups keep them together.

    Args:
        model: A fitted model.
        test: Labelled rows the model was not fitted on.
        groups: Group name -> feature columns; columns the model does not use are ignored.
        row: Row of the model; None for its lead.
        repeats: Permutations averaged.
        seed: Seed of the permutations.

    Returns:
        ``group``, ``features`` (number permuted), ``ic_loss`` (IC before minus mean IC after, null where the
        IC is undefined), largest first.
    """
    name = model.lead if row is None else row
    estimator, x = model.rows[name], model.matrix(test)
    realised = test[model.label].cast(pl.Float64).to_numpy()
    before = information_coefficient(estimator.predict(x), realised)
    random = np.random.default_rng(seed)
    records = []
    for group, names in groups.items():
        columns = [model.features.index(feature) for feature in names if feature in model.features]
        after = []
        for _ in range(repeats):
            shuffled = x.copy()
            shuffled[:, columns] = x[random.permutation(x.shape[0])][:, columns]
            after.append(information_coefficient(estimator.predict(shuffled), realised) or 0.0)
        loss = None if before is None else before - float(np.mean(after))
        records.append({"group": group, "features": len(columns), "ic_loss": loss})
    schema = {"group": pl.String, "features": pl.Int64, "ic_loss": pl.Float64}
    return pl.DataFrame(records, schema=schema).sort("ic_loss", "group", descending=[True, False], nulls_last=True)
