"""`churn-assets backup` and `restore`: a verified copy of the warehouse, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from churn_assets.commands.options import pass_deployment

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_deployment
def backup(deployment: Deployment, file: Path) -> None:
    """Copy the warehouse to FILE and verify the copy. Runs wait meanwhile."""
    from churn_assets.automation.backup import backup as copy_warehouse

    click.echo(f"{copy_warehouse(deployment, file):,} partitions in {file}, each as published.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Put it in the place of the warehouse that is there.")
@pass_deployment
def restore(deployment: Deployment, file: Path, replace: bool) -> None:
    """Verify the backup in FILE and make it the warehouse; a backfill then adds what has landed since."""
    from churn_assets.automation.backup import restore as put_back

    partitions = put_back(deployment, file, replace=replace)
    click.echo(f"{partitions:,} partitions in {deployment.settings.warehouse_path}, each as published.")
    click.echo("Next: churn-assets backfill")
