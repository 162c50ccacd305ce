"""`churn-assets quarantine release`: rows that are no longer rejected are taken back."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import click

from churn_assets.commands.display import console, run_planned, shortened, show_report, show_restated, table
from churn_assets.commands.options import pass_deployment
from churn_assets.commands.quarantine_list import MOST_LINES

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment
    from churn_assets.automation.plan import Plan
    from churn_assets.automation.release import Releasable


@click.command()
@click.option("--dry-run", is_flag=True, help="Say which rows would be taken and what would be computed; do nothing.")
@pass_deployment
def release(deployment: Deployment, dry_run: bool) -> None:
    """Take back the rows that today's settings would accept: compute their landing days again, and what depends on them.

    For use after churn.toml was corrected: an alias, a value map, a format, a larger lateness_days.
    """
    from churn_assets.automation.release import releasable, release_plan

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
    from churn_assets.graph import build_definitions

    before = _rows_by_reason(deployment)
    with console.status("Loading the graph ..."):
        definitions = build_definitions(deployment.settings)
    report = run_planned("Release", backfill, definitions, deployment, todo, narrowed=partial(remaining, deployment))
    show_report(report)
    show_restated(restated(deployment, report))
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
    shown = table("Quarantine", "source", "reason", ">before", ">released", ">remaining", fold=True)
    released = before - after
    for source, reason in sorted(before | after):
        counts = (count[source, reason] for count in (before, released, after))
        shown.add_row(source, reason, *(f"{count:,}" for count in counts))
    console.print(shown)
    console.print(f"{released.total():,} rows released, {after.total():,} remain.")


def _show_rest(deployment: Deployment) -> None:
    """What the same settings make out of date besides, which is none of a release's business."""
    from churn_assets.automation.backfill import planned

    if others := planned(deployment).partitions:
        console.print(
            f"{others:,} other partitions are not as today's settings would make them; 'churn-assets backfill' does that."
        )


def _show_releasable(rows: Sequence[Releasable]) -> None:
    total = sum(one.rows for one in rows)
    shown = table(f"{total:,} rows would be taken today", "source", "landed", "reason", ">rows", fold=True)
    for one in rows[:MOST_LINES]:
        shown.add_row(one.source, str(one.day), one.reason, f"{one.rows:,}")
    console.print(shown)
    if len(rows) > MOST_LINES:
        console.print(f"... and {len(rows) - MOST_LINES:,} lines more.")


def _show_plan(todo: Plan) -> None:
    from churn_assets.calendar import contiguous

    days: dict[str, set[date]] = {}
    for work in todo.works:
        for name in work.tables:
            days.setdefault(name, set()).update(work.days)
    title = f"At most {todo.partitions:,} partitions in {len(todo.works)} runs"
    shown = table(title, "table", ">days", "ranges", fold=True)
    for name, at in days.items():
        shown.add_row(name, f"{len(at):,}", "\n".join(shortened([*map(str, contiguous(at))], most=3)))
    console.print(shown)
    console.print("A day that turns out to be up to date is left as it is. Next: churn-assets quarantine release")
