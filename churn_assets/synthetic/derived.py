"""The world of any declaration: the shipped one where its name has one, fitted to what the declaration says today.

What a deployment added is made up plainly: event types follow the begin of a session or come monthly, numbers lie within
their limits, labels come from a few letters and from what measures look for. What it dropped is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from churn_assets.product import Attribute, EventType, Product, Property
from churn_assets.synthetic.world import (
    Activity,
    Change,
    Churn,
    FollowUp,
    MadeAttribute,
    MadeProperty,
    Moment,
    Rare,
    Scalar,
    Scheduled,
    Sessions,
    World,
    shipped_world,
)

ANY_EVENT = "event"
"""The event type of a product that declares none."""
MOST = 100
"""Numbers without closer limits lie up to so far above the lowest, in the declared unit."""
DAYS_AHEAD = (14, 30, 90)
"""What dates and times are, from signup or from the event."""
PLAIN = World(
    activity=Activity(base=0.15, slope=0.75, sessions=1.5, late_share=0.005),
    churn=Churn(hazard=0.0055, fading_days=14, fading=0.6),
    sessions=Sessions(begins=ANY_EVENT),
)
Entry = TypeVar("Entry", FollowUp, Scheduled, Moment, Rare)


def event_names(product: Product) -> tuple[str, ...]:
    """The event types that occur in the product's world, in the order of their codes."""
    return product.event_vocabulary or (ANY_EVENT,)


def world_of(product: Product) -> World:
    """A world in which every event type, attribute and property of the declaration occurs, and nothing else."""
    base = shipped_world(product.name) or PLAIN
    names = event_names(product)
    attributes = {entry.name: entry for entry in base.attributes}
    made = [_attribute(attributes.get(entry.name), entry, product) for entry in product.attributes]
    made.sort(key=lambda entry: list(attributes).index(entry.name) if entry.name in attributes else len(attributes))
    new = [entry for entry in product.event_types if entry.name not in base.events]
    by_name = {entry.name: entry for entry in made}

    def fitting(entries: Iterable[Entry]) -> list[Entry]:
        fits = (entry for entry in entries if entry.event in names)
        return [entry.model_copy(update=_fitted(entry, by_name, names)) for entry in fits]

    begins = base.sessions.begins if base.sessions.begins in names else _first(product.event_types)
    follows = [FollowUp(event=entry.name, base=0.3, slope=0.5) for entry in new if not entry.scheduled]
    follows = [*fitting(base.sessions.follows), *(entry for entry in follows if entry.event != begins)]
    scheduled = [Scheduled(event=e.name, every_days=30) for e in new if e.scheduled and e.name != begins]
    change = base.change or next((Change(attribute=a.name, mean_days=500) for a in made if len(a.values) > 1), None)
    return World(
        activity=base.activity,
        churn=base.churn,
        change=change if change and len(_values(by_name, change.attribute)) > 1 else None,
        sessions=base.sessions.model_copy(update={"begins": begins, "follows": tuple(follows)}),
        scheduled=(*fitting(base.scheduled), *scheduled),
        moments=tuple(fitting(base.moments)),
        rare=tuple(fitting(base.rare)),
        attributes=tuple(made),
        properties=tuple(_properties(base, by_name, product)),
    )


def _first(event_types: Sequence[EventType]) -> str:
    """What begins a session: the first that users do, if any."""
    return next((e.name for e in event_types if not e.scheduled), event_types[0].name if event_types else ANY_EVENT)


def _values(attributes: dict[str, MadeAttribute], name: str) -> tuple[Scalar, ...]:
    return attributes[name].values if name in attributes else ()


def _fitted(
    entry: FollowUp | Scheduled | Moment | Rare, attributes: dict[str, MadeAttribute], names: Sequence[str]
) -> Any:
    """What changes of an entry, since attributes or event types that it names were dropped."""
    changes: dict[str, Any] = {}
    if isinstance(entry, Scheduled | Moment):
        changes["where"] = {name: values for name, values in entry.where.items() if name in attributes}
    if isinstance(entry, Scheduled) and entry.instead and entry.instead.event not in names:
        changes["instead"] = None
    if isinstance(entry, Moment):
        becomes = entry.becomes.items()
        changes["becomes"] = {name: value for name, value in becomes if value in _values(attributes, name)}
    return changes


