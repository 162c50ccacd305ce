"""user_features of one day by the product's own step, published: no Dagster, no checks. Or the tables it reads, of all days."""

import sys
from datetime import date
from pathlib import Path

from churn_assets.assets.step import Deployment
from churn_assets.assets.steps import all_steps
from churn_assets.calendar import DayRange
from churn_assets.settings import Settings
from churn_assets.warehouse import publish

READ_GROUPS = ("landing", "cleaned", "user_days")


def build(data: Path, day: date | None) -> None:
    """Features of `day`, or (None) what features are made from, of the whole calendar."""
    settings = Settings.load(data)
    last = settings.end_date or settings.calendar_start
    days = DayRange(day, day) if day else DayRange(settings.calendar_start, last)
    deployment = Deployment(settings)
    for step in all_steps(settings):
        if step.name == "user_features" if day else step.group in READ_GROUPS:
            with deployment.warehouse.writing() as connection:
                for publication in step.publications(deployment, days):
                    publish(connection, publication)


if __name__ == "__main__":
    build(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]) if len(sys.argv) > 2 else None)
