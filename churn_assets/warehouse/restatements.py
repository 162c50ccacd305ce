"""What a publication replaced by other rows, and the landed files that brought it about: a row per restated partition.

Written in the publication's own transaction, so that the rows, the ledger and this never disagree. Counts and file
names only, never a value of a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from churn_assets.calendar import DayRange, RowCounts, Window, chunks, contiguous
from churn_assets.contracts import Contract
from churn_assets.settings import SourceName
from churn_assets.warehouse.arrivals import arrived_since
from churn_assets.warehouse.content_hash import row_hashes
from churn_assets.warehouse.definitions import Definition, stored_columns
from churn_assets.warehouse.frames import SCHEMA, insert_by_name, qualified, quoted, run, table_exists
from churn_assets.warehouse.ledger import LEDGER_TABLE, Ledger, Published
from churn_assets.warehouse.reading import read_days

RESTATEMENTS = "restatements"
RESTATEMENTS_TABLE = f"{SCHEMA}.{RESTATEMENTS}"
RESTATEMENTS_DDL = f"""CREATE TABLE IF NOT EXISTS {RESTATEMENTS_TABLE} (
    table_name VARCHAR NOT NULL, partition_date DATE NOT NULL, run_id VARCHAR NOT NULL,
    published_at TIMESTAMP NOT NULL, replaced_at TIMESTAMP NOT NULL, files VARCHAR[] NOT NULL,
    is_code_changed BOOLEAN NOT NULL, rows_before BIGINT NOT NULL, rows_after BIGINT NOT NULL, rows_removed BIGINT,
    rows_added BIGINT, labels_before STRUCT(churned BIGINT, stayed BIGINT, unknown BIGINT),
    labels_after STRUCT(churned BIGINT, stayed BIGINT, unknown BIGINT))"""
"""`replaced_at` is when the version was published that was replaced; `files` changed a landing day since then that the
partition stems from. A row that changed is one removed and one added; both are null where they were not counted, or where the
table had other columns before. So are labels of a version that did not have the column.
"""
NO_LABELS = {"churned": 0, "stayed": 0, "unknown": 0}
_LABELS = pa.struct([(name, pa.int64()) for name in NO_LABELS])
_ROWS = pa.schema(
    [
        *((name, pa.string()) for name in ("table_name", "run_id")),
        *((name, pa.timestamp("us")) for name in ("published_at", "replaced_at")),
        *((name, pa.int64()) for name in ("rows_before", "rows_after", "rows_removed", "rows_added")),
        *((name, _LABELS) for name in ("labels_before", "labels_after")),
        ("partition_date", pa.date32()),
        ("files", pa.list_(pa.string())),
        ("is_code_changed", pa.bool_()),
    ]
)
COMPARED_ROWS = 500_000
"""Compared at a time, of both versions. The rows of a day with more than four times as many are not compared."""


@dataclass(frozen=True)
class Replaced:
    """A published version of a partition, the definition of its columns, and when it was published."""

    entry: Published
    definition: Definition | None
    published_at: datetime

    def has_columns_of(self, contract: Contract) -> bool:
        """Whether its rows can be compared with rows of the contract."""
        own = self.definition.contract(contract) if self.definition else None
        return own is not None and Definition.of(own) == Definition.of(contract)


def replaced_by(
    connection: duckdb.DuckDBPyConnection, ledger: Ledger, table: str, days: DayRange
) -> dict[date, Replaced]:
    """The published versions of `table` that are about to be replaced, by the ledger's word on them."""
    before = ledger.of(table)
    if not before:
        return {}
    times = published_times(connection, table)
    return {day: Replaced(before[day], ledger.definition(before[day]), times[day]) for day in days if day in before}


def published_times(connection: duckdb.DuckDBPyConnection, table: str) -> dict[date, datetime]:
    query = f"SELECT partition_date, published_at FROM {LEDGER_TABLE} WHERE table_name = ?"
    return dict(connection.execute(query, [table]).fetchall())


def record_restatements(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    before: Mapping[date, Replaced],
    entries: Sequence[Published],
    published_at: datetime,
    *,
    landed: Mapping[SourceName, Window],
    outcome: str | None,
) -> None:
    """Note each partition whose content is another than that of the version `before`.

    `landed`: which landing days a day stems from. `outcome`: a column of yes, no or null whose values are counted.
    The old rows are read through a second connection, which does not see what this transaction has deleted.
    """
    restated = [
        entry for entry in entries if entry.day in before and before[entry.day].entry.content_hash != entry.content_hash
    ]
    if not restated:
        return
    files = arrived_since(connection, landed, {entry.day: before[entry.day].published_at for entry in restated})
    comparable = [entry for entry in restated if before[entry.day].has_columns_of(contract)]
    with connection.cursor() as aside:
        compared = dict(_compared(aside, connection, contract, before, comparable))
        had_outcome = [entry.day for entry in restated if _has_outcome(before[entry.day], contract, outcome)]
        labels_before = _outcomes(aside, contract, outcome, had_outcome)
        labels_after = _outcomes(connection, contract, outcome, [entry.day for entry in restated])
    rows = [
        {
            "table_name": entry.table,
            "partition_date": entry.day,
            "run_id": entry.run_id,
            "published_at": published_at,
            "replaced_at": before[entry.day].published_at,
            "files": files[entry.day],
            "is_code_changed": before[entry.day].entry.code_version != entry.code_version,
            "rows_before": before[entry.day].entry.rows,
            "rows_after": entry.rows,
            "rows_removed": compared.get(entry.day, (None, None))[0],
            "rows_added": compared.get(entry.day, (None, None))[1],
            "labels_before": labels_before.get(entry.day),
            "labels_after": labels_after.get(entry.day),
        }
        for entry in restated
    ]
    run(connection, RESTATEMENTS_DDL)
    insert_by_name(connection, RESTATEMENTS_TABLE, pa.Table.from_pylist(rows, _ROWS))


