"""What a simulated market was made to hold beside what the models found of it.

Only a simulated market knows its truth; the comparison shows whether models find what is there and nothing more.

Here: the comparison. Not here: planting (sim/), models, the page (models/report/sections/planted.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from models.feature_table import EXTERNAL_PREFIX
from models.features.groups import group_of
from models.metrics.forecast import Floats, information_coefficient

SCHEMA = {
    "effect": pl.String,
    "size": pl.String,
    "where": pl.String,
    "planted": pl.Float64,
    "found": pl.Float64,
    "note": pl.String,
}


@dataclass(frozen=True)
class Found:
    """One night's results, each None where it is not there.

    Attributes:
        labels: ``ts, symbol`` and the label column, bps.
        label: Name of the label column.
        forecasts: ``ts, symbol, forecast_bps``.
        importance: ``group, ic_loss``.
        regimes: ``ts, symbol, p_0 ..``: the last state is the most turbulent.
        anomalies: ``ts, symbol, is_anomaly``.
        correlation: ``symbol_a, symbol_b, ledoit_wolf``.
    """

    labels: pl.DataFrame | None = None
    label: str = ""
    forecasts: pl.DataFrame | None = None
    importance: pl.DataFrame | None = None
    regimes: pl.DataFrame | None = None
    anomalies: pl.DataFrame | None = None
    correlation: pl.DataFrame | None = None


def planted_table(truth: pl.DataFrame, found: Found) -> pl.DataFrame:
    """One row an effect: what a model that knew the truth would score, and what tonight's models scored.

    Args:
        truth: ``ts, symbol``, drifts ``*_bps_per_min``, ``*_expected_bps`` over the label horizon from what is public,
            ``turbulent``, ``anomaly`` (bool), ``correlation`` (list, in the order of the instruments' first rows).
        found: The night's results.

    Returns:
        Columns of `SCHEMA`; null where a result is missing or an effect did not occur that night.
    """
    rows = [*_drift_rows(truth, found), _placebo_row(found), _regime_row(truth, found)]
    rows += [*_crash_rows(truth, found), _correlation_row(truth, found)]
    return pl.DataFrame([row for row in rows if row is not None], schema=SCHEMA)


def _drift_rows(truth: pl.DataFrame, found: Found) -> list[dict[str, Any]]:
    if found.labels is None or found.forecasts is None:
        return []
    known = truth.join(found.labels.select("ts", "symbol", found.label), on=["ts", "symbol"], how="inner")
    judged = known.join(found.forecasts.select("ts", "symbol", "forecast_bps"), on=["ts", "symbol"], how="inner")
    realised = judged[found.label].cast(pl.Float64).fill_null(np.nan).to_numpy()
    loss = _losses(found.importance)

    def ic(column: str) -> float | None:
        return information_coefficient(judged[column].cast(pl.Float64).fill_null(np.nan).to_numpy(), realised)

    rows = [
        {
            "effect": "all drift that is public",
            "size": f"{_spread(judged['expected_bps'])} bps standard deviation over the horizon",
            "where": "news and weak signal",
            "planted": ic("expected_bps"),
            "found": ic("forecast_bps"),
            "note": "IC of the planted expectation, and of the forecast. Order flow knows more than this expectation: "
            "it leans to the efficient price.",
        }
    ]
    for cause, column in (("news", "sent_last"), ("signal", f"{EXTERNAL_PREFIX}weak_signal")):
        group = group_of(column)
        rows.append(
            {
                "effect": f"drift after {cause}" if cause == "news" else "weak external signal",
                "size": f"{_largest(judged[f'{cause}_bps_per_min'])} bps a minute at most",
                "where": f"features: {group}",
                "planted": ic(f"{cause}_expected_bps"),
                "found": loss.get(group),
                "note": "IC of the planted expectation; loss of IC when the group is permuted.",
            }
        )
    return rows


def _placebo_row(found: Found) -> dict[str, Any] | None:
    if found.importance is None:
        return None
    group = group_of(f"{EXTERNAL_PREFIX}placebo")
    return {
        "effect": "placebo signal",
        "size": "none: pure noise",
        "where": f"features: {group}",
        "planted": 0.0,
        "found": _losses(found.importance).get(group),
        "note": "Loss of IC when it is permuted; what differs from 0 here is noise taken for information.",
    }


def _regime_row(truth: pl.DataFrame, found: Found) -> dict[str, Any] | None:
    if found.regimes is None:
        return None
    last = sorted((name for name in found.regimes.columns if name.startswith("p_")), key=lambda name: int(name[2:]))[-1]
    both = truth.join(found.regimes.select("ts", "symbol", last), on=["ts", "symbol"], how="inner").drop_nulls(last)
    turbulent = both["turbulent"].to_numpy()
    return {
        "effect": "turbulent stretches",
        "size": f"{turbulent.mean():.0%} of the test window" if turbulent.size else "none",
        "where": "regime_state",
        "planted": 1.0,
        "found": auc(both[last].to_numpy(), turbulent),
        "note": "Area under the ROC curve of the most turbulent state's probability; 0.5 is chance.",
    }


def _crash_rows(truth: pl.DataFrame, found: Found) -> list[dict[str, Any]]:
    if found.anomalies is None:
        return []
    both = truth.join(found.anomalies.select("ts", "symbol", "is_anomaly"), on=["ts", "symbol"], how="inner")
    crash, rest = both.filter(pl.col("anomaly")), both.filter(~pl.col("anomaly"))
    symbols = ", ".join(sorted(crash["symbol"].unique().to_list()))
    rows: list[dict[str, Any]] = []
    if crash.height:
        rows.append(
            {
                "effect": "flash crash",
                "size": f"{crash.height} decision times",
                "where": f"{symbols}; anomaly_score",
                "planted": 1.0,
                "found": float(crash["is_anomaly"].mean()),  # type: ignore[arg-type]
                "note": "Share of the crash's decision times with an alarm.",
            }
        )
    rows.append(
        {
            "effect": "no crash",
            "size": f"{rest.height} decision times",
            "where": "anomaly_score",
            "planted": 0.0,
            "found": float(rest["is_anomaly"].mean()) if rest.height else None,  # type: ignore[arg-type]
            "note": "Share of all other decision times with an alarm; turbulence and news raise some.",
        }
    )
    return rows


def _correlation_row(truth: pl.DataFrame, found: Found) -> dict[str, Any] | None:
    if found.correlation is None or found.correlation["symbol_a"].n_unique() < 2:
        return None
    order = truth["symbol"].unique(maintain_order=True).to_list()
    true = {name: dict(zip(order, values, strict=True)) for name, values in _first_rows(truth).items()}
    pairs = found.correlation.filter(pl.col("symbol_a") < pl.col("symbol_b")).to_dicts()
    errors = [abs(true[row["symbol_a"]][row["symbol_b"]] - row["ledoit_wolf"]) for row in pairs]
    stated = ", ".join(
        f"{row['symbol_a'].split('.')[0]}-{row['symbol_b'].split('.')[0]} {true[row['symbol_a']][row['symbol_b']]:.1f}"
        for row in pairs
    )
    return {
        "effect": "common factor",
        "size": stated,
        "where": "correlation_model",
        "planted": 0.0,
        "found": float(np.mean(errors)),
        "note": "Mean absolute error of the Ledoit-Wolf correlations; the book's noise pulls them towards 0.",
    }


def _first_rows(truth: pl.DataFrame) -> Mapping[str, list[float]]:
    first = truth.unique("symbol", keep="first", maintain_order=True)
    return {row["symbol"]: row["correlation"] for row in first.select("symbol", "correlation").to_dicts()}


def _losses(importance: pl.DataFrame | None) -> dict[str, float | None]:
    if importance is None:
        return {}
    return dict(importance.select("group", "ic_loss").iter_rows())


def _largest(values: pl.Series) -> str:
    return f"{float(values.abs().max() or 0.0):.2f}"  # type: ignore[arg-type]


def _spread(values: pl.Series) -> str:
    return f"{float(values.std() or 0.0):.2f}"  # type: ignore[arg-type]


def auc(score: Floats, positive: np.ndarray) -> float | None:
    """Probability that a positive case scores above a negative one, ties half (Hanley & McNeil 1982).

    Returns:
        None where one of the two kinds is missing.
    """
    n, total = int(positive.sum()), positive.size
    if n == 0 or n == total:
        return None
    ranks = float(rankdata(score)[positive].sum())
    return (ranks - n * (n + 1) / 2) / (n * (total - n))
