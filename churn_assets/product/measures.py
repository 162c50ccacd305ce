"""Declared measures as columns of user_daily: type, limits, unit and words, and what each is made from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from churn_assets.product.entries import Condition, Feature, Measure, Property
from churn_assets.product.fields import NUMERIC
from churn_assets.product.reserved import IS_ACTIVE, TOTAL_EVENTS
from churn_assets.product.words import happening, measure_meaning, measure_noun

ACTIVE_DAY = (f"user_daily.{IS_ACTIVE}", f"user_daily.{TOTAL_EVENTS}")
"""What says that a user was active on a day."""
EVERY_EVENT = Measure(name=TOTAL_EVENTS, meaning="Events of the day, of any type", noun="Events")
COUNTED = ("count", "distinct", "sessions")
"""Aggregations that give counts: whole numbers from 0 up, at most as many as the day has events."""

__all__ = ["ACTIVE_DAY", "COUNTED", "EVERY_EVENT", "IS_ACTIVE", "TOTAL_EVENTS", "DailyColumn", "daily_columns"]


@dataclass(frozen=True)
class DailyColumn:
    """One measure as a column. `sources` are table.column."""

    name: str
    aggregation: str
    type: str
    """label, flag, integer, number, text or time."""
    events: tuple[str, ...] | None
    """Event types that count. None: every event."""
    conditions: tuple[Condition, ...]
    value: str | None
    """The property that is aggregated."""
    sources: tuple[str, ...]
    meaning: str
    noun: str
    """What it counts or adds up, for the words of its features."""
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
        return self.type in NUMERIC

    @property
    def can_be_added(self) -> bool:
        """Whether the sum over days means something."""
        return self.is_count or self.aggregation == "sum"

    @property
    def happening(self) -> str:
        """What a day above 0 has, as in "days since the last day with ..."."""
        return happening(self.events, self.aggregation, self.conditions, self.name)


def daily_columns(
    measures: Sequence[Measure],
    features: Sequence[Feature],
    properties: Mapping[str, Property],
    attributes: Sequence[str],
) -> Mapping[str, DailyColumn]:
    """The columns by name, in order. A mean that a window needs is followed by its parts, since means cannot be added."""
    return {
        column.name: _column(column, properties, attributes)
        for measure in declared_measures(measures)
        for column in (measure, *parts_of(measure, features))
    }


def declared_measures(measures: Sequence[Measure]) -> tuple[Measure, ...]:
    """The measures with the count of all events, which is the first where the declaration does not place it."""
    return (*([] if any(measure.name == TOTAL_EVENTS for measure in measures) else [EVERY_EVENT]), *measures)


def parts_of(measure: Measure, features: Sequence[Feature]) -> Iterator[Measure]:
    """The sum and the count behind a mean that a window needs and that no declared count weighs."""
    is_windowed = any(feature.of == measure.name and feature.agg in ("mean", None) for feature in features)
    if measure.agg != "mean" or measure.weight or not is_windowed:
        return
    own = {"limits": None, "meaning": "", "noun": "", "most": None, "empty": 0}
    total, count = parts_of_mean(measure.name)
    yield measure.model_copy(update={**own, "name": total, "agg": "sum"})
    yield measure.model_copy(update={**own, "name": count, "agg": "count", "unit": ""})


def parts_of_mean(name: str) -> tuple[str, str]:
    """The columns that hold the sum and the count behind a mean."""
    return f"{name}_sum", f"{name}_count"


def _column(measure: Measure, properties: Mapping[str, Property], attributes: Sequence[str]) -> DailyColumn:
    agg = measure.agg
    value = properties.get(measure.value) if measure.value else None
    low, high = _limits(measure, value)
    return DailyColumn(
        name=measure.name,
        aggregation=agg,
        type=_type(measure, value),
        events=measure.event,
        conditions=measure.where,
        value=measure.value,
        sources=tuple(_sources(measure, attributes)),
        meaning=measure.meaning or measure_meaning(measure),
        noun=measure_noun(measure),
        unit=measure.unit or ("count" if agg in COUNTED else value.unit if value else ""),
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
    if measure.agg in COUNTED:
        return "integer"
    if measure.agg == "any":
        return "flag"
    return "number" if measure.agg == "mean" or value is None else value.type


def _limits(measure: Measure, value: Property | None) -> tuple[float | None, float | None]:
    if measure.limits:
        return finite(measure.limits)
    if measure.agg in COUNTED:
        return 0, None
    if value is None or not value.limits:
        return None, None
    low, high = finite(value.limits)
    if measure.agg == "sum":
        return (0, None) if low is not None and low >= 0 else (None, None)
    return low, high


def finite(limits: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    """Limits as bounds; an infinite limit is no bound."""
    low, high = (None if bound is None or math.isinf(bound) else bound for bound in limits)
    return low, high


def _sources(measure: Measure, attributes: Sequence[str]) -> Iterator[str]:
    """What the values are made from: the property, else the time or the id of an event; then what decides which events count."""
    if measure.value:
        yield f"clean_events.{measure.value}"
    elif measure.agg == "sessions":
        yield "clean_events.event_time"
    elif not measure.event and not measure.where:
        yield "clean_events.event_id"
    if measure.event:
        yield "clean_events.event_type"
    for condition in measure.where:
        yield f"{'user_day_grid' if condition.key in attributes else 'clean_events'}.{condition.key}"
