"""Checks of tables that look weeks back or ahead, on a world long enough for two months: green, red, and red alone."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from churn_assets.assets.steps import all_steps
from churn_assets.automation.plan import Work
from churn_assets.calendar import DayRange
from churn_assets.synthetic import generate
from test_checks import judged, red_days
from worlds import (
    START,
    day,
    days,
    deployment_of,
    publish_plainly,
    query,
    run_plainly,
    tamper,
    withdraw,
    write_settings,
)

LENGTH = 75
ALL = days(1, LENGTH)
MONDAY = day(61)
"""2 March 2026: a week of which every day is in."""
TUESDAY = day(62)
INVARIANTS = (
    *("growth_daily.states_partition_users", "growth_daily.recounted", "retention_cohorts.recounted"),
    *("user_features.complete", "user_features.recounted"),
)
QUIET = (
    *("growth_daily.expectations", "growth_daily.window_of_user_daily", "retention_cohorts.window_of_user_daily"),
    *("user_features.expectations", "feature_catalogue.expectations", "user_features.window_of_user_daily"),
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("long") / "data"
    generate(data / "landing", start=START, days=LENGTH, users=60, seed=7, signup_during=0.5, late_share=0.02)
    write_settings(data, end_date=day(LENGTH))
    run_plainly(data)
    return data


@pytest.fixture
def months(tmp_path: Path, template: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "data"))


def test_the_world_has_users_of_every_state_and_cohorts_known_and_unknown(months: Path) -> None:
    states = ("new_users", "retained_users", "resurrected_users", "dormant_users", "churned_users", "quick_ratio")
    sums = ", ".join(f"sum({state}) > 0, min(as_of_date) FILTER ({state} IS NOT NULL)" for state in states)
    (row,) = query(months, f"SELECT {sums} FROM churn.growth_daily")
    assert all(row[::2])
    assert row[1::2] == (day(30), day(60), day(60), day(30), day(60), row[-1])
    closed = "SELECT as_of_date, count(users) > 0 FROM churn.retention_cohorts GROUP BY 1 ORDER BY 1"
    # Day 75 is a Monday too: its week goes on past the calendar.
    assert query(months, closed) == [(day(number), number < 75) for number in range(5, 76, 7)]


@pytest.mark.parametrize("name", INVARIANTS + QUIET)
def test_green_where_all_is_well(months: Path, name: str) -> None:
    assert red_days(months, name, ALL) == []


@pytest.mark.long
@pytest.mark.parametrize("name", INVARIANTS)
def test_green_around_a_day_that_is_missing(months: Path, tmp_path: Path, name: str) -> None:
    data = tmp_path / "gap"
    shutil.copytree(months / "landing", data / "landing")
    write_settings(data, end_date=day(LENGTH))
    withdraw(data, day(10))
    run_plainly(data)
    assert red_days(data, name, ALL) == [day(10)], "of which nothing is published"
    table = name.split(".", maxsplit=1)[0]
    windows = {"growth_daily": (11, 69), "retention_cohorts": (4, 9), "user_features": (11, LENGTH)}
    first, last = windows[table]
    assert red_days(data, f"{table}.window_of_user_daily", ALL) == [
        *days(first, 9),
        day(10),
        *days(max(first, 11), last),
    ]


def tampered(assignment: str, at: date = TUESDAY) -> str:
    return f"UPDATE churn.growth_daily SET {assignment} WHERE as_of_date = '{at}'"


def cohort(assignment: str) -> str:
    one = f"(SELECT min(rowid) FROM churn.retention_cohorts WHERE as_of_date = '{MONDAY}' AND active BETWEEN 1 AND users - 1)"
    return f"UPDATE churn.retention_cohorts SET {assignment} WHERE rowid = {one}"


def active_row(set_active: str, at: date) -> str:
    """Changes one user-day of somebody active on no other day of that week, so that the week's active users change."""
    one = f"""(SELECT min(rowid) FROM churn.user_daily WHERE as_of_date = '{at}' AND user_id IN (
        SELECT user_id FROM churn.user_daily WHERE as_of_date BETWEEN '{MONDAY}' AND '{day(67)}'
        GROUP BY 1 HAVING sum(is_active::INT) = 1 AND bool_or(is_active AND as_of_date = '{at}')))"""
    return f"UPDATE churn.user_daily SET is_active = {set_active} WHERE rowid = {one}"


