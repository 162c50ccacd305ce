"""A product: the entries of one declaration, held against each other, and the columns that follow from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from churn_assets.errors import ChurnError
from churn_assets.product.columns import FeatureColumn, feature_columns
from churn_assets.product.entries import NUMERIC, Attribute, EventType, Feature, Measure, Property
from churn_assets.product.measures import TOTAL_EVENTS, DailyColumn, daily_columns, parts_of_mean

USER_KEYS, EVENT_KEYS = ("user_id", "signup_date"), ("event_id", "user_id", "event_time", "event_type")
"""Source columns that every product has."""
LANDING = ("landing_date", "source_file", "source_row", "extra", "read_error", "reason")
GRID = (*USER_KEYS, "as_of_date", "days_since_signup")
RESERVED = {
    "attributes": {*LANDING, *GRID, TOTAL_EVENTS, "is_active"},
    "properties": {*LANDING, *EVENT_KEYS, "event_date", "as_of_date"},
    "measures": {*GRID, "is_active"},
    "features": {"user_id", "as_of_date", "churned", "is_at_risk", "censor_reason", "future_active_days"}
    | {"days_until_churn", "days_followed"},
}
"""Names that a table has already."""
EXTRA = "extra"
Function = Callable[..., Any]


@dataclass(frozen=True)
class Product:
    """One product. Entries are in the order of the declaration, which is the order of the columns."""

    name: str
    attributes: tuple[Attribute, ...] = ()
    properties: tuple[Property, ...] = ()
    event_types: tuple[EventType, ...] = ()
    measures: tuple[Measure, ...] = ()
    features: tuple[Feature, ...] = ()
    functions: Mapping[str, Function] = field(default_factory=dict, compare=False, repr=False)
    """What `python = "module:function"` names."""

    @cached_property
    def daily(self) -> Mapping[str, DailyColumn]:
        """The measures as columns of user_daily, by name and in order."""
        properties = {entry.name: entry for entry in self.properties}
        return daily_columns(self.measures, self.features, properties, [entry.name for entry in self.attributes])

    @cached_property
    def feature_columns(self) -> tuple[FeatureColumn, ...]:
        """The columns of user_features in order, keys apart."""
        return feature_columns(self.attributes, self.daily, self.features)

    @property
    def event_vocabulary(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.event_types)

    def source_columns(self, source: str) -> tuple[str, ...]:
        """Columns of a raw table that the source delivers under their own names: the keys, and entries without `from`."""
        keys = USER_KEYS if source == "users" else EVENT_KEYS
        return (*keys, *self.optional_columns(source))

    def optional_columns(self, source: str) -> tuple[str, ...]:
        entries: Sequence[Attribute | Property] = self.attributes if source == "users" else self.properties
        return tuple(entry.name for entry in entries if entry.from_ is None)

    def path_of(self, entry: Attribute | Property, source: str) -> tuple[str, ...]:
        """Where an entry's value stands: a raw column, or `extra` and the keys below it."""
        steps = tuple((entry.from_ or entry.name).split("."))
        if steps[0] in self.source_columns(source):
            return steps
        return steps if steps[0] == EXTRA else (EXTRA, *steps)

    def check(self) -> Product:
        """The product itself. Raises ChurnError naming the first entry that cannot be right, and why."""
        for fault in _faults(self):
            raise ChurnError(f"Product '{self.name}': {fault}.")
        return self


def _faults(product: Product) -> Iterator[str]:
    yield from _name_faults(product)
    yield from _attribute_faults(product)
    yield from _event_faults(product)
    yield from _measure_faults(product)
    yield from _feature_faults(product)
    repeated = _repeated(column.name for column in product.feature_columns)
    if repeated:
        yield f"features make the column '{repeated}' twice; give one of them another name"
    for column in product.feature_columns:
        if not column.name.isidentifier() or not column.name.isascii():
            yield f"feature '{column.name}' is no column name; use letters, digits and underscores"
        if column.name in RESERVED["features"] or column.name.startswith("churned_"):
            yield f"feature '{column.name}' has the name of a column that a table has already; give it another"


def _name_faults(product: Product) -> Iterator[str]:
    for kind in ("attributes", "properties", "measures", "event_types"):
        entries: Sequence[Any] = getattr(product, kind)
        if repeated := _repeated(entry.name for entry in entries):
            yield f"{kind} has '{repeated}' twice; keep one"
        for entry in entries:
            if entry.name in RESERVED.get(kind, ()):
                yield f"{kind} '{entry.name}' has the name of a column that every product has; give it another"
    attributes = {entry.name for entry in product.attributes}
    for name in product.daily:
        if name in attributes:
            yield f"measure '{name}' has the name of an attribute, and both would be columns of user_daily; rename one"
    if repeated := _repeated(
        [*(m.name for m in product.measures), *(part for m in product.measures for part in _parts(product, m))]
    ):
        yield f"measures make the column '{repeated}' twice; give one of them another name"
    for source in ("users", "events"):
        entries = product.attributes if source == "users" else product.properties
        for entry in entries:
            if entry.from_ is not None and not all(entry.from_.split(".")):
                yield f"'{entry.name}' has from = '{entry.from_}', which has an empty step; write it as column.key.key"
            if entry.from_ is not None and any("[" in step or step == "*" for step in entry.from_.split(".")):
                yield f"'{entry.name}' has from = '{entry.from_}', a path through an array, of which no element is the one; deliver it as a column"


def _parts(product: Product, measure: Measure) -> tuple[str, ...]:
    has_parts = parts_of_mean(measure.name)[0] in product.daily and measure.aggregation == "mean" and not measure.weight
    return parts_of_mean(measure.name) if has_parts else ()


