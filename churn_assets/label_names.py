"""Whether the names that `[labels]` uses are names of the product: measures, properties, event types, attributes."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from churn_assets.label_settings import LabelSettings
from churn_assets.product import Product
from churn_assets.product.clauses import near
from churn_assets.product.entries import Scalar

NAMED_BY_OUTAGES = {"label": str, "text": str, "integer": int, "flag": bool}
"""Types of properties that can name a part of the product, and what a value of each is in TOML."""

COMPARED = {**NAMED_BY_OUTAGES, "number": float}
"""Types of attributes that conditions may be on, and what a value of each is in TOML."""


def unknown_names(rules: LabelSettings, product: Product, more_event_types: Collection[str] = ()) -> Iterator[str]:
    """A sentence for each name of `[labels]` that the product does not have, or that is not of the right type.

    `more_event_types`: event types of the deployment besides the product's.
    """
    yield from _activity(rules, product)
    yield from _event_types(rules, (*product.event_vocabulary, *more_event_types))
    yield from _at_risk(rules, product)
    yield from _paid_until(rules, product)
    yield from _outages(rules, product)


def _activity(rules: LabelSettings, product: Product) -> Iterator[str]:
    numeric = [name for name, column in product.daily.items() if column.is_numeric]
    for name in rules.activity:
        if name not in numeric:
            yield f"'{name}' cannot count as activity, because it is no numeric measure{near(name, numeric)}"


def _event_types(rules: LabelSettings, vocabulary: Collection[str]) -> Iterator[str]:
    for key in ("event", "starts", "renewal_events"):
        for name in getattr(rules, key):
            if name not in vocabulary:
                yield f"{key} names '{name}', which is no event type{near(name, vocabulary)}"


def _at_risk(rules: LabelSettings, product: Product) -> Iterator[str]:
    attributes = {entry.name: entry for entry in product.attributes}
    for condition in rules.at_risk:
        if (attribute := attributes.get(condition.key)) is None:
            yield f"at_risk has a condition on '{condition.key}', which is no attribute{near(condition.key, attributes)}"
        elif attribute.type not in COMPARED or not all(_is_a(v, COMPARED[attribute.type]) for v in condition.values):
            yield f"at_risk compares '{condition.key}' of type {attribute.type} with a value of another type"
        elif (
            attribute.values
            and not attribute.values_setting
            and not (known := {*attribute.values, attribute.missing}).issuperset(condition.values)
        ):
            value = next(str(value) for value in condition.values if value not in known)
            yield f"at_risk compares '{condition.key}' with '{value}', which it never is{near(value, attribute.values)}"


def _paid_until(rules: LabelSettings, product: Product) -> Iterator[str]:
    name = rules.paid_until
    if name is None:
        return
    if not rules.renewal_events:
        dates = [entry.name for entry in product.attributes if entry.type == "date"]
        if name not in dates:
            yield (
                f"paid_until names '{name}', which is no attribute of type date{near(name, dates)}; for a property of "
                "events give renewal_events too"
            )
        return
    times = [entry.name for entry in product.properties if entry.type == "time"]
    if name not in times:
        yield f"paid_until names '{name}', which is no property of type time{near(name, times)}"
        return
    for event in product.event_types:
        if event.name in rules.renewal_events and event.keeps is not None and name not in event.keeps:
            yield f"renewal_events names '{event.name}', which does not keep '{name}'; add it to keeps of that event type"


def _outages(rules: LabelSettings, product: Product) -> Iterator[str]:
    types = {entry.name: entry.type for entry in product.properties if entry.type in NAMED_BY_OUTAGES}
    for name, values in rules.outage_parts.items():
        if name not in types:
            yield f"an outage names '{name}', which is no property that has labels{near(name, types)}"
        elif not all(_is_a(value, NAMED_BY_OUTAGES[types[name]]) for value in values):
            yield f"an outage gives '{name}' a value that is no {types[name]}; write it as the property has it"


def _is_a(value: Scalar, kind: type) -> bool:
    accepted = (int, float) if kind is float else kind
    return isinstance(value, accepted) and isinstance(value, bool) == (kind is bool)
