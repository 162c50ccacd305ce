"""Frames and SQL from a contract: DDL, what goes into DuckDB, what comes out. Always by name and declared type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import duckdb
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.contracts import Column, Contract, Kind
from churn_assets.errors import ChurnError

SCHEMA = "churn"
_SEEN: WeakKeyDictionary[duckdb.DuckDBPyConnection, set[str]] = WeakKeyDictionary()
_ARROW = {
    Kind.INTEGER: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.FLAG: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.INSTANT: pa.timestamp("us"),
    Kind.TEXT: pa.string(),
    Kind.LABEL: pa.string(),
}


def quoted(name: str) -> str:
    """A name of ours as an SQL identifier. Names come from contracts; anything odd is refused, never escaped."""
    if not name.isidentifier() or not name.isascii():
        raise ChurnError("A table or column name may hold only ASCII letters, digits and underscores.")
    return f'"{name}"'


def identifier(name: str) -> str:
    """Any name as SQL, of DuckDB or SQLite: for those of a catalogue. Names of ours go through `quoted`, which refuses others."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A value of the settings as an SQL text, where a statement cannot take parameters. No value of a row comes here."""
    return "'" + text.replace("'", "''") + "'"


def constant(value: bool | int | float | str) -> str:
    """A value of the settings as SQL, in its own type."""
    return literal(value) if isinstance(value, str) else str(value)


def run(connection: duckdb.DuckDBPyConnection, statement: str, parameters: Sequence[Any] = ()) -> None:
    """Execute a statement and take its result: DuckDB 2 refuses other work on a connection with an unfinished one."""
    connection.execute(statement, list(parameters)).fetchall()


def seen(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """What was found to be there on an open connection, by name. It stays: no table goes without another of its name coming, and
    a connection whose transaction was rolled back is used no more.
    """
    return _SEEN.setdefault(connection, set())


def table_exists(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Asked before touching a table: an error inside a transaction would abort it. DuckDB is asked for all tables at once, until
    this one is there.
    """
    there = seen(connection)
    if table not in there:
        there |= stored_tables(connection)
    return table in there


def stored_tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """All tables in the product's schema, the ledger and its notes among them."""
    query = "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? AND NOT internal"
    return {name for (name,) in connection.execute(query, [SCHEMA]).fetchall()}


def qualified(table: str) -> str:
    """`table` in the product's schema, as SQL."""
    return f"{SCHEMA}.{quoted(table)}"


def create_table(contract: Contract) -> str:
    """The table's DDL. Keys are the gate's business: an index would cost more than the check. So are nulls: a column that
    is added to a table in place is null on the days published before, whatever its contract says of the others.
    """
    return f"CREATE TABLE IF NOT EXISTS {qualified(contract.table)} ({columns_ddl(contract)})"


def columns_ddl(contract: Contract) -> str:
    """Names and types of the columns, as DDL."""
    return ", ".join(f"{quoted(c.name)} {c.kind.duckdb_type}" for c in contract.columns)


def to_arrow(contract: Contract, frame: pd.DataFrame) -> pa.Table:
    """A frame of the contract's types as an Arrow table, without copying where the layout allows."""
    return pa.table({column.name: _to_arrow(column, frame[column.name]) for column in contract.columns})


def insert_by_name(connection: duckdb.DuckDBPyConnection, into: str, rows: pa.Table) -> None:
    """Append `rows` to a table, named as SQL, each column to that of its name.

    Not through a name that DuckDB looks up among Python's variables, which it does only with access to files and all else;
    nor registered with the connection, which would keep every block in memory until the transaction ends.
    """
    if len(rows):
        columns = [duckdb.ColumnExpression(name) for name in connection.table(into).columns]
        connection.from_arrow(rows).select(*columns).insert_into(into)


def arrow_schema(contract: Contract) -> pa.Schema:
    """The columns as a file holds them. Labels are plain text in it: which codes they had in a frame is chance."""
    return pa.schema([pa.field(c.name, _ARROW[c.kind], c.nullable) for c in contract.columns])


def to_frame(columns: tuple[Column, ...], table: pa.Table) -> pd.DataFrame:
    """What DuckDB gave for `columns`, as an ordinary frame of the contract's types."""
    return pd.DataFrame({c.name: _to_pandas(c, table.column(c.name)) for c in columns}, copy=False)


def _to_arrow(column: Column, values: pd.Series[Any]) -> Any:
    if column.kind is Kind.DATE:
        return pa.array(values.to_numpy().astype("datetime64[D]"))
    if column.kind is Kind.LABEL:
        codes = values.cat.codes.to_numpy()
        indices = pa.array(codes, mask=codes < 0 if column.nullable else None)
        return pa.DictionaryArray.from_arrays(indices, pa.array(values.cat.categories, pa.string()))
    if column.kind is Kind.TEXT:
        return pa.array(values)
    if column.nullable and column.kind in (Kind.INTEGER, Kind.FLAG):
        return pa.array(values, _ARROW[column.kind])
    return pa.array(values.to_numpy(), _ARROW[column.kind], from_pandas=column.nullable)


def _to_pandas(column: Column, values: Any) -> Any:
    if column.kind is Kind.LABEL:
        dictionary = _encoded(values)
        codes = pc.fill_null(dictionary.indices, -1).to_numpy(zero_copy_only=False)
        return pd.Categorical.from_codes(codes, categories=pd.Index(dictionary.dictionary.to_pylist(), dtype=object))
    if column.kind is Kind.TEXT:
        return pd.array(values.cast(pa.string()), dtype=column.dtype)
    if column.kind is Kind.DATE:
        return _own(values.cast(pa.timestamp("us")).to_numpy())
    if column.nullable and column.kind is Kind.INTEGER:
        return values.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    if column.nullable and column.kind is Kind.FLAG:
        return values.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    return _own(values.to_numpy())


def _own(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Arrow lends its memory read-only where it can; a frame that nobody may write to is no ordinary frame."""
    return values if values.flags.writeable and values.flags.c_contiguous else values.copy()


def _encoded(values: Any) -> Any:
    """A chunked column of text as one dictionary-encoded array."""
    if not pa.types.is_dictionary(values.type):
        values = (values if values.type == pa.string() else values.cast(pa.string())).dictionary_encode()
    whole = values.unify_dictionaries().combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.array([], pa.string()).dictionary_encode()


def stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of frames of the same columns, one frame after the other. Column by column: of whole frames pandas warns where a
    column has no value in one of them.
    """
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    return pd.DataFrame(
        {name: pd.concat([f[name] for f in filled], ignore_index=True) for name in filled[0]}, copy=False
    )
