"""raw_events -> clean_events, quarantined_events, events_reconciliation. Local to an event_id."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.contracts.tables import KNOWN_EVENT_TYPES, SOURCE_COLUMNS
from churn_assets.transforms import parsing
from churn_assets.transforms.outcomes import (
    DUPLICATE,
    REASON_CODE,
    Cleaned,
    Outcomes,
    first_seen,
    landing_order,
    reconcile,
    same_payload,
)
from churn_assets.transforms.rules import CleaningRules

PAYLOAD = ["user_id", "event_time", "event_type", "course_id", "watch_minutes", "quiz_score", "amount"]
SCORED, PAID = ("quiz_attempt",), ("payment_success", "payment_failed")


def clean_events(raw_events: pd.DataFrame, *, first_day: date, last_day: date, rules: CleaningRules) -> Cleaned:
    """Events accepted on the landing days [first_day, last_day].

    Needs raw_events landed in [first_day - lateness_days, last_day]: the days before serve to know duplicates.
    Gives one row per accepted event, the rejected rows whole with their reason, and one reconciliation row per file.
    An event_id seen in a usable row landed up to lateness_days before is a duplicate, or a conflict if its payload
    differs; the first landed wins.
    """
    raw = landing_order(raw_events)
    outcome = Outcomes(len(raw))
    outcome.refuse_unreadable(raw, SOURCE_COLUMNS["events"])
    events, repairs = _typed(raw, outcome, rules)
    _judge_dates(events, outcome, rules)

    first = first_seen(events["event_id"], raw["landing_date"], outcome.valid, rules.lateness_days)
    copies = np.flatnonzero(first != np.arange(len(raw)))
    same = same_payload(events, PAYLOAD, copies, first[copies])
    outcome.code[copies] = np.where(same, DUPLICATE, REASON_CODE["conflict"])

    landed = raw["landing_date"].between(pd.Timestamp(first_day), pd.Timestamp(last_day)).to_numpy()
    rejected = landed & outcome.quarantined
    return Cleaned(
        accepted=events[landed & outcome.valid].reset_index(drop=True),
        quarantined=raw[rejected].assign(reason=outcome.reasons(rejected)).reset_index(drop=True),
        reconciliation=reconcile(raw, landed, outcome, repairs),
    )


def _typed(raw: pd.DataFrame, outcome: Outcomes, rules: CleaningRules) -> tuple[pd.DataFrame, dict[str, Any]]:
    def source(column: str) -> Any:
        return parsing.mapped(raw[column], rules.value_map(column))

    repairs: dict[str, Any] = {}
    event_id, id_repaired = parsing.ids(source("event_id"), rules.event_id_type)
    user_id, user_repaired = parsing.ids(source("user_id"), rules.user_id_type)
    repairs["id_written_as_decimal"] = id_repaired | user_repaired
    event_time = parsing.instants(source("event_time"), timestamp_format=rules.timestamp_format, zone=rules.source_zone)
    known = {name.casefold(): name for name in rules.event_types}
    event_type, type_changed = parsing.labels(source("event_type"), lambda v: _event_type(v, known), missing=None)
    course_id, course_changed = parsing.labels(source("course_id"), parsing.normalised, missing=None)
    repairs["text_normalised"] = type_changed | course_changed
    outcome.quarantine(parsing.is_missing(user_id), "bad_user_id")
    outcome.quarantine(parsing.is_missing(event_id), "bad_event_id")
    outcome.quarantine(event_time.isna(), "bad_event_time")
    outcome.quarantine(event_type.codes < 0, "bad_event_type")

    is_scored, is_paid = event_type.isin(SCORED), event_type.isin(PAID)
    is_known = event_type.isin(KNOWN_EVENT_TYPES)
    minutes, bad_minutes = parsing.numbers(source("watch_minutes"))
    score, bad_score = parsing.numbers(source("quiz_score"))
    amount, bad_amount = parsing.numbers(source("amount"))
    no_score, no_amount = is_known & ~is_scored, is_known & ~is_paid
    repairs["score_not_applicable"] = no_score & ~np.isnan(score)
    repairs["amount_not_applicable"] = no_amount & ~np.isnan(amount)
    repairs["minutes_missing"] = np.isnan(minutes)
    outcome.quarantine(bad_minutes | bad_score | bad_amount, "bad_number")
    score, amount = np.where(no_score, np.nan, score), np.where(no_amount, np.nan, amount)
    minutes = np.nan_to_num(minutes) + 0.0  # -0.0 becomes 0.0, so that equal payloads have equal bytes
    outcome.quarantine(minutes < 0, "negative_minutes")
    outcome.quarantine(is_scored & np.isnan(score), "quiz_without_score")
    with np.errstate(invalid="ignore"):
        outcome.quarantine((score < 0) | (score > 100), "score_out_of_range")
        outcome.quarantine(is_paid & (amount <= 0), "payment_not_positive")
    events = pd.DataFrame(
        {
            "event_id": event_id,
            "user_id": user_id,
            "event_time": event_time,
            "event_date": parsing.business_days(event_time, rules.business_zone),
            "event_type": event_type,
            "course_id": course_id,
            "watch_minutes": minutes,
            "quiz_score": score + 0.0,
            "amount": amount + 0.0,
            "landing_date": raw["landing_date"],
            "source_file": raw["source_file"],
            "source_row": raw["source_row"],
        },
        copy=False,
    )
    return events, repairs


def _judge_dates(events: pd.DataFrame, outcome: Outcomes, rules: CleaningRules) -> None:
    days_late = (events["landing_date"] - events["event_date"]).dt.days.to_numpy()
    outcome.quarantine(days_late < 0, "future")
    outcome.quarantine(days_late > rules.lateness_days, "too_late")


def _event_type(value: str, known: dict[str, str]) -> str | None:
    """A known type in any case is that type; any other is kept as it is."""
    name = parsing.normalised(value)
    return None if name is None else known.get(name.casefold(), name)
