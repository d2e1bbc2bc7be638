"""Forecasts that agents see: from when, of what, and that a planted one of the future is caught."""

import dagster as dg
import numpy as np
import polars as pl
import pytest

from assets import execution_audit as audit
from assets.execution_forecasts import alpha_series, forecasts_of, forecasts_since, over, usual, volatility_series
from assets.store import StudyStore
from sim.forecast_series import Forecasts, Series
from tests.support.studies import write_study

S = 1_000_000_000


def alpha(**changes):
    frame = pl.DataFrame(
        {
            "ts": [10 * S, 20 * S, 30 * S, 20 * S],
            "available_at": [9 * S, 25 * S, 30 * S, 20 * S],
            "symbol": ["A.X", "A.X", "A.X", "B.X"],
            "forecast_bps": [1.0, 2.0, float("nan"), 7.0],
        }
    )
    return frame.with_columns(**changes)


def volatility():
    return pl.DataFrame(
        {
            "ts": [60 * S, 120 * S, 180 * S],
            "symbol": ["A.X"] * 3,
            "har": [4e-8, None, None],
            "ewma": [9e-8, 1e-8, None],
        },
        schema_overrides={"har": pl.Float64},
    )


def test_a_forecast_is_known_from_its_decision_time_or_when_its_inputs_were_whichever_is_later():
    series = alpha_series(alpha(), "A.X")
    assert series.available_at_ns.tolist() == [10 * S, 25 * S]
    assert [series.at(t * S) for t in (9, 10, 24, 25, 99)] == [0.0, 1.0, 1.0, 2.0, 2.0]


def test_volatility_is_that_of_an_order_and_falls_back_on_ewma():
    series = volatility_series(volatility(), "A.X", blocks=4.0)
    assert series.available_at_ns.tolist() == [60 * S, 120 * S]
    assert series.value == pytest.approx([4.0, 2.0])


def test_every_instrument_has_its_own_series_and_every_order_the_volatility_of_its_horizon(tmp_path):
    yaml = write_study(tmp_path, execution={"horizons_s": [60, 240]}, models={"volatility": {"block_s": 240}})
    made = forecasts_of(StudyStore(study=str(yaml), root=str(tmp_path)), alpha(), volatility())
    assert made["B.X"].alpha_bps.value.tolist() == [7.0] and made["B.X"].volatility_bps.value.size == 0
    minute, block = over(made["A.X"], 60), over(made["A.X"], 240)
    assert minute.volatility_bps.value == pytest.approx([1.0, 0.5])
    assert block.volatility_bps.value == pytest.approx([2.0, 1.0])
    assert minute.alpha_bps.value.tolist() == made["A.X"].alpha_bps.value.tolist() and over(None, 60) is None


def test_forecasts_begin_with_the_fitted_date_where_earlier_ones_are_known_else_half_way():
    own = pl.DataFrame({"ts": [40, 30, 10, 20]})
    assert forecasts_since(pl.concat([own, own]), own) == 10
    assert forecasts_since(own, own) == 30


def test_a_simulated_market_shows_no_return_ahead_and_the_usual_volatility():
    shown = usual(Forecasts(Series([1], [5.0]), Series([1, 2, 3], [1.0, 9.0, 2.0])))
    assert (shown.alpha_bps.at(10), shown.volatility_bps.at(0)) == (0.0, 2.0)
    assert usual(Forecasts()).volatility_bps.value.size == 0


class Model:
    """Forecasts the feature."""

    @classmethod
    def from_bytes(cls, content):
        return cls()


def features():
    return pl.DataFrame({"ts": np.arange(20) * S, "symbol": ["A.X"] * 20, "feature": np.sin(np.arange(20.0))})


def honest(model, rows, model_id):
    return rows.select("ts", available_at="ts", symbol="symbol", forecast_bps="feature")


def foreknowing(model, rows, model_id):
    """The feature of the next decision time."""
    return rows.select(
        "ts", available_at="ts", symbol="symbol", forecast_bps=pl.col("feature").shift(-1).fill_null(0.0)
    )


class Lake:
    def __init__(self, tables):
        self.tables = tables

    def read(self, name, date):
        return self.tables[name]


class Store:
    """A night's tables and model."""

    def __init__(self, stored):
        self.lake = Lake({"feature_table": features(), "alpha_forecast": stored})
        self.artefacts = self

    def current(self, name, date):
        return type("Manifest", (), {"id": "alpha_model-1"})

    def read(self, manifest, name):
        return b""


@pytest.fixture
def night(monkeypatch):
    """Audits a night whose forecasts are made one way and stored another."""
    import models.alpha

    monkeypatch.setattr(models.alpha, "AlphaModel", Model)
    monkeypatch.setattr(audit, "test_start", lambda store, date: 0)

    def audited(make, stored):
        monkeypatch.setattr(models.alpha, "forecast", make)
        return audit.audit_alpha(Store(stored), "2026-01-01")

    return audited


def test_forecasts_that_were_known_pass_the_audit(night):
    report, same = night(honest, honest(None, features(), ""))
    assert report.passed and same and report.rows_compared > 0


def test_a_model_that_looks_ahead_is_caught(night):
    report, _ = night(foreknowing, foreknowing(None, features(), ""))
    assert not report.passed and {one.column for one in report.differing} == {"alpha_bps"}


def test_a_planted_future_forecast_is_caught_though_it_is_dated_back(night):
    told = honest(None, features(), "")
    planted = told.with_columns(
        forecast_bps=pl.when(pl.col("ts") == 5 * S).then(pl.col("forecast_bps").shift(-8)).otherwise("forecast_bps")
    )
    dated_back = told.with_columns(pl.col("ts", "available_at") - 2 * S)
    assert [night(honest, stored)[1] for stored in (planted, dated_back)] == [False, False]


def test_the_verdict_names_what_is_wrong(monkeypatch):
    passed = type("Report", (), {"passed": True, "rows_compared": 3, "differing": ()})
    monkeypatch.setattr(audit, "audit_alpha", lambda store, date: (passed, False))
    monkeypatch.setattr(audit, "audit_volatility", lambda store, date: (passed, True))
    result = audit.audit_forecasts(None, "2026-01-01")
    assert isinstance(result, dg.AssetCheckResult) and not result.passed
    assert result.description == "stored return forecasts are not those of the model"
