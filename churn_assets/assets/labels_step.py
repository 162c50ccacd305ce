"""The step of churn_labels: what each kind of churn is read from, in which window, and the transform it calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from churn_assets import transforms
from churn_assets.assets.step import Compute, Inputs, Step
from churn_assets.calendar import SAME_DAY, DayRange, Window
from churn_assets.product.measures import IS_ACTIVE, TOTAL_EVENTS
from churn_assets.settings import Settings
from churn_assets.warehouse.selection import Selection

Reads = dict[str, Window]
Selects = dict[str, Selection]
USER_DAY = ("user_id", "as_of_date")
EVENT_DAY = ("user_id", "event_date")


def labels_step(settings: Settings) -> Step:
    rules = settings.labels
    reads, selects, compute = _KINDS[rules.kind](settings)
    if rules.outage_parts:
        of_parts = Window(back=rules.part_lookback_days, ahead=settings.lateness_days)
        reads["clean_events"] = _reaching_back(reads.get("clean_events", of_parts), of_parts.back)
        for name, values in rules.outage_parts.items():
            selects[_by(name)] = Selection((*EVENT_DAY, name), of="clean_events", window=of_parts, among=(name, values))
    return Step(
        name="churn_labels",
        description="Who is at risk, and who churns afterwards. Computed again when the horizon has closed.",
        group="learning",
        outputs=("churn_labels",),
        reads=reads,
        selects=selects,
        compute=compute,
        sized_by="user_day_grid",
        bucket_by="user_id",
        outcome=rules.churned_column,
        # The calendar's start too: a day before it is not missing.
        parameters=(rules, settings.start_date),
    )


def _silence(settings: Settings) -> tuple[Reads, Selects, Compute]:
    rules = settings.labels
    measures = () if TOTAL_EVENTS in rules.activity else rules.activity
    reads = {
        "user_day_grid": SAME_DAY,
        "user_daily": Window(rules.at_risk_days - 1, rules.reach_days, closes=not rules.partial_follow_up),
    }
    selects = {
        "user_day_grid": Selection((*USER_DAY, "signup_date")),
        "user_daily": Selection((*USER_DAY, *measures), only=IS_ACTIVE),
    }

    def compute(inputs: Inputs, days: DayRange) -> tuple[pd.DataFrame, ...]:
        labels = transforms.churn_labels(
            inputs["user_day_grid"],
            inputs["user_daily"],
            **_asked(settings, inputs, days),
        )
        return (labels,)

    return reads, selects, compute


def _event(settings: Settings) -> tuple[Reads, Selects, Compute]:
    rules = settings.labels
    reads = {"user_day_grid": SAME_DAY, "clean_events": _events_window(settings, back=None if rules.starts else 0)}
    attributes = tuple(dict.fromkeys(condition.key for condition in rules.at_risk))
    types = (*rules.event, *rules.starts)
    columns = (*EVENT_DAY, "event_time", "event_id", "event_type")
    selects = {
        "user_day_grid": Selection((*USER_DAY, "signup_date", *attributes)),
        "clean_events": Selection(columns, among=("event_type", types)),
    }

    def compute(inputs: Inputs, days: DayRange) -> tuple[pd.DataFrame, ...]:
        labels = transforms.churn_labels_by_event(
            inputs["user_day_grid"],
            inputs["clean_events"],
            **_asked(settings, inputs, days),
        )
        return (labels,)

    return reads, selects, compute


def _lapse(settings: Settings) -> tuple[Reads, Selects, Compute]:
    rules, table, paid_until = settings.labels, settings.labels.followed_table, str(settings.labels.paid_until)
    of_users = Selection((*USER_DAY, "signup_date"), window=SAME_DAY)
    if rules.renewal_events:
        reads = {"user_day_grid": SAME_DAY, table: _events_window(settings, back=None)}
        terms = Selection((*EVENT_DAY, paid_until), of=table, among=("event_type", rules.renewal_events))
    else:
        reads = {table: Window(ahead=rules.reach_days, closes=not rules.partial_follow_up)}
        terms = Selection((*USER_DAY, paid_until), of=table)

    def compute(inputs: Inputs, days: DayRange) -> tuple[pd.DataFrame, ...]:
        labels = transforms.churn_labels_by_lapse(
            inputs["user_day_grid"],
            inputs["terms"],
            **_asked(settings, inputs, days),
            timezone=settings.timezone,
        )
        return (labels,)

    return reads, {"user_day_grid": of_users, "terms": terms}, compute


_KINDS: Mapping[str, Callable[[Settings], tuple[Reads, Selects, Compute]]] = {
    "silence": _silence,
    "event": _event,
    "lapse": _lapse,
}


def _events_window(settings: Settings, back: int | None) -> Window:
    """Landing days of the events that a label depends on: late ones too, up to its day and in what it looks at."""
    rules, late = settings.labels, settings.lateness_days
    return Window(back, rules.reach_days + late, closes=not rules.partial_follow_up, late=late)


def _reaching_back(window: Window, back: int | None) -> Window:
    return replace(window, back=None if window.back is None or back is None else max(window.back, back))


def _by(name: str) -> str:
    """The selection of the events that have one of the values of a property which outages name."""
    return f"clean_events by {name}"


def _asked(settings: Settings, inputs: Inputs, days: DayRange) -> dict[str, Any]:
    """What every kind is given."""
    part_events: dict[str, pd.DataFrame] = {name: inputs[_by(name)] for name in settings.labels.outage_parts}
    return {
        "part_events": part_events,
        "first_day": days.first,
        "last_day": days.last,
        "published": inputs.published[settings.labels.followed_table],
        "calendar_start": settings.calendar_start,
        "rules": settings.labels,
    }
