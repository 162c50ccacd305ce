"""clean_events, user_day_grid -> churn_labels of kind event: which user-days a cancellation follows. Local to a user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.label_settings import LabelSettings
from churn_assets.product.entries import Condition
from churn_assets.transforms.days import day_number
from churn_assets.transforms.label_events import EventDays
from churn_assets.transforms.label_rows import (
    GIVEN,
    SOURCE_OUTAGE,
    Bools,
    LabelRows,
    Published,
    labels_frame,
    outages_over,
    survival_columns,
)


def churn_labels_by_event(
    user_days: pd.DataFrame,
    events: pd.DataFrame,
    part_events: Mapping[str, pd.DataFrame],
    *,
    first_day: date,
    last_day: date,
    published: Iterable[date],
    calendar_start: date,
    rules: LabelSettings,
) -> pd.DataFrame:
    """The label of each user-day of [first_day, last_day]; rows and their order are those of `user_days`.

    `user_days` (user_id, as_of_date, signup_date, the attributes of rules.at_risk) are these days' grid rows; `events`
    (user_id, event_date, event_time, event_id, event_type) the accepted events of rules.event and rules.starts up to last_day +
    horizon_days, from the calendar's start on if rules.starts are given and else from first_day on, as far as these landing
    days are `published`; `part_events` are by property of rules.outage_parts its events (user_id, event_date, the property)
    within rules.part_lookback_days. Events before signup and before the calendar's start count as not happened.
    """
    rows = LabelRows.of(user_days, first_day, last_day)
    start, end = day_number(calendar_start), rows.last + rules.horizon_days
    days = Published(published, min(start, rows.first), end)
    if rules.starts:
        states = EventDays(events, rows, start)
        since = states.decided_since()
        out_ahead, out_before = outages_over(rows, rules, since, part_events)
        is_at_risk, unseen = states.last_is(rules.starts), days.missing(since, rows.day) | out_before
    else:
        out_ahead, unseen = outages_over(rows, rules, None, part_events)
        is_at_risk = meets(user_days, rules.at_risk)
    reason = np.where(out_ahead, SOURCE_OUTAGE, days.reason(rows.day, rules.horizon_days))
    is_censored = reason != GIVEN
    churns = EventDays(events[events["event_type"].isin(rules.event).to_numpy()], rows, start)
    distance = churns.days_to_next()
    columns: dict[str, Any] = {
        "is_at_risk": pd.arrays.BooleanArray(is_at_risk & ~unseen, unseen),
        rules.churned_column: pd.arrays.BooleanArray((distance <= rules.horizon_days) & ~is_censored, is_censored),
    }
    in_a_row = days.in_a_row(rows.day, rules.horizon_days)
    return labels_frame(user_days, columns | survival_columns(rules, distance, in_a_row, reason), reason)


def meets(user_days: pd.DataFrame, conditions: Iterable[Condition]) -> Bools:
    """Which rows meet every condition. Null is none of the values, and so is not one of them."""
    holds = np.ones(len(user_days), dtype=bool)
    for condition in conditions:
        is_one = user_days[condition.key].isin(condition.values).to_numpy(dtype=bool)
        holds &= ~is_one if condition.negated else is_one
    return holds
