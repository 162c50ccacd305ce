"""`churn-assets land`: a dump of flat files becomes landing days."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from churn_assets.commands.display import console, counted, days_bar
from churn_assets.commands.options import Day, users_and_events


@click.command()
@click.argument("paths", metavar="[USERS] EVENTS", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--start", type=Day(), help="First landing day (default: churn.toml, else the first event's day).")
@click.option("--end", type=Day(), help="Last landing day (default: churn.toml, else the last event's day).")
@click.option("--replace", is_flag=True, help="Replace what another dump landed.")
@click.pass_obj
def land(data: Path | None, paths: tuple[Path, ...], start: date | None, end: date | None, replace: bool) -> None:
    """Split a dump, USERS and EVENTS, into landing days. Each is a file or a folder of files; EVENTS alone where users are made
    from events.
    """
    from churn_assets.landing.dump import land_dump
    from churn_assets.settings import SETTINGS_FILE, Settings

    settings = Settings.load(data)
    users, events = users_and_events(paths)
    with days_bar("Landing") as on_day:
        landed = land_dump(users, events, settings, start=start, end=end, replace=replace, on_day=on_day)
    if landed.unchanged:
        console.print(f"{settings.landing_dir} already holds this dump; nothing changed.")
    else:
        console.print(
            f"Landed {f'{landed.user_rows:,} user rows and ' if users else ''}{landed.event_rows:,} event rows on {landed.days:,} days, "
            f"{landed.start} to {landed.end}, in {settings.landing_dir}."
        )
    for count, noun, what in (
        (landed.undated_rows, "row", "without a usable date: on the first day, to be quarantined"),
        (
            landed.moved_event_rows,
            "event",
            "from outside the calendar: moved to its nearest day, to be quarantined",
        ),
        (landed.moved_user_rows, "user", "who signed up outside the calendar: on its nearest day"),
        (
            landed.users_of_several_rows,
            "user",
            "with several rows that differ: the first counts, the others will be quarantined as conflict. If a column dates "
            'them, name it, valid_from = ["COLUMN"] under \\[sources.users], and land again with --replace',
        ),
    ):
        if count:
            console.print(f"[yellow]{counted(count, noun)} {what}.[/yellow]", soft_wrap=True)
    if landed.undated_attributes:
        named = f"{', '.join(landed.undated_attributes)} of each user {'is' if len(landed.undated_attributes) == 1 else 'are'}"
        console.print(
            f"{named} taken as known since signup. If the dump says what is true today, put attributes_as_of = {landed.end} (its day) "
            f"under \\[sources.users] in {SETTINGS_FILE}, so that no feature knows the future.",
            soft_wrap=True,
        )
    if end is None:
        console.print(
            f"The calendar ends on {landed.end}; for days that are delivered later raise end_date in {SETTINGS_FILE}, or take it out."
        )
    console.print("Next: churn-assets backfill")
