"""A deployment with text ids in files of every format, and a search for an id that trusts nothing of ours."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from churn_assets.assets.step import Deployment
from churn_assets.assets.training_step import make_training_set
from churn_assets.automation.backfill import Report
from churn_assets.automation.plan import Plan
from churn_assets.automation.restate import still_late
from churn_assets.landing.erased import Erased
from churn_assets.landing.erasing import rewrite_without, search_landing
from churn_assets.settings import Settings
from churn_assets.warehouse.export import export_table
from worlds import START, day, days, deployment_of, publish_plainly, query, run_plainly

NEEDLE = "needle-5f0c77aa"
OTHERS = ["anna-1", "berta-2", "carla-3", "dora-4", "emma-5"]
USERS = [OTHERS[0], NEEDLE, *OTHERS[1:]]
DAYS = 7
"""As few as a training set can be made of."""
SETTINGS = f"""start_date = {START}
end_date = {day(DAYS)}
[sources.users]
id_type = "string"
[sources.events]
id_type = "string"
[labels]
at_risk_days = 2
horizon_days = 1
[training]
stride_days = 1
"""
SUFFIXES = ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"]
ODD = f"""event_id,user_id,event_time,event_type,note
odd-1,{NEEDLE},yesterday,login,a bad time
odd-2,{NEEDLE},2026-01-03T08:00:00,login,"signed, {NEEDLE}"
odd-3,anna-1,yesterday,login,another's bad time
odd-4,{NEEDLE},2026-01-03T08:00:00
odd-5,anna-1,2026-01-03T08:00:00
odd-6,{NEEDLE},2026-01-03T08:00:00,nap,
"""
"""Landing on 3 January: of the sought user one rejected, one with the id in a column outside the contract too, one malformed and one
of an unknown type.
"""


def erased(*users: str, id_type: str = "integer") -> Erased:
    """A list of erasures that holds these users."""
    nobody = Erased(id_type, b"key")
    return Erased(id_type, b"key", frozenset(nobody.hashed(user) for user in users))


def erase_from_landing(settings: Settings, sought: Erased, user: str) -> int:
    """Take the sought user's records out of every landed file; how many went."""
    found = search_landing(settings, sought, user).found
    for file in found:
        rewrite_without(settings, file, sought)
    return sum(file.records for file in found)


def write_file(path: Path, rows: list[dict[str, Any]]) -> None:
    """The rows as a file of the format its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows)
    if path.name.endswith(".parquet"):
        frame.to_parquet(path)
        return
    is_csv = ".csv" in path.name
    text = frame.to_csv(index=False) if is_csv else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.name.endswith(".gz") else text.encode())


def text_world(data: Path, last: int = DAYS) -> None:
    """Six users x 7 days, or 3 at least. Everybody is active on most days; each day's events come in another format than the day's before."""
    data.mkdir(parents=True)
    (data / "churn.toml").write_text(SETTINGS.replace(str(day(DAYS)), str(day(last))))
    for number in range(1, last + 1):
        at, suffix = day(number), SUFFIXES[number % len(SUFFIXES)]
        users = [{"user_id": user, "signup_date": str(at), "country": "DE"} for user in USERS] if number == 1 else []
        users = users or [{"user_id": USERS[number % 6], "signup_date": str(START), "country": "FR"}]
        write_file(data / f"landing/users/date={at}/users.{suffix}", users)
        events = [
            {"event_id": f"{user}/{number}", "user_id": user, "event_time": f"{at}T09:30:00", "event_type": "login"}
            for place, user in enumerate(USERS)
            if (number + place) % 4
        ]
        write_file(data / f"landing/events/date={at}/events.{suffix}", events)
    (data / f"landing/events/date={day(3)}/{NEEDLE}-odd.csv").write_text(ODD)


def computed_world(data: Path) -> None:
    """The same with everything computed, and every kind of copy made."""
    text_world(data)
    run_plainly(data)
    deployment = deployment_of(data)
    make_training_set(deployment)
    deployment.settings.reports_dir.mkdir()
    report_in_a_line(deployment, deployment.settings.reports_dir)
    for table, form in (("user_daily", "parquet"), ("raw_events", "csv")):
        path = data / f"{table}.{form}"
        export_table(
            *(deployment.warehouse, deployment.contracts[table], path),
            file_format=form,  # type: ignore[arg-type]
            days=days(1, DAYS),
            block_rows=1000,
        )
    dagster_log(data / "dagster_home/history/runs/index.db", f'{{"names": "nap, {NEEDLE}"}}')
    (data / "dagster_home/storage").mkdir()
    (data / "dagster_home/storage/run.err").write_text(f"ValueError: {NEEDLE}\n")


def dagster_log(path: Path, *events: str) -> None:
    """An event log as Dagster keeps one: SQLite, with a write-ahead log."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE event_logs (id INTEGER PRIMARY KEY, event TEXT)")
        connection.executemany("INSERT INTO event_logs (event) VALUES (?)", [[event] for event in events])
        connection.commit()


def fresh(data: Path, folder: Path) -> Path:
    """The landing as it is now with everything computed from nothing."""
    folder.mkdir()
    shutil.copytree(data / "landing", folder / "landing")
    shutil.copy(data / "churn.toml", folder)
    run_plainly(folder)
    return folder


def restate_in_a_plain_loop(_: object, deployment: Deployment, todo: Plan, **__: Any) -> Report:
    """As `restate` does, without Dagster."""
    report = Report()
    for work in todo.works:
        for left in still_late(deployment, work):
            publish_plainly(deployment, left)
            report.partitions += left.partitions
    return report


def report_in_a_line(deployment: Deployment, folder: Path) -> None:
    """As `write_report` does, in no time."""
    with deployment.warehouse.reading() as connection:
        users = connection.execute("SELECT max(users) FROM churn.growth_daily").fetchall()
    (folder / "report.html").write_text(str(users))


def places_naming(data: Path, text: str) -> Iterator[str]:
    """Where a text stands: in a file's name, its bytes, its bytes unpacked, or a table of the warehouse."""
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        elif path.suffix == ".parquet":
            content += str(pq.read_table(path).to_pylist()).encode()
        if text in str(path.relative_to(data)) or text.encode() in content:
            yield str(path.relative_to(data))
    for schema, table in query(data, "SELECT schema_name, table_name FROM duckdb_tables()"):
        if query(data, f"SELECT 1 FROM {schema}.{table} t WHERE contains(t::VARCHAR, '{text}') LIMIT 1"):
            yield f"{schema}.{table}"
