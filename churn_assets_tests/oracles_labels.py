"""churn_labels once more in plain Python, one user and day at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from churn_assets.label_settings import LabelSettings

Row = dict[str, Any]


def between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def label(
    day: date,
    signup: date,
    active: Iterable[date],
    part_days: Iterable[tuple[date, str]],
    published: Iterable[date],
    calendar_start: date,
    rules: LabelSettings,
) -> Row:
    """The row of one user on `day`. `active` are the user's active days, `part_days` the user's days with a course."""
    active, published = set(active), set(published)
    horizon = between(day + timedelta(days=1), day + timedelta(days=rules.horizon_days))
    past = between(day - timedelta(days=rules.at_risk_days - 1), day)
    lookback = timedelta(days=rules.at_risk_days - 1)

    def out(at: date) -> bool:
        """Whether the day is in an outage that concerns the user."""
        return any(
            outage.first <= at <= (outage.last or date.max)
            and (
                outage.part is None
                or any(
                    ("course_id", course) == outage.part and min(day, outage.first) - lookback <= on <= day
                    for on, course in part_days
                )
            )
            for outage in rules.outages
        )

    missing = [at for at in horizon if at not in published]
    reason = None
    if any(out(at) for at in horizon):
        reason = "source_outage"
    elif any(later in published for at in missing for later in horizon if later > at):
        reason = "missing_day"
    elif missing:
        reason = "horizon_incomplete"
    unseen = [at for at in past if at >= max(signup, calendar_start) and (at not in published or out(at))]
    seen_active = any(at in active for at in past)
    future = sum(at in active for at in horizon)
    return {
        "is_at_risk": True if seen_active else None if unseen else False,
        "future_active_days": future if reason is None else None,
        rules.churned_column: future == 0 if reason is None else None,
        "censor_reason": reason,
    }
