"""growth_daily and retention_cohorts: active users, monthly states, cohorts; by hand and by oracle."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles_metrics as oracles
from churn_assets.transforms import growth_daily, retention_cohorts
from frames import Row, admitted, records, same_rows, stacked
from sizes import examples

PROPERTY = settings(max_examples=examples(25), deadline=None, derandomize=True)
START = date(2026, 1, 1)
"""A Thursday: the first calendar week begins on day 5."""
TABLES = {"growth_daily": growth_daily, "retention_cohorts": retention_cohorts}
KEYS = {"growth_daily": ["as_of_date"], "retention_cohorts": ["as_of_date", "cohort_week"]}
REACH = {"growth_daily": (59, 0), "retention_cohorts": (0, 6)}
"""Days back and ahead that a day's rows depend on."""


def day(number: int) -> date:
    """The day of that number, counted from 1."""
    return START + timedelta(days=number - 1)


class World:
    """Users with the days they count from and signed up on, the days they are active, and the days that are in."""

    def __init__(
        self, users: dict[Any, tuple[int, int]], active: Iterable[tuple[Any, int]], last: int, missing: Iterable[int]
    ) -> None:
        self.published = [day(number) for number in range(1, last + 1) if number not in set(missing)]
        self.grid = [
            (user, at, day(signup))
            for user, (since, signup) in users.items()
            for at in self.published
            if at >= day(since)
        ]
        there = {(user, at) for user, at, _ in self.grid}
        self.active = sorted({(user, day(number)) for user, number in active} & there)

    def table(self, name: str, first: int, last: int, *, alone: bool = False, shuffle: Any = None) -> pd.DataFrame:
        """The table's rows of the days. `alone`: from what these days' windows hold, and not all there is."""
        back, ahead = REACH[name]
        window = [at for at in self.published if not alone or day(first - back) <= at <= day(last + ahead)]
        grid, active = ([row for row in rows if row[1] in set(window)] for rows in (self.grid, self.active))
        if shuffle:
            grid, active = shuffle.sample(grid, len(grid)), shuffle.sample(active, len(active))
        made = TABLES[name](
            user_days(active, ["user_id", "as_of_date"]),
            user_days(grid, ["user_id", "as_of_date", "signup_date"]),
            first_day=day(first),
            last_day=day(last),
            published=window,
        )
        return admitted(name, made, day(first), day(last))


