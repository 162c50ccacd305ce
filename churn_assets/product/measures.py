"""Declared measures as columns of user_daily: type, limits, unit and words, and what each is made from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from churn_assets.product.entries import Condition, Feature, Measure, Property

TOTAL_EVENTS, IS_ACTIVE = "total_events", "is_active"
"""Columns of every product's user_daily: all events of the day, and whether it has one."""
ACTIVE_DAY = (f"user_daily.{IS_ACTIVE}", f"user_daily.{TOTAL_EVENTS}")
"""What says that a user was active on a day."""
EVERY_EVENT = Measure(name=TOTAL_EVENTS, meaning="Events of the day, of any type", noun="Events")
COUNTED = ("count", "distinct", "sessions")
"""Aggregations that give counts: whole numbers from 0 up, at most as many as the day has events."""


@dataclass(frozen=True)
class DailyColumn:
    """One measure as a column. `sources` are table.column."""

    name: str
    aggregation: str
    type: str
    events: tuple[str, ...] | None
    conditions: tuple[Condition, ...]
    value: str | None
    sources: tuple[str, ...]
    meaning: str
    noun: str
    unit: str
    minimum: float | None
    maximum: float | None
    nullable: bool
    weight: str | None = None
    gap_minutes: float = 30
    across_midnight: bool = False
    python: str | None = None
    most: float | None = None
    version: int = 1
    pii: bool = False

    @property
    def is_count(self) -> bool:
        return self.aggregation in COUNTED

    @property
    def is_numeric(self) -> bool:
        return self.type in ("integer", "number")

    @property
    def event_noun(self) -> str:
        """The happening, as in "days since the last day with a ..."."""
        return (
            self.events[0]
            if self.events and len(self.events) == 1 and self.aggregation == "count"
            else f"{self.name} above 0"
        )


def daily_columns(
    measures: Sequence[Measure],
    features: Sequence[Feature],
    properties: Mapping[str, Property],
    attributes: Sequence[str],
) -> Mapping[str, DailyColumn]:
    """The columns by name, in order. A mean that a window needs is followed by its parts, since means cannot be added."""
    declared = [*([] if any(m.name == TOTAL_EVENTS for m in measures) else [EVERY_EVENT]), *measures]
    windowed = {feature.of for feature in features if feature.agg == "mean"}
    columns = {}
    for measure in declared:
        for column in _with_parts(measure, measure.name in windowed):
            columns[column.name] = _column(column, properties, attributes)
    return columns


def _with_parts(measure: Measure, windowed: bool) -> Iterator[Measure]:
    yield measure
    if windowed and measure.aggregation == "mean" and not measure.weight:
        parts = {"agg": None, "limits": None, "meaning": "", "noun": "", "most": None}
        for name, agg in zip(parts_of_mean(measure.name), ("sum", "count"), strict=True):
            more = {"name": name, "agg": agg, "empty": None, "unit": measure.unit if agg == "sum" else ""}
            yield measure.model_copy(update={**parts, **more})


def parts_of_mean(name: str) -> tuple[str, str]:
    """The columns that hold the sum and the count behind a mean."""
    return f"{name}_sum", f"{name}_count"


def _column(measure: Measure, properties: Mapping[str, Property], attributes: Sequence[str]) -> DailyColumn:
    agg = measure.aggregation
    value = properties.get(measure.value) if measure.value else None
    low, high = _limits(measure, value)
    unit = measure.unit or ("count" if agg in COUNTED else value.unit if value else "")
    return DailyColumn(
        name=measure.name,
        aggregation=agg,
        type=_type(measure, value),
        events=measure.event,
        conditions=measure.where,
        value=measure.value,
        sources=tuple(_sources(measure, attributes)),
        meaning=measure.meaning or _meaning(measure),
        noun=measure.noun or _noun(measure),
        unit=unit,
        minimum=low,
        maximum=high,
        nullable=measure.nullable,
        weight=measure.weight,
        gap_minutes=measure.gap_minutes,
        across_midnight=measure.across_midnight,
        python=measure.python,
        most=measure.most,
        version=measure.version,
        pii=measure.pii or bool(value and value.pii and agg in ("first", "last", "min", "max")),
    )


def _type(measure: Measure, value: Property | None) -> str:
    agg = measure.aggregation
    if agg in COUNTED:
        return "integer"
    if agg == "any":
        return "flag"
    if agg == "mean" or value is None:
        return "number"
    return value.type


def _limits(measure: Measure, value: Property | None) -> tuple[float | None, float | None]:
    agg = measure.aggregation
    if measure.limits:
        low, high = measure.limits
        return None if math.isinf(low) else low, None if math.isinf(high) else high
    if agg in COUNTED:
        return 0, None
    if value is None or not value.limits:
        return None, None
    if agg == "sum":
        return (0, None) if value.limits[0] >= 0 else (None, None)
    return value.limits


def _meaning(measure: Measure) -> str:
    agg, of = measure.aggregation, measure.value or measure.python
    events = f"{', '.join(measure.event)} events" if measure.event else "events"
    such = " as declared" if measure.where else ""
    empty = "; null if none" if measure.nullable else ""
    return {
        "count": f"{events}{such}" + (f" that have {of}" if of else ""),
        "sum": f"Sum of {of} over {events}{such}{empty}",
        "mean": f"Mean {of} of {events}{such}; null if none",
        "min": f"Least {of} of {events}{such}; null if none",
        "max": f"Greatest {of} of {events}{such}; null if none",
        "distinct": f"Different {of} among {events}{such}",
        "first": f"First {of} of {events}{such}; null if none",
        "last": f"Last {of} of {events}{such}; null if none",
        "any": f"Whether there are {events}{such}",
        "sessions": f"Sessions begun: the day's first of {events}{such}, and each after a gap above {measure.gap_minutes:g} minutes",
    }[agg]


def _noun(measure: Measure) -> str:
    if measure.aggregation == "count" and measure.event and len(measure.event) == 1 and not measure.where:
        return f"{measure.event[0]} events"
    return measure.meaning or f"{measure.name}"


def _sources(measure: Measure, attributes: Sequence[str]) -> Iterator[str]:
    """What the values are made from: the property, else the time or the id of an event; then what decides which events count."""
    if measure.value:
        yield f"clean_events.{measure.value}"
    elif measure.aggregation == "sessions":
        yield "clean_events.event_time"
    elif not measure.event and not measure.where:
        yield "clean_events.event_id"
    if measure.event:
        yield "clean_events.event_type"
    for condition in measure.where:
        yield f"{'user_day_grid' if condition.key in attributes else 'clean_events'}.{condition.key}"
