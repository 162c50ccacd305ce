"""raw_users -> clean_users, quarantined_users, users_reconciliation. Local to a user_id."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.contracts.declared import quarantine_reasons
from churn_assets.product import Attribute
from churn_assets.transforms import parsing
from churn_assets.transforms.outcomes import (
    UNCHANGED,
    Cleaned,
    Outcomes,
    cleaned,
    first_seen,
    landing_order,
    same_payload,
)
from churn_assets.transforms.parsing import Bools
from churn_assets.transforms.paths import value_at
from churn_assets.transforms.rules import CleaningRules
from churn_assets.transforms.typed_values import Times, emptied, holds, typed, with_missing

EARLIEST_SIGNUP = pd.Timestamp("1970-01-01")
"""Dates before are placeholders of a source that knows none."""


def clean_users(raw_users: pd.DataFrame, *, first_day: date, last_day: date, rules: CleaningRules) -> Cleaned:
    """User versions landed on [first_day, last_day].

    Needs raw_users landed in [first_day - 1 day, last_day]: a row equal to the same user's row of the day before is
    unchanged and not stored. Of several rows of a user on one day the first landed is kept, copies are duplicates and
    differing ones quarantined. An attribute never costs a user: what is missing or unknown becomes so, and is counted.
    """
    raw = landing_order(raw_users)
    outcome = Outcomes(len(raw), quarantine_reasons(rules.product))
    outcome.refuse_unreadable(raw, rules.product.source_columns("users"))
    users, repairs = _typed(raw, outcome, rules)

    first = first_seen(users["user_id"], raw["landing_date"], outcome.valid, lookback_days=0)
    same = partial(same_payload, users, ["signup_date", *(entry.name for entry in rules.product.attributes)])
    outcome.judge_copies(first, same)
    today, yesterday = _consecutive(users, outcome)
    outcome.code[today[same(today, yesterday)]] = UNCHANGED
    return cleaned(raw, users, outcome, repairs, first_day, last_day)


def _typed(raw: pd.DataFrame, outcome: Outcomes, rules: CleaningRules) -> tuple[pd.DataFrame, dict[str, Any]]:
    def source(column: str) -> Any:
        return parsing.mapped(raw[column], rules.value_map(column))

    repairs: dict[str, Any] = {}
    user_id, repairs["id_written_as_decimal"] = parsing.ids(source("user_id"), rules.user_id_type)
    signup_date = parsing.days(
        source("signup_date"),
        timestamp_format=rules.timestamp_format,
        zone=rules.source_zone,
        timezone=rules.business_zone,
    )
    outcome.quarantine(parsing.is_missing(user_id), "bad_user_id")
    outcome.quarantine(~(signup_date >= EARLIEST_SIGNUP), "bad_signup_date")
    attributes: dict[str, Any] = {}
    for entry in rules.product.attributes:
        attributes[entry.name], repairs[entry.name] = _attribute(raw, entry, attributes, rules)
    users = pd.DataFrame(
        {
            "user_id": user_id,
            "signup_date": signup_date,
            **attributes,
            "landing_date": raw["landing_date"],
            "source_file": raw["source_file"],
            "source_row": raw["source_row"],
        },
        copy=False,
    )
    return users, repairs


def _attribute(raw: pd.DataFrame, entry: Attribute, above: dict[str, Any], rules: CleaningRules) -> tuple[Any, Bools]:
    """Its values, and where a missing, unknown or odd one was repaired. `above` are the attributes declared before it."""
    texts, is_nested = value_at(raw, rules.product.path_of(entry, "users"))
    times = Times(rules.timestamp_format, rules.source_zone, rules.business_zone)
    found = typed(parsing.mapped(texts, rules.value_map(entry.name)), entry, times)
    values, is_null, is_bad = found.values, found.is_null, found.is_bad | is_nested
    if entry.limits is not None:
        outside = np.asarray(
            pd.Series((values < entry.limits[0]) | (values > entry.limits[1])).fillna(False), dtype=bool
        )
        values, is_null, is_bad = emptied(values, outside), is_null | outside, is_bad | outside
    if entry.missing_if:
        meets = np.logical_and.reduce([holds(above[condition.key], condition) for condition in entry.missing_if])
        return np.where(is_null, meets, values.to_numpy(dtype=bool, na_value=False)), is_null
    if entry.missing is not None:
        return with_missing(values, is_null, entry.missing), found.changed | is_null
    return values, found.changed | is_bad


def _consecutive(users: pd.DataFrame, outcome: Outcomes) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Positions of accepted rows whose user also has an accepted row the day before, and of those rows."""
    rows = np.flatnonzero(outcome.valid)
    user = pd.factorize(users["user_id"].iloc[rows])[0]
    day = users["landing_date"].iloc[rows].to_numpy().astype("datetime64[D]").astype("int64")
    order = np.lexsort((day, user))
    rows, user, day = rows[order], user[order], day[order]
    follows = (user[1:] == user[:-1]) & (day[1:] == day[:-1] + 1)
    return rows[1:][follows], rows[:-1][follows]
