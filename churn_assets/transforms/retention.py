"""user_daily, user_day_grid -> retention_cohorts: which part of a week's signups is active weeks later. Sums over users."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.contracts.metrics import WEEK_DAYS


def retention_cohorts(
    active_days: pd.DataFrame,
    user_day_grid: pd.DataFrame,
    *,
    first_day: date,
    last_day: date,
    published: Iterable[date],
) -> pd.DataFrame:
    """One row for each calendar week whose Monday lies in [first_day, last_day] and each cohort that exists by then.

    `active_days` (user_id, as_of_date) are the active user-days and `user_day_grid` (user_id, as_of_date, signup_date)
    the user-days of [first_day, last_day + 6], as far as they are `published`. A cohort are the users who signed up in
    one calendar week; its size is that on the week's Sunday, activity is any event from Monday to Sunday. Both are null
    where a day of the week is not published: neither size nor silence is known yet.
    """
    known = set(published)
    grid, active = _in_order(user_day_grid), _in_order(active_days)
    first_monday = first_day + timedelta(days=-first_day.weekday() % WEEK_DAYS)
    weeks = [_week(first_monday, grid.iloc[:0], active.iloc[:0], observed=False)]
    for ahead in range(0, (last_day - first_monday).days + 1, WEEK_DAYS):
        monday = first_monday + timedelta(days=ahead)
        sunday = monday + timedelta(days=WEEK_DAYS - 1)
        observed = known.issuperset(monday + timedelta(days=n) for n in range(WEEK_DAYS))
        members = _between(grid, sunday if observed else monday, sunday)
        weeks.append(_week(monday, members, _between(active, monday, sunday), observed=observed))
    return pd.concat(weeks, ignore_index=True)


def _week(monday: date, members: pd.DataFrame, active: pd.DataFrame, *, observed: bool) -> pd.DataFrame:
    """The cohorts of one week: who is a member on its Sunday, or on any day of it while it is not observed."""
    is_active = members["user_id"].isin(active["user_id"].unique())
    cohorts = is_active.groupby(_mondays(members["signup_date"])).agg(["size", "sum"])
    sizes, actives = (cohorts[name].to_numpy().astype("int64") for name in ("size", "sum"))
    cohort_week = cohorts.index.to_numpy().astype("datetime64[D]")
    as_of_date = np.datetime64(monday, "D")
    unknown = np.full(len(cohorts), not observed)
    return pd.DataFrame(
        {
            "as_of_date": np.full(len(cohorts), as_of_date).astype("datetime64[us]"),
            "cohort_week": cohort_week.astype("datetime64[us]"),
            "weeks_since": (as_of_date - cohort_week).astype("int64") // WEEK_DAYS,
            "users": pd.arrays.IntegerArray(sizes, unknown),
            "active": pd.arrays.IntegerArray(actives, unknown.copy()),
            "rate": np.where(unknown, np.nan, actives / sizes),
        }
    )


def _mondays(days: pd.Series[Any]) -> pd.Series[Any]:
    """The Monday of each day's calendar week."""
    return days - pd.to_timedelta(days.dt.dayofweek, unit="D")


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    return frame if frame["as_of_date"].is_monotonic_increasing else frame.sort_values("as_of_date")


def _between(in_order: pd.DataFrame, first: date, last: date) -> pd.DataFrame:
    """Rows of the days first..last."""
    day = in_order["as_of_date"]
    return in_order.iloc[slice(day.searchsorted(pd.Timestamp(first)), day.searchsorted(pd.Timestamp(last), "right"))]
