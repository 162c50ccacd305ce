"""`churn-assets init`: a dump is looked at and a churn.toml written that lands it; asks on a terminal, guesses when piped."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from churn_assets.commands.display import console
from churn_assets.commands.options import users_and_events
from churn_assets.errors import ChurnError, RefusedFile
from churn_assets.files import replace_content

if TYPE_CHECKING:
    from churn_assets.inspection import Chosen, Guess, Looked
    from churn_assets.settings import SourceName

MOST_REHEARSED_ROWS = 50_000
"""A larger dump is not read a second time by the readers of `land`."""


@click.command()
@click.argument("paths", metavar="[USERS] EVENTS", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace the churn.toml that is there.")
@click.pass_obj
def init(data: Path | None, paths: tuple[Path, ...], replace: bool) -> None:
    """Look at a dump, USERS and EVENTS or EVENTS alone, and write a commented churn.toml that lands it.

    Each is a file or a folder of files: CSV, JSON Lines or Parquet, gzipped or not.
    """
    from churn_assets.inspection import Chosen, churn_toml, guess, look
    from churn_assets.settings import SETTINGS_FILE, default_data_dir

    folder = Path(data or default_data_dir())
    place = folder / SETTINGS_FILE
    if place.exists() and not replace:
        raise ChurnError(f"{place} is there already; use --replace to write it anew, or another data folder.")
    users_path, events_path = users_and_events(paths)
    with console.status("Looking at the dump ..."):
        events = look(events_path)
        users = look(users_path) if users_path else None
        guessed = guess(events, users)
    if sys.stdin.isatty() and sys.stdout.isatty():
        chosen = _asked(guessed)
        if chosen != Chosen():
            guessed = guess(events, users, chosen)
    text = churn_toml(guessed)
    refusal = _rehearsed(text, users, events)
    _write(place, text)
    _show(guessed, place)
    if refusal:
        console.print(f"[yellow]'land' would refuse this dump: {escape(refusal)}[/yellow]", soft_wrap=True)
    dump = " ".join(shlex.quote(str(path)) for path in paths)
    console.print(f"Next: churn-assets land {escape(dump)}", soft_wrap=True)


def _asked(guessed: Guess) -> Chosen:
    """A few questions whose defaults are the guesses; none where nothing is in doubt."""
    from churn_assets.inspection import Chosen

    answers: dict[str, str] = {}
    for name, what in (("user_id", "user's id"), ("event_time", "event's time"), ("event_type", "event's type")):
        found = getattr(guessed, name)
        if found.others:
            choices = click.Choice([found.column.path, *found.others])
            answers[name] = click.prompt(f"Column of the {what}", default=found.column.path, type=choices)
    chosen = Chosen(**{name: path for name, path in answers.items() if path != getattr(guessed, name).column.path})
    if guessed.times.ambiguous_with and not chosen.event_time:
        formats = [guessed.times.format, guessed.times.ambiguous_with]
        answer = click.prompt(
            "Day and month can be swapped; times are written as", formats[0], type=click.Choice(formats)
        )
        chosen = replace(chosen, timestamp_format=answer if answer != formats[0] else None)
    from churn_assets.inspection.declarations import BLANK, shipped

    product = click.prompt("Product declaration", guessed.fit.product, type=click.Choice([*shipped(), BLANK]))
    if product != guessed.fit.product:
        chosen = replace(chosen, product=product)
    zone = click.prompt("Timezone of the business day", guessed.timezone)
    return replace(chosen, timezone=zone) if zone != guessed.timezone else chosen


def _rehearsed(text: str, users: Looked | None, events: Looked) -> str | None:
    """The sentence with which `land` would refuse the dump under these settings, if it would and the dump is not too large."""
    from churn_assets.landing.dump_file import read_dump_file
    from churn_assets.settings import SETTINGS_FILE, Settings

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / SETTINGS_FILE).write_text(text, encoding="utf-8")
        settings = Settings.load(folder)
    sources: dict[SourceName, Looked | None] = {"users": users, "events": events}
    try:
        for source, looked in sources.items():
            if looked is not None and looked.rows_in_all <= MOST_REHEARSED_ROWS:
                for path in looked.files.paths:
                    read_dump_file(path, source, settings)
    except RefusedFile as refused:
        return str(refused)
    return None


def _write(place: Path, text: str) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_content(place, text.encode("utf-8"))
    except OSError as error:
        cause = os.strerror(error.errno or 0)
        raise ChurnError(f"{place} cannot be written ({cause}); make its folder writable.") from error


def _show(guessed: Guess, place: Path) -> None:
    from churn_assets.inspection import REASONS

    counts = guessed.event_counts
    if guessed.export:
        console.print(f"An export of {guessed.export.name}, by its columns.")
    console.print(
        f"{guessed.events.rows_shown.capitalize()} of events, {len(counts):,} event types, "
        f"{guessed.user_id.column.distinct:,} users by {escape(guessed.user_id.column.path)}."
    )
    if guessed.times.ambiguous_with:
        console.print(f"[yellow]Day and month are ambiguous: {guessed.times.format} is a guess; see the file.[/yellow]")
    if rejected := sum(guessed.rejects.values()):
        reason = max(guessed.rejects, key=lambda name: guessed.rejects[name])
        share = rejected / guessed.events.rows
        console.print(
            f"[yellow]{rejected:,} events ({share:.0%}) would be quarantined, most of them as {reason}: {REASONS[reason]}.[/yellow]",
            soft_wrap=True,
        )
    console.print(f"Product: {guessed.fit.product}; {guessed.fit.evidence}.", soft_wrap=True)
    console.print(f"{place} written; each guess in it has its evidence beside it.", soft_wrap=True)
