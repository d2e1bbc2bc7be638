"""Feature columns by what they speak of, so that a reader sees which kind of information a model leans on.

Here: the grouping. Not here: what the features are (models/features/spec.py), measuring (models/alpha/importance.py).
"""

from __future__ import annotations

from collections.abc import Iterable

#: Group -> column names, or beginnings of names where they end in an underscore.
_GROUPS: dict[str, tuple[str, ...]] = {
    "spread": ("spread_",),
    "book imbalance": ("microprice_offset_bps", "queue_imbalance", "depth_imbalance"),
    "order flow": ("ofi_", "signed_volume_", "trade_imbalance_60s", "trade_sign_last"),
    "returns": ("return_",),
    "volatility": ("realised_vol_",),
    "activity": ("trade_count_60s", "volume_60s_log", "depth_log", "quote_age_ms", "quote_event_intensity"),
    "time": ("time_of_session",),
    "sentiment": ("sent_", "news_"),
}
#: Columns of no known group; a feature that is new to this page is seen, not lost.
OTHER = "other"
_EXTERNAL = "ext_"


def group_of(column: str) -> str:
    """The one group of ``column``; ``signal <name>`` for the external signal ``ext_<name>``."""
    if column.startswith(_EXTERNAL):
        return f"signal {column.removeprefix(_EXTERNAL)}"
    for group, names in _GROUPS.items():
        if any(column.startswith(name) if name.endswith("_") else column == name for name in names):
            return group
    return OTHER


def feature_groups(columns: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Columns by group: every column in exactly one, groups without a column left out.

    Args:
        columns: Names of feature columns, e.g. the features of a model.

    Returns:
        Group -> its columns in the order given; the fixed groups first, then the signals as they come, then `OTHER`.
    """
    members: dict[str, list[str]] = {group: [] for group in _GROUPS}
    unknown: list[str] = []
    for column in columns:
        group = group_of(column)
        (unknown if group == OTHER else members.setdefault(group, [])).append(column)
    members[OTHER] = unknown
    return {group: tuple(names) for group, names in members.items() if names}
