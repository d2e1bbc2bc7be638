"""Labels, units and digits of report columns, and how a value is set as text.

Here: the one catalogue of column labels. Not here: which columns a table has (the sections).
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any, Literal
from zoneinfo import ZoneInfo

Kind = Literal["text", "id", "count", "number", "percent", "time", "status"]

#: Set where a number is not known or not defined.
ABSENT = "–"


@dataclass(frozen=True)
class Column:
    """How a column is headed and set.

    Attributes:
        label: Heading, with the unit in parentheses.
        kind: What the values are.
        digits: Decimal places of a number or percentage; None: four significant digits.
    """

    label: str
    kind: Kind = "text"
    digits: int | None = None


KNOWN: dict[str, Column] = {
    "row": Column("model"),
    "ic": Column("IC", "number", 4),
    "ic_low": Column("95 % low", "number", 4),
    "ic_high": Column("95 % high", "number", 4),
    "rank_ic": Column("rank IC", "number", 4),
    "icir": Column("ICIR (per block)", "number", 2),
    "r2": Column("R², out of sample", "number", 5),
    "hit_rate": Column("hit rate (%)", "percent", 1),
    "n": Column("n", "count"),
    "n_blocks": Column("blocks", "count"),
    "decile": Column("decile", "count"),
    "quantile": Column("quantile", "count"),
    "forecast_bps": Column("forecast (bps)", "number", 3),
    "realised_bps": Column("realised (bps)", "number", 3),
    "realised_low": Column("95 % low (bps)", "number", 3),
    "realised_high": Column("95 % high (bps)", "number", 3),
    "realised_se": Column("std. error (bps)", "number", 3),
    "horizon_s": Column("horizon (s)", "number", None),
    "qlike": Column("QLIKE", "number", 4),
    "qlike_vs_ewma": Column("QLIKE against EWMA (%)", "percent", 1),
    "dm_stat": Column("Diebold-Mariano t", "number", 2),
    "dm_p": Column("Diebold-Mariano p", "number", 3),
    "rows_in": Column("rows read", "count"),
    "clean": Column("kept", "count"),
    "rejected": Column("rejected", "count"),
    "rejected_share": Column("rejected (%)", "percent", 2),
    "share": Column("share of rows read (%)", "percent", 3),
    "rows_failed": Column("rows failed", "count"),
    "rows_checked": Column("rows checked", "count"),
    "status": Column("status", "status"),
    "expectation": Column("expectation", "id"),
    "examples": Column("examples", "id"),
    "available_at": Column("known at", "time"),
    "published_at": Column("published", "time"),
    "ts": Column("time", "time"),
    "score": Column("score", "number", 3),
    "mean_score": Column("mean score", "number", 3),
    "spread_median_bps": Column("median spread (bps)", "number", 2),
    "spread_mean_bps": Column("mean spread (bps)", "number", 2),
    "return_bps": Column("return (bps)", "number", 1),
    "realised_vol_bps": Column("realised volatility (bps)", "number", 1),
    "mid_first": Column("first mid", "number", 2),
    "mid_last": Column("last mid", "number", 2),
    "decision_times": Column("decision times", "count"),
    "volume": Column("volume", "number"),
    "mse": Column("MSE (variance²)", "number"),
    "trades": Column("trades", "count"),
    "signed_share": Column("net buying (% of volume)", "percent", 1),
    "sharpe": Column("Sharpe ratio", "number", 2),
    "turnover": Column("turnover", "number", 2),
}

_UNITS = {
    "_bps": ("bps", 2),
    "_ticks": ("ticks", 1),
    "_lots": ("lots", 0),
    "_s": ("s", None),
    "_ms": ("ms", 0),
}
_PERCENT_ENDINGS = ("_share", "_rate", "_pct")


def describe(name: str, integer: bool, numeric: bool, label: str = "") -> Column:
    """The catalogue's entry for ``name``, else one made from the name's unit and the values' type.

    Args:
        name: Column name.
        integer: Whether the values are integers.
        numeric: Whether they are numbers at all.
        label: Replaces the label where given.
    """
    found = KNOWN.get(name) or _guess(name, integer, numeric)
    return Column(label, found.kind, found.digits) if label else found


def _guess(name: str, integer: bool, numeric: bool) -> Column:
    words = name.replace("_", " ")
    if not numeric:
        return Column(words, "id" if name.endswith(("_id", "sha256")) else "text")
    if name.endswith("_ns") or name.startswith("ts_") or name.endswith("_at"):
        return Column(words.removesuffix(" ns"), "time")
    for suffix, (unit, digits) in _UNITS.items():
        if name.endswith(suffix):
            bare = name.removesuffix(suffix).replace("_", " ")
            return Column(f"{bare} ({unit})", "count" if integer else "number", digits)
    if name.endswith(_PERCENT_ENDINGS) and not integer:
        return Column(f"{words} (%)", "percent", 1)
    return Column(words, "count" if integer else "number")


def cell(value: Any, column: Column, timezone: str = "UTC") -> str:
    """``value`` as text: a true minus sign, thousands separators, `ABSENT` for null and NaN."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and column.kind not in ("text", "id", "status"):
        return _number(value, column, timezone)
    if isinstance(value, float):
        return _number(value, Column("", "number"), timezone)
    return str(value)


def _number(value: float, column: Column, timezone: str) -> str:
    if column.kind == "time":
        return clock_text(int(value), timezone)
    scaled = 100 * value if column.kind == "percent" else value
    if column.kind == "count" or (column.digits is None and float(scaled).is_integer()):
        text = f"{round(scaled):,}"
    elif column.digits is None:
        text = f"{scaled:,.4g}" if 1e-4 <= abs(scaled) < 1e6 else f"{scaled:.3e}"
    else:
        text = f"{scaled:,.{column.digits}f}"
    if text.startswith("-") and not text.strip("-0.,"):
        text = text[1:]
    return text.replace("-", "−")


def clock_text(ts_ns: int, timezone: str = "UTC") -> str:
    """Nanoseconds UTC as ``2013-10-07 09:30:00`` on the clock of ``timezone``."""
    moment = dt.datetime.fromtimestamp(ts_ns // 1_000_000_000, tz=ZoneInfo(timezone))
    return moment.strftime("%Y-%m-%d %H:%M:%S")
