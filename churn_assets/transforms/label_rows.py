"""What every kind of churn label needs: the rows, which days could be seen, whom an outage concerns, the survival columns.

Days are day numbers (`days.py`). A label is given only where every day it looks at could be seen. Where one could not, what
can be seen is not used either: a user seen active there is certainly no churner, but keeping such rows and dropping their
silent neighbours would leave fewer churners among the labels than there are among the users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.contracts.labels import CENSOR_REASONS
from churn_assets.label_settings import LabelSettings, Outage
from churn_assets.transforms.days import day_number, day_numbers

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
REASONS = list(CENSOR_REASONS)
SOURCE_OUTAGE, MISSING_DAY, HORIZON_INCOMPLETE = map(
    REASONS.index, ("source_outage", "missing_day", "horizon_incomplete")
)
GIVEN = -1
"""In place of a reason: the label can be given."""
NEVER_AHEAD = 10**6
"""A day number, or a number of days, past any other: of what does not happen, or does not end."""


@dataclass(frozen=True)
class LabelRows:
    """The user-days to label: position of the user, day, signup day. `first` and `last` are the days asked for."""

    users: pd.Index[Any]
    user: Ints
    day: Ints
    signup: Ints
    first: int
    last: int

    @classmethod
    def of(cls, user_days: pd.DataFrame, first_day: date, last_day: date) -> LabelRows:
        users = pd.Index(user_days["user_id"].unique())
        user = users.get_indexer(pd.Index(user_days["user_id"]))
        day, signup = (day_numbers(user_days[column]) for column in ("as_of_date", "signup_date"))
        return cls(users, user, day, signup, day_number(first_day), day_number(last_day))

    def cells(self, of_users: pd.DataFrame, day_column: str) -> tuple[Ints, Ints, Bools]:
        """(day, user) of the rows that are of one of the users, and which rows are."""
        user = self.users.get_indexer(pd.Index(of_users["user_id"]))
        return day_numbers(of_users[day_column])[user >= 0], user[user >= 0], user >= 0

    def days_with_a_row(self, of_users: pd.DataFrame, day_column: str, first: int, last: int) -> DayCounts:
        """On which days of first..last each user has a row."""
        day, user, _ = self.cells(of_users, day_column)
        inside = (day >= first) & (day <= last)
        has_row = np.zeros((last - first + 1, len(self.users)), dtype=bool)
        has_row[day[inside] - first, user[inside]] = True
        running = np.zeros((len(has_row) + 1, len(self.users)), dtype="int32")
        np.cumsum(has_row, axis=0, out=running[1:])
        return DayCounts(running, first)


@dataclass(frozen=True)
class DayCounts:
    """`running[n]`: how many of the n days from `first` on count, by user (or of the calendar, if it has no second axis)."""

    running: npt.NDArray[np.int32]
    first: int

    def between(self, first: Ints, last: Ints, user: Ints | None = None) -> Ints:
        """How many days of first..last, row by row; none where last lies before first."""
        begin = first - self.first
        end = np.maximum(last - self.first + 1, begin)
        if user is None:
            return self.running[end] - self.running[begin]
        return self.running[end, user] - self.running[begin, user]


class Published:
    """Which days of first..last are published."""

    def __init__(self, published: Iterable[date], first: int, last: int) -> None:
        there = np.zeros(last - first + 1, dtype=bool)
        numbers = np.fromiter(map(day_number, published), dtype="int64")
        there[numbers[(numbers >= first) & (numbers <= last)] - first] = True
        self._first = first
        self._missing = DayCounts(np.concatenate([[0], np.cumsum(~there)]).astype("int32"), first)
        at = np.arange(len(there))
        self._last_there = np.maximum.accumulate(np.where(there, at, -1))
        self._next_missing = np.minimum.accumulate(np.where(there, len(there), at)[::-1])[::-1]

    def missing(self, first: Ints, last: Ints) -> Bools:
        """Whether one of first..last is not published; never where last lies before first."""
        return self._missing.between(first, last) > 0

    def in_a_row(self, day: Ints, most: int) -> Ints:
        """How many days directly after `day` are published, of the `most` after it."""
        return np.minimum(self._next_missing[day + 1 - self._first] - (day + 1 - self._first), most)

    def reason(self, day: Ints, reach: int) -> Ints:
        """Why not all `reach` days after `day` can be seen: a position in REASONS, or GIVEN."""
        in_a_row = self.in_a_row(day, reach)
        has_gap = self._last_there[day + reach - self._first] > day + in_a_row - self._first
        return np.where(in_a_row == reach, GIVEN, np.where(has_gap, MISSING_DAY, HORIZON_INCOMPLETE))


def outages_over(
    rows: LabelRows, rules: LabelSettings, since: Ints | None, part_events: Mapping[str, pd.DataFrame]
) -> tuple[Bools, Bools]:
    """Per row: whether an outage that concerns the user hides one of the days the label looks at, and one of since..day.

    `since` None: no day before says how the user stands.
    """
    ahead, before = np.zeros(len(rows.day), dtype=bool), np.zeros(len(rows.day), dtype=bool)
    for outage in rules.outages:
        first = day_number(outage.first)
        last = day_number(outage.last) if outage.last else NEVER_AHEAD
        hides_ahead = (rows.day + 1 <= last) & (rows.day + rules.reach_days >= first)
        hides_before = (since <= last) & (rows.day >= first) if since is not None else np.zeros_like(before)
        if outage.part is not None and (hides_ahead | hides_before).any():
            concerned = _took_part(rows, outage, part_events, rules.at_risk_days)
            hides_ahead, hides_before = hides_ahead & concerned, hides_before & concerned
        ahead |= hides_ahead
        before |= hides_before
    return ahead, before


def _took_part(rows: LabelRows, outage: Outage, part_events: Mapping[str, pd.DataFrame], at_risk_days: int) -> Bools:
    """Which rows' users have an event of the outage's part up to the day, within at_risk_days before it or before the outage.

    Once the outage has begun the days before it decide, and not those before the row's day: those are silent because of it.
    """
    name, value = outage.part or ("", "")
    events = part_events[name]
    events = events[(events[name] == value).fillna(False).to_numpy(dtype=bool)]
    recent = rows.days_with_a_row(events, "event_date", rows.first - at_risk_days + 1, rows.last)
    before = recent.between(rows.day - at_risk_days + 1, rows.day, rows.user) > 0
    first = day_number(outage.first)
    day, user, _ = rows.cells(events, "event_date")
    relevant = day > first - at_risk_days
    earliest = np.full(len(rows.users), NEVER_AHEAD)
    np.minimum.at(earliest, user[relevant], day[relevant])
    return np.where(rows.day < first, before, earliest[rows.user] <= rows.day)


def next_day(happens: npt.NDArray[np.bool_], first: int) -> Ints:
    """[day, user] of whether something happens, from day `first` on: the first such day from each day on."""
    days = first + np.arange(len(happens))[:, np.newaxis]
    return np.minimum.accumulate(np.where(happens, days, NEVER_AHEAD)[::-1], axis=0)[::-1]


def survival_columns(
    rules: LabelSettings, distance: Ints, in_a_row: Ints, reason: Ints, unknown: Bools | None = None
) -> dict[str, Any]:
    """days_until_churn and days_followed, of rows whose first churn is `distance` days ahead and which see so many days
    `in_a_row`. Null where the label is; with partial_follow_up only where an outage hides days, or the state is `unknown`.
    """
    visible = np.maximum(in_a_row - rules.confirmation_days, 0)
    is_null = reason == SOURCE_OUTAGE if rules.partial_follow_up else reason != GIVEN
    if unknown is not None:
        is_null |= unknown
    has_no_churn = is_null | (distance > visible)
    followed = np.minimum(distance, visible)
    return {
        "days_until_churn": pd.arrays.IntegerArray(np.where(has_no_churn, 0, distance), has_no_churn),
        "days_followed": pd.arrays.IntegerArray(np.where(is_null, 0, followed), is_null),
    }


def labels_frame(user_days: pd.DataFrame, columns: Mapping[str, Any], reason: Ints) -> pd.DataFrame:
    """The rows of `user_days` with `columns`, and why a label is null."""
    codes: Any = reason
    return pd.DataFrame(
        {
            "user_id": user_days["user_id"].array,
            "as_of_date": user_days["as_of_date"].array,
            **columns,
            "censor_reason": pd.Categorical.from_codes(codes, categories=pd.Index(REASONS, dtype=object)),
        }
    )
