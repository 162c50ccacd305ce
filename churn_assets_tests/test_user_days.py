"""user_day_grid, user_daily, unmatched_events: as-of history, sessions, conservation; by hand and by oracle."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import frames
import oracles
from churn_assets import transforms
from churn_assets.transforms import unmatched_events
from e_learning import PRODUCT
from frames import Row, clean_events, clean_users, records, stacked
from sizes import examples

PROPERTY = settings(max_examples=examples(35), deadline=None, derandomize=True)
GRID_KEY, EVENT_KEY = ["as_of_date", "user_id"], ["landing_date", "event_id"]
LATENESS = 2

user_day_grid = partial(transforms.user_day_grid, attributes=PRODUCT.attributes)
user_daily = partial(transforms.user_daily, product=PRODUCT)


def jan(day: int) -> date:
    return date(2026, 1, day)


def at(day: int, time: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-{day:02d}T{time}")


def test_what_a_dump_says_of_users_is_not_known_before_its_day() -> None:
    users = clean_users({"user_id": 1, "signup_date": jan(1), "landing_date": jan(1), "plan": "pro", "is_paid": True})
    table = user_day_grid(users, first_day=jan(1), last_day=jan(3), lateness_days=0, attributes_as_of=jan(3))
    shown = [(row["as_of_date"].day, row["plan"], row["is_paid"]) for row in records(table)]
    assert shown == [(1, "unknown", False), (2, "unknown", False), (3, "pro", True)]


# --- properties, against the oracle ---

FIRST, LAST = jan(3), jan(8)
World = tuple[list[Row], list[Row], str]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Versions of a few users, accepted events of them and of strangers, and the type of ids."""
    id_type = draw(st.sampled_from(["integer", "integer", "string"]))

    def an_id(number: int) -> Any:
        return number if id_type == "integer" else f"{number:02d}"

    landings = st.tuples(st.integers(1, 3), st.integers(1, 11))
    users = []
    for user, landed in sorted(draw(st.sets(landings, max_size=7))):
        attributes = {"plan": draw(st.sampled_from(["free", "pro"])), "is_paid": draw(st.booleans())}
        attributes |= {"country": draw(st.sampled_from(["DE", "US"])), "marketing_source": "ads"}
        signup = max(1, landed + draw(st.sampled_from([0, 0, -1, -2, -3, -6, 2])))
        users.append({"user_id": an_id(user), "signup_date": jan(signup), "landing_date": jan(landed), **attributes})

    numbers = st.sampled_from([0.0, 0.1, 0.2, 0.3, 12.7, 33.333333333333336, 1e12])
    kinds = st.sampled_from(["login", "video_watch", "quiz_attempt", "payment_success", "payment_failed", "page_view"])
    kinds |= st.sampled_from(["course_enroll", "support_ticket"])
    times = st.sampled_from(["00:00:00", "00:30:00", "00:30:00.000001", "12:00:00", "12:29:59", "23:59:59.999999"])
    events = []
    for number in range(1, draw(st.integers(0, 14)) + 1):
        kind, day = draw(kinds), draw(st.integers(3, 8))
        row = {"event_id": an_id(number), "user_id": an_id(draw(st.integers(1, 4))), "event_type": kind}
        row |= {"event_time": at(day, draw(times)), "event_date": jan(day), "watch_minutes": draw(numbers)}
        row |= {"course_id": draw(st.sampled_from([None, "c1", "c2"])), "quiz_score": None, "amount": None}
        if kind in ("quiz_attempt", "page_view"):
            row["quiz_score"] = draw(st.sampled_from([0.0, 33.3, 66.7, 100.0]))
        if kind in ("payment_success", "payment_failed"):
            row["amount"] = draw(st.sampled_from([None, 0.1, 0.2, 0.3, 9.99]))
        row["landing_date"] = jan(day + draw(st.integers(0, LATENESS)))
        events.append(row)
    place = {"source_file": "a.csv"}
    users, events = ([{**row, **place, "source_row": n} for n, row in enumerate(rows, 1)] for rows in (users, events))
    return draw(st.permutations(users)), draw(st.permutations(events)), id_type


def tables(
    users: list[Row],
    events: list[Row],
    id_type: str = "integer",
    first: date = FIRST,
    last: date = LAST,
    *,
    lookahead: int = 0,
) -> dict[str, pd.DataFrame]:
    """user_day_grid, user_daily and unmatched_events of the days, from whatever rows are given."""
    declared = {"id_type": id_type, "lateness_days": LATENESS}
    user_frame = frames.frame("clean_users", users, **declared)
    event_frame = frames.frame("clean_events", events, **declared)
    days = {"first_day": first, "last_day": last, "lateness_days": LATENESS}
    grid = frames.contract("user_day_grid", **declared).typed(user_day_grid(user_frame, **days))
    made = {"user_day_grid": grid, "user_daily": user_daily(grid, event_frame)}
    made["unmatched_events"] = unmatched_events(event_frame, user_frame, **days, signup_lookahead_days=lookahead)
    return {name: frames.contract(name, **declared).typed(table) for name, table in made.items()}


