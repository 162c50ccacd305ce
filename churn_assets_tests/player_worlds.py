"""A player's product and worlds of one user, to be worked by hand: what is declared and what happened is said by each test."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from churn_assets.product import Attribute, EventType, Feature, Measure, Product, Property
from oracle_product import Row
from random_events import LENGTH, World, day

TYPES = {"seconds": "number", "tracks": "integer", "device": "label", "offline": "flag", "seen": "time"}
NULLS = dict.fromkeys(TYPES)
PLACE = {"source_file": "a.csv", "source_row": 1}
FIVE = 5
"""The day of January that most of these look at."""


def product(*entries: Measure | Feature) -> Product:
    """A player with plays and skips, and what is given."""
    return Product(
        "player",
        attributes=(Attribute(name="plan", type="label", missing="free"), Attribute(name="seats", type="integer")),
        properties=tuple(Property(name=name, type=kind) for name, kind in TYPES.items()),
        event_types=(EventType(name="play"), EventType(name="skip")),
        measures=tuple(entry for entry in entries if isinstance(entry, Measure)),
        features=tuple(entry for entry in entries if isinstance(entry, Feature)),
    ).check()


def event(time: str = "12:00:00", kind: str = "play", number: int = FIVE, **said: Any) -> Row:
    at = datetime.fromisoformat(f"2026-01-{number:02d}T{time}")
    return {"user_id": 1, "event_time": at, "event_date": at.date(), "event_type": kind, **NULLS, **said}


def world(
    declared: Product,
    events: Iterable[Row],
    signup: int = 1,
    missing: Iterable[int] = (),
    at: int = LENGTH,
    **known: Any,
) -> World:
    """User 1 and the events, in the order of their ids; day `at` is asked for."""
    user = {"user_id": 1, "signup_date": day(signup), "landing_date": day(signup), "plan": "pro", "seats": None}
    rows = [{"event_id": n, "landing_date": row["event_date"], **PLACE, **row} for n, row in enumerate(events, 1)]
    return World(declared, [{**user, **PLACE, **known}], rows, frozenset(missing), at, at)
