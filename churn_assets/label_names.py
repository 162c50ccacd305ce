"""Whether the names that `[labels]` uses are names of the product: measures, properties, event types, attributes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from churn_assets.label_settings import LabelSettings
from churn_assets.product import Product
from churn_assets.product.entries import Scalar

NAMED_BY_OUTAGES = {"label": str, "text": str, "integer": int, "flag": bool}
"""Types of properties that can name a part of the product, and what a value of each is in TOML."""


def unknown_names(rules: LabelSettings, product: Product) -> Iterator[str]:
    """A sentence for each name of `[labels]` that the product does not have, or that is not of the right type."""
    yield from _activity(rules, product)
    yield from _outages(rules, product)


def _activity(rules: LabelSettings, product: Product) -> Iterator[str]:
    numeric = [name for name, column in product.daily.items() if column.is_numeric]
    for name in rules.activity:
        if name not in numeric:
            yield f"'{name}' cannot count as activity, because it is no numeric measure{_known(name, numeric)}"


def _outages(rules: LabelSettings, product: Product) -> Iterator[str]:
    types = {entry.name: entry.type for entry in product.properties if entry.type in NAMED_BY_OUTAGES}
    for name, values in rules.outage_parts.items():
        if name not in types:
            yield f"an outage names '{name}', which is no property that has labels{_known(name, types)}"
        elif not all(_is_a(value, NAMED_BY_OUTAGES[types[name]]) for value in values):
            yield f"an outage gives '{name}' a value that is no {types[name]}; write it as the property has it"


def _is_a(value: Scalar, kind: type) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _known(name: str, known: Collection[str]) -> str:
    """What to write instead."""
    close = get_close_matches(name, known, 1)
    return f"; did you mean '{close[0]}'?" if close else f"; name one of {', '.join(known)}" if known else ""
