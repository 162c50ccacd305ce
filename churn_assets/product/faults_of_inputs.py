"""What cannot be right about attributes, properties and event types together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from churn_assets.product.clauses import Fault, condition_faults, no_such
from churn_assets.product.entries import NUMERIC, Attribute, EventType, Property
from churn_assets.product.inputs import Outcome
from churn_assets.product.reserved import OUTCOMES

if TYPE_CHECKING:
    from churn_assets.product.product import Product


def input_faults(product: Product) -> Iterator[Fault]:
    for attribute in product.attributes:
        for fault in _conditions_on_attributes(product, attribute):
            yield "attributes", attribute.name, fault
    properties = {entry.name: entry for entry in product.properties}
    for event in product.event_types:
        for fault in _uses_of_properties(product, event, properties):
            yield "event_types", event.name, fault
    for entry in product.properties:
        for name in entry.bins_of:
            if name not in product.event_vocabulary:
                clause = no_such(product, "event_types", name, product.event_vocabulary)
                yield "properties", entry.name, f"bins_of: {clause}"
    yield from _outcome_faults(product)


def _conditions_on_attributes(product: Product, attribute: Attribute) -> Iterator[str]:
    """Only attributes above it may decide, so that no two decide each other."""
    names = [entry.name for entry in product.attributes]
    above = dict(zip(names[: names.index(attribute.name)], product.attributes, strict=False))
    for condition in attribute.missing_if:
        if condition.key in above:
            yield from condition_faults(condition, above[condition.key])
        elif condition.key == attribute.name:
            yield "missing_if is on itself; take it out, or say missing"
        elif condition.key in names:
            yield f"missing_if: '{condition.key}' stands below it; move it above, so that no two decide each other"
        else:
            yield f"missing_if: {no_such(product, 'attributes', condition.key, above)}"


def _uses_of_properties(product: Product, event: EventType, properties: Mapping[str, Property]) -> Iterator[str]:
    for key in ("needs", "keeps", "positive", "expects"):
        for name in getattr(event, key) or ():
            if name not in properties:
                yield f"{key}: {no_such(product, 'properties', name, properties)}"
            elif key == "positive" and properties[name].type not in NUMERIC:
                yield f"positive: '{name}' is a {properties[name].type}, and only a number can be above 0; take it out"
            elif key == "expects" and not properties[name].nullable:
                yield f"{key}: '{name}' is never absent, because it says what missing is; take out one of the two"
            elif event.keeps is not None and name not in event.keeps:
                yield f"{key}: '{name}' is not among what it keeps; add it to keeps"


def _outcome_faults(product: Product) -> Iterator[Fault]:
    """Names of quarantine reasons and repairs, each of which must mean one thing."""
    meanings: dict[str, tuple[Any, str]] = {}
    for kind, entry, name, meaning in _outcomes(product):
        if name in OUTCOMES:
            yield kind, entry, f"'{name}' is a reason or repair of every product; give it another name under names"
        known, other = meanings.setdefault(name, (meaning, entry))
        if known != meaning:
            clause = f"'{name}' is a reason or repair of '{other}' that means something else"
            yield kind, entry, f"{clause}; give one of them another name under names"


def _outcomes(product: Product) -> Iterator[tuple[str, str, str, Any]]:
    outcomes: tuple[Outcome, ...] = get_args(Outcome)
    for entry in product.properties:
        for what in outcomes:
            yield "properties", entry.name, entry.named(what), (what, entry.name)
    for event in product.event_types:
        # Event types that ask the same may share a name they give; a name that is made for them says which it is of.
        for name in event.needs:
            asked = event.needs if "without" in event.names else (event.name, name)
            yield "event_types", event.name, event.without(name), ("without", asked)
        for name in event.positive:
            asked = event.positive if "not_positive" in event.names else (event.name, name)
            yield "event_types", event.name, event.not_positive(name), ("not_positive", asked)
