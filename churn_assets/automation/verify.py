"""Comparing what is stored with what the ledger says was published: finds loss and tampering, mends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from churn_assets.assets.step import Deployment
from churn_assets.calendar import DayRange, RowCounts, chunks, contiguous
from churn_assets.contracts import Contract
from churn_assets.warehouse import Ledger, Published, Warehouse, read_days
from churn_assets.warehouse.content_hash import PartitionHashes
from churn_assets.warehouse.definitions import Definition
from churn_assets.warehouse.frames import qualified, quoted, table_exists
from churn_assets.warehouse.ledger import LEDGER, LEDGER_TABLE


@dataclass(frozen=True)
class Finding:
    """A partition that is not as published, and in what way."""

    table: str
    day: date
    what: str
    waits: bool = False
    """It is of an older definition, so that nobody can tell any more, and waits for a backfill: no loss."""


def verify(deployment: Deployment, warehouse: Warehouse | None = None) -> Iterator[tuple[str, int, list[Finding]]]:
    """For each table: how many partitions were looked at, and what is wrong with them.

    `warehouse`: another file than the deployment's own, a copy of it. Raises ChurnError where it cannot be read.
    """
    with (warehouse or deployment.warehouse).reading() as connection:
        ledger = Ledger.read(connection)
        for contract in deployment.contracts.values():
            published = ledger.of(contract.table)
            stored = _stored_days(connection, contract)
            findings = [
                Finding(contract.table, day, "rows that were never published")
                for day in sorted(set(stored) - set(published))
            ]
            for known, days in ledger.by_definition(contract).items():
                then = known.contract(contract)
                for span in contiguous(days):
                    rows = RowCounts(span.first, (ledger.rows(contract.table, day) for day in span))
                    for block in chunks(span, deployment.settings.block_rows, rows):
                        hashes = _hashed(connection, then, block)
                        findings += [
                            finding
                            for day in block
                            if (finding := _compared(published[day], stored.get(day, 0), hashes, known, contract))
                        ]
            yield contract.table, len(published), findings


def _hashed(connection: duckdb.DuckDBPyConnection, then: Contract | None, days: DayRange) -> PartitionHashes | None:
    """By the columns they were published with; None where the table has those no more."""
    if then is None:
        return None
    hashes = PartitionHashes(then)
    hashes.add(read_days(connection, then, days, without=()))
    return hashes


def _compared(
    entry: Published, rows: int, hashes: PartitionHashes | None, known: Definition, contract: Contract
) -> Finding | None:
    if rows != entry.rows:
        return Finding(entry.table, entry.day, f"{rows} rows, published were {entry.rows}")
    if hashes is None:
        left = {column.name for column in contract.columns if known.by_name.get(column.name)}
        gone = [column.name for column in known.columns if column.name not in left]
        return Finding(
            *(entry.table, entry.day),
            f"of an older definition ({', '.join(gone) or 'a column'} is gone or of another type since)",
            waits=True,
        )
    if hashes.digest(entry.day) != entry.content_hash:
        return Finding(entry.table, entry.day, "rows differ from what was published")
    return None


def last_published(deployment: Deployment) -> datetime | None:
    """When the newest of what is published was (UTC): tells an older state, which is whole too, from the one expected."""
    with deployment.warehouse.reading() as connection:
        if not table_exists(connection, LEDGER):
            return None
        ((moment,),) = connection.execute(f"SELECT max(published_at) FROM {LEDGER_TABLE}").fetchall()
    return moment


def _stored_days(connection: object, contract: Contract) -> dict[date, int]:
    if not table_exists(connection, contract.table):  # type: ignore[arg-type]
        return {}
    query = f"SELECT {quoted(contract.day)}, count(*) FROM {qualified(contract.table)} GROUP BY 1"
    return dict(connection.execute(query).fetchall())  # type: ignore[attr-defined]
