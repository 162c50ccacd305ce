"""Tables of the made-up world as files: CSV and JSON Lines the same everywhere to the last byte, Parquet with types."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

FileFormat = Literal["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"]


def write_table(table: pa.Table, path: Path, file_format: FileFormat) -> None:
    """`table` as one file. Its texts must need no quotes; dates and times are texts already unless Parquet."""
    if file_format == "parquet":
        pq.write_table(table, path)
        return
    content = _csv(table) if file_format.startswith("csv") else _jsonl(table)
    path.write_bytes(gzip.compress(content, compresslevel=6, mtime=0) if file_format.endswith(".gz") else content)


def _csv(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    sink.write((",".join(table.column_names) + "\n").encode())
    pa_csv.write_csv(table, sink, pa_csv.WriteOptions(include_header=False, quoting_style="none"))
    return sink.getvalue()


def _jsonl(table: pa.Table) -> bytes:
    text: str = table.to_pandas().to_json(orient="records", lines=True, force_ascii=False)
    # A zero-byte file would be refused, so a day without rows is one blank line.
    return (text.strip() + "\n").encode()
