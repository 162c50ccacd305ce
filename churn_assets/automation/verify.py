"""Comparing what is stored with what the ledger says was published: finds loss and tampering, mends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from churn_assets.assets.step import Deployment
from churn_assets.calendar import NO_DAYS, DayRange, RowCounts, chunks
from churn_assets.contracts import Contract
from churn_assets.warehouse import Ledger, Warehouse, read_days
from churn_assets.warehouse.content_hash import PartitionHashes
from churn_assets.warehouse.frames import qualified, quoted
from churn_assets.warehouse.ledger import LEDGER, LEDGER_TABLE, table_exists


@dataclass(frozen=True)
class Finding:
    """A partition that is not as published, and in what way."""

    table: str
    day: date
    what: str


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
            span = DayRange(min(published), max(published)) if published else NO_DAYS
            rows = RowCounts(span.first, (ledger.rows(contract.table, day) for day in span))
            for block in chunks(span, deployment.settings.block_rows, rows):
                hashes = PartitionHashes(contract)
                hashes.add(read_days(connection, contract, block))
                findings += [
                    Finding(contract.table, day, f"{hashes.rows(day)} rows, published were {published[day].rows}")
                    if hashes.rows(day) != published[day].rows
                    else Finding(contract.table, day, "rows differ from what was published")
                    for day in block
                    if day in published and hashes.digest(day) != published[day].content_hash
                ]
            yield contract.table, len(published), findings


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
