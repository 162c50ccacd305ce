"""user_features and churn_labels -> the rows of a training set, and which days each of its parts takes.

The parts follow each other in time with an embargo between them, so that no label of one is decided by days of the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from churn_assets.errors import ChurnError

DAY = "as_of_date"
KEY = ["user_id", DAY]


class TooFewDays(ChurnError):
    """There are not enough days with labels for three parts and two embargoes."""


class Split(NamedTuple):
    """First and last day of each part, in order of time."""

    train: tuple[date, date]
    validation: tuple[date, date]
    test: tuple[date, date]


def split_by_time(
    first: date, last: date, *, embargo_days: int, stride_days: int, validation_share: float, test_share: float
) -> Split:
    """Divide the days first..last with observed labels: train, embargo, validation, embargo, test.

    Shares are of the days without the embargoes, rounded down. No part is shorter than a stride, so that each holds a sampled
    day wherever it begins. Raises TooFewDays.
    """
    observed = (last - first).days + 1
    needed = 3 * stride_days + 2 * embargo_days
    if observed < needed:
        raise TooFewDays(
            f"Labels are observed on {max(observed, 0)} days, and a training set needs {needed}: {stride_days} for each of "
            f"three parts and two embargoes of {embargo_days}; land more days, or lower training.stride_days."
        )
    free = observed - 2 * embargo_days
    test = min(max(int(free * test_share), stride_days), free - 2 * stride_days)
    validation = min(max(int(free * validation_share), stride_days), free - test - stride_days)
    embargo, one = timedelta(days=embargo_days), timedelta(days=1)
    test_first = last - timedelta(days=test - 1)
    validation_last = test_first - embargo - one
    validation_first = validation_last - timedelta(days=validation - 1)
    train_last = validation_first - embargo - one
    return Split((first, train_last), (validation_first, validation_last), (test_first, last))


def sampled_days(first: date, last: date, *, calendar_start: date, stride_days: int) -> Iterator[date]:
    """Days of first..last on which users are sampled: every `stride_days` from the calendar's start, so that days which come
    later never move those before.
    """
    day = first + timedelta(days=(calendar_start - first).days % stride_days)
    while day <= last:
        yield day
        day += timedelta(days=stride_days)


def training_rows(user_features: pd.DataFrame, churn_labels: pd.DataFrame, *, label: str) -> pd.DataFrame:
    """Features of the users who were at risk and whose `label` is observed, the label last; in order of day and user.

    Both frames have one row per (user_id, as_of_date). A labelled user-day without features raises ChurnError: it would be
    lost unseen. Features without a label to learn from are left out.
    """
    learnable = churn_labels["is_at_risk"].fillna(False).astype(bool) & churn_labels[label].notna()
    wanted = churn_labels.loc[learnable, [*KEY, label]].sort_values([DAY, "user_id"], ignore_index=True)
    for name, frame in (("user_features", user_features), ("churn_labels", wanted)):
        if repeated := int(frame.duplicated(KEY).sum()):
            raise ChurnError(f"{name} repeats {repeated} user-days, so labels cannot be joined to it one to one.")
    at = pd.MultiIndex.from_frame(user_features[KEY]).get_indexer(pd.MultiIndex.from_frame(wanted[KEY]))
    if missing := int(np.count_nonzero(at < 0)):
        raise ChurnError(
            f"{missing} labelled user-days have no row in user_features; run 'churn-assets backfill' to bring both up to date."
        )
    rows = user_features.take(at).reset_index(drop=True)
    return rows.assign(**{label: wanted[label].astype(bool)})
