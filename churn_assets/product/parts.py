"""The part of a product that one step needs: what else is declared must not make the step's tables out of date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from churn_assets.product.measures import declared_measures, parts_of, parts_of_mean
from churn_assets.product.product import Product


def for_cleaning(product: Product, source: str) -> Product:
    """The attributes for users, the properties and event types for events."""
    bare = replace(product, name="", measures=(), features=(), functions={}, origins={})
    return replace(bare, properties=(), event_types=()) if source == "users" else replace(bare, attributes=())


def for_made_users(product: Product) -> Product:
    """The attributes, and the properties they come from, where users are made from events."""
    sources = {source.name for source in product.attribute_sources.values()}
    bare = replace(product, name="", measures=(), features=(), event_types=(), functions={})
    return replace(bare, properties=tuple(entry for entry in product.properties if entry.name in sources))


def for_days(product: Product) -> Product:
    """The measures, parts of means among them, and the properties and attributes that they look at."""
    measures = tuple(
        each
        for measure in declared_measures(product.measures)
        for each in (measure, *parts_of(measure, product.features))
    )
    return _without_unused(replace(product, name="", measures=measures, features=(), event_types=(), origins={}))


def for_features(product: Product) -> Product:
    """The features, the attributes among them, and the measures that they take."""
    used = {name for column in product.feature_columns for name in (*column.of, *column.whole)}
    measures = tuple(m for m in product.measures if not used.isdisjoint((m.name, *parts_of_mean(m.name))))
    attributes = {entry.name for entry in product.attributes if entry.feature}
    return _without_unused(replace(product, name="", measures=measures, event_types=(), origins={}), attributes)


def _without_unused(product: Product, attributes: Iterable[str] = ()) -> Product:
    used = {
        *attributes,
        *(name for m in product.daily.values() for name in (m.value, *(c.key for c in m.conditions)) if name),
    }
    functions = {name: made for name, made in product.functions.items() if name in {m.python for m in product.measures}}
    if functions:  # They may look at any property.
        used |= {entry.name for entry in product.properties}
    return replace(
        product,
        attributes=tuple(entry for entry in product.attributes if entry.name in used),
        properties=tuple(entry for entry in product.properties if entry.name in used),
        functions=functions,
    )
