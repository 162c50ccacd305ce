"""Real Dagster processes for tests: on a free port of 127.0.0.1, asked by GraphQL, each ended by its own id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from churn_assets.automation.instance import ensure_instance
from worlds import BIN, environment

START_SECONDS = 90
STOP_SECONDS = 20
WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks this machine itself, whatever proxy the environment names."""

LAUNCH_BACKFILL = """mutation ($parameters: LaunchBackfillParams!) {
    launchPartitionBackfill(backfillParams: $parameters) {
        __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
    }
}"""
"""What the UI sends from "Materialize ..." for several partitions."""
LAUNCH_RUN = """mutation ($parameters: ExecutionParams!) {
    launchRun(executionParams: $parameters) { __typename ... on LaunchRunSuccess { run { runId } } }
}"""
"""What the UI sends from "Materialize ..." for one partition."""
BACKFILL_STATUS = """query ($id: String!) {
    found: partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status error { message } } }
}"""
RUN_STATUS = "query ($id: ID!) { found: runOrError(runId: $id) { ... on Run { status } } }"
GOING_ON = {"REQUESTED", "CANCELING", "FAILING", "QUEUED", "NOT_STARTED", "STARTING", "STARTED"}


@dataclass(frozen=True)
class Webserver:
    url: str

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL answer; fails where it has errors."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with WITHOUT_PROXY.open(request, timeout=START_SECONDS) as response:
            answer = json.load(response)
        assert not answer.get("errors"), answer["errors"]
        return answer["data"]

    def assets(self) -> dict[str, str]:
        """Group by asset name."""
        nodes = self.ask("{ assetNodes { groupName assetKey { path } } }")["assetNodes"]
        return {node["assetKey"]["path"][-1]: node["groupName"] for node in nodes}

    def launch_backfill(self, partitions: Iterable[object]) -> dict[str, Any]:
        """Launch a backfill of all assets; the answer names its id, or says why not."""
        parameters = {"assetSelection": self._keys(), "partitionNames": list(map(str, partitions)), "tags": []}
        return dict(self.ask(LAUNCH_BACKFILL, parameters=parameters)["launchPartitionBackfill"])

    def launch_run(self, partition: object) -> str:
        """Launch a run of all assets for one partition; gives its id."""
        parameters = {
            "selector": {
                "repositoryLocationName": "churn_assets.definitions",
                "repositoryName": "__repository__",
                "jobName": "__ASSET_JOB",
                "assetSelection": self._keys(),
            },
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": str(partition)}]},
        }
        answer = self.ask(LAUNCH_RUN, parameters=parameters)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def outcome(self, status: str, of: str, seconds: float) -> str:
        """What the backfill or run ends with, asked by `status`; fails if it has not ended after so many seconds."""
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(self.ask(status, id=of)["found"])
            return found["status"] not in GOING_ON

        wait_until(ended, seconds, lambda: str(found))
        return str(found["status"])

    def _keys(self) -> list[dict[str, list[str]]]:
        return [{"path": [name]} for name in self.assets()]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def webserver(data: Path, *options: str) -> Iterator[Webserver]:
    """`dagster-webserver` on the deployment in `data`, once it answers."""
    port = free_port()
    with _running(data, "dagster-webserver", "-h", "127.0.0.1", "-p", str(port), *options) as log:
        server = Webserver(f"http://127.0.0.1:{port}")
        wait_until(lambda: _answers(server), START_SECONDS, log.read_text)
        yield server


@contextmanager
def daemon(data: Path) -> Iterator[Path]:
    """`dagster-daemon`, as `dagster dev` starts it beside the webserver. Gives the path of its log."""
    with _running(data, "dagster-daemon", "run") as log:
        yield log


@contextmanager
def _running(data: Path, program: str, *arguments: str) -> Iterator[Path]:
    """A Dagster process with whatever it starts, from here to the end of the block."""
    log = data / f"{program}.log"
    home = ensure_instance(data / "dagster_home")
    with log.open("w") as output:
        process = subprocess.Popen(
            [BIN / program, *arguments, "-m", "churn_assets.definitions"],
            env=environment(CHURN_DATA_DIR=str(data), DAGSTER_HOME=str(home)),
            cwd=data,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield log
    finally:
        # Asked to, it ends its code server too; what is left of its session after that is killed.
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)


def wait_until(holds: Callable[[], bool], seconds: float, why_not: Callable[[], str]) -> None:
    """Ask until it holds; fails with `why_not()` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, why_not()
        time.sleep(0.2)


def _answers(server: Webserver) -> bool:
    try:
        return bool(server.assets())
    except (OSError, ValueError):
        return False
