"""`churn-assets demo`: from nothing to a report, in one command."""

from __future__ import annotations

import shutil
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from churn_assets.commands.backfill import bring_up_to_date
from churn_assets.commands.display import console, show_months
from churn_assets.commands.generate import days_option, product_option, users_option, write_world
from churn_assets.commands.report import write_pages
from churn_assets.commands.scores import find_lists, show_lists

if TYPE_CHECKING:
    from churn_assets.settings import Settings


DAYS = 210
"""So many, that a model has enough to learn from beside the embargoes, and days of its own whose horizon has closed."""


@click.command()
@users_option
@days_option(default=DAYS)
@product_option
@click.pass_obj
def demo(data: Path | None, users: int, days: int, product: str | None) -> None:
    """Generate a world, bring every table up to date, list whom to call, write the report, and say where to look."""
    from churn_assets.assets.step import Deployment

    deployment = Deployment(write_world(data, start=date(2026, 1, 1), users=users, days=days, product=product))
    if not bring_up_to_date(deployment):
        sys.exit(1)
    show_months(deployment)
    if lists := find_lists(deployment):
        show_lists(lists)
    page, *_ = write_pages(deployment)
    _show_next(deployment.settings, page)


def _show_next(settings: Settings, page: Path) -> None:
    from churn_assets.settings import DATA_DIR_VARIABLE, default_data_dir

    command, ui = "churn-assets" if shutil.which("churn-assets") else sys.argv[0], "make ui"
    if settings.data_dir != default_data_dir():
        command, ui = f"{command} --data {settings.data_dir}", f"{DATA_DIR_VARIABLE}={settings.data_dir} {ui}"
    places = {
        ui: "the graph, its partitions and checks, on http://127.0.0.1:3000",
        str(page): "growth, retention, quality and data health: open it in a browser",
        f"{command} status": "what is published",
        f"{command} scores": "whom to call, of any day",
        str(settings.warehouse_path): "schema churn, one table per asset: open it with DuckDB or pandas",
        "README.md": "your own data in five lines",
    }
    width = max(map(len, places)) + 2
    console.print("\n[bold]Where to look next[/bold]")
    for place, what in places.items():
        console.print(f"  {escape(place):<{width}}{what}", soft_wrap=True)
