"""Which files brought something new to a landing day, and when: from this a restated partition is traced to its cause.

One row per file that is new, changed or gone since the day was last published. Written with the landing day itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import duckdb

from churn_assets.calendar import DayRange, Window
from churn_assets.settings import SourceName
from churn_assets.warehouse.frames import SCHEMA, qualified, run, table_exists

ARRIVALS = "arrivals"
ARRIVALS_TABLE = f"{SCHEMA}.{ARRIVALS}"
ARRIVALS_DDL = f"""CREATE TABLE IF NOT EXISTS {ARRIVALS_TABLE} (
    source VARCHAR NOT NULL, landing_date DATE NOT NULL, source_file VARCHAR NOT NULL, change VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL, arrived_at TIMESTAMP NOT NULL)"""

Change = Literal["new", "changed", "removed"]
Digests = Mapping[date, Mapping[str, str]]
"""Of each landing day, the digest of each file by name."""


@dataclass(frozen=True)
class LandedFiles:
    """The files a publication of a landing table was read from; their digests are asked for after the last block."""

    source: SourceName
    digests: Callable[[], Digests]


def published_files(connection: duckdb.DuckDBPyConnection, source: SourceName, days: DayRange) -> Digests:
    """The files each published landing day was read from."""
    table = f"{source}_files"
    if not table_exists(connection, table):
        return {}
    found: dict[date, dict[str, str]] = {}
    query = f"SELECT landing_date, source_file, digest FROM {qualified(table)} WHERE landing_date BETWEEN ? AND ?"
    for day, file, digest in connection.execute(query, [days.first, days.last]).fetchall():
        found.setdefault(day, {})[file] = digest
    return found


def changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, Change]:
    """What became of the files of one landing day, by name; those that stayed the same are left out."""
    changes: dict[str, Change] = {}
    for file in sorted(before.keys() | now.keys()):
        if before.get(file) != now.get(file):
            changes[file] = "new" if file not in before else "removed" if file not in now else "changed"
    return changes


def record_arrivals(
    connection: duckdb.DuckDBPyConnection, landed: LandedFiles, days: DayRange, run_id: str, arrived_at: datetime
) -> None:
    """Note what `days` hold that they did not hold when they were published before."""
    run(connection, ARRIVALS_DDL)
    before, now = published_files(connection, landed.source, days), landed.digests()
    rows = [
        (day, file, change)
        for day in days
        for file, change in changed_files(before.get(day, {}), now.get(day, {})).items()
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    run(
        connection,
        f"INSERT INTO {ARRIVALS_TABLE} SELECT ?, day::DATE, file::VARCHAR, change::VARCHAR, ?, ? "
        "FROM (SELECT unnest(?) AS day, unnest(?) AS file, unnest(?) AS change)",
        [landed.source, run_id, arrived_at, *columns],
    )


def arrived_since(
    connection: duckdb.DuckDBPyConnection, windows: Mapping[SourceName, Window], since: Mapping[date, datetime]
) -> dict[date, list[str]]:
    """For each day the files that changed a landing day of its `windows` after the moment `since` has for it."""
    if not since or not table_exists(connection, ARRIVALS):
        return {day: [] for day in since}
    rows = connection.execute(
        f"SELECT DISTINCT source, landing_date, source_file, arrived_at FROM {ARRIVALS_TABLE} WHERE arrived_at > ?",
        [min(since.values())],
    ).fetchall()
    return {
        day: sorted(
            {
                file
                for source, landing_date, file, arrived_at in rows
                if arrived_at > moment and source in windows and landing_date in own[source]
            }
        )
        for day, moment in since.items()
        for own in [{name: window.of(DayRange(day, day), date.min) for name, window in windows.items()}]
    }
