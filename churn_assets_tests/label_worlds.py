"""Made-up users with events, attributes and days that are not in, and their labels: through the step's own windows, and by oracle."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from hypothesis import strategies as st

import oracles_labels
from churn_assets.assets.labels_step import labels_step
from churn_assets.assets.step import Inputs, Selection, Step
from churn_assets.calendar import DayRange, Horizon
from churn_assets.contracts.base import Column, Kind
from churn_assets.contracts.labels import churn_labels_contract
from churn_assets.label_settings import LabelSettings, Outage
from churn_assets.settings import Settings
from churn_assets.warehouse.gate import admit
from oracles_labels import Event, Person, Row

START = date(2026, 1, 1)
END = 20
"""The calendar's days are 1..20."""
LATENESS = 2
ZONE = "Europe/Berlin"
EVENT_COLUMNS = [
    "user_id",
    "event_date",
    "event_time",
    "event_id",
    "event_type",
    "paid_until",
    "device",
    "landing_date",
]
DAYS_OF = {"clean_events": "landing_date", "user_day_grid": "as_of_date", "user_daily": "as_of_date"}


def day(number: int) -> date:
    """The day of that number, counted from 1."""
    return START + timedelta(days=number - 1)


@dataclass(frozen=True)
class Happening:
    """An event of a user on a day and hour (UTC), landing `late` days after. `paid_days`: how far ahead it is paid."""

    user: int
    day: int
    type: str
    hour: int = 12
    late: int = 0
    paid_days: int | None = None
    device: str | None = None

    @property
    def instant(self) -> datetime:
        return datetime.combine(day(self.day), time(self.hour))

    @property
    def paid_until(self) -> datetime | None:
        return None if self.paid_days is None else self.instant + timedelta(days=self.paid_days)


def business_day(instant: datetime) -> date:
    return instant.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(ZONE)).date()


@dataclass(frozen=True)
class World:
    """Users by signup day; `attributes` are by user the days from which on a plan and a renewal day count."""

    rules: LabelSettings
    signups: Mapping[int, int]
    happenings: tuple[Happening, ...] = ()
    attributes: Mapping[int, Mapping[int, tuple[str | None, int | None]]] = field(default_factory=dict)
    missing: frozenset[int] = frozenset()
    last: int = END

    @cached_property
    def published(self) -> list[date]:
        return [day(number) for number in range(1, self.last + 1) if number not in self.missing]

    @cached_property
    def settings(self) -> Settings:
        """Not validated: the rules use names of a product that is none."""
        return Settings.model_construct(labels=self.rules, start_date=START, lateness_days=LATENESS, timezone=ZONE)

    @cached_property
    def step(self) -> Step:
        return labels_step(self.settings)

    @cached_property
    def landed(self) -> list[tuple[int, Happening]]:
        """With their ids. What lands on a day that is not in has not happened as far as anyone knows."""
        numbered = enumerate(self.happenings, start=1)
        return [(number, one) for number, one in numbered if day(one.day + one.late) in set(self.published)]

    def attribute(self, user: int, at: date) -> tuple[str | None, int | None]:
        of_user = self.attributes.get(user, {})
        known = [number for number in of_user if day(number) <= at]
        return of_user[max(known)] if known else (None, None)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        events = pd.DataFrame(
            [
                (
                    *(one.user, business_day(one.instant), one.instant, number, one.type, one.paid_until, one.device),
                    day(one.day + one.late),
                )
                for number, one in self.landed
            ],
            columns=EVENT_COLUMNS,
        )
        grid = pd.DataFrame(
            [
                (user, at, day(signup), plan, until and day(until))
                for user, signup in self.signups.items()
                for at in self.published
                if at >= day(signup)
                for plan, until in [self.attribute(user, at)]
            ],
            columns=["user_id", "as_of_date", "signup_date", "plan", "renews_on"],
        )
        counts = events.groupby(["user_id", "event_date"]).size().to_dict()
        daily = grid[["user_id", "as_of_date"]].assign(
            total_events=[
                counts.get((user, at), 0) for user, at in zip(grid["user_id"], grid["as_of_date"], strict=True)
            ]
        )
        tables = {
            "clean_events": events,
            "user_day_grid": grid,
            "user_daily": daily.assign(is_active=daily["total_events"] > 0),
        }
        return {name: typed(table) for name, table in tables.items()}

    def loaded(self, days: DayRange, shuffle: random.Random | None, hashed_only: bool) -> Inputs:
        """What the step loads for `days`. `hashed_only`: no rows but those that the input hash of the (one) day covers."""
        whole = {
            table: Selection() for table in self.step.reads if table not in {p.of for p in self.step.selects.values()}
        }
        frames = {}
        for name, part in {**whole, **self.step.selects}.items():
            table = part.of or name
            window = (part.window or self.step.reads[table]).of(days, START)
            frame = self.tables[table]
            if hashed_only:
                window = DayRange(window.first, min(window.last, self.hashed_until(table, days.first)))
            chosen = frame[within(frame[DAYS_OF[table]], window)]
            if part.only:
                chosen = chosen[chosen[part.only]]
            if part.among:
                chosen = chosen[chosen[part.among[0]].isin(part.among[1])]
            if shuffle:
                chosen = chosen.sample(frac=1, random_state=shuffle.randint(0, 99))
            frames[name] = chosen[list(part.columns or chosen)].reset_index(drop=True)
        published = {
            table: [at for at in self.published if at in window.of(days, START)]
            for table, window in self.step.reads.items()
        }
        return Inputs(frames, published)

    def hashed_until(self, table: str, at: date) -> date:
        window = self.step.reads[table]
        is_open = window.closes and window.horizon(at, self.published) is not Horizon.CLOSED
        return at + timedelta(days=window.late if is_open else window.ahead)

    def table(
        self, first: int, last: int, *, shuffle: random.Random | None = None, hashed_only: bool = False
    ) -> pd.DataFrame:
        """The labels of the days, from what the step loads for them, as they would be published."""
        days = DayRange(day(first), day(last))
        (made,) = self.step.compute(self.loaded(days, shuffle, hashed_only), days)
        contract = churn_labels_contract(Column("user_id", Kind.INTEGER, "User"), self.rules)
        labels = contract.typed(made)
        admit(contract, labels, days)
        return labels

    def expected(self, user: int, at: date) -> Row:
        events = [
            Event(one.instant, number, business_day(one.instant), one.type, until and business_day(until))
            for number, one in self.landed
            if one.user == user
            for until in [one.paid_until]
        ]
        parts = [(business_day(one.instant), "device", one.device or "") for _, one in self.landed if one.user == user]
        person = Person(at, day(self.signups[user]), set(self.published), START, self.rules, parts)
        if self.rules.kind == "silence":
            return oracles_labels.silence(
                person, {one.day for one in events} & {at for at in self.published if at >= person.signup}
            )
        if self.rules.kind == "event":
            plan = self.attribute(user, at)[0]
            meets = all((plan in one.values) != one.negated for one in self.rules.at_risk)
            return oracles_labels.event(person, events, meets)
        if self.rules.renewal_events:
            return oracles_labels.lapse_by_renewals(person, events)
        in_grid = set(self.published)

        def renews_on(known: date) -> date | None:
            until = self.attribute(user, known)[1] if known in in_grid else None
            return until and day(until)

        return oracles_labels.lapse_by_attribute(person, renews_on)


