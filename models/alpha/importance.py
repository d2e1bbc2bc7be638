"""Which groups of features a model leans on: out-of-sample permutation importance.

Here: the measurement. Not here: what the groups are (models/features/groups.py; the caller names them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from models.alpha.model import AlphaModel
from models.metrics.bootstrap import (
    Bootstrap,
    circular_block_weights,
    correlation_draws,
    percentile_interval,
    time_cells,
)
from models.metrics.forecast import Floats, information_coefficient

_SCHEMA = {
    "group": pl.String,
    "features": pl.Int64,
    "ic_loss": pl.Float64,
    "ic_loss_sd": pl.Float64,
    "ic_loss_low": pl.Float64,
    "ic_loss_high": pl.Float64,
}


def permutation_importance(
    model: AlphaModel,
    test: pl.DataFrame,
    groups: Mapping[str, Sequence[str]],
    row: str | None = None,
    repeats: int = 5,
    seed: int = 0,
    bootstrap: Bootstrap | None = None,
) -> pl.DataFrame:
    """Loss of IC when a group's columns are permuted together over the rows (Breiman 2001, grouped).

    Correlated features hide each other when permuted one by one; groups keep them together. Rows without a label are
    left out.

    Args:
        model: A fitted model.
        test: Labelled rows the model was not fitted on; with ``ts`` where ``bootstrap`` is given.
        groups: Group name -> feature columns; columns the model does not use are ignored.
        row: Row of the model; None for its lead.
        repeats: Permutations averaged.
        seed: Seed of the permutations.
        bootstrap: Stretches of time the interval draws; None for no interval.

    Returns:
        ``group``, ``features`` (number permuted), ``ic_loss`` (IC before minus mean IC after, null where the
        IC is undefined), ``ic_loss_sd`` (standard deviation over the permutations), ``ic_loss_low`` and
        ``ic_loss_high`` (block bootstrap of the test rows; null without one or where the test is too short), largest
        first.
    """
    name = model.lead if row is None else row
    label = pl.col(model.label).cast(pl.Float64)
    test = test.filter(label.is_not_null() & label.is_finite())
    estimator, x = model.rows[name], model.matrix(test)
    realised = test[model.label].cast(pl.Float64).to_numpy()
    judge = _Judge(test, realised, bootstrap)
    forecast = estimator.predict(x)
    before = information_coefficient(forecast, realised)
    random = np.random.default_rng(seed)
    records = []
    for group, names in groups.items():
        columns = [model.features.index(feature) for feature in names if feature in model.features]
        permuted = []
        for _ in range(repeats):
            shuffled = x.copy()
            shuffled[:, columns] = x[random.permutation(x.shape[0])][:, columns]
            permuted.append(estimator.predict(shuffled))
        # differences first: a group the model ignores loses exactly nothing
        losses = [(before or 0.0) - (information_coefficient(one, realised) or 0.0) for one in permuted]
        low, high = judge.interval(forecast, permuted)
        records.append(
            {
                "group": group,
                "features": len(columns),
                "ic_loss": None if before is None else float(np.mean(losses)),
                "ic_loss_sd": float(np.std(losses, ddof=1)) if before is not None and repeats > 1 else None,
                "ic_loss_low": low,
                "ic_loss_high": high,
            }
        )
    table = pl.DataFrame(records, schema=_SCHEMA)
    return table.sort("ic_loss", "group", descending=[True, False], nulls_last=True)


class _Judge:
    """Intervals of the loss: before and after share the draws, so that what moves both does not widen it."""

    def __init__(self, test: pl.DataFrame, realised: Floats, bootstrap: Bootstrap | None) -> None:
        self.realised, self.settings = realised, bootstrap
        self.weights: Floats | None = None
        if bootstrap is not None and not test.is_empty():
            self.cell = time_cells(test["ts"].to_numpy(), bootstrap.block_ms)
            self.weights = circular_block_weights(int(self.cell.max()) + 1, bootstrap)

    def interval(self, forecast: Floats, permuted: Sequence[Floats]) -> tuple[float | None, float | None]:
        """Percentile interval of IC before minus mean IC after; (None, None) where there is none."""
        if self.weights is None or self.settings is None or np.ptp(self.realised) == 0.0:
            return None, None
        drawn = [correlation_draws(self.cell, one, self.realised, self.weights) for one in (forecast, *permuted)]
        # a permuted forecast that is constant carries no information: IC 0, as in the loss itself
        losses = np.mean([drawn[0] - np.nan_to_num(one) for one in drawn[1:]], axis=0)
        return percentile_interval(losses, self.settings.level) or (None, None)
