"""Versions of users that are dated by a column: which one counts on a day, whatever landed when; by hand and by oracle."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from churn_assets.calendar import DayRange
from churn_assets.contracts import contracts
from churn_assets.settings import Settings
from churn_assets.transforms import clean_users, cleaning_rules, unmatched_events, user_day_grid
from churn_assets.warehouse.gate import admit
from frames import Row, landed, records, same_rows
from sizes import examples

PROPERTY = settings(max_examples=examples(40), deadline=None, derandomize=True)
LATENESS, LOOKAHEAD = 2, 4
SETTINGS = Settings(lateness_days=LATENESS, sources={"users": {"valid_from": ["valid_from", "since"]}})  # type: ignore[arg-type]
CONTRACTS, RULES = contracts(SETTINGS), cleaning_rules(SETTINGS, "users")
ATTRIBUTES = SETTINGS.declaration.attributes
USER = {"user_id": "1", "signup_date": "2026-01-03", "plan": "free", "is_paid": "false", "country": "DE"}
USER |= {"marketing_source": "ads"}
FIRST, LAST = 3, 9


def jan(day: int) -> date:
    return date(2026, 1, 1) + timedelta(days=day - 1)


def frame(table: str, rows: list[Row]) -> pd.DataFrame:
    contract = CONTRACTS[table]
    return contract.typed(pd.DataFrame({name: [row.get(name) for row in rows] for name in contract.column_names}))


def raw(*rows: Row) -> pd.DataFrame:
    return frame("raw_users", landed(rows, "users", {**USER, "valid_from": "2026-01-05"}))


def cleaned(*rows: Row, first: int = 1, last: int = 31) -> Any:
    return clean_users(raw(*rows), first_day=jan(first), last_day=jan(last), rules=RULES)


# --- cleaning ---


def test_a_user_may_have_several_versions_on_one_landing_day() -> None:
    done = cleaned(
        {"valid_from": "2026-01-03"}, {"valid_from": "2026-01-05", "plan": "pro"}, {"valid_from": "2026-01-03"}
    )
    assert [(row["valid_from"].date(), row["plan"]) for row in done.accepted.to_dict("records")] == [
        (jan(3), "free"),
        (jan(5), "pro"),
    ]
    assert done.reconciliation["rows_duplicate"].tolist() == [1]
    admit(CONTRACTS["clean_users"], CONTRACTS["clean_users"].typed(done.accepted), DayRange(jan(1), jan(31)))


def test_two_rows_of_one_validity_that_differ_conflict() -> None:
    done = cleaned({}, {"plan": "pro"})
    assert done.quarantined["reason"].tolist() == ["conflict"]


def test_a_row_equal_to_the_day_before_is_unchanged_only_if_it_is_valid_from_the_same_day() -> None:
    again = {"landing_date": jan(6)}
    assert cleaned({}, again).reconciliation["rows_unchanged"].sum() == 1
    assert cleaned({}, {**again, "valid_from": "2026-01-06"}).reconciliation["rows_unchanged"].sum() == 0


@pytest.mark.parametrize("value", [None, "", "soon", "2026-02-30"])
def test_a_version_without_a_usable_day_is_quarantined(value: str | None) -> None:
    assert cleaned({"valid_from": value}).quarantined["reason"].tolist() == ["bad_valid_from"]


def test_a_version_may_be_valid_since_long_before_there_were_computers() -> None:
    assert cleaned({"valid_from": "1900-01-01"}).accepted["valid_from"].tolist() == [pd.Timestamp("1900-01-01")]


def test_users_are_dated_or_made_from_events_not_both() -> None:
    with pytest.raises(ValidationError, match="valid_from dates users that from_events does not read"):
        Settings(sources={"users": {"valid_from": "since", "from_events": True}})  # type: ignore[arg-type]


# --- the grid, against the oracle ---


def version(row: Row) -> Row:
    return {**USER, "is_paid": False, "source_file": "a.csv", **row}


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Versions of a few users, some of them late, early, or of long ago; signup is what each of them says."""
    keys = st.tuples(st.integers(1, 3), st.integers(1, 10), st.integers(-3, 14))
    rows = []
    for number, (user, landing, valid) in enumerate(sorted(draw(st.sets(keys, max_size=9))), 1):
        row = {"user_id": user, "signup_date": jan(draw(st.sampled_from([-20, 2, 4, 6]))), "valid_from": jan(valid)}
        row |= {"landing_date": jan(landing), "plan": draw(st.sampled_from(["free", "pro", "basic"]))}
        rows.append(version({**row, "source_row": number}))
    return draw(st.permutations(rows))


def oracle(users: list[Row], day: date) -> dict[int, tuple[date, str]]:
    """(signup_date, plan) of each user of the day's grid, from what landed by day + LATENESS."""
    late, grid = timedelta(days=LATENESS), {}
    for user in {row["user_id"] for row in users}:
        known = [row for row in users if row["user_id"] == user and row["landing_date"] <= day + late]
        counting = [
            row
            for row in known
            if (row["valid_from"] if row["landing_date"] <= row["valid_from"] + late else row["landing_date"]) <= day
        ]
        if counting:
            signup = min(known, key=lambda row: (row["landing_date"], row["valid_from"]))["signup_date"]
            last = max(counting, key=lambda row: (row["valid_from"], row["landing_date"]))
            if day >= signup:
                grid[user] = (signup, last["plan"])
    return grid


