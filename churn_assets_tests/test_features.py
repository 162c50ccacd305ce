"""user_features and feature_catalogue: trailing windows, what is null and when, and what a day may see; by hand and by oracle."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
import oracles_features
from churn_assets.product.columns import SEGMENTS, WINDOWS
from churn_assets.transforms import feature_catalogue, user_features
from e_learning import FEATURES, KNOWN_EVENT_TYPES, PRODUCT
from frames import Row, admitted, contract, frame, records, same_rows, stacked
from sizes import examples

PROPERTY = settings(max_examples=examples(25), deadline=None, derandomize=True)
START = date(2026, 1, 1)
"""A Thursday."""
LENGTH = 100
"""Days: more than the lookback of 90."""
KEY = ["user_id", "as_of_date"]


def day(number: int) -> date:
    """The day of that number, counted from 1."""
    return START + timedelta(days=number - 1)


class World:
    """Users with the day they count from, their events by (user, day), and the days that are in."""

    def __init__(
        self, users: dict[Any, int], events: Iterable[Row], last: int = LENGTH, missing: Iterable[int] = ()
    ) -> None:
        self.published = [day(number) for number in range(1, last + 1) if number not in set(missing)]
        self.id_type = "string" if any(isinstance(user, str) for user in users) else "integer"
        known = {"plan": "free", "is_paid": False, "country": "DE", "marketing_source": "ads"}
        self.events = [e for e in events if e["user_id"] in users]
        of_day: dict[tuple[Any, date], list[Row]] = {}
        for one in self.events:
            of_day.setdefault((one["user_id"], one["event_date"]), []).append(one)
        self.daily = {}
        for user, since in users.items():
            for at in (at for at in self.published if at >= day(since)):
                grid = {"user_id": user, "as_of_date": at, "signup_date": day(since), **known}
                grid["days_since_signup"] = (at - day(since)).days
                self.daily[user, at] = grid | oracles.activity(of_day.get((user, at), []))

    def features(self, first: int, last: int, *, alone: bool = False, shuffle: Any = None) -> pd.DataFrame:
        """Features of the days as they would be published. `alone`: from what their windows hold, and not all there is."""

        def reach(name: str, rows: Iterable[Row], back: int, ahead: int = 0) -> list[Row]:
            kept = [r for r in rows if not alone or day(first - back) <= r[name] <= day(last + ahead)]
            return shuffle.sample(kept, len(kept)) if shuffle else kept

        rows = list(self.daily.values())
        own = [row for row in rows if day(first) <= row["as_of_date"] <= day(last)]
        active = [row for row in rows if row["is_active"]]
        made = user_features(
            self._frame("user_day_grid", own),
            presence=self._frame("user_day_grid", reach("as_of_date", rows, 29)),
            month=self._frame("user_daily", reach("as_of_date", active, 29)),
            lookback=self._frame("user_daily", reach("as_of_date", active, 89)),
            history=None,
            clean_events=self._frame("clean_events", reach("landing_date", self.events, 29, 3)),
            first_day=day(first),
            last_day=day(last),
            published=[at for at in self.published if not alone or day(first - 89) <= at <= day(last)],
            product=PRODUCT,
        )
        return admitted("user_features", made, day(first), day(last), id_type=self.id_type)

    def expected(self, user: Any, at: date) -> Row:
        courses = [(e["user_id"], e["event_date"], e["course_id"]) for e in self.events]
        return oracles_features.user_features(self.daily, courses, user, at)

    def _frame(self, table: str, rows: Iterable[Row]) -> pd.DataFrame:
        return frame(table, rows, id_type=self.id_type)


def event(user: Any, number: int, kind: str = "login", **said: Any) -> Row:
    """An event of the day of that number, at noon unless an hour is given, landed in time."""
    at = datetime.combine(day(number), time(said.pop("hour", 12)))
    row = {"event_id": f"{user}/{number}/{kind}/{said}", "user_id": user, "event_time": at, "event_date": day(number)}
    row |= {"event_type": kind, "course_id": None, "watch_minutes": 0.0, "quiz_score": None, "amount": None}
    return row | {"landing_date": day(number), "source_file": "f", "source_row": 1} | said


def features_of(events: Iterable[Row], at: int = LENGTH, since: int = 1, missing: Iterable[int] = ()) -> Row:
    """The features of user 1, who counts from day `since`, on day `at`."""
    return records(World({1: since}, numbered(events), max(at, LENGTH), missing).features(at, at))[0]


def numbered(events: Iterable[Row]) -> list[Row]:
    return [{**one, "event_id": number} for number, one in enumerate(events, start=1)]


# --- properties, against the oracle ---


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A few users, some of whom come late, with bursts and pauses of every type of event, some days missing."""
    ids: Any = draw(st.sampled_from([st.integers(1, 4), st.sampled_from(["ana", "bo", "çem"])]))
    users = {user: draw(st.sampled_from([1, 1, 30, 97])) for user in draw(st.sets(ids, max_size=3))}
    chance = random.Random(draw(st.integers(0, 2**32)))
    events = []
    for user in users:
        for begin, times, pause in draw(
            st.lists(st.tuples(st.integers(1, 100), st.integers(1, 9), st.integers(0, 40)), max_size=9)
        ):
            for number in (begin + n * pause for n in range(times)):
                if number <= LENGTH:
                    events.append(any_event(user, number, chance))
    missing = draw(st.sets(st.integers(1, 100), max_size=3)) if draw(st.booleans()) else set()
    return World(users, typed_ids(events), LENGTH, missing)


