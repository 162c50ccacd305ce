"""Every kind of fault that a row of a product can have: how a good row becomes it, and what must become of it.

All but the keys follows from the declaration: limits, needs, what an event type keeps, vocabularies, defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import cycle
from typing import Literal

from churn_assets.product import Attribute, EventType, Product, Property
from churn_assets.product.entries import LARGEST_NUMBER, NUMERIC
from churn_assets.synthetic.derived import plain_values
from churn_assets.synthetic.tables import place_of

Outcome = Literal["quarantined", "duplicate", "repaired"]
Row = dict[str, str | None]
NO_NUMBERS = ("12,5", "NaN", "inf")
"""Texts of numbers that are none: each numeric property gets the next."""
NO_FLAG, NO_TIME, NO_LABEL = "perhaps", "2026-02-30T10:00:00", "of no vocabulary"


@dataclass(frozen=True)
class Fault:
    """`is_copy`: it keeps its original's id, and stands after it. `is_broken`: its line is not that of a row, which
    Parquet cannot hold. `reason` is that of the quarantine, or the kind of repair.
    """

    kind: str
    outcome: Outcome
    reason: str
    edit: Callable[[Row, date], Row] = lambda row, _: row
    is_copy: bool = False
    is_broken: bool = False


_BROKEN = Fault("a field too few, or half an object", "quarantined", "malformed_row", is_broken=True)
_COPY = Fault("a row again", "duplicate", "", is_copy=True)


def user_faults(product: Product) -> tuple[Fault, ...]:
    """Faults of the users file, each kind once."""
    return (
        _BROKEN,
        _COPY,
        Fault("a user again, another signup", "quarantined", "conflict", _set(signup_date="2001-02-03"), is_copy=True),
        Fault("NUL in signup_date", "quarantined", "nul_byte", _with_end("signup_date", "\0")),
        _quarantined("no user_id", "bad_user_id", user_id=None),
        _quarantined("user_id in letters", "bad_user_id", user_id="u-77"),
        _quarantined("no signup_date", "bad_signup_date", signup_date=None),
        _quarantined("30 February", "bad_signup_date", signup_date="2026-02-30"),
        _quarantined("another date format", "bad_signup_date", signup_date="05.01.2026"),
        Fault("decimal user_id", "repaired", "id_written_as_decimal", _with_end("user_id", ".0")),
        *(fault for attribute in product.attributes for fault in _attribute_faults(attribute, product)),
    )


def event_faults(product: Product, lateness_days: int) -> tuple[Fault, ...]:
    """Faults of the events file, each kind once; an event is too late past `lateness_days`."""
    return (
        _BROKEN,
        _COPY,
        Fault("an id again, another time", "quarantined", "conflict", _of_day(0, "12:00:00.5"), is_copy=True),
        Fault("NUL in event_type", "quarantined", "nul_byte", _with_end("event_type", "\0")),
        _quarantined("no user_id", "bad_user_id", user_id=None),
        _quarantined("fractional user_id", "bad_user_id", user_id="12.7"),
        _quarantined("negative user_id", "bad_user_id", user_id="-3"),
        _quarantined("no event_id", "bad_event_id", event_id=None),
        _quarantined("event_id past 2^63", "bad_event_id", event_id="9223372036854775808"),
        _quarantined("event_id in letters", "bad_event_id", event_id="e-77"),
        _quarantined("no event_time", "bad_event_time", event_time=None),
        _quarantined("30 February", "bad_event_time", event_time=NO_TIME),
        _quarantined("another date format", "bad_event_time", event_time="05/01/2026 10:00"),
        _quarantined("undeclared epoch", "bad_event_time", event_time="1767607200"),
        _quarantined("no event_type", "bad_event_type", event_type=None),
        *_value_faults(product),
        *_needed_faults(product),
        Fault("tomorrow's", "quarantined", "future", _of_day(1)),
        Fault("too late", "quarantined", "too_late", _of_day(-lateness_days - 1)),
        Fault("decimal event_id", "repaired", "id_written_as_decimal", _with_end("event_id", ".0")),
        *_repaired_properties(product),
        *(
            _repaired("padded event_type", "text_normalised", **_good(product, event) | {"event_type": f" {padded} "})
            for event in product.event_types[:1]
            for padded in [event.name.upper()]
        ),
    )


def _value_faults(product: Product) -> Iterator[Fault]:
    """Values that are none of their property's type, then those outside of its limits."""
    no_number = cycle(NO_NUMBERS)
    outside = []
    for entry in product.properties:
        if (event := _keeping(product, entry)) is None:
            continue
        row, column = _good(product, event), place_of(product, entry, "events")
        kind = "number" if entry.type in NUMERIC else entry.type
        wrong = {"number": next(no_number), "flag": NO_FLAG, "time": NO_TIME}.get(kind)
        outcome: Outcome = "quarantined" if entry.bad == "quarantine" else "repaired"
        if entry.bad == "null" and (entry.name in event.needs or not entry.nullable):
            continue
        if wrong is not None:
            reason = f"bad_{kind}" if entry.bad == "quarantine" else entry.named("bad")
            yield Fault(f"{wrong!r} for {entry.name}", outcome, reason, _set(**row | {column: wrong}))
        for text in _outside(entry):
            reason = entry.named("out_of_range" if entry.bad == "quarantine" else "bad")
            outside.append(Fault(f"{entry.name} of {text}", outcome, reason, _set(**row | {column: text})))
    yield from outside


