"""`churn-assets data-docs`: what is expected of the tables, as pages of Great Expectations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from churn_assets.commands.display import console
from churn_assets.commands.options import pass_deployment

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment


@click.command("data-docs")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to (default: <data>/data_docs)."
)
@pass_deployment
def data_docs(deployment: Deployment, out: Path | None) -> None:
    """What is expected of each table's days and which meet it, as Great Expectations shows it."""
    with console.status("Asking Great Expectations ..."):
        from churn_assets.report.data_docs import write_data_docs

        index = write_data_docs(deployment, out or deployment.settings.data_docs_dir)
    console.print(f"{index}: open it in a browser.", soft_wrap=True)
