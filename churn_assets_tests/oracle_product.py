"""A product's tables once more in plain Python, user by user and day by day, from what its declaration says.

Rows are dicts. Nothing of the package is used but the declaration itself: `product.daily` and `product.feature_columns` name what to
compute, and this page says how. Measures in Python (`python = ...`) are not among it, since their frames are not plain Python.
"""

from __future__ import annotations

import operator
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from itertools import pairwise
from typing import Any

from churn_assets.product import Condition, Product
from churn_assets.product.columns import FeatureColumn
from churn_assets.product.measures import DailyColumn

Row = dict[str, Any]
Daily = Mapping[tuple[Any, date], Row]
"""(user, day) -> row of user_daily. Only of observed days: a user-day that is not in it was not observed."""


# --- the grid ---


def user_day_grid(product: Product, users: Iterable[Row], day: date, lateness: int) -> dict[Any, Row]:
    """The grid rows of `day` by user: attributes as of the day, from signup on."""
    versions: dict[Any, list[Row]] = {}
    for user in sorted(users, key=lambda user: user["landing_date"]):
        versions.setdefault(user["user_id"], []).append(user)
    grid = {}
    for user_id, (first, *later) in versions.items():
        signup, landed = first["signup_date"], first["landing_date"]
        is_in_time = landed <= signup + timedelta(days=lateness) and landed <= day + timedelta(days=lateness)
        if day < signup or (landed > day and not is_in_time):
            continue
        known = [first, *(version for version in later if version["landing_date"] <= day)][-1]
        grid[user_id] = {"user_id": user_id, "as_of_date": day, "signup_date": signup}
        grid[user_id] |= {entry.name: known[entry.name] for entry in product.attributes}
        grid[user_id]["days_since_signup"] = (day - signup).days
    return grid


# --- the day ---


def user_daily(product: Product, grid: Row, events: Iterable[Row]) -> Row:
    """The row of user_daily for a row of the grid. `events` may be of any user and day."""
    own = sorted(
        (event for event in events if event["user_id"] == grid["user_id"]),
        key=lambda event: (event["event_time"], event["event_id"]),
    )
    today = [event for event in own if event["event_date"] == grid["as_of_date"]]
    day_before = [event for event in own if event["event_date"] == grid["as_of_date"] - timedelta(days=1)]
    measured = {}
    for name, column in product.daily.items():
        passing, before = ([e for e in some if passes(product, column, grid, e)] for some in (today, day_before))
        measured[name] = measure(column, passing, before)
    return {**grid, **measured, "is_active": len(today) > 0}


def passes(product: Product, column: DailyColumn, grid: Row, event: Row) -> bool:
    """Whether the event is one the measure looks at. Attributes are those of the grid row it is computed for."""
    attributes = {entry.name for entry in product.attributes}
    if column.events is not None and event["event_type"] not in column.events:
        return False
    return all(holds(c, grid[c.key] if c.key in attributes else event[c.key]) for c in column.conditions)


def holds(condition: Condition, value: Any) -> bool:
    """Null has none of the values: it fails equality, and passes where the condition is negated."""
    has_one = value is not None and value in condition.values
    return has_one != condition.negated


def added(values: list[Any]) -> Any:
    """Each added to the sum of those before it. (Python's own `sum` compensates floats for rounding.)"""
    return reduce(operator.add, values)


OVER_VALUES: Mapping[str, Callable[[list[Any]], Any]] = {
    "sum": added,
    "mean": lambda values: added(values) / len(values),
    "min": min,
    "max": max,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
}
"""Aggregations of one value and more, in order of time."""


def measure(column: DailyColumn, passing: list[Row], day_before: list[Row]) -> Any:
    """The measure over the day's passing events, which are in order of time."""
    if column.aggregation == "any":
        return len(passing) > 0
    if column.aggregation == "sessions":
        before = day_before[-1:] if column.across_midnight else []
        return sessions([event["event_time"] for event in (*before, *passing)], column.gap_minutes) - len(before)
    values = passing if column.value is None else [e[column.value] for e in passing if e[column.value] is not None]
    if column.aggregation in ("count", "distinct"):
        return len(values) if column.aggregation == "count" else len(set(values))
    if not values:
        return None if column.nullable else 0
    return OVER_VALUES[column.aggregation](values)


def sessions(times: list[Any], gap_minutes: float) -> int:
    """The first time begins one, and each that follows the one before it after more than the gap."""
    gap = timedelta(minutes=gap_minutes)
    return len(times[:1]) + sum(later - earlier > gap for earlier, later in pairwise(times))


# --- the features ---


@dataclass(frozen=True)
class Past:
    """What a user's features on `day` may see."""

    product: Product
    user: Any
    day: date
    daily: Daily
    events: list[Row]

    def window(self, days: int) -> list[Row]:
        """Rows of user_daily of the observed days among the last `days`, the newest first."""
        at = [self.day - timedelta(days=back) for back in range(days)]
        return [self.daily[self.user, then] for then in at if (self.user, then) in self.daily]

    def values(self, name: str, days: int) -> list[Any]:
        """Those that are not null, the newest first."""
        return [row[name] for row in self.window(days) if row[name] is not None]

    def total(self, names: Iterable[str], days: int) -> Any:
        """Null days add nothing."""
        return added([added(self.values(name, days) or [0]) for name in names])

    def days_above_0(self, name: str, days: int) -> int:
        return sum(value > 0 for value in self.values(name, days))


