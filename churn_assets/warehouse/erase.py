"""Taking users' rows out of every table at once, the ledger with them; and out of the notes on what was published.

Partitions stay as published, less these rows: hashes are sums, so what they lose is subtracted. What was computed from the
rows (sums over users, say) is a restatement's business, for which the changed hashes are the sign.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import duckdb

from churn_assets.contracts import Contract
from churn_assets.warehouse.arrivals import ARRIVALS
from churn_assets.warehouse.content_hash import NO_ROWS, PartitionHashes, digest_after
from churn_assets.warehouse.definitions import stored_columns
from churn_assets.warehouse.frames import qualified, quoted, run, stored_tables, table_exists, to_frame
from churn_assets.warehouse.ledger import LEDGER_TABLE, Ledger, ensure_ledger
from churn_assets.warehouse.older import refuse_older
from churn_assets.warehouse.restatements import RESTATEMENTS, RESTATEMENTS_TABLE

Sought = Callable[[str, list[str]], list[bool]]
"""Given a table and ids in it, as text: which of them are sought."""
USER_ID, FILE = "user_id", "source_file"


def count_users_rows(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Contract], sought: Sought, text: str | None
) -> dict[str, int]:
    """How many rows each table has of sought users; tables without any are left out. `text`: an id that is theirs wherever
    it stands in a landed line that could not be bound to its header.
    """
    counts = {}
    for name, columns in _with_users(connection, tables).items():
        if which := _condition(connection, name, columns, sought, text):
            query = f"SELECT count(*) FROM {qualified(name)} WHERE {which[0]}"
            ((rows,),) = connection.execute(query, which[1]).fetchall()
            if rows:
                counts[name] = rows
    return counts


def count_noted_names(connection: duckdb.DuckDBPyConnection, text: str) -> dict[str, int]:
    """How many notes of arrivals and restatements have a text in the name of a file; those without are left out."""
    counts = {}
    for table, names in ((ARRIVALS, FILE), (RESTATEMENTS, "array_to_string(files, '/')")):
        if table_exists(connection, table):
            query = f"SELECT count(*) FROM {qualified(table)} WHERE contains({names}, ?)"
            ((counts[table],),) = connection.execute(query, [text]).fetchall()
    return {table: rows for table, rows in counts.items() if rows}


def remove_users_rows(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Contract], sought: Sought, text: str | None
) -> None:
    """Delete the same rows within the caller's transaction, and say so in the ledger."""
    ensure_ledger(connection)
    contracts = {contract.table: contract for contract in tables}
    for name, columns in _with_users(connection, contracts.values()).items():
        if which := _condition(connection, name, columns, sought, text):
            if contract := contracts.get(name):
                _note(connection, contract, _hashed(connection, contract, *which), {})
            else:
                # Should the table belong to the product again, its days are computed anew.
                run(connection, f"DELETE FROM {LEDGER_TABLE} WHERE table_name = ?", [name])
            connection.execute(f"DELETE FROM {qualified(name)} WHERE {which[0]}", which[1]).fetchall()


def blot_out_of_file_names(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Contract], text: str, instead: str
) -> None:
    """Replace a text in the names of landed files, within the caller's transaction: in the tables, of which those of days
    without files are never computed again, and in what arrivals and restatements note.
    """
    ensure_ledger(connection)
    contracts = {contract.table: contract for contract in tables}
    for name in stored_tables(connection) - contracts.keys():
        if FILE in stored_columns(connection, name):
            run(
                connection,
                f"UPDATE {qualified(name)} SET {FILE} = replace({FILE}, $1, $2) WHERE contains({FILE}, $1)",
                [text, instead],
            )
    for contract in contracts.values():
        if FILE in contract.column_names and table_exists(connection, contract.table):
            query = f"SELECT DISTINCT {FILE} FROM {qualified(contract.table)} WHERE contains({FILE}, ?)"
            for (name,) in connection.execute(query, [text]).fetchall():
                renamed = name.replace(text, instead)
                before = _hashed(connection, contract, f"{FILE} = $name", {"name": name})
                run(connection, f"UPDATE {qualified(contract.table)} SET {FILE} = ? WHERE {FILE} = ?", [renamed, name])
                _note(connection, contract, before, _hashed(connection, contract, f"{FILE} = $name", {"name": renamed}))
    if table_exists(connection, RESTATEMENTS):
        run(
            connection,
            f"UPDATE {RESTATEMENTS_TABLE} SET files = list_transform(files, lambda name: replace(name, $1, $2)) "
            "WHERE contains(array_to_string(files, '/'), $1)",
            [text, instead],
        )


