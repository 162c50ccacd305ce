"""`churn-assets verify`: stored partitions against the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from churn_assets.commands.display import console
from churn_assets.commands.options import pass_deployment
from churn_assets.errors import ChurnError

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment

MOST_DAYS = 5
"""Shown of each table."""


@click.command()
@pass_deployment
def verify(deployment: Deployment) -> None:
    """Compare every stored partition with what the ledger says was published."""
    from churn_assets.automation.verify import last_published
    from churn_assets.automation.verify import verify as verify_tables

    wrong = partitions = waiting = 0
    for table, looked_at, found in verify_tables(deployment):
        partitions += looked_at
        findings = [finding for finding in found if not finding.waits]
        if waits := [finding for finding in found if finding.waits]:
            waiting += len(waits)
            console.print(
                f"[yellow]{table}: {len(waits)} partitions are {waits[0].what}, so they cannot be compared.[/yellow]"
            )
        wrong += len(findings)
        for finding in findings[:MOST_DAYS]:
            console.print(f"[red]{finding.table} {finding.day}: {finding.what}[/red]")
        if len(findings) > MOST_DAYS:
            console.print(f"[red]{table}: ... and {len(findings) - MOST_DAYS} more days[/red]")
    if wrong:
        raise ChurnError(
            f"{wrong} of {partitions} partitions are not as published; recompute them with 'churn-assets backfill START END --force'."
        )
    if waiting:
        console.print(
            f"{partitions - waiting:,} partitions are as published; {waiting:,} wait for 'churn-assets backfill'."
        )
    else:
        console.print(f"All {partitions:,} partitions are as published.")
    if newest := last_published(deployment):
        console.print(f"The newest was published {newest:%Y-%m-%d %H:%M:%S} UTC.")
