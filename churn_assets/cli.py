"""The `churn-assets` command: its group, to which each module of `commands` gives a command."""

from __future__ import annotations

from pathlib import Path

import click

from churn_assets import __version__
from churn_assets.commands.backfill import backfill
from churn_assets.commands.backup import backup, restore
from churn_assets.commands.data_docs import data_docs
from churn_assets.commands.demo import demo
from churn_assets.commands.erase import erase
from churn_assets.commands.errors import OneSentenceGroup
from churn_assets.commands.export import export
from churn_assets.commands.feast import feast
from churn_assets.commands.generate import generate
from churn_assets.commands.init import init
from churn_assets.commands.land import land
from churn_assets.commands.online import online
from churn_assets.commands.product import product
from churn_assets.commands.quarantine import quarantine
from churn_assets.commands.report import report
from churn_assets.commands.restate import restate
from churn_assets.commands.scores import scores
from churn_assets.commands.serve import serve
from churn_assets.commands.status import status
from churn_assets.commands.verify import verify

COMMANDS = (
    init,
    land,
    generate,
    backfill,
    restate,
    scores,
    serve,
    online,
    feast,
    status,
    verify,
    report,
    data_docs,
    export,
    demo,
    backup,
    restore,
    quarantine,
    erase,
    product,
)


@click.group(cls=OneSentenceGroup, commands=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Data folder (default: $CHURN_DATA_DIR or data)."
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__)
@click.pass_context
def cli(ctx: click.Context, data: Path | None, debug: bool) -> None:
    """From landing files to trustworthy user-day tables."""
    ctx.obj = data


def main() -> None:
    """Entry point of the `churn-assets` command."""
    cli(prog_name="churn-assets")


if __name__ == "__main__":
    main()
