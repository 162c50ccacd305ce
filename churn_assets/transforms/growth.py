"""user_daily, user_day_grid -> growth_daily: active users and growth accounting. Sums over users, in integers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.contracts.metrics import MONTH_DAYS, OBSERVED_DAYS, WEEK_DAYS
from churn_assets.transforms.days import NEVER, day_number, day_numbers

Codes = npt.NDArray[np.int64]


def growth_daily(
    active_days: pd.DataFrame,
    user_day_grid: pd.DataFrame,
    *,
    first_day: date,
    last_day: date,
    published: Iterable[date],
) -> pd.DataFrame:
    """One row for each day D of [first_day, last_day]: active users of 1, 7 and 30 days, and monthly growth accounting.

    `active_days` (user_id, as_of_date) are the active user-days from first_day - 59 on; `user_day_grid` (user_id,
    as_of_date, signup_date) has the days themselves; `published` are the days of which active user-days are known.

    Growth accounting as J. Hsu describes it ("A Quantitative Approach to Product-Market Fit", Tribe Capital 2019):
    active users are new, retained or resurrected, those lost have churned, and mau(D) - mau(D-30) = new + resurrected -
    churned. "New" is decided by signup and not by a first activity ever, which no finite window could tell; whoever is
    not active is dormant, so that the states partition the base. What periods not wholly observed cannot tell is null:
    silence on a day that is not in is no churn.
    """
    users = pd.Index(user_day_grid["user_id"].unique())
    counts = _Counts(users, active_days)
    day = day_numbers(user_day_grid["as_of_date"])
    order = np.argsort(day, kind="stable")
    day, user = day[order], users.get_indexer(pd.Index(user_day_grid["user_id"]))[order]
    signup = day_numbers(user_day_grid["signup_date"])[order]
    known = {day_number(day) for day in published}
    rows = []
    for today in range(day_number(first_day), day_number(last_day) + 1):
        of_day = slice(*np.searchsorted(day, [today, today + 1]))
        observed = {days: sum(today - back in known for back in range(days)) for days in OBSERVED_DAYS}
        rows.append(
            {
                "as_of_date": np.datetime64(today, "D"),
                **counts.of(today, user[of_day], signup[of_day], observed),
                **{f"days_observed_{days}d": count for days, count in observed.items()},
            }
        )
    return _as_table(rows)


class _Counts:
    """Counts of one day after the other, from each user's last active day as of that day and as of 30 days before."""

    def __init__(self, users: pd.Index[Any], active_days: pd.DataFrame) -> None:
        user = users.get_indexer(pd.Index(active_days["user_id"]))
        day = day_numbers(active_days["as_of_date"])[user >= 0]
        order = np.argsort(day, kind="stable")
        self._user, self._day = user[user >= 0][order], day[order]
        self._last, self._last_before = (_LastActive(len(users), self._user, self._day) for _ in range(2))

    def of(self, today: int, base: Codes, signup: Codes, observed: dict[int, int]) -> dict[str, Any]:
        """Figures of `today` for the users in `base`, who signed up on the days `signup`."""
        silent = today - self._last.as_of(today)[base]
        active = silent < MONTH_DAYS
        active_before = (today - MONTH_DAYS) - self._last_before.as_of(today - MONTH_DAYS)[base] < MONTH_DAYS
        is_new = active & (today - signup < MONTH_DAYS)
        returned = active & ~is_new
        dau, mau = _count(silent < 1), _count(active)
        new, retained, resurrected = (
            _count(state) for state in (is_new, returned & active_before, returned & ~active_before)
        )
        churned = _count(~active & active_before)
        month_known = observed[MONTH_DAYS] == MONTH_DAYS
        both_known = observed[2 * MONTH_DAYS] == 2 * MONTH_DAYS
        return {
            "users": len(base),
            "new_signups": _count(signup == today),
            "dau": dau,
            "wau": _count(silent < WEEK_DAYS),
            "mau": mau,
            "stickiness": dau / mau if mau else None,
            "new_users": new if month_known else None,
            "retained_users": retained if both_known else None,
            "resurrected_users": resurrected if both_known else None,
            "dormant_users": len(base) - mau if month_known else None,
            "churned_users": churned if both_known else None,
            "quick_ratio": (new + resurrected) / churned if both_known and churned else None,
        }


class _LastActive:
    """Each user's last active day, moved forward day by day."""

    def __init__(self, users: int, user: Codes, day: Codes) -> None:
        self._last = np.full(users, NEVER)
        self._user, self._day, self._taken = user, day, 0

    def as_of(self, today: int) -> Codes:
        """Day numbers by user; NEVER where there is none. To be asked in order of days."""
        until = int(np.searchsorted(self._day, today, side="right"))
        # In order of days, so that of a user's several the last one stays.
        self._last[self._user[self._taken : until]] = self._day[self._taken : until]
        self._taken = until
        return self._last


def _as_table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(list(rows))
    nullable = {name: "Int64" for name in map(str, table) if name.endswith("_users")}
    return table.astype({"as_of_date": "datetime64[us]", "stickiness": "float64", "quick_ratio": "float64", **nullable})


def _count(which: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(which))
