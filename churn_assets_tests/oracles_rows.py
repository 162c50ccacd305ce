"""What must become of one delivered row, in plain Python: the rules of cleaning, read from the declaration."""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime
from typing import Any

from churn_assets.product import Attribute, EventType, Product, Property

Fate = tuple[str, frozenset[str]]
"""The reason of the quarantine ("" if none), and the repairs."""
Row = dict[str, Any]


def found(row: Row, product: Product, entry: Attribute | Property, source: Any) -> str | None:
    """The entry's value in a row as delivered: texts, or objects and JSON of objects along its path."""
    steps = product.path_of(entry, source)
    value: Any = row
    for step in steps[1:] if steps[0] == "extra" else steps:
        value = json.loads(value) if isinstance(value, str) else value
        value = (value or {}).get(step)
    return None if value in (None, "") else _text(value)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def event_fate(row: Row, product: Product, landing: date, lateness_days: int) -> Fate:
    """Reasons in the order in which they count; a conflict and a duplicate are seen by no single row."""
    typed = {entry.name: _typed(found(row, product, entry, "events"), entry) for entry in product.properties}
    name = str(row["event_type"] or "").strip()
    known = {event.name.lower(): event for event in product.event_types}
    event = known.get(name.lower(), EventType(name=name or "none"))
    happened = _time(row["event_time"])
    checks = [
        ("nul_byte", any("\0" in str(value) for value in row.values())),
        ("bad_user_id", _id(row["user_id"]) is None),
        ("bad_event_id", _id(row["event_id"]) is None),
        ("bad_event_time", happened is None),
        ("bad_event_type", not name),
    ]
    repairs = {"id_written_as_decimal"} if ".0" in f"{row['user_id']} {row['event_id']}" else set()
    repairs |= {"text_normalised"} if name and event.name != row["event_type"] else set()
    checks += [(reason, True) for reason in _bad(typed, product, event)]
    for entry in product.properties:
        value, state = typed[entry.name]
        is_kept = event.keeps is None or entry.name in event.keeps
        if state in ("bad", "outside") and entry.bad == "null":
            repairs.add(entry.named("bad"))
        elif not is_kept and value is not None:
            repairs.add(entry.named("not_applicable"))
        elif value is None and not entry.nullable:
            repairs.add(entry.named("missing"))
    checks += [(event.without(needed), typed[needed][0] is None) for needed in event.needs]
    positive = [(n, typed[n][0]) for n in event.positive]
    checks += [(event.not_positive(n), value is not None and value <= 0) for n, value in positive]
    if happened is not None:
        days_late = (landing - happened.date()).days
        checks += [("future", days_late < 0), ("too_late", days_late > lateness_days)]
    return next((reason for reason, holds in checks if holds), ""), frozenset(repairs)


def user_fate(row: Row, product: Product) -> Fate:
    checks = [
        ("nul_byte", any("\0" in str(value) for value in row.values())),
        ("bad_user_id", _id(row["user_id"]) is None),
        ("bad_signup_date", _time(f"{row['signup_date']}T00:00:00") is None),
    ]
    repairs = {"id_written_as_decimal"} if ".0" in str(row["user_id"]) else set()
    for entry in product.attributes:
        value = found(row, product, entry, "users")
        if (value is None and not entry.nullable) or (value is not None and _changed(value, entry)):
            repairs.add(entry.name)
    return next((reason for reason, holds in checks if holds), ""), frozenset(repairs)


def _bad(typed: dict[str, tuple[Any, str]], product: Product, event: EventType) -> list[str]:
    """Reasons of properties, those of the wrong type before those out of range."""
    entries = [entry for entry in product.properties if entry.bad == "quarantine"]
    kinds = {"integer": "number"}
    wrong = [f"bad_{kinds.get(e.type, e.type)}" for e in entries if typed[e.name][1] == "bad"]
    kept = [e for e in entries if event.keeps is None or e.name in event.keeps]
    return [*wrong, *(e.named("out_of_range") for e in kept if typed[e.name][1] == "outside")]


def _typed(text: str | None, entry: Property) -> tuple[Any, str]:
    """The value, null if it is none; and whether it is bad or outside."""
    if text is None:
        return None, ""
    if entry.type in ("label", "text"):
        return text, ""
    if entry.type == "flag":
        value = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
        return value, "bad" if value is None else ""
    if entry.type == "time":
        return _time(text), "" if _time(text) else "bad"
    number = float(text) * entry.scale if re.fullmatch(r"-?[0-9]+([.][0-9]*)?(e[-+]?[0-9]+)?", text) else math.nan
    if not math.isfinite(number) or (entry.type == "integer" and abs(number - round(number)) > 1e-9):
        return None, "bad"
    low, high = entry.limits or (-math.inf, math.inf)
    return number, "" if low <= number <= high else "outside"


def _changed(text: str, entry: Attribute) -> bool:
    """Whether a given value of an attribute is repaired."""
    if entry.type == "flag":
        return text.lower() not in ("true", "false", "1", "0")
    if entry.type in ("number", "integer"):
        return not re.fullmatch(r"-?[0-9.]+", text)
    if entry.type == "date":
        return _time(f"{text[:10]}T00:00:00") is None
    cased = {"lower": text.lower(), "upper": text.upper()}.get(entry.case, text)
    return cased != text or (entry.values is not None and text not in entry.values)


def _id(text: Any) -> int | None:
    matched = re.fullmatch(r"([0-9]+)(\.0)?", str(text))
    return int(matched[1]) if matched and 0 < int(matched[1]) < 2**63 else None


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text).replace("00.5", "00.500000")) if "T" in str(text) else None
    except ValueError:
        return None
