"""Hypothesis strategies for declarations: any product that `Product.check` accepts, small, and with names that nearly collide.

The values that data may have live here too, since conditions compare with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from hypothesis import strategies as st

from churn_assets.product import Attribute, EventType, Feature, Measure, Product, Property
from churn_assets.product.measures import DailyColumn

Declared = dict[str, Any]
"""One entry as TOML says it."""
ADDED: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 12.7, 33.333333333333336, 1e12)
"""Sums of these are never 0 by cancelling, and their last bits depend on the order."""
SIGNED: Sequence[float] = (-2.5, -0.25, 0.0, 0.5, 4.0)
"""Sums of these are exact, so those that cancel are 0 in every order."""
POOLS: Mapping[str, Sequence[Any]] = {
    "flag": (True, False),
    "label": ("a", "b", "B", "ç d"),
    "text": ("x", "y z", "0"),
    "time": (datetime(2026, 1, 1), datetime(2025, 12, 31, 23, 59, 59, 999999), datetime(1999, 2, 3, 4, 5)),
    "date": (date(2026, 1, 2), date(1999, 12, 31), date(2030, 6, 1)),
}
VALUE_TYPES: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("sum", "mean"), ("number", "integer")),
    **dict.fromkeys(("min", "max"), ("number", "integer", "time")),
    "distinct": ("label", "text", "integer"),
    **dict.fromkeys(("first", "last", "count"), ("number", "integer", "flag", "label", "text", "time")),
}
"""Types of the properties that an aggregation fits."""
PROPERTY_NAMES = ("p1", "p2", "seconds", "m1", "total_events", "value", "plan", "seats")
"""Among them names that measures and attributes have, each in another table."""
ATTRIBUTE_NAMES = ("plan", "seats", "is_paid", "a1")
WINDOWS = st.integers(1, 40)
GAPS = (30, 30, 15, 0.5, 1440)
"""Minutes."""


def values_of(entry: Attribute | Property) -> list[Any]:
    """Values that clean data may have in this column, null apart."""
    if entry.type not in ("number", "integer"):
        return list(POOLS[entry.type])
    low, high = entry.limits or (-1e12, 1e12)
    pool = [value for value in (ADDED if low >= 0 else SIGNED) if low <= value <= high]
    return pool if entry.type == "number" else sorted({int(value) for value in pool})


@st.composite
def products(draw: st.DrawFn) -> Product:
    """Up to 3 attributes, 1-5 properties, 1-4 event types, 1-6 measures with their weights, and up to 8 features."""
    attributes = [draw(_attributes(name)) for name in draw(_some(ATTRIBUTE_NAMES, 0, 3))]
    properties = [draw(_properties(name)) for name in draw(_some(PROPERTY_NAMES, draw(st.sampled_from([3, 1])), 5))]
    events = [EventType(name=name) for name in draw(_some(("play", "Skip", "log in", "sign.up"), 1, 4))]
    taken = {entry.name for entry in attributes}
    names = [name for name in ("m1", "seconds", "m2", "m3", "p1", "m4", "m5", "value") if name not in taken]
    parts: Declared = {"attributes": tuple(attributes), "properties": tuple(properties), "event_types": tuple(events)}
    measures: list[Measure] = []
    for name in names[: draw(st.sampled_from([6, 4, 2, 1]))]:
        measures += draw(_measures(name, attributes, properties, [entry.name for entry in events]))
    if draw(st.booleans()):
        measures.insert(draw(st.integers(0, len(measures))), Measure(name="total_events"))
    product = Product("random", **parts, measures=tuple(measures)).check()
    kept: list[Feature] = []
    for number in range(draw(st.sampled_from([8, 5, 2, 0]))):
        entry = draw(_features(f"f{number}", product))
        if _is_new(Product("random", **parts, measures=product.measures, features=(*kept, entry))):
            kept.append(entry)
    return Product("random", **parts, measures=product.measures, features=tuple(kept)).check()


def _some(names: Sequence[str], least: int, most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=least, max_size=most, unique=True)


@st.composite
def _attributes(draw: st.DrawFn, name: str) -> Attribute:
    said: Declared = {"type": draw(st.sampled_from(["label", "flag", "integer", "number", "date"]))}
    if said["type"] in ("integer", "number") and draw(st.booleans()):
        said["limits"] = (0, 100)
    plain = Attribute(name=name, **said)
    missing = draw(st.none() | st.sampled_from(values_of(plain)))
    return Attribute(name=name, **said, missing=missing, feature=draw(st.sampled_from([True, True, False])))


@st.composite
def _properties(draw: st.DrawFn, name: str) -> Property:
    said: Declared = {"type": draw(st.sampled_from(["number", "number", "integer", "label", "flag", "text", "time"]))}
    if said["type"] in ("number", "integer"):
        said["limits"] = draw(st.sampled_from([None, (0, 1e12), (0, 100), (-100, 100)]))
    plain = Property(name=name, **said)
    can_be_declared = st.nothing() if plain.type == "time" else st.sampled_from(values_of(plain))
    return Property(name=name, **said, missing=draw(st.none() | can_be_declared))


@st.composite
def _conditions(draw: st.DrawFn, attributes: list[Attribute], properties: list[Property]) -> Declared:
    entries: dict[str, Any] = {entry.name: entry for entry in (*properties, *attributes)}
    both = {entry.name for entry in properties} & {entry.name for entry in attributes}
    keys = [name for name, entry in entries.items() if entry.type not in ("time", "date") and name not in both]
    where = {}
    for key in draw(_some(keys, 0, 2)) if keys else []:
        elsewhere = ["nowhere"] if entries[key].type in ("label", "text") else []
        values = draw(st.lists(st.sampled_from([*values_of(entries[key]), *elsewhere]), min_size=1, max_size=2))
        said: Any = values if draw(st.booleans()) else values[0]
        where[key] = {"not": said} if draw(st.booleans()) else said
    return where


@st.composite
def _measures(
    draw: st.DrawFn, name: str, attributes: list[Attribute], properties: list[Property], vocabulary: list[str]
) -> list[Measure]:
    """A measure, and the count it is weighed by if it has one."""
    fitting = {agg: [p.name for p in properties if p.type in kinds] for agg, kinds in VALUE_TYPES.items()}
    of_values = [agg for agg, names in fitting.items() if names]
    aggs = [*of_values, *(agg for agg in of_values if agg in ("sum", "mean", "distinct")), "count", "any", "sessions"]
    said: Declared = {"name": name, "agg": draw(st.sampled_from(aggs))}
    if draw(st.sampled_from([False, False, True])):
        said["event"] = tuple(draw(_some(vocabulary, 1, 2)))
    said["where"] = draw(st.just({}) | st.just({}) | _conditions(attributes, properties))
    agg = said["agg"]
    if agg in fitting and fitting[agg] and (agg != "count" or draw(st.booleans())):
        said["value"] = draw(st.sampled_from(fitting[agg]))
    if agg == "sum" and draw(st.booleans()):
        said["empty"] = "null"
    if agg == "sessions":
        said |= {"gap_minutes": draw(st.sampled_from(GAPS)), "across_midnight": draw(st.booleans())}
    if agg != "mean" or not draw(st.booleans()):
        return [Measure(**said)]
    # The weight counts the values; where each event has one, a count of the events does so too.
    weight = {**said, "name": f"{name}_weight", "agg": "count"}
    if not next(entry for entry in properties if entry.name == said["value"]).nullable and draw(st.booleans()):
        del weight["value"]
    return draw(st.permutations([Measure(**weight), Measure(**said, weight=f"{name}_weight")]))


@st.composite
def _features(draw: st.DrawFn, name: str, product: Product) -> Feature:
    daily = product.daily
    addable = [column.name for column in daily.values() if column.is_count or column.aggregation == "sum"]
    of = draw(st.sampled_from([*(name for name in daily if name != "total_events"), "total_events"]))
    kinds = [*_kinds_of(daily[of], product), "ratio", "trend", "observed"]
    kind = draw(st.sampled_from(kinds))
    if kind == "ratio":
        sides = tuple(tuple(draw(_some(addable, 1, 2))) for _ in "ab")
        return Feature(name=f"{name}_{{window}}d", ratio=sides, windows=draw(_windows()))
    if kind == "trend":
        short, longer = sorted(draw(st.lists(WINDOWS, min_size=2, max_size=2, unique=True)))
        return Feature(name=name, trend=draw(st.sampled_from(addable)), windows=(short, longer))
    own_name = draw(st.booleans())
    if kind == "since":
        return Feature(name=name if own_name else "", since=of, within=draw(WINDOWS))
    own_name = own_name or kind == "observed" or of == "total_events"
    if kind == "rhythm":
        own = f"{name}_{{figure}}" if own_name else ""
        return Feature(name=own, rhythm=of, history=draw(st.integers(2, 40)))
    said: Declared = {"agg": kind, "windows": draw(_windows()), "name": f"{name}_{{window}}d" if own_name else ""}
    return Feature(**said) if kind == "observed" else Feature(**said, of=of)


def _windows() -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(WINDOWS, min_size=1, max_size=2, unique=True).map(tuple)


def _kinds_of(column: DailyColumn, product: Product) -> Iterator[str]:
    """What can be done with the days of a measure, repeated where few measures can."""
    is_addable = column.is_count or column.aggregation == "sum"
    yield "last"
    if is_addable:
        yield "sum"
    if is_addable:
        yield "mean"
    if column.aggregation == "mean":
        yield from ("mean", "mean", "mean")
    if column.is_numeric or column.type == "time":
        yield from ("min", "max")
    if column.is_numeric or column.type == "flag":
        yield from ("days", "since", "rhythm")
    attributes = {entry.name for entry in product.attributes}
    if column.aggregation == "distinct" and not attributes & {c.key for c in column.conditions}:
        yield from ("distinct", "distinct", "distinct")


def _is_new(product: Product) -> bool:
    """Whether no column of user_features is there twice."""
    names = [column.name for column in product.feature_columns]
    return len(set(names)) == len(names)
