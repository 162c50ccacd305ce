"""What commands show on the terminal: progress bars, tables, and what came of the work. Computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from churn_assets.commands.options import is_debugging

if TYPE_CHECKING:
    from dagster import Definitions

    from churn_assets.assets.step import Deployment
    from churn_assets.automation.backfill import Failing, Report
    from churn_assets.automation.intake import Intake
    from churn_assets.automation.plan import Plan
    from churn_assets.warehouse.restatements import Restated

console = Console(highlight=False)


@contextmanager
def days_bar(what: str, total: int | None = None) -> Iterator[Callable[[date], None]]:
    """A bar of days. What it gives is to be called with each day that is done."""
    with _bar("days") as progress:
        task = progress.add_task(what, total=total)
        yield lambda day: progress.update(task, advance=1, description=f"{what} {day}")
        progress.update(task, total=progress.tasks[task].completed)


def run_planned(
    what: str,
    run: Callable[..., Report],
    definitions: Definitions,
    deployment: Deployment,
    todo: Plan,
    **options: Any,
) -> Report:
    """Do the planned work with `run`, which is `backfill` or takes the same, under a bar of partitions."""
    with _bar("partitions") as progress:
        task = progress.add_task(what, total=todo.partitions, visible=bool(todo.works))
        report = run(
            definitions,
            deployment,
            todo,
            on_run=lambda work: progress.update(task, description=f"{work.tables[0]} {work.days}"),
            on_progress=lambda table, partitions: progress.update(task, advance=partitions, description=table),
            raise_on_error=is_debugging(),
            **options,
        )
        progress.update(task, description=what)
        if report.succeeded:  # Partitions that turned out not to be needed are done, too.
            progress.update(task, total=progress.tasks[task].completed)
    return report


@contextmanager
def _bar(unit: str) -> Iterator[Progress]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<34}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield progress


def table(title: str, *headings: str, fold: bool = False) -> Table:
    """An empty table. As in a format specification, ">rows" heads a column "rows" that is set to the right.

    `fold`: words that are wider than their column go on in the next line, instead of being cut.
    """
    shown = Table(title=title, title_justify="left")
    for heading in headings:
        shown.add_column(
            heading.removeprefix(">"),
            justify="right" if heading.startswith(">") else "left",
            overflow="fold" if fold else "ellipsis",
        )
    return shown


def shortened(sentences: Sequence[str], most: int = 10) -> list[str]:
    """The first of them, and how many more there are."""
    rest = len(sentences) - most
    return [*sentences[:most], *([f"... and {rest} more like these."] if rest > 0 else [])]


def show_report(report: Report, intakes: Sequence[Intake] = ()) -> None:
    """What was computed and taken in, which checks failed, and on standard error each failure."""
    console.print(f"{report.partitions:,} partitions computed.")
    show_intake(intakes)
    if report.training_set:
        console.print(f"Training set {report.training_set} made.")
    if report.model:
        console.print(f"Model {report.model}.", soft_wrap=True)
    if report.online:
        console.print("The online store holds the newest day.")
    for name, days in report.warnings.most_common():
        console.print(
            f"[yellow]warning: {name} on {counted(days, 'day')}{_expecting(report.expected.get(name))}[/yellow]",
            soft_wrap=True,
        )
    show_failing(report.failed)
    if report.failed:
        click.echo(
            "Error: a blocking check failed, so nothing that depends on it was computed; correct what was delivered, or the setting "
            "that is named, and run 'churn-assets backfill' again.",
            err=True,
        )
    show_errors(report.failures)


def _expecting(expected: str | None) -> str:
    return f"; expected: {escape(expected)}" if expected else ""


def show_failing(failing: Failing) -> None:
    """Each blocking check that fails, and what is wrong on its first day."""
    for name, days in sorted(failing.items()):
        first = min(days, key=lambda day: day or date.min)
        more = f" (and on {counted(len(days) - 1, 'day')} more)" if len(days) > 1 else ""
        on = f" on {first}{more}" if first else ""
        console.print(f"[red]failed: blocking check {name}{on}: {escape(days[first])}[/red]", soft_wrap=True)


def show_intake(intakes: Sequence[Intake]) -> None:
    """What became of the rows that were cleaned, a line for each source."""
    for one in intakes:
        reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in one.reasons)
        apart = "".join(
            f", {rows:,} {what}" for what, rows in (("duplicates", one.duplicate), ("unchanged", one.unchanged)) if rows
        )
        line = (
            f"{one.source} of {counted(one.days, 'day')}: {one.read:,} rows read, {one.accepted:,} accepted{apart}, "
            f"{one.quarantined:,} quarantined{f' ({reasons})' if reasons else ''}."
        )
        console.print(f"[yellow]{line}[/yellow]" if one.quarantined else line, soft_wrap=True)


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_reasons(todo: Plan) -> None:
    """What is to be computed and why; of days that were never published the table says enough."""
    for sentence in shortened([str(reason) for reason in todo.reasons if not reason.is_first]):
        console.print(escape(sentence), soft_wrap=True)


def show_unclaimed(deployment: Deployment) -> None:
    """What was delivered and no run looks at."""
    from churn_assets.landing.unclaimed import sentences

    show_warnings(sentences(deployment.settings))


def show_warnings(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        console.print(f"[yellow]{escape(sentence)}[/yellow]", soft_wrap=True)


def show_errors(sentences: Sequence[str]) -> None:
    """On standard error, where a command goes on after the first."""
    for sentence in shortened(sentences):
        click.echo(f"Error: {sentence}", err=True)


def show_restated(changes: Sequence[Restated]) -> None:
    """The partitions whose content changed, by table; nothing if there are none."""
    if not changes:
        return
    shown = table(
        "Restated; with other content: see churn.restatements",
        *("table", ">days", ">rows removed", ">rows added", "labels", "because of"),
    )
    for one in changes:
        removed, added = ("-" if rows is None else f"{rows:,}" for rows in (one.rows_removed, one.rows_added))
        before, after = one.labels_before or {}, one.labels_after or {}
        labels = "\n".join(f"{name} {before[name]:,} -> {after[name]:,}" for name in before)
        files = "\n".join(shortened(one.files, most=3))
        shown.add_row(one.table, f"{one.days:,}", removed, added, labels, escape(files))
    console.print(shown)


def show_months(deployment: Deployment) -> None:
    """`user_daily` by month: users, the share active on a day, events, and the first measure that adds something up."""
    from churn_assets.warehouse.frames import quoted

    sums = [m for m in deployment.settings.declaration.daily.values() if m.aggregation == "sum"][:1]
    query = f"""SELECT date_trunc('month', as_of_date)::DATE, count(DISTINCT user_id), avg(is_active::INT), sum(total_events)::BIGINT
        {"".join(f", sum({quoted(measure.name)})" for measure in sums)} FROM churn.user_daily GROUP BY 1 ORDER BY 1"""
    with deployment.warehouse.reading() as connection:
        rows = connection.execute(query).fetchall()
    nouns = [f">{measure.noun.lower()}" for measure in sums]
    shown = table("user_daily by month", ">month", ">users", ">active per day", ">events", *nouns)
    for month, users, active, events, *added in rows:
        totals = (f"{total or 0:,.0f}" for total in added)
        shown.add_row(f"{month:%Y-%m}", f"{users:,}", f"{active:.1%}", f"{events:,}", *totals)
    console.print(shown)
