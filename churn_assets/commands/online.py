"""`churn-assets online`: the store that a service answers from, published and looked at."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from churn_assets.commands.display import console
from churn_assets.commands.options import pass_deployment

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment


@click.group()
def online() -> None:
    """The store of single users that 'churn-assets serve' answers from."""


@online.command()
@click.option("--replace", is_flag=True, help="Also where the store holds a newer state, after a restore say.")
@pass_deployment
def publish(deployment: Deployment, replace: bool) -> None:
    """Put the newest published day into the store. A backfill does it by itself."""
    from churn_assets.assets.online_step import publish_online

    with console.status("Publishing ..."):
        published = publish_online(deployment, replace=replace)
    console.print(f"{'Published' if published.is_new else 'Nothing to publish'}: {published.why}.", soft_wrap=True)


@online.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@pass_deployment
def status(deployment: Deployment, as_json: bool) -> None:
    """What the store holds, and whether it is what is published and declared. Ends with 1 where it is not."""
    from churn_assets.assets.online_step import due_snapshot, what_is_wrong
    from churn_assets.online.store import open_store

    store = open_store(deployment.settings)
    held, due = store.snapshot(), due_snapshot(deployment, store)
    wrong = what_is_wrong(deployment, held) if held else "The store is empty; run 'churn-assets backfill'."
    if not wrong and due:
        wrong = f"The store does not hold the newest state, {due.as_of_date}; run 'churn-assets backfill'."
    if as_json:
        found = {
            "place": store.place,
            "as_of_date": held.as_of_date.isoformat() if held else None,
            "users": held.users if held else 0,
            "scored_by": held.scored_by if held else None,
            "published_at": f"{held.published_at}Z" if held else None,
            "wrong": wrong,
        }
        click.echo(json.dumps(found))
    else:
        if held:
            scored = f"scored by {held.scored_by}" if held.scored_by else "not scored"
            console.print(f"{store.place}: {held.users:,} users of {held.as_of_date}, {scored}.", soft_wrap=True)
        console.print(wrong or "It is up to date.", soft_wrap=True)
    sys.exit(1 if wrong else 0)
