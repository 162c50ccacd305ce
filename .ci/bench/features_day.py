"""user_features of one day by the product's own step, published: no Dagster, no checks."""

import sys
from datetime import date
from pathlib import Path

from bench.plain_loop import published
from churn_assets.assets.step import Deployment
from churn_assets.assets.steps import all_steps
from churn_assets.calendar import DayRange
from churn_assets.settings import Settings


def build(data: Path, day: date) -> None:
    deployment = Deployment(Settings.load(data))
    steps = [step for step in all_steps(deployment.settings) if step.name == "user_features"]
    published(deployment, steps, DayRange(day, day))


if __name__ == "__main__":
    build(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]))