def user_features(product: Product, user: Any, day: date, daily: Daily, events: Iterable[Row]) -> Row:
    """The row of user_features. `events` may be of any user and day."""
    past = Past(product, user, day, daily, [event for event in events if event["user_id"] == user])
    features = {column.name: OPERATIONS[column.operation](column, past) for column in product.feature_columns}
    return {"user_id": user, "as_of_date": day, **features}


def of_the_day(column: FeatureColumn, past: Past) -> Any:
    return past.daily[past.user, past.day][column.of[0] if column.of else "days_since_signup"]


def total(column: FeatureColumn, past: Past) -> Any:
    """Null where no day of the window has a value."""
    values = past.values(column.of[0], column.window_days)
    return added(values) if values else None


def daily_mean(column: FeatureColumn, past: Past) -> float | None:
    """Over the days observed, not only those with a value."""
    found = total(column, past)
    return None if found is None else found / len(past.window(column.window_days))


def ratio(column: FeatureColumn, past: Past) -> float | None:
    part, whole = (past.total(names, column.window_days) for names in (column.of, column.whole))
    return part / whole if whole > 0 else None


def weighted_mean(column: FeatureColumn, past: Past) -> float | None:
    """Each day's mean as often as its weight says. A day without a value has no mean, and so no say."""
    mean, weight = column.of
    days = [row for row in past.window(column.window_days) if row[mean] is not None and row[weight] > 0]
    if not days:
        return None
    exact = added([row[mean] * row[weight] for row in days]) / added([row[weight] for row in days])
    low, high = column.minimum, column.maximum
    return float(min(max(exact, exact if low is None else low), exact if high is None else high))


def distinct(column: FeatureColumn, past: Past) -> int:
    """Different values over the whole window, among passing events of the days that count."""
    of = past.product.daily[column.of[0]]
    found = set()
    for row in past.window(column.window_days):
        if row["is_active"]:
            today = [event for event in past.events if event["event_date"] == row["as_of_date"]]
            found |= {event[str(of.value)] for event in today if passes(past.product, of, row, event)}
    return len(found - {None})


def trend(column: FeatureColumn, past: Past) -> float | None:
    """The daily mean of the shorter window over that of the longer."""
    windows = column.shorter_days, column.window_days
    short, longer = (past.total(column.of, days) / len(past.window(days)) for days in windows)
    return short / longer if longer > 0 else None


def since(column: FeatureColumn, past: Past) -> int | None:
    """Days back to the last observed one on which the measure was above 0."""
    for back in range(column.window_days):
        row = past.daily.get((past.user, past.day - timedelta(days=back)))
        if row is not None and (row[column.of[0]] or 0) > 0:
            return back
    return None


def rhythm(figure: str) -> Callable[[FeatureColumn, Past], float | None]:
    """A figure of the gaps between the days on which the measure was above 0, or of the silence now beside them."""

    def computed(column: FeatureColumn, past: Past) -> float | None:
        days = [
            back
            for back in reversed(range(column.window_days))
            if (row := past.daily.get((past.user, past.day - timedelta(days=back)))) and (row[column.of[0]] or 0) > 0
        ]
        if figure == "active_share":
            return len(days) / (days[0] + 1) if days else None
        gaps = [earlier - later for earlier, later in pairwise(days)]
        return GAPS[figure](gaps, days[-1]) if gaps else None

    return computed


GAPS: Mapping[str, Callable[[list[int], int], float]] = {
    "gap_mean": lambda gaps, _: statistics.mean(gaps),
    "gap_median": lambda gaps, _: statistics.median(gaps),
    "gap_longest": lambda gaps, _: max(gaps),
    "gap_deviation": lambda gaps, _: statistics.pstdev(gaps),
    "silence_to_mean_gap": lambda gaps, silence: silence / statistics.mean(gaps),
    "silence_to_longest_gap": lambda gaps, silence: silence / max(gaps),
    "longer_gaps_share": lambda gaps, silence: sum(gap > silence for gap in gaps) / len(gaps),
}
"""From the gaps, the earliest first, and today's silence."""


def segment(active_days: int) -> str:
    """By active days of 28: 0 inactive, 1-6 infrequent, 7-13 casual, 14-20 regular, 21 and more core."""
    if active_days == 0:
        return "inactive"
    return ("infrequent", "casual", "regular", "core")[min(active_days // 7, 3)]


OPERATIONS: Mapping[str, Callable[[FeatureColumn, Past], Any]] = {
    "attribute": of_the_day,
    "tenure": of_the_day,
    "weekday": lambda _, past: past.day.isoweekday(),
    "weekend": lambda _, past: past.day.isoweekday() > 5,
    "segment": lambda column, past: segment(past.days_above_0("total_events", column.window_days)),
    "observed": lambda column, past: len(past.window(column.window_days)),
    "days": lambda column, past: past.days_above_0(column.of[0], column.window_days),
    "sum": total,
    "daily_mean": daily_mean,
    "weighted_mean": weighted_mean,
    "min": lambda column, past: min(past.values(column.of[0], column.window_days), default=None),
    "max": lambda column, past: max(past.values(column.of[0], column.window_days), default=None),
    "last": lambda column, past: next(iter(past.values(column.of[0], column.window_days)), None),
    "distinct": distinct,
    "ratio": ratio,
    "trend": trend,
    "since": since,
    "active_share": rhythm("active_share"),
    **{figure: rhythm(figure) for figure in GAPS},
}
"""How a column of user_features comes of a user's past, by the operation it declares."""
