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
from churn_assets.product.reserved import VALID_FROM
from churn_assets.transforms import parsing
from churn_assets.transforms.attributes import filled, outside_limits
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
from churn_assets.transforms.paths import ids, value_at
from churn_assets.transforms.rules import CleaningRules
from churn_assets.transforms.typed_values import Times, emptied, typed

EARLIEST_SIGNUP = pd.Timestamp("1970-01-01")
"""Dates before are placeholders of a source that knows none."""


def clean_users(raw_users: pd.DataFrame, *, first_day: date, last_day: date, rules: CleaningRules) -> Cleaned:
    """User versions landed on [first_day, last_day].

    Needs raw_users landed in [first_day - 1 day, last_day]: a row equal to the same user's row of the day before is
    unchanged and not stored. Of several rows of a user on one day the first landed is kept, copies are duplicates and
    differing ones quarantined. Where versions are dated, all this goes for the rows of a user that are valid from one day.
    An attribute never costs a user: what is missing or unknown becomes so, and is counted.
    """
    raw = landing_order(raw_users)
    outcome = Outcomes(len(raw), quarantine_reasons(rules.product))
    outcome.refuse_unreadable(raw, rules.product.source_columns("users"))
    users, repairs = _typed(raw, outcome, rules)

    version = _version(users, rules)
    first = first_seen(version, raw["landing_date"], outcome.valid, lookback_days=0)
    same = partial(same_payload, users, ["signup_date", *(entry.name for entry in rules.product.attributes)])
    outcome.judge_copies(first, same)
    today, yesterday = _consecutive(version, users["landing_date"], outcome)
    outcome.code[today[same(today, yesterday)]] = UNCHANGED
    return cleaned(raw, users, outcome, repairs, first_day, last_day)


def _typed(raw: pd.DataFrame, outcome: Outcomes, rules: CleaningRules) -> tuple[pd.DataFrame, dict[str, Any]]:
    def source(column: str) -> Any:
        return rules.given(raw[column], column)

    repairs: dict[str, Any] = {}
    user_id, repairs["id_written_as_decimal"] = ids(source("user_id"), rules.user_id_type)
    days = partial(
        parsing.days,
        timestamp_format=rules.timestamp_format,
        zone=rules.source_zone,
        timezone=rules.business_zone,
    )
    signup_date = days(source("signup_date"))
    outcome.quarantine(parsing.is_missing(user_id), "bad_user_id")
    outcome.quarantine(~(signup_date >= EARLIEST_SIGNUP), "bad_signup_date")
    dated: dict[str, Any] = {}
    if rules.product.users_are == "dated":
        dated[VALID_FROM] = days(source(VALID_FROM))
        outcome.quarantine(dated[VALID_FROM].isna(), "bad_valid_from")
    attributes: dict[str, Any] = {}
    for entry in rules.product.attributes:
        attributes[entry.name], repairs[entry.name] = _attribute(raw, entry, attributes, rules)
    users = pd.DataFrame(
        {
            "user_id": user_id,
            "signup_date": signup_date,
            **dated,
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
    texts, is_nested = value_at(raw, rules.product.path_of(entry, "users"), entry.type)
    times = Times(rules.timestamp_format, rules.source_zone, rules.business_zone)
    found = typed(rules.given(texts, entry.name), entry, times)
    values, is_null, is_bad = found.values, found.is_null, found.is_bad | is_nested
    outside = outside_limits(values, entry)
    values, is_null, is_bad = emptied(values, outside), is_null | outside, is_bad | outside
    whole = filled(values, is_null, entry, above)
    if entry.missing_if:
        return whole, is_null
    return whole, found.changed | (is_bad if entry.missing is None else is_null)


def _version(users: pd.DataFrame, rules: CleaningRules) -> pd.Series[Any]:
    """What a row is a version of, within its landing day: the user, and the day from which it is valid where it is dated."""
    if rules.product.users_are != "dated":
        return users["user_id"]
    return users.groupby(["user_id", VALID_FROM], dropna=False, sort=False).ngroup()


def _consecutive(
    version: pd.Series[Any], landed: pd.Series[Any], outcome: Outcomes
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Positions of accepted rows whose version also has an accepted row the day before, and of those rows."""
    rows = np.flatnonzero(outcome.valid)
    user = pd.factorize(version.iloc[rows])[0]
    day = landed.iloc[rows].to_numpy().astype("datetime64[D]").astype("int64")
    order = np.lexsort((day, user))
    rows, user, day = rows[order], user[order], day[order]
    follows = (user[1:] == user[:-1]) & (day[1:] == day[:-1] + 1)
    return rows[1:][follows], rows[:-1][follows]
