"""user_daily, user_day_grid -> churn_labels of kind silence: which user-days no active day follows. Local to a user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.label_settings import LabelSettings
from churn_assets.product.measures import TOTAL_EVENTS
from churn_assets.transforms.days import day_number
from churn_assets.transforms.label_rows import (
    GIVEN,
    SOURCE_OUTAGE,
    Bools,
    DayCounts,
    Ints,
    LabelRows,
    Published,
    labels_frame,
    next_day,
    outages_over,
    survival_columns,
)


def churn_labels(
    user_days: pd.DataFrame,
    active_days: pd.DataFrame,
    part_events: Mapping[str, pd.DataFrame],
    *,
    first_day: date,
    last_day: date,
    published: Iterable[date],
    calendar_start: date,
    rules: LabelSettings,
) -> pd.DataFrame:
    """The label of each user-day of [first_day, last_day]; rows and their order are those of `user_days`.

    `user_days` (user_id, as_of_date, signup_date) are these days' grid rows; `active_days` (user_id, as_of_date, and
    the measures of rules.activity unless total_events is one) the user-days with an event in [first_day - at_risk_days + 1,
    last_day + horizon_days], as far as these days of user_daily are `published`; `part_events` are by property of
    rules.outage_parts its events (user_id, event_date, the property) within rules.part_lookback_days. Days before signup and
    before the calendar's start count as not active.
    """
    rows = LabelRows.of(user_days, first_day, last_day)
    begin, end = rows.first - rules.at_risk_days + 1, rows.last + rules.horizon_days
    active = rows.days_with_a_row(active_days[_counts_as_active(active_days, rules)], "as_of_date", begin, end)
    future = active.between(rows.day + 1, rows.day + rules.horizon_days, rows.user)
    lookback = rows.day - rules.at_risk_days + 1
    seen_active = active.between(lookback, rows.day, rows.user) > 0

    days = Published(published, begin, end)
    since = np.maximum(np.maximum(rows.signup, lookback), day_number(calendar_start))
    out_ahead, out_before = outages_over(rows, rules, since, part_events)
    reason = np.where(out_ahead, SOURCE_OUTAGE, days.reason(rows.day, rules.horizon_days))
    unseen = days.missing(since, rows.day) | out_before
    is_censored = reason != GIVEN
    columns: dict[str, Any] = {
        "is_at_risk": pd.arrays.BooleanArray(seen_active, ~seen_active & unseen),
        "future_active_days": pd.arrays.IntegerArray(np.where(is_censored, 0, future).astype("int64"), is_censored),
        rules.churned_column: pd.arrays.BooleanArray((future == 0) & ~is_censored, is_censored.copy()),
    }
    in_a_row = days.in_a_row(rows.day, rules.horizon_days)
    survival = survival_columns(rules, _until_silence(rows, active, rules), in_a_row, reason)
    return labels_frame(user_days, columns | survival, reason)


def _counts_as_active(active_days: pd.DataFrame, rules: LabelSettings) -> Bools:
    if TOTAL_EVENTS in rules.activity:
        return np.ones(len(active_days), dtype=bool)
    return np.logical_or.reduce([(active_days[name] > 0).fillna(False).to_numpy(dtype=bool) for name in rules.activity])


def _until_silence(rows: LabelRows, active: DayCounts, rules: LabelSettings) -> Ints:
    """Days from each row's day to the first of so many silent days in a row that are a churn."""
    length = rules.confirmation_days + 1
    counts = active.running[rows.first + 1 - active.first :]
    silent = counts[length:] == counts[:-length]
    return next_day(silent, rows.first + 1)[rows.day - rows.first, rows.user] - rows.day
