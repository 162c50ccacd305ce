"""Real Dagster processes for tests: on a free port of 127.0.0.1, asked by GraphQL, each ended by its own id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from churn_assets.automation.instance import ensure_instance

BIN = Path(sys.executable).parent
START_SECONDS = 60
STOP_SECONDS = 20
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks this machine directly, whatever proxy the environment names."""


def environment(data: Path) -> dict[str, str]:
    """The variables every Dagster process of a deployment is started with."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CHURN_", "DAGSTER_"))}
    return inherited | {"CHURN_DATA_DIR": str(data), "DAGSTER_HOME": str(ensure_instance(data / "dagster_home"))}


def churn_assets(data: Path, *arguments: str) -> None:
    """Run the command on the deployment in `data`; fails with its output if it does."""
    done = subprocess.run(
        [BIN / "churn-assets", *arguments], env=environment(data), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def running(data: Path, program: str, *arguments: str) -> Iterator[Path]:
    """A Dagster process with whatever it starts, from here to the end of the block. Gives the path of its log."""
    log = data / f"{program}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [BIN / program, *arguments, "-m", "churn_assets.definitions"],
            env=environment(data),
            cwd=data,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield log
    finally:
        # It ends its code server itself when asked; what is left of its session after that is killed.
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait(STOP_SECONDS)


@dataclass(frozen=True)
class Webserver:
    url: str

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL answer; fails where it has errors."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with NO_PROXY.open(request, timeout=START_SECONDS) as response:
            answer = json.load(response)
        assert not answer.get("errors"), answer["errors"]
        return answer["data"]


@contextmanager
def webserver(data: Path, *arguments: str) -> Iterator[Webserver]:
    """`dagster-webserver` on the deployment in `data`, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with running(data, "dagster-webserver", "-h", "127.0.0.1", "-p", str(port), *arguments) as log:
        server = Webserver(f"http://127.0.0.1:{port}")
        wait_until(lambda: _answers(server), START_SECONDS, lambda: log.read_text())
        yield server


@contextmanager
def daemon(data: Path) -> Iterator[Path]:
    """`dagster-daemon run`, as `dagster dev` starts it beside the webserver."""
    with running(data, "dagster-daemon", "run") as log:
        yield log


def wait_until(true: Any, seconds: float, why_not: Any) -> None:
    """Ask `true()` until it holds; fails with `why_not()` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, why_not()
        time.sleep(0.2)


def _answers(server: Webserver) -> bool:
    try:
        return bool(server.ask("{ version }"))
    except OSError:
        return False


def content_hashes(data: Path) -> set[tuple[Any, ...]]:
    """What is published: (table_name, partition_date, content_hash)."""
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute("SELECT table_name, partition_date, content_hash FROM churn.publish_ledger").fetchall()
    assert len(rows) == len(set(rows))
    return set(rows)
