"""`churn-assets quarantine list`: rejected rows by reason, and by landing day and file."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from churn_assets.commands.display import console, table
from churn_assets.commands.options import Day, pass_deployment
from churn_assets.errors import ChurnError
from churn_assets.settings import SOURCES

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment

MOST_LINES = 40
"""Of the table by file; the counts by reason are always whole."""


@click.command("list")
@click.option("--reason", help="Only rows rejected for this reason, such as too_late.")
@click.option("--day", type=Day(), help="Only rows landed on this day.")
@click.option("--source", type=click.Choice(SOURCES), help="Only rows of this source.")
@pass_deployment
def list_rows(deployment: Deployment, reason: str | None, day: date | None, source: str | None) -> None:
    """Rows in quarantine by reason, and by landing day and file. Counts only, never a value of a row."""
    from churn_assets.contracts.declared import quarantine_reasons
    from churn_assets.warehouse.quarantine import quarantined

    reasons = quarantine_reasons(deployment.settings.declaration)
    if reason is not None and reason not in reasons:
        raise ChurnError(f"'{reason}' is no reason; there are {', '.join(reasons)}.")
    with deployment.warehouse.reading() as connection:
        found = [
            one
            for one in quarantined(connection)
            if reason in (None, one.reason) and source in (None, one.source) and day in (None, one.day)
        ]
    if not found:
        console.print("No such row is in quarantine." if reason or day or source else "No row is in quarantine.")
        return
    by_reason: Counter[tuple[str, str]] = Counter()
    for one in found:
        by_reason[one.source, one.reason] += one.rows
    shown = table(f"{by_reason.total():,} rows in quarantine", "source", "reason", ">rows", "which means", fold=True)
    for (of_source, name), rows in sorted(by_reason.items(), key=lambda item: (-item[1], item[0])):
        shown.add_row(of_source, name, f"{rows:,}", reasons.get(name, ""))
    console.print(shown)
    shown = table("By landing day and file", "source", "landed", "file", "reason", ">rows", fold=True)
    for one in found[:MOST_LINES]:
        shown.add_row(one.source, str(one.day), escape(one.file), one.reason, f"{one.rows:,}")
    console.print(shown)
    if len(found) > MOST_LINES:
        console.print(f"... and {len(found) - MOST_LINES:,} lines more; narrow it with --reason, --day or --source.")
    console.print("After a setting was corrected: churn-assets quarantine release --dry-run")
