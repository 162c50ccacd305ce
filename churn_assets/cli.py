"""The `churn-assets` command. Every error is one sentence that says what to do, and an exit code that is not 0."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from churn_assets import __version__
from churn_assets.commands.backup import backup, restore
from churn_assets.commands.erase import erase
from churn_assets.commands.init import init, users_and_events
from churn_assets.commands.quarantine import quarantine
from churn_assets.errors import ChurnError, about_the_disk
from churn_assets.settings import DATA_DIR_VARIABLE, SETTINGS_FILE, Settings, default_data_dir

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment
    from churn_assets.automation.backfill import Report
    from churn_assets.automation.plan import Plan
    from churn_assets.calendar import DayRange
    from churn_assets.warehouse.export import Format
    from churn_assets.warehouse.restatements import Restated

console = Console(highlight=False)
INTERRUPTED = 130
"""Exit code of a command stopped by Ctrl-C: 128 + SIGINT, as shells have it."""
DAY = click.DateTime(formats=["%Y-%m-%d"])


class _OneSentence(click.Group):
    """Turns what a user can put right into one sentence, and anything else into one that offers --debug."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ChurnError as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("\nStopped: what was published stays; the same command again goes on from there.", err=True)
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            if disk := about_the_disk(str(error)):
                raise click.ClickException(disk) from error
            kind = type(error).__name__
            raise click.ClickException(
                f"{kind} was not expected here; run again with 'churn-assets --debug'."
            ) from error


@click.group(cls=_OneSentence, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Data folder (default: $CHURN_DATA_DIR or data)."
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__)
@click.pass_context
def cli(ctx: click.Context, data: Path | None, debug: bool) -> None:
    """From landing files to trustworthy user-day tables."""
    ctx.obj = data


cli.add_command(init)
cli.add_command(backup)
cli.add_command(restore)


