"""`churn-assets erase`: a user is taken out of everything the deployment holds, and does not come back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from churn_assets.commands.display import console, show_report, table
from churn_assets.commands.options import is_debugging, pass_deployment
from churn_assets.errors import ChurnError

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment
    from churn_assets.automation.erase import Found

MOST_FILES = 10


@click.command()
@click.argument("user_id")
@click.option("--dry-run", is_flag=True, help="Say where the user is, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask: it cannot be undone.")
@pass_deployment
def erase(deployment: Deployment, user_id: str, dry_run: bool, yes: bool) -> None:
    """Remove the user USER_ID from landed files, tables, training sets, exports, reports and logs, for good.

    Rows of the user that are delivered again are not taken. What the user was counted in is computed again.
    """
    from churn_assets.automation.erase import find_user

    with console.status("Searching landed files, tables and copies ..."):
        found = find_user(deployment, user_id)
    if found.is_nowhere and not found.is_unfinished:
        console.print("This user was erased before; nothing of them is here.")
        return
    _show_found(found)
    if dry_run:
        console.print("Nothing was erased. Next: the same command without --dry-run")
        return
    if not yes:
        click.confirm("Erase the user for good?", abort=True)
    sys.exit(0 if _erase(deployment, found) else 1)


def _erase(deployment: Deployment, found: Found) -> bool:
    from churn_assets.automation.erase import erase as run_erase
    from churn_assets.graph import build_definitions

    with console.status("Erasing, and computing again what depended on the user ..."):
        definitions = build_definitions(deployment.settings)
        outcome = run_erase(definitions, deployment, found, raise_on_error=is_debugging())
    show_report(outcome.report)
    _require_nothing_left(deployment, outcome.still_named_in)
    if not outcome.report.succeeded:
        console.print(
            "The user is erased, but not all that depended on them could be computed again: churn-assets restate"
        )
        return False
    console.print("The user is erased. Training sets without them are made by the next 'churn-assets backfill'.")
    return True


def _show_found(found: Found) -> None:
    counts = found.counts
    shown = table("The user is in", "place", ">how many")
    for source, records in counts["landed_records"].items():
        shown.add_row(f"landed {source}", f"{records:,} records")
    shown.add_row("landed files, which are written again", f"{counts['landed_files']:,}")
    for name, rows in counts["table_rows"].items():
        shown.add_row(name, f"{rows:,} rows")
    shown.add_row("training sets, which are removed", f"{len(counts['training_sets']):,}")
    shown.add_row("exports, which are removed", f"{counts['exports']:,}")
    console.print(shown)


def _require_nothing_left(deployment: Deployment, files: list[Path]) -> None:
    if files:
        folder = deployment.settings.data_dir
        named = ", ".join(path.relative_to(folder).as_posix() for path in files[:MOST_FILES])
        more = f" and {len(files) - MOST_FILES:,} more" if len(files) > MOST_FILES else ""
        raise ChurnError(
            f"The user's own rows are erased, but the id still stands in {named}{more}, which are not ours to change or hold "
            "rows of other users that name it; correct or remove them, and run 'churn-assets restate'."
        )
