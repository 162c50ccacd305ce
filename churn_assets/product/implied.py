"""Properties that conditions imply: `where = { extra.device = "ios" }` reads a column that no entry declares.

Each such path becomes a property, so that it is read once, while cleaning, and is a column that everyone can look at.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from churn_assets.product.entries import Condition, EventType, Measure, Property
from churn_assets.product.fields import is_column_name
from churn_assets.product.inputs import plain
from churn_assets.product.messages import entry
from churn_assets.product.product import Product, refusal
from churn_assets.product.reserved import COLUMNS, EXTRA

IMPLIED = ("name", "type", "from", "bad", "meaning")
"""Keys that a condition decides of its property."""


def with_implied_properties(product: Product) -> Product:
    """The product with a property for each path in a condition, and the conditions on these. Raises ChurnError."""
    properties = {entry.name: entry for entry in product.properties}
    by_path = {entry.from_: entry.name for entry in product.properties if entry.from_}
    origins = dict(product.origins)
    measures = []
    for measure in product.measures:
        where = []
        for condition in measure.where:
            if condition.key.startswith(f"{EXTRA}.") and condition.key not in by_path:
                implied = _implied(condition, measure.name, product, properties)
                properties[implied.name], by_path[condition.key] = implied, implied.name
                declaring = product.origins["measures", measure.name]
                origins["properties", implied.name] = replace(declaring, given=frozenset(IMPLIED))
            where.append(replace(condition, key=by_path.get(condition.key, condition.key)))
        measures.append(measure.model_copy(update={"where": tuple(where)}))
    implied_names = set(properties) - {entry.name for entry in product.properties}
    return replace(
        product,
        properties=tuple(properties.values()),
        event_types=tuple(_keeping(event, measures, implied_names) for event in product.event_types),
        measures=tuple(measures),
        origins=origins,
    )


def _keeping(event: EventType, measures: list[Measure], implied: set[str]) -> EventType:
    """An event type that keeps what conditions on its events imply, which its declaration cannot name."""
    if event.keeps is None:
        return event
    asked = [c.key for measure in measures if event.name in (measure.event or (event.name,)) for c in measure.where]
    more = dict.fromkeys(key for key in asked if key in implied and key not in event.keeps)
    return event.model_copy(update={"keeps": (*event.keeps, *more)})


def _implied(condition: Condition, measure: str, product: Product, properties: dict[str, Property]) -> Property:
    path = condition.key.removeprefix(f"{EXTRA}.")
    name, place = plain(path), product.origins["measures", measure].place
    clause = ""
    if path in product.source_columns("events"):
        clause = f"where: '{path}' is a column by itself, not in extra; write '{path}'"
    elif name in properties:
        clause = f"where: '{condition.key}' would be the property '{name}', which is another; declare a property for it"
    elif not is_column_name(name) or name in COLUMNS["properties"]:
        clause = f"where: '{condition.key}' would be the property '{name}', which cannot be its name; declare a property for it"
    if clause:
        raise refusal(place, "measures", measure, clause)
    value: Any = condition.values[0]
    kind = "flag" if isinstance(value, bool) else "label" if isinstance(value, str) else "number"
    declared = {"name": name, "type": kind, "from": condition.key, "bad": "null"}
    declared["meaning"] = f"{condition.key} of the event, on which a measure has a condition"
    implied = entry("properties", declared, place)
    assert isinstance(implied, Property)
    return implied
