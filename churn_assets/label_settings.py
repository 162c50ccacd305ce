"""Settings of churn_labels, `[labels]` of churn.toml: horizon, at-risk window, what counts as activity, known outages."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

ACTIVITY_COUNTS = (
    *("total_events", "total_logins", "total_watch_minutes", "total_quiz_attempts", "total_enrollments"),
    *("payment_success_count", "payment_failed_count", "support_ticket_count"),
)
"""Columns of user_daily of which one above 0 may make a day active."""
LONGEST_DAYS = 365


def _known_activity(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in ACTIVITY_COUNTS]
    if unknown or not names:
        wrong = ", ".join(map(repr, unknown)) or "an empty list"
        raise ValueError(f"{wrong} cannot count as activity; name one or more of {', '.join(ACTIVITY_COUNTS)}")
    return tuple(dict.fromkeys(names))


class Outage(BaseModel):
    """Days first..last on which a source is known to be missing, whole or for one course. No last: it goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: date
    last: date | None = None
    course_id: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _days_in_order(self) -> Outage:
        if self.last and self.last < self.first:
            raise ValueError(f"an outage's last day {self.last} lies before its first, {self.first}")
        return self


class LabelSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    horizon_days: int = Field(default=30, ge=1, le=LONGEST_DAYS)
    """A label looks at the days d + 1 .. d + horizon_days."""
    at_risk_days: int = Field(default=30, ge=1, le=LONGEST_DAYS)
    """A user active within [d - at_risk_days + 1, d] is at risk of churning on d."""
    activity: Annotated[
        tuple[str, ...],
        BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
        AfterValidator(_known_activity),
    ] = ("total_events",)
    """A day is active if one of these columns of user_daily is above 0."""
    outages: tuple[Outage, ...] = ()

    @property
    def churned_column(self) -> str:
        return f"churned_{self.horizon_days}d"

    @property
    def outage_courses(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(outage.course_id for outage in self.outages if outage.course_id))

    @property
    def course_lookback_days(self) -> int | None:
        """How far before a day its label looks for events of outage_courses; None: since the calendar's start.

        From at_risk_days before an outage, which say whom it concerns, to the last day on which it is among the
        at_risk_days before.
        """
        outages = [outage for outage in self.outages if outage.course_id]
        if any(outage.last is None for outage in outages):
            return None
        lengths = [(outage.last - outage.first).days for outage in outages if outage.last]
        return max(lengths, default=0) + 2 * (self.at_risk_days - 1)
