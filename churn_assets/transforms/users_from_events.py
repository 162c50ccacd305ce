"""clean_events -> clean_users, where nothing but events says who there is. Local to a user_id."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.product import Attribute, Product, Property
from churn_assets.product.reserved import VALID_FROM
from churn_assets.transforms import parsing
from churn_assets.transforms.attributes import within_limits
from churn_assets.transforms.rules import CleaningRules
from churn_assets.transforms.typed_values import Times, typed


def event_columns_of_users(product: Product) -> tuple[str, ...]:
    """What users are made of."""
    properties = dict.fromkeys(source.name for source in product.attribute_sources.values())
    return ("event_id", "user_id", "event_time", "event_date", *properties, "landing_date")


def users_from_events(clean_events: pd.DataFrame, *, rules: CleaningRules) -> pd.DataFrame:
    """One version for each user and day with events, of the events landed on one day.

    signup_date and valid_from are the events' day. An attribute is what the last of them that says something says of it, by
    event_time and event_id; null where none does.
    """
    day = clean_events["event_date"].to_numpy().astype("datetime64[D]").astype("int64")
    landed = clean_events["landing_date"].to_numpy().astype("datetime64[D]").astype("int64")
    user = pd.factorize(clean_events["user_id"])[0]
    event: npt.NDArray[Any] = pd.factorize(clean_events["event_id"], sort=True)[0]
    order = np.lexsort((event, clean_events["event_time"].to_numpy(), day, landed, user))
    events = clean_events.take(order).reset_index(drop=True)
    user, day, landed = user[order], day[order], landed[order]
    begins = np.ones(len(events), dtype=bool)
    begins[1:] = (user[1:] != user[:-1]) | (day[1:] != day[:-1]) | (landed[1:] != landed[:-1])
    first = np.flatnonzero(begins)
    return pd.DataFrame(
        {
            "user_id": events["user_id"].take(first).array,
            "signup_date": events["event_date"].take(first).array,
            VALID_FROM: events["event_date"].take(first).array,
            **{entry.name: _last_said(_values(events, entry, rules), first) for entry in rules.product.attributes},
            "landing_date": events["landing_date"].take(first).array,
        },
        copy=False,
    )


def _values(events: pd.DataFrame, entry: Attribute, rules: CleaningRules) -> Any:
    """An attribute as each event says it; null where it says nothing, or nothing of its type and limits."""
    source = rules.product.attribute_sources[entry.name]
    plain = entry.model_copy(update={"missing": None, "missing_if": ()})
    return within_limits(_typed(events[source.name], plain, source, rules), entry)


def _typed(given: pd.Series[Any], entry: Attribute, source: Property, rules: CleaningRules) -> Any:
    if source.type in ("label", "text"):
        return typed(given, entry, Times(rules.timestamp_format, rules.source_zone, rules.business_zone)).values
    if source.type == "time":
        return parsing.business_days(given, rules.business_zone)
    return given.to_numpy(dtype="float64", na_value=np.nan) if entry.type == "number" else given.array


def _last_said(values: Any, first: npt.NDArray[np.intp]) -> Any:
    """Of each group of rows, which begin at `first`, the last value that is not null."""
    column = pd.Series(values).array
    if not len(first):
        return column
    at = np.where(np.asarray(pd.isna(column)), -1, np.arange(len(column)))
    return column.take(np.maximum.reduceat(at, first), allow_fill=True)
