"""Online stores for tests: both kinds, a Redis server of one's own, and a small deployment that keeps one."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest

from churn_assets.online.store import Row, Snapshot
from webserver import free_port
from worlds import LAST, SHORT_LABELS, query, run_plainly, write_settings

SERVING = '[serving]\nstore = "sqlite"\nsample = 1.0\n'


def serving(data: Path, store: str = "sqlite", more: str = "") -> None:
    """The deployment keeps a store from now on."""
    write_settings(data, labels=SHORT_LABELS + SERVING.replace("sqlite", store) + more)


@contextlib.contextmanager
def redis_server(folder: Path, *arguments: str) -> Iterator[str]:
    """The URL of a server that is stopped afterwards. Skips where none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = free_port()
    log = folder / "redis.log"
    where = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
        "--logfile",
        str(log),
        *arguments,
    ]
    with subprocess.Popen([program, *where]) as server:
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline and server.poll() is None, log.read_text()
                    time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(timeout=30)


def snapshot(number: int, users: int, *, of_state: int = 0, names: Sequence[str] = ("a", "b")) -> Snapshot:
    """Of the day of that number in January, in a state of it."""
    return Snapshot(
        as_of_date=date(2026, 1, number),
        published_at=f"2026-02-01T00:00:00.{of_state:06d}",
        version=f"{number}-{of_state}",
        features={name: f"definition of {name}" for name in names},
        scores=["rank"],
        scores_version="s",
        scored_by="recency",
        users=users,
        id_type="integer",
    )


def rows(number: int, users: int) -> Iterator[Sequence[Row]]:
    """Users from 1 on. Each of their values is the number, so that a mixture of days shows."""
    for start in range(1, users + 1, 100):
        some = range(start, min(start + 100, users + 1))
        yield [(user, f"[{number}, {number}]", f"[{number}]" if user % 2 else None) for user in some]


def known_users(data: Path) -> list[int]:
    """Who has features on the last day."""
    found = query(data, f"SELECT user_id FROM churn.user_features WHERE as_of_date = DATE '{LAST}' ORDER BY 1")
    return [user for (user,) in found]


def served_world(computed: Path) -> Path:
    """The small computed world, with a store from now on, and what that adds computed."""
    serving(computed)
    run_plainly(computed)
    return computed
