"""user_features once more in plain Python, user by user and day by day, from what each day says of each user."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
Daily = Mapping[tuple[Any, date], Row]
"""(user, day) -> row of user_daily, of published days only: a user-day that is not in it was not observed."""
Courses = Iterable[tuple[Any, date, str | None]]
"""(user, event day, course) of the accepted events."""
SUMMED = (
    *("total_events", "total_logins", "total_watch_minutes", "total_quiz_attempts", "total_enrollments"),
    *("payment_success_count", "payment_failed_count", "payment_amount", "support_ticket_count", "total_sessions"),
)


def user_features(daily: Daily, courses: Courses, user: Any, day: date) -> Row:
    """The row of `user` on `day`."""

    def window(days: int) -> list[Row]:
        """Rows of the observed days, the newest first."""
        at = [day - timedelta(days=back) for back in range(days)]
        return [daily[user, then] for then in at if (user, then) in daily]

    def total(name: str, days: int) -> Any:
        return math.fsum(row[name] for row in window(days))

    def mean_per_day(name: str, days: int) -> float:
        return float(total(name, days) / len(window(days)))

    def active_days(days: int) -> int:
        return sum(row["total_events"] > 0 for row in window(days))

    def days_since(has: Callable[[Row], bool]) -> int | None:
        return next((back for back in range(90) if has(daily.get((user, day - timedelta(days=back)), {}))), None)

    today = daily[user, day]
    features = {name: today[name] for name in ("plan", "is_paid", "country", "marketing_source", "days_since_signup")}
    features |= {
        "user_id": user,
        "as_of_date": day,
        "day_of_week": day.isoweekday(),
        "is_weekend": day.isoweekday() > 5,
    }
    for days in (7, 14, 30):
        features |= {f"{name}_{days}d": total(name, days) for name in SUMMED}
        features[f"active_days_{days}d"] = active_days(days)
        features[f"days_observed_{days}d"] = len(window(days))
        for name in ("events", "watch_minutes", "sessions"):
            features[f"avg_daily_{name}_{days}d"] = mean_per_day(f"total_{name}", days)
        points = math.fsum((row["avg_quiz_score"] or 0) * row["total_quiz_attempts"] for row in window(days))
        features[f"quiz_avg_score_{days}d"] = ratio(points, total("total_quiz_attempts", days))

    failed, paid = total("payment_failed_count", 30), total("payment_success_count", 30)
    month = {day - timedelta(days=back) for back in range(30)}
    seen = {course for who, then, course in courses if who == user and then in month and (user, then) in daily}
    features |= {
        "payment_fail_rate_30d": ratio(failed, failed + paid),
        "avg_watch_per_login_30d": ratio(total("total_watch_minutes", 30), total("total_logins", 30)),
        "course_diversity_30d": len(seen - {None}),
        "activity_trend_7d_30d": ratio(mean_per_day("total_events", 7), mean_per_day("total_events", 30)),
        "days_since_last_activity": days_since(lambda row: row.get("total_events", 0) > 0),
        "days_since_last_login": days_since(lambda row: row.get("total_logins", 0) > 0),
        "days_since_last_video": days_since(lambda row: row.get("total_watch_minutes", 0) > 0),
        "days_since_last_quiz": days_since(lambda row: row.get("total_quiz_attempts", 0) > 0),
        "days_since_last_payment": days_since(lambda row: row.get("payment_success_count", 0) > 0),
    }
    return features | {"activity_segment": segment(active_days(28))}


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def segment(active_days: int) -> str:
    """By active days of 28: 0 inactive, 1-6 infrequent, 7-13 casual, 14-20 regular, 21 and more core."""
    if active_days == 0:
        return "inactive"
    return ("infrequent", "casual", "regular", "core")[min(active_days // 7, 3)]
