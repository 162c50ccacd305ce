"""user_daily, user_day_grid -> churn_labels: which user-days are followed by silence. Local to a user.

A label is given only where the whole horizon could be seen. Where a part of it could not, the visible part is not used
either: a user seen active there is certainly no churner, but keeping such rows and dropping their silent neighbours would
leave fewer churners among the labels than there are among the users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.contracts.learning import CENSOR_REASONS
from churn_assets.label_settings import LabelSettings, Outage
from churn_assets.product.measures import TOTAL_EVENTS
from churn_assets.transforms.days import day_number, day_numbers

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
UNENDING = np.iinfo("int64").max
"""A day after any other."""


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
    last_day + horizon_days], as far as these days of user_daily are `published`; `part_events` are by
    property of rules.outage_parts its events (user_id, event_date, the property) within rules.part_lookback_days.
    Days before signup and before the calendar's start count as not active.
    """
    axis = _Axis(first_day, last_day, rules)
    rows = _Rows.of(user_days, axis, calendar_start, rules.at_risk_days)
    active = rows.running_count(active_days[_counts_as_active(active_days, rules.activity)], "as_of_date", axis)
    ahead = rows.day + 1 + rules.horizon_days
    future = active[ahead, rows.user] - active[rows.day + 1, rows.user]
    seen_active = active[rows.day + 1, rows.user] > active[rows.day + 1 - rules.at_risk_days, rows.user]

    reasons = list(CENSOR_REASONS)
    censored, unseen = _unpublished(rows, axis, published)
    for outage in rules.outages:
        hides_horizon, hides_past = _hidden(rows, axis, outage, part_events)
        censored[hides_horizon] = reasons.index("source_outage")
        unseen |= hides_past
    is_censored = censored >= 0
    codes: Any = censored
    return pd.DataFrame(
        {
            "user_id": user_days["user_id"].array,
            "as_of_date": user_days["as_of_date"].array,
            "is_at_risk": pd.arrays.BooleanArray(seen_active, ~seen_active & unseen),
            "future_active_days": pd.arrays.IntegerArray(np.where(is_censored, 0, future), is_censored),
            rules.churned_column: pd.arrays.BooleanArray((future == 0) & ~is_censored, is_censored.copy()),
            "censor_reason": pd.Categorical.from_codes(codes, categories=pd.Index(reasons, dtype=object)),
        }
    )


class _Axis:
    """Days as positions: 0 is the first a label of first_day looks back at."""

    def __init__(self, first_day: date, last_day: date, rules: LabelSettings) -> None:
        self.horizon = rules.horizon_days
        self._origin = day_number(first_day) - (rules.at_risk_days - 1)
        self.length = self.at(last_day) + self.horizon + 1

    def at(self, day: date) -> int:
        """May lie outside of [0, length)."""
        return day_number(day) - self._origin

    def positions(self, days: pd.Series[Any]) -> Ints:
        return day_numbers(days) - self._origin


@dataclass(frozen=True)
class _Rows:
    """The label rows: position of the user, of the day, and of the first day on which silence would count."""

    users: pd.Index[Any]
    user: Ints
    day: Ints
    since: Ints
    at_risk_days: int

    @classmethod
    def of(cls, user_days: pd.DataFrame, axis: _Axis, calendar_start: date, at_risk_days: int) -> _Rows:
        users = pd.Index(user_days["user_id"].unique())
        day = axis.positions(user_days["as_of_date"])
        signup = axis.positions(user_days["signup_date"])
        since = np.maximum(np.maximum(signup, day - at_risk_days + 1), axis.at(calendar_start))
        return cls(users, users.get_indexer(pd.Index(user_days["user_id"])), day, since, at_risk_days)

    def cells(self, of_users: pd.DataFrame, day_column: str, axis: _Axis) -> tuple[Ints, Ints]:
        """(day, user) of rows that are of one of the users."""
        user = self.users.get_indexer(pd.Index(of_users["user_id"]))
        return axis.positions(of_users[day_column])[user >= 0], user[user >= 0]

    def running_count(self, of_users: pd.DataFrame, day_column: str, axis: _Axis) -> npt.NDArray[np.int32]:
        """[day, user]: on how many days of the axis before that one the user has a row."""
        day, user = self.cells(of_users, day_column, axis)
        inside = (day >= 0) & (day < axis.length)
        has_row = np.zeros((axis.length, len(self.users)), dtype=bool)
        has_row[day[inside], user[inside]] = True
        running = np.zeros((axis.length + 1, len(self.users)), dtype="int32")
        np.cumsum(has_row, axis=0, out=running[1:])
        return running


def _counts_as_active(active_days: pd.DataFrame, activity: tuple[str, ...]) -> Bools:
    if TOTAL_EVENTS in activity:
        return np.ones(len(active_days), dtype=bool)
    return np.logical_or.reduce([(active_days[name] > 0).fillna(False).to_numpy(dtype=bool) for name in activity])


def _unpublished(rows: _Rows, axis: _Axis, published: Iterable[date]) -> tuple[Ints, Bools]:
    """Per row: why its horizon was not seen (position in CENSOR_REASONS, -1: it was), and whether a day before was not."""
    reasons = list(CENSOR_REASONS)
    there = np.zeros(axis.length, dtype=bool)
    there[[at for day in published if 0 <= (at := axis.at(day)) < axis.length]] = True
    missing_before = np.concatenate([[0], np.cumsum(~there)])
    last_there = np.maximum.accumulate(np.where(there, np.arange(axis.length), -1))
    day = np.arange(axis.length - axis.horizon)
    is_short = missing_before[day + 1 + axis.horizon] > missing_before[day + 1]
    # Of the days up to the last that is there one is missing: more than the end of the horizon is.
    has_gap = missing_before[np.maximum(last_there[day + axis.horizon], day) + 1] > missing_before[day + 1]
    why = np.where(is_short, reasons.index("horizon_incomplete"), -1)
    why[has_gap] = reasons.index("missing_day")
    return why[rows.day], missing_before[rows.day + 1] > missing_before[rows.since]


def _hidden(rows: _Rows, axis: _Axis, outage: Outage, part_events: Mapping[str, pd.DataFrame]) -> tuple[Bools, Bools]:
    """Per row: whether the outage, if it concerns the user, hides a day of the horizon, and one of the days before."""
    first, last = axis.at(outage.first), axis.at(outage.last) if outage.last else UNENDING
    horizon = (rows.day + 1 <= last) & (rows.day + axis.horizon >= first)
    past = (rows.since <= last) & (rows.day >= first)
    if outage.part is None or not (horizon | past).any():
        return horizon, past
    name, value = outage.part
    events = part_events[name]
    events = events[(events[name] == value).fillna(False).to_numpy(dtype=bool)]
    concerned = _took_part(rows, axis, events, first)
    return horizon & concerned, past & concerned


def _took_part(rows: _Rows, axis: _Axis, events: pd.DataFrame, first: int) -> Bools:
    """Which rows' users have one of `events` up to the day, within at_risk_days before it or before the outage.

    Once the outage has begun the days before it decide, and not those before the row's day: those are silent because of it.
    """
    recent = rows.running_count(events, "event_date", axis)
    before = recent[rows.day + 1, rows.user] > recent[rows.day + 1 - rows.at_risk_days, rows.user]
    day, user = rows.cells(events, "event_date", axis)
    relevant = day > first - rows.at_risk_days
    earliest = np.full(len(rows.users), UNENDING)
    np.minimum.at(earliest, user[relevant], day[relevant])
    return np.where(rows.day < first, before, earliest[rows.user] <= rows.day)
