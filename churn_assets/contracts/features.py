"""Every feature, declared once: where it comes from, its window, unit, limits, meaning and version.

The columns of user_features, the feature_catalogue table and docs/features.md are made from this list, and the transform takes
its windows and sums from here. A changed declaration changes the step's code version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from churn_assets.contracts.base import Column, Kind

WINDOWS = (7, 14, 30)
"""Days of a trailing window, the day itself included: `_7d` is [d - 6, d]."""
LOOKBACK_DAYS = 90
"""How far days_since_last_... look, the day itself included."""
SEGMENT_DAYS = 28
SEGMENTS: Mapping[str, int] = MappingProxyType({"inactive": 0, "infrequent": 1, "casual": 7, "regular": 14, "core": 21})
"""Least active days of the last SEGMENT_DAYS that put a user into a segment."""

SUMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "total_events": ("count", "Events"),
        "total_logins": ("count", "login events"),
        "total_watch_minutes": ("minutes", "Minutes watched"),
        "total_quiz_attempts": ("count", "quiz_attempt events"),
        "total_enrollments": ("count", "course_enroll events"),
        "payment_success_count": ("count", "payment_success events"),
        "payment_failed_count": ("count", "payment_failed events"),
        "payment_amount": ("source currency", "Amount of successful payments"),
        "support_ticket_count": ("count", "support_ticket events"),
        "total_sessions": ("count", "Sessions begun"),
    }
)
"""user_daily column -> unit and what it sums, for each of WINDOWS."""
DAILY_AVERAGES: Mapping[str, str] = MappingProxyType(
    {
        "avg_daily_events": "total_events",
        "avg_daily_watch_minutes": "total_watch_minutes",
        "avg_daily_sessions": "total_sessions",
    }
)
"""Feature -> the sum that is divided by the days observed, for each of WINDOWS."""
LAST_SEEN: Mapping[str, str] = MappingProxyType(
    {
        "activity": "total_events",
        "login": "total_logins",
        "video": "total_watch_minutes",
        "quiz": "total_quiz_attempts",
        "payment": "payment_success_count",
    }
)
"""days_since_last_... -> the user_daily column that is above 0 on a day that has one."""
ACTIVE_DAY = ("user_daily.is_active", "user_daily.total_events")
"""What says that a user was active on a day."""


@dataclass(frozen=True)
class Feature:
    """One column of user_features. `sources` are table.column; the window ends with as_of_date and includes it."""

    name: str
    kind: Kind
    sources: tuple[str, ...]
    window_days: int
    meaning: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    nullable: bool = False
    version: int = 1

    @property
    def sees(self) -> str:
        """Why it cannot leak: the days it looks at, and how late they may have landed."""
        back = self.window_days - 1
        looked_at = f"as_of_date - {back} .. as_of_date" if back else "as_of_date"
        return f"{looked_at}, as landed by each day + lateness_days; nothing of a later day"

    @property
    def column(self) -> Column:
        return Column(
            self.name,
            self.kind,
            self.meaning,
            self.nullable,
            minimum=self.minimum,
            maximum=self.maximum,
            unit=self.unit,
        )


def _of_the_day() -> Iterator[Feature]:
    def of_grid(name: str, kind: Kind, meaning: str) -> Feature:
        return Feature(name, kind, (f"user_day_grid.{name}",), 1, meaning)

    yield of_grid("plan", Kind.LABEL, "Plan as of the day; `unknown` where missing or not a plan of the product")
    yield of_grid("is_paid", Kind.FLAG, "Whether the plan as of the day is paid")
    yield of_grid("country", Kind.LABEL, "Country or region as of the day; `UNKNOWN` where missing")
    yield of_grid("marketing_source", Kind.LABEL, "Where the user came from; `unknown` where missing")
    tenure = "user_day_grid.days_since_signup"
    yield Feature("days_since_signup", Kind.INTEGER, (tenure,), 1, "Tenure: as_of_date - signup_date", "days", 0)
    as_of = ("user_day_grid.as_of_date",)
    yield Feature("day_of_week", Kind.INTEGER, as_of, 1, "Weekday of as_of_date, 1 = Monday .. 7 = Sunday", "", 1, 7)
    yield Feature("is_weekend", Kind.FLAG, as_of, 1, "Whether as_of_date is a Saturday or Sunday")


def _of_a_window(days: int) -> Iterator[Feature]:
    observed = "over the days observed"
    for column, (unit, text) in SUMS.items():
        kind = Kind.INTEGER if unit == "count" else Kind.NUMBER
        source = (f"user_daily.{column}",)
        yield Feature(f"{column}_{days}d", kind, source, days, f"{text} of the last {days} days", unit, 0)
    yield Feature(
        *(f"active_days_{days}d", Kind.INTEGER, ACTIVE_DAY, days),
        *(f"Days with an event among the last {days}", "days", 0, days),
    )
    yield Feature(
        *(f"days_observed_{days}d", Kind.INTEGER, ("user_day_grid.as_of_date", "user_daily.as_of_date"), days),
        f"Days among the last {days} that are published and not before the user's first row; an unobserved day is no zero",
        *("days", 1, days),
    )
    for name, column in DAILY_AVERAGES.items():
        unit, text = SUMS[column]
        meaning = f"{text} of the last {days} days, {observed}: {column}_{days}d / days_observed_{days}d"
        yield Feature(f"{name}_{days}d", Kind.NUMBER, (f"user_daily.{column}",), days, meaning, f"{unit} per day", 0)
    yield Feature(
        f"quiz_avg_score_{days}d",
        Kind.NUMBER,
        ("user_daily.avg_quiz_score", "user_daily.total_quiz_attempts"),
        days,
        f"Mean score over the attempts of the last {days} days; null if none",
        unit="points",
        minimum=0,
        maximum=100,
        nullable=True,
    )


def _of_the_month() -> Iterator[Feature]:
    def ratio(name: str, sources: tuple[str, ...], meaning: str, unit: str, most: float | None = None) -> Feature:
        of_daily = tuple(f"user_daily.{source}" for source in sources)
        return Feature(name, Kind.NUMBER, of_daily, 30, meaning, unit, 0, most, nullable=True)

    yield ratio(
        "payment_fail_rate_30d",
        ("payment_failed_count", "payment_success_count"),
        "Failed payments among all of the last 30 days; null if none",
        unit="share",
        most=1,
    )
    yield ratio(
        *("avg_watch_per_login_30d", ("total_watch_minutes", "total_logins")),
        *("Minutes watched per login of the last 30 days; null if no login", "minutes per login"),
    )
    yield Feature(
        *("course_diversity_30d", Kind.INTEGER, ("clean_events.course_id", *ACTIVE_DAY), 30),
        *("Different course_id among the events of the last 30 days", "count", 0),
    )
    yield ratio(
        *("activity_trend_7d_30d", ("total_events",)),
        *("avg_daily_events_7d / avg_daily_events_30d: above 1 is picking up; null if no event in 30 days", "ratio"),
    )


def _since() -> Iterator[Feature]:
    said = {"activity": "event", "login": "login", "quiz": "quiz_attempt", "payment": "payment_success"}
    said["video"] = "minute watched (user_daily.total_watch_minutes above 0)"
    for what, column in LAST_SEEN.items():
        meaning = f"Days since the last day with a {said[what]}" if what != "activity" else "Days since the last event"
        yield Feature(
            *(f"days_since_last_{what}", Kind.INTEGER, (f"user_daily.{column}",), LOOKBACK_DAYS),
            f"{meaning}, 0 on such a day; null if none within {LOOKBACK_DAYS} days",
            *("days", 0, LOOKBACK_DAYS - 1, True),
        )


def _segment() -> Feature:
    least = ", ".join(f"{name} from {days}" for name, days in SEGMENTS.items())
    return Feature(
        *("activity_segment", Kind.LABEL, ACTIVE_DAY, SEGMENT_DAYS),
        f"Segment by active days of the last {SEGMENT_DAYS}: {least}",
    )


FEATURES: tuple[Feature, ...] = (
    *_of_the_day(),
    *(feature for days in WINDOWS for feature in _of_a_window(days)),
    *_of_the_month(),
    *_since(),
    _segment(),
)
