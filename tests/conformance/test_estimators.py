"""The battery every estimator of the alpha family passes."""

import io

import joblib
import numpy as np
import pytest

from models.alpha.config import ROWS, AlphaConfig
from models.alpha.estimators import ESTIMATORS

CONFIG = AlphaConfig(max_iter=15, min_samples_leaf=20, shuffles=2)


@pytest.fixture(params=ROWS)
def make(request):
    return lambda: ESTIMATORS[request.param](CONFIG)


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 4))
    y = x[:, 0] + 0.5 * random.normal(size=400)
    x[random.random(size=x.shape) < 0.1] = np.nan
    return x, y


def test_every_row_has_an_estimator():
    assert tuple(ESTIMATORS) == ROWS


def test_fit_returns_itself_and_predictions_are_finite_one_a_row(make, data):
    x, y = data
    estimator = make()
    assert estimator.fit(x, y) is estimator
    predicted = estimator.predict(x[:37])
    assert predicted.shape == (37,)
    assert predicted.dtype == np.float64
    assert np.isfinite(predicted).all()


def test_two_fits_predict_the_same_bits(make, data):
    x, y = data
    assert (make().fit(x, y).predict(x) == make().fit(x, y).predict(x)).all()


def test_a_saved_estimator_predicts_the_same_bits(make, data):
    x, y = data
    estimator = make().fit(x, y)
    sink = io.BytesIO()
    joblib.dump(estimator, sink)
    sink.seek(0)
    assert (joblib.load(sink).predict(x) == estimator.predict(x)).all()


def test_fitting_leaves_the_inputs_as_they_were(make, data):
    x, y = data
    before = x.copy(), y.copy()
    make().fit(x, y).predict(x)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_constant_and_wholly_missing_features_are_harmless(make, data):
    x, y = data
    useless = np.column_stack([np.full(len(y), 1e9 / 3), np.full(len(y), np.nan), np.zeros(len(y))])
    predicted = make().fit(np.column_stack([x, useless]), y).predict(np.column_stack([x, useless * 2 + 1]))
    assert np.isfinite(predicted).all()
    assert np.abs(predicted).max() < 10 * np.abs(y).max()


def test_rows_of_missing_values_only_are_predicted(make, data):
    x, y = data
    assert np.isfinite(make().fit(x, y).predict(np.full((3, 4), np.nan))).all()


def test_a_forecast_does_not_depend_on_the_other_rows(make, data):
    x, y = data
    estimator = make().fit(x, y)
    alone = np.concatenate([estimator.predict(x[k : k + 1]) for k in range(20)])
    np.testing.assert_array_equal(alone, estimator.predict(x)[:20])


def test_the_unit_of_the_label_goes_through(make, data):
    x, y = data
    np.testing.assert_allclose(make().fit(x, 1024 * y).predict(x), 1024 * make().fit(x, y).predict(x), rtol=1e-9)
