"""The tables of a data folder's whole calendar by the product's own steps in a plain loop, up to the user-days or on to the
training set: no Dagster, no checks. They are the ones that the opponents make too.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from churn_assets.assets.step import Deployment
from churn_assets.assets.steps import AnyStep, all_steps
from churn_assets.assets.training_step import make_training_set
from churn_assets.calendar import DayRange
from churn_assets.settings import Settings
from churn_assets.warehouse import publish

USER_DAYS = ("landing", "cleaned", "user_days")


def build(data: Path, groups: tuple[str, ...] = USER_DAYS) -> None:
    settings = Settings.load(data)
    if settings.end_date is None:
        raise SystemExit(f"{data} has no end_date.")
    deployment, days = Deployment(settings), DayRange(settings.calendar_start, settings.end_date)
    published(deployment, [step for step in all_steps(settings) if step.group in groups], days)
    if "learning" in groups:
        make_training_set(deployment)


def published(deployment: Deployment, steps: Iterable[AnyStep], days: DayRange) -> None:
    """Compute and publish the steps, one after the other; the tables of one in one transaction."""
    for step in steps:
        with deployment.warehouse.writing() as connection:
            for publication in step.publications(deployment, days):
                publish(connection, publication)


if __name__ == "__main__":
    build(Path(sys.argv[1]), (*USER_DAYS, *sys.argv[2:]))
