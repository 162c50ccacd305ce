"""raw_users -> clean_users, quarantined_users, users_reconciliation. Local to a user_id."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.contracts.tables import (
    SOURCE_COLUMNS,
    UNKNOWN_COUNTRY,
    UNKNOWN_MARKETING_SOURCE,
    UNKNOWN_PLAN,
)
from churn_assets.transforms import parsing
from churn_assets.transforms.outcomes import (
    DUPLICATE,
    REASON_CODE,
    UNCHANGED,
    Cleaned,
    Outcomes,
    first_seen,
    landing_order,
    reconcile,
    same_payload,
)
from churn_assets.transforms.rules import CleaningRules

PAYLOAD = ["signup_date", "plan", "is_paid", "country", "marketing_source"]
UNPAID_PLANS = ("free", "trial", UNKNOWN_PLAN)
EARLIEST_SIGNUP = pd.Timestamp("1970-01-01")
"""Dates before are placeholders of a source that knows none."""
NAMIBIA = {"na"}
"""A country's code (ISO 3166), although elsewhere the word means "not available"."""


def clean_users(raw_users: pd.DataFrame, *, first_day: date, last_day: date, rules: CleaningRules) -> Cleaned:
    """User versions landed on [first_day, last_day].

    Needs raw_users landed in [first_day - 1 day, last_day]: a row equal to the same user's row of the day before is
    unchanged and not stored. Of several rows of a user on one day the first landed is kept, copies are duplicates and
    differing ones quarantined. An attribute never costs a user: what is missing or unknown becomes so, and is counted.
    """
    raw = landing_order(raw_users)
    outcome = Outcomes(len(raw))
    outcome.refuse_unreadable(raw, SOURCE_COLUMNS["users"])
    users, repairs = _typed(raw, outcome, rules)

    first = first_seen(users["user_id"], raw["landing_date"], outcome.valid, lookback_days=0)
    copies = np.flatnonzero(first != np.arange(len(raw)))
    same = same_payload(users, PAYLOAD, copies, first[copies])
    outcome.code[copies] = np.where(same, DUPLICATE, REASON_CODE["conflict"])

    today, yesterday = _consecutive(users, outcome)
    unchanged = same_payload(users, PAYLOAD, today, yesterday)
    outcome.code[today[unchanged]] = UNCHANGED

    landed = raw["landing_date"].between(pd.Timestamp(first_day), pd.Timestamp(last_day)).to_numpy()
    rejected = landed & outcome.quarantined
    return Cleaned(
        accepted=users[landed & outcome.valid].reset_index(drop=True),
        quarantined=raw[rejected].assign(reason=outcome.reasons(rejected)).reset_index(drop=True),
        reconciliation=reconcile(raw, landed, outcome, repairs),
    )


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

    plan, repairs["plan"] = parsing.labels(source("plan"), lambda v: _plan(v, rules.plans), missing=UNKNOWN_PLAN)
    country, repairs["country"] = parsing.labels(source("country"), _country, missing=UNKNOWN_COUNTRY)
    marketing_source, repairs["marketing_source"] = parsing.labels(
        source("marketing_source"), _attribute, missing=UNKNOWN_MARKETING_SOURCE
    )
    said, _ = parsing.labels(source("is_paid"), _truth, missing=None)
    repairs["is_paid"] = np.asarray(said.codes < 0)
    is_paid = np.where(said.codes < 0, ~plan.isin(UNPAID_PLANS), said == "true")
    users = pd.DataFrame(
        {
            "user_id": user_id,
            "signup_date": signup_date,
            "plan": plan,
            "is_paid": is_paid.astype(bool),
            "country": country,
            "marketing_source": marketing_source,
            "landing_date": raw["landing_date"],
            "source_file": raw["source_file"],
            "source_row": raw["source_row"],
        },
        copy=False,
    )
    return users, repairs


def _consecutive(users: pd.DataFrame, outcome: Outcomes) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Positions of accepted rows whose user also has an accepted row the day before, and of those rows."""
    rows = np.flatnonzero(outcome.valid)
    user = pd.factorize(users["user_id"].iloc[rows])[0]
    day = users["landing_date"].iloc[rows].to_numpy().astype("datetime64[D]").astype("int64")
    order = np.lexsort((day, user))
    rows, user, day = rows[order], user[order], day[order]
    follows = (user[1:] == user[:-1]) & (day[1:] == day[:-1] + 1)
    return rows[1:][follows], rows[:-1][follows]


def _attribute(value: str) -> str | None:
    text = (parsing.normalised(value) or "").lower()
    return None if text in parsing.MISSING_WORDS else parsing.normalised(text)


def _plan(value: str, plans: tuple[str, ...]) -> str | None:
    plan = _attribute(value)
    return plan if plan in plans else None


def _country(value: str) -> str | None:
    text = (parsing.normalised(value) or "").upper()
    return None if text.lower() in parsing.MISSING_WORDS - NAMIBIA else parsing.normalised(text)


def _truth(value: str) -> str | None:
    word = value.strip().lower()
    return "true" if word in parsing.TRUE_WORDS else "false" if word in parsing.FALSE_WORDS else None
