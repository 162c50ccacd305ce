"""`churn-assets erase`: a user is taken out of everything the deployment holds, and does not come back."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from churn_assets.commands.display import console, show_report, table
from churn_assets.commands.options import is_debugging, pass_deployment
from churn_assets.errors import ChurnError, first_few

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
        _require_all_decided(deployment, found)
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
    _require_all_decided(deployment, found)
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
    if counts["online"]:
        shown.add_row("the online store, and the log of what was served", f"{counts['online']:,} entries")
    console.print(shown)


def _require_nothing_left(deployment: Deployment, files: Sequence[Path]) -> None:
    if files:
        raise ChurnError(
            f"The user's own rows are erased, but the id still stands in {_named(deployment, files)}, which are not ours to change "
            "or hold rows of other users that name it; correct or remove them, and run 'churn-assets restate'."
        )


def _require_all_decided(deployment: Deployment, found: Found) -> None:
    if found.undecided:
        raise ChurnError(
            f"{'Nothing of the user was found elsewhere' if found.is_nowhere else 'The rest is erased'}, but "
            f"{_named(deployment, found.undecided)} may hold records of the user: no run reads them, and they cannot be read for "
            "certain; look into them yourself, and remove them or deliver them again."
        )


def _named(deployment: Deployment, files: Sequence[Path]) -> str:
    folder = deployment.settings.data_dir
    return first_few([path.relative_to(folder).as_posix() for path in files], MOST_FILES)
