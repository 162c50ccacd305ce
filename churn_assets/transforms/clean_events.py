"""raw_events -> clean_events, quarantined_events, events_reconciliation. Local to an event_id."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.contracts.declared import quarantine_reasons, quarantining_limits
from churn_assets.product import Property
from churn_assets.product.entries import NUMERIC
from churn_assets.transforms import parsing
from churn_assets.transforms.outcomes import Cleaned, Outcomes, cleaned, first_seen, landing_order, same_payload
from churn_assets.transforms.parsing import Bools
from churn_assets.transforms.paths import ids, is_nested, value_at
from churn_assets.transforms.rules import CleaningRules
from churn_assets.transforms.typed_values import Times, Typed, emptied, typed, with_missing

BAD = {**dict.fromkeys(NUMERIC, "bad_number"), "flag": "bad_flag", "time": "bad_time"}
"""Reason by type for a value that is none of it."""


def clean_events(raw_events: pd.DataFrame, *, first_day: date, last_day: date, rules: CleaningRules) -> Cleaned:
    """Events accepted on the landing days [first_day, last_day].

    Needs raw_events landed in [first_day - lateness_days, last_day]: the days before serve to know duplicates.
    Gives one row per accepted event, the rejected rows whole with their reason, and one reconciliation row per file.
    An event_id seen in a usable row landed up to lateness_days before is a duplicate, or a conflict if its payload
    differs; the first landed wins.
    """
    raw = landing_order(raw_events)
    outcome = Outcomes(len(raw), quarantine_reasons(rules.product))
    outcome.refuse_unreadable(raw, rules.product.source_columns("events"))
    events, repairs = _typed(raw, outcome, rules)
    _judge_dates(events, outcome, rules)

    first = first_seen(events["event_id"], raw["landing_date"], outcome.valid, rules.lateness_days)
    payload = ["user_id", "event_time", "event_type", *(entry.name for entry in rules.product.properties)]
    outcome.judge_copies(first, partial(same_payload, events, payload))
    return cleaned(raw, events, outcome, repairs, first_day, last_day)


def _typed(raw: pd.DataFrame, outcome: Outcomes, rules: CleaningRules) -> tuple[pd.DataFrame, dict[str, Any]]:
    def source(column: str) -> Any:
        return rules.given(raw[column], column)

    event_id, id_repaired = ids(source("event_id"), rules.event_id_type)
    user_id, user_repaired = ids(source("user_id"), rules.user_id_type)
    event_time = parsing.instants(source("event_time"), timestamp_format=rules.timestamp_format, zone=rules.source_zone)
    vocabulary = (*rules.product.event_vocabulary, *rules.other_event_types)
    known = {name.casefold(): name for name in vocabulary}
    event_type, type_changed = parsing.labels(source("event_type"), lambda v: _event_type(v, known), missing=None)
    outcome.quarantine(parsing.is_missing(user_id), "bad_user_id")
    outcome.quarantine(parsing.is_missing(event_id), "bad_event_id")
    outcome.quarantine(event_time.isna(), "bad_event_time")
    outcome.quarantine((event_type.codes < 0) | is_nested(source("event_type")), "bad_event_type")
    repairs: dict[str, Any] = {"id_written_as_decimal": id_repaired | user_repaired, "text_normalised": type_changed}
    properties = _properties(raw, event_type, outcome, repairs, rules)
    events = pd.DataFrame(
        {
            "event_id": event_id,
            "user_id": user_id,
            "event_time": event_time,
            "event_date": parsing.business_days(event_time, rules.business_zone),
            "event_type": event_type,
            **properties,
            "landing_date": raw["landing_date"],
            "source_file": raw["source_file"],
            "source_row": raw["source_row"],
        },
        copy=False,
    )
    return events, repairs


def _properties(
    raw: pd.DataFrame, event_type: pd.Categorical, outcome: Outcomes, repairs: dict[str, Any], rules: CleaningRules
) -> dict[str, Any]:
    """The declared properties, typed. Reasons and repairs of each are noted; of several reasons a row gets the first."""
    product, times = rules.product, Times(rules.timestamp_format, rules.source_zone, rules.business_zone)
    is_type = {event.name: np.asarray(event_type == event.name) for event in product.event_types}
    found: dict[str, Typed] = {}
    for entry in product.properties:
        texts, nested = value_at(raw, product.path_of(entry, "events"), entry.type)
        found[entry.name] = typed(rules.given(texts, entry.name), entry, times)
        repairs["text_normalised"] = repairs["text_normalised"] | found[entry.name].changed
        is_bad = found[entry.name].is_bad | nested
        if entry.bad == "quarantine":
            outcome.quarantine(is_bad, BAD.get(entry.type, "bad_value")) if is_bad.any() else None
        elif is_bad.any():
            repairs[entry.named("bad")] = is_bad
    values: dict[str, Any] = {}
    for entry in product.properties:
        values[entry.name] = _kept(entry, found[entry.name], is_type, outcome, repairs, rules)
    for event in product.event_types:
        for name in event.needs:
            outcome.quarantine(
                is_type[event.name] & (found[name].is_null | _is_null(values[name])), event.without(name)
            )
    for event in product.event_types:
        for name in event.positive:
            outcome.quarantine(is_type[event.name] & _at_most_zero(values[name]), event.not_positive(name))
    return values


def _kept(
    entry: Property,
    found: Typed,
    is_type: dict[str, Bools],
    outcome: Outcomes,
    repairs: dict[str, Any],
    rules: CleaningRules,
) -> Any:
    """Values of a property where they mean something and keep its limits, its default where they are missing."""
    not_kept = [is_type[e.name] for e in rules.product.event_types if e.keeps is not None and entry.name not in e.keeps]
    not_applicable = (
        np.logical_or.reduce(not_kept) & ~found.is_null if not_kept else np.zeros(len(found.is_null), dtype=bool)
    )
    if not_kept:
        repairs[entry.named("not_applicable")] = not_applicable
    values, is_null = emptied(found.values, not_applicable), found.is_null | not_applicable
    if entry.limits is not None:
        outside = _outside(values, entry.limits)
        if quarantining_limits(entry) is not None:
            outcome.quarantine(outside, entry.named("out_of_range"))
        else:
            values, is_null = emptied(values, outside), is_null | outside
            repairs[entry.named("bad")] = repairs.get(entry.named("bad"), False) | outside
    if entry.missing is None:
        return values
    repairs[entry.named("missing")] = is_null
    return with_missing(values, is_null, entry.missing)


def _outside(values: Any, limits: tuple[float, float]) -> Bools:
    numbers = pd.Series(values)
    return np.asarray(((numbers < limits[0]) | (numbers > limits[1])).fillna(False), dtype=bool)


def _at_most_zero(values: Any) -> Bools:
    return np.asarray((pd.Series(values) <= 0).fillna(False), dtype=bool)


def _is_null(values: Any) -> Bools:
    return np.asarray(pd.isna(values))


def _judge_dates(events: pd.DataFrame, outcome: Outcomes, rules: CleaningRules) -> None:
    days_late = (events["landing_date"] - events["event_date"]).dt.days.to_numpy()
    outcome.quarantine(days_late < 0, "future")
    outcome.quarantine(days_late > rules.lateness_days, "too_late")


def _event_type(value: str, known: dict[str, str]) -> str | None:
    """A known type in any case is that type; any other is kept as it is."""
    name = parsing.normalised(value)
    return None if name is None else known.get(name.casefold(), name)
