"""Whether a classifier can tell a simulated tape from a real one.

Information, not a verdict: every family of simulated markets can be told apart by something. Beside it stands how well
the same classifier tells one real period from another.

Here: `separability`. Not here: statistics one by one (sim/realism_stats.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.flow_measure import NS, TapeArrays
from sim.realism_blocks import Floats
from sim.realism_stats import ADD, CANCEL, flow_imbalance, imbalance, log_depth

#: Length of a window, seconds; most windows of a tape; fewest on either side.
_WINDOW_S, _MOST, _FEWEST = 10, 1_000, 40
_ROUNDS, _SEED = 40, 11


def windows_of(tape: TapeArrays) -> Floats:
    """(windows, 10) float64: what happened in each ten seconds: spread, volumes, events, imbalance, price."""
    first = int(tape.clock[int(np.argmax(tape.live))])
    steps = (int(tape.clock[-1]) - first) // (_WINDOW_S * NS)
    step = (tape.clock - first) // (_WINDOW_S * NS)
    live = (tape.live > 0) & (step >= 0) & (step < steps)
    at = step[live]
    n = np.bincount(at, minlength=steps)

    def mean(values: npt.NDArray) -> Floats:
        return np.bincount(at, np.asarray(values, float)[live], minlength=steps) / np.maximum(n, 1)

    def count(rows: npt.NDArray[np.bool_]) -> Floats:
        return np.log1p(np.bincount(at, rows[live], minlength=steps))

    log_mid = np.log(tape.mid) * 1e4
    last = np.searchsorted(tape.clock, first + np.arange(steps + 1) * _WINDOW_S * NS, "right") - 1
    moved = np.abs(np.diff(log_mid[np.maximum(last, 0)]))
    steps_sum = np.bincount(at, np.abs(np.diff(log_mid, prepend=log_mid[0]))[live], minlength=steps)
    columns = [
        mean(tape.ask_px - tape.bid_px), mean(np.abs(imbalance(tape))),
        mean(np.log10(np.maximum(1.0, 1.0 * tape.bid_sz * tape.ask_sz))), mean(log_depth(tape)),
        count(tape.action == ADD), count(tape.action == CANCEL), np.log1p(n),
        np.abs(np.bincount(at, flow_imbalance(tape)[live], minlength=steps)), moved, steps_sum,
    ]  # fmt: skip
    return np.column_stack(columns)[n > 0]


def separability(x: Floats, y: Floats) -> float:
    """Area under the curve of boosted trees that tell windows of one tape from windows of another; nan for too few.

    Trained on every other fifth of either tape in time, judged on the others.

    Args:
        x: (windows, features) of one tape, in time.
        y: Of the other.
    """
    x, y = (_thinned(values) for values in (x, y))
    if min(x.shape[0], y.shape[0]) < _FEWEST:
        return float("nan")
    from sklearn.ensemble import HistGradientBoostingClassifier

    values, labels = np.concatenate([x, y]), np.repeat([0, 1], [x.shape[0], y.shape[0]])
    fifth = np.concatenate([np.arange(v.shape[0]) * 5 // v.shape[0] for v in (x, y)])
    trained = fifth % 2 == 0
    model = HistGradientBoostingClassifier(max_iter=_ROUNDS, max_leaf_nodes=8, early_stopping=False, random_state=_SEED)
    model.fit(values[trained], labels[trained])
    return area_under_curve(model.predict_proba(values[~trained])[:, 1], labels[~trained])


def area_under_curve(scores: Floats, labels: npt.NDArray[np.int64]) -> float:
    """Probability that a score of label 1 exceeds one of label 0, ties half."""
    from scipy.stats import rankdata

    ones = int(labels.sum())
    zeros = labels.size - ones
    return float((rankdata(scores)[labels == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _thinned(values: Floats) -> Floats:
    return values[np.linspace(0, values.shape[0] - 1, min(_MOST, values.shape[0])).astype(int)]
