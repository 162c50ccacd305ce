"""What serving costs, in absolute figures: `PYTHONPATH=.ci python -m bench.serving`. Exits 1 where a goal is missed.

A world of some thousand users, whose last day is multiplied in the warehouse, is published to SQLite and, where redis-server is installed,
to Redis; then a service answers from each.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click

from churn_assets.assets.online_step import publish_online
from churn_assets.assets.step import Deployment
from churn_assets.settings import Settings

BIN = Path(sys.executable).parent
WORLD_USERS, WORLD_DAYS = 2_000, 40
RATE, SECONDS, CONNECTIONS = 200, 20, 8
BATCH = 10_000
GOALS = {"p99": 5.0, "batch": 1.0, "publish": 60.0}
"""Milliseconds of one request at 200 a second, seconds of a batch of 10,000 users, seconds of publishing 1M users."""


def churn(data: Path, *arguments: str) -> None:
    subprocess.run([BIN / "churn-assets", "--data", data, *arguments], check=True, stdout=subprocess.DEVNULL)


def world(data: Path, users: int) -> None:
    """The last day has at least so many users."""
    churn(data, "generate", "--users", str(WORLD_USERS), "--days", str(WORLD_DAYS))
    with (data / "churn.toml").open("a") as file:
        file.write('\n[serving]\nstore = "sqlite"\nsample = 0.01\nrequests_per_second = 100000\n')
    churn(data, "backfill")
    with Deployment(Settings.load(data)).warehouse.writing() as connection:
        for table in ("user_features", "churn_scores"):
            ((day, rows),) = connection.execute(
                f"SELECT as_of_date, count(*) FROM churn.{table} "
                f"WHERE as_of_date = (SELECT max(as_of_date) FROM churn.user_features) GROUP BY 1"
            ).fetchall()
            copies = max(0, -(-users // WORLD_USERS) - 1)
            connection.execute(
                f"INSERT INTO churn.{table} SELECT t.* REPLACE (user_id + {WORLD_USERS * 10} * n AS user_id) "
                f"FROM churn.{table} t, range(1, {copies + 1}) r(n) WHERE as_of_date = $1",
                [day],
            )
            connection.execute(
                "UPDATE churn.publish_ledger SET row_count = $1 WHERE table_name = $2 AND partition_date = $3",
                [rows * (copies + 1), table, day],
            )


@contextmanager
def served(data: Path) -> Iterator[int]:
    command = [str(BIN / "churn-assets"), "--data", str(data), "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert found
            yield int(found.group(1))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)


async def answered(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE).group(1))  # type: ignore[union-attr]
    await reader.readexactly(length)
    return int(head.split()[1])


async def load(port: int, users: list[int]) -> list[float]:
    """Milliseconds to the last byte of each answer: from the moment the request was due where its connection still waited for the one
    before, and else from when it was sent, so that a timer of this process that rings late is not counted.
    """
    begin = time.perf_counter() + 0.5
    due = [(begin + number / RATE, users[number % len(users)]) for number in range(RATE * SECONDS)]
    taken: list[float] = []

    async def one(mine: list[tuple[float, int]]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for at, user in mine:
            had_to_wait = time.perf_counter() > at
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            begun = at if had_to_wait else time.perf_counter()
            writer.write(f"GET /features/{user} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert await answered(reader) == 200
            taken.append((time.perf_counter() - begun) * 1000)
        writer.close()

    await asyncio.gather(*(one(due[number::CONNECTIONS]) for number in range(CONNECTIONS)))
    return sorted(taken)


def freshness(data: Path, known: list[int]) -> tuple[float, float]:
    """Seconds until `?now=true` has an event that was just written into today's file: of the first user who is asked for, for whom the file is
    read, and of the next.
    """
    text = (data / "churn.toml").read_text()
    last = date.fromisoformat(re.search(r"end_date = (\S+)", text).group(1))  # type: ignore[union-attr]
    today = last + timedelta(days=1)
    (data / "churn.toml").write_text(text.replace(f"end_date = {last}", f"end_date = {today}"))
    for source, line in (
        ("users", "user_id,signup_date,plan,is_paid,country,marketing_source\n"),
        ("events", "event_id,user_id,event_time,event_type\n"),
    ):
        folder = data / f"landing/{source}/date={today}"
        folder.mkdir(parents=True)
        (folder / f"{source}.csv").write_text(line)
    users = [user for user in sorted(known) if user <= WORLD_USERS * 5][:2]
    with served(data) as port:
        ask(port, users[0])
        with (data / f"landing/events/date={today}/events.csv").open("a") as file:
            file.writelines(f"{10**9 + n},{user},{today}T08:00:00,login\n" for n, user in enumerate(users))
        begin = time.perf_counter()
        assert ask(port, users[0])["days_since_last_activity"] == 0
        first = time.perf_counter()
        assert ask(port, users[1])["days_since_last_activity"] == 0
        return first - begin, time.perf_counter() - first


def ask(port: int, user: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/features/{user}?now=true")
    found: dict[str, Any] = json.loads(connection.getresponse().read())["features"]
    return found


def batch(port: int, users: list[int]) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begin = time.perf_counter()
    connection.request("POST", "/features", json.dumps({"user_ids": users}), {"Content-Type": "application/json"})
    body = connection.getresponse().read()
    taken = time.perf_counter() - begin
    assert len(json.loads(body)["users"]) == len(users)
    return taken


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        time.sleep(1)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(timeout=30)


def measured(data: Path, known: list[int]) -> dict[str, float]:
    begin = time.perf_counter()
    published = publish_online(Deployment(Settings.load(data)), replace=True)
    assert published.is_new and published.snapshot is not None
    figures: dict[str, float] = {"publish": time.perf_counter() - begin}
    with served(data) as port:
        asyncio.run(load(port, known))
        times = asyncio.run(load(port, known))
        figures |= {f"p{part}": times[int(len(times) * part / 100) - 1] for part in (50, 99)}
        figures["batch"] = sorted(batch(port, (known * BATCH)[:BATCH]) for _ in range(3))[1]
    return figures


def known_users(data: Path) -> list[int]:
    with Deployment(Settings.load(data)).warehouse.reading() as connection:
        found = connection.execute(
            "SELECT user_id FROM churn.user_features WHERE as_of_date = (SELECT max(as_of_date) FROM churn.user_features) "
            "USING SAMPLE reservoir(20000 ROWS) REPEATABLE (1)"
        ).fetchall()
    return [user for (user,) in found]


@click.command()
@click.option("--users", default=1_000_000, show_default=True, type=click.IntRange(WORLD_USERS))
def main(users: int) -> None:
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        world(data, users)
        known = known_users(data)
        found: dict[str, dict[str, Any]] = {"sqlite": measured(data, known)}
        if shutil.which("redis-server"):
            with redis(Path(folder)) as url:
                text = (data / "churn.toml").read_text()
                (data / "churn.toml").write_text(text.replace('"sqlite"', f'"{url}"'))
                found["redis"] = measured(data, known)
        first, later = freshness(data, known)
        click.echo(f"an event in today's file is served after {first:.2f} s, of the next user after {later:.2f} s")
        for store, figures in found.items():
            click.echo(
                f"{store}: publish {users:,} users {figures['publish']:.1f} s; /features at {RATE} a second p50 {figures['p50']:.1f} ms, "
                f"p99 {figures['p99']:.1f} ms; {BATCH:,} users in one request {figures['batch']:.2f} s"
            )
            kept = kept and all(figures[name] <= goal for name, goal in GOALS.items())
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
