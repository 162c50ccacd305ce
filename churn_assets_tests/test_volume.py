"""Volume of a landing day against the trailing week: what is stopped, what warns, and of what nothing is said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from dagster import AssetCheckKey, AssetKey

from churn_assets.automation.backfill import dagster_instance
from churn_assets.calendar import DayRange
from stored_days import at, judged
from worlds import (
    CALENDAR,
    START,
    day,
    days,
    deliver,
    deployment_of,
    hashes,
    run_with_dagster,
    write_settings,
)

WEEK = [100] * 7


def verdict_of(check: str, rows: Sequence[int | None], *, alone: bool = False, **of_checks: object) -> bool | None:
    """Of the last day, computed with the others or alone."""
    asked = DayRange(at(len(rows)), at(len(rows))) if alone else None
    counted = [None if count is None else {"": count} for count in rows]
    return judged(check, "landing_date DATE", counted, asked=asked, **of_checks)[-1].passed


@pytest.mark.parametrize("source", ["users", "events"])
@pytest.mark.parametrize(
    ("rows", "passes"),
    [
        ([*WEEK, 1000], True),  # 10 x 100
        ([*WEEK, 1001], False),
        ([*WEEK, 0], True),
        ([40, 40, 40, 80, 501], False),  # four days are enough: mean 50
        ([40, 40, 40, 80, 500], True),
        ([700, 50, 50, 50, 50, 50, 50, 2000], True),  # mean 143, but 700 on the Monday before
        ([None, 50, None, 50, 50, None, 50, 501], False),  # days that are not in are no days of zero
    ],
)
def test_18_more_than_ten_times_the_trailing_week_is_stopped(source: str, rows: list[int | None], passes: bool) -> None:
    check = f"raw_{source}.surge"
    assert verdict_of(check, rows) is passes
    assert verdict_of(check, rows, alone=True) is passes, "alone as in a range"


@pytest.mark.parametrize(
    "rows",
    [
        [5000],
        [100, 100, 100, 5000],  # three days are no week
        [28] * 7 + [10_000],  # 196 rows in a week
        [None] * 5 + [100, 100, 5000],
    ],
)
def test_18_with_too_little_before_it_nothing_is_said_which_is_no_pass(rows: list[int | None]) -> None:
    assert verdict_of("raw_events.surge", rows) is None


def test_18_after_a_quiet_week_only_a_flood_is_stopped() -> None:
    """Ten times the 1,000 rows of a day that a quiet week is taken for."""
    assert verdict_of("raw_users.surge", [2] * 7 + [10_001]) is False
    assert verdict_of("raw_users.surge", [0] * 4 + [10_001]) is False
    assert verdict_of("raw_users.surge", [0] * 3 + [10_001]) is None, "the first load, perhaps"


def test_18_the_limit_is_a_setting_and_a_day_may_be_expected() -> None:
    assert verdict_of("raw_events.surge", [*WEEK, 1500], max_volume_ratio=15) is True
    assert verdict_of("raw_events.surge", [*WEEK, 1501], max_volume_ratio=15) is False
    assert verdict_of("raw_events.surge", [*WEEK, 9999], expected_surges=[at(8)]) is True
    assert verdict_of("raw_events.surge", [*WEEK, 9999], expected_surges=[at(7)]) is False


@pytest.mark.parametrize(
    ("rows", "passes"),
    [
        ([200] * 7 + [100], True),
        ([200] * 7 + [99], False),
        ([200] * 7 + [0], False),
        # Monday to Sunday with a quiet weekend, then the next Saturday: a third of the mean, but as the one before.
        ([300, 300, 300, 300, 300, 110, 110, 300, 300, 300, 300, 300, 110], True),
        ([300, 300, 300, 300, 300, 110, 110, 300, 300, 300, 300, 300, 54], False),
        ([99] * 7 + [0], None),
        ([200, 200, 200, 0], None),
    ],
)
def test_19_fewer_than_half_of_the_trailing_week_warns_but_not_of_a_weekend(
    rows: list[int | None], passes: bool | None
) -> None:
    assert verdict_of("raw_events.slump", rows) is passes
    assert verdict_of("raw_events.slump", rows, alone=True) is passes, "alone as in a range"


def test_a_day_that_was_not_published_is_not_green() -> None:
    assert verdict_of("raw_events.surge", [*WEEK, None]) is False


# --- in Dagster ---


def flood(data: Path, landing: date, rows: int) -> None:
    lines = (f"{7_000_000 + n},1,{landing}T01:00:00,login\n" for n in range(rows))
    deliver(data, "events", landing, "event_id,user_id,event_time,event_type\n" + "".join(lines), name="flood.csv")


def statuses(data: Path, check: str) -> dict[str, str]:
    """Of each partition by the latest run, as Dagster shows it."""
    with dagster_instance(deployment_of(data)) as instance:
        found = instance.event_log_storage.get_asset_check_execution_history(
            AssetCheckKey(AssetKey("raw_events"), check), limit=1000
        )
    return {str(record.partition): record.status.value for record in reversed(found)}


@pytest.mark.long
def test_a_surge_stops_what_comes_after_until_it_is_said_to_be_expected(landed: Path) -> None:
    flood(landed, day(8), 2000)
    report = run_with_dagster(landed)
    assert report.blocking == {"raw_events.surge": 1} and not report.succeeded
    tables = {table for table, _ in hashes(landed)}
    assert "raw_events" in tables and "clean_events" not in tables and "user_daily" not in tables
    shown = statuses(landed, "surge")
    assert {shown[str(at)] for at in days(1, 4)} == {"PLANNED"}, (
        "four days are needed before; of a run that is over it is shown as skipped"
    )
    assert shown[str(day(8))] == "FAILED"
    assert {shown[str(at)] for at in CALENDAR if at > day(4) and at != day(8)} == {"SUCCEEDED"}

    raw = {key: value for key, value in hashes(landed).items() if key[0] == "raw_events"}
    write_settings(landed, labels=f"[checks]\nexpected_surges = [{day(8)}]\n", start_date=START)
    assert run_with_dagster(landed).succeeded
    assert "user_daily" in {table for table, _ in hashes(landed)}
    assert {key: hashes(landed)[key] for key in raw} == raw
