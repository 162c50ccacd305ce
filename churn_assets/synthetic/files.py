"""Tables of the made-up world as files: CSV and JSON Lines the same everywhere to the last byte, Parquet with types."""

from __future__ import annotations

import gzip
import io
from collections.abc import Set
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
    else:
        _write_text(_csv(table) if file_format.startswith("csv") else _jsonl(table), path, file_format)


def write_faulty_table(table: pa.Table, broken: Set[int], path: Path, file_format: FileFormat) -> None:
    """`table`, all of texts, as one file; the lines of `broken` rows (positions) lack their end, which Parquet cannot."""
    if file_format == "parquet":
        pq.write_table(table, path)
        return
    is_csv = file_format.startswith("csv")
    lines = (_csv(table, quoting="needed") if is_csv else _jsonl(table)).splitlines(keepends=True)
    for place in broken:
        whole = lines[place + is_csv]
        lines[place + is_csv] = (whole.rpartition(b",")[0] if is_csv else whole[: len(whole) // 2]) + b"\n"
    _write_text(b"".join(lines), path, file_format)


def _write_text(content: bytes, path: Path, file_format: FileFormat) -> None:
    path.write_bytes(gzip.compress(content, compresslevel=6, mtime=0) if file_format.endswith(".gz") else content)


def _csv(table: pa.Table, quoting: str = "none") -> bytes:
    sink = io.BytesIO()
    sink.write((",".join(table.column_names) + "\n").encode())
    pa_csv.write_csv(table, sink, pa_csv.WriteOptions(include_header=False, quoting_style=quoting))
    return sink.getvalue()


def _jsonl(table: pa.Table) -> bytes:
    text: str = table.to_pandas().to_json(orient="records", lines=True, force_ascii=False)
    # A zero-byte file would be refused, so a day without rows is one blank line.
    return (text.strip() + "\n").encode()
