"""Scales of the observations an agent learns from."""

import numpy as np
import pytest

from feeds.errors import SchemaError
from models.execution.networks import scales_of


def test_an_observation_that_never_moves_is_not_blown_up():
    seen = np.random.default_rng(1).normal(3.0, 2.0, (3_000, 2)).astype(np.float32)
    seen[:, 1] = np.log(2.0)
    assert seen.std(axis=0)[1] > 0.0  # in single precision it seems to move
    mean, scale = scales_of(seen)
    assert scale[1] == 1.0 and mean[1] == seen[0, 1]
    np.testing.assert_allclose((mean[0], scale[0]), (3.0, 2.0), rtol=0.05)
    assert mean.dtype == scale.dtype == np.float32


def test_an_observation_that_is_not_finite_is_refused_by_its_place():
    seen = np.ones((10, 3), dtype=np.float32)
    seen[4, 2] = np.nan
    with pytest.raises(SchemaError, match=r"terms \[2\]"):
        scales_of(seen)
