"""`churn-assets quarantine`: what was rejected and why, and taking back what is no longer rejected."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from churn_assets.errors import ChurnError
from churn_assets.settings import SOURCES, Settings

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment
    from churn_assets.automation.plan import Plan
    from churn_assets.automation.release import Releasable
    from churn_assets.warehouse.quarantine import Quarantined

MOST_LINES = 40
"""Of a table by file; the counts by reason are always whole."""


@click.group()
def quarantine() -> None:
    """Rejected rows: what lies there, and taking back what a corrected setting makes acceptable."""


@quarantine.command("list")
@click.option("--reason", help="Only rows rejected for this reason, such as too_late.")
@click.option("--day", type=click.DateTime(formats=["%Y-%m-%d"]), help="Only rows landed on this day.")
@click.option("--source", type=click.Choice(SOURCES), help="Only rows of this source.")
@click.pass_obj
def list_rows(data: Path | None, reason: str | None, day: datetime | None, source: str | None) -> None:
    """Rows in quarantine by reason, and by landing day and file. Counts only, never a value of a row."""
    from churn_assets.assets.step import Deployment
    from churn_assets.cli import console
    from churn_assets.contracts.tables import QUARANTINE_REASONS
    from churn_assets.warehouse.quarantine import quarantined

    if reason is not None and reason not in QUARANTINE_REASONS:
        raise ChurnError(f"'{reason}' is no reason; there are {', '.join(QUARANTINE_REASONS)}.")
    deployment = Deployment(Settings.load(data))
    with deployment.warehouse.reading() as connection:
        found = [
            one
            for one in quarantined(connection)
            if reason in (None, one.reason) and source in (None, one.source) and (day is None or one.day == day.date())
        ]
    if not found:
        console.print("No such row is in quarantine." if reason or day or source else "No row is in quarantine.")
        return
    by_reason: Counter[tuple[str, str]] = Counter()
    for one in found:
        by_reason[one.source, one.reason] += one.rows
    shown = _table(f"{by_reason.total():,} rows in quarantine", "source", "reason", "rows", "which means")
    for (of_source, name), rows in sorted(by_reason.items(), key=lambda item: (-item[1], item[0])):
        shown.add_row(of_source, name, f"{rows:,}", QUARANTINE_REASONS[name])
    console.print(shown)
    console.print(_by_file(found))
    if len(found) > MOST_LINES:
        console.print(f"... and {len(found) - MOST_LINES:,} lines more; narrow it with --reason, --day or --source.")
    console.print("After a setting was corrected: churn-assets quarantine release --dry-run")


@quarantine.command()
@click.option("--dry-run", is_flag=True, help="Say which rows would be taken and what would be computed; do nothing.")
@click.pass_obj
def release(data: Path | None, dry_run: bool) -> None:
    """Take back the rows that today's settings would accept: compute their landing days again, and what depends on them.

    For use after churn.toml was corrected: an alias, a value map, a format, a larger lateness_days.
    """
    from churn_assets.assets.step import Deployment
    from churn_assets.automation.release import releasable, release_plan
    from churn_assets.cli import console

    deployment = Deployment(Settings.load(data))
    with console.status("Cleaning the landing days of rejected rows ..."):
        rows = releasable(deployment)
        todo = release_plan(deployment, rows)
    if not rows:
        console.print("Nothing to release: what is in quarantine would be rejected again under today's settings.")
        _show_rest(deployment)
        return
    _show_releasable(rows)
    if dry_run:
        _show_plan(todo)
        return
    sys.exit(0 if _release(deployment, todo) else 1)


def _release(deployment: Deployment, todo: Plan) -> bool:
    from churn_assets.automation.backfill import backfill, remaining
    from churn_assets.automation.restate import restated
    from churn_assets.cli import _show_report, _show_restated, _with_progress, console
    from churn_assets.graph import build_definitions

    before = _rows_by_reason(deployment)
    with console.status("Loading the graph ..."):
        definitions = build_definitions(deployment.settings)
    report = _with_progress(
        "Release",
        todo,
        partial(backfill, definitions, deployment, todo, narrowed=partial(remaining, deployment)),
    )
    _show_report(report)
    _show_restated(restated(deployment, report))
    _show_outcome(before, _rows_by_reason(deployment))
    if report.succeeded:
        _show_rest(deployment)
    return report.succeeded


def _rows_by_reason(deployment: Deployment) -> Counter[tuple[str, str]]:
    from churn_assets.warehouse.quarantine import quarantined

    with deployment.warehouse.reading() as connection:
        counts: Counter[tuple[str, str]] = Counter()
        for one in quarantined(connection):
            counts[one.source, one.reason] += one.rows
    return counts


def _show_outcome(before: Counter[tuple[str, str]], after: Counter[tuple[str, str]]) -> None:
    from churn_assets.cli import console

    shown = _table("Quarantine", "source", "reason", "before", "released", "remaining")
    released = before - after
    for source, reason in sorted(before | after):
        counts = (count[source, reason] for count in (before, released, after))
        shown.add_row(source, reason, *(f"{count:,}" for count in counts))
    console.print(shown)
    console.print(f"{released.total():,} rows released, {after.total():,} remain.")


def _show_rest(deployment: Deployment) -> None:
    """What the same settings make out of date besides, which is none of a release's business."""
    from churn_assets.automation.backfill import planned
    from churn_assets.cli import console

    if others := planned(deployment).partitions:
        console.print(
            f"{others:,} other partitions are not as today's settings would make them; 'churn-assets backfill' does that."
        )


def _show_releasable(rows: Sequence[Releasable]) -> None:
    from churn_assets.cli import console

    shown = _table(f"{sum(one.rows for one in rows):,} rows would be taken today", "source", "landed", "reason", "rows")
    for one in rows[:MOST_LINES]:
        shown.add_row(one.source, str(one.day), one.reason, f"{one.rows:,}")
    console.print(shown)
    if len(rows) > MOST_LINES:
        console.print(f"... and {len(rows) - MOST_LINES:,} lines more.")


def _show_plan(todo: Plan) -> None:
    from churn_assets.calendar import contiguous
    from churn_assets.cli import _shortened, console

    days: dict[str, set[date]] = {}
    for work in todo.works:
        for table in work.tables:
            days.setdefault(table, set()).update(work.days)
    shown = _table(f"At most {todo.partitions:,} partitions in {len(todo.works)} runs", "table", "days", "ranges")
    for table, at in days.items():
        shown.add_row(table, f"{len(at):,}", "\n".join(_shortened([*map(str, contiguous(at))], most=3)))
    console.print(shown)
    console.print("A day that turns out to be up to date is left as it is. Next: churn-assets quarantine release")


def _by_file(found: Iterable[Quarantined]) -> Table:
    shown = _table("By landing day and file", "source", "landed", "file", "reason", "rows")
    for one in list(found)[:MOST_LINES]:
        shown.add_row(one.source, str(one.day), escape(one.file), one.reason, f"{one.rows:,}")
    return shown


def _table(title: str, *headings: str) -> Table:
    shown = Table(title=title, title_justify="left")
    figures = ("rows", "days", "before", "released", "remaining")
    for heading in headings:
        shown.add_column(heading, justify="right" if heading in figures else "left", overflow="fold")
    return shown
