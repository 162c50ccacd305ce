"""The publish ledger: one row per published partition, written in the same transaction as its rows.

It says what a partition holds (rows, content hash, definition of its columns, digests of the parts that others read) and what
it was made from (input hash, code version), so that work already done is known and loss or tampering is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from hashlib import blake2b
from itertools import accumulate

import duckdb
import pyarrow as pa

from churn_assets.calendar import DayRange, Horizon, Window
from churn_assets.contracts import Column, Contract
from churn_assets.warehouse.definitions import (
    DEFINITIONS,
    Definition,
    from_ddl,
    read_definitions,
    stored_columns,
)
from churn_assets.warehouse.frames import SCHEMA, insert_by_name, run, seen, table_exists

LEDGER = "publish_ledger"
LEDGER_TABLE = f"{SCHEMA}.{LEDGER}"
LEDGER_DDL = f"""CREATE TABLE IF NOT EXISTS {LEDGER_TABLE} (
    table_name VARCHAR NOT NULL, partition_date DATE NOT NULL, row_count BIGINT NOT NULL,
    content_hash VARCHAR NOT NULL, input_hash VARCHAR NOT NULL, code_version VARCHAR NOT NULL, run_id VARCHAR NOT NULL,
    published_at TIMESTAMP NOT NULL, definition VARCHAR, views MAP(VARCHAR, VARCHAR))"""
LATER_COLUMNS = {"definition": "VARCHAR", "views": "MAP(VARCHAR, VARCHAR)"}
"""What ledgers of older releases have not."""
NO_INPUT = 0
_ROWS = pa.schema(
    [
        *((name, pa.string()) for name in ("table_name", "content_hash", "input_hash", "code_version", "run_id")),
        ("partition_date", pa.date32()),
        ("row_count", pa.int64()),
        ("published_at", pa.timestamp("us")),
        ("definition", pa.string()),
        ("views", pa.map_(pa.string(), pa.string())),
    ]
)


@dataclass(frozen=True)
class Published:
    """A ledger row; when it was published only the table says."""

    table: str
    day: date
    rows: int
    content_hash: str
    input_hash: str
    code_version: str
    run_id: str
    definition: str = ""
    """Of its columns, by id."""
    views: Mapping[str, str] = field(default_factory=dict)
    """The digest of each part that a later step reads, by the name of the part."""


@dataclass(frozen=True)
class Need:
    """What somebody reads of a table: columns, what is declared of them today, and the names of the parts selected (none: all)."""

    columns: tuple[Column, ...]
    meanings: Mapping[str, str] = field(default_factory=dict)
    views: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extent:
    """How much of a table is published."""

    days: int
    first: date
    last: date
    rows: int


class Ledger:
    """What is published, by table and day, as of one moment."""

    def __init__(self, entries: Iterable[Published], definitions: Iterable[Definition] = ()) -> None:
        self._by_table: dict[str, dict[date, Published]] = {}
        for entry in entries:
            self._by_table.setdefault(entry.table, {})[entry.day] = entry
        self.definitions = {definition.id: definition for definition in definitions}

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection, tables: Iterable[str] | None = None) -> Ledger:
        """The ledger as `connection` sees it; empty where nothing was published yet."""
        if not table_exists(connection, LEDGER):
            return cls([])
        is_new = _is_of_this_release(connection)
        columns = "table_name, partition_date, row_count, content_hash, input_hash, code_version, run_id, " + (
            "definition, coalesce(views, MAP {})" if is_new else "NULL, MAP {}"
        )
        names = None if tables is None else list(tables)
        rows = connection.execute(
            f"SELECT {columns} FROM {LEDGER_TABLE} WHERE $1 IS NULL OR list_contains($1, table_name)", [names]
        ).fetchall()
        older = {
            table: from_ddl(stored_columns(connection, table)) for table in {row[0] for row in rows if row[7] is None}
        }
        entries = (Published(*row[:7], row[7] or older[row[0]].id, row[8]) for row in rows)  # type: ignore[call-arg]
        definitions = read_definitions(connection, names) if table_exists(connection, DEFINITIONS) else ()
        return cls(entries, (*definitions, *older.values()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and self._by_table == other._by_table

    __hash__ = None  # type: ignore[assignment]

    def of(self, table: str) -> Mapping[date, Published]:
        return self._by_table.get(table, {})

    def extent(self, table: str) -> Extent | None:
        """None where nothing of the table is published."""
        days = self.of(table)
        return Extent(len(days), min(days), max(days), sum(entry.rows for entry in days.values())) if days else None

    def definition(self, entry: Published) -> Definition | None:
        """Of the partition's columns; None where nobody noted it."""
        return self.definitions.get(entry.definition)

    def by_definition(self, contract: Contract) -> dict[Definition, list[date]]:
        """The published days of a table by the columns they were published with; those of the contract if nobody noted them."""
        found: dict[Definition, list[date]] = {}
        for day, entry in self.of(contract.table).items():
            found.setdefault(self.definition(entry) or Definition.of(contract), []).append(day)
        return found

    def as_read(self, needs: Mapping[str, Need]) -> Ledger:
        """The ledger as a reader sees it: partitions that have what it needs, by the digests of the parts it reads.

        A partition that lacks a needed column, or has it with another meaning, is as if it were not published. One without
        the digest of a part keeps its content hash, which changes at least as often.
        """
        seen: list[Published] = []
        for table, need in needs.items():
            served = {id: not known.lacking(need.columns, need.meanings) for id, known in self.definitions.items()}
            for entry in self.of(table).values():
                if served.get(entry.definition, True):
                    digests = [f"{view}:{entry.views.get(view)}" for view in need.views if view in entry.views]
                    is_known = need.views and len(digests) == len(need.views)
                    seen.append(replace(entry, content_hash="|".join(digests)) if is_known else entry)
        return Ledger(seen, self.definitions.values())

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


