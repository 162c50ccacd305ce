"""`churn-assets status`: what is published, and what is not up to date."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from churn_assets.commands.display import console, shortened, show_failing, show_reasons, show_unclaimed, table
from churn_assets.commands.options import pass_deployment
from churn_assets.errors import ChurnError

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment


@click.command()
@pass_deployment
def status(deployment: Deployment) -> None:
    """What is published, and what a backfill would do."""
    from churn_assets.assets.model_step import due_model
    from churn_assets.assets.training_step import missing_training_set
    from churn_assets.automation.backfill import known_failures, planned
    from churn_assets.calendar import calendar_days

    todo = planned(deployment)
    calendar = calendar_days(deployment.settings)
    waiting: Counter[str] = Counter()
    for work in todo.works:
        waiting.update(dict.fromkeys(work.tables, len(work.days)))
    title = f"{deployment.settings.warehouse_path}, calendar {calendar}"
    shown = table(title, "table", ">days", ">first", ">last", ">rows", ">to do")
    for name in deployment.contracts:
        known = todo.ledger.extent(name)
        extent = (
            [f"{known.days:,}", str(known.first), str(known.last), f"{known.rows:,}"] if known else ["0", "-", "-", "0"]
        )
        shown.add_row(name, *extent, f"{waiting[name]:,}")
    console.print(shown)
    show_reasons(todo)
    for sentence in shortened(todo.impossible):
        console.print(f"[yellow]{escape(sentence)}[/yellow]")
    failing = known_failures(deployment)
    show_failing(failing)
    overlooked = show_unclaimed(deployment)
    behind = _show_online(deployment)
    if todo.works or missing_training_set(deployment) or due_model(deployment) or behind:
        console.print("Next: churn-assets backfill")
    elif not todo.impossible and not overlooked and not failing:
        console.print("Everything is up to date.")


def _show_online(deployment: Deployment) -> bool:
    """Say where the online store does not hold the newest day, and why it cannot be asked."""
    from churn_assets.assets.online_step import due_snapshot

    try:
        due = due_snapshot(deployment)
    except ChurnError as error:
        console.print(f"[yellow]{escape(str(error))}[/yellow]", soft_wrap=True)
        return True
    if due:
        console.print(f"The online store does not hold {due.as_of_date} as it is published now.")
    return due is not None