def assert_same_tables(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame]) -> None:
    for name, table in left.items():
        frames.same_rows(table, right[name], EVENT_KEY if name == "unmatched_events" else GRID_KEY)


@PROPERTY
@given(worlds(), st.sampled_from([0, LATENESS + 2]))
def test_every_user_day_is_what_the_specification_says(world: World, lookahead: int) -> None:
    users, events, id_type = world
    made = tables(users, events, id_type, lookahead=lookahead)
    for name, table in made.items():
        frames.admitted(name, table, FIRST, LAST, id_type=id_type, lateness_days=LATENESS)
    grid, daily, unmatched = (records(table) for table in made.values())
    for day in (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)):
        of_day = [row for row in grid if row["as_of_date"] == day]
        assert {row["user_id"]: row for row in of_day} == oracles.user_day_grid(users, day, LATENESS)

        expected = oracles.user_daily(users, events, day, LATENESS)
        active = {row["user_id"]: row for row in daily if row["as_of_date"] == day}
        assert active.keys() == expected.keys()
        for user_id, row in expected.items():
            assert active[user_id] == {
                name: pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
                for name, value in row.items()
            }

        left_out = {(r["event_id"], r["landing_date"]): r["reason"] for r in unmatched if r["event_date"] == day}
        assert left_out == oracles.unmatched_events(users, events, day, LATENESS, lookahead)
        happened = sum(event["event_date"] == day for event in events)
        assert sum(row["total_events"] for row in active.values()) + len(left_out) == happened


@PROPERTY
@given(worlds(), st.integers(3, 8), st.sampled_from([0, LATENESS + 2]))
def test_a_day_is_the_same_alone_or_in_a_range_and_whatever_else_was_loaded(
    world: World, number: int, lookahead: int
) -> None:
    users, events, id_type = world
    day, horizon = jan(number), jan(number + LATENESS)
    own_users = [user for user in users if user["landing_date"] <= jan(number + max(LATENESS, lookahead))]
    own_events = [event for event in events if day <= event["landing_date"] <= horizon]
    alone = tables(own_users, own_events, id_type, day, day, lookahead=lookahead)
    assert_same_tables(alone, tables(users, events, id_type, day, day, lookahead=lookahead))
    whole = tables(users, events, id_type, lookahead=lookahead)
    days = {"user_day_grid": "as_of_date", "user_daily": "as_of_date", "unmatched_events": "event_date"}
    assert_same_tables(alone, {n: t[t[days[n]] == pd.Timestamp(day)] for n, t in whole.items()})


@PROPERTY
@given(worlds(), st.randoms(use_true_random=False))
def test_a_user_does_not_depend_on_other_users_nor_on_the_order_of_rows_to_the_last_bit(
    world: World, random: Any
) -> None:
    users, events, id_type = world
    whole = tables(users, events, id_type)
    shuffled = random.sample(users, len(users)), random.sample(events, len(events))
    assert_same_tables(whole, tables(*shuffled, id_type))

    def split(rows: list[Row], even: bool) -> list[Row]:
        return [row for row in rows if (int(row["user_id"]) % 2 == 0) == even]

    halves = [tables(split(users, even), split(events, even), id_type) for even in (True, False)]
    assert_same_tables(whole, {name: stacked([half[name] for half in halves]) for name in whole})


# --- the grid, worked by hand ---


def grid(*versions: Row, first: int = 1, last: int = 10, lateness: int = 3) -> list[tuple[int, str]]:
    """(day of January, plan) per grid row of user 1."""
    days = {"first_day": jan(first), "last_day": jan(last), "lateness_days": lateness}
    table = frames.admitted("user_day_grid", user_day_grid(clean_users(*versions), **days), jan(first), jan(last))
    return [(row["as_of_date"].day, row["plan"]) for row in records(table)]


def version(landed: int, plan: str, signup: int | None = None) -> Row:
    return {"landing_date": jan(landed), "signup_date": jan(signup or landed), "plan": plan}


def test_a_user_has_a_row_for_every_day_from_signup_on() -> None:
    assert grid(version(8, "free")) == [(8, "free"), (9, "free"), (10, "free")]


def test_51_a_plan_counts_from_the_day_its_version_landed() -> None:
    assert grid(version(5, "free"), version(7, "pro", signup=5), first=4, last=8) == [
        (5, "free"),
        (6, "free"),
        (7, "pro"),
        (8, "pro"),
    ]


