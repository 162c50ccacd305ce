"""churn_labels once more in plain Python, of each kind, one user and day at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from churn_assets.label_settings import LabelSettings

Row = dict[str, Any]
ONE = timedelta(days=1)


@dataclass(frozen=True)
class Event:
    """An event that has landed. `paid_until` is a day of the business calendar."""

    at: datetime
    id: int
    day: date
    type: str
    paid_until: date | None = None


def between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


@dataclass(frozen=True)
class Person:
    """One user on one day, and what can be known about the days around it."""

    day: date
    signup: date
    published: Collection[date]
    calendar_start: date
    rules: LabelSettings
    part_days: Collection[tuple[date, str, str]] = ()
    """Days on which the user had an event of a part: (day, property, value)."""

    def ahead(self) -> list[date]:
        rules = self.rules
        reach = rules.horizon_days + (rules.grace_days if rules.kind == "lapse" else 0)
        return between(self.day + ONE, self.day + timedelta(days=reach))

    def begin(self) -> date:
        return max(self.signup, self.calendar_start)

    def is_out(self, at: date) -> bool:
        """Whether the day is in an outage that concerns the user."""
        lookback = timedelta(days=self.rules.at_risk_days - 1)
        return any(
            outage.first <= at <= (outage.last or date.max)
            and (
                outage.part is None
                or any(
                    (name, value) == outage.part and min(self.day, outage.first) - lookback <= on <= self.day
                    for on, name, value in self.part_days
                )
            )
            for outage in self.rules.outages
        )

    def reason(self) -> str | None:
        missing = [at for at in self.ahead() if at not in self.published]
        if any(self.is_out(at) for at in self.ahead()):
            return "source_outage"
        if any(later in self.published for at in missing for later in self.ahead() if later > at):
            return "missing_day"
        return "horizon_incomplete" if missing else None

    def missing_since(self, first: date) -> bool:
        return any(at not in self.published for at in between(first, self.day))

    def out_since(self, first: date) -> bool:
        return any(self.is_out(at) for at in between(first, self.day))

    def row(
        self, is_at_risk: bool | None, churned: bool, is_churn: Callable[[date], bool], reason: str | None, **more: Any
    ) -> Row:
        """`is_churn` says of a day whether a churn happens on it; it is asked for days that can be judged, in order."""
        rules = self.rules
        takes = {"silence": (rules.silence_days or rules.horizon_days) - 1, "event": 0, "lapse": rules.grace_days}
        until, followed = None, 0
        for number, at in enumerate(self.ahead(), start=1):
            needed = between(self.day + ONE, at + timedelta(days=takes[rules.kind]))
            if until or not {*self.ahead()}.issuperset(needed) or any(day not in self.published for day in needed):
                break
            until, followed = number if is_churn(at) else None, number
        is_hidden = reason == "source_outage" or (not rules.partial_follow_up and reason is not None)
        return {
            "is_at_risk": is_at_risk,
            **{name: value if reason is None else None for name, value in more.items()},
            f"churned_{rules.horizon_days}d": churned if reason is None else None,
            "days_until_churn": None if is_hidden else until,
            "days_followed": None if is_hidden else followed,
            "censor_reason": reason,
        }


def silence(person: Person, active: Collection[date]) -> Row:
    """`active` are the user's active days."""
    rules, day = person.rules, person.day
    past = between(day - timedelta(days=rules.at_risk_days - 1), day)
    since = max(past[0], person.begin())
    unseen = person.missing_since(since) or person.out_since(since)
    seen_active = any(at in active for at in past)
    future = sum(at in active for at in person.ahead())
    length = rules.silence_days or rules.horizon_days

    def falls_silent(at: date) -> bool:
        return not any(later in active for later in between(at, at + timedelta(days=length - 1)))

    at_risk = True if seen_active else None if unseen else False
    return person.row(at_risk, future == 0, falls_silent, person.reason(), future_active_days=future)


def event(person: Person, events: Iterable[Event], meets: bool) -> Row:
    """`meets`: whether the user's attributes meet the conditions, where they say who is at risk."""
    rules, day = person.rules, person.day
    events = [one for one in events if one.day >= person.begin()]
    churns = {one.day for one in events if one.type in rules.event}
    at_risk: bool | None = meets
    if rules.starts:
        heard = [one for one in events if one.type in (*rules.event, *rules.starts) and one.day <= day]
        last = max(heard, key=lambda one: (one.at, one.id), default=None)
        since = last.day if last else person.begin()
        at_risk = last is not None and last.type in rules.starts
        if person.missing_since(since) or person.out_since(since):
            at_risk = None
    churned = any(at in churns for at in person.ahead())
    return person.row(at_risk, churned, lambda at: at in churns, person.reason())


def lapse_by_renewals(person: Person, events: Iterable[Event]) -> Row:
    rules, day = person.rules, person.day
    renewals = [
        one
        for one in events
        if one.type in rules.renewal_events and one.paid_until is not None and one.day >= person.begin()
    ]

    def paid_through(at: date) -> date:
        return max((one.paid_until for one in renewals if one.day <= at and one.paid_until), default=date.min)

    since = max((one.day for one in renewals if one.day <= day), default=person.begin())
    return _lapse(person, paid_through, out=person.out_since(since), missing=person.missing_since(since))


def lapse_by_attribute(person: Person, until: Callable[[date], date | None]) -> Row:
    """`until`: what the attribute says as of a day."""
    return _lapse(person, lambda at: until(at) or date.min, out=False, missing=False)


def _lapse(person: Person, paid_through: Callable[[date], date], *, out: bool, missing: bool) -> Row:
    rules, day = person.rules, person.day
    grace, horizon = timedelta(days=rules.grace_days), timedelta(days=rules.horizon_days)

    def ends_unpaid(at: date) -> bool:
        return all(paid_through(known) <= at for known in between(at, at + grace))

    def lapses(at: date) -> bool:
        return ends_unpaid(at) and not ends_unpaid(at - ONE)

    reason = person.reason()
    if out or reason == "source_outage":
        reason = "source_outage"
    elif missing:
        reason = "missing_day"
    at_risk = None if out or missing else day < paid_through(day) <= day + horizon
    churned = any(lapses(at) for at in between(day + ONE, day + horizon)) if reason is None else False
    row = person.row(at_risk, churned, lapses, reason)
    if out or missing:
        row |= {"days_until_churn": None, "days_followed": None}
    return row