RED = [
    ("growth_daily.states_partition_users", tampered("dormant_users = dormant_users + 1"), TUESDAY),
    ("growth_daily.states_partition_users", tampered("mau = mau - 1"), TUESDAY),
    (
        "growth_daily.states_partition_users",
        tampered("retained_users = retained_users + 1, dormant_users = dormant_users - 1"),
        TUESDAY,
    ),
    ("growth_daily.states_partition_users", tampered("users = users + 1, dormant_users = dormant_users + 1"), TUESDAY),
    ("growth_daily.states_partition_users", f"DELETE FROM churn.growth_daily WHERE as_of_date = '{TUESDAY}'", TUESDAY),
    (
        "growth_daily.states_partition_users",
        f"DELETE FROM churn.user_day_grid WHERE rowid = (SELECT min(rowid) FROM churn.user_day_grid WHERE as_of_date = '{TUESDAY}')",
        TUESDAY,
    ),
    *(
        ("growth_daily.recounted", tampered(f"{name} = {name} + 1"), TUESDAY)
        for name in ("dau", "wau", "mau", "new_users", "retained_users", "churned_users")
    ),
    ("growth_daily.recounted", f"DELETE FROM churn.growth_daily WHERE as_of_date = '{TUESDAY}'", TUESDAY),
    ("retention_cohorts.recounted", cohort("active = active + 1"), MONDAY),
    ("retention_cohorts.recounted", cohort("users = users - 1"), MONDAY),
    ("retention_cohorts.recounted", cohort("users = NULL, active = NULL, rate = NULL"), MONDAY),
    ("retention_cohorts.recounted", cohort(f"as_of_date = '{TUESDAY}', users = NULL"), [MONDAY, TUESDAY]),
    ("retention_cohorts.recounted", f"DELETE FROM churn.retention_cohorts WHERE as_of_date = '{MONDAY}'", MONDAY),
    ("retention_cohorts.recounted", active_row("false", TUESDAY), MONDAY),
    (
        "retention_cohorts.recounted",
        f"DELETE FROM churn.publish_ledger WHERE table_name = 'user_daily' AND partition_date = '{day(67)}'",
        MONDAY,
    ),
    ("growth_daily.expectations", tampered("dau = 0"), TUESDAY),
    ("growth_daily.expectations", tampered("mau = 0"), TUESDAY),
    *(
        (
            "user_features.recounted",
            f"UPDATE churn.user_features SET {name} = {name} + 1 WHERE rowid = (SELECT min(rowid) FROM churn.user_features WHERE as_of_date = '{TUESDAY}')",
            TUESDAY,
        )
        for name in ("days_observed_30d", "total_events_30d")
    ),
]


@pytest.mark.parametrize(
    ("name", "tampering", "red"), RED, ids=[f"{number:02}-{name}" for number, (name, _, _) in enumerate(RED)]
)
def test_it_turns_red_on_the_day_and_only_there(
    months: Path, name: str, tampering: str, red: date | list[date]
) -> None:
    red = red if isinstance(red, list) else [red]
    tamper(months, tampering)
    assert red_days(months, name, ALL) == red
    assert [at for at in red if not judged(months, name, DayRange(at, at))[at].passed] == red, "alone as in a range"


def test_a_cohort_that_is_silent_from_the_beginning_warns(months: Path) -> None:
    before = red_days(months, "retention_cohorts.expectations", ALL)
    tamper(
        months,
        f"UPDATE churn.retention_cohorts SET active = 0, rate = 0 WHERE as_of_date = '{MONDAY}' AND weeks_since = 0",
    )
    assert red_days(months, "retention_cohorts.expectations", ALL) == sorted({*before, MONDAY})


def test_an_active_day_lost_from_user_daily_shows_in_the_months_that_held_it(months: Path) -> None:
    """The only active day of a user within reach: day D to D + 29 have one active user less than they tell."""
    tamper(months, active_row("false", TUESDAY))
    red = red_days(months, "growth_daily.recounted", ALL)
    assert red and red[0] == TUESDAY and set(red) <= set(days(62, LENGTH))


def test_the_days_of_two_months_are_the_same_in_one_range_and_each_as_if_alone(months: Path) -> None:
    tables = ("growth_daily", "retention_cohorts", "user_features", "feature_catalogue")
    before = query(months, f"SELECT table_name, partition_date, content_hash FROM churn.publish_ledger WHERE table_name IN {tables} ORDER BY ALL")  # fmt: skip
    deployment = deployment_of(months)
    steps = tuple(step for step in all_steps(deployment.settings) if step.name in tables)
    for number in (75, 62, 60, 61, 33, 5, 1):
        publish_plainly(deployment, Work(steps, days(number)))
    after = query(months, f"SELECT table_name, partition_date, content_hash FROM churn.publish_ledger WHERE table_name IN {tables} ORDER BY ALL")  # fmt: skip
    assert after == before