def grid_of(users: list[Row], first: int, last: int) -> pd.DataFrame:
    made = user_day_grid(
        frame("clean_users", users),
        first_day=jan(first),
        last_day=jan(last),
        lateness_days=LATENESS,
        attributes=ATTRIBUTES,
        users_are="dated",
    )
    typed = CONTRACTS["user_day_grid"].typed(made)
    admit(CONTRACTS["user_day_grid"], typed, DayRange(jan(first), jan(last)))
    return typed


@PROPERTY
@given(histories())
def test_the_latest_valid_version_of_those_that_count_is_the_users(users: list[Row]) -> None:
    rows = records(grid_of(users, FIRST, LAST))
    for number in range(FIRST, LAST + 1):
        of_day = {row["user_id"]: (row["signup_date"], row["plan"]) for row in rows if row["as_of_date"] == jan(number)}
        assert of_day == oracle(users, jan(number))


@PROPERTY
@given(histories(), st.integers(FIRST, LAST))
def test_a_day_is_the_same_alone_and_without_what_landed_after_it(users: list[Row], number: int) -> None:
    whole = grid_of(users, FIRST, LAST)
    own = [row for row in users if row["landing_date"] <= jan(number + LATENESS)]
    alone = grid_of(own, number, number)
    same_rows(whole[whole["as_of_date"] == pd.Timestamp(jan(number))], alone, ["user_id"])


@PROPERTY
@given(histories(), st.integers(FIRST, LAST), st.sampled_from([0, LOOKAHEAD]))
def test_an_event_is_in_the_grid_or_unmatched_whatever_else_landed(users: list[Row], number: int, ahead: int) -> None:
    day = jan(number)
    happened = {"event_time": pd.Timestamp(day), "event_date": day, "landing_date": day, "event_type": "login"}
    place = {"source_file": "e.csv", "watch_minutes": 0.0}
    events = [{**happened, **place, "event_id": user, "user_id": user, "source_row": user} for user in (1, 2, 3, 4)]

    def unmatched(of: list[Row], first: int, last: int) -> dict[int, str]:
        made = unmatched_events(
            *(frame("clean_events", events), frame("clean_users", of)),
            first_day=jan(first),
            last_day=jan(last),
            lateness_days=LATENESS,
            signup_lookahead_days=ahead,
            users_are="dated",
        )
        return dict(zip(made["user_id"], made["reason"], strict=True))

    left_out = unmatched(users, FIRST, LAST)
    assert left_out.keys() == {1, 2, 3, 4} - oracle(users, day).keys()
    own = [row for row in users if row["landing_date"] <= jan(number + max(LATENESS, ahead))]
    assert unmatched(own, number, number) == left_out


# --- the grid, by hand ---


def plans(*rows: Row, last: int = 9) -> list[str]:
    """The plan on each day of the grid from the 3rd on."""
    users = [version({"user_id": 1, "signup_date": jan(3), "source_row": n, **row}) for n, row in enumerate(rows, 1)]
    return [row["plan"] for row in sorted(records(grid_of(users, 3, last)), key=lambda row: row["as_of_date"])]


def test_of_versions_from_before_the_calendar_the_latest_counts() -> None:
    old = [
        {"landing_date": jan(3), "valid_from": jan(day), "plan": plan} for day, plan in ((-30, "basic"), (-9, "pro"))
    ]
    new = {"landing_date": jan(5), "valid_from": jan(5), "plan": "free"}
    assert plans(*old, new, last=6) == ["pro", "pro", "free", "free"]
    assert plans(new, *reversed(old), last=6) == ["pro", "pro", "free", "free"]


def test_a_version_that_landed_too_late_counts_from_its_landing_and_never_takes_the_place_of_a_later_one() -> None:
    first = {"landing_date": jan(3), "valid_from": jan(3), "plan": "free"}
    late = {"landing_date": jan(7), "valid_from": jan(4), "plan": "pro"}
    assert plans(first, late, last=8) == ["free"] * 4 + ["pro"] * 2
    between = {"landing_date": jan(6), "valid_from": jan(6), "plan": "basic"}
    assert plans(first, late, between, last=8) == ["free"] * 3 + ["basic"] * 3


def test_a_version_announced_ahead_counts_from_its_day() -> None:
    announced = {"landing_date": jan(3), "valid_from": jan(6), "plan": "pro"}
    assert plans({"landing_date": jan(3), "valid_from": jan(3), "plan": "free"}, announced, last=7) == [
        *["free"] * 3,
        *["pro"] * 2,
    ]


def test_a_correction_of_the_same_validity_counts_where_it_landed_in_time() -> None:
    first = {"landing_date": jan(3), "valid_from": jan(3), "plan": "free"}
    assert plans(first, {**first, "landing_date": jan(5), "plan": "pro"}, last=5) == ["pro"] * 3
    assert plans(first, {**first, "landing_date": jan(6), "plan": "pro"}, last=6) == ["free"] * 3 + ["pro"]
