"""Between the oracle's rows and the transforms' frames: the one place that knows how the transforms of a product are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

import random_events
from churn_assets import transforms
from churn_assets.contracts.base import Column, Kind
from churn_assets.product import Product
from oracle_product import Row
from random_events import World

KINDS: Mapping[str, Kind] = {
    "label": Kind.LABEL,
    "text": Kind.TEXT,
    "flag": Kind.FLAG,
    "integer": Kind.INTEGER,
    "number": Kind.NUMBER,
    "date": Kind.DATE,
    "time": Kind.INSTANT,
}
LANDING = (
    Column("landing_date", Kind.DATE, ""),
    Column("source_file", Kind.LABEL, ""),
    Column("source_row", Kind.INTEGER, ""),
)


def columns(table: str, product: Product, id_type: str) -> list[Column]:
    """The columns of a table of the product, in order."""

    def declared(entries: Iterable[Any]) -> list[Column]:
        return [Column(entry.name, KINDS[entry.type], "", entry.nullable) for entry in entries]

    an_id = Kind.INTEGER if id_type == "integer" else Kind.TEXT
    user, day, signup = (
        Column("user_id", an_id, ""),
        Column("as_of_date", Kind.DATE, ""),
        Column("signup_date", Kind.DATE, ""),
    )
    tenure = Column("days_since_signup", Kind.INTEGER, "")
    grid = [user, day, signup, *declared(product.attributes), tenure]
    event = [
        Column("event_id", an_id, ""),
        user,
        Column("event_time", Kind.INSTANT, ""),
        Column("event_date", Kind.DATE, ""),
    ]
    return {
        "clean_users": [user, signup, *declared(product.attributes), *LANDING],
        "clean_events": [*event, Column("event_type", Kind.LABEL, ""), *declared(product.properties), *LANDING],
        "user_day_grid": grid,
        "user_daily": [*grid, *declared(product.daily.values()), Column("is_active", Kind.FLAG, "")],
        "user_features": [user, day, *declared(product.feature_columns)],
    }[table]


def frame(table: str, rows: Iterable[Row], world: World) -> pd.DataFrame:
    """Rows as a frame in the table's types."""
    rows = list(rows)
    declared = columns(table, world.product, world.id_type)
    return pd.DataFrame(
        {c.name: pd.Series([row[c.name] for row in rows], dtype=object).astype(c.dtype) for c in declared}
    )


def rows(table: str, made: pd.DataFrame, world: World) -> list[Row]:
    """Rows of a frame that must have the table's columns, in its order and in types that can become its types."""
    declared = columns(table, world.product, world.id_type)
    assert list(made.columns) == [column.name for column in declared]
    values = [[_plain(value, c.kind) for value in made[c.name].astype(c.dtype).tolist()] for c in declared]
    return [dict(zip(made.columns, row, strict=True)) for row in zip(*values, strict=True)]


def _plain(value: Any, kind: Kind) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, datetime):
        instant = pd.Timestamp(value).to_pydatetime()
        return instant.date() if kind is Kind.DATE else instant
    return value


# --- the transforms, called on a world ---


def user_day_grid(world: World) -> list[Row]:
    """The grid of the days asked for."""
    days: Any = {"first_day": world.asked[0], "last_day": world.asked[-1], "lateness_days": random_events.LATENESS}
    made = transforms.user_day_grid(frame("clean_users", world.users, world), **days, product=world.product)
    return rows("user_day_grid", made, world)


def user_daily(world: World, days: list[date] | None = None) -> list[Row]:
    """user_daily of the days, by default those asked for, from all events there are."""
    grid = frame("user_day_grid", world.grid(days or world.asked), world)
    made = transforms.user_daily(grid, frame("clean_events", world.events, world), product=world.product)  # type: ignore[call-arg]
    return rows("user_daily", made, world)


def user_features(world: World, daily: Mapping[tuple[Any, date], Row], *, alone: bool = False) -> list[Row]:
    """user_features of the days asked for, from `daily`, which is of published days. `alone`: only from what their windows hold."""
    first, last = world.asked[0], world.asked[-1]
    back = max(column.window_days for column in world.product.feature_columns) - 1

    def reach(some: Iterable[Row], name: str, ahead: int = 0) -> list[Row]:
        since, until = first - timedelta(days=back), last + timedelta(days=ahead)
        return [row for row in some if not alone or since <= row[name] <= until]

    active = frame("user_daily", reach((row for row in daily.values() if row["is_active"]), "as_of_date"), world)
    made = transforms.user_features(
        frame("user_day_grid", (row for row in daily.values() if first <= row["as_of_date"] <= last), world),
        presence=frame("user_day_grid", reach(daily.values(), "as_of_date"), world)[["user_id", "as_of_date"]],
        month=active,
        lookback=active,
        clean_events=frame("clean_events", reach(world.events, "landing_date", random_events.LATENESS), world),
        first_day=first,
        last_day=last,
        published=[at for at in world.published if not alone or first - timedelta(days=back) <= at <= last],
        product=world.product,  # type: ignore[call-arg]
    )
    return rows("user_features", made, world)