def within(days: pd.Series[Any], range_: DayRange) -> pd.Series[bool]:
    return days.between(pd.Timestamp(range_.first), pd.Timestamp(range_.last))


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Days and instants as datetime64[us], labels as categories."""
    types: dict[str, Any] = {"user_id": "int64", "event_id": "int64", "total_events": "int64", "is_active": "bool"}
    labels = {"event_type", "device", "plan"}
    instants = {"event_date", "event_time", "paid_until", "landing_date", "as_of_date", "signup_date", "renews_on"}
    return pd.DataFrame(
        {
            name: frame[name].astype(
                types.get(name)
                or ("category" if name in labels else "datetime64[us]" if name in instants else "object")
            )
            for name in frame
        }
    )


def one_user(rules: LabelSettings, happenings: Iterable[Happening] = (), **world: Any) -> World:
    return World(rules, {1: 1}, tuple(happenings), **world)


# --- any world ---

DAY = st.integers(1, END)
USERS = st.integers(1, 3)
happenings = st.builds(
    Happening,
    *(USERS, st.integers(-2, END)),
    type=st.sampled_from(["subscribe", "cancel", "renew", "login"]),
    hour=st.sampled_from([0, 12, 12, 23]),
    late=st.integers(0, LATENESS),
    paid_days=st.none() | st.integers(-3, 9),
    device=st.sampled_from([None, "ios"]),
)
attributes = st.dictionaries(
    USERS,
    st.dictionaries(
        st.integers(-3, END), st.tuples(st.sampled_from([None, "free", "paid"]), st.none() | st.integers(-3, END + 5))
    ),
)


@st.composite
def outages(draw: st.DrawFn) -> Outage:
    first = draw(st.integers(-3, END + 5))
    last = draw(st.none() | st.integers(first, END + 8))
    part = draw(st.sampled_from([{}, {"device": "ios"}]))
    return Outage.model_validate({"first": day(first), "last": None if last is None else day(last), **part})


@st.composite
def rules(draw: st.DrawFn) -> LabelSettings:
    chosen: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"silence_days": None},
                {"kind": "event", "event": ("cancel",), "starts": ("subscribe", "renew")},
                {"kind": "event", "event": ("cancel", "login"), "at_risk": {"plan": "paid"}},
                {"kind": "event", "event": ("cancel",), "at_risk": {"plan": {"not": ["free"]}}},
                {"kind": "lapse", "paid_until": "paid_until", "renewal_events": ("renew", "subscribe")},
                {"kind": "lapse", "paid_until": "renews_on"},
            ]
        )
    )
    if chosen.get("kind") == "lapse":
        chosen = chosen | {"grace_days": draw(st.integers(0, 4))}
    horizon = draw(st.integers(1, 6))
    if "silence_days" in chosen:
        chosen = {"silence_days": draw(st.none() | st.integers(1, horizon))}
    return LabelSettings.model_validate(
        chosen
        | {
            "horizon_days": horizon,
            "at_risk_days": draw(st.integers(1, 6)),
            "partial_follow_up": draw(st.booleans()),
            "outages": draw(st.lists(outages(), max_size=2)),
        }
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    return World(
        draw(rules()),
        draw(st.dictionaries(USERS, st.integers(-5, END), min_size=1)),
        tuple(draw(st.lists(happenings, max_size=12))),
        draw(attributes),
        draw(st.frozensets(DAY, max_size=3)),
        draw(st.integers(1, END)),
    )
