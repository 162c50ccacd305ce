"""`churn-assets feast`: features for those who keep them in Feast."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from churn_assets.commands.display import console, counted
from churn_assets.commands.options import Day, pass_deployment

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment

OWNER = "data-engineering"


@click.group()
def feast() -> None:
    """Features for those who keep them in Feast."""


@feast.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--start", type=Day(), help="First day (default: the first published).")
@click.option("--end", type=Day(), help="Last day (default: the last published).")
@click.option("--owner", default=OWNER, show_default=True, help="Owner of the feature view.")
@pass_deployment
def export(deployment: Deployment, folder: Path, start: date | None, end: date | None, owner: str) -> None:
    """Write user_features into FOLDER as a repository that 'feast apply' takes."""
    from churn_assets.calendar import DayRange
    from churn_assets.training.feast import export_feast

    days = DayRange(start or date.min, end or date.max)
    exported = export_feast(deployment.settings, folder, days, owner=owner)
    console.print(
        f"{exported.rows:,} rows of {counted(exported.days, 'day')} in {escape(str(folder))}.", soft_wrap=True
    )
    last = exported.last_known_at.strftime("%Y-%m-%dT%H:%M:%S")
    console.print(
        f"Next: cd {escape(str(folder))} && feast apply && feast materialize 1970-01-01T00:00:00 {last}", soft_wrap=True
    )
