"""A backtest's summary as a table of figures, gross beside net.

Here: sorting names into rows and columns. Not here: computing the figures (models/backtest.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

_SIDES = ("gross", "net")

#: Metric -> words with the unit; anything else is taken from its name.
_METRICS = {
    "total_bps": "total return (bps)",
    "max_drawdown_bps": "maximum drawdown (bps)",
    "annualised_return": "annualised return (fraction)",
    "annualised_volatility": "annualised volatility (fraction)",
    "sharpe_annualised": "Sharpe ratio, annualised",
    "annualised_sharpe": "Sharpe ratio, annualised",
    "sharpe_per_period": "Sharpe ratio, per period (not annualised)",
    "sharpe_period": "Sharpe ratio, per period (not annualised)",
    "hit_rate": "hit rate (fraction)",
    "turnover": "turnover, one way (× capital)",
    "trades": "trades",
    "n_trials": "trials counted in the registry",
    "deflated_sharpe": "deflated Sharpe ratio, net (probability)",
    "cost_blind_total_bps": "total return of the cost-blind rule (bps)",
    "cost_total_bps": "cost paid (bps)",
    "periods": "decision times",
    "days": "days",
    "probabilistic_sharpe": "probabilistic Sharpe ratio (probability)",
    "mean_size": "mean size of a trade (notionals)",
    "trades_with_forecast": "trades sized by a volatility forecast",
}
_COSTS = {
    "fee_bps": "fee per side (bps)",
    "half_spread": "half the quoted spread per side",
    "latency_ms": "decision to execution (ms)",
    "measured_bps": "measured cost per side, charged (bps)",
    "expected_bps": "cost per side known when deciding (bps)",
}
#: Beginnings of figures that have a table of their own.
_CONTROLS = ("unscaled_", "cost_assumed_", "cost_measured_", "assumed_cost_")
#: Figures of the scaled rule and of its control.
_SCALING = (
    "gross_total_bps",
    "cost_total_bps",
    "net_total_bps",
    "net_max_drawdown_bps",
    "net_sharpe_per_period",
    "turnover",
)


def summary_frame(summary: Mapping[str, Any]) -> pl.DataFrame:
    """Figures of ``summary`` that cost changes.

    Args:
        summary: See `models.report.inputs.BacktestInputs`.

    Returns:
        Columns metric, gross, net (Float64; null where a side has no value), in the order of ``summary``;
        figures without any value are left out, and those of `scaling_frame` and `cost_frame`.
    """
    rows: dict[str, dict[str, float | None]] = {}
    for name, value in _flat(summary):
        side, metric = _side(name)
        if side and _is_figure(value) and not name.startswith(_CONTROLS):
            rows.setdefault(_words(metric), {})[side] = _finite(value)
    # a figure that is null on both sides is explained by a remark of the summary
    rows = {metric: row for metric, row in rows.items() if any(value is not None for value in row.values())}
    columns = {side: [row.get(side) for row in rows.values()] for side in _SIDES}
    schema = {"metric": pl.String, **dict.fromkeys(_SIDES, pl.Float64)}
    return pl.DataFrame({"metric": list(rows), **columns}, schema=schema)


def activity_frame(summary: Mapping[str, Any]) -> pl.DataFrame:
    """Figures of ``summary`` that are neither gross nor net: columns metric, value."""
    rows = {
        _words(name): _finite(value)
        for name, value in _flat(summary)
        if not _side(name)[0] and _is_figure(value) and not name.startswith(_CONTROLS)
    }
    schema = {"metric": pl.String, "value": pl.Float64}
    return pl.DataFrame({"metric": list(rows), "value": list(rows.values())}, schema=schema)


def scaling_frame(summary: Mapping[str, Any]) -> pl.DataFrame:
    """The rule with positions scaled to volatility beside the same rule with one notional.

    Returns:
        Columns rule and the figures of `_SCALING`, two rows; no rows where nothing was scaled.
    """
    flat = dict(_flat(summary))
    schema = {"rule": pl.String, **dict.fromkeys(_SCALING, pl.Float64)}
    if "unscaled_net_total_bps" not in flat:
        return pl.DataFrame(schema=schema)
    rows = (("scaled to volatility", ""), ("one notional (control)", "unscaled_"))
    records = [{"rule": name} | {key: flat.get(f"{prefix}{key}") for key in _SCALING} for name, prefix in rows]
    return pl.DataFrame(records, schema=schema)


def cost_frame(summary: Mapping[str, Any]) -> pl.DataFrame:
    """What trading cost by either account.

    Returns:
        Columns cost, charged (text), cost_total_bps, net_total_bps; two rows, none where no cost was measured.
    """
    flat = dict(_flat(summary))
    schema = {"cost": pl.String, "charged": pl.String, "cost_total_bps": pl.Float64, "net_total_bps": pl.Float64}
    if "cost_measured_total_bps" not in flat:
        return pl.DataFrame(schema=schema)
    rows = [
        ("measured by execution", "yes", flat["cost_measured_total_bps"], flat.get("net_total_bps")),
        (
            "assumed: fee and half the spread",
            "no",
            flat.get("cost_assumed_total_bps"),
            flat.get("assumed_cost_net_total_bps"),
        ),
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _is_figure(value: Any) -> bool:
    return value is None or isinstance(value, int | float)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def summary_remarks(summary: Mapping[str, Any]) -> list[str]:
    """Texts of ``summary``, e.g. why nothing is annualised, each once."""
    found = [_sentence(name, value) for name, value in _flat(summary) if isinstance(value, str) and value]
    return list(dict.fromkeys(found))


def costs_frame(costs: Mapping[str, Any]) -> pl.DataFrame:
    """Cost assumptions as rows of text; what is None or empty is left out."""
    known = {name: value for name, value in costs.items() if value is not None and value != {}}
    return pl.DataFrame(
        {
            "assumption": [_COSTS.get(name, name.replace("_", " ")) for name in known],
            "value": [_cost_text(value) for value in known.values()],
        },
        schema={"assumption": pl.String, "value": pl.String},
    )


def _cost_text(value: Any) -> str:
    if isinstance(value, bool):
        return "paid" if value else "not paid"
    if isinstance(value, Mapping):
        return ", ".join(f"{symbol} {amount:.3g}" for symbol, amount in sorted(value.items())).replace("-", "−")
    return f"{value:g}"


def _flat(summary: Mapping[str, Any]) -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for name, value in summary.items():
        if isinstance(value, Mapping):
            flat.extend((f"{name}_{inner}", item) for inner, item in value.items() if not isinstance(item, Mapping))
        else:
            flat.append((name, value))
    return flat


def _side(name: str) -> tuple[str, str]:
    for side in _SIDES:
        if name.startswith(f"{side}_"):
            # gross_bps is the total
            metric = name.removeprefix(f"{side}_")
            return side, "total_bps" if metric == "bps" else metric
        if f"_{side}" in name:
            return side, name.replace(f"_{side}", "")
    return "", name


def _words(metric: str) -> str:
    if metric in _METRICS:
        return _METRICS[metric]
    for suffix, unit in (("_bps", "bps"), ("_ms", "ms"), ("_s", "s")):
        if metric.endswith(suffix):
            return f"{metric.removesuffix(suffix).replace('_', ' ')} ({unit})"
    return metric.replace("_", " ")


def _sentence(name: str, text: str) -> str:
    stem = text.strip().rstrip(".")
    return f"{stem[:1].upper()}{stem[1:]}." if " " in stem else f"{name.replace('_', ' ')}: {stem}."
