"""Between the oracle's rows and the transforms' frames: the one place that knows how the transforms of a product are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

import random_events
from churn_assets import transforms
from churn_assets.calendar import DayRange
from churn_assets.contracts import Contract, contracts
from churn_assets.contracts.base import Kind
from churn_assets.product import Product
from churn_assets.settings import Settings
from churn_assets.warehouse.gate import admit
from oracle_product import Row
from random_events import World


def contract(table: str, world: World) -> Contract:
    """The contract that a deployment of the world's product has."""

    class Given(Settings):
        @property
        def declaration(self) -> Product:
            return world.product

    ids = {"id_type": world.id_type}
    return contracts(Given(lateness_days=random_events.LATENESS, sources={"users": ids, "events": ids}))[table]


def frame(table: str, rows: Iterable[Row], world: World) -> pd.DataFrame:
    """Rows as a frame in the table's types."""
    rows, declared = list(rows), contract(table, world)
    columns = {name: pd.Series([row[name] for row in rows], dtype=object) for name in declared.column_names}
    return declared.typed(pd.DataFrame(columns))


def rows(table: str, made: pd.DataFrame, world: World) -> list[Row]:
    """Rows of a frame of the days asked for, as they would be published: the gate refuses what the contract does not hold."""
    declared = contract(table, world)
    assert list(made.columns) == declared.column_names
    typed = declared.typed(made)
    admit(declared, typed, DayRange(world.asked[0], world.asked[-1]))
    values = [[_plain(value, c.kind) for value in typed[c.name].tolist()] for c in declared.columns]
    return [dict(zip(made.columns, row, strict=True)) for row in zip(*values, strict=True)]


def _plain(value: Any, kind: Kind) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, datetime):
        instant = pd.Timestamp(value).to_pydatetime()
        return instant.date() if kind is Kind.DATE else instant
    return value


# --- the transforms, called on a world ---


def user_day_grid(world: World, attributes_as_of: date | None = None) -> list[Row]:
    """The grid of the days asked for."""
    days: Any = {"first_day": world.asked[0], "last_day": world.asked[-1], "lateness_days": random_events.LATENESS}
    users = frame("clean_users", world.users, world)
    made = transforms.user_day_grid(
        users, **days, attributes=world.product.attributes, attributes_as_of=attributes_as_of
    )
    return rows("user_day_grid", made, world)


def user_daily(world: World, days: list[date] | None = None) -> list[Row]:
    """user_daily of the days, by default those asked for, from all events there are."""
    grid = frame("user_day_grid", world.grid(days or world.asked), world)
    made = transforms.user_daily(grid, frame("clean_events", world.events, world), product=world.product)
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
        history=active,
        clean_events=frame("clean_events", reach(world.events, "landing_date", random_events.LATENESS), world),
        first_day=first,
        last_day=last,
        published=[at for at in world.published if not alone or first - timedelta(days=back) <= at <= last],
        product=world.product,
    )
    return rows("user_features", made, world)
