"""`churn-assets init`."""

from __future__ import annotations

from pathlib import Path

import click

MOST_PATHS = 2


def users_and_events(paths: tuple[Path, ...]) -> tuple[Path | None, Path]:
    """What `[USERS] EVENTS` on a command line names."""
    if len(paths) > MOST_PATHS:
        raise click.UsageError("Name one file or folder (EVENTS), or two (USERS EVENTS).")
    return (paths[0] if len(paths) == MOST_PATHS else None), paths[-1]


@click.command()
def init() -> None: ...
