"""Rows in order of their score, measured under many weightings of the rows at once.

Scikit-learn measures one weighting at a time and sorts for each: a bootstrap of a million rows would take it minutes.
The tests hold these figures to scikit-learn's.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TOP_SHARE = 0.1
"""Of the users, those with the highest scores, that lift looks at."""
CALIBRATION_BINS = 10
"""Of equal width between 0 and 1."""


class Tally(NamedTuple):
    """Weight of the churned and of all rows at or above each distinct score, from the highest; one row per weighting."""

    churned: Floats
    rows: Floats


class Ranking:
    """`churned` and `score` of each row; a higher score means more likely to churn."""

    def __init__(self, churned: npt.NDArray[np.bool_], score: Floats) -> None:
        self._order = np.argsort(-score, kind="stable")
        self.churned = churned[self._order]
        self.score = score[self._order]

    @cached_property
    def _last_of_ties(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero(np.append(np.diff(self.score) != 0, True))

    def tally(self, weights: Floats) -> Tally:
        """`weights` has one row per weighting and a column per row, in the order the rows were given."""
        sorted_weights = weights[:, self._order]
        ends = self._last_of_ties
        return Tally(
            np.cumsum(sorted_weights * self.churned, axis=1)[:, ends], np.cumsum(sorted_weights, axis=1)[:, ends]
        )

    def calibration(self, weights: Floats) -> tuple[Floats, Floats]:
        """Brier score and expected calibration error of each weighting, of scores that are probabilities."""
        sorted_weights = weights[:, self._order]
        total = sorted_weights.sum(axis=1)
        surplus = self.score - self.churned
        # In order of score a bin's rows lie together.
        begins = np.flatnonzero(np.diff(bins(self.score), prepend=-1))
        gaps = np.abs(np.add.reduceat(sorted_weights * surplus, begins, axis=1)).sum(axis=1)
        return sorted_weights @ surplus**2 / total, gaps / total


def average_precision(tally: Tally) -> Floats:
    """Precision at each distinct score, weighted by the share of the churned found there."""
    found = np.diff(tally.churned, axis=1, prepend=0)
    with np.errstate(invalid="ignore"):
        precision = np.where(tally.rows > 0, tally.churned / np.where(tally.rows > 0, tally.rows, 1), 0)
        return (found * precision).sum(axis=1) / tally.churned[:, -1]


def roc_auc(tally: Tally) -> Floats:
    """How often a churned row is ranked above one that stayed, ties counting half."""
    stayed = tally.rows - tally.churned
    before = np.hstack([np.zeros((len(stayed), 1)), tally.churned[:, :-1]])
    above = (np.diff(stayed, axis=1, prepend=0) * (before + tally.churned) / 2).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return above / (tally.churned[:, -1] * stayed[:, -1])


def lift(tally: Tally, share: float = TOP_SHARE) -> Floats:
    """Churn rate among the `share` of rows with the highest scores over the churn rate of all. Of rows that tie at the cut,
    and of a row that it divides, the fitting fraction counts: the order of ties does not matter.
    """
    cut = share * tally.rows[:, -1]
    found = [
        np.interp(at, np.append(0, rows), np.append(0, churned))
        for at, rows, churned in zip(cut, tally.rows, tally.churned, strict=True)
    ]
    with np.errstate(invalid="ignore"):
        return np.array(found) / (share * tally.churned[:, -1])


def bins(probability: Floats) -> npt.NDArray[np.intp]:
    """The bin of each probability; 1 belongs to the last."""
    return np.minimum((probability * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