def _attribute(shipped: MadeAttribute | None, declared: Attribute, product: Product) -> MadeAttribute:
    known = {entry.name for entry in product.attributes}
    is_sold = (
        declared.type != "label"
        or declared.values is None
        or shipped is None
        or set(shipped.values) <= set(declared.values)
    )
    if shipped and is_sold and set(shipped.where) <= known:
        return shipped
    return MadeAttribute(name=declared.name, values=plain_values(declared, product))


def _properties(base: World, attributes: dict[str, MadeAttribute], product: Product) -> Iterable[MadeProperty]:
    """Those of the shipped world in its order, then the new ones; each on event types that keep it."""
    declared = {entry.name: entry for entry in product.properties}
    shipped = {entry.name: entry for entry in base.properties if entry.name in declared}
    for name in (*shipped, *(name for name in declared if name not in shipped)):
        entry, types = shipped.get(name), product.event_types
        keeping = [e.name for e in types if e.keeps is None or name in e.keeps] if types else [ANY_EVENT]
        if entry is None or not _still_decided(entry, attributes, declared):
            values = plain_values(declared[name], product)
            yield MadeProperty(name=name, on=tuple(keeping), values=values)
            continue
        needing = [e.name for e in types if name in e.needs or (e.name not in base.events and e.name in keeping)]
        on = [event for event in entry.on if event in keeping]
        more = [event for event in needing if event not in on]
        yield (_always(entry) if more else entry).model_copy(update={"on": (*on, *more)})


def _always(entry: MadeProperty) -> MadeProperty:
    """The property on every event that it is on, since event types of the deployment's own may need it."""
    update: dict[str, Any] = {
        "values": entry.choices,
        "by": None,
        "given": {},
        "of": None,
        "chance": 1.0,
        "only_with": None,
    }
    return entry.model_copy(update=update)


def _still_decided(entry: MadeProperty, attributes: dict[str, MadeAttribute], properties: dict[str, Property]) -> bool:
    """Whether what decides a shipped property is still declared."""
    others = [name for name in (entry.of, entry.only_with) if name]
    return (entry.by is None or bool(_values(attributes, entry.by))) and all(name in properties for name in others)


def plain_values(declared: Attribute | Property, product: Product) -> tuple[Scalar, ...]:
    """A few values of a declared entry as a source delivers them, each usable, the first of them a typical one."""
    wanted = _compared(declared, product)
    if declared.type == "flag":
        return (True, False)
    if declared.type in ("date", "time"):
        return DAYS_AHEAD
    if declared.type in ("number", "integer"):
        scale = declared.scale if isinstance(declared, Property) else 1.0
        numbers = dict.fromkeys((*_numbers(declared, scale), *(float(value) / scale for value in wanted)))
        return tuple(map(round, numbers) if declared.type == "integer" else numbers)
    if isinstance(declared, Attribute) and declared.values:
        return declared.values
    labels = [*wanted, *(f"{declared.name}-{letter}" for letter in "abcd")]
    return tuple(dict.fromkeys(_cased(str(label), declared.case) for label in labels))


def _numbers(declared: Attribute | Property, scale: float) -> list[float]:
    """Some delivered numbers between the limits, above 0 where the limits allow it; whole before and after scaling for an integer."""
    low, high = declared.limits or (0, MOST)
    low = max(low, min(high - MOST, 0))
    high = min(high, low + MOST)
    numbers = [(low + (high - low) * part / 8) / scale for part in (4, 2, 3, 5, 6)]
    if declared.type == "integer":
        whole = [round(round(number * scale) / scale) for number in numbers]
        whole += [math.ceil(low / scale), math.floor(high / scale)]
        in_unit = {number: round(number * scale, 9) for number in whole}
        numbers = [n for n, scaled in in_unit.items() if scaled.is_integer() and low <= scaled <= high] or numbers
    return [number for number in numbers if number > 0] or numbers


def _cased(text: str, case: str) -> str:
    return {"lower": text.lower(), "upper": text.upper()}.get(case, text)


def _compared(declared: Attribute | Property, product: Product) -> list[Scalar]:
    """Values that measures compare an entry with. Where both have the name, an attribute is meant and no property."""
    if isinstance(declared, Property) and declared.name in {entry.name for entry in product.attributes}:
        return []
    conditions = (condition for measure in product.measures for condition in measure.where)
    return [value for condition in conditions if condition.key == declared.name for value in condition.values]
