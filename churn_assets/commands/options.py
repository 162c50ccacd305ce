"""What several commands take from their command line: the deployment in --data, --debug, and days."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment

P = ParamSpec("P")
MOST_PATHS = 2


class Day(click.DateTime):
    """A day as YYYY-MM-DD, which the command gets as a date."""

    def __init__(self) -> None:
        super().__init__(formats=["%Y-%m-%d"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(value, param, ctx).date()


def pass_deployment(command: Callable[Concatenate[Deployment, P], None]) -> Callable[P, None]:
    """Give the command, as its first argument, the deployment whose data folder is --data."""

    @click.pass_obj
    @wraps(command)
    def with_deployment(data: Path | None, /, *args: P.args, **kwargs: P.kwargs) -> None:
        from churn_assets.assets.step import Deployment
        from churn_assets.settings import Settings

        command(Deployment(Settings.load(data)), *args, **kwargs)

    return with_deployment


def users_and_events(paths: tuple[Path, ...]) -> tuple[Path | None, Path]:
    """What `[USERS] EVENTS` on a command line names."""
    if len(paths) > MOST_PATHS:
        raise click.UsageError("Name one file or folder (EVENTS), or two (USERS EVENTS).")
    return (paths[0] if len(paths) == MOST_PATHS else None), paths[-1]


def is_debugging() -> bool:
    """Whether --debug was given to the command that runs."""
    return bool(click.get_current_context().find_root().params["debug"])
