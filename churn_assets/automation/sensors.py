"""What runs because something landed: published days that late or redelivered files touch are computed again.

Not by Dagster's `eager()`, which looks at the newest window only. Off until somebody switches it on in the UI.
"""

from __future__ import annotations

import hashlib
from itertools import takewhile

from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    define_asset_job,
)

from churn_assets.assets.step import Deployment
from churn_assets.automation.backfill import current_ledger, failing_blocking_checks, range_tags
from churn_assets.automation.leftovers import fail_runs_that_died
from churn_assets.automation.plan import Plan, Work
from churn_assets.automation.restate import planned_restatement
from churn_assets.calendar import daily_partitions
from churn_assets.landing.folder import landing_fingerprint

SENSOR = "restate_late_data"
SENSOR_TAG = {"churn_assets/requested_by": SENSOR}
SECONDS_BETWEEN_LOOKS = 30
UNFINISHED = [
    *(DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING),
    *(DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING),
]


def late_data_sensor(deployment: Deployment) -> SensorDefinition:
    """Requests the runs that come first in the plan of `churn-assets restate`, with their exact days, and, once those are
    done, what is left of it then.

    The cursor says what had landed and was published at the last look; nothing is read while that stays the same. So a
    run that failed is not asked for again until something changes.
    """

    def request(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        fail_runs_that_died(context.instance, deployment)
        if _unfinished(context.instance):
            return SkipReason("A restatement is under way.")
        seen = _state(deployment)
        if context.cursor == seen:
            return SkipReason("Nothing has landed and nothing was published since the last look.")
        todo = planned_restatement(deployment)
        first = _first(todo)
        if not first:
            why = " ".join(todo.impossible) or "What is published is up to date with what has landed."
            return SensorResult(skip_reason=why, cursor=seen)
        for work in first:
            inputs = {table for step in work.steps for table in step.reads} - set(work.tables)
            if failing := failing_blocking_checks(deployment, inputs, work.days):
                why = f"{', '.join(work.tables)} wait: blocking checks fail on what they read: {', '.join(failing)}."
                return SensorResult(skip_reason=why, cursor=seen)
        return SensorResult(run_requests=[_run_request(work) for work in first], cursor=seen)

    return SensorDefinition(
        name=SENSOR,
        description="Computes again the published days that late or redelivered files touch, and no others.",
        job=define_asset_job(
            "restate_days",
            AssetSelection.assets(*deployment.contracts),
            description="Some tables of some days again, and their checks.",
            partitions_def=daily_partitions(deployment.settings),
        ),
        evaluation_fn=request,
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=DefaultSensorStatus.STOPPED,
    )


def _unfinished(instance: DagsterInstance) -> bool:
    return bool(instance.get_runs(RunsFilter(tags=SENSOR_TAG, statuses=UNFINISHED), limit=1))


def _state(deployment: Deployment) -> str:
    """Changes when a file lands or a partition is published, without reading either."""
    ledger = current_ledger(deployment)
    digest = hashlib.blake2b(landing_fingerprint(deployment.settings.landing_dir).encode(), digest_size=16)
    for table in sorted(deployment.contracts):
        for day, entry in sorted(ledger.of(table).items()):
            digest.update(f"{table}|{day}|{entry.content_hash}|{entry.input_hash}|{entry.run_id}\n".encode())
    return digest.hexdigest()


def _first(todo: Plan) -> list[Work]:
    """The runs that wait for no other: several ranges of the same tables, in any order. What follows them may turn out
    to be less than planned.
    """
    return list(takewhile(lambda work: work.steps == todo.works[0].steps, todo.works))


def _run_request(work: Work) -> RunRequest:
    return RunRequest(
        asset_selection=[AssetKey(table) for table in work.tables], tags=range_tags(work.days) | SENSOR_TAG
    )
