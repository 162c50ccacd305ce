"""clean_users and clean_events -> user_day_grid, user_daily, unmatched_events. Local to a user and a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.product import Attribute, Product, UsersAre
from churn_assets.product.measures import IS_ACTIVE, TOTAL_EVENTS
from churn_assets.transforms.attributes import filled
from churn_assets.transforms.measures import DayEvents, event_columns, previous_ends
from churn_assets.transforms.typed_values import emptied
from churn_assets.transforms.user_versions import FAR_FUTURE, days_of, user_versions

ONE_DAY = np.timedelta64(1, "D")
NULLABLE: Mapping[str, Any] = {"bool": "boolean", "int64": "Int64"}
"""The type that holds the same values and null."""
Positions = npt.NDArray[np.int64]


def user_day_grid(
    clean_users: pd.DataFrame,
    *,
    first_day: date,
    last_day: date,
    lateness_days: int,
    attributes: Sequence[Attribute],
    users_are: UsersAre = "delivered",
    attributes_as_of: date | None = None,
) -> pd.DataFrame:
    """Every user x every day of [first_day, last_day] on or after signup, `attributes` as of that day, which before
    `attributes_as_of` are not known, and so missing.

    Needs every user version landed up to last_day + lateness_days. The version that counts is the last landed on or
    before the day; a user's first version counts from signup_date on if it landed within lateness_days of it. Where versions
    are dated, it is the one valid from the latest day of those that count by then (`user_versions`).
    """
    versions = user_versions(clean_users, lateness_days, users_are, attributes)
    start = np.maximum(days_of(versions["counts_from"]), np.datetime64(first_day, "D"))
    start = np.maximum(start, days_of(versions["signup_date"]))
    stop = np.minimum(days_of(versions["counts_until"]), np.datetime64(last_day, "D") + ONE_DAY)
    lasts = np.maximum((stop - start).astype("int64"), 0)
    row = np.repeat(np.arange(len(versions)), lasts)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(lasts) - lasts, lasts)
    as_of_date = start[row] + offset
    rows = versions.take(row)
    signup_date = days_of(rows["signup_date"])
    return pd.DataFrame(
        {
            "user_id": rows["user_id"].array,
            "as_of_date": as_of_date.astype("datetime64[us]"),
            "signup_date": signup_date.astype("datetime64[us]"),
            **_known_attributes(rows, as_of_date, attributes, attributes_as_of),
            "days_since_signup": (as_of_date - signup_date).astype("int64"),
        },
        copy=False,
    )


def _known_attributes(
    rows: pd.DataFrame, as_of_date: npt.NDArray[np.datetime64], attributes: Sequence[Attribute], since: date | None
) -> dict[str, Any]:
    columns: dict[str, Any] = {entry.name: rows[entry.name].array for entry in attributes}
    unknown = as_of_date < np.datetime64(since or date.min, "D")
    if not unknown.any():
        return columns
    known: dict[str, Any] = {}
    for entry in attributes:
        given = rows[entry.name].reset_index(drop=True)
        nullable = NULLABLE.get(str(given.dtype))
        values = given.astype(nullable).array if nullable else given if given.dtype.kind == "M" else given.array
        known[entry.name] = filled(emptied(values, unknown), unknown, entry, known)
    return known


def daily_event_columns(product: Product) -> tuple[str, ...]:
    """What user_daily needs of clean_events."""
    return ("user_id", "event_date", *event_columns(product))


def user_daily(user_day_grid: pd.DataFrame, clean_events: pd.DataFrame, *, product: Product) -> pd.DataFrame:
    """The grid with the product's measures of each day, zeros explicit; rows and their order are the grid's.

    Needs the events whose event_date is a day of the grid, landed up to lateness_days after it; and those of the day before
    it where a measure counts sessions across midnight. Events that no grid row takes are left out here; `unmatched_events`
    says which.
    """
    grid = user_day_grid.reset_index(drop=True)
    taken_by = _grid_rows_of(grid, clean_events)
    events = clean_events[list(event_columns(product))].take(np.flatnonzero(taken_by >= 0))
    row = taken_by[taken_by >= 0]
    # One fixed order, so that sums of floats do not depend on how the events were stored.
    tie = pd.factorize(events["event_id"], sort=True)[0] if events["event_id"].dtype != "int64" else events["event_id"]
    order = np.lexsort((np.asarray(tie), events["event_time"].to_numpy(), row))
    previous = previous_ends(clean_events, grid["user_id"], days_of(grid["as_of_date"]).astype("int64"), product)
    measures = DayEvents(events.take(order), row[order], len(grid), grid, product, previous).columns()
    return grid.assign(**measures, **{IS_ACTIVE: measures[TOTAL_EVENTS] > 0})


def unmatched_events(
    clean_events: pd.DataFrame,
    clean_users: pd.DataFrame,
    *,
    first_day: date,
    last_day: date,
    lateness_days: int,
    signup_lookahead_days: int = 0,
    users_are: UsersAre = "delivered",
) -> pd.DataFrame:
    """Events of the event days [first_day, last_day] for which the grid has no row, with the reason.

    Needs those days' events and every user version landed up to last_day + the larger of lateness_days and
    signup_lookahead_days; the latter only tells a user who signs up later from one nobody knows. Decided from the users,
    not from the grid, so that the conservation check compares two independent computations.
    """
    ahead = np.timedelta64(max(lateness_days, signup_lookahead_days), "D")
    versions = user_versions(clean_users, lateness_days, users_are)
    first = versions[~versions["user_id"].duplicated()]
    at = pd.Index(first["user_id"]).get_indexer(pd.Index(clean_events["user_id"]))
    known = at >= 0
    day = days_of(clean_events["event_date"])
    landed, signup, counts_from = (
        np.where(known, days_of(first[name])[at], FAR_FUTURE) if len(first) else np.full(len(day), FAR_FUTURE)
        for name in ("landed", "signup_date", "counts_from")
    )
    # A version landed after the day's window has closed is unknown to that day, however much was loaded. One landed
    # after its lateness takes no event of the day, since it counts from its landing.
    known = known & (landed <= day + ahead)
    too_early = known & (day < signup)
    matched = known & (day >= signup) & (day >= counts_from)
    asked = (day >= np.datetime64(first_day, "D")) & (day <= np.datetime64(last_day, "D"))
    unmatched = np.flatnonzero(asked & ~matched)
    codes: Any = np.where(too_early[unmatched], 1, 0)
    reason = pd.Categorical.from_codes(codes, categories=pd.Index(["unknown_user", "before_signup"]))
    return clean_events.take(unmatched).assign(reason=reason).reset_index(drop=True)


def _grid_rows_of(grid: pd.DataFrame, events: pd.DataFrame) -> Positions:
    """For each event the position of the grid row of its user and day, -1 where there is none."""
    if not len(grid):
        return np.full(len(events), -1)
    users = pd.Index(grid["user_id"].unique())
    days = days_of(grid["as_of_date"]).astype("int64")
    first, span = int(days.min()), int(days.max() - days.min()) + 1
    cell_row = np.full(len(users) * span, -1)
    cell_row[users.get_indexer(pd.Index(grid["user_id"])) * span + (days - first)] = np.arange(len(grid))
    user = users.get_indexer(pd.Index(events["user_id"]))
    day = days_of(events["event_date"]).astype("int64") - first
    inside = (user >= 0) & (day >= 0) & (day < span)
    return np.where(inside, cell_row[np.where(inside, user * span + day, 0)], -1)
