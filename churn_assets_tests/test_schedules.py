"""What runs by the clock: which day each schedule asks for, when it has nothing to do, and that its job does it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from dagster import (
    DagsterInstance,
    DefaultScheduleStatus,
    Definitions,
    RunRequest,
    build_schedule_context,
)

from churn_assets.automation.backfill import planned
from churn_assets.graph import build_definitions
from churn_assets.online.store import open_store
from online_worlds import serving
from worlds import HORIZON, START, day, days, deployment_of, hashes, publish_plainly, query, run_plainly, write_settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
NAME, DAILY = "label_closed_horizon", "compute_yesterday"


def definitions_of(data: Path) -> Definitions:
    return build_definitions(deployment_of(data).settings)


def asked(data: Path, name: str = NAME, at: datetime | None = None) -> RunRequest | str:
    """What the schedule asks for, or why for nothing."""
    repository = definitions_of(data).get_repository_def()
    with build_schedule_context(repository_def=repository, scheduled_execution_time=at) as context:
        execution = repository.get_schedule_def(name).evaluate_tick(context)
    if execution.run_requests:
        (request,) = execution.run_requests
        return request
    assert execution.skip_message
    return execution.skip_message


def without_labels(data: Path, first: int, last: int) -> None:
    """As after a night in which everything but the labels was computed."""
    deployment = deployment_of(data)
    tables = set(deployment.contracts) - {"churn_labels"}
    for work in planned(deployment, days(first, last), tables=tables).works:
        publish_plainly(deployment, work)


@pytest.mark.parametrize(("name", "cron"), [(NAME, "0 6 * * *"), (DAILY, "0 5 * * *")])
def test_it_is_off_until_somebody_switches_it_on(landed: Path, name: str, cron: str) -> None:
    schedule = definitions_of(landed).get_repository_def().get_schedule_def(name)
    assert schedule.default_status is DefaultScheduleStatus.STOPPED
    assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "UTC")


@pytest.mark.parametrize("published", [0, HORIZON])
def test_before_the_first_horizon_has_closed_there_is_nothing_to_label(landed: Path, published: int) -> None:
    if published:
        run_plainly(landed, days(1, published))
    assert asked(landed) == "No day's horizon has closed yet."


def test_the_day_whose_horizon_has_closed_is_labelled_once(landed: Path) -> None:
    run_plainly(landed, days(1, 8))
    assert asked(landed) == f"churn_labels of {day(4)} is up to date."
    without_labels(landed, 9, 9)
    request = asked(landed)
    assert isinstance(request, RunRequest) and request.partition_key == str(day(9 - HORIZON))

    job = definitions_of(landed).get_repository_def().get_job("label_day")
    result = job.execute_in_process(instance=DagsterInstance.ephemeral(), partition_key=request.partition_key)
    assert result.success
    assert {check.check_name for check in result.get_asset_check_evaluations() if check.passed} == {
        "complete",
        "observed",
        "recounted",
        "expectations",
        "of_all_scored",
        "not_below_recency",
    }
    reasons = f"SELECT DISTINCT censor_reason FROM churn.churn_labels WHERE as_of_date = '{day(5)}'"
    assert query(landed, reasons) == [(None,)]
    assert asked(landed) == f"churn_labels of {day(5)} is up to date."


@pytest.mark.parametrize(
    ("zone", "at", "number"),
    [
        ("UTC", datetime(2026, 1, 6, 5, tzinfo=ZoneInfo("UTC")), 5),
        ("Europe/Berlin", datetime(2026, 1, 6, 4, tzinfo=ZoneInfo("UTC")), 5),
        # Five in the morning of the 6th in Auckland is still the 5th in UTC.
        ("Pacific/Auckland", datetime(2026, 1, 5, 16, tzinfo=ZoneInfo("UTC")), 5),
    ],
)
def test_yesterday_is_the_business_day_before(landed: Path, zone: str, at: datetime, number: int) -> None:
    write_settings(landed, timezone=f"'{zone}'")
    request = asked(landed, DAILY, at)
    assert isinstance(request, RunRequest)
    assert request.partition_key == request.run_key == str(day(number))


@pytest.mark.parametrize("at", [START, datetime(2026, 1, 14)])
def test_outside_the_calendar_there_is_no_yesterday(landed: Path, at: datetime) -> None:
    said = asked(landed, DAILY, datetime(at.year, at.month, at.day, 5, tzinfo=ZoneInfo("UTC")))
    assert isinstance(said, str) and "is not within the calendar" in said


def test_the_job_of_yesterday_computes_every_table_of_that_day_and_checks_it(landed: Path) -> None:
    job = definitions_of(landed).get_repository_def().get_job("all_tables")
    result = job.execute_in_process(instance=DagsterInstance.ephemeral(), partition_key=str(day(1)))
    assert result.success and result.get_asset_check_evaluations()
    assert set(hashes(landed)) == {(table, day(1)) for table in deployment_of(landed).contracts}


def test_the_job_of_yesterday_puts_the_day_into_the_online_store_where_there_is_one(landed: Path) -> None:
    serving(landed)
    job = definitions_of(landed).get_repository_def().get_job("all_tables")
    for number in (1, 2):
        result = job.execute_in_process(instance=DagsterInstance.ephemeral(), partition_key=str(day(number)))
        held = open_store(deployment_of(landed).settings).snapshot()
        assert result.success and held is not None and held.as_of_date == day(number)


def test_a_day_that_was_not_delivered_fails_its_run(landed: Path) -> None:
    write_settings(landed, end_date=day(20))
    job = definitions_of(landed).get_repository_def().get_job("all_tables")
    result = job.execute_in_process(
        instance=DagsterInstance.ephemeral(), partition_key=str(day(13)), raise_on_error=False
    )
    assert not result.success and not hashes(landed)


def test_tables_at_the_end_are_fresh_by_eight_where_the_calendar_is_open(landed: Path) -> None:
    def policies() -> dict[str, str]:
        graph = definitions_of(landed).resolve_asset_graph()
        return {
            key.to_user_string(): f"{policy.deadline_cron} {policy.timezone}"
            for key in graph.get_all_asset_keys()
            if (policy := graph.get(key).freshness_policy)
        }

    assert policies() == {}, "nothing new is expected of a calendar with an end"
    (landed / "churn.toml").write_text(f"start_date = {START}\ntimezone = 'Europe/Berlin'\n")
    last = (
        *("growth_daily", "retention_cohorts", "user_features", "feature_catalogue", "churn_labels"),
        *("churn_scores", "score_drift", "score_quality"),
    )
    assert policies() == dict.fromkeys(last, "0 8 * * * Europe/Berlin")
