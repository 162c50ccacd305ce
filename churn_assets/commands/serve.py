"""`churn-assets serve`: features and scores over HTTP."""

from __future__ import annotations

import os
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

import click

from churn_assets.commands.display import console
from churn_assets.commands.options import pass_deployment
from churn_assets.errors import ChurnError

if TYPE_CHECKING:
    from churn_assets.assets.step import Deployment

TOKEN_VARIABLE = "CHURN_SERVE_TOKEN"  # noqa: S105


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@pass_deployment
def serve(deployment: Deployment, host: str, port: int) -> None:
    """Answer requests for features and scores from the online store, until it is stopped.

    Requests must carry the token that CHURN_SERVE_TOKEN holds; without one it listens to this machine alone.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip() or None
    if token is None and not _is_this_machine(host):
        raise ChurnError(f"{TOKEN_VARIABLE} is not set, so anybody could ask; set it, or listen on 127.0.0.1.")
    try:
        import uvicorn

        from churn_assets.service.app import create_app
    except ImportError as error:
        raise ChurnError(
            "A service needs fastapi and uvicorn; install them: pip install 'churn_assets[serve]'."
        ) from error
    config = uvicorn.Config(
        create_app(deployment, token=token), host=host, port=port, access_log=False, log_level="warning"
    )
    with config.bind_socket() as socket:
        socket.listen(config.backlog)  # Who reads the line below may ask at once.
        address, bound, *_ = socket.getsockname()
        place = f"[{address}]" if ":" in address else address
        asks = "with the token" if token else "without a token"
        console.print(
            f"Serving {deployment.settings.data_dir} on http://{place}:{bound}, {asks}. Ctrl-C stops it.",
            soft_wrap=True,
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[socket])


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
