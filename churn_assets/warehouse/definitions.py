"""Which columns a published partition was made with, and a version of what decided each: the ledger's word on them.

A table changes in place, so its partitions may be of several definitions at a time. A partition has values only in the columns
of its own: any other column holds nulls there, which say nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import duckdb
import pyarrow as pa

from churn_assets.contracts import Column, Contract, Kind
from churn_assets.warehouse.frames import SCHEMA, insert_by_name, qualified, run, table_exists

DEFINITIONS = "definitions"
DEFINITIONS_TABLE = f"{SCHEMA}.{DEFINITIONS}"
DEFINITIONS_DDL = f"""CREATE TABLE IF NOT EXISTS {DEFINITIONS_TABLE} (
    definition VARCHAR NOT NULL, table_name VARCHAR NOT NULL, columns STRUCT(name VARCHAR, kind VARCHAR,
    nullable BOOLEAN, provenance BOOLEAN, meaning VARCHAR, version VARCHAR)[] NOT NULL)"""
OF_TABLES = "WHERE $1 IS NULL OR list_contains($1, table_name)"
GONE = ""
"""Kind of a column that was dropped since the partition was published."""
UNKNOWN = ""
"""Meaning of a column that nobody declared; version of one that was published before versions were noted."""
_ROWS = pa.schema(
    [
        ("definition", pa.string()),
        ("table_name", pa.string()),
        (
            "columns",
            pa.list_(
                pa.struct(
                    [
                        ("name", pa.string()),
                        ("kind", pa.string()),
                        ("nullable", pa.bool_()),
                        ("provenance", pa.bool_()),
                        ("meaning", pa.string()),
                        ("version", pa.string()),
                    ]
                )
            ),
        ),
    ]
)


@dataclass(frozen=True)
class Defined:
    """One column of a published partition. `kind` names a Kind, or the DuckDB type where no more is known."""

    name: str
    kind: str
    nullable: bool
    provenance: bool
    meaning: str = UNKNOWN
    """Digest of what was declared of the column: two partitions of other meanings do not belong into one window."""
    version: str = UNKNOWN
    """Digest of all that decides its values, the code included."""

    def has_kind_of(self, column: Column) -> bool:
        return self.kind in (column.kind.name, column.kind.duckdb_type)

    def serves(self, column: Column, meaning: str = UNKNOWN) -> bool:
        """Whether who wants `column` in a meaning can read this one."""
        is_same = UNKNOWN in (meaning, self.meaning) or meaning == self.meaning
        return is_same and self.has_kind_of(column) and (column.nullable or not self.nullable)


def _facts(column: Defined) -> tuple[str | bool, ...]:
    return tuple(vars(column).values())


@dataclass(frozen=True)
class Definition:
    """The columns of a partition, in order."""

    columns: tuple[Defined, ...]

    @classmethod
    def of(
        cls, contract: Contract, versions: Mapping[str, str] | None = None, meanings: Mapping[str, str] | None = None
    ) -> Definition:
        versions, meanings = versions or {}, meanings or {}
        return cls(
            tuple(
                Defined(
                    *(c.name, c.kind.name, c.nullable, c.provenance),
                    *(meanings.get(c.name, UNKNOWN), versions.get(c.name, UNKNOWN)),
                )
                for c in contract.columns
            )
        )

    @cached_property
    def id(self) -> str:
        return blake2b(repr([_facts(column) for column in self.columns]).encode(), digest_size=8).hexdigest()

    @cached_property
    def by_name(self) -> Mapping[str, Defined]:
        return {column.name: column for column in self.columns if column.kind != GONE}

    def lacking(self, columns: Iterable[Column], meanings: Mapping[str, str]) -> list[str]:
        """Those of `columns` that it has not, or not with this type and meaning."""
        return [
            column.name
            for column in columns
            if (own := self.by_name.get(column.name)) is None
            or not own.serves(column, meanings.get(column.name, UNKNOWN))
        ]

    def without(self, dropped: Collection[str]) -> Definition:
        """The same once some columns were dropped from the table."""
        return Definition(tuple(replace(c, kind=GONE) if c.name in dropped else c for c in self.columns))

    def changes(self, other: Definition) -> Changes:
        """What became of the columns from this definition to the `other` one."""
        before, after = self.by_name, other.by_name
        return Changes(
            added=tuple(name for name in after if name not in before),
            changed=tuple(name for name in after if name in before and after[name] != before[name]),
            same=tuple(name for name in after if after[name] == before.get(name)),
            dropped=tuple(name for name in before if name not in after),
        )

    def contract(self, now: Contract) -> Contract | None:
        """The contract by which the content hash was made; None where a column is gone, or nobody knows its type."""
        columns = tuple(_as_column(column, now) for column in self.columns)
        known = tuple(column for column in columns if column is not None)
        return replace(now, columns=known, rules=()) if len(known) == len(columns) else None


@dataclass(frozen=True)
class Changes:
    """Columns by what became of them from one definition to another."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    same: tuple[str, ...]
    dropped: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset((*self.added, *self.changed, *self.dropped))


