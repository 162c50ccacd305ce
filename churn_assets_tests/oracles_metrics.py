"""growth_daily and retention_cohorts once more in plain Python, user by user and day by day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
UserDays = Iterable[tuple[Any, date]]
Members = Iterable[tuple[Any, date, date]]
"""(user, day, signup day) of the grid."""


def growth_daily(grid: Members, active: UserDays, day: date, published: Iterable[date]) -> Row:
    """The row of `day`. `active` are the active user-days, of published days only."""
    active, published = set(active), set(published)
    signup = {user: since for user, at, since in grid if at == day}

    def days_back(first: int, last: int) -> list[date]:
        return [day - timedelta(days=back) for back in range(first, last + 1)]

    def who(first: int, last: int) -> set[Any]:
        """Users of the base who are active on one of the days D - last .. D - first."""
        return {user for user in signup if any((user, at) in active for at in days_back(first, last))}

    def observed(days: int) -> int:
        return sum(at in published for at in days_back(0, days - 1))

    month, before = who(0, 29), who(30, 59)
    new = {user for user in month if signup[user] >= day - timedelta(days=29)}
    retained, resurrected = (month - new) & before, (month - new) - before
    churned = before - month
    one, two = observed(30) == 30, observed(60) == 60
    return {
        "as_of_date": day,
        "users": len(signup),
        "new_signups": sum(since == day for since in signup.values()),
        "dau": len(who(0, 0)),
        "wau": len(who(0, 6)),
        "mau": len(month),
        "stickiness": len(who(0, 0)) / len(month) if month else None,
        "new_users": len(new) if one else None,
        "retained_users": len(retained) if two else None,
        "resurrected_users": len(resurrected) if two else None,
        "dormant_users": len(signup.keys() - month) if one else None,
        "churned_users": len(churned) if two else None,
        "quick_ratio": (len(new) + len(resurrected)) / len(churned) if two and churned else None,
        "days_observed_7d": observed(7),
        "days_observed_30d": observed(30),
        "days_observed_60d": observed(60),
    }


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def retention_cohorts(grid: Members, active: UserDays, monday: date, published: Iterable[date]) -> dict[date, Row]:
    """Rows of the week that begins on `monday`, by cohort."""
    week = [monday + timedelta(days=n) for n in range(7)]
    observed = set(week) <= set(published)
    rows = {}
    for cohort in {monday_of(since) for _, at, since in grid if at in week}:
        members = {user for user, at, since in grid if at == week[-1] and monday_of(since) == cohort}
        seen = {user for user, at in active if at in week and user in members}
        rows[cohort] = {
            "as_of_date": monday,
            "cohort_week": cohort,
            "weeks_since": (monday - cohort).days // 7,
            "users": len(members) if observed else None,
            "active": len(seen) if observed else None,
            "rate": len(seen) / len(members) if observed else None,
        }
    return rows
