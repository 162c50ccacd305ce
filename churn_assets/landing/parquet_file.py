"""Parquet: typed columns turned into the text a careful source would have written: one cleaning reads all formats.

Integers, decimals and floats in shortest exact form, dates and times in ISO 8601 (instants in UTC with a Z).
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from churn_assets.landing.binding import Binder, Binding, header_repairs
from churn_assets.landing.delivery import RATIO_JUDGED_FROM_BYTES, Delivery, decompression_bomb, too_large
from churn_assets.landing.nested import with_nested
from churn_assets.landing.rows import ReadRows
from churn_assets.settings import MEBIBYTE, SourceSettings

UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError, ArithmeticError)
"""What pyarrow was seen to raise, or may, over bytes that are no sound Parquet."""
BATCH_ROWS = 65_536
LEAST_BYTES_PER_VALUE = 4
"""A text of any length costs an offset of 4 bytes, however well its column was encoded."""


def read_parquet(delivery: Delivery, binder: Binder) -> ReadRows:
    """Rows of the file. Raises RefusedFile."""
    corrupt = delivery.refused("is not valid Parquet (truncated or corrupt); deliver it again")
    try:
        file = pq.ParquetFile(pa.BufferReader(delivery.data), page_checksum_verification=True)
        schema, metadata = file.schema_arrow, file.metadata
        _check_size(delivery, metadata, len(schema), binder.settings)
    except UNREADABLE:
        raise corrupt from None
    matches = [binder.match(name) for name in schema.names]
    binding = binder.bind(matches, "deliver them")
    _check_types(delivery, schema, binding)
    try:
        table = _read(delivery, file, schema, binder.settings)
        table.validate(full=True)  # pyarrow does not check text for UTF-8 while reading
        columns = [as_text(column) for column in table.columns]
    except UNREADABLE:
        raise corrupt from None
    if table.num_rows != metadata.num_rows:
        raise corrupt
    return with_nested(ReadRows(columns, table.num_rows, binding, header_repairs(matches)))


def _check_size(delivery: Delivery, metadata: Any, columns: int, settings: SourceSettings) -> None:
    unpacked = sum(metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups))
    if max(unpacked, metadata.num_rows * columns * LEAST_BYTES_PER_VALUE) > settings.max_file_mebibytes * MEBIBYTE:
        raise too_large(delivery.shown, settings)
    if unpacked > max(RATIO_JUDGED_FROM_BYTES, settings.max_compression_ratio * delivery.delivered_bytes):
        raise decompression_bomb(delivery.shown, settings)


def _read(delivery: Delivery, file: pq.ParquetFile, schema: pa.Schema, settings: SourceSettings) -> pa.Table:
    """All rows, in batches: how large dictionary-encoded text becomes is not in the metadata."""
    batches, size = [], 0
    for batch in file.iter_batches(batch_size=BATCH_ROWS):
        size += batch.nbytes
        if size > settings.max_file_mebibytes * MEBIBYTE:
            raise too_large(delivery.shown, settings)
        batches.append(batch)
    return pa.Table.from_batches(batches, schema=batches[0].schema if batches else schema)


def _check_types(delivery: Delivery, schema: pa.Schema, binding: Binding) -> None:
    for name, position in (*binding.columns.items(), *binding.extra):
        kind = _plain(schema.field(position).type)
        if _holds_binary(kind) or (pt.is_nested(kind) and name in binding.columns):
            raise delivery.refused(
                f"holds {name!r} as {kind}, which is no text, number, date or time; write it as text"
            )


def _holds_binary(kind: pa.DataType) -> bool:
    if pt.is_nested(kind):
        return any(_holds_binary(_plain(kind.field(n).type)) for n in range(kind.num_fields))
    return bool(
        pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind) or pt.is_binary_view(kind)
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    return _plain(kind.value_type) if pt.is_dictionary(kind) else kind


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    if pt.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pt.is_nested(kind):
        texts = [None if value is None else _nested_text(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if pt.is_timestamp(kind) and kind.tz is not None:
        column = column.cast(pa.timestamp(kind.unit, "UTC"))
    return column.cast(pa.string())


def _nested_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
