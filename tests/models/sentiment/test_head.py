"""The head: forward pass, files, fit."""

import json

import numpy as np
import pytest

from feeds.errors import LakeError, SchemaError
from models.sentiment.fit import HeadConfig, _gradients, fit_head, row_weights
from models.sentiment.head import WEIGHTS, head_id, load_head, with_metadata

CONFIG = HeadConfig(hidden=8, epochs=30, batch_rows=32, learning_rate=0.02)


def _data(rows=240, width=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, rows)
    centres = 3.0 * np.eye(3, width)
    return (rng.normal(size=(rows, width)) + centres[labels]).astype(np.float32), labels


def _fit(seed=1, config=CONFIG, **data):
    vectors, labels = _data(**data)
    return fit_head(vectors, labels, row_weights(labels, config.balance), config, seed)


def test_the_head_learns_separable_classes_and_generalises():
    vectors, labels = _data(seed=99)
    accuracy = (_fit().predict_proba(vectors).argmax(axis=1) == labels).mean()
    assert accuracy > 0.85


def test_probabilities_sum_to_one_and_stay_finite_far_outside_the_training_range():
    vectors, _ = _data()
    probabilities = _fit().predict_proba(vectors * 1000)
    assert np.isfinite(probabilities).all()
    assert np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-12)


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not():
    first, again, other = _fit(seed=1), _fit(seed=1), _fit(seed=2)
    for name in ("mean", "scale", "w1", "b1", "w2", "b2"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.w1, other.w1)


def test_a_row_has_the_same_bits_alone_and_among_others():
    head, (vectors, _) = _fit(), _data()
    together = head.predict_proba(vectors)
    alone = np.concatenate([head.predict_proba(vectors[row : row + 1]) for row in range(len(vectors))])
    assert np.array_equal(together, alone)


def test_gradients_agree_with_finite_differences():
    config = HeadConfig(hidden=4, dropout_input=0.0, dropout_hidden=0.0)
    rng = np.random.default_rng(5)
    inputs, weights = rng.normal(size=(6, 3)), rng.uniform(0.5, 2.0, 6)
    targets = rng.dirichlet([1.0, 1.0, 1.0], 6)
    parameters = [rng.normal(size=shape) for shape in ((3, 4), (4,), (4, 3), (3,))]

    def loss():
        w1, b1, w2, b2 = parameters
        logits = np.maximum(inputs @ w1 + b1, 0) @ w2 + b2
        log_softmax = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -(weights * (targets * log_softmax).sum(axis=1)).mean()

    gradients = _gradients(parameters, inputs, targets, weights, config, rng)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        for place in np.ndindex(parameter.shape):
            kept = parameter[place]
            parameter[place] = kept + 1e-5
            above = loss()
            parameter[place] = kept - 1e-5
            below = loss()
            parameter[place] = kept
            # Weights enter as float32, hence the tolerance.
            assert gradient[place] == pytest.approx((above - below) / 2e-5, abs=1e-6)


def test_rare_classes_weigh_more_and_zero_balance_weighs_all_alike():
    labels = np.array([0, 1, 1, 1, 1, 2, 2, 2, 2])
    assert row_weights(labels, 0.5).tolist() == [2.0] + [1.0] * 8
    assert row_weights(labels, 0.0).tolist() == [1.0] * 9


def test_embeddings_of_another_width_are_rejected():
    with pytest.raises(SchemaError, match="12"):
        _fit().predict_proba(np.zeros((1, 11), dtype=np.float32))


def test_a_saved_head_loads_with_equal_predictions(tmp_path):
    head, (vectors, _) = with_metadata(_fit(), {"seed": 1}), _data()
    head.save(tmp_path / "head.npz")
    loaded = load_head(tmp_path / "head.npz")
    assert np.array_equal(head.predict_proba(vectors), loaded.predict_proba(vectors))
    assert loaded.metadata == head.metadata


def test_saving_twice_gives_the_same_bytes(tmp_path):
    head = with_metadata(_fit(), {})
    head.save(tmp_path / "a.npz")
    head.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("keep_bytes", [0, 40, 300])
def test_a_truncated_weights_file_is_rejected(tmp_path, keep_bytes):
    path = tmp_path / "head.npz"
    with_metadata(_fit(), {}).save(path)
    path.write_bytes(path.read_bytes()[:keep_bytes])
    with pytest.raises(LakeError, match=r"head\.npz"):
        load_head(path)


def test_metadata_of_other_weights_is_rejected(tmp_path):
    path = tmp_path / "head.npz"
    with_metadata(_fit(seed=1), {}).save(path)
    metadata = path.with_suffix(".json").read_text()
    with_metadata(_fit(seed=2), {}).save(path)
    path.with_suffix(".json").write_text(metadata)
    with pytest.raises(LakeError, match="of the metadata"):
        load_head(path)


def test_the_shipped_head_is_small_and_its_id_names_its_weights():
    head = load_head()
    assert WEIGHTS.stat().st_size < 200_000
    assert head_id() == f"sentiment_head-{head.metadata['weights_sha256'][:12]}"


def test_the_shipped_figures_are_consistent_and_beat_the_linear_control():
    metrics = json.loads(WEIGHTS.with_suffix(".json").read_text())["metrics"]
    for figures in metrics.values():
        confusion = np.array(figures["confusion"])
        assert confusion.sum() == figures["n"]
        assert np.trace(confusion) / figures["n"] == pytest.approx(figures["accuracy"])
    tweets, control = metrics["finance tweets"], metrics["linear_control"]
    assert tweets["n"] == control["n"] > 1500
    assert tweets["accuracy"] > max(0.74, control["accuracy"])
    assert tweets["macro_f1"] > max(0.69, control["macro_f1"])
