"""A user's events around a day: the last up to it, the first after it."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from churn_assets.transforms.label_rows import NEVER_AHEAD, Bools, Ints, LabelRows

DAYS = 2**22
"""More than the day numbers that there are, before and after 1970."""


class EventDays:
    """Events of the rows' users, from signup and the calendar's start on, in order of user and time. Each method gives one value
    for each label row.
    """

    def __init__(self, events: pd.DataFrame, rows: LabelRows, calendar_start: int) -> None:
        """`events` has user_id, event_date, and event_time and event_id where the last event of a day matters."""
        self._rows = rows
        self._since = np.maximum(rows.signup, calendar_start)
        first = np.full(len(rows.users), NEVER_AHEAD)
        first[rows.user] = self._since
        day, user, is_known = rows.cells(events, "event_date")
        counts = day >= first[user]
        known = events[is_known][counts].assign(user=user[counts], day=day[counts])
        order = [name for name in ("user", "day", "event_time", "event_id") if name in known]
        self.events = known.sort_values(order, kind="stable", ignore_index=True)
        self._keys = self._key(self.events["user"].to_numpy(), self.events["day"].to_numpy())
        self._last = np.searchsorted(self._keys, self._key(rows.user, rows.day), side="right") - 1
        self.has_one = self._of_user(self._last)
        """Whether the user has an event on or before the day."""

    @staticmethod
    def _key(user: Ints, day: Ints) -> Ints:
        return user * DAYS + day + DAYS // 2

    def _of_user(self, at: Ints) -> Bools:
        """Whether the event at this place is one of the row's user."""
        if not len(self._keys):
            return np.zeros(len(at), dtype=bool)
        inside = (at >= 0) & (at < len(self._keys))
        return inside & (self._keys[np.where(inside, at, 0)] // DAYS == self._rows.user)

    def decided_since(self) -> Ints:
        """Day of the last event on or before the row's day; where there is none, the first on which one could have been."""
        if not len(self._keys):
            return self._since
        day = self.events["day"].to_numpy()[np.where(self.has_one, self._last, 0)]
        return np.where(self.has_one, day, self._since)

    def last_is(self, types: Collection[str]) -> Bools:
        """Whether the last event on or before the row's day is of one of `types`."""
        if not len(self._keys):
            return self.has_one
        is_one = self.events["event_type"].isin(list(types)).to_numpy()
        return self.has_one & is_one[np.where(self.has_one, self._last, 0)]

    def days_to_next(self) -> Ints:
        """Days from the row's day to the first event after it; NEVER_AHEAD where there is none."""
        at = self._last + 1
        found = self._of_user(at)
        if not found.any():
            return np.full(len(at), NEVER_AHEAD)
        day = self.events["day"].to_numpy()[np.where(found, at, 0)]
        return np.where(found, day - self._rows.day, NEVER_AHEAD)
