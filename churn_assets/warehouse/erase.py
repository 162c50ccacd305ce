"""Taking users' rows out of every table at once, the ledger with them; and out of the notes on what was published.

Partitions stay as published, less these rows: hashes are sums, so what they lose is subtracted. What was computed from the
rows (sums over users, say) is a restatement's business, for which the changed hashes are the sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import duckdb

from churn_assets.contracts import Contract
from churn_assets.warehouse.arrivals import ARRIVALS, ARRIVALS_TABLE
from churn_assets.warehouse.content_hash import PartitionHashes, digest_without
from churn_assets.warehouse.frames import SCHEMA, qualified, run
from churn_assets.warehouse.ledger import LEDGER_TABLE, Ledger, table_exists
from churn_assets.warehouse.reading import read_days
from churn_assets.warehouse.restatements import RESTATEMENTS, RESTATEMENTS_TABLE

Sought = Callable[[str, list[str]], list[bool]]
"""Given a table and ids in it, as text: which of them are sought."""
USER_ID = "user_id"


def count_users_rows(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Contract], sought: Sought
) -> dict[str, int]:
    """How many rows each table has of sought users; tables without any are left out."""
    counts = {}
    for contract in tables:
        if ids := _ids_in(connection, contract, sought):
            query = f"SELECT count(*) FROM {qualified(contract.table)} WHERE {USER_ID} IN (SELECT unnest(?))"
            ((counts[contract.table],),) = connection.execute(query, [ids]).fetchall()
    return counts


def remove_users_rows(connection: duckdb.DuckDBPyConnection, tables: Iterable[Contract], sought: Sought) -> None:
    """Delete the rows of sought users within the caller's transaction, and say so in the ledger."""
    for contract in tables:
        if ids := _ids_in(connection, contract, sought):
            removed = PartitionHashes(contract)
            removed.add(read_days(connection, contract, among=(USER_ID, tuple(ids))))
            run(connection, f"DELETE FROM {qualified(contract.table)} WHERE {USER_ID} IN (SELECT unnest(?))", [ids])
            for day, entry in Ledger.read(connection, [contract.table]).of(contract.table).items():
                if rows := removed.rows(day):
                    left = digest_without(entry.content_hash, removed.digest(day))
                    run(
                        connection,
                        f"UPDATE {LEDGER_TABLE} SET row_count = row_count - ?, content_hash = ? "
                        "WHERE table_name = ? AND partition_date = ?",
                        [rows, left, contract.table, day],
                    )


def blot_out_of_file_names(connection: duckdb.DuckDBPyConnection, text: str, instead: str) -> None:
    """Replace a text in the file names that arrivals and restatements note."""
    if table_exists(connection, ARRIVALS):
        run(connection, f"UPDATE {ARRIVALS_TABLE} SET source_file = replace(source_file, $1, $2)", [text, instead])
    if table_exists(connection, RESTATEMENTS):
        run(
            connection,
            f"UPDATE {RESTATEMENTS_TABLE} SET files = list_transform(files, lambda name: replace(name, $1, $2)) "
            "WHERE contains(array_to_string(files, '/'), $1)",
            [text, instead],
        )


def _ids_in(connection: duckdb.DuckDBPyConnection, contract: Contract, sought: Sought) -> list[Any]:
    """The sought users' ids in the spellings and the type in which the table has them."""
    if USER_ID not in contract.column_names or not table_exists(connection, contract.table):
        return []
    query = f"SELECT DISTINCT {USER_ID} FROM {SCHEMA}.{contract.table} WHERE {USER_ID} IS NOT NULL ORDER BY 1"
    ids = [user for (user,) in connection.execute(query).fetchall()]
    return [user for user, found in zip(ids, sought(contract.table, [str(user) for user in ids]), strict=True) if found]