def any_event(user: Any, number: int, chance: random.Random) -> Row:
    kind = chance.choice([*KNOWN_EVENT_TYPES, "telepathy"])
    said: Row = {"hour": chance.randrange(24), "course_id": chance.choice([None, "a", "b", "c"])}
    said["landing_date"] = day(number + chance.choice([0, 0, 1, 3]))
    if kind == "video_watch":
        said["watch_minutes"] = chance.choice([0.0, 0.1, 7.3, chance.uniform(0, 500)])
    if kind == "quiz_attempt":
        said["quiz_score"] = chance.choice([0.0, 100.0, 99.9, chance.uniform(0, 100)])
    if kind.startswith("payment"):
        said["amount"] = chance.choice([None, 9.99, chance.uniform(0.01, 100)])
    return event(user, number, kind, **said)


def typed_ids(events: list[Row]) -> list[Row]:
    """Event ids of the type the user ids have."""
    text = any(isinstance(one["user_id"], str) for one in events)
    return [{**one, "event_id": str(one["event_id"]) if text else one["event_id"]} for one in numbered(events)]


@PROPERTY
@given(worlds(), st.integers(1, LENGTH - 4))
def test_each_user_day_is_what_the_specification_says(world: World, first: int) -> None:
    found = {(row["user_id"], row["as_of_date"]): row for row in records(world.features(first, first + 4))}
    days = {day(number) for number in range(first, first + 5)}
    assert found.keys() == {key for key in world.daily if key[1] in days}, "one row for each row of the grid"
    for (user, at), row in found.items():
        expected = world.expected(user, at)
        assert row == {name: pytest.approx(v, rel=1e-9) if isinstance(v, float) else v for name, v in expected.items()}


@PROPERTY
@given(worlds(), st.integers(1, LENGTH - 4), st.randoms(use_true_random=False))
def test_days_are_the_same_alone_in_a_range_and_from_rows_in_any_order(
    world: World, first: int, shuffle: random.Random
) -> None:
    together = world.features(first, first + 4)
    same_rows(together, stacked([world.features(n, n, alone=True) for n in range(first, first + 5)]), KEY)
    same_rows(together, world.features(first, first + 4, shuffle=shuffle), KEY)


