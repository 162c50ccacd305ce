"""`churn-assets backfill`: every table brought up to date, and the training set made of them."""

from __future__ import annotations

import sys
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import click

from churn_assets.commands.display import console, run_planned, show_reasons, show_report, show_unclaimed
from churn_assets.commands.options import Day, pass_deployment
from churn_assets.errors import ChurnError

if TYPE_CHECKING:
    from dagster import Definitions

    from churn_assets.assets.step import Deployment
    from churn_assets.calendar import DayRange


@click.command()
@click.argument("start", type=Day(), required=False)
@click.argument("end", type=Day(), required=False)
@click.option(
    "--select", help="Asset selection, such as 'user_daily', or '*user_daily' with all it is made from (default: all)."
)
@click.option("--force", is_flag=True, help="Compute the asked days again even if nothing changed.")
@pass_deployment
def backfill(deployment: Deployment, start: date | None, end: date | None, select: str | None, force: bool) -> None:
    """Bring the days START to END up to date, skipping what already is. Without days: the whole calendar, and the
    training set made of it.
    """
    from churn_assets.calendar import DayRange, calendar_days
    from churn_assets.settings import SETTINGS_FILE

    asked = DayRange(start, end or start) if start else None
    calendar = calendar_days(deployment.settings)
    if asked is not None and not (len(asked) and asked.first in calendar and asked.last in calendar):
        raise ChurnError(
            f"Days {asked.first} to {asked.last} are not within the calendar, {calendar}; see {SETTINGS_FILE}."
        )
    sys.exit(0 if bring_up_to_date(deployment, asked, select=select, force=force) else 1)


def bring_up_to_date(
    deployment: Deployment, asked: DayRange | None = None, *, select: str | None = None, force: bool = False
) -> bool:
    """Do what a backfill of the asked days has to do (None: of the whole calendar) and show it. False if anything failed."""
    with console.status("Loading the graph ..."):
        from churn_assets.assets.training_step import too_few_days
        from churn_assets.automation.backfill import backfill as run_backfill
        from churn_assets.automation.backfill import failing_unchecked, planned, remaining
        from churn_assets.automation.intake import intakes
        from churn_assets.calendar import calendar_days
        from churn_assets.graph import build_definitions

        definitions = build_definitions(deployment.settings)
        tables = _selected(definitions, select) if select else None
        todo = planned(deployment, asked, tables=tables, force=force)
        days = calendar_days(deployment.settings) if asked is None else asked
    show_reasons(todo)
    narrowed = {"narrowed": partial(remaining, deployment)} if todo.redefines else {}
    report = run_planned("Backfill", run_backfill, definitions, deployment, todo, **narrowed)
    if report.succeeded:
        # Of what was up to date already, too: a check that failed once must not turn green by being skipped.
        with console.status("Checking what was up to date already ..."):
            report.add(failing_unchecked(deployment, tables or deployment.contracts, days, report))
    if not todo.works and report.succeeded and not (report.training_set or report.model or report.online):
        console.print(f"Everything is up to date, {days}.")
    else:
        show_report(report, intakes(deployment, report.run_ids))
    if todo.training_set and report.succeeded and (few := too_few_days(deployment)):
        console.print(f"No training set yet. {few}", soft_wrap=True)
    show_unclaimed(deployment)
    return report.succeeded


def _selected(definitions: Definitions, select: str) -> set[str]:
    from dagster import AssetSelection

    from churn_assets.report.asset import CHURN_REPORT

    try:
        graph = definitions.get_repository_def().asset_graph
        found = AssetSelection.from_coercible(select.split(",")).resolve(graph)
    except Exception as error:
        raise ChurnError(f"'{select}' is no selection of this graph's assets; see 'dagster asset list'.") from error
    names = {key.to_user_string() for key in found}
    if names == {CHURN_REPORT}:
        raise ChurnError(
            f"A backfill makes tables, training sets and models; {CHURN_REPORT} is made by 'churn-assets report'."
        )
    return names
