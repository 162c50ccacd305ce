"""`churn-assets generate`: a synthetic world as a landing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from churn_assets.commands.display import console, days_bar
from churn_assets.commands.options import Day
from churn_assets.errors import ChurnError

if TYPE_CHECKING:
    from churn_assets.settings import Settings

users_option = click.option(
    "--users", default=2000, show_default=True, type=click.IntRange(1), help="Users of the world."
)
product_option = click.option(
    "--product",
    help="Declaration whose world is made: e_learning, saas, music, commerce, or a file's name. Default: churn.toml's.",
)


def days_option(default: int = 120) -> Callable[[Any], Any]:
    return click.option(
        "--days", default=default, show_default=True, type=click.IntRange(1, 3653), help="Landing days."
    )


@click.command()
@users_option
@days_option()
@product_option
@click.option("--start", type=Day(), default="2026-01-01", show_default=True, help="First landing day.")
@click.option("--seed", default=42, show_default=True, type=click.IntRange(0), help="Same seed, same files.")
@click.option(
    "--format",
    "file_format",
    default="csv",
    show_default=True,
    type=click.Choice(["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"]),
    help="Of the files.",
)
@click.option(
    "--faults",
    is_flag=False,
    flag_value=0.01,
    type=click.FloatRange(0, 1, min_open=True),
    help="Plant so many faulty rows per row (0.01 if no number follows), and list them in <data>/faults.json.",
)
@click.option("--replace", is_flag=True, help="Replace days that hold something else.")
@click.pass_obj
def generate(data: Path | None, /, **options: Any) -> None:
    """Write a synthetic landing: a product with hidden engagement, churn, a weekly rhythm; with --faults, rows of every fault."""
    write_world(data, **options)
    console.print("Next: churn-assets backfill")


def write_world(data: Path | None, *, start: date, days: int, product: str | None = None, **options: Any) -> Settings:
    """Land a world in the data folder and make its days the calendar. Returns the settings that hold now."""
    from churn_assets.settings import SETTINGS_FILE, Settings
    from churn_assets.settings_file import write_calendar, write_product
    from churn_assets.synthetic import generate as generate_world
    from churn_assets.synthetic import write_manifest

    settings = Settings.load(data)
    if product and product != settings.product:
        write_product(settings.data_dir / SETTINGS_FILE, product)
        settings = Settings.load(data)
        if settings.product != product:
            raise ChurnError(
                f"{settings.data_dir / SETTINGS_FILE} has product = '{settings.product}'; take --product out, or use another data folder."
            )
    with days_bar("Generating", days) as on_day:
        world = generate_world(
            settings.landing_dir,
            product=settings.declaration,
            start=start,
            days=days,
            on_day=on_day,
            lateness_days=settings.lateness_days,
            **options,
        )
    write_calendar(settings.data_dir / SETTINGS_FILE, world.start, world.end)
    if faults := options.get("faults"):
        manifest = settings.data_dir / "faults.json"
        write_manifest(manifest, world.planted, seed=options["seed"], rate=faults)
        console.print(f"{len(world.planted):,} faults planted, each listed in {manifest}.", soft_wrap=True)
    console.print(
        f"{world.users:,} users and {world.events:,} events on {world.days:,} days, {world.start} to {world.end}, in {settings.landing_dir}."
    )
    return Settings.load(data)