def _compared(
    old: duckdb.DuckDBPyConnection,
    new: duckdb.DuckDBPyConnection,
    contract: Contract,
    before: Mapping[date, Replaced],
    restated: Sequence[Published],
) -> Iterator[tuple[date, tuple[int, int]]]:
    """How many rows of each restated day were removed and added. Rows are the same if their hashes are."""
    sizes = {entry.day: entry.rows + before[entry.day].entry.rows for entry in restated}
    for span in contiguous(day for day, rows in sizes.items() if rows <= 4 * COMPARED_ROWS):
        for days in chunks(span, COMPARED_ROWS, RowCounts(span.first, (sizes[day] for day in span))):
            versions = pd.concat([_hashed(old, contract, days, -1), _hashed(new, contract, days, 1)])
            stored = versions["day"][versions["copies"] < 0].value_counts()
            surplus = versions.groupby(["day", "row"])["copies"].sum()
            removed = -surplus.clip(upper=0).groupby("day").sum()
            added = surplus.clip(lower=0).groupby("day").sum()
            for day in days:
                at = np.datetime64(day, "us")
                # Else somebody else changed the rows since, or one transaction replaced them twice.
                if int(stored.get(at, 0)) == before[day].entry.rows:
                    yield day, (int(removed.get(at, 0)), int(added.get(at, 0)))


def _hashed(connection: duckdb.DuckDBPyConnection, contract: Contract, days: DayRange, copies: int) -> pd.DataFrame:
    columns = tuple(column.name for column in contract.columns if not column.provenance or column.name == contract.day)
    rows = read_days(connection, contract, days, columns=columns, without=())
    return pd.DataFrame({"day": rows[contract.day], "row": row_hashes(contract, rows), "copies": copies})


def _has_outcome(replaced: Replaced, contract: Contract, outcome: str | None) -> bool:
    own = replaced.definition.by_name.get(outcome) if outcome and replaced.definition else None
    return own is not None and own.has_kind_of(contract.column(own.name))


def _outcomes(
    connection: duckdb.DuckDBPyConnection, contract: Contract, outcome: str | None, days: Sequence[date]
) -> dict[date, dict[str, Any]]:
    """For each day in how many rows the column is true, false and null; nothing where there is no such column."""
    if outcome is None or outcome not in stored_columns(connection, contract.table):
        return {}
    day, column = quoted(contract.day), quoted(outcome)
    counted = connection.execute(
        f"SELECT {day}, count(*) FILTER ({column}), count(*) FILTER (NOT {column}), count(*) FILTER ({column} IS NULL) "
        f"FROM {qualified(contract.table)} WHERE list_contains(?, {day}) GROUP BY 1",
        [list(days)],
    ).fetchall()
    return dict.fromkeys(days, NO_LABELS) | {at: dict(zip(NO_LABELS, counts, strict=True)) for at, *counts in counted}


@dataclass(frozen=True)
class Restated:
    """What some runs did to a table, summed over its restated days. Rows are None if those of a day were not counted."""

    table: str
    days: int
    rows_removed: int | None
    rows_added: int | None
    labels_before: Mapping[str, int] | None
    labels_after: Mapping[str, int] | None
    files: Sequence[str]


def restated_by(connection: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> list[Restated]:
    """What the runs restated, in the order in which they did."""
    if not table_exists(connection, RESTATEMENTS):
        return []
    labels = ", ".join(
        f"CASE WHEN count(labels_{when}) > 0 THEN {{{', '.join(f'{n}: sum(labels_{when}.{n})::BIGINT' for n in NO_LABELS)}}} END"
        for when in ("before", "after")
    )
    rows = connection.execute(
        f"""SELECT table_name, count(*),
            CASE WHEN count(rows_removed) = count(*) THEN sum(rows_removed)::BIGINT END,
            CASE WHEN count(rows_added) = count(*) THEN sum(rows_added)::BIGINT END,
            {labels}, list_sort(list_distinct(flatten(list(files))))
        FROM {RESTATEMENTS_TABLE} WHERE list_contains(?, run_id) GROUP BY table_name ORDER BY min(published_at)""",
        [list(run_ids)],
    ).fetchall()
    return [Restated(*row) for row in rows]