def _needed_faults(product: Product) -> Iterator[Fault]:
    properties = {entry.name: entry for entry in product.properties}
    for event in product.event_types:
        row = _good(product, event)
        for name in event.needs:
            column = place_of(product, properties[name], "events")
            yield _quarantined(f"{event.name} without {name}", event.without(name), **row | {column: None})
    for event in product.event_types:
        row = _good(product, event)
        for name in event.positive:
            entry = properties[name]
            column, (low, high) = place_of(product, entry, "events"), entry.limits or (0, 0)
            if low <= 0 <= high:
                yield _quarantined(f"{event.name} with {name} of 0", event.not_positive(name), **row | {column: "0"})


def _repaired_properties(product: Product) -> Iterator[Fault]:
    """An absent value that means another; a value on an event type that does not keep it."""
    for entry in product.properties:
        column, keeping = place_of(product, entry, "events"), _keeping(product, entry)
        if not entry.nullable and keeping:
            row = _good(product, keeping)
            yield _repaired(f"no {entry.name}", entry.named("missing"), **row | {column: None})
        other = next((e for e in product.event_types if e.keeps is not None and entry.name not in e.keeps), None)
        if other and entry.nullable:
            row = _good(product, other) | {column: _sample(product, entry)}
            yield _repaired(f"{entry.name} on {other.name}", entry.named("not_applicable"), **row)


def _attribute_faults(entry: Attribute, product: Product) -> Iterator[Fault]:
    column = place_of(product, entry, "users")
    if entry.type == "label":
        if entry.values:
            yield _repaired(f"{entry.name} of no vocabulary", entry.name, **{column: NO_LABEL})
        elif entry.case != "keep":
            other = "De" if entry.case == "upper" else "DE"
            yield _repaired(f"{entry.name} in another case", entry.name, **{column: other})
    else:
        yield _repaired(f"{entry.name} that is no {entry.type}", entry.name, **{column: NO_FLAG})
    if not entry.nullable:
        yield _repaired(f"no {entry.name}", entry.name, **{column: None})


def _keeping(product: Product, entry: Property) -> EventType | None:
    """The first event type that the property means something on."""
    return next((e for e in product.event_types if e.keeps is None or entry.name in e.keeps), None)


def _good(product: Product, event: EventType) -> Row:
    """Values with which any row is a good one of this type: what it keeps is given, all else absent."""
    row: Row = {"event_type": event.name}
    for entry in product.properties:
        is_kept = event.keeps is None or entry.name in event.keeps
        row[place_of(product, entry, "events")] = _sample(product, entry) if is_kept or not entry.nullable else None
    return row


def _sample(product: Product, entry: Property) -> str:
    value = plain_values(entry, product)[0]
    if entry.type == "time":
        return "2026-03-04T05:06:07"
    return str(value).lower() if entry.type == "flag" else str(value)


def _outside(entry: Property) -> Iterator[str]:
    """A number below the limits and another above, as the source delivers it; none where no number is."""
    for limit, step in zip(entry.limits or (), (-1, 1), strict=False):
        if math.isfinite(limit) and abs(limit) < LARGEST_NUMBER:
            yield f"{round((limit + step) / entry.scale, 6):.15g}"


def _set(**values: str | None) -> Callable[[Row, date], Row]:
    return lambda row, _: row | {name: value for name, value in values.items() if name in row}


def _of_day(days: int, time: str = "12:00:00") -> Callable[[Row, date], Row]:
    """Happened that many days from its landing day."""
    return lambda row, day: row | {"event_time": f"{day + timedelta(days=days)}T{time}"}


def _with_end(column: str, end: str) -> Callable[[Row, date], Row]:
    return lambda row, _: row | {column: f"{row[column]}{end}"}


def _quarantined(kind: str, reason: str, **values: str | None) -> Fault:
    return Fault(kind, "quarantined", reason, _set(**values))


def _repaired(kind: str, reason: str, **values: str | None) -> Fault:
    return Fault(kind, "repaired", reason, _set(**values))
