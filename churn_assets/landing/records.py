"""The records of one file: what the strict readers say of each, and the bytes it is made of, which can be moved or left out.

What is written again are the file's own bytes (Parquet: its own typed rows), never values that were read and printed.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from churn_assets.landing.binding import Binder
from churn_assets.landing.csv_file import read_csv, separator_line
from churn_assets.landing.csv_records import csv_records, jsonl_records
from churn_assets.landing.delivery import Delivery, take_delivery
from churn_assets.landing.encoding import UTF8, utf8_bytes
from churn_assets.landing.jsonl_file import read_jsonl
from churn_assets.landing.parquet_file import UNREADABLE, open_exactly, read_parquet
from churn_assets.landing.rows import ReadRows
from churn_assets.settings import Settings, SourceName, SourceSettings

Order = npt.NDArray[np.int64]
Kept = npt.NDArray[np.bool_]


class Rows(Protocol):
    """Records that can be put in another order, and given as a file of their format, uncompressed: from one position to
    another, or those that are `kept`.
    """

    def take(self, order: Order) -> Rows: ...
    def content(self, first: int, last: int) -> bytes: ...
    def only(self, kept: Kept) -> bytes: ...


@dataclass(frozen=True)
class Records:
    """One file. `read` has the values, `rows` the bytes, both in file order."""

    delivery: Delivery
    binder: Binder
    read: ReadRows
    rows: _ParquetRows | _TextRows


def read_records(path: Path, source: SourceName, settings: Settings, landing_dir: Path) -> Records:
    """The file at `path`. Raises RefusedFile, in one sentence that shows no value of a row."""
    declared = settings.source(source)
    delivery = take_delivery(path, settings=declared, landing_dir=landing_dir)
    return _records(delivery, Binder(source, declared, settings.declaration, delivery.refused))


def is_without(records: Records, gone: Kept, content: bytes) -> bool:
    """Whether `content`, as a file, holds all records but those that are `gone`, byte by byte and in the same order."""
    if not isinstance(records.rows, _TextRows):
        return True  # it is compared value by value where it is written
    again = _records(replace(records.delivery, data=content), records.binder)
    kept = records.rows.take(np.flatnonzero(~gone))
    return (
        isinstance(again.rows, _TextRows) and again.rows.head == kept.head and bool(again.rows.records == kept.records)
    )


def _records(delivery: Delivery, binder: Binder) -> Records:
    declared = binder.settings
    rows: _ParquetRows | _TextRows
    if delivery.format == "parquet":
        read = read_parquet(delivery, binder)
        rows = _parquet_rows(delivery)
        count = rows.table.num_rows
    else:
        data, marks = utf8_bytes(delivery, declared.encoding)
        is_csv = delivery.format == "csv"
        read = (read_csv if is_csv else read_jsonl)(delivery, data, binder)
        rows = _text_rows(data, marks, declared, is_csv=is_csv)
        count = len(rows.records)
    if count != read.total:
        raise delivery.refused("cannot be cut into records for certain; check its quotes, delimiter and line ends")
    return Records(delivery, binder, read, rows)


@dataclass(frozen=True)
class _TextRows:
    """`head` is the header with its line end, empty for JSON Lines; `encoding` is None where the bytes are UTF-8; `added`
    is the line end that the file's last record was given because it had none.
    """

    head: bytes
    records: pa.LargeBinaryArray
    encoding: str | None
    added: bytes

    def take(self, order: Order) -> _TextRows:
        return replace(self, records=self.records.take(pa.array(order)))

    def only(self, kept: Kept) -> bytes:
        rows = self.take(np.flatnonzero(kept))
        return rows._encoded(rows._text(0, len(rows.records)).removesuffix(self.added if kept[-1:].any() else b""))

    def content(self, first: int, last: int) -> bytes:
        return self._encoded(self._text(first, last))

    def _text(self, first: int, last: int) -> bytes:
        _, offsets, data = self.records.buffers()
        content = self.head
        if last > first:
            at = np.frombuffer(offsets, np.int64)[self.records.offset :]
            content += bytes(memoryview(data)[at[first] : at[last]])
        # A zero-byte file would be refused, so a day without lines is one blank line.
        return content or b"\n"

    def _encoded(self, content: bytes) -> bytes:
        return content if self.encoding is None else content.decode("utf-8").encode(self.encoding)


@dataclass(frozen=True)
class _ParquetRows:
    """`int96_unit` is the unit in which the file's INT96 timestamps were read, None where it has none."""

    table: pa.Table
    compression: str
    int96_unit: str | None
    delivery: Delivery

    def take(self, order: Order) -> _ParquetRows:
        return replace(self, table=_taken(self.table, order))

    def only(self, kept: Kept) -> bytes:
        rows = self.take(np.flatnonzero(kept))
        return rows.content(0, rows.table.num_rows)

    def content(self, first: int, last: int) -> bytes:
        """Raises RefusedFile unless what was written reads back with equal types and values."""
        rows, written = self.table.slice(first, last - first), pa.BufferOutputStream()
        pq.write_table(
            rows, written, compression=self.compression, use_deprecated_int96_timestamps=self.int96_unit is not None
        )
        content = written.getvalue()
        again = pq.ParquetFile(pa.BufferReader(content), coerce_int96_timestamp_unit=self.int96_unit).read()
        if not same_rows(rows, again):
            raise self.delivery.refused(
                "cannot be written again with equal types and values, so it was left as it is; deliver it in another format"
            )
        return content.to_pybytes()


