"""The battery every unsupervised estimator passes: regimes, correlation, anomalies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest

from feeds.errors import InsufficientDataError, LakeError
from models.anomaly import AnomalyConfig, AnomalyModel, anomaly_scores, fit_anomaly
from models.correlation import CorrelationConfig, CorrelationModel, correlation_frame, fit_correlation, gaussian_losses
from models.leakage import audit_cut
from models.regimes import RegimeConfig, RegimeModel, fit_regimes, log_likelihood, regime_states
from tests.support.feature_rows import factor_returns, feature_rows, holed


@dataclass(frozen=True)
class Family:
    """One estimator: how it is fitted and what it says of rows."""

    fit: Callable[[pl.DataFrame], Any]
    load: Callable[[bytes], Any]
    outputs: Callable[[Any, pl.DataFrame], pl.DataFrame]
    rows: Callable[[], pl.DataFrame]
    values: tuple[str, ...]


def _losses(model, returns):
    return returns.select("ts").with_columns(pl.Series("loss", gaussian_losses(model, returns)))


def _likelihoods(model, rows):
    return rows.select("ts", "symbol").with_columns(pl.Series("log_likelihood", log_likelihood(model, rows)))


FEATURES = ("realised_vol_60s_bps", "spread_bps", "depth_log", "trade_count_60s")
FAMILIES = {
    "regimes": Family(
        lambda rows: fit_regimes(rows, RegimeConfig(max_states=3, restarts=2)),
        RegimeModel.from_bytes,
        lambda model, rows: regime_states(model, rows, "m"),
        lambda: feature_rows(700),
        FEATURES,
    ),
    "regime likelihood": Family(
        lambda rows: fit_regimes(rows, RegimeConfig(max_states=2)),
        RegimeModel.from_bytes,
        _likelihoods,
        lambda: feature_rows(700),
        FEATURES,
    ),
    "anomaly": Family(
        lambda rows: fit_anomaly(rows, AnomalyConfig(trees=30)),
        AnomalyModel.from_bytes,
        lambda model, rows: anomaly_scores(model, rows, "m"),
        lambda: feature_rows(700),
        FEATURES,
    ),
    "correlation": Family(
        lambda rows: fit_correlation(rows, CorrelationConfig()),
        CorrelationModel.from_bytes,
        _losses,
        lambda: factor_returns(200),
        ("A.X", "B.X", "C.X"),
    ),
}
#: Those whose outputs are forecasts; a loss is computed after the fact, with volatility in hindsight.
CAUSAL = ("regimes", "regime likelihood", "anomaly")


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture(params=CAUSAL)
def causal(request):
    return FAMILIES[request.param]


def bits(frame):
    return [column.to_list() for column in frame.fill_nan(None)]


def test_two_fits_on_the_same_rows_give_the_same_bytes(family):
    rows = family.rows()
    assert family.fit(rows).to_bytes() == family.fit(rows).to_bytes()


def test_a_saved_model_says_the_same(family):
    rows = family.rows()
    model = family.fit(rows)
    again = family.load(model.to_bytes())
    assert bits(family.outputs(again, rows)) == bits(family.outputs(model, rows))


def test_bytes_of_something_else_are_refused(family):
    with pytest.raises(LakeError):
        family.load(b"junk")
    other = FAMILIES["anomaly" if family is FAMILIES["correlation"] else "correlation"]
    with pytest.raises(LakeError, match="received"):
        family.load(other.fit(other.rows()).to_bytes())


@pytest.mark.parametrize("rows", [0, 1, 12])
def test_too_few_rows_are_a_clear_error(family, rows):
    with pytest.raises(InsufficientDataError, match=r"received .*; expected at least \d+"):
        family.fit(family.rows().head(rows))


def test_a_model_depends_on_its_training_rows_only(family):
    rows = family.rows()
    half = rows.filter(pl.col("ts") <= rows["ts"].median())
    assert family.fit(half).to_bytes() == family.fit(half.clone()).to_bytes() != family.fit(rows).to_bytes()


def test_the_order_of_the_training_rows_does_not_matter(family):
    rows = family.rows()
    assert family.fit(rows.reverse()).to_bytes() == family.fit(rows).to_bytes()


def test_cutting_the_future_changes_no_bit_of_what_was_said_before(causal):
    rows = causal.rows()
    first, last = int(rows["ts"].min()), int(rows["ts"].max())
    cuts = [first + (last - first) * k // 7 for k in (1, 3, 6)]
    model = causal.fit(rows.filter(pl.col("ts") <= cuts[0] + (last - first) // 3))
    assert audit_cut(lambda inputs: causal.outputs(model, inputs), rows, cuts).passed


def test_the_audit_would_catch_a_look_ahead(causal):
    """Refitting on what is there is a look ahead, and the audit above has to see it."""
    rows = causal.rows()
    cut = int(rows["ts"].quantile(0.6))
    assert not audit_cut(lambda inputs: causal.outputs(causal.fit(inputs), inputs), rows, [cut]).passed


def test_missing_values_survive_fitting_and_scoring(family):
    rows = family.rows()
    if "symbol" in rows.columns:
        rows = holed(rows, 0.01)
    else:
        rows = rows.with_columns(pl.when(pl.int_range(pl.len()) % 9 > 0).then(pl.col("B.X")).alias("B.X"))
        rows = rows.with_columns(
            pl.when(pl.int_range(pl.len()) % 11 > 0).then(pl.col("A.X")).otherwise(np.nan).alias("A.X")
        )
    found = family.outputs(family.fit(rows), rows)
    assert found.height == rows.height
    numbers = [name for name, kind in found.schema.items() if kind.is_float()]
    assert numbers
    for name in numbers:
        known = found[name].fill_nan(None).drop_nulls()
        assert known.is_finite().all() and len(known) > 0.7 * rows.height


def test_rows_of_missing_values_only_are_answered_with_nothing(family):
    rows = family.rows()
    model = family.fit(rows)
    numeric = [name for name, kind in rows.schema.items() if kind.is_numeric() and name not in ("ts", "available_at")]
    blind = rows.head(6).with_columns(pl.lit(None, pl.Float64).alias(name) for name in numeric)
    found = family.outputs(model, blind)
    assert found.height == 6
    for name, kind in found.schema.items():
        if kind.is_float() and name != "threshold":
            assert found[name].fill_nan(None).null_count() == 6


def test_wild_values_give_finite_answers(family):
    rows = family.rows()
    model = family.fit(rows)
    wild = rows.head(10).with_columns(pl.col(name).cast(pl.Float64) * 1e9 for name in family.values)
    found = family.outputs(model, wild)
    for name, kind in found.schema.items():
        if kind.is_float():
            assert found[name].is_finite().all()


def test_fitting_and_scoring_leave_the_rows_as_they_were(family):
    rows = family.rows()
    before = rows.clone()
    family.outputs(family.fit(rows), rows)
    assert rows.equals(before)


def test_no_rows_are_scored_to_no_rows_of_the_same_columns(family):
    rows = family.rows()
    model = family.fit(rows)
    nothing, some = family.outputs(model, rows.clear()), family.outputs(model, rows)
    assert nothing.is_empty()
    assert nothing.schema == some.schema


def test_the_correlation_frame_survives_a_round_trip():
    model = fit_correlation(factor_returns(100), CorrelationConfig())
    assert correlation_frame(CorrelationModel.from_bytes(model.to_bytes())).equals(correlation_frame(model))