def latest_of_runs(connection: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """When each run published last, of what is published still; UTC."""
    if not table_exists(connection, LEDGER):
        return {}
    return dict(connection.execute(f"SELECT run_id, max(published_at) FROM {LEDGER_TABLE} GROUP BY ALL").fetchall())


def partitions_of(connection: duckdb.DuckDBPyConnection, run_id: str) -> int:
    """How many of the published partitions a run has published."""
    if not table_exists(connection, LEDGER):
        return 0
    ((partitions,),) = connection.execute(f"SELECT count(*) FROM {LEDGER_TABLE} WHERE run_id = ?", [run_id]).fetchall()
    return int(partitions)


def ensure_ledger(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the ledger, or give that of an older release its later columns.

    Called before the transaction writes to it: DuckDB 1.5 commits no ALTER of a table that follows other changes of it.
    """
    if table_exists(connection, LEDGER) and _is_of_this_release(connection):
        return
    run(connection, LEDGER_DDL)
    there = stored_columns(connection, LEDGER)
    for name, data_type in LATER_COLUMNS.items():
        if name not in there:
            run(connection, f"ALTER TABLE {LEDGER_TABLE} ADD COLUMN {name} {data_type}")


def _is_of_this_release(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the ledger, which must be there, has all columns."""
    there, whole = seen(connection), f"{LEDGER}: all columns"
    if whole not in there and stored_columns(connection, LEDGER).keys() >= LATER_COLUMNS.keys():
        there.add(whole)
    return whole in there


def record(connection: duckdb.DuckDBPyConnection, table: str, days: DayRange, entries: list[Published]) -> datetime:
    """Replace the ledger rows of `table` on `days`. Gives the `published_at` they bear."""
    run(
        connection,
        f"DELETE FROM {LEDGER_TABLE} WHERE table_name = ? AND partition_date BETWEEN ? AND ?",
        [table, days.first, days.last],
    )
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    rows = [
        {
            "table_name": entry.table,
            "partition_date": entry.day,
            "row_count": entry.rows,
            "content_hash": entry.content_hash,
            "input_hash": entry.input_hash,
            "code_version": entry.code_version,
            "run_id": entry.run_id,
            "published_at": now,
            "definition": entry.definition,
            "views": list(entry.views.items()),
        }
        for entry in entries
    ]
    insert_by_name(connection, LEDGER_TABLE, pa.Table.from_pylist(rows, _ROWS))
    return now
