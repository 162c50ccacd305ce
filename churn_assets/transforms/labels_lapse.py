"""clean_events or user_day_grid -> churn_labels of kind lapse: which user-days the end of a subscription follows. Local to a user.

Day p *ends unpaid* if on every day of p .. p + grace_days the paid_until date known by then is p or earlier. A user *lapses*
on the day that ends unpaid after one that did not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.label_settings import LabelSettings
from churn_assets.transforms.days import NEVER, day_number, day_numbers
from churn_assets.transforms.label_events import EventDays
from churn_assets.transforms.label_rows import (
    GIVEN,
    MISSING_DAY,
    SOURCE_OUTAGE,
    LabelRows,
    Published,
    labels_frame,
    next_day,
    outages_over,
    survival_columns,
)
from churn_assets.transforms.parsing import business_days

KnownUntil = npt.NDArray[np.int64]
"""[day, user]: the paid_until date as known at the end of the day, from the first day asked for on. NEVER: none."""


def churn_labels_by_lapse(
    user_days: pd.DataFrame,
    terms: pd.DataFrame,
    part_events: Mapping[str, pd.DataFrame],
    *,
    first_day: date,
    last_day: date,
    published: Iterable[date],
    calendar_start: date,
    rules: LabelSettings,
    timezone: str,
) -> pd.DataFrame:
    """The label of each user-day of [first_day, last_day]; rows and their order are those of `user_days`.

    `user_days` (user_id, as_of_date, signup_date) are these days' grid rows. `terms` has the column rules.paid_until: with
    rules.renewal_events an instant of these accepted events (user_id, event_date) from the calendar's start to last_day +
    rules.reach_days, read in `timezone`; else a date of the grid's user-days (user_id, as_of_date) of [first_day, last_day +
    rules.reach_days]; both as far as these days are `published`. `part_events` are by property of rules.outage_parts its
    events (user_id, event_date, the property) within rules.part_lookback_days. Events before signup and before the calendar's
    start count as not happened.
    """
    rows = LabelRows.of(user_days, first_day, last_day)
    start, end = day_number(calendar_start), rows.last + rules.reach_days
    days = Published(published, min(start, rows.first), end)
    if rules.renewal_events:
        renewals = EventDays(terms[terms[rules.paid_until].notna().to_numpy()], rows, start)
        known_until = _by_renewals(renewals, rows, rules, timezone)
        since = renewals.decided_since()
        out_ahead, out_before = outages_over(rows, rules, since, part_events)
        not_in = days.missing(since, rows.day)
    else:
        known_until = _by_attribute(terms, rows, rules)
        out_ahead, out_before = outages_over(rows, rules, None, part_events)
        not_in = np.zeros(len(rows.day), dtype=bool)
    unknown = not_in | out_before
    reason = days.reason(rows.day, rules.reach_days)
    # A lapse depends on how the user stands: where that is not known there is no label.
    reason = np.where(out_ahead | out_before, SOURCE_OUTAGE, np.where(not_in, MISSING_DAY, reason))
    is_censored = reason != GIVEN
    until = known_until[rows.day - rows.first, rows.user]
    is_at_risk = (until > rows.day) & (until <= rows.day + rules.horizon_days)
    distance = next_day(_lapses(known_until, rows, rules), rows.first + 1)[rows.day - rows.first, rows.user] - rows.day
    columns: dict[str, Any] = {
        "is_at_risk": pd.arrays.BooleanArray(is_at_risk & ~unknown, unknown),
        rules.churned_column: pd.arrays.BooleanArray((distance <= rules.horizon_days) & ~is_censored, is_censored),
    }
    in_a_row = days.in_a_row(rows.day, rules.reach_days)
    return labels_frame(user_days, columns | survival_columns(rules, distance, in_a_row, reason, unknown), reason)


def _by_renewals(renewals: EventDays, rows: LabelRows, rules: LabelSettings, timezone: str) -> KnownUntil:
    """The latest paid_until date of the user's renewals up to the day."""
    events = renewals.events
    known = np.full((rows.last + rules.reach_days - rows.first + 1, len(rows.users)), NEVER)
    at = np.maximum(events["day"].to_numpy() - rows.first, 0)
    inside = at < len(known)
    until = day_numbers(business_days(events[rules.paid_until], timezone))
    np.maximum.at(known, (at[inside], events["user"].to_numpy()[inside]), until[inside])
    return np.maximum.accumulate(known, axis=0)


def _by_attribute(terms: pd.DataFrame, rows: LabelRows, rules: LabelSettings) -> KnownUntil:
    """What the attribute says as of the day, also where it said a later date before."""
    known = np.full((rows.last + rules.reach_days - rows.first + 1, len(rows.users)), NEVER)
    given = terms[terms[rules.paid_until].notna().to_numpy()]
    day, user, is_known = rows.cells(given, "as_of_date")
    inside = (day >= rows.first) & (day - rows.first < len(known))
    until = day_numbers(given.loc[is_known, rules.paid_until])
    known[day[inside] - rows.first, user[inside]] = until[inside]
    return known


def _lapses(known_until: KnownUntil, rows: LabelRows, rules: LabelSettings) -> npt.NDArray[np.bool_]:
    """[day, user] from the day after the first asked for on: whether the user lapses on it."""
    known_in_grace = np.lib.stride_tricks.sliding_window_view(known_until, rules.grace_days + 1, axis=0).max(axis=-1)
    ends_unpaid = known_in_grace <= rows.first + np.arange(len(known_in_grace))[:, np.newaxis]
    return ends_unpaid[1:] & ~ends_unpaid[:-1]
