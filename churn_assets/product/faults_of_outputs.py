"""What cannot be right about measures and features: what they are of, whether their values can be taken so, and their columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from churn_assets.product.clauses import Fault, condition_faults, near, no_such
from churn_assets.product.columns import CORE, expanded, feature_name
from churn_assets.product.entries import NUMERIC, Attribute, Condition, Feature, Measure, Property
from churn_assets.product.fields import either, is_column_name
from churn_assets.product.measures import DailyColumn
from churn_assets.product.outputs import OF_A_VALUE
from churn_assets.product.reserved import COLUMNS, EVENT_KEYS, LABEL_PREFIX, TAKEN, TOTAL_EVENTS
from churn_assets.product.windows import DEFAULT_AGG

if TYPE_CHECKING:
    from churn_assets.product.product import Product

Comparable = Mapping[str, Attribute | Property]
ANY_TYPE = ("number", "integer", "flag", "label", "text", "time")
FITTING: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(OF_A_VALUE, ANY_TYPE),
    **dict.fromkeys(("sum", "mean"), NUMERIC),
    **dict.fromkeys(("min", "max"), (*NUMERIC, "time")),
    "distinct": ("label", "text", "integer"),
}
"""Aggregation -> types of the properties it can be taken of."""


def output_faults(product: Product) -> Iterator[Fault]:
    properties = {entry.name: entry for entry in product.properties}
    comparable: Comparable = {**properties, **{entry.name: entry for entry in product.attributes}}
    for measure in product.measures:
        for fault in _measure_faults(product, measure, properties, comparable):
            yield "measures", measure.name, fault
    for feature in product.features:
        for fault in _feature_faults(product, feature):
            yield "features", feature_name(feature, product.daily), fault
    yield from _core_faults(product)
    yield from _column_faults(product)


def _measure_faults(
    product: Product, measure: Measure, properties: Mapping[str, Property], comparable: Comparable
) -> Iterator[str]:
    if measure.name == TOTAL_EVENTS and (measure.agg != "count" or measure.event or measure.where or measure.value):
        yield "is the count of all events, which labels and checks rely on; give this measure another name"
    for name in measure.event or ():
        if name not in product.event_vocabulary:
            yield f"event: {no_such(product, 'event_types', name, product.event_vocabulary)}"
    if measure.value:
        yield from _value_faults(product, measure, measure.value, properties)
    for condition in measure.where:
        yield from _where_faults(product, measure, condition, comparable)
    is_numeric = product.daily[measure.name].is_numeric
    if not is_numeric and (measure.limits or measure.most is not None):
        yield f"limits and most are for numbers, and its values are of type {product.daily[measure.name].type}; take them out"
    if measure.empty == 0 and measure.limits and not measure.limits[0] <= 0 <= measure.limits[1]:
        yield f"limits {list(measure.limits)} leave out 0, which is what a day without such an event has; widen them, or say empty = 'null'"
    if measure.weight is not None:
        yield from _weight_faults(product, measure, measure.weight, properties)


def _value_faults(product: Product, measure: Measure, value: str, properties: Mapping[str, Property]) -> Iterator[str]:
    if value not in properties:
        yield f"value: {no_such(product, 'properties', value, properties)}"
        return
    kind, fitting = properties[value].type, FITTING.get(measure.agg, ANY_TYPE)
    if kind not in fitting:
        yield f"agg {measure.agg} does not fit '{value}' of type {kind}; it takes {either(fitting)}"
    yield from _not_kept(product, measure, value)


def _not_kept(product: Product, measure: Measure, name: str) -> Iterator[str]:
    """A property that is emptied on every event that counts has nothing to take or to compare."""
    keeping = {event.name for event in product.event_types if event.keeps is None or name in event.keeps}
    if measure.event and not set(measure.event) & keeping:
        yield f"no event of {either(measure.event)} keeps '{name}', so that it is always null there; add it to their keeps"


def _where_faults(product: Product, measure: Measure, condition: Condition, comparable: Comparable) -> Iterator[str]:
    key = condition.key
    if key in comparable:
        yield from condition_faults(condition, comparable[key])
        if isinstance(comparable[key], Property):
            yield from _not_kept(product, measure, key)
    elif key == "event_type":
        yield "where is on event_type; write event = [...]"
    elif key in EVENT_KEYS:
        yield f"where is on '{key}', which conditions do not compare; declare a property with from = '{key}'"
    elif any(
        origin and origin.dropped
        for kind in ("properties", "attributes")
        if (origin := product.origins.get((kind, key)))
    ):
        kind = "properties" if ("properties", key) in product.origins else "attributes"
        yield f"where: {no_such(product, kind, key, comparable)}"
    else:
        near_by = near(key, comparable) if "(did" in near(key, comparable) else ""
        yield (
            f"where: '{key}' is no property or attribute{near_by}; write extra.{key} for a column of the source, or declare a "
            "property"
        )


def _weight_faults(
    product: Product, measure: Measure, weight: str, properties: Mapping[str, Property]
) -> Iterator[str]:
    count = product.daily.get(weight)
    counts = [column.name for column in product.daily.values() if column.aggregation == "count"]
    if count is None:
        yield f"weight: {no_such(product, 'measures', weight, counts)}"
    elif count.aggregation != "count":
        yield f"weight '{weight}' is no count of events; name a measure with agg = 'count', or leave weight out"
    elif (count.events, count.conditions) != (measure.event, measure.where):
        yield f"weight '{weight}' counts other events; give it the same event and where, or leave weight out"
    elif count.value not in (None, measure.value) or not (count.value or _has_always(product, measure, properties)):
        yield (
            f"weight '{weight}' counts other events, those without '{measure.value}' too; give it value = '{measure.value}', or "
            "leave weight out"
        )


def _has_always(product: Product, measure: Measure, properties: Mapping[str, Property]) -> bool:
    """Whether each event that a measure is of has its value."""
    if measure.value is None or not properties[measure.value].nullable:
        return True
    needing = {event.name for event in product.event_types if measure.value in event.needs}
    return bool(measure.event) and set(measure.event or ()) <= needing


def _feature_faults(product: Product, feature: Feature) -> Iterator[str]:
    daily = product.daily
    single = [name for name in (feature.of, feature.since, feature.rhythm, feature.trend) if name]
    for name in (*single, *(name for side in feature.ratio or () for name in side)):
        if name not in daily:
            yield no_such(product, "measures", name, daily)
        else:
            yield from _misfits(feature, daily[name], product)


def _misfits(feature: Feature, measure: DailyColumn, product: Product) -> Iterator[str]:
    """Why the days of this measure cannot be taken together so."""
    agg = feature.agg or (DEFAULT_AGG[measure.aggregation] if feature.of else None)
    name = f"'{measure.name}' (agg {measure.aggregation}, of type {measure.type})"
    is_added = agg == "sum" or feature.ratio or feature.trend
    if (is_added or (agg == "mean" and measure.aggregation != "mean")) and not measure.can_be_added:
        yield f"{name} cannot be added up over days; use agg min, max, last or days, or a measure that counts or sums"
    if agg in ("min", "max") and not (measure.is_numeric or measure.type == "time"):
        yield f"agg {agg} does not fit {name}; use last"
    if (feature.since or feature.rhythm or agg == "days") and not (measure.is_numeric or measure.type == "flag"):
        yield f"{name} is never above 0; use a measure that is a number or a flag"
    if agg == "distinct" and measure.aggregation != "distinct":
        yield f"agg distinct does not fit {name}; use a measure with agg = 'distinct'"
    if agg == "distinct" and {c.key for c in measure.conditions} & {entry.name for entry in product.attributes}:
        yield f"agg distinct does not fit {name}, whose condition is on an attribute; put the condition on a property"
    is_label = agg in ("last", "min", "max") and not measure.is_numeric
    if is_label and (feature.limits or feature.most is not None):
        yield f"limits and most are for numbers, and {name} is none; take them out"


def _core_faults(product: Product) -> Iterator[Fault]:
    """Features that checks and figures rely on may be placed, and may get more windows, but mean the same."""
    declared = {feature_name(feature, product.daily): feature for feature in product.features}
    for core in CORE:
        feature = declared.get(core.name, core)
        is_same = all(getattr(feature, key) == getattr(core, key) for key in ("of", "agg", "since", "within"))
        if not is_same or not set(core.windows) <= set(feature.windows):
            rest = f"within = {core.within}" if core.since else f"windows {', '.join(map(str, core.windows))}"
            clause = f"is a feature of every product, with {rest}; keep these, or give yours another name"
            yield "features", core.name, clause


def _column_faults(product: Product) -> Iterator[Fault]:
    columns = [
        (feature_name(feature, product.daily), c.name) for feature, _, c in expanded(product.daily, product.features)
    ]
    attributes = {entry.name for entry in product.attributes if entry.feature}
    counts = Counter(column for _, column in columns)
    for feature, column in columns:
        if not is_column_name(column) or column in COLUMNS["features"] or column.startswith(LABEL_PREFIX):
            yield "features", feature, f"its column '{column}' {TAKEN}"
        if column in attributes:
            yield "features", feature, f"its column '{column}' is an attribute already; give it another name"
        if counts[column] > 1:
            others = [other for other, made in columns if made == column and other != feature]
            yield (
                "features",
                feature,
                f"its column '{column}' is one of '{(others or [feature])[0]}' too; give it another name",
            )
