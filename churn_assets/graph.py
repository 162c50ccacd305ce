"""The whole product for one deployment as Dagster definitions: assets, their checks, what runs by the clock, and where it is stored.

Importing this reads no settings; `definitions.py` does, for the one deployment Dagster is started on.
"""

from __future__ import annotations

import warnings
from functools import partial

from dagster import BetaWarning, Definitions, PreviewWarning, in_process_executor

from churn_assets.assets.churn_model import build_churn_model
from churn_assets.assets.graph import build_assets
from churn_assets.assets.online_store import build_online_store
from churn_assets.assets.settled import unsettled
from churn_assets.assets.step import Deployment
from churn_assets.assets.training_set import build_training_set
from churn_assets.automation.alerts import failure_alert
from churn_assets.automation.schedules import daily_schedule, label_schedule
from churn_assets.automation.sensors import late_data_sensor
from churn_assets.checks.graph import build_checks
from churn_assets.checks.training_set import build_training_set_checks
from churn_assets.report.asset import build_report
from churn_assets.settings import Settings
from churn_assets.warehouse.io_manager import ChurnIOManager


def build_definitions(settings: Settings) -> Definitions:
    """The whole product for one deployment."""
    deployment = Deployment(settings)
    with warnings.catch_warnings():
        # Partitioned checks and clipped partition mappings are marked preview and beta in the Dagster this is pinned to.
        warnings.simplefilter("ignore", PreviewWarning)
        warnings.simplefilter("ignore", BetaWarning)
        return _definitions(deployment)


def _definitions(deployment: Deployment) -> Definitions:
    settings = deployment.settings
    return Definitions(
        assets=[
            *build_assets(deployment),
            build_training_set(deployment),
            build_churn_model(deployment),
            *([build_online_store(deployment)] if settings.serving.is_on else []),
            build_report(deployment),
        ],
        asset_checks=[*build_checks(settings, partial(unsettled, deployment)), *build_training_set_checks(settings)],
        schedules=[daily_schedule(deployment), label_schedule(deployment)],
        sensors=[late_data_sensor(deployment), failure_alert()],
        resources={
            "io_manager": ChurnIOManager(
                database=str(settings.warehouse_path), data_dir=str(settings.data_dir), schema="churn"
            )
        },
        # A process per step costs 2-3 s each; the steps are short and share the warehouse.
        executor=in_process_executor,
    )
