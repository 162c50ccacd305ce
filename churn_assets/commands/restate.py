"""`churn-assets restate`: what late or redelivered files touch is computed again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from churn_assets.commands.display import (
    console,
    run_planned,
    shortened,
    show_errors,
    show_report,
    show_restated,
    show_unclaimed,
    table,
)
from churn_assets.commands.options import pass_deployment

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be computed again, and why, and do nothing.")
@pass_deployment
def restate(deployment: Deployment, dry_run: bool) -> None:
    """Compute again the published days that late or redelivered files touch, and no others."""
    passed = _show_plan(deployment) if dry_run else _restate(deployment)
    sys.exit(0 if passed else 1)


def _show_plan(deployment: Deployment) -> bool:
    from churn_assets.automation.restate import planned_restatement, touched

    todo = planned_restatement(deployment)
    if todo.works:
        title = f"At most {todo.partitions:,} partitions in {len(todo.works)} runs"
        shown = table(title, "tables", ">days", "ranges", "because of", fold=True)
        for one in touched(deployment, todo):
            days = sum(map(len, one.days))
            lists = [shortened([*map(str, items)], most=3) for items in (one.days, one.files or ["(unknown)"])]
            shown.add_row(", ".join(one.tables), f"{days:,}", *(escape("\n".join(lines)) for lines in lists))
        console.print(shown)
        console.print("A day whose inputs turn out the same is left as it is. Next: churn-assets restate")
    return _show_rest(deployment, todo.impossible, is_up_to_date=not todo.works)


def _restate(deployment: Deployment) -> bool:
    with console.status("Loading the graph ..."):
        from churn_assets.automation.restate import planned_restatement, restated
        from churn_assets.automation.restate import restate as run_restate
        from churn_assets.graph import build_definitions

        definitions = build_definitions(deployment.settings)
        todo = planned_restatement(deployment)
    report = run_planned("Restate", run_restate, definitions, deployment, todo)
    if report.partitions or not report.succeeded:
        show_report(report)
    show_restated(restated(deployment, report))
    return _show_rest(deployment, (), is_up_to_date=not todo.works and report.succeeded) and report.succeeded


def _show_rest(deployment: Deployment, impossible: Sequence[str], *, is_up_to_date: bool) -> bool:
    """What a restatement does not do, and that it has nothing to do. False where something stands in its way."""
    from churn_assets.automation.restate import delivered_but_not_published

    if waiting := delivered_but_not_published(deployment):
        console.print(f"{len(waiting):,} delivered days were never published; 'churn-assets backfill' does that.")
    if is_up_to_date and not impossible:
        console.print("What is published is up to date with what has landed.")
    show_unclaimed(deployment)
    show_errors(impossible)
    return not impossible
