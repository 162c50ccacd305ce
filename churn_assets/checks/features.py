"""Invariants of user_features, blocking: its rows are the grid's, and figures are counted once more from user_daily."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from churn_assets.calendar import DayRange
from churn_assets.checks.invariants import as_the_grid
from churn_assets.checks.verdict import EVERY_DAY, Check, Stored, Verdict

RECOUNTED: Mapping[str, tuple[str, int]] = {
    "days_observed_30d": ("1", 30),
    "total_events_30d": ("total_events", 30),
    "total_logins_14d": ("total_logins", 14),
    "active_days_7d": ("is_active::INT", 7),
}
"""Feature -> what it sums of user_daily, and over how many days."""
WEIGHT = "(1 + hash(user_id) % 1000)::BIGINT"
"""Each user's rows count a number of times of their own, so that one user's figure in another's row shows in the sum."""


def features_invariants() -> list[Check]:
    return [
        as_the_grid("user_features"),
        Check(
            table="user_features",
            name="recounted",
            description=f"{', '.join(RECOUNTED)} are those of user_daily: summed over users, each with a weight of its own.",
            blocking=True,
            judge=_recounted,
            reads=("user_daily",),
        ),
    ]


def _recounted(stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    # Whoever was there on a day is there on every later one: a window's sum is the sum of its days' sums.
    reach = max(width for _, width in RECOUNTED.values()) - 1
    told = ", ".join(f"sum({feature} * {WEIGHT})::BIGINT AS {feature}" for feature in RECOUNTED)
    by_day = ", ".join(f"sum({what} * {WEIGHT})::BIGINT AS {feature}" for feature, (what, _) in RECOUNTED.items())
    counted = ", ".join(
        f"coalesce(sum(daily.{feature}) FILTER (daily.day > days.day - {width}), 0)::BIGINT AS {feature}"
        for feature, (_, width) in RECOUNTED.items()
    )
    both = ", ".join(f"coalesce(told.{name}, 0) AS {name}_told, counted.{name} AS {name}_counted" for name in RECOUNTED)
    query = f"""{EVERY_DAY},
    told AS (SELECT as_of_date AS day, {told} FROM churn.user_features WHERE as_of_date BETWEEN $first AND $last GROUP BY 1),
    daily AS (SELECT as_of_date AS day, {by_day} FROM churn.user_daily
        WHERE as_of_date BETWEEN $first::DATE - {reach} AND $last GROUP BY 1),
    counted AS (SELECT days.day AS day, {counted} FROM days LEFT JOIN daily ON daily.day BETWEEN days.day - {reach} AND days.day GROUP BY 1)
    SELECT day, {both} FROM counted LEFT JOIN told USING (day)"""
    return {
        day: Verdict(all(f[f"{name}_told"] == f[f"{name}_counted"] for name in RECOUNTED), f)
        for day, f in stored.by_day(query, days).items()
    }