def user_days(rows: list[Any], columns: list[str]) -> pd.DataFrame:
    """Rows as a frame; ids are integers unless they are text."""
    values = dict(zip(columns, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(columns, ())
    dates = {name: pd.Series(pd.to_datetime(list(values[name])), dtype="datetime64[us]") for name in columns[1:]}
    return pd.DataFrame({"user_id": pd.Series(values["user_id"], dtype=None if rows else "int64"), **dates})


# --- properties, against the oracle ---


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A few users over ten weeks, some landed long after signup, some days missing; not the first, of whose week no day was
    observed then.
    """
    users = {}
    for user in draw(st.sets(st.integers(1, 5) | st.sampled_from([2**62]), max_size=5)):
        signup = draw(st.integers(-40, 70))
        users[user] = (max(1, signup + draw(st.sampled_from([0, 0, 1, 9, 33]))), signup)
    active = []
    for user in users:
        for begin, times, pause in draw(st.lists(st.tuples(st.integers(1, 75), st.integers(1, 6), st.integers(1, 31)))):
            active += [(user, begin + n * pause) for n in range(times)]
    missing = draw(st.sets(st.integers(2, 75), max_size=2)) if draw(st.booleans()) else set()
    return World(users, active, 75, missing)


@PROPERTY
@given(worlds())
def test_each_day_of_growth_is_what_the_specification_says(world: World) -> None:
    rows = {row["as_of_date"]: row for row in records(world.table("growth_daily", 1, 75))}
    assert list(rows) == [day(number) for number in range(1, 76)], "one row a day, of days without users too"
    for at in world.published:
        assert rows[at] == oracles.growth_daily(world.grid, world.active, at, world.published)


@PROPERTY
@given(worlds())
def test_each_cohort_and_week_is_what_the_specification_says(world: World) -> None:
    rows = records(world.table("retention_cohorts", 1, 75))
    mondays = [at for at in map(day, range(1, 76)) if at.weekday() == 0]
    assert {row["as_of_date"] for row in rows} <= set(mondays)
    for monday in mondays:
        of_week = {row["cohort_week"]: row for row in rows if row["as_of_date"] == monday}
        assert of_week == oracles.retention_cohorts(world.grid, world.active, monday, world.published)


@PROPERTY
@given(worlds(), st.sampled_from(sorted(TABLES)), st.integers(1, 70), st.randoms(use_true_random=False))
def test_days_are_the_same_alone_in_a_range_and_from_rows_in_any_order(
    world: World, name: str, first: int, shuffle: Any
) -> None:
    together = world.table(name, first, first + 5)
    singly = [world.table(name, number, number, alone=True) for number in range(first, first + 6)]
    same_rows(together, stacked(singly), KEYS[name])
    same_rows(together, world.table(name, first, first + 5, shuffle=shuffle), KEYS[name])


@PROPERTY
@given(worlds())
def test_what_active_users_gain_in_30_days_is_who_came_less_who_churned(world: World) -> None:
    """mau(D) - mau(D-30) = new + resurrected - churned, wherever all of it is observed."""
    table = world.table("growth_daily", 1, 75).set_index("as_of_date")
    gained = table["mau"] - table["mau"].shift(30)
    moved = table["new_users"] + table["resurrected_users"] - table["churned_users"]
    known = moved.notna()
    assert (gained[known] == moved[known]).all()


# --- growth, worked by hand ---


def growth(active: dict[str, list[int]], signups: dict[str, int], at: int = 70, missing: Iterable[int] = ()) -> Row:
    """The row of day `at`: users by name, the days they are active and the day they signed up on."""
    users = {name: (max(1, signup), signup) for name, signup in signups.items()}
    world = World(users, [(name, n) for name, days in active.items() for n in days], at, missing)
    return records(world.table("growth_daily", at, at))[0]


def test_each_user_is_in_one_state() -> None:
    """Day 70: this month is days 41..70, the one before 11..40."""
    row = growth(
        {"new": [60], "stays": [20, 65], "back": [5, 65], "first_late": [70], "lost": [30], "gone": [5]},
        {"new": 41, "stays": 1, "back": 1, "first_late": 40, "lost": 1, "gone": 1, "new_and_silent": 69},
    )
    assert (row["users"], row["mau"], row["dau"], row["wau"]) == (7, 4, 1, 3)
    assert (row["new_users"], row["retained_users"], row["resurrected_users"], row["dormant_users"]) == (1, 1, 2, 3)
    assert row["churned_users"] == 1
    assert row["quick_ratio"] == (1 + 2) / 1
    assert row["stickiness"] == 1 / 4


@pytest.mark.parametrize(
    ("active", "state"),
    [
        ([41, 40], "retained_users"),  # the first day of this month and the last of the one before
        ([41, 11], "retained_users"),  # the first day of the one before
        ([41, 10], "resurrected_users"),
        ([40], "churned_users"),
        ([11], "churned_users"),
        ([10], None),
    ],
)
def test_the_bounds_of_the_two_months(active: list[int], state: str | None) -> None:
    row = growth({"ana": active}, {"ana": 1})
    of_interest = ("retained_users", "resurrected_users", "churned_users")
    assert [name for name in of_interest if row[name]] == ([state] if state else [])


@pytest.mark.parametrize(("signup", "new"), [(41, 1), (40, 0), (70, 1)])
def test_new_is_who_signed_up_within_the_month(signup: int, new: int) -> None:
    row = growth({"ana": [70]}, {"ana": signup})
    assert (row["new_users"], row["resurrected_users"], row["new_signups"]) == (new, 1 - new, int(signup == 70))


@pytest.mark.parametrize(("at", "month", "both"), [(29, False, False), (30, True, False), (59, True, False), (60, True, True)])  # fmt: skip
def test_nothing_is_said_of_a_period_before_the_calendars_start(at: int, month: bool, both: bool) -> None:
    row = growth({"ana": [1, at]}, {"ana": -100}, at)
    assert row["days_observed_60d"] == min(at, 60) and row["mau"] == 1
    assert (row["dormant_users"] is not None, row["new_users"] is not None) == (month, month)
    assert (row["retained_users"] is not None, row["churned_users"] is not None) == (both, both)


@pytest.mark.parametrize(("missing", "month", "both"), [(11, True, False), (40, True, False), (41, False, False), (10, True, True)])  # fmt: skip
def test_a_missing_day_is_not_taken_for_silence(missing: int, month: bool, both: bool) -> None:
    row = growth({"ana": [30]}, {"ana": 1}, missing=[missing])
    assert (row["days_observed_30d"], row["days_observed_60d"]) == (30 - (missing == 41), 60 - (missing != 10))
    assert (row["dormant_users"] is not None, row["churned_users"] is not None) == (month, both)


def test_a_day_without_anyone_is_a_row_of_zeros() -> None:
    row = growth({}, {})
    assert (row["users"], row["dau"], row["mau"], row["dormant_users"], row["churned_users"]) == (0, 0, 0, 0, 0)
    assert row["stickiness"] is None and row["quick_ratio"] is None


def test_ids_may_be_text() -> None:
    assert growth({"ana": [70]}, {"ana": 1, "bo": 1})["dau"] == 1


# --- retention, worked by hand ---


def cohorts(last: int, missing: Iterable[int] = ()) -> list[tuple[int, int, int | None, int | None, float | None]]:
    """(day of the Monday, weeks since, users, active, rate); weeks begin on days 5, 12 and 19.

    ana and bo signed up in the week of day 5, cem on day 12; ana is active on days 11 and 18, cem on the 13th.
    """
    users = {"ana": (5, 5), "bo": (11, 11), "cem": (12, 12)}
    world = World(users, [("ana", 11), ("ana", 18), ("cem", 13)], last, missing)
    rows = records(world.table("retention_cohorts", 1, last))
    return [
        ((row["as_of_date"] - START).days + 1, row["weeks_since"], row["users"], row["active"], row["rate"])
        for row in rows
    ]


def test_a_cohort_is_a_signup_week_and_activity_is_any_day_of_a_week() -> None:
    """Ana is active on the last days of both weeks, days 11 and 18: 1 of 2, then 1 of 2; cem 1 of 1."""
    assert cohorts(18) == [(5, 0, 2, 1, 0.5), (12, 1, 2, 1, 0.5), (12, 0, 1, 1, 1.0)]


def test_a_week_that_has_not_closed_is_not_known_yet() -> None:
    assert cohorts(17)[1:] == [(12, 1, None, None, None), (12, 0, None, None, None)]


def test_a_week_with_a_missing_day_is_not_known() -> None:
    assert [known for _, _, known, _, _ in cohorts(25, missing=[14])] == [2, None, None, 2, 1]


def test_the_week_in_which_the_calendar_begins_is_none_and_other_days_than_mondays_have_no_rows() -> None:
    world = World({"ana": (1, 1)}, [("ana", 1)], 18, [])
    assert [row["as_of_date"] for row in records(world.table("retention_cohorts", 1, 18))] == [day(5), day(12)]
    assert world.table("retention_cohorts", 6, 11).empty


def test_who_signed_up_before_the_calendar_is_a_cohort_of_its_own_week() -> None:
    """Signed up on Monday, 1 December; 5 January is 35 days later."""
    world = World({"ana": (1, -30)}, [("ana", 5)], 11, [])
    row = records(world.table("retention_cohorts", 5, 5))[0]
    assert (row["weeks_since"], row["users"], row["active"], row["rate"]) == (5, 1, 1, 1.0)
