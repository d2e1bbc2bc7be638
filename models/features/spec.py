"""Names, units and sources of the microstructure features: the single list every other module reads.

Here: descriptions. Not here: how they are computed (models/features/fold.py).
"""

from __future__ import annotations

from dataclasses import dataclass

CKS = "Cont, Kukanov, Stoikov 2014, The price impact of order book events, J. Financial Econometrics 12(1)"
GATHERAL_OOMEN = (
    "Gatheral, Oomen 2010, Zero-intelligence realized variance estimation, Finance Stoch. 14 (weighted mid)"
)
CARTEA = "Cartea, Donnelly, Jaimungal 2018, Enhancing trading strategies with order book signals"
ABDL = "Andersen, Bollerslev, Diebold, Labys 2003, Modeling and forecasting realized volatility"
CONVENTION = "market convention"


@dataclass(frozen=True)
class FeatureSpec:
    """One column of the feature table.

    Attributes:
        name: Column name.
        unit: Unit of the values; ``"1"`` for pure numbers.
        description: What the value says, with its formula where it is not obvious.
        source: Where the definition comes from.
    """

    name: str
    unit: str
    description: str
    source: str


def _per_window(name: str, unit: str, description: str, source: str) -> tuple[FeatureSpec, ...]:
    return tuple(
        FeatureSpec(name.format(w=window), unit, description.format(w=window), source) for window in (1, 10, 60)
    )


#: In the order in which the fold writes them. "Average depth" is the mean best size, (bid_sz + ask_sz) / 2,
#: over the rows of the last 60 s, or the present one where there were none.
FEATURES: tuple[FeatureSpec, ...] = (
    FeatureSpec("spread_bps", "bps", "(ask - bid) / mid", CONVENTION),
    FeatureSpec(
        "spread_ticks",
        "quote increments",
        "(ask - bid) in the venue's minimum quoting increments",
        CONVENTION,
    ),
    FeatureSpec("microprice_offset_bps", "bps", "size-weighted mid minus mid, over mid", GATHERAL_OOMEN),
    FeatureSpec("queue_imbalance", "1", "(bid_sz - ask_sz) / (bid_sz + ask_sz) at the best quotes, in [-1, 1]", CARTEA),
    FeatureSpec("depth_imbalance", "1", "the same over the levels shown, in [-1, 1]", CARTEA),
    FeatureSpec("depth_log", "log(1 + units)", "ln(1 + shown bid and ask size in shares or coins)", CONVENTION),
    *_per_window("ofi_{w}s", "1", "order-flow imbalance, sum of e_n over {w} s, over average depth", CKS),
    *_per_window("signed_volume_{w}s", "1", "buyer- minus seller-initiated size over {w} s, over average depth", CKS),
    FeatureSpec("trade_imbalance_60s", "1", "signed over total traded size of 60 s, in [-1, 1]; 0 without trades", CKS),
    FeatureSpec("trade_sign_last", "1", "sign of the last trade: +1, -1, 0 where unknown or none yet", CONVENTION),
    FeatureSpec("trade_count_60s", "trades", "trades of the last 60 s", CONVENTION),
    FeatureSpec("volume_60s_log", "log(1 + units)", "ln(1 + size traded in 60 s, in shares or coins)", CONVENTION),
    *_per_window("return_{w}s_bps", "bps", "log return of the mid over {w} s, or since the first book", CONVENTION),
    FeatureSpec(
        "realised_vol_60s_bps",
        "bps per 60 s",
        "root of realised variance of 1 s mid returns, scaled up while the window fills; null without one",
        ABDL,
    ),
    FeatureSpec("realised_vol_300s_bps", "bps per 300 s", "the same over 300 s", ABDL),
    FeatureSpec("quote_age_ms", "ms", "time since the best quotes last changed", CONVENTION),
    FeatureSpec("quote_event_intensity", "1/s", "changes of the best quotes per second over 10 s", CONVENTION),
    FeatureSpec("time_of_session", "1", "share of the session that has passed, in (0, 1]", CONVENTION),
)


def feature_names() -> tuple[str, ...]:
    """Names of `FEATURES`, in order."""
    return tuple(feature.name for feature in FEATURES)