@PROPERTY
@given(worlds(), st.integers(1, LENGTH))
def test_nothing_after_the_day_and_nobody_else_changes_a_users_features(world: World, at: int) -> None:
    before = {row["user_id"]: row for row in records(world.features(at, at))}
    for user, row in before.items():
        past = [e for e in world.events if e["user_id"] == user and e["event_date"] <= day(at)]
        alone = World({user: (min(d for who, d in world.daily if who == user) - START).days + 1}, past, at)
        alone.published = [d for d in world.published if d <= day(at)]
        alone.daily = {key: r for key, r in world.daily.items() if key[0] == user and key[1] <= day(at)}
        assert records(alone.features(at, at)) == [row]


# --- worked by hand ---


@pytest.mark.parametrize("width", WINDOWS)
def test_a_window_includes_the_day_and_ends_where_it_says(width: int) -> None:
    """Day 100: `_7d` is days 94..100, so a login of day 94 counts and one of day 93 does not."""
    row = features_of([event(1, 100), event(1, 101 - width), event(1, 100 - width)])
    assert row[f"total_logins_{width}d"] == row[f"active_days_{width}d"] == row[f"total_events_{width}d"] == 2
    assert row[f"avg_daily_events_{width}d"] == 2 / width


def test_a_quiz_average_weighs_each_attempt_alike() -> None:
    """90 on one day, 30 and 60 on another: (90 + 30 + 60) / 3."""
    scores = [(100, 90.0), (99, 30.0), (99, 60.0)]
    row = features_of([event(1, n, "quiz_attempt", quiz_score=score) for n, score in scores])
    assert row["quiz_avg_score_7d"] == row["quiz_avg_score_30d"] == 60
    assert row["total_quiz_attempts_14d"] == 3


def test_a_perfect_quiz_average_is_not_above_a_hundred() -> None:
    """7 x 100/7-like roundings must not break the limit, whatever the attempts of a day."""
    attempts = [event(1, 100 - n % 9, "quiz_attempt", quiz_score=99.99999999999999) for n in range(61)]
    assert features_of(attempts)["quiz_avg_score_30d"] == pytest.approx(100)


def test_rates_of_the_month() -> None:
    events = [event(1, 80, "payment_failed", amount=5.0), *(event(1, 90 + n, "payment_success", amount=5.0) for n in range(3))]  # fmt: skip
    events += [event(1, 99), event(1, 98), event(1, 98, "video_watch", watch_minutes=45.0, course_id="a")]
    row = features_of(events)
    assert row["payment_fail_rate_30d"] == 1 / 4 and row["payment_amount_30d"] == 15
    assert row["avg_watch_per_login_30d"] == 45 / 2
    assert row["course_diversity_30d"] == 1


def test_the_trend_compares_daily_means() -> None:
    """An event on each of the last 7 days and on 3 earlier ones: (7 / 7) / (10 / 30) = 3."""
    row = features_of(event(1, number) for number in (*range(94, 101), 75, 80, 85))
    assert row["activity_trend_7d_30d"] == pytest.approx(3)


def test_what_has_nothing_to_divide_by_is_null() -> None:
    row = features_of([])
    nulls = {"payment_fail_rate_30d", "avg_watch_per_login_30d", "activity_trend_7d_30d"}
    nulls |= {f"quiz_avg_score_{width}d" for width in WINDOWS}
    nulls |= {f"days_since_last_{what}" for what in ("activity", "login", "video", "quiz", "payment")}
    assert {name for name, value in row.items() if value is None} == nulls
    assert nulls == {feature.name for feature in FEATURES if feature.nullable}


@pytest.mark.parametrize(("number", "since"), [(100, 0), (99, 1), (11, 89), (10, None)])
def test_days_since_the_last_reach_back_ninety_days(number: int, since: int | None) -> None:
    row = features_of([event(1, number), event(1, 1)])
    assert row["days_since_last_login"] == row["days_since_last_activity"] == since