def test_51_a_plan_of_the_future_is_not_seen_however_much_was_loaded() -> None:
    assert grid(version(5, "free"), version(7, "pro", signup=5), first=6, last=6) == [(6, "free")]


def test_52_a_user_missing_from_later_snapshots_keeps_the_last_version() -> None:
    assert grid(version(1, "pro"), first=9, last=10) == [(9, "pro"), (10, "pro")]


def test_a_first_version_landed_within_lateness_counts_from_signup() -> None:
    """Signed up on the 4th, landed on the 7th: 7 - 4 = 3."""
    assert [day for day, _ in grid(version(7, "pro", signup=4))] == [4, 5, 6, 7, 8, 9, 10]


def test_a_first_version_landed_past_lateness_counts_from_its_landing() -> None:
    """Signed up on the 3rd, landed on the 7th: 7 - 3 = 4."""
    assert [day for day, _ in grid(version(7, "pro", signup=3))] == [7, 8, 9, 10]


def test_a_later_version_never_counts_before_it_landed_however_early_its_signup() -> None:
    assert grid(version(5, "free", signup=4), version(6, "pro", signup=1), first=1, last=6) == [
        (4, "free"),
        (5, "free"),
        (6, "pro"),
    ]


def test_a_signup_to_come_begins_on_its_day_with_the_version_known_by_then() -> None:
    assert grid(version(2, "free", signup=5), version(4, "pro", signup=5), last=6) == [(5, "pro"), (6, "pro")]


def test_signup_date_is_the_first_versions() -> None:
    days = {"first_day": jan(5), "last_day": jan(6), "lateness_days": 3}
    table = user_day_grid(clean_users(version(4, "free"), version(6, "pro", signup=6)), **days)
    assert [(r["signup_date"].day, r["days_since_signup"]) for r in records(table)] == [(4, 1), (4, 2)]


# --- the day, worked by hand ---


def day_of_user_1(*events: Row) -> Row:
    """user_daily of user 1, who signed up on 1 January, on the 5th."""
    users = clean_users(version(1, "pro"))
    one_day = user_day_grid(users, first_day=jan(5), last_day=jan(5), lateness_days=3)
    daily = user_daily(one_day, clean_events(*events))
    return records(frames.admitted("user_daily", daily, jan(5), jan(5)))[0]


def test_a_day_without_events_is_all_zeros_and_no_average() -> None:
    row = day_of_user_1()
    assert {name: row[name] for name in oracles.activity([])} == oracles.activity([])


def test_counts_sums_and_averages_of_a_day() -> None:
    """Minutes 12.5 + 7.25 = 19.75; scores (50 + 80) / 2 = 65; amounts 9.99 + null = 9.99, a failed 5 not counted."""
    noon = at(5, "12:00:00")
    row = day_of_user_1(
        {"event_time": noon, "event_type": "login"},
        {"event_time": noon, "event_type": "video_watch", "course_id": "c1", "watch_minutes": 12.5},
        {"event_time": noon, "event_type": "video_watch", "course_id": "c2", "watch_minutes": 7.25},
        {"event_time": noon, "event_type": "quiz_attempt", "course_id": "c1", "quiz_score": 50.0},
        {"event_time": noon, "event_type": "quiz_attempt", "quiz_score": 80.0},
        {"event_time": noon, "event_type": "payment_success", "amount": 9.99},
        {"event_time": noon, "event_type": "payment_success", "amount": None},
        {"event_time": noon, "event_type": "payment_failed", "amount": 5.0},
        {"event_time": noon, "event_type": "course_enroll", "course_id": "c2"},
        {"event_time": noon, "event_type": "support_ticket"},
        {"event_time": noon, "event_type": "page_view", "quiz_score": 1.0, "amount": -3.0},
    )
    expected = {"total_events": 11, "total_logins": 1, "total_watch_minutes": 19.75, "total_quiz_attempts": 2}
    expected |= {"distinct_courses": 2, "avg_quiz_score": 65.0, "total_enrollments": 1, "payment_success_count": 2}
    expected |= {"payment_failed_count": 1, "payment_amount": 9.99, "support_ticket_count": 1}
    expected |= {"total_sessions": 1, "is_active": True}
    assert {name: row[name] for name in expected} == expected


def test_35_an_unknown_event_type_is_activity() -> None:
    row = day_of_user_1({"event_time": at(5, "12:00:00"), "event_type": "page_view"})
    assert (row["total_events"], row["total_sessions"], row["is_active"], row["total_logins"]) == (1, 1, True, 0)


def test_34_more_than_1440_minutes_in_a_day_are_kept() -> None:
    noon = at(5, "12:00:00")
    assert day_of_user_1(*[{"event_time": noon, "watch_minutes": 1000.0}] * 2)["total_watch_minutes"] == 2000.0


