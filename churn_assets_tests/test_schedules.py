"""The schedule of labels: which day it asks for, when it has nothing to do, and that its job does what it says."""

from __future__ import annotations

from pathlib import Path

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
from worlds import HORIZON, day, days, deployment_of, publish_plainly, query, run_plainly

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
NAME = "label_closed_horizon"


def definitions_of(data: Path) -> Definitions:
    return build_definitions(deployment_of(data).settings)


def asked(data: Path) -> RunRequest | str:
    """What the schedule asks for, or why for nothing."""
    repository = definitions_of(data).get_repository_def()
    with build_schedule_context(repository_def=repository) as context:
        execution = repository.get_schedule_def(NAME).evaluate_tick(context)
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


def test_it_is_off_until_somebody_switches_it_on(landed: Path) -> None:
    schedule = definitions_of(landed).get_repository_def().get_schedule_def(NAME)
    assert schedule.default_status is DefaultScheduleStatus.STOPPED
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 6 * * *", "UTC")


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
    }
    reasons = f"SELECT DISTINCT censor_reason FROM churn.churn_labels WHERE as_of_date = '{day(5)}'"
    assert query(landed, reasons) == [(None,)]
    assert asked(landed) == f"churn_labels of {day(5)} is up to date."
