"""Tables of the made-up world as files: CSV and JSON Lines the same everywhere to the last byte, Parquet with types."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Set
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

FileFormat = Literal["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"]
QUOTED = "needed"


def write_table(table: pa.Table, path: Path, file_format: FileFormat) -> None:
    """`table` as one file; dates and times are texts already unless Parquet."""
    if file_format == "parquet":
        pq.write_table(table, path)
    else:
        _write_text(_csv(table) if file_format.startswith("csv") else _jsonl(table), path, file_format)


def write_faulty_table(table: pa.Table, broken: Set[int], path: Path, file_format: FileFormat) -> None:
    """`table`, all of texts, as one file; the lines of `broken` rows (positions) are no rows, which Parquet
    cannot hold: in CSV the first field is missing, in JSON Lines the second half of the object.
    """
    if file_format == "parquet":
        pq.write_table(table, path)
        return
    is_csv = file_format.startswith("csv")
    lines = (_csv(table, QUOTED) if is_csv else _jsonl(table)).splitlines(keepends=True)
    for place in broken:
        whole = lines[place + is_csv]
        lines[place + is_csv] = whole.partition(b",")[2] if is_csv else whole[: len(whole) // 2] + b"\n"
    _write_text(b"".join(lines), path, file_format)


def _write_text(content: bytes, path: Path, file_format: FileFormat) -> None:
    path.write_bytes(gzip.compress(content, compresslevel=6, mtime=0) if file_format.endswith(".gz") else content)


def _csv(table: pa.Table, quoting: str = "none") -> bytes:
    sink = io.BytesIO()
    texts = pa.table({name: _json_text(table[name]) for name in table.column_names})
    sink.write((",".join(table.column_names) + "\n").encode())
    try:
        pa_csv.write_csv(texts, sink, pa_csv.WriteOptions(include_header=False, quoting_style=quoting))
    except pa.ArrowInvalid:  # a text that needs quotes
        return _csv(table, QUOTED)
    return sink.getvalue()


def _json_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of objects as texts of JSON; any other as it is."""
    if not pa.types.is_struct(values.type):
        return values
    pieces: list[object] = []
    for name, field in zip((field.name for field in values.type), values.flatten(), strict=True):
        pieces += [pa.scalar((", " if pieces else "{") + f"{json.dumps(name)}: "), _json_value(_json_text(field))]
    text = pc.binary_join_element_wise(*pieces, pa.scalar("}"), "")
    return pc.if_else(values.is_valid(), text, None)


def _json_value(values: pa.ChunkedArray) -> pa.ChunkedArray:
    unique = values.combine_chunks().dictionary_encode()
    texts = pa.array([json.dumps(value, ensure_ascii=False) for value in unique.dictionary.to_pylist()], pa.string())
    return pc.fill_null(texts.take(unique.indices), "null")


def _jsonl(table: pa.Table) -> bytes:
    frame = table.to_pandas(integer_object_nulls=True)  # else a null among them would make them floats
    text: str = frame.to_json(orient="records", lines=True, force_ascii=False)
    # A zero-byte file would be refused, so a day without rows is one blank line.
    return (text.strip() + "\n").encode()
