"""`churn-assets quarantine`: what was rejected and why, and taking back what is no longer rejected."""

from __future__ import annotations

import click


class OnDemandGroup(click.Group):
    """Imports its commands when asked for them: an option of theirs names the sources, which only the settings know."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["list", "release"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from churn_assets.commands.quarantine_list import list_rows
        from churn_assets.commands.quarantine_release import release

        return {"list": list_rows, "release": release}.get(cmd_name)


@click.group(cls=OnDemandGroup)
def quarantine() -> None:
    """Rejected rows: what lies there, and taking back what a corrected setting makes acceptable."""
