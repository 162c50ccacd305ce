"""Columns of the tables that a product's declaration makes: attributes, properties, measures, features; and reasons of quarantine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from churn_assets.contracts.base import Column, Kind
from churn_assets.product import Attribute, Product, Property
from churn_assets.product.columns import FeatureColumn
from churn_assets.product.entries import LARGEST_NUMBER, NUMERIC
from churn_assets.product.measures import IS_ACTIVE, DailyColumn
from churn_assets.product.reserved import VALID_FROM

KINDS: Mapping[str, Kind] = {
    "label": Kind.LABEL,
    "flag": Kind.FLAG,
    "integer": Kind.INTEGER,
    "number": Kind.NUMBER,
    "date": Kind.DATE,
    "text": Kind.TEXT,
    "time": Kind.INSTANT,
}
UNREADABLE = {
    "malformed_row": "the row has fewer or more fields than the header, or is not one JSON object",
    "nul_byte": "a value holds a NUL byte",
    "bad_user_id": "user_id is missing, or not an id of the declared type",
    "bad_signup_date": "signup_date is missing or not in the declared format",
    "bad_event_id": "event_id is missing, or not an id of the declared type",
    "bad_event_time": "event_time is missing, not in the declared format, or names no single instant (DST)",
    "bad_event_type": "event_type is missing",
}
BAD_VALID_FROM = {"bad_valid_from": "valid_from is missing or not in the declared format"}
"""Only where users are dated."""
UNTIMELY = {
    "future": "the event's day lies after its landing day",
    "too_late": "the event landed more than lateness_days after its day",
    "conflict": "the same key was landed before with another payload",
}


def attribute_columns(product: Product) -> tuple[Column, ...]:
    return tuple(_attribute(entry) for entry in product.attributes)


def version_columns(product: Product) -> tuple[Column, ...]:
    """Attributes of a user's version, after the day from which it is valid where versions are dated.

    Made of events, null means that they said nothing of it; what a missing attribute is, the grid says.
    """
    if product.users_are == "delivered":
        return attribute_columns(product)
    meaning = "Business day from which the version is valid"
    if product.users_are == "from_events":
        meaning = "Day of the events that the version is made of"
    attributes = attribute_columns(product)
    if product.users_are == "from_events":
        attributes = tuple(replace(column, nullable=True) for column in attributes)
    return (Column(VALID_FROM, Kind.DATE, meaning), *attributes)


def _attribute(entry: Attribute) -> Column:
    low, high = entry.limits or (None, None)
    meaning = entry.meaning or f"{entry.name} of the user"
    return Column(entry.name, KINDS[entry.type], meaning, nullable=entry.nullable, minimum=low, maximum=high)


def property_columns(product: Product) -> tuple[Column, ...]:
    return tuple(_property(entry) for entry in product.properties)


def _property(entry: Property) -> Column:
    low, high = entry.limits or ((-LARGEST_NUMBER, LARGEST_NUMBER) if entry.type == "number" else (None, None))
    meaning = entry.meaning or f"{entry.name} of the event"
    kind, nullable = KINDS[entry.type], entry.nullable
    return Column(entry.name, kind, meaning, nullable=nullable, minimum=low, maximum=high, unit=entry.unit)


def measure_columns(product: Product) -> tuple[Column, ...]:
    """The measures in order, and whether the day has an event."""
    return (
        *(_measure(measure) for measure in product.daily.values()),
        Column(IS_ACTIVE, Kind.FLAG, "Whether the day has an event"),
    )


def _measure(measure: DailyColumn) -> Column:
    return Column(
        measure.name,
        KINDS[measure.type],
        measure.meaning,
        nullable=measure.nullable,
        minimum=measure.minimum,
        maximum=measure.maximum,
        unit=measure.unit,
    )


def feature_column(feature: FeatureColumn) -> Column:
    return Column(
        feature.name,
        KINDS[feature.type],
        feature.meaning,
        nullable=feature.nullable,
        minimum=feature.minimum,
        maximum=feature.maximum,
        unit=feature.unit,
    )


def quarantine_reasons(product: Product) -> dict[str, str]:
    """Why a row is rejected, in words; of several reasons a row gets the first."""
    dated = BAD_VALID_FROM if product.users_are == "dated" else {}
    return {**UNREADABLE, **dated, **dict(_reasons(product)), **UNTIMELY}


def _reasons(product: Product) -> Iterator[tuple[str, str]]:
    wanted = {"number": [], "flag": [], "time": []}  # type: dict[str, list[str]]
    for entry in product.properties:
        if entry.bad == "quarantine":
            wanted.get("number" if entry.type in NUMERIC else entry.type, []).append(entry.name)
    texts = {"number": "is no finite number in range", "flag": "is neither true nor false", "time": "names no instant"}
    for kind, names in wanted.items():
        if names:
            yield f"bad_{kind}", f"{_either(names)} {texts[kind]}"
    if any(entry.bad == "quarantine" for entry in product.properties if entry.type in ("label", "text")):
        yield "bad_value", "a value that should be a text is an object or a list"
    for entry in product.properties:
        if limits := quarantining_limits(entry):
            yield entry.named("out_of_range"), f"{entry.name} is outside {limits[0]:g}..{limits[1]:g}"
    for event in product.event_types:
        for name in event.needs:
            yield event.without(name), f"a {event.name} without {name}"
    for event in product.event_types:
        for name in event.positive:
            yield event.not_positive(name), f"a {event.name} whose {name} is given and not above 0"


def quarantining_limits(entry: Property) -> tuple[float, float] | None:
    """Limits that reject a row by a reason of their own: not those that any number keeps."""
    any_number = (-LARGEST_NUMBER, LARGEST_NUMBER)
    return None if entry.bad == "null" or entry.limits == any_number else entry.limits


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