def _taken(table: pa.Table, order: Order) -> pa.Table:
    """The rows of the table in that order. Arrow takes no rows of views of texts, alone or inside of others, so these are built anew."""
    columns = []
    for column in table.columns:
        try:
            columns.append(column.take(pa.array(order)))
        except pa.ArrowNotImplementedError:
            values = column.to_pylist()
            columns.append(pa.chunked_array([pa.array([values[at] for at in order], column.type)], column.type))
    return pa.Table.from_arrays(columns, schema=table.schema)


def same_rows(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables have the same columns and, bit by bit, the same values in the same order."""
    return one.schema.equals(other.schema) and all(
        _comparable(column) == _comparable(again) for column, again in zip(one.columns, other.columns, strict=True)
    )


def _comparable(column: pa.ChunkedArray) -> Any:
    """What is equal for equal values: NaN is none to Arrow, and dictionaries may be in another order."""
    if pt.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pt.is_nested(column.type):
        return repr(column.to_pylist())
    whole = column.combine_chunks()
    return whole.view(f"int{column.type.bit_width}") if pt.is_floating(column.type) else whole


def _parquet_rows(delivery: Delivery) -> _ParquetRows:
    """The rows with their types; what a damaged schema may hold can be read, but not written again."""
    try:
        file, unit = open_exactly(delivery, pq.ParquetFile(pa.BufferReader(delivery.data)))
        codec = file.metadata.row_group(0).column(0).compression if file.metadata.num_row_groups else "SNAPPY"
        rows = _ParquetRows(file.read(), "NONE" if codec == "UNCOMPRESSED" else codec, unit, delivery)
        rows.content(0, 0)
    except UNREADABLE:
        raise delivery.refused(
            "cannot be cut into records, as its columns cannot be written again; deliver it again"
        ) from None
    return rows


def _text_rows(data: bytes, marks: int, declared: SourceSettings, *, is_csv: bool) -> _TextRows:
    """Cut into records. The last one is given the line end that the first one has, should it have none."""
    cut = partial(csv_records, quote=declared.quote, escape=declared.escape) if is_csv else jsonl_records
    encoding = declared.encoding
    separator = separator_line(data) if is_csv else b""
    data = data[len(separator) :]
    added = b""
    if data.strip() and not data.endswith((b"\n", b"\r") if is_csv else b"\n"):
        # Half a line end is completed, and not followed by a whole one.
        added = b"\n" if data.endswith(b"\r") else _line_end(cut(data + b"\n")[0].as_py())
        data += added
    records = cut(data)
    head = codecs.BOM_UTF8 * marks + separator
    if is_csv:
        head, records = head + records[0].as_py(), records.slice(1)
    return _TextRows(head, records, None if codecs.lookup(encoding).name in UTF8 else encoding, added)


def _line_end(record: bytes) -> bytes:
    return b"\r\n" if record.endswith(b"\r\n") else record[-1:]
