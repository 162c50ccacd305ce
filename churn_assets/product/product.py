"""A product: the entries of one declaration together, and the columns that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from churn_assets.errors import ChurnError
from churn_assets.product.columns import FeatureColumn, feature_columns
from churn_assets.product.entries import Attribute, EventType, Feature, Measure, Property
from churn_assets.product.faults import faults
from churn_assets.product.measures import DailyColumn, daily_columns
from churn_assets.product.origin import Origin
from churn_assets.product.reserved import EVENT_KEYS, EXTRA, USER_KEYS, VALID_FROM

Function = Callable[..., Any]
UsersAre = Literal["delivered", "dated", "from_events"]
"""Where users come from: a source; a source that dates their versions; or nothing but the events they have."""


@dataclass(frozen=True)
class Product:
    """One product. Entries are in the order of the declaration, which is the order of the columns."""

    name: str
    attributes: tuple[Attribute, ...] = ()
    properties: tuple[Property, ...] = ()
    event_types: tuple[EventType, ...] = ()
    measures: tuple[Measure, ...] = ()
    features: tuple[Feature, ...] = ()
    users_are: UsersAre = "delivered"
    functions: Mapping[str, Function] = field(default_factory=dict, compare=False, repr=False)
    """What `python = "module:function"` names."""
    origins: Mapping[tuple[str, str], Origin] = field(default_factory=dict, compare=False, repr=False)
    """Where an entry stands, by kind and name; of a dropped one, where it was dropped."""

    @cached_property
    def daily(self) -> Mapping[str, DailyColumn]:
        """The measures as columns of user_daily, by name and in order."""
        properties = {entry.name: entry for entry in self.properties}
        return daily_columns(self.measures, self.features, properties, [entry.name for entry in self.attributes])

    @cached_property
    def feature_columns(self) -> tuple[FeatureColumn, ...]:
        """The columns of user_features in order, keys apart."""
        return feature_columns(self.attributes, self.daily, self.features)

    @cached_property
    def attribute_names(self) -> frozenset[str]:
        return frozenset(entry.name for entry in self.attributes)

    @cached_property
    def attribute_sources(self) -> Mapping[str, Property]:
        """Where users are made from events: the property that each attribute comes from. It has the name that the attribute's
        `from` says, or the attribute's own; else it is found at the same place.
        """
        by_name = {entry.name: entry for entry in self.properties}
        by_path = {self.path_of(entry, "events"): entry for entry in reversed(self.properties)}
        found = {
            entry.name: by_name.get(entry.from_ or entry.name) or by_path.get(self.path_of(entry, "events"))
            for entry in self.attributes
        }
        return {name: source for name, source in found.items() if source}

    @property
    def event_vocabulary(self) -> tuple[str, ...]:
        """Names of the event types."""
        return tuple(entry.name for entry in self.event_types)

    def source_columns(self, source: str) -> tuple[str, ...]:
        """Columns of a raw table that the source delivers under their own names: the keys, and entries without `from`."""
        return (*self.required_columns(source), *self.optional_columns(source))

    def required_columns(self, source: str) -> tuple[str, ...]:
        if source == "events":
            return EVENT_KEYS
        return (*USER_KEYS, VALID_FROM) if self.users_are == "dated" else USER_KEYS

    def optional_columns(self, source: str) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.entries_of(source) if entry.from_ is None)

    def aliases(self, source: str) -> dict[str, tuple[str, ...]]:
        """Other names of a source's columns."""
        return {entry.name: entry.aliases for entry in self.entries_of(source) if entry.aliases and entry.from_ is None}

    def entries_of(self, source: str) -> tuple[Attribute, ...] | tuple[Property, ...]:
        return self.attributes if source == "users" else self.properties

    def path_of(self, entry: Attribute | Property, source: str) -> tuple[str, ...]:
        """Where an entry's value stands: a raw column, or `extra` and the keys below it."""
        steps = tuple((entry.from_ or entry.name).split("."))
        if steps[0] in self.source_columns(source):
            return steps
        return steps if steps[0] == EXTRA else (EXTRA, *steps)

    def path_columns(self, source: str) -> frozenset[str]:
        """Other columns of a source that declared paths read, in lower case."""
        paths = (self.path_of(entry, source) for entry in self.entries_of(source) if entry.from_ is not None)
        return frozenset(path[1].casefold() for path in paths if path[0] == EXTRA and len(path) > 1)

    def check(self) -> Product:
        """The product itself. Raises ChurnError naming the first entry that cannot be right, and why."""
        for kind, name, fault in faults(self):
            origin = self.origins.get((kind, name))
            raise refusal(origin.place if origin else f"product '{self.name}'", kind, name, fault)
        return self


def refusal(place: str, kind: str, name: str, fault: str) -> ChurnError:
    """One sentence: the file, the entry, and what cannot be right about it."""
    return ChurnError(f"{place}: [[{kind}]] '{name}': {fault}.")
