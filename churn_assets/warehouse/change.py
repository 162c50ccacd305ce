"""A table of another definition becomes one of the contract's: columns are dropped, added and retyped where it stands.

Partitions that are not published again keep their rows, with nulls in what is new; the ledger knows which columns each has.
"""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from churn_assets.contracts import Contract
from churn_assets.warehouse.definitions import from_ddl, record_definition, stored_columns
from churn_assets.warehouse.frames import SCHEMA, create_table, qualified, quoted, run
from churn_assets.warehouse.ledger import LEDGER_TABLE, Ledger, ensure_ledger


def change_in_place(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Create the table by its contract, or change one of other columns or types, within the caller's transaction.

    A retyped column is dropped and added: its old values are of no use to the code that wants the new type. A table that was
    partitioned by another column starts anew. Must come before the transaction writes to the table (see `ensure_ledger`).
    """
    run(connection, f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    ensure_ledger(connection)
    stored = stored_columns(connection, contract.table)
    if not stored:
        run(connection, create_table(contract))
        return
    wanted = {column.name: column.kind.duckdb_type for column in contract.columns}
    dropped = [name for name, (data_type, _) in stored.items() if wanted.get(name) != data_type]
    added = [column for column in contract.columns if column.name not in stored or column.name in dropped]
    bound = [name for name, (_, nullable) in stored.items() if name not in dropped and not nullable]
    if not (dropped or added or bound):
        return
    _note_older(connection, contract.table)
    table = qualified(contract.table)
    if contract.day in {column.name for column in added}:
        run(connection, f"DROP TABLE {table}")
        run(connection, create_table(contract))
        run(connection, f"DELETE FROM {LEDGER_TABLE} WHERE table_name = ?", [contract.table])
        return
    for name in bound:
        run(connection, f"ALTER TABLE {table} ALTER COLUMN {quoted(name)} DROP NOT NULL")
    for name in dropped:
        run(connection, f"ALTER TABLE {table} DROP COLUMN {quoted(name)}")
    for column in added:
        run(connection, f"ALTER TABLE {table} ADD COLUMN {quoted(column.name)} {column.kind.duckdb_type}")
    if dropped:
        _note_dropped(connection, contract.table, dropped)


def _note_older(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Partitions of a release that noted no definitions get the one that the table has until now."""
    older = from_ddl(stored_columns(connection, table))
    record_definition(connection, table, older)
    run(
        connection,
        f"UPDATE {LEDGER_TABLE} SET definition = ? WHERE table_name = ? AND definition IS NULL",
        [older.id, table],
    )


def _note_dropped(connection: duckdb.DuckDBPyConnection, table: str, dropped: Collection[str]) -> None:
    """A partition whose column was dropped does not have it, should the table get such a column again."""
    ledger = Ledger.read(connection, [table])
    for known in {ledger.definition(entry) for entry in ledger.of(table).values()}:
        if known and not known.by_name.keys().isdisjoint(dropped):
            left = known.without(dropped)
            record_definition(connection, table, left)
            run(
                connection,
                f"UPDATE {LEDGER_TABLE} SET definition = ? WHERE table_name = ? AND definition = ?",
                [left.id, table, known.id],
            )
