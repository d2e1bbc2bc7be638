"""Figures of the classifier against closed forms."""

import numpy as np
import pytest

from feeds.errors import InsufficientDataError
from models.sentiment.evaluation import class_f1, classification_metrics, confusion_matrix


def test_the_confusion_matrix_has_truth_in_rows():
    truth, predicted = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 2, 0])
    assert confusion_matrix(truth, predicted).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    confusion = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 2]])
    precision, recall = 2 / 2, 2 / 3
    assert class_f1(confusion)[2] == pytest.approx(2 * precision * recall / (precision + recall))


def test_an_absent_class_scores_zero_and_not_nan():
    assert class_f1(np.array([[3, 0, 0], [0, 2, 0], [0, 0, 0]])).tolist() == [1.0, 1.0, 0.0]


def test_figures_agree_with_scikit_learn_on_random_predictions():
    from sklearn import metrics

    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 500)
    probabilities = rng.dirichlet([1.0, 1.0, 1.0], 500)
    figures = classification_metrics(truth, probabilities)
    predicted = probabilities.argmax(axis=1)
    assert figures["accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert figures["macro_f1"] == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    assert figures["log_loss"] == pytest.approx(metrics.log_loss(truth, probabilities))


def test_no_labelled_text_is_an_error():
    with pytest.raises(InsufficientDataError):
        classification_metrics(np.array([], dtype=np.int64), np.empty((0, 3)))
