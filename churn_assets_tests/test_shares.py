"""Shares of a day that stop what comes after: rows rejected, and events of nobody; and what a backfill says of the rows it took in."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from churn_assets.automation.backfill import failing_blocking_checks
from churn_assets.automation.intake import Intake, intakes
from churn_assets.checks.shares import FEWEST_ROWS
from worlds import CALENDAR, day, deliver, deployment_of, run_plainly, run_with_dagster, write_settings

HEADER = "event_id,user_id,event_time,event_type\n"
UNTIL = 3
"""Days of the small calendar."""


def world(
    data: Path, good: Sequence[int], bad: Sequence[int], at: str = "x", user: int = 1, settings: str = "", **top: object
) -> Path:
    """On each day so many good rows, and bad ones whose event_time is `at` and whose user is `user`."""
    data.mkdir(exist_ok=True)
    write_settings(data, labels=settings, end_date=day(len(good)), **top)
    number = 0
    for offset, counts in enumerate(zip(good, bad, strict=True), 1):
        deliver(data, "users", day(offset), f"user_id,signup_date\n{offset},{day(offset)}\n")
        rows = []
        for count, times, of in ((counts[0], f"{day(offset)}T08:00:00", 1), (counts[1], at, user)):
            rows += [f"{number + n},{of},{times.format(day=day(offset))},login\n" for n in range(1, count + 1)]
            number += count
        deliver(data, "events", day(offset), HEADER + "".join(rows))
    return data


def failing(data: Path, check: str) -> dict[date | None, str]:
    """The days that the check fails once everything it needs is computed."""
    run_plainly(data)
    table, name = check.split(".")
    found = failing_blocking_checks(deployment_of(data), [table], CALENDAR)
    return found.get(f"{table}.{name}", {})


REJECTED = "clean_events.rejected"


@pytest.mark.parametrize(
    ("good", "bad", "days"),
    [
        ([60, 60, 60], [0, 60, 0], []),  # half of them, which is the limit
        ([60, 60, 60], [0, 61, 0], [2]),
        ([60, 0, 60], [0, FEWEST_ROWS - 1, 0], []),  # a handful
        ([60, 0, 60], [0, FEWEST_ROWS, 0], [2]),
        ([60, 60, 60], [500, 0, 0], []),  # where `land` puts what has no date
        ([0, 0, 0], [1, 0, 2], [1, 3]),  # nothing at all, whatever the number
        ([0, 0, 0], [0, 0, 0], []),
    ],
)
def test_a_day_of_which_most_is_rejected_is_stopped(
    tmp_path: Path, good: list[int], bad: list[int], days: list[int]
) -> None:
    assert [*failing(world(tmp_path / "data", good, bad), REJECTED)] == [day(n) for n in days]


@pytest.mark.parametrize(("at", "days"), [("2025-12-01T08:00:00", [2, 3]), ("2027-01-01T08:00:00", [1, 2])])
def test_what_land_moved_to_the_ends_of_the_calendar_does_not_count_there(
    tmp_path: Path, at: str, days: list[int]
) -> None:
    assert [*failing(world(tmp_path / "data", [60] * 3, [90] * 3, at), REJECTED)] == [day(n) for n in days]


def test_the_sentence_names_day_count_limit_and_setting(tmp_path: Path) -> None:
    found = failing(world(tmp_path / "data", [60, 60, 60], [0, 90, 0]), REJECTED)
    assert found[day(2)] == (
        "90 of 150 rows are rejected (bad_event_time 90), above checks.max_rejected_share 0.5; see 'churn-assets quarantine list', and "
        "correct the delivery or the setting that makes them so; if it is right, add the day to checks.expected_rejections in churn.toml"
    )


@pytest.mark.parametrize("settings", [f"expected_rejections = [{day(2)}]", "max_rejected_share = 0.6"])
def test_rejected_rows_that_are_right_are_said_to_be(tmp_path: Path, settings: str) -> None:
    assert not failing(world(tmp_path / "data", [60] * 3, [0, 90, 0], settings=f"[checks]\n{settings}\n"), REJECTED)


UNMATCHED = "unmatched_events.share"


@pytest.mark.parametrize(
    ("good", "bad", "days"),
    [
        ([0, 358 - 20, 0], [0, 20, 0], []),  # a handful of a quiet day
        ([0, 100, 0], [0, FEWEST_ROWS - 1, 0], []),
        ([0, 100, 0], [0, FEWEST_ROWS, 0], [2]),
        ([0, 9_900, 0], [0, 100, 0], []),  # 1 %
        ([0, 9_899, 0], [0, 101, 0], [2]),
    ],
)
def test_49_a_day_with_many_events_of_nobody_is_stopped(
    tmp_path: Path, good: list[int], bad: list[int], days: list[int]
) -> None:
    found = failing(world(tmp_path / "data", good, bad, "{day}T09:00:00", user=99), UNMATCHED)
    assert [*found] == [day(n) for n in days]
    for sentence in found.values():
        assert (
            f"{bad[1]} of {good[1] + bad[1]:,} events match no user-day, above checks.max_unmatched_share 0.01"
            in sentence
        )


@pytest.mark.parametrize("settings", [f"expected_unmatched = [{day(2)}]", "max_unmatched_share = 0.4"])
def test_49_events_of_nobody_that_are_right_are_said_to_be(tmp_path: Path, settings: str) -> None:
    data = world(tmp_path / "data", [0, 90, 0], [0, 60, 0], "{day}T09:00:00", 99, f"[checks]\n{settings}\n")
    assert not failing(data, UNMATCHED)


@pytest.mark.long
def test_a_wrong_id_type_stops_a_backfill_which_says_so_and_goes_on_once_it_is_set(tmp_path: Path) -> None:
    data = world(tmp_path / "data", [2, 2, 2], [0, 0, 0])
    for number, source in itertools.product(range(1, UNTIL + 1), ("users", "events")):
        path = data / "landing" / source / f"date={day(number)}" / f"{source}.csv"
        path.write_text(re.sub(r"(\d+)(,2026.*)", r"u\1\2", path.read_text()))
    report = run_with_dagster(data)
    assert report.blocking == {"clean_users.rejected": 3, "clean_events.rejected": 3} and not report.succeeded
    assert report.failed["clean_users.rejected"][day(1)].startswith(
        "none of 1 rows is accepted (bad_user_id 1), nor any of another day; "
    )
    assert intakes(deployment_of(data), report.run_ids) == [
        Intake("users", 3, 3, 0, 0, 0, 3, (("bad_user_id", 3),)),
        Intake("events", 3, 6, 0, 0, 0, 6, (("bad_user_id", 6),)),
    ]
    write_settings(data, labels='[sources.users]\nid_type = "string"\n', end_date=day(UNTIL))
    assert run_with_dagster(data).succeeded


@pytest.mark.long
def test_what_runs_took_in_adds_up(landed: Path) -> None:
    first = run_with_dagster(landed)
    users, events = intakes(deployment_of(landed), first.run_ids)
    for one in (users, events):
        assert one.read == one.accepted + one.duplicate + one.unchanged + one.quarantined > one.accepted > 0
        assert sum(rows for _, rows in one.reasons) == one.quarantined and one.days == len(CALENDAR)
    again = run_with_dagster(landed)
    assert not intakes(deployment_of(landed), again.run_ids), "nothing was computed"
