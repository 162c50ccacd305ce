"""The kinds of entries that a declaration holds, by the name of their table in TOML."""

from __future__ import annotations

from collections.abc import Mapping

from churn_assets.product.condition import Condition
from churn_assets.product.fields import LARGEST_NUMBER, LONGEST_WINDOW_DAYS, NUMERIC, Entry, Scalar
from churn_assets.product.inputs import Attribute, EventType, Property
from churn_assets.product.outputs import Feature, Measure

KINDS: Mapping[str, type[Entry]] = {
    "attributes": Attribute,
    "properties": Property,
    "event_types": EventType,
    "measures": Measure,
    "features": Feature,
}

__all__ = [
    "KINDS",
    "LARGEST_NUMBER",
    "LONGEST_WINDOW_DAYS",
    "NUMERIC",
    "Attribute",
    "Condition",
    "Entry",
    "EventType",
    "Feature",
    "Measure",
    "Property",
    "Scalar",
]
