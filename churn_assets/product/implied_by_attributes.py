"""Properties that attributes imply where users are made from events: what says something of a user is a column of its event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from churn_assets.product.entries import Attribute, EventType, Property
from churn_assets.product.product import Product, refusal

IMPLIED_TYPES: Mapping[str, str] = {"date": "text"}
"""Attribute type -> type of the property it implies, where that has another name. A bare date is no instant, but a text."""


def with_properties_of_attributes(product: Product) -> Product:
    """The product with a property for each attribute that has none: of its name, from its column or path, kept on all events.

    Raises ChurnError.
    """
    declared = product.attribute_sources
    implied = {entry.name: _implied(entry) for entry in product.attributes if entry.name not in declared}
    for entry in product.properties:
        if entry.name in implied:
            place = product.origins["attributes", entry.name].place
            clause = f"users are made from events, where '{entry.name}' is a property from elsewhere"
            raise refusal(
                *(place, "attributes", entry.name),
                f"{clause}; declare a property for the attribute's from, and give its name as from",
            )
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
