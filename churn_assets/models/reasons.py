"""Why a user has the score they have: what each subject's features add to it, against a user who is typical in them.

A subject is a measure or an attribute: the windows of one measure say much the same, so that one of them alone would
seem to matter little. Effects are differences of log-odds: with the user's own features, less with typical ones in their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.models.candidates import Fitted, Scores, log_odds
from churn_assets.product import Product
from churn_assets.product.columns import FeatureColumn
from churn_assets.product.measures import TOTAL_EVENTS

REASONS = 3
SMALLEST_EFFECT = 0.01
"""Of log-odds: below it nothing is a reason."""
CALENDAR = "day_of_week"


class Reasons(NamedTuple):
    """Of each row the subjects with the largest effects, largest first, and their signed effects; one column per place. A place
    without a reason is None and NaN.
    """

    subjects: npt.NDArray[np.object_]
    effects: Scores


def subjects(product: Product) -> dict[str, list[str]]:
    """The features of each measure and attribute, in the order of the columns."""
    found: dict[str, list[str]] = {}
    for feature in product.feature_columns:
        found.setdefault(subject_of(feature), []).append(feature.name)
    return found


def subject_of(feature: FeatureColumn) -> str:
    """The measure or attribute a feature is about; activity as a whole is `total_events`."""
    if feature.operation in ("weekday", "weekend"):
        return CALENDAR
    if feature.operation in ("segment", "observed"):
        return TOTAL_EVENTS
    return feature.of[0] if feature.of else feature.name


def reasons(model: Fitted, matrix: pd.DataFrame, scores: Scores, of: Mapping[str, list[str]]) -> Reasons:
    """Of each row of the transformer's `matrix`, whose `scores` are known; `of` are the features of each subject."""
    typical, own = model.transformer.typical, log_odds(scores)
    seen = {subject: names for subject, all_names in of.items() if (names := [n for n in all_names if n in typical])}
    without = model.score_matrix(_each_typical(matrix, [*seen.values()], typical)).reshape(len(seen), len(matrix))
    effects = (own - log_odds(without)).T
    places = min(REASONS, len(seen))
    order = np.argsort(-np.abs(effects), axis=1, kind="stable")[:, :places]
    largest = np.take_along_axis(effects, order, axis=1)
    named = np.array([*seen], dtype=object)[order]
    is_small = np.abs(largest) < SMALLEST_EFFECT
    named[is_small], largest[is_small] = None, np.nan
    found = Reasons(np.full((len(matrix), REASONS), None, dtype=object), np.full((len(matrix), REASONS), np.nan))
    found.subjects[:, :places], found.effects[:, :places] = named, largest
    return found


def _each_typical(
    matrix: pd.DataFrame, of_subjects: list[list[str]], typical: Mapping[str, float | str | None]
) -> pd.DataFrame:
    """The rows once for each subject, with typical values in its features. One frame: a model is slow to begin and fast to go on."""
    rows, times = len(matrix), len(of_subjects)
    place = {name: at for at, names in enumerate(of_subjects) for name in names}
    columns: dict[str, Any] = {}
    for name, values in matrix.items():
        at = slice(place[str(name)] * rows, (place[str(name)] + 1) * rows)
        if isinstance(values.dtype, pd.CategoricalDtype):
            codes = np.tile(values.cat.codes, times)
            codes[at] = values.cat.categories.get_loc(typical[str(name)])
            columns[str(name)] = pd.Categorical.from_codes(codes.tolist(), dtype=values.dtype)
        else:
            numbers = np.tile(values.to_numpy(), times)
            numbers[at] = typical[str(name)]
            columns[str(name)] = numbers
    return pd.DataFrame(columns)
