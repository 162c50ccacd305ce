"""`churn-assets status`: what is published, and what is not up to date."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from churn_assets.commands.display import console, shortened, show_failing, show_reasons, show_warnings, table
from churn_assets.commands.options import pass_deployment

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment
    from churn_assets.automation.standing import Standing


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON object (docs/status.md).")
@click.option("--exit-code", is_flag=True, help="End with 1 where something is missing, out of date or failing.")
@pass_deployment
def status(deployment: Deployment, as_json: bool, exit_code: bool) -> None:
    """What is published, and what a backfill would do."""
    from churn_assets.automation.standing import Standing

    standing = Standing.of(deployment)
    if as_json:
        click.echo(json.dumps(standing.as_json(), indent=1))
    else:
        _show(standing)
    sys.exit(1 if exit_code and not standing.is_well else 0)


def _show(standing: Standing) -> None:
    shown = table(
        f"{standing.warehouse}, calendar {standing.calendar}", "table", ">days", ">first", ">last", ">rows", ">to do"
    )
    for name in standing.tables:
        known = standing.plan.ledger.extent(name)
        extent = (
            [f"{known.days:,}", str(known.first), str(known.last), f"{known.rows:,}"] if known else ["0", "-", "-", "0"]
        )
        shown.add_row(name, *extent, f"{standing.waiting.get(name, 0):,}")
    console.print(shown)
    show_reasons(standing.plan)
    for sentence in shortened(standing.plan.impossible):
        console.print(f"[yellow]{escape(sentence)}[/yellow]")
    show_failing(standing.failing)
    show_warnings(filter(None, (*standing.unclaimed, standing.behind)))
    if standing.next_command:
        console.print(f"Next: {standing.next_command}")
    elif standing.is_well:
        console.print("Everything is up to date.")
