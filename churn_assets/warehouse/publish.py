"""Replacing partitions of a table: all of them or none, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import duckdb

from churn_assets.calendar import DayRange, Window
from churn_assets.contracts import Contract
from churn_assets.errors import RefusedFrame
from churn_assets.settings import SourceName
from churn_assets.warehouse.arrivals import LandedFiles, record_arrivals
from churn_assets.warehouse.change import change_in_place
from churn_assets.warehouse.content_hash import PartitionHashes
from churn_assets.warehouse.definitions import Definition, record_definition
from churn_assets.warehouse.frames import qualified, quoted, run
from churn_assets.warehouse.gate import admit
from churn_assets.warehouse.ledger import Ledger, Published, record
from churn_assets.warehouse.progress import tell
from churn_assets.warehouse.restatements import record_restatements, replaced_by
from churn_assets.warehouse.selection import Selection
from churn_assets.warehouse.storing import Block, stored_behind

InputHashes = Callable[[duckdb.DuckDBPyConnection], Mapping[date, str]]
"""Hash of the inputs of each day, asked inside the transaction after the last block."""


@dataclass(frozen=True)
class Publication:
    """Rows for the partitions `days` of a table, block by block, and what is known of their origin."""

    contract: Contract
    days: DayRange
    blocks: Iterable[Block]
    input_hashes: InputHashes
    code_version: str
    run_id: str = ""
    notes: Callable[[], Mapping[date, Mapping[str, Any]]] = dict
    """What else is worth showing of each day, asked after the last block."""
    landed: Mapping[SourceName, Window] = field(default_factory=dict)
    """Which landing days of each source a day stems from, through all the tables in between."""
    files: LandedFiles | None = None
    """Of a table that is read from files."""
    outcome: str | None = None
    """A column of yes, no or null of which a restatement says how its values changed."""
    definition: Definition | None = None
    """Versions of its columns (None: nothing is known but their types)."""
    views: Sequence[Selection] = ()
    """The parts of the table that are read by themselves: each has a digest of its own."""


def publish(connection: duckdb.DuckDBPyConnection, publication: Publication) -> list[Published]:
    """Replace the partitions, within the caller's transaction. Gives the ledger rows written.

    Raises RefusedFrame where a block breaks the contract or strays from the days; nothing is then published.
    """
    contract, days = publication.contract, publication.days
    definition = publication.definition or Definition.of(contract)
    change_in_place(connection, contract)
    record_definition(connection, contract.table, definition)
    before = replaced_by(connection, Ledger.read(connection, [contract.table]), contract.table, days)
    delete_days(connection, contract, days)
    hashes = PartitionHashes(contract, publication.views)
    shown = 0
    for block in stored_behind(connection, contract, publication.blocks, _computed_again(publication)):
        admit(contract, block, days)
        hashes.add(block)
        tell(contract.table, hashes.partitions - shown)
        shown = hashes.partitions
    for day in hashes.in_several_blocks:
        _refuse_repeats(connection, contract, day)
    inputs = publication.input_hashes(connection)
    entries = [
        Published(
            table=contract.table,
            day=day,
            rows=hashes.rows(day),
            content_hash=hashes.digest(day),
            input_hash=inputs[day],
            code_version=publication.code_version,
            run_id=publication.run_id,
            definition=definition.id,
            views=hashes.views(day),
        )
        for day in days
    ]
    now = record(connection, contract.table, days, entries)
    if publication.files:
        record_arrivals(connection, publication.files, days, publication.run_id, now)
    record_restatements(
        connection, contract, before, entries, now, landed=publication.landed, outcome=publication.outcome
    )
    tell(contract.table, len(days) - shown)
    return entries


def _computed_again(publication: Publication) -> DayRange | None:
    """The last of its days, which a landing day to come computes again; None where it computes none or all of them again."""
    ahead = max((window.ahead for window in publication.landed.values()), default=0)
    days = publication.days
    first = max(days.first, days.last - timedelta(days=ahead))
    return DayRange(first, days.last) if ahead and days.first < first else None


def delete_days(connection: duckdb.DuckDBPyConnection, contract: Contract, days: DayRange) -> None:
    run(
        connection,
        f"DELETE FROM {qualified(contract.table)} WHERE {quoted(contract.day)} BETWEEN ? AND ?",
        [days.first, days.last],
    )


def _refuse_repeats(connection: duckdb.DuckDBPyConnection, contract: Contract, day: date) -> None:
    """The gate sees one block; a key that two blocks of a day share is only seen among the stored rows."""
    key = ", ".join(map(quoted, contract.key))
    ((repeated,),) = connection.execute(
        f"SELECT coalesce(sum(copies - 1), 0) FROM (SELECT count(*) AS copies FROM {qualified(contract.table)} "
        f"WHERE {quoted(contract.day)} = ? GROUP BY {key} HAVING copies > 1)",
        [day],
    ).fetchall()
    if repeated:
        raise RefusedFrame(
            f"{contract.table} ({day}) was not published: {repeated} rows repeat the key ({', '.join(contract.key)}) "
            "of another block."
        )