@pytest.mark.parametrize(
    ("kind", "said", "last"),
    [
        ("login", {}, {"login"}),
        ("video_watch", {"watch_minutes": 1.0}, {"video"}),
        ("video_watch", {}, set()),
        ("quiz_attempt", {"quiz_score": 0.0}, {"quiz"}),
        ("payment_success", {"amount": 1.0}, {"payment"}),
        ("payment_failed", {"amount": 1.0}, set()),
        ("telepathy", {}, set()),
    ],
)
def test_each_kind_of_last_day_is_that_of_its_own_events(kind: str, said: Row, last: set[str]) -> None:
    row = features_of([event(1, 90, kind, **said)])
    found = {name.removeprefix("days_since_last_"): row[name] for name in row if name.startswith("days_since_last_")}
    assert {what for what, since in found.items() if since == 10} == {"activity", *last}
    assert all(since in (10, None) for since in found.values())


def test_courses_are_counted_once_over_the_window_and_not_once_a_day() -> None:
    events = [event(1, number, course_id=course) for number, course in ((71, "a"), (72, "b"), (99, "a"), (100, "b"))]
    events += [event(1, 70, course_id="too early"), event(1, 100), event(1, 100, course_id="c", landing_date=day(103))]
    assert features_of(events)["course_diversity_30d"] == 3


@pytest.mark.parametrize(
    ("active", "segment"),
    [(0, "inactive"), (1, "infrequent"), (6, "infrequent"), (7, "casual"), (13, "casual"), (14, "regular"),
     (20, "regular"), (21, "core"), (28, "core")],
)  # fmt: skip
def test_segments_are_by_active_days_of_28(active: int, segment: str) -> None:
    """Day 72 is the 29th day back and does not count."""
    row = features_of([event(1, 72), *(event(1, 100 - n) for n in range(active))])
    assert row["activity_segment"] == segment in SEGMENTS


@pytest.mark.parametrize(("number", "weekday", "weekend"), [(1, 4, False), (2, 5, False), (3, 6, True), (4, 7, True), (5, 1, False)])  # fmt: skip
def test_weekdays_are_counted_from_monday(number: int, weekday: int, weekend: bool) -> None:
    row = features_of([], number)
    assert (row["day_of_week"], row["is_weekend"]) == (weekday, weekend)


# --- what was not observed ---


def test_before_the_calendar_and_before_the_users_first_row_nothing_was_observed() -> None:
    early = features_of([event(1, 5)], at=5)
    assert [early[f"days_observed_{width}d"] for width in WINDOWS] == [5, 5, 5]
    late = features_of([event(1, 100)], since=90)
    assert [late[f"days_observed_{width}d"] for width in WINDOWS] == [7, 11, 11]
    assert late["avg_daily_events_30d"] == 1 / 11


def test_a_missing_day_is_not_taken_for_a_quiet_one() -> None:
    row = features_of([event(1, 100), event(1, 97, course_id="a")], missing=[97, 60])
    assert (row["days_observed_7d"], row["days_observed_30d"]) == (6, 29)
    assert row["avg_daily_events_7d"] == 1 / 6
    assert row["course_diversity_30d"] == 0, "its events are in, but their user-day is not yet"


def test_a_day_without_anyone_has_no_rows() -> None:
    assert World({1: 50}, []).features(49, 49).empty


# --- the catalogue ---


def test_the_catalogue_has_each_column_of_user_features_on_each_day() -> None:
    made = feature_catalogue(first_day=day(1), last_day=day(3), product=PRODUCT)
    rows = records(admitted("feature_catalogue", made, day(1), day(3)))
    columns = contract("user_features").column_names
    for at in (day(1), day(2), day(3)):
        assert [*KEY, *(row["feature"] for row in rows if row["as_of_date"] == at)] == columns
    last = next(row for row in rows if row["feature"] == "days_since_last_quiz")
    assert (last["window_days"], last["unit"], last["version"], last["is_nullable"]) == (90, "days", 1, True)
    assert (last["type"], last["lower_limit"], last["upper_limit"]) == ("BIGINT", 0, 89)
    assert last["sees"].startswith("as_of_date - 89 .. as_of_date,")


def test_every_feature_names_its_sources_as_columns_that_exist() -> None:
    for feature in FEATURES:
        for source in feature.sources:
            table, column = source.split(".")
            assert column in contract(table).column_names, feature.name
        assert feature.meaning and feature.window_days >= 1
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
