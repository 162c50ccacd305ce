"""`churn-assets export`: days of a table as one file."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from churn_assets.commands.display import console, counted
from churn_assets.commands.options import Day, pass_deployment
from churn_assets.errors import ChurnError

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment
    from churn_assets.warehouse.export import Format


@click.command()
@click.argument("table")
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write, .parquet or .csv (default: TABLE.parquet here)."
)
@click.option("--format", "file_format", type=click.Choice(["parquet", "csv"]), help="Default: what --out ends with.")
@click.option("--start", type=Day(), help="First day (default: the first published).")
@click.option("--end", type=Day(), help="Last day (default: the last published).")
@pass_deployment
def export(
    deployment: Deployment,
    table: str,
    out: Path | None,
    file_format: Format | None,
    start: date | None,
    end: date | None,
) -> None:
    """Write the published days of TABLE to one file, for other tools."""
    from churn_assets.calendar import DayRange
    from churn_assets.warehouse.export import export_table

    if table == "training_set":
        raise ChurnError(
            f"Training sets are files already: {deployment.settings.training_sets_dir}; "
            "churn_assets.training.load_training_set() reads the newest."
        )
    if table not in deployment.contracts:
        raise ChurnError(f"There is no table '{table}'; there are {', '.join(sorted(deployment.contracts))}.")
    file_format, path = _exported_file(table, out, file_format)
    days, rows = export_table(
        deployment.warehouse,
        deployment.contracts[table],
        path,
        file_format=file_format,
        days=DayRange(start or date.min, end or date.max),
        block_rows=deployment.settings.block_rows,
    )
    console.print(f"{rows:,} rows of {counted(days, 'day')} of {table} in {escape(str(path))}.", soft_wrap=True)


def _exported_file(table: str, out: Path | None, file_format: Format | None) -> tuple[Format, Path]:
    """What to write where. The name's end must say what is in the file, which also keeps the warehouse from being replaced."""
    path = out or Path(f"{table}.{file_format or 'parquet'}")
    formats: dict[str, Format] = {".parquet": "parquet", ".csv": "csv"}
    ends_with = formats.get(path.suffix.lower())
    if ends_with is None or file_format not in (None, ends_with):
        ends = f".{file_format}" if file_format else ".parquet or .csv"
        raise ChurnError(f"{path} must end with {ends}; name another file with --out.")
    return ends_with, path
