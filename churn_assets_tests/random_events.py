"""Hypothesis strategies for the worlds of a product: users with versions, events at the edges of days and windows, days that are missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from hypothesis import strategies as st

import oracle_product as oracle
from churn_assets.product import Attribute, Product, Property
from oracle_product import Row
from random_products import products, values_of

START = date(2026, 1, 1)
"""A Thursday."""
LENGTH = 50
"""Days: more than the longest window."""
LATENESS = 2
NOON = datetime(2026, 1, 1, 12)
MICROSECOND = timedelta(microseconds=1)
CLOCK = (
    *(time(0), time(0, 0, 0, 1), time(0, 10), time(23, 45), time(23, 59, 59, 999999), time(12)),
    *(
        (NOON + timedelta(minutes=gap) + more).time()
        for gap in (30, 15, 0.5)
        for more in (-MICROSECOND, MICROSECOND * 0, MICROSECOND)
    ),
)
"""Midnight from both sides, and noon with what follows it just within a gap, exactly at it and just past it."""


def day(number: int) -> date:
    """The day of that number, counted from 1."""
    return START + timedelta(days=number - 1)


@dataclass(frozen=True)
class World:
    """Clean rows of a product, the days that are published, and the days asked for, as numbers."""

    product: Product
    users: list[Row]
    events: list[Row]
    missing: frozenset[int] = frozenset()
    first: int = LENGTH
    last: int = LENGTH
    id_type: str = field(default="integer")

    @property
    def asked(self) -> list[date]:
        return [day(number) for number in range(self.first, self.last + 1)]

    @property
    def published(self) -> list[date]:
        return [day(number) for number in range(1, LENGTH + 1) if number not in self.missing]

    def grid(self, days: Iterable[date]) -> list[Row]:
        """Rows of user_day_grid, by the oracle."""
        return [row for at in days for row in oracle.user_day_grid(self.product, self.users, at, LATENESS).values()]

    def daily(self, days: Iterable[date]) -> dict[tuple[Any, date], Row]:
        """Rows of user_daily by user and day, by the oracle."""
        of_user: dict[Any, list[Row]] = {}
        for event in self.events:
            of_user.setdefault(event["user_id"], []).append(event)
        rows = (oracle.user_daily(self.product, row, of_user.get(row["user_id"], [])) for row in self.grid(days))
        return {(row["user_id"], row["as_of_date"]): row for row in rows}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A product and a tiny world of it. Up to three days are asked for, most often the last ones."""
    product = draw(products())
    last = draw(st.sampled_from([LENGTH - 1, LENGTH, LENGTH - 2, 20, 3]))
    first = max(1, last - draw(st.integers(0, 2)))
    id_type = draw(st.sampled_from(["integer", "integer", "string"]))
    reach = sorted({column.window_days for column in product.feature_columns})
    edges = sorted({back for width in reach for back in (width - 1, width) if back < last} | {0, 1})
    backs = st.sampled_from([0, 0, 1, *edges]) | st.integers(0, last - 1) | st.just(-1)
    missing = draw(st.just(frozenset()) | st.frozensets(backs.map(lambda back: last - back), max_size=3))
    users = draw(_users(product, id_type))
    events = draw(_events(product, id_type, backs.map(lambda back: last - back)))
    return World(product, users, events, missing, first, last, id_type)


def _id(number: int, id_type: str) -> Any:
    """As text, 10 comes before 9."""
    return number if id_type == "integer" else f"u{number}"


@st.composite
def _users(draw: st.DrawFn, product: Product, id_type: str) -> list[Row]:
    """Versions of up to three users. Some come late, some sign up before they land, some change."""
    landings = st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 19, 43, 46, LENGTH]))
    early = draw(st.sampled_from([{(1, 1), (2, 1)}, {(1, 1), (2, 1), (3, 1)}, {(1, 1)}, set()]))
    rows = []
    for user, landed in sorted(early | draw(st.sets(landings, min_size=not early, max_size=4))):
        signup = landed + draw(st.sampled_from([0, 0, 0, -1, -2, -3, 2]))
        rows.append({"user_id": _id(user, id_type), "signup_date": day(signup), "landing_date": day(landed)})
        rows[-1] |= {entry.name: draw(_value(entry)) for entry in product.attributes}
    return [{**row, "source_file": "users.csv", "source_row": number} for number, row in enumerate(rows, 1)]


@st.composite
def _events(draw: st.DrawFn, product: Product, id_type: str, days: st.SearchStrategy[int]) -> list[Row]:
    """Up to 16 events on a few user-days, so that some share a day and some a moment; also of strangers and of other types."""
    user_day = st.tuples(st.sampled_from([1, 1, 1, 2, 2, 3, 4]), days)
    user_days = draw(st.lists(user_day, min_size=draw(st.sampled_from([6, 4, 1])), max_size=8))
    kinds = st.sampled_from([*product.event_vocabulary, *product.event_vocabulary, "telepathy"])
    behind_utc = timedelta(hours=draw(st.sampled_from([0, 0, 0, -5.5, 8])))
    rows = []
    for number in draw(st.permutations(range(1, draw(st.sampled_from([16, 12, 8, 3, 0])) + 1))):
        user, at = draw(st.sampled_from(user_days))
        row = {"event_id": _id(number, id_type), "user_id": _id(user, id_type)}
        row["event_time"] = datetime.combine(day(at), draw(st.sampled_from(CLOCK))) + behind_utc
        row |= {"event_date": day(at), "event_type": draw(kinds)}
        row |= {entry.name: draw(_value(entry)) for entry in product.properties}
        row["landing_date"] = day(at + draw(st.integers(0, LATENESS)))
        rows.append(row)
    return [{**row, "source_file": "events.csv", "source_row": number} for number, row in enumerate(rows, 1)]


def _value(entry: Attribute | Property) -> st.SearchStrategy[Any]:
    value = st.sampled_from(values_of(entry))
    return value | value | st.none() if entry.nullable else value
