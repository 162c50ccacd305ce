"""Columns that a source does not have, once it says so: no check speaks of them, and what else is missing is still named."""

from __future__ import annotations

from pathlib import Path

import pytest

from churn_assets.automation.backfill import failing_blocking_checks
from churn_assets.checks.graph import all_checks, verdicts
from churn_assets.checks.verdict import Stored
from churn_assets.errors import ChurnError
from churn_assets.settings import Settings
from worlds import CALENDAR, DAYS, day, days, deliver, deployment_of, run_plainly, write_settings

LACKS = '[sources.users]\nlacks = ["country", "marketing_source", "is_paid"]\n[sources.events]\nlacks = ["amount", "quiz_score"]\n'


@pytest.fixture
def poor(tmp_path: Path) -> Path:
    """Users and events without most of their optional columns."""
    data = tmp_path / "data"
    for offset in range(1, DAYS + 1):
        deliver(data, "users", day(offset), f"user_id,signup_date,plan\n{offset},{day(offset)},free\n")
        rows = f"{offset},{offset},{day(offset)}T08:00:00,login,,\n"
        deliver(data, "events", day(offset), f"event_id,user_id,event_time,event_type,course_id,watch_minutes\n{rows}")
    write_settings(data)
    return data


def warnings(data: Path) -> dict[str, str]:
    """Checks of landed and cleaned tables that fail on some day but the first, and what they say of the last such day."""
    run_plainly(data, tables={"raw_users", "raw_events", "clean_users", "clean_events", "user_day_grid"})
    deployment, found = deployment_of(data), {}
    with deployment.warehouse.reading() as connection:
        stored = Stored(connection, deployment.contracts, deployment.settings)
        for check in all_checks(deployment.settings):
            if check.table in ("users_files", "events_files", "clean_users", "clean_events", "user_day_grid"):
                failed = [v for v in verdicts(check, stored, days(1, DAYS)).values() if v.failed]
                if failed:
                    found[check.qualified_name] = str(failed[-1].figures)
    return found


def test_what_a_source_lacks_warns_until_it_says_so(poor: Path) -> None:
    before = warnings(poor)
    assert {
        "users_files.schema_drift",
        "events_files.schema_drift",
        "clean_users.expectations",
        "user_day_grid.expectations",
    } <= set(before)
    write_settings(poor, labels=LACKS)
    assert warnings(poor) == {}
    assert not failing_blocking_checks(deployment_of(poor), deployment_of(poor).contracts, CALENDAR)


def test_another_missing_column_is_still_named(poor: Path) -> None:
    write_settings(poor, labels=LACKS.replace('"country", ', ""))
    found = warnings(poor)
    assert "country" in found["users_files.schema_drift"] and "amount" not in str(found)


@pytest.mark.parametrize("policy", ["strict", "add_only"])
def test_no_policy_asks_for_a_column_that_a_source_lacks(poor: Path, policy: str) -> None:
    strict = LACKS.replace("lacks", f'schema_policy = "{policy}"\nlacks')
    write_settings(poor, labels=strict)
    assert not warnings(poor)


@pytest.mark.parametrize(
    ("source", "name", "hint"),
    [("users", "contry", "did you mean 'country'"), ("users", "user_id", ""), ("events", "plan", "")],
)
def test_only_an_optional_column_can_be_lacking(tmp_path: Path, source: str, name: str, hint: str) -> None:
    (tmp_path / "churn.toml").write_text(f'[sources.{source}]\nlacks = ["{name}"]\n')
    with pytest.raises(
        ChurnError, match=f"sources.{source}: lacks names '{name}', which is no optional column of it"
    ) as refused:
        Settings.load(tmp_path)
    assert hint in str(refused.value)
