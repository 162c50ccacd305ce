"""`churn-assets report`: one page, and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from churn_assets.commands.display import console
from churn_assets.commands.options import pass_deployment

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to (default: <data>/reports)."
)
@pass_deployment
def report(deployment: Deployment, out: Path | None) -> None:
    """Growth, retention, quality and data health on one page, and as PNG files."""
    for path in write_pages(deployment, out):
        console.print(str(path), soft_wrap=True)


def write_pages(deployment: Deployment, folder: Path | None = None) -> list[Path]:
    """Write the report to the folder, or to the deployment's own. The files, the page first."""
    with console.status("Writing the report ..."):
        from churn_assets.report import write_report

        return write_report(deployment, folder or deployment.settings.reports_dir)
