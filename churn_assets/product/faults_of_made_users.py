"""What cannot be right about attributes where users are made from events: each comes from a property, declared or implied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from churn_assets.product.clauses import Fault

if TYPE_CHECKING:
    from churn_assets.product.product import Product

TYPES: Mapping[str, tuple[str, ...]] = {
    "label": ("label", "text"),
    "flag": ("flag", "label", "text"),
    "integer": ("integer", "label", "text"),
    "number": ("number", "integer", "label", "text"),
    "date": ("time", "label", "text"),
}
"""Attribute type -> types of a property it can come from."""


def faults_of_attributes(product: Product) -> Iterator[Fault]:
    """Attributes that cannot be what their property is."""
    if product.users_are != "from_events":
        return
    for entry in product.attributes:
        source = product.attribute_sources[entry.name]
        if source.type not in TYPES[entry.type]:
            clause = f"is a {entry.type}, and users are made from events, where '{source.name}' is a {source.type}"
            yield "attributes", entry.name, f"{clause}; give one of them another type, or the attribute another from"
        elif source.missing is not None:
            clause = f"comes from '{source.name}', which says what missing is, so that every event would change it"
            yield "attributes", entry.name, f"{clause}; take missing out of the property"
