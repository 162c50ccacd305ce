"""A published table as one file for other tools: Parquet or CSV, block by block, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from churn_assets.calendar import DayRange, RowCounts, chunks
from churn_assets.contracts import Contract, Kind
from churn_assets.errors import ChurnError
from churn_assets.files import written_beside
from churn_assets.warehouse.connection import Warehouse
from churn_assets.warehouse.frames import arrow_schema, to_arrow
from churn_assets.warehouse.ledger import Ledger
from churn_assets.warehouse.older import refuse_older
from churn_assets.warehouse.reading import read_days

Format = Literal["parquet", "csv"]
FORMULA = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
"""How a cell begins that a spreadsheet would compute (OWASP, CSV injection), the full-width signs of East Asian input among them. A
single quote before it makes it text."""


def export_table(
    warehouse: Warehouse, contract: Contract, path: Path, *, file_format: Format, days: DayRange, block_rows: int
) -> tuple[int, int]:
    """Write the published rows of `days` to `path`, replacing a file that is there; gives how many days and rows.

    Rows are in order of day and key, so equal tables are equal files. In CSV, text that begins like a formula gets a single quote
    before it; Parquet holds every value as it is. About `block_rows` rows, or a day, are in memory at a time. Raises ChurnError.
    """
    with warehouse.reading() as connection:
        published, blocks = published_blocks(connection, contract, days, block_rows)
        schema, rows = arrow_schema(contract), 0
        with _writer(path, schema, file_format) as writer:
            for frame in blocks:
                table = to_arrow(contract, frame).cast(schema)
                writer.write_table(_as_text(contract, table) if file_format == "csv" else table)
                rows += len(table)
    return len(published), rows


def published_blocks(
    connection: duckdb.DuckDBPyConnection, contract: Contract, days: DayRange, block_rows: int
) -> tuple[list[date], Iterator[pd.DataFrame]]:
    """The published ones of `days`, and their rows in order of day and key: about `block_rows` at once, or those of a day. Raises
    ChurnError where none is published, or one is of an older definition.
    """
    ledger = Ledger.read(connection, [contract.table])
    published = [day for day in sorted(ledger.of(contract.table)) if day in days]
    if not published:
        raise ChurnError(
            f"{contract.table} is not published on {days}; 'churn-assets status' says on which days it is."
        )
    refuse_older(connection, contract, days=days)
    span = DayRange(published[0], published[-1])
    counts = RowCounts(span.first, (ledger.rows(contract.table, day) for day in span))
    order = [contract.day, *(name for name in contract.key if name != contract.day)]
    return published, (
        read_days(connection, contract, block).sort_values(order, ignore_index=True)
        for block in chunks(span, block_rows, counts)
    )


@contextmanager
def _writer(path: Path, schema: pa.Schema, file_format: Format) -> Iterator[pq.ParquetWriter | pacsv.CSVWriter]:
    """Writes beside `path` and moves the file into place at the end."""
    try:
        is_csv = file_format == "csv"
        with (
            written_beside(path) as unfinished,
            pacsv.CSVWriter(unfinished, schema) if is_csv else pq.ParquetWriter(unfinished, schema) as writer,
        ):
            yield writer
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else "it is no place for a file"
        raise ChurnError(f"{path} cannot be written ({why}); name another file with --out.") from error


def _as_text(contract: Contract, table: pa.Table) -> pa.Table:
    """The same table with texts that no spreadsheet computes."""
    for at, column in enumerate(contract.columns):
        if column.kind in (Kind.TEXT, Kind.LABEL):
            values = table.column(at)
            quoted = pc.binary_join_element_wise("'", values, "")
            harmless = pc.if_else(pc.match_substring_regex(values, FORMULA), quoted, values)
            table = table.set_column(at, table.schema.field(at), harmless)
    return table