@cli.command()
@click.argument("paths", metavar="[USERS] EVENTS", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--start", type=DAY, help="First landing day (default: churn.toml, else the first event's day).")
@click.option("--end", type=DAY, help="Last landing day (default: churn.toml, else the last event's day).")
@click.option("--replace", is_flag=True, help="Replace what another dump landed.")
@click.pass_obj
def land(
    data: Path | None, paths: tuple[Path, ...], start: datetime | None, end: datetime | None, replace: bool
) -> None:
    """Split a dump, USERS and EVENTS, into landing days. Each is a file or a folder of files; EVENTS alone where users are made
    from events.
    """
    from churn_assets.landing.dump import land_dump

    settings = Settings.load(data)
    users, events = users_and_events(paths)
    with _days_bar("Landing") as on_day:
        landed = land_dump(users, events, settings, start=_date(start), end=_date(end), replace=replace, on_day=on_day)
    if landed.unchanged:
        console.print(f"{settings.landing_dir} already holds this dump; nothing changed.")
    else:
        console.print(
            f"Landed {landed.user_rows:,} user rows and {landed.event_rows:,} event rows on {landed.days:,} days, "
            f"{landed.start} to {landed.end}, in {settings.landing_dir}."
        )
    for count, what in (
        (landed.undated_rows, "rows have no usable date and lie on the first day, to be quarantined"),
        (
            landed.moved_event_rows,
            "events lie outside the calendar and were moved to its nearest day, to be quarantined",
        ),
    ):
        if count:
            console.print(f"[yellow]{count:,} {what}.[/yellow]")
    console.print("Next: churn-assets backfill")


@cli.command()
@click.option("--users", default=2000, show_default=True, type=click.IntRange(1), help="Users of the world.")
@click.option("--days", default=120, show_default=True, type=click.IntRange(1, 3653), help="Landing days.")
@click.option("--start", type=DAY, default="2026-01-01", show_default=True, help="First landing day.")
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
def generate(data: Path | None, /, replace: bool, start: datetime, **options: Any) -> None:
    """Write a synthetic landing: plans, hidden engagement, churn, a weekly rhythm; with --faults, rows of every fault."""
    _generate(data, start=start.date(), replace=replace, **options)
    console.print("Next: churn-assets backfill")


@cli.command()
@click.argument("start", type=DAY, required=False)
@click.argument("end", type=DAY, required=False)
@click.option(
    "--select", help="Asset selection, such as 'user_daily', or '*user_daily' with all it is made from (default: all)."
)
@click.option("--force", is_flag=True, help="Compute the asked days again even if nothing changed.")
@click.pass_obj
def backfill(data: Path | None, start: datetime | None, end: datetime | None, select: str | None, force: bool) -> None:
    """Bring the days START to END up to date, skipping what already is. Without days: the whole calendar, and the
    training set made of it.
    """
    from churn_assets.assets.step import Deployment
    from churn_assets.calendar import DayRange, calendar_days

    deployment = Deployment(Settings.load(data))
    asked = DayRange(start.date(), (end or start).date()) if start else None
    calendar = calendar_days(deployment.settings)
    if asked is not None and not (len(asked) and asked.first in calendar and asked.last in calendar):
        raise ChurnError(
            f"Days {asked.first} to {asked.last} are not within the calendar, {calendar}; see {SETTINGS_FILE}."
        )
    sys.exit(0 if _backfill(deployment, asked, select, force=force) else 1)


@cli.command()
@click.option("--dry-run", is_flag=True, help="Say what would be computed again, and why, and do nothing.")
@click.pass_obj
def restate(data: Path | None, dry_run: bool) -> None:
    """Compute again the published days that late or redelivered files touch, and no others."""
    from churn_assets.assets.step import Deployment

    deployment = Deployment(Settings.load(data))
    passed = _dry_restate(deployment) if dry_run else _restate(deployment)
    sys.exit(0 if passed else 1)


@cli.command()
@click.pass_obj
def status(data: Path | None) -> None:
    """What is published, and what a backfill would do."""
    from churn_assets.assets.step import Deployment
    from churn_assets.assets.training_step import missing_training_set
    from churn_assets.automation.backfill import current_ledger, planned
    from churn_assets.calendar import calendar_days

    deployment = Deployment(Settings.load(data))
    ledger, todo = current_ledger(deployment), planned(deployment)
    calendar = calendar_days(deployment.settings)
    waiting: dict[str, int] = {}
    for work in todo.works:
        for table in work.tables:
            waiting[table] = waiting.get(table, 0) + len(work.days)
    shown = Table(title=f"{deployment.settings.warehouse_path}, calendar {calendar}", title_justify="left")
    for heading in ("table", "days", "first", "last", "rows", "to do"):
        shown.add_column(heading, justify="left" if heading == "table" else "right")
    for table in deployment.contracts:
        there = ledger.extent(table)
        known = (
            [f"{there.days:,}", str(there.first), str(there.last), f"{there.rows:,}"] if there else ["0", "-", "-", "0"]
        )
        shown.add_row(table, *known, f"{waiting.get(table, 0):,}")
    console.print(shown)
    for sentence in _shortened(todo.impossible):
        console.print(f"[yellow]{escape(sentence)}[/yellow]")
    if todo.works or missing_training_set(deployment):
        console.print("Next: churn-assets backfill")
    elif not todo.impossible:
        console.print("Everything is up to date.")


@cli.command()
@click.pass_obj
def verify(data: Path | None) -> None:
    """Compare every stored partition with what the ledger says was published."""
    from churn_assets.assets.step import Deployment
    from churn_assets.automation.verify import last_published
    from churn_assets.automation.verify import verify as verify_tables

    deployment = Deployment(Settings.load(data))
    wrong = partitions = 0
    for table, looked_at, findings in verify_tables(deployment):
        partitions += looked_at
        wrong += len(findings)
        for finding in findings[:5]:
            console.print(f"[red]{finding.table} {finding.day}: {finding.what}[/red]")
        if len(findings) > 5:
            console.print(f"[red]{table}: ... and {len(findings) - 5} more days[/red]")
    if wrong:
        raise ChurnError(
            f"{wrong} of {partitions} partitions are not as published; recompute them with 'churn-assets backfill START END --force'."
        )
    console.print(f"All {partitions:,} partitions are as published.")
    if newest := last_published(deployment):
        console.print(f"The newest was published {newest:%Y-%m-%d %H:%M:%S} UTC.")


@cli.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to (default: <data>/reports)."
)
@click.pass_obj
def report(data: Path | None, out: Path | None) -> None:
    """Growth, retention, quality and data health on one page, and as PNG files."""
    from churn_assets.assets.step import Deployment

    for path in _report(Deployment(Settings.load(data)), out):
        console.print(str(path), soft_wrap=True)


@cli.command()
@click.argument("table")
@click.option(
    "--out", type=click.Path(path_type=Path), help="File to write, .parquet or .csv (default: TABLE.parquet here)."
)
@click.option("--format", "file_format", type=click.Choice(["parquet", "csv"]), help="Default: what --out ends with.")
@click.option("--start", type=DAY, help="First day (default: the first published).")
@click.option("--end", type=DAY, help="Last day (default: the last published).")
@click.pass_obj
def export(
    data: Path | None,
    table: str,
    out: Path | None,
    file_format: Format | None,
    start: datetime | None,
    end: datetime | None,
) -> None:
    """Write the published days of TABLE to one file, for other tools."""
    from churn_assets.assets.step import Deployment
    from churn_assets.calendar import DayRange
    from churn_assets.warehouse.export import export_table

    deployment = Deployment(Settings.load(data))
    if table not in deployment.contracts:
        raise ChurnError(f"There is no table '{table}'; there are {', '.join(sorted(deployment.contracts))}.")
    file_format, path = _exported_file(table, out, file_format)
    days, rows = export_table(
        deployment.warehouse,
        deployment.contracts[table],
        path,
        file_format=file_format,
        days=DayRange(_date(start) or date.min, _date(end) or date.max),
        block_rows=deployment.settings.block_rows,
    )
    console.print(
        f"{rows:,} rows of {days:,} {'day' if days == 1 else 'days'} of {table} in {escape(str(path))}.", soft_wrap=True
    )


def _exported_file(table: str, out: Path | None, file_format: Format | None) -> tuple[Format, Path]:
    """What to write where. The name's end must say what is in the file, which also keeps the warehouse from being replaced."""
    path = out or Path(f"{table}.{file_format or 'parquet'}")
    formats: dict[str, Format] = {".parquet": "parquet", ".csv": "csv"}
    ends_with = formats.get(path.suffix.lower())
    if ends_with is None or file_format not in (None, ends_with):
        ends = f".{file_format}" if file_format else ".parquet or .csv"
        raise ChurnError(f"{path} must end with {ends}; name another file with --out.")
    return ends_with, path


@cli.command()
@click.option("--users", default=2000, show_default=True, type=click.IntRange(1), help="Users of the world.")
@click.option("--days", default=120, show_default=True, type=click.IntRange(1, 3653), help="Landing days.")
@click.pass_obj
def demo(data: Path | None, users: int, days: int) -> None:
    """Generate a world, bring every table up to date, write the report, and say where to look."""
    from churn_assets.assets.step import Deployment

    settings = _generate(data, start=date(2026, 1, 1), users=users, days=days)
    deployment = Deployment(settings)
    passed = _backfill(deployment, None, None, force=False)
    if passed:
        _show_result(deployment)
        page, *_ = _report(deployment)
        _show_next(settings, page)
    sys.exit(0 if passed else 1)


def _generate(data: Path | None, *, start: date, days: int, **options: Any) -> Settings:
    from churn_assets.settings_file import write_calendar
    from churn_assets.synthetic import generate as generate_world
    from churn_assets.synthetic import write_manifest

    settings = Settings.load(data)
    with _days_bar("Generating", days) as on_day:
        world = generate_world(
            settings.landing_dir,
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


def _backfill(deployment: Deployment, asked: DayRange | None, select: str | None, *, force: bool) -> bool:
    with console.status("Loading the graph ..."):
        from churn_assets.assets.training_step import too_few_days
        from churn_assets.automation.backfill import backfill as run_backfill
        from churn_assets.automation.backfill import failing_blocking_checks, planned
        from churn_assets.calendar import calendar_days
        from churn_assets.graph import build_definitions

        definitions = build_definitions(deployment.settings)
        tables = _selected(definitions, select) if select else None
        todo = planned(deployment, asked, tables=tables, force=force)
        days = calendar_days(deployment.settings) if asked is None else asked
    report = _with_progress(
        "Backfill",
        todo,
        partial(run_backfill, definitions, deployment, todo),
    )
    if report.succeeded:
        # Of what was up to date already, too: a check that failed once must not turn green by being skipped.
        report.blocking += failing_blocking_checks(deployment, tables or deployment.contracts, days)
    if not todo.works and report.succeeded and not report.training_set:
        console.print(f"Everything is up to date, {days}.")
    else:
        _show_report(report)
    if todo.training_set and report.succeeded and (few := too_few_days(deployment)):
        console.print(f"No training set yet. {few}", soft_wrap=True)
    return report.succeeded


def _dry_restate(deployment: Deployment) -> bool:
    from churn_assets.automation.restate import planned_restatement, touched

    todo = planned_restatement(deployment)
    if todo.works:
        shown = Table(title=f"At most {todo.partitions:,} partitions in {len(todo.works)} runs", title_justify="left")
        for heading in ("tables", "days", "ranges", "because of"):
            shown.add_column(heading, justify="right" if heading == "days" else "left", overflow="fold")
        for one in touched(deployment, todo):
            days = sum(map(len, one.days))
            lists = [_shortened([*map(str, items)], most=3) for items in (one.days, one.files or ["(unknown)"])]
            shown.add_row(", ".join(one.tables), f"{days:,}", *(escape("\n".join(lines)) for lines in lists))
        console.print(shown)
        console.print("A day whose inputs turn out the same is left as it is. Next: churn-assets restate")
    return _show_rest(deployment, todo.impossible, is_up_to_date=not todo.works)


def _restate(deployment: Deployment) -> bool:
    with console.status("Loading the graph ..."):
        from churn_assets.automation.restate import planned_restatement, restated
        from churn_assets.automation.restate import restate as run_restate
        from churn_assets.graph import build_definitions

        definitions = build_definitions(deployment.settings)
        todo = planned_restatement(deployment)
    report = _with_progress(
        "Restate",
        todo,
        partial(run_restate, definitions, deployment, todo),
    )
    if report.partitions or not report.succeeded:
        _show_report(report)
    _show_restated(restated(deployment, report))
    return _show_rest(deployment, (), is_up_to_date=not todo.works and report.succeeded) and report.succeeded


def _show_restated(changes: Sequence[Restated]) -> None:
    if not changes:
        return
    shown = Table(title="Restated, of which other content: see churn.restatements", title_justify="left")
    for heading in ("table", "days", "rows removed", "rows added", "labels", "because of"):
        shown.add_column(heading, justify="right" if heading not in ("table", "labels", "because of") else "left")
    for one in changes:
        removed, added = ("-" if rows is None else f"{rows:,}" for rows in (one.rows_removed, one.rows_added))
        before, after = one.labels_before or {}, one.labels_after or {}
        labels = "\n".join(f"{name} {before[name]:,} -> {after[name]:,}" for name in before)
        files = "\n".join(_shortened(one.files, most=3))
        shown.add_row(one.table, f"{one.days:,}", removed, added, labels, escape(files))
    console.print(shown)


def _show_rest(deployment: Deployment, impossible: Sequence[str], *, is_up_to_date: bool) -> bool:
    """What a restatement does not do, and that it has nothing to do. False where something stands in its way."""
    from churn_assets.automation.restate import delivered_but_not_published

    if waiting := delivered_but_not_published(deployment):
        console.print(f"{len(waiting):,} delivered days were never published; 'churn-assets backfill' does that.")
    if is_up_to_date and not impossible:
        console.print("What is published is up to date with what has landed.")
    for sentence in _shortened(impossible):
        click.echo(f"Error: {sentence}", err=True)
    return not impossible


def _with_progress(what: str, todo: Plan, run: Callable[..., Report]) -> Report:
    """Do the planned work under a bar. `run` is told, as `backfill` is, what to call for each run and partition; and --debug."""
    with _bar("partitions") as progress:
        task = progress.add_task(what, total=todo.partitions, visible=bool(todo.works))
        report = run(
            on_run=lambda work: progress.update(task, description=f"{work.tables[0]} {work.days}"),
            on_progress=lambda table, partitions: progress.update(task, advance=partitions, description=table),
            raise_on_error=bool(click.get_current_context().find_root().params["debug"]),
        )
        progress.update(task, description=what)
        if report.succeeded:  # what turned out not to be needed is done, too
            progress.update(task, total=progress.tasks[task].completed)
    return report


def _selected(definitions: Any, select: str) -> set[str]:
    from dagster import AssetSelection

    from churn_assets.assets.baseline import CHURN_BASELINE

    try:
        graph = definitions.get_repository_def().asset_graph
        found = AssetSelection.from_coercible(select.split(",")).resolve(graph)
    except Exception as error:
        raise ChurnError(f"'{select}' is no selection of this graph's assets; see 'dagster asset list'.") from error
    names = {key.to_user_string() for key in found}
    if names == {CHURN_BASELINE}:
        raise ChurnError(
            f"A backfill makes tables and training sets; {CHURN_BASELINE} is made by 'dagster asset materialize "
            f"-m churn_assets.definitions --select {CHURN_BASELINE}'."
        )
    return names


def _show_report(report: Report) -> None:
    console.print(f"{report.partitions:,} partitions computed.")
    if report.training_set:
        console.print(f"Training set {report.training_set} made.")
    for name, days in report.warnings.most_common():
        console.print(f"[yellow]warning: {name} on {days:,} {'day' if days == 1 else 'days'}[/yellow]")
    for name, days in report.blocking.most_common():
        console.print(f"[red]failed: blocking check {name} on {days:,} {'day' if days == 1 else 'days'}[/red]")
    if report.blocking:
        click.echo(
            "Error: a blocking check failed, so nothing that depends on it was computed; see it in the Dagster UI, "
            "correct what was delivered, and run 'churn-assets backfill' again.",
            err=True,
        )
    for sentence in _shortened(report.failures):
        click.echo(f"Error: {sentence}", err=True)


def _shortened(sentences: Sequence[str], most: int = 10) -> list[str]:
    rest = len(sentences) - most
    return [*sentences[:most], *([f"... and {rest} more like these."] if rest > 0 else [])]


def _show_result(deployment: Deployment) -> None:
    query = """SELECT date_trunc('month', as_of_date)::DATE, count(DISTINCT user_id), avg(is_active::INT), sum(total_events)::BIGINT,
        sum(total_watch_minutes) / 60 FROM churn.user_daily GROUP BY 1 ORDER BY 1"""
    with deployment.warehouse.reading() as connection:
        rows = connection.execute(query).fetchall()
    shown = Table(title="user_daily by month", title_justify="left")
    for heading in ("month", "users", "active per day", "events", "hours watched"):
        shown.add_column(heading, justify="right")
    for month, users, active, events, hours in rows:
        shown.add_row(f"{month:%Y-%m}", f"{users:,}", f"{active:.1%}", f"{events:,}", f"{hours:,.0f}")
    console.print(shown)


def _report(deployment: Deployment, folder: Path | None = None) -> list[Path]:
    with console.status("Writing the report ..."):
        from churn_assets.report import write_report

        return write_report(deployment, folder or deployment.settings.reports_dir)


def _show_next(settings: Settings, page: Path) -> None:
    command, ui = "churn-assets" if shutil.which("churn-assets") else sys.argv[0], "make ui"
    if settings.data_dir != default_data_dir():
        command, ui = f"{command} --data {settings.data_dir}", f"{DATA_DIR_VARIABLE}={settings.data_dir} {ui}"
    places = {
        ui: "the graph, its partitions and checks, on http://127.0.0.1:3000",
        str(page): "growth, retention, quality and data health: open it in a browser",
        f"{command} status": "what is published",
        str(settings.warehouse_path): "schema churn, one table per asset: open it with DuckDB or pandas",
        "README.md": "your own data in five lines",
    }
    width = max(map(len, places)) + 2
    console.print("\n[bold]Where to look next[/bold]")
    for place, what in places.items():
        console.print(f"  {escape(place):<{width}}{what}", soft_wrap=True)


def _date(day: datetime | None) -> date | None:
    return day.date() if day else None


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


@contextmanager
def _days_bar(what: str, total: int | None = None) -> Iterator[Callable[[date], None]]:
    with _bar("days") as progress:
        task = progress.add_task(what, total=total)
        yield lambda day: progress.update(task, advance=1, description=f"{what} {day}")


cli.add_command(quarantine)
cli.add_command(erase)


def main() -> None:
    """Entry point of the `churn-assets` command."""
    cli(prog_name="churn-assets")


if __name__ == "__main__":
    main()