Counted = Mapping[date, tuple[int, str | None]]
"""Of each day so many rows and their content hash, by the columns the day was published with; None where some are gone."""


def _hashed(
    connection: duckdb.DuckDBPyConnection, contract: Contract, condition: str, parameters: dict[str, Any]
) -> Counted:
    counted: dict[date, tuple[int, str | None]] = {}
    for known, days in Ledger.read(connection, [contract.table]).by_definition(contract).items():
        then = known.contract(contract)
        read = then or replace(contract, columns=(contract.column(contract.day),))
        columns = ", ".join(quoted(column.name) for column in read.columns)
        query = (
            f"SELECT {columns} FROM {qualified(contract.table)} "
            f"WHERE ({condition}) AND {quoted(contract.day)} IN (SELECT unnest($days))"
        )
        hashes = PartitionHashes(read)
        rows = connection.sql(query, params={**parameters, "days": days}).to_arrow_table()
        hashes.add(to_frame(read.columns, rows))
        counted |= {day: (hashes.rows(day), hashes.digest(day) if then else None) for day in days if hashes.rows(day)}
    return counted


def _note(connection: duckdb.DuckDBPyConnection, contract: Contract, removed: Counted, added: Counted) -> None:
    """The ledger's word on the partitions that lost rows and gained others. Digests of parts are forgotten: who reads those
    sees by the content hash that something changed.
    """
    for day, entry in Ledger.read(connection, [contract.table]).of(contract.table).items():
        if day in removed or day in added:
            (less, lost), (more, gained) = removed.get(day, (0, NO_ROWS)), added.get(day, (0, NO_ROWS))
            content = entry.content_hash
            if lost is not None and gained is not None:
                content = digest_after(content, removed=lost, added=gained)
            run(
                connection,
                f"UPDATE {LEDGER_TABLE} SET row_count = row_count + ?, content_hash = ?, views = NULL "
                "WHERE table_name = ? AND partition_date = ?",
                [more - less, content, contract.table, day],
            )


def _with_users(connection: duckdb.DuckDBPyConnection, tables: Iterable[Contract]) -> dict[str, Collection[str]]:
    """Name and columns of every table that has users: of the product's, and of those it had once, such as the tables of a
    source that is no longer landed. Raises OlderDefinition where rows have lost their user_id to a change of its type.
    """
    contracts = {contract.table: contract for contract in tables}
    found: dict[str, Collection[str]] = {}
    for name in (*contracts, *sorted(stored_tables(connection) - contracts.keys())):
        columns = stored_columns(connection, name)
        if USER_ID in columns:
            if contract := contracts.get(name):
                refuse_older(connection, contract, [contract.column(USER_ID)])
            found[name] = columns.keys()
    return found


def _condition(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Collection[str], sought: Sought, text: str | None
) -> tuple[str, dict[str, Any]] | None:
    """Which rows of a table with users, as SQL with its parameters; None if it has none of them."""
    query = f"SELECT DISTINCT {USER_ID} FROM {qualified(table)} WHERE {USER_ID} IS NOT NULL ORDER BY 1"
    ids = [user for (user,) in connection.execute(query).fetchall()]
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    if own := [u for u, found in zip(ids, sought(table, [str(u) for u in ids]), strict=True) if found]:
        conditions.append(f"{USER_ID} IN (SELECT unnest($ids))")
        parameters["ids"] = own
    if text is not None and "read_error" in columns:
        conditions.append("(read_error IS NOT NULL AND contains(extra, $text))")
        parameters["text"] = text
    return (" OR ".join(conditions), parameters) if conditions else None