@pytest.mark.parametrize(
    ("times", "sessions"),
    [
        (["10:00:00"], 1),
        (["10:00:00", "10:30:00"], 1),
        (["10:00:00", "10:30:00.000001"], 2),
        (["10:00:00", "10:30:01"], 2),
        (["10:00:00", "10:20:00", "10:40:00", "11:00:00"], 1),  # no gap above 20 minutes
        (["11:00:00", "10:00:00", "10:29:00"], 2),  # 10:00, 10:29, then 31 minutes
        (["10:00:00", "10:00:00"], 1),
        (["00:00:00", "23:59:59.999999"], 2),
    ],
)
def test_a_gap_above_30_minutes_starts_a_session(times: list[str], sessions: int) -> None:
    assert day_of_user_1(*({"event_time": at(5, time)} for time in times))["total_sessions"] == sessions


def test_46_the_first_and_last_microsecond_of_a_day_belong_to_it_and_their_neighbours_do_not() -> None:
    times = [at(4, "23:59:59.999999"), at(5, "00:00:00"), at(5, "23:59:59.999999"), at(6, "00:00:00")]
    assert day_of_user_1(*({"event_time": time} for time in times))["total_events"] == 2


def test_a_day_of_23_hours_takes_the_events_its_event_date_says() -> None:
    """Berlin's 29 March is 28T23:00Z to 29T22:00Z; event_date, not the UTC date of event_time, decides."""
    day = date(2026, 3, 29)
    users = clean_users({"landing_date": day})
    times = [datetime(2026, 3, 28, 23, 0), datetime(2026, 3, 29, 21, 59, 59)]
    events = clean_events(*({"event_time": time, "event_date": day, "landing_date": day} for time in times))
    one_day = user_day_grid(users, first_day=day, last_day=day, lateness_days=3)
    assert user_daily(one_day, events)[["total_events", "total_sessions"]].to_numpy().tolist() == [[2, 2]]


# --- what no grid row took ---


@pytest.mark.parametrize(
    ("user_id", "versions", "reason"),
    [
        (2, [version(1, "free")], ["unknown_user"]),
        (1, [version(6, "free")], ["before_signup"]),  # landed on the 6th, within the 5th's lateness
        (1, [version(5, "free", signup=6)], ["before_signup"]),
        (1, [version(8, "free")], ["before_signup"]),  # 5 + 3 = 8
        (1, [version(9, "free")], ["unknown_user"]),  # past the 5th's lateness: not known to it
        (1, [version(8, "free", signup=4)], ["unknown_user"]),  # first version 4 days late: counts from the 8th
        (1, [version(7, "free", signup=4)], []),
        (1, [version(5, "free")], []),
        (1, [], ["unknown_user"]),
    ],
)
def test_49_an_event_that_no_grid_row_takes_is_kept_with_its_reason(
    user_id: int, versions: list[Row], reason: list[str]
) -> None:
    users, events = clean_users(*versions), clean_events({"event_time": at(5, "12:00:00"), "user_id": user_id})
    days = {"first_day": jan(5), "last_day": jan(5), "lateness_days": 3}
    unmatched = frames.admitted("unmatched_events", unmatched_events(events, users, **days), jan(5), jan(5))
    assert unmatched["reason"].tolist() == reason
    daily = user_daily(user_day_grid(users, **days), events)
    assert daily["total_events"].sum() + len(unmatched) == 1


@pytest.mark.parametrize(
    ("version_of_user", "reason"),
    [
        (version(9, "free"), "before_signup"),
        (version(10, "free"), "before_signup"),  # 5 + 5 = 10
        (version(11, "free"), "unknown_user"),
        (version(9, "free", signup=4), "unknown_user"),  # signed up before, but counts from the 9th only
    ],
)
def test_a_lookahead_tells_who_signs_up_later_from_who_is_unknown(version_of_user: Row, reason: str) -> None:
    users, events = clean_users(version_of_user), clean_events({"event_time": at(5, "12:00:00"), "user_id": 1})
    days = {"first_day": jan(5), "last_day": jan(5), "lateness_days": 3}
    assert unmatched_events(events, users, **days, signup_lookahead_days=5)["reason"].tolist() == [reason]


def test_no_rows_give_no_rows_in_the_contracts_types() -> None:
    made = tables([], [])
    assert [len(table) for table in made.values()] == [0, 0, 0]
    some_events = tables([], [{**frames.CLEAN_EVENT, **EVENT_5}])
    assert [len(table) for table in some_events.values()] == [0, 0, 1]


EVENT_5: Row = {"event_id": 1, "event_time": at(5, "12:00:00"), "event_date": jan(5), "landing_date": jan(5)}
EVENT_5 |= {"source_file": "a.csv", "source_row": 1}
