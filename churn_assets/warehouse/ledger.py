"""The publish ledger: one row per published partition, written in the same transaction as its rows.

It says what a partition holds (rows, content hash) and what it was made from (input hash, code version), so that work
already done is known and loss or tampering is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime, timedelta, timezone
from hashlib import blake2b
from itertools import accumulate

import duckdb

from churn_assets.calendar import DayRange, Horizon, Window
from churn_assets.warehouse.frames import SCHEMA, run

LEDGER = "publish_ledger"
LEDGER_TABLE = f"{SCHEMA}.{LEDGER}"
LEDGER_DDL = f"""CREATE TABLE IF NOT EXISTS {LEDGER_TABLE} (
    table_name VARCHAR NOT NULL, partition_date DATE NOT NULL, row_count BIGINT NOT NULL,
    content_hash VARCHAR NOT NULL, input_hash VARCHAR NOT NULL, code_version VARCHAR NOT NULL, run_id VARCHAR NOT NULL,
    published_at TIMESTAMP NOT NULL)"""
NO_INPUT = 0


@dataclass(frozen=True)
class Published:
    """A ledger row, in the order of its columns; when it was published only the table says."""

    table: str
    day: date
    rows: int
    content_hash: str
    input_hash: str
    code_version: str
    run_id: str


@dataclass(frozen=True)
class Extent:
    """How much of a table is published."""

    days: int
    first: date
    last: date
    rows: int


class Ledger:
    """What is published, by table and day, as of one moment."""

    def __init__(self, entries: Iterable[Published]) -> None:
        self._by_table: dict[str, dict[date, Published]] = {}
        for entry in entries:
            self._by_table.setdefault(entry.table, {})[entry.day] = entry

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection, tables: Iterable[str] | None = None) -> Ledger:
        """The ledger as `connection` sees it; empty where nothing was published yet."""
        if not table_exists(connection, LEDGER):
            return cls([])
        columns = "table_name, partition_date, row_count, content_hash, input_hash, code_version, run_id"
        names = None if tables is None else list(tables)
        rows = connection.execute(
            f"SELECT {columns} FROM {LEDGER_TABLE} WHERE $1 IS NULL OR list_contains($1, table_name)", [names]
        ).fetchall()
        return cls(Published(*row) for row in rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and self._by_table == other._by_table

    __hash__ = None  # type: ignore[assignment]

    def of(self, table: str) -> Mapping[date, Published]:
        return self._by_table.get(table, {})

    def extent(self, table: str) -> Extent | None:
        """None where nothing of the table is published."""
        days = self.of(table)
        return Extent(len(days), min(days), max(days), sum(entry.rows for entry in days.values())) if days else None

    def rows(self, table: str, day: date) -> int:
        entry = self.of(table).get(day)
        return entry.rows if entry else 0

    def input_hashes(self, reads: Mapping[str, Window], days: DayRange, calendar_start: date) -> dict[date, str]:
        """For each day a hash of what is published in the windows it depends on.

        Sums of hashes, so that a window's hash is a difference of two running sums, however long the window. Of a horizon
        that has not closed, whether there is a gap stands for its days.
        """
        totals = dict.fromkeys(days, NO_INPUT)
        for table, window in reads.items():
            span = window.of(days, calendar_start)
            published = self.of(table)
            singles = [_digest(table, day, entry.content_hash) if (entry := published.get(day)) else 0 for day in span]
            running = [0, *accumulate(singles)]
            for day in days:
                own = window.of(DayRange(day, day), calendar_start)
                if window.closes and (horizon := window.horizon(day, published)) is not Horizon.CLOSED:
                    own = DayRange(own.first, day + timedelta(days=window.late))
                    totals[day] += _digest(table, day, horizon.name) if horizon is Horizon.GAP else NO_INPUT
                low, high = (own.first - span.first).days, (own.last - span.first).days + 1
                totals[day] += running[high] - running[low]
        return {day: f"{total % 2**128:032x}" for day, total in totals.items()}


def _digest(table: str, day: date, content_hash: str) -> int:
    return int.from_bytes(blake2b(f"{table}|{day}|{content_hash}".encode(), digest_size=16).digest(), "big")


def table_exists(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Asked before touching a table: an error inside a transaction would abort it."""
    found = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = ? AND NOT internal", [SCHEMA, table]
    ).fetchall()
    return bool(found)


def record(connection: duckdb.DuckDBPyConnection, table: str, days: DayRange, entries: list[Published]) -> datetime:
    """Replace the ledger rows of `table` on `days`. Gives the `published_at` they bear."""
    run(connection, LEDGER_DDL)
    run(
        connection,
        f"DELETE FROM {LEDGER_TABLE} WHERE table_name = ? AND partition_date BETWEEN ? AND ?",
        [table, days.first, days.last],
    )
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    columns = zip(*(astuple(entry) for entry in entries), strict=True)
    lists = ", ".join(["unnest(?)"] * len(fields(Published)))
    run(connection, f"INSERT INTO {LEDGER_TABLE} SELECT *, ? FROM (SELECT {lists})", [now, *map(list, columns)])
    return now
