"""What runs by the clock: every table of yesterday, and a day's labels and the quality of its scores once its horizon has closed.

Off until somebody switches it on in the UI.
"""

from datetime import timedelta
from zoneinfo import ZoneInfo

from dagster import (
    AssetSelection,
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    define_asset_job,
)

from churn_assets.assets.online_step import ONLINE_STORE
from churn_assets.assets.scoring_steps import QUALITY
from churn_assets.assets.step import Deployment
from churn_assets.automation.backfill import current_ledger, planned
from churn_assets.calendar import DayRange, daily_partitions

EARLY_MORNING = "0 5 * * *"
"""In the deployment's zone: by then the source has delivered the day before."""
LABELS = "churn_labels"
JUDGED = (LABELS, QUALITY)
"""What a closed horizon changes."""
EVERY_MORNING = "0 6 * * *"
"""In the deployment's zone: the day before has been landed and computed by then."""


def daily_schedule(deployment: Deployment) -> ScheduleDefinition:
    """Each morning every table of yesterday, with its checks. Fails, and so alerts, where yesterday was not delivered.

    A training set is made of all days, when somebody wants one: not here.
    """
    settings = deployment.settings

    def request(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        zone = ZoneInfo(settings.timezone)
        yesterday = context.scheduled_execution_time.astimezone(zone).date() - timedelta(days=1)
        calendar = DayRange(settings.calendar_start, settings.end_date or yesterday)
        if yesterday not in calendar:
            return SkipReason(f"{yesterday} is not within the calendar, {calendar}.")
        return RunRequest(run_key=yesterday.isoformat(), partition_key=yesterday.isoformat())

    return ScheduleDefinition(
        name="compute_yesterday",
        description="Every table of the day before; what it changes on other days is for restate_late_data.",
        job=define_asset_job(
            "all_tables",
            AssetSelection.assets(*deployment.contracts, *([ONLINE_STORE] if settings.serving.is_on else [])),
            description="Every table of one day, and its checks.",
            partitions_def=daily_partitions(settings),
        ),
        cron_schedule=EARLY_MORNING,
        execution_timezone=settings.timezone,
        execution_fn=request,
        default_status=DefaultScheduleStatus.STOPPED,
    )


def label_schedule(deployment: Deployment) -> ScheduleDefinition:
    """Each morning churn_labels of the newest day whose horizon has closed, and what became of its scores, unless both are up to date."""
    settings = deployment.settings
    horizon = timedelta(days=settings.labels.reach_days)

    def request(_: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        newest = max(current_ledger(deployment).of("user_daily"), default=None)
        if newest is None or newest - horizon < settings.calendar_start:
            return SkipReason("No day's horizon has closed yet.")
        day = newest - horizon
        todo = planned(deployment, DayRange(day, day), tables={*JUDGED})
        if not any(day in work.days for work in todo.works):
            return SkipReason(" ".join(todo.impossible) or f"{LABELS} of {day} is up to date.")
        return RunRequest(partition_key=day.isoformat())

    return ScheduleDefinition(
        name="label_closed_horizon",
        description=f"Labels the day {horizon.days} days before the newest published one.",
        job=define_asset_job(
            "label_day",
            AssetSelection.assets(*JUDGED),
            description="churn_labels and score_quality of one day, and their checks.",
            partitions_def=daily_partitions(settings),
        ),
        cron_schedule=EVERY_MORNING,
        execution_timezone=settings.timezone,
        execution_fn=request,
        default_status=DefaultScheduleStatus.STOPPED,
    )