def _attribute_faults(product: Product) -> Iterator[str]:
    before: set[str] = set()
    for attribute in product.attributes:
        for condition in attribute.missing_if:
            if condition.key not in before:
                yield f"attribute '{attribute.name}' has missing_if on '{condition.key}', which is no attribute above it"
        before.add(attribute.name)


def _event_faults(product: Product) -> Iterator[str]:
    properties = {entry.name: entry for entry in product.properties}
    for event in product.event_types:
        for kind in ("needs", "keeps", "positive", "expects"):
            for name in getattr(event, kind) or ():
                if name not in properties:
                    yield f"event type '{event.name}' {kind} '{name}', which is no property{_near(name, properties)}"
                elif kind == "positive" and properties[name].type not in NUMERIC:
                    yield f"event type '{event.name}' wants '{name}' to be positive, which is no number"
        for name in event.needs:
            if name in properties and not properties[name].nullable:
                yield f"event type '{event.name}' needs '{name}', which is never missing; leave out needs, or missing of '{name}'"
    for entry in product.properties:
        for name in entry.bins_of:
            if name not in product.event_vocabulary:
                yield f"property '{entry.name}' has bins_of '{name}', which is no event type{_near(name, product.event_vocabulary)}"


def _measure_faults(product: Product) -> Iterator[str]:
    properties = {entry.name: entry for entry in product.properties}
    comparable = {**properties, **{entry.name: entry for entry in product.attributes}}
    for measure in product.measures:
        of, agg = f"measure '{measure.name}'", measure.aggregation
        if measure.name == TOTAL_EVENTS and (agg != "count" or measure.event or measure.where):
            yield f"{of} is the count of all events, which labels and checks rely on; give another measure another name"
        for name in measure.event or ():
            if name not in product.event_vocabulary:
                yield f"{of} counts event '{name}', which is no event type{_near(name, product.event_vocabulary)}"
        if measure.value and measure.value not in properties:
            yield f"{of} has value '{measure.value}', which is no property{_near(measure.value, properties)}"
        elif measure.value and agg in ("sum", "mean") and properties[measure.value].type not in NUMERIC:
            yield f"{of} has agg {agg}, which does not fit '{measure.value}' of type {properties[measure.value].type}"
        elif measure.value and agg in ("min", "max") and properties[measure.value].type not in (*NUMERIC, "time"):
            yield f"{of} has agg {agg}, which does not fit '{measure.value}' of type {properties[measure.value].type}"
        elif measure.value and agg == "distinct" and properties[measure.value].type not in ("label", "text", "integer"):
            yield f"{of} has agg {agg}, which does not fit '{measure.value}' of type {properties[measure.value].type}"
        for condition in measure.where:
            if condition.key not in comparable:
                yield f"{of} has a condition on '{condition.key}', which is no property or attribute{_near(condition.key, comparable)}"
            elif not _comparable(comparable[condition.key].type, condition.values):
                yield f"{of} compares '{condition.key}' of type {comparable[condition.key].type} with a value of another type"
        if measure.weight is not None:
            weight = product.daily.get(measure.weight)
            if weight is None or weight.aggregation != "count":
                yield f"{of} has weight '{measure.weight}', which is no count"
            elif (weight.events, weight.conditions) != (measure.event, measure.where):
                yield f"{of} is weighed by '{measure.weight}', which counts other events"


def _feature_faults(product: Product) -> Iterator[str]:
    daily = product.daily
    for feature in product.features:
        of = f"feature '{feature.name or feature.of or feature.since}'"
        single = [name for name in (feature.of, feature.since, feature.trend) if name]
        for name in (*single, *(name for side in feature.ratio or () for name in side)):
            if name not in daily:
                yield f"{of} is of '{name}', which is no measure{_near(name, daily)}"
            elif (fault := _misfit(feature, daily[name], product)) is not None:
                yield f"{of} {fault}"


def _misfit(feature: Feature, measure: DailyColumn, product: Product) -> str | None:
    """Why the days of this measure cannot be taken together so; None if they can."""
    agg = feature.agg or ("sum" if feature.of else None)
    can_be_added = measure.is_count or measure.aggregation == "sum"
    is_added = agg == "sum" or feature.ratio or feature.trend
    name = f"'{measure.name}' ({measure.aggregation})"
    if (is_added and not can_be_added) or (agg == "mean" and not can_be_added and measure.aggregation != "mean"):
        return f"adds up {name}, and that cannot be added over days; use agg min, max, last or days, or a measure that counts or sums"
    if feature.since and not (measure.is_numeric or measure.type == "flag"):
        return f"looks for days with {name} above 0, which is no number"
    if agg in ("min", "max") and not (measure.is_numeric or measure.type == "time"):
        return f"has agg {agg} of {name}, which is no number"
    if agg == "days" and not (measure.is_numeric or measure.type == "flag"):
        return f"counts days with {name} above 0, which is no number"
    if agg == "distinct":
        if measure.aggregation != "distinct":
            return f"has agg distinct of {name}; only a measure of agg distinct has different values"
        if any(condition.key in {entry.name for entry in product.attributes} for condition in measure.conditions):
            return f"has agg distinct of {name}, whose condition is on an attribute; put the condition on a property"
    return None


def _comparable(kind: str, values: Collection[Any]) -> bool:
    if kind == "flag":
        return all(isinstance(value, bool) for value in values)
    if kind in NUMERIC:
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return kind in ("label", "text") and all(isinstance(value, str) for value in values)


def _repeated(names: Any) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _near(name: str, known: Collection[str]) -> str:
    """What may have been meant."""
    import difflib

    found = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean '{found[0]}'?" if found else f"; it has {', '.join(known)}" if known else ""
