"""`churn-assets scores`: whom to call, why, and how good such lists were."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from churn_assets.commands.display import console, table
from churn_assets.commands.options import Day, pass_deployment
from churn_assets.errors import ChurnError

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment
    from churn_assets.report.at_risk import Lists


@click.command()
@click.argument("day", type=Day(), required=False)
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="Users to list.")
@pass_deployment
def scores(deployment: Deployment, day: date | None, top: int) -> None:
    """The users most at risk on DAY (default: the last scored day), why, and how good such lists were once their horizon closed."""
    found = find_lists(deployment, day=day, top=top)
    if found is None:
        raise ChurnError("Nobody is scored yet; run 'churn-assets backfill' first.")
    show_lists(found)


def find_lists(deployment: Deployment, **asked: Any) -> Lists | None:
    """What `at_risk` finds; `asked`: its day and how many users."""
    from churn_assets.report.at_risk import at_risk

    with deployment.warehouse.reading() as connection:
        return at_risk(connection, deployment.settings.declaration, **asked)


def show_lists(lists: Lists) -> None:
    """The list, and below it who ranked it and how good such lists were."""
    shown = table(lists.title, ">rank", ">user", ">probability", ">silent days", "why")
    for user in lists.top:
        shown.add_row(*map(escape, user.cells))
    console.print(shown)
    console.print(lists.ranked_by, soft_wrap=True)
    console.print(lists.how_good, soft_wrap=True)
