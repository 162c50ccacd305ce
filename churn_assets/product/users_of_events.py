"""Users of whom nothing is delivered but their events: each attribute comes from a property, declared or implied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from churn_assets.product.clauses import Fault
from churn_assets.product.entries import Attribute, EventType, Property

if TYPE_CHECKING:
    from churn_assets.product.product import Product

IMPLIED_TYPES: Mapping[str, str] = {"date": "text"}
"""Attribute type -> type of the property it implies, where that has another name. A bare date is no instant, but a text."""
TYPES: Mapping[str, tuple[str, ...]] = {
    "label": ("label", "text"),
    "flag": ("flag", "label", "text"),
    "integer": ("integer", "label", "text"),
    "number": ("number", "integer", "label", "text"),
    "date": ("time", "label", "text"),
}
"""Attribute type -> types of a property it can come from."""


def with_properties_of_attributes(product: Product) -> Product:
    """The product with a property for each attribute that has none: of its name, from its column or path, kept on all events."""
    declared = product.attribute_sources
    implied = {entry.name: _implied(entry) for entry in product.attributes if entry.name not in declared}
    origins = {
        ("properties", name): replace(origin, given=frozenset())
        for name in implied
        if (origin := product.origins.get(("attributes", name)))
    }
    return replace(
        product,
        properties=(*product.properties, *implied.values()),
        event_types=tuple(_keeping(event, implied) for event in product.event_types),
        origins={**product.origins, **origins},
    )


def _implied(entry: Attribute) -> Property:
    return Property.model_validate(
        {
            "name": entry.name,
            "type": IMPLIED_TYPES.get(entry.type, entry.type),
            "from": entry.from_,
            "aliases": entry.aliases,
            "bad": "null",
            "pii": entry.pii,
            "meaning": f"{entry.name} of the user, as the event says it",
        }
    )


def _keeping(event: EventType, names: Mapping[str, Property]) -> EventType:
    return event if event.keeps is None else event.model_copy(update={"keeps": (*event.keeps, *names)})


def faults_of_attributes(product: Product) -> Iterator[Fault]:
    """Attributes that cannot be what their property is."""
    if product.users_are != "from_events":
        return
    names = [entry.name for entry in product.properties]
    for entry in product.attributes:
        if names.count(entry.name) > 1:
            clause = f"users are made from events, where '{entry.name}' is a property from elsewhere"
            yield "attributes", entry.name, f"{clause}; declare a property for its from, and give from that name"
        source = product.attribute_sources[entry.name]
        if source.type not in TYPES[entry.type]:
            clause = f"is a {entry.type}, and users are made from events, where '{source.name}' is a {source.type}"
            yield "attributes", entry.name, f"{clause}; give one of them another type, or the attribute another from"
        elif source.missing is not None:
            clause = f"comes from '{source.name}', which says what missing is, so that every event would change it"
            yield "attributes", entry.name, f"{clause}; take missing out of the property"
