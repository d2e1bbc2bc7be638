"""Every feature column belongs to exactly one group, and a new one is seen."""

from hypothesis import given
from hypothesis import strategies as st

from models.features import feature_names
from models.features.groups import OTHER, feature_groups, group_of

TEXT = ("sent_last", "sent_age_h", "sent_mean_24h", "news_count_24h")


def test_every_feature_the_project_computes_has_a_group():
    groups = feature_groups([*feature_names(), *TEXT])
    assert OTHER not in groups
    assert list(groups) == [
        "spread",
        "book imbalance",
        "order flow",
        "returns",
        "volatility",
        "activity",
        "time",
        "sentiment",
    ]
    assert groups["sentiment"] == TEXT
    assert groups["spread"] == ("spread_bps", "spread_ticks")
    assert set(groups["book imbalance"]) == {"microprice_offset_bps", "queue_imbalance", "depth_imbalance"}


def test_every_external_signal_is_a_group_of_its_own_whatever_its_name():
    groups = feature_groups(["spread_bps", "ext_pe_ratio", "ext_spread", "ext_sent_x"])
    assert groups == {
        "spread": ("spread_bps",),
        "signal pe_ratio": ("ext_pe_ratio",),
        "signal spread": ("ext_spread",),
        "signal sent_x": ("ext_sent_x",),
    }


def test_an_unknown_column_is_shown_as_other():
    assert feature_groups(["moon_phase", "return_1s_bps"]) == {"returns": ("return_1s_bps",), OTHER: ("moon_phase",)}


@given(
    st.lists(st.sampled_from([*feature_names(), *TEXT, "ext_a", "ext_b", "moon_phase", "ofi", "return"]), unique=True)
)
def test_the_groups_hold_every_column_exactly_once_in_order(columns):
    groups = feature_groups(columns)
    assert sorted(name for names in groups.values() for name in names) == sorted(columns)
    for group, names in groups.items():
        assert names and all(group_of(name) == group for name in names)
        assert list(names) == [name for name in columns if name in names]
