"""Parquet: typed columns turned into the text a careful source would have written: one cleaning reads all formats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from churn_assets.landing.binding import Binder, Binding, ColumnKind, header_repairs
from churn_assets.landing.delivery import Delivery
from churn_assets.landing.nested import with_nested
from churn_assets.landing.packing import Limits
from churn_assets.landing.parquet_types import FAMILIES, REMEDIES, as_text, family
from churn_assets.landing.rows import ReadRows
from churn_assets.settings import SourceSettings

UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, IndexError, ArithmeticError)
"""What pyarrow was seen to raise, or may, over bytes that are no sound Parquet."""
BATCH_ROWS = 65_536
LEAST_BYTES_PER_VALUE = 4
"""A text of any length costs an offset of 4 bytes, however well its column was encoded."""
INT96 = "INT96"


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
    kinds = {position: binder.kinds[name] for name, position in binding.columns.items()}
    _check_types(delivery, schema, binding, kinds)
    try:
        exact, _ = open_exactly(delivery, file)
        table = _read(delivery, exact, binder.settings)
        table.validate(full=True)  # pyarrow does not check text for UTF-8 while reading
        columns = [as_text(column, kinds.get(position, "other")) for position, column in enumerate(table.columns)]
    except UNREADABLE:
        raise corrupt from None
    if table.num_rows != metadata.num_rows:
        raise corrupt
    return with_nested(ReadRows(columns, table.num_rows, binding, header_repairs(matches)))


def open_exactly(delivery: Delivery, file: pq.ParquetFile) -> tuple[pq.ParquetFile, str | None]:
    """The file in the unit that holds all its INT96 timestamps, and that unit: Arrow's own, nanoseconds, wraps round outside of
    1677..2262. None of a file that has no INT96.

    Raises RefusedFile if some need nanoseconds and others lie outside.
    """
    columns = sorted({leaf.path.split(".")[0] for leaf in _leaves_of(file) if leaf.physical_type == INT96})
    if not columns:
        return file, None
    other = pq.ParquetFile(pa.BufferReader(delivery.data), coerce_int96_timestamp_unit="us")
    fits, is_exact = True, True
    batches = (each.iter_batches(batch_size=BATCH_ROWS, columns=columns) for each in (file, other))
    for by_nanosecond, by_microsecond in zip(*batches, strict=True):
        for wrapped, true in zip(_timestamps(by_nanosecond), _timestamps(by_microsecond), strict=True):
            with np.errstate(over="ignore"):
                below = wrapped.view(np.uint64) - true.view(np.uint64) * np.uint64(1000)
            fits = fits and bool((wrapped // 1000 == true).all())
            is_exact = is_exact and not below.any()
    if not (fits or is_exact):
        raise delivery.refused(
            f"holds INT96 timestamps in {', '.join(map(repr, columns))}, some with nanoseconds and some outside of the years 1677 "
            "to 2262, which no type holds both; write them as TIMESTAMP of microseconds"
        )
    return (file, "ns") if fits else (other, "us")


def _leaves_of(file: pq.ParquetFile) -> Iterator[Any]:
    schema = file.metadata.schema
    return (schema.column(n) for n in range(len(schema)))


def _timestamps(batch: pa.RecordBatch) -> Iterator[npt.NDArray[np.int64]]:
    """The timestamps of a batch, those inside of lists and objects too, as whole numbers."""
    waiting = list(batch.columns)
    while waiting:
        column = waiting.pop()
        kind = column.type
        if pt.is_timestamp(kind):
            yield column.drop_null().cast(pa.int64()).to_numpy()
        elif pt.is_struct(kind):
            waiting += column.flatten()
        elif pt.is_map(kind):
            waiting += [column.keys, column.items]
        elif pt.is_nested(kind):
            waiting.append(column.flatten())


def _check_size(delivery: Delivery, metadata: Any, columns: int, settings: SourceSettings) -> None:
    unpacked = sum(metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups))
    limits = Limits(delivery.shown, settings, delivery.delivered_bytes)
    limits.check_size(metadata.num_rows * columns * LEAST_BYTES_PER_VALUE)
    limits.check(unpacked)


def _read(delivery: Delivery, file: pq.ParquetFile, settings: SourceSettings) -> pa.Table:
    """All rows, in batches: how large dictionary-encoded text becomes is not in the metadata."""
    batches, size, limits = [], 0, Limits(delivery.shown, settings, delivery.delivered_bytes)
    for batch in file.iter_batches(batch_size=BATCH_ROWS):
        size += batch.nbytes
        limits.check_size(size)
        batches.append(batch)
    return pa.Table.from_batches(batches, schema=batches[0].schema if batches else file.schema_arrow)


def _check_types(delivery: Delivery, schema: pa.Schema, binding: Binding, kinds: dict[int, ColumnKind]) -> None:
    for name, position in (*binding.columns.items(), *binding.extra):
        delivered, kind = schema.field(position).type, kinds.get(position, "other")
        if family(delivered) not in FAMILIES[kind]:
            raise delivery.refused(f"holds {name!r} as {delivered}; write it as {REMEDIES.get(kind, 'text')}")
