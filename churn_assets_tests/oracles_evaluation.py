"""Rankings measured once more in plain Python: fractions, one row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby

Row = tuple[float, bool, int]
"""Score, whether churned, and how often the row counts."""


def lift(rows: Sequence[Row], share: Fraction) -> Fraction:
    """Churn rate among the `share` of rows with the highest scores over that of all; rows of equal score count alike."""
    copies = [(score, churned) for score, churned, times in rows for _ in range(times)]
    copies.sort(key=lambda copy: -copy[0])
    left = cut = len(copies) * share
    found = Fraction(0)
    for _, tied in groupby(copies, key=lambda copy: copy[0]):
        outcomes = [churned for _, churned in tied]
        taken = min(left, Fraction(len(outcomes)))
        found += taken * Fraction(sum(outcomes), len(outcomes))
        left -= taken
    return (found / cut) / Fraction(sum(churned for _, churned in copies), len(copies))


def calibration_error(rows: Sequence[Row], bins: int) -> float:
    """Mean over rows of how far, in the row's bin of predicted probability, the mean prediction is from the share churned."""
    error = 0.0
    for bin_ in range(bins):
        inside = [row for row in rows if min(int(row[0] * bins), bins - 1) == bin_]
        if weight := sum(times for _, _, times in inside):
            predicted = sum(score * times for score, _, times in inside) / weight
            churned = sum(times for _, gone, times in inside if gone) / weight
            error += weight * abs(predicted - churned)
    return error / sum(times for _, _, times in rows)