def _as_column(defined: Defined, now: Contract) -> Column | None:
    same = next((c for c in now.columns if c.name == defined.name and defined.has_kind_of(c)), None)
    if defined.kind in Kind.__members__:
        return Column(defined.name, Kind[defined.kind], "", defined.nullable, provenance=defined.provenance)
    return replace(same, nullable=defined.nullable) if same else None


def stored_columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, tuple[str, bool]]:
    """Type and nullability of each column of a table in the product's schema, in order; empty where there is no such table."""
    if not table_exists(connection, table):
        return {}
    query = 'SELECT name, type, NOT "notnull" FROM pragma_table_info(?)'  # duckdb_columns() lists every table's first
    rows = connection.execute(query, [qualified(table)]).fetchall()
    return {name: (data_type, nullable) for name, data_type, nullable in rows}


def from_ddl(columns: Mapping[str, tuple[str, bool]]) -> Definition:
    """What can be said of partitions that were published before definitions were noted: the table's own columns."""
    return Definition(tuple(Defined(name, kind, nullable, False) for name, (kind, nullable) in columns.items()))


def read_definitions(connection: duckdb.DuckDBPyConnection, tables: list[str] | None) -> Iterator[Definition]:
    """All that were ever published of some tables, None: of all. The table of definitions must exist."""
    ids = connection.execute(f"SELECT definition FROM {DEFINITIONS_TABLE} {OF_TABLES}", [tables]).fetchall()
    if any(id not in _KNOWN for (id,) in ids):
        query = f"SELECT definition, columns FROM {DEFINITIONS_TABLE} {OF_TABLES}"
        for id, columns in connection.execute(query, [tables]).fetchall():
            _KNOWN[id] = definition_of(columns)
    yield from (_KNOWN[id] for (id,) in ids)


_KNOWN: dict[str, Definition] = {}
"""Definitions by id, which is a digest of them: every reader of the ledger asks for the few that there are."""


def definition_of(columns: Iterable[Mapping[str, Any]]) -> Definition:
    """From what the table of definitions holds."""
    names = Defined.__dataclass_fields__
    return Definition(tuple(Defined(*(column[name] for name in names)) for column in columns))


def record_definition(connection: duckdb.DuckDBPyConnection, table: str, definition: Definition) -> None:
    """Note a definition of a table unless it is known."""
    run(connection, DEFINITIONS_DDL)
    query = f"SELECT 1 FROM {DEFINITIONS_TABLE} WHERE table_name = ? AND definition = ?"
    if connection.execute(query, [table, definition.id]).fetchall():
        return
    columns = [{name: getattr(column, name) for name in Defined.__dataclass_fields__} for column in definition.columns]
    row = {"definition": definition.id, "table_name": table, "columns": columns}
    insert_by_name(connection, DEFINITIONS_TABLE, pa.Table.from_pylist([row], _ROWS))
