"""How an error of any command ends: one sentence that says what to do, and an exit code that is not 0."""

from __future__ import annotations

from typing import Any

import click

from churn_assets.errors import ChurnError, about_the_disk

INTERRUPTED = 130
"""Exit code of a command stopped by Ctrl-C: 128 + SIGINT, as shells have it."""


class OneSentenceGroup(click.Group):
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
