"""A small made-up deployment on disk, ways to compute it, and the hashes that say what came of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from churn_assets.assets.step import Deployment
from churn_assets.automation.backfill import Report, backfill, current_ledger, planned
from churn_assets.automation.plan import Plan, Work
from churn_assets.calendar import DayRange
from churn_assets.cli import cli
from churn_assets.graph import build_definitions
from churn_assets.settings import Settings
from churn_assets.synthetic import generate
from churn_assets.warehouse import publish

START, DAYS = date(2026, 1, 1), 12
LAST = START + timedelta(days=DAYS - 1)
CALENDAR = DayRange(START, LAST)
LATENESS = 3
AT_RISK, HORIZON = 3, 4
SHORT_LABELS = f"[labels]\nat_risk_days = {AT_RISK}\nhorizon_days = {HORIZON}\n"
"""Short enough for most of the few days to be labelled."""
BIN = Path(sys.executable).parent

Hashes = dict[tuple[str, date], str]

ODD_EVENTS = """event_id,user_id,event_time,event_type,course_id,watch_minutes,quiz_score,amount
900001,1,2026-01-06T08:00:00,video_watch,c1,-5,,
900002,1,2026-01-09T08:00:00,login,,,,
900003,1,2026-01-01T08:00:00,login,,,,
900004,1,2026-01-04T08:00:00,login,,,,
900004,1,2026-01-04T09:00:00,login,,,,
900005,999999,2026-01-06T08:00:00,login,,,,
900006,1,2026-01-06T08:00:00,telepathy,,,,
900007,1,2026-01-06T08:00:00,login
900008,1,yesterday,login,,,,
"""
"""Landing on 6 January: two accepted of user 1 (one late), one of nobody, one of an unknown type, six rejected."""

ODD_USERS = """user_id,signup_date,plan,is_paid,country,marketing_source
800001,2026-01-30x,free,false,DE,ads
800002,2026-01-05,FREE ,false,de,
800003,2025-06-01,free,false,DE,ads
"""
"""Landing on 7 January, besides three who change their plan: one without a usable signup, one known in time, one who signed
up long before it landed.
"""


def day(number: int) -> date:
    """The day of that number, counted from 1."""
    return START + timedelta(days=number - 1)


def days(first: int, last: int | None = None) -> DayRange:
    return DayRange(day(first), day(last or first))


def small_world(data: Path) -> None:
    """60 users x 12 days with late events, changes of plan and rows that are wrong in ways of their own."""
    generate(data / "landing", start=START, days=DAYS, users=60, seed=5, signup_during=0.3, late_share=0.05)
    deliver(data, "events", day(6), ODD_EVENTS, name="odd.csv")
    first_users = (data / "landing/users" / f"date={START}" / "users.csv").read_text().splitlines()[1:4]
    changed = [row.replace(",free,0,", ",basic,1,").replace(",paid,1,", ",free,0,") for row in first_users]
    deliver(data, "users", day(7), ODD_USERS + "".join(f"{row}\n" for row in changed), name="odd.csv")
    write_settings(data)


def write_settings(data: Path, labels: str = SHORT_LABELS, **settings: Any) -> None:
    lines = {"start_date": START, "end_date": LAST} | settings
    (data / "churn.toml").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()) + labels)


def deliver(data: Path, source: str, landing: date, text: str, name: str | None = None) -> Path:
    folder = data / "landing" / source / f"date={landing}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or f"{source}.csv")
    path.write_text(text)
    return path


def deliver_late_login(data: Path) -> Path:
    """Another file of the last day, with a login of user 1."""
    text = f"event_id,user_id,event_time,event_type\n990001,1,{LAST}T08:00:00,login\n"
    return deliver(data, "events", LAST, text, name="late.csv")


def withdraw(data: Path, landing: date) -> Path:
    """Take a landing day away, to be brought back with `bring_back`."""
    aside = data / f"aside-{landing}"
    for source in ("users", "events"):
        (aside / source).mkdir(parents=True)
        shutil.move(data / "landing" / source / f"date={landing}", aside / source)
    return aside


def bring_back(data: Path, landing: date) -> None:
    aside = data / f"aside-{landing}"
    for source in ("users", "events"):
        shutil.move(aside / source / f"date={landing}", data / "landing" / source)
    shutil.rmtree(aside)


def deployment_of(data: Path) -> Deployment:
    return Deployment(Settings.load(data))


def run_with_dagster(data: Path, asked: DayRange | None = None, **how: Any) -> Report:
    """Plan and do it as `churn-assets backfill` does: Dagster runs, checks and all."""
    deployment = deployment_of(data)
    todo = planned(deployment, asked, **how)
    return backfill(build_definitions(deployment.settings), deployment, todo)


def run_plainly(data: Path, asked: DayRange | None = None, **how: Any) -> Plan:
    """Plan and do it in a plain loop over the steps, without Dagster."""
    deployment = deployment_of(data)
    todo = planned(deployment, asked, **how)
    with deployment.warehouse.keeping_open():
        for work in todo.works:
            publish_plainly(deployment, work)
    return todo


def publish_plainly(deployment: Deployment, work: Work) -> None:
    """All of it in one transaction, which is several times faster than one for each table."""
    with deployment.warehouse.writing() as connection:
        for step in work.steps:
            for publication in step.publications(deployment, work.days):
                publish(connection, publication)


def hashes(data: Path) -> Hashes:
    """Content hash of every published partition."""
    deployment = deployment_of(data)
    ledger = current_ledger(deployment)
    return {(table, at): entry.content_hash for table in deployment.contracts for at, entry in ledger.of(table).items()}


def work_by_table(todo: Plan) -> dict[str, list[date]]:
    """What a plan computes: the sorted days of each table."""
    found: dict[str, set[date]] = {}
    for work in todo.works:
        for table in work.tables:
            found.setdefault(table, set()).update(work.days)
    return {table: sorted(at) for table, at in found.items()}


def tamper(data: Path, *statements: str) -> None:
    with deployment_of(data).warehouse.writing() as connection:
        for statement in statements:
            connection.execute(statement).fetchall()


DAMAGES_OF_SAVINGS = ("deleted", "noise", "emptied", "another schema", "a folder")


def damage_savings(path: Path, table: str, damage: str) -> None:
    """Do one of these damages to a file that only saves work."""
    path.unlink()
    if damage == "noise":
        path.write_bytes(b"no database at all" * 100)
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "another schema":
        with sqlite3.connect(path) as connection:
            connection.execute(f"CREATE TABLE {table} (x)")
    elif damage == "a folder":
        path.mkdir()


def query(data: Path, statement: str) -> list[tuple[Any, ...]]:
    with deployment_of(data).warehouse.reading() as connection:
        return connection.execute(statement).fetchall()


def environment(**variables: str) -> dict[str, str]:
    """That of a child process: ours without what would point it at another deployment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHURN_", "DAGSTER_"))}
    return {**kept, "PYTHONWARNINGS": "ignore", "COLUMNS": "200", "TERM": "dumb", **variables}


@contextmanager
def held_elsewhere(warehouse: Path) -> Iterator[None]:
    """Another process has the warehouse open for writing, as a notebook does."""
    code = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    arguments = [sys.executable, "-c", code, str(warehouse)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout and holder.stdout.readline() == "held\n"
            yield
        finally:
            holder.communicate("\n", timeout=30)


def churn(data: Path, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """`churn-assets` in this process, which saves the time to import all it needs; as if called by its path, beside the data folder."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(data.parent)
        patched.setattr(sys, "argv", [str(BIN / "churn-assets")])
        result = CliRunner(env=variables).invoke(cli, ["--data", str(data), *map(str, arguments)])
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)


def command(
    *arguments: object, cwd: Path, variables: Mapping[str, str] | None = None, seconds: float = 600
) -> subprocess.CompletedProcess[str]:
    """A command of this environment as a real process: `churn-assets` or `dagster`, by its name."""
    return subprocess.run(
        [BIN / str(arguments[0]), *map(str, arguments[1:])],
        cwd=cwd,
        env=environment(**(variables or {})),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def differing(one: Hashes, other: Hashes) -> Iterable[tuple[str, date]]:
    """Partitions that are not the same in both: empty means equal, and reads better than two dicts in a failure."""
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
