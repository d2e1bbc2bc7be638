"""Settings of the alpha family.

Here: the frozen configuration. Not here: the study's YAML (feeds/study.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from feeds.errors import StudyError

#: Rows of the comparison table in printing order.
ROWS = ("naive", "linear", "gradient_boosting", "shuffled")


@dataclass(frozen=True)
class AlphaConfig:
    """How the rows of the comparison are fitted.

    Attributes:
        rows: Estimators to fit, of `ROWS`.
        max_iter: Boosting rounds.
        learning_rate: Shrinkage of each round.
        max_leaf_nodes: Leaves a tree.
        min_samples_leaf: Observations a leaf.
        seed: Seed of the boosting and of the label permutations.
        ridge_penalty: Penalty of the linear row per observation, on standardised features.
        winsor: Share of each tail of a feature that the linear row pulls in to the training quantile.
        shuffles: Label permutations behind the shuffled row.

    Raises:
        StudyError: A row is unknown or repeated, or there is none.
    """

    rows: tuple[str, ...] = ROWS
    max_iter: int = 150
    learning_rate: float = 0.05
    max_leaf_nodes: int = 15
    min_samples_leaf: int = 100
    seed: int = 7
    ridge_penalty: float = 1e-2
    winsor: float = 0.005
    shuffles: int = 5

    def __post_init__(self) -> None:
        if not self.rows or len(set(self.rows)) != len(self.rows) or not set(self.rows) <= set(ROWS):
            raise StudyError("alpha rows", received=self.rows, expected=f"distinct ones of {ROWS}")
