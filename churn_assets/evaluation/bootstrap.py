"""Intervals by resampling users: the rows of one user are no independent evidence, so they are drawn together or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.models.candidates import SEED

Floats = npt.NDArray[np.float64]

DRAWS = 400
CONFIDENCE = 0.95
LEAST_DRAWS = DRAWS // 2
"""An interval rests on at least so many draws with both outcomes."""
MOST_CELLS = 4_000_000
"""Of the matrix of weights that is in memory at once."""


def user_weights(user_id: pd.Series, draws: int = DRAWS) -> Iterator[Floats]:
    """How often each row counts in each draw of as many users as there are, with replacement; in blocks of a few draws, whose
    size changes nothing. The same users always give the same draws, so what is measured on them can be compared draw by draw.
    """
    codes, users = pd.factorize(user_id, sort=True)
    random = np.random.default_rng(SEED)
    at_once = max(1, MOST_CELLS // max(len(codes), 1))
    for done in range(0, draws, at_once):
        drawn = [
            np.bincount(random.integers(len(users), size=len(users)), minlength=len(users))
            for _ in range(min(at_once, draws - done))
        ]
        yield np.stack(drawn)[:, codes].astype("float64")


def interval(draws: Floats) -> tuple[float | None, float | None]:
    """The middle CONFIDENCE of the draws (percentiles). Those with one outcome only are NaN and left out; null where few are left."""
    known = draws[~np.isnan(draws)]
    if len(known) < LEAST_DRAWS:
        return None, None
    low, high = np.percentile(known, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return float(low), float(high)
