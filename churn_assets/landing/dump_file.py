"""One flat file of a dump: the day each of its records belongs to, and the records themselves, exactly as they are.

Read by the same strict readers as a landed file, so what they would refuse is refused here; the values they give only
serve to find days. What is written again are the file's own bytes (Parquet: its own typed rows).
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from churn_assets.contracts.tables import REQUIRED_SOURCE_COLUMNS
from churn_assets.errors import RefusedFile
from churn_assets.landing.binding import Binder
from churn_assets.landing.csv_file import read_csv
from churn_assets.landing.csv_records import csv_records, jsonl_records
from churn_assets.landing.delivery import Delivery, take_delivery
from churn_assets.landing.encoding import UTF8, utf8_bytes
from churn_assets.landing.jsonl_file import read_jsonl
from churn_assets.landing.parquet_file import UNREADABLE, read_parquet
from churn_assets.landing.rows import ReadRows
from churn_assets.settings import Settings, SourceName
from churn_assets.transforms import parsing

Days = npt.NDArray[np.datetime64]
Order = npt.NDArray[np.int64]
DATED_BY = {"users": "signup_date", "events": "event_time"}
FIRST_DAY, LAST_DAY = (np.datetime64(day, "D") for day in (date.min, date.max))
"""A day beyond these has no name, so no folder could be its landing day."""


class Rows(Protocol):
    """Records that can be put in another order, and written from one position to another as a file of their format."""

    def take(self, order: Order) -> Rows: ...
    def write(self, path: Path, first: int, last: int) -> None: ...


@dataclass(frozen=True)
class DumpFile:
    """`days` (datetime64[D]) has one entry per record, NaT where the record is malformed or its date is not usable.

    `stands_alone`: whether a file of that record only would be read. JSON Lines have no header, so a line without a required
    key makes none.
    """

    source: SourceName
    format: str
    days: Days
    rows: Rows
    stands_alone: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.days)


@dataclass(frozen=True)
class _TextRows:
    """`head` is the header with its line end, empty for JSON Lines; `encoding` is None where the bytes are UTF-8."""

    head: bytes
    records: pa.LargeBinaryArray
    encoding: str | None

    def take(self, order: Order) -> _TextRows:
        return replace(self, records=self.records.take(pa.array(order)))

    def write(self, path: Path, first: int, last: int) -> None:
        _, offsets, data = self.records.buffers()
        content = self.head
        if last > first:
            at = np.frombuffer(offsets, np.int64)[self.records.offset :]
            content += bytes(memoryview(data)[at[first] : at[last]])
        # A zero-byte file would be refused, so a day without lines is one blank line.
        content = content or b"\n"
        path.write_bytes(content if self.encoding is None else content.decode("utf-8").encode(self.encoding))


@dataclass(frozen=True)
class _ParquetRows:
    table: pa.Table

    def take(self, order: Order) -> _ParquetRows:
        return _ParquetRows(self.table.take(pa.array(order)))

    def write(self, path: Path, first: int, last: int) -> None:
        pq.write_table(self.table.slice(first, last - first), path)


def read_dump_file(path: Path, source: SourceName, settings: Settings) -> DumpFile:
    """The file at `path`. Raises RefusedFile, in one sentence that shows no value of a row."""
    path = path.resolve()
    declared = settings.source(source)
    delivery = take_delivery(path, settings=declared, landing_dir=path.parent)
    binder = Binder(source, declared, delivery.refused)
    rows: Rows
    if delivery.format == "parquet":
        read = read_parquet(delivery, binder)
        rows = _parquet_rows(delivery)
        count = rows.table.num_rows
    else:
        data, marks = utf8_bytes(delivery, declared.encoding)
        is_csv = delivery.format == "csv"
        read = (read_csv if is_csv else read_jsonl)(delivery, data, binder)
        rows = _text_rows(data, marks, declared.encoding, is_csv=is_csv)
        count = len(rows.records)
    if count != read.count + len(read.malformed):
        raise _not_certain(delivery)
    stands_alone = (
        np.ones(count, dtype=bool) if delivery.format != "jsonl" else _of_bound(read, _is_complete(read, source))
    )
    return DumpFile(source, delivery.format, _days(read, source, settings), rows, stands_alone)


def _parquet_rows(delivery: Delivery) -> _ParquetRows:
    """The rows with their types; what a damaged schema may hold can be read, but not written again."""
    try:
        table = pq.ParquetFile(pa.BufferReader(delivery.data)).read()
        pq.write_table(table.slice(0, 0), pa.BufferOutputStream())
    except UNREADABLE:
        raise delivery.refused(
            "cannot be split into days, as its columns cannot be written again; deliver it again"
        ) from None
    return _ParquetRows(table)


def _text_rows(data: bytes, marks: int, encoding: str, *, is_csv: bool) -> _TextRows:
    """Cut into records. The last one is given the line end that the first one has, should it have none."""
    cut = csv_records if is_csv else jsonl_records
    if data.strip() and not data.endswith((b"\n", b"\r") if is_csv else b"\n"):
        # Half a line end is completed, and not followed by a whole one.
        data += b"\n" if data.endswith(b"\r") else _line_end(cut(data + b"\n")[0].as_py())
    records = cut(data)
    head = codecs.BOM_UTF8 * marks
    if is_csv:
        head, records = head + records[0].as_py(), records.slice(1)
    return _TextRows(head, records, None if codecs.lookup(encoding).name in UTF8 else encoding)


def _line_end(record: bytes) -> bytes:
    return b"\r\n" if record.endswith(b"\r\n") else record[-1:]


def _days(read: ReadRows, source: SourceName, settings: Settings) -> Days:
    """Business day of each record, by the rules the cleaning goes by."""
    declared = settings.source(source)
    zone = settings.source_timezone(source).key
    at = read.binding.columns.get(DATED_BY[source])
    texts = pd.Series(pd.array([] if at is None else read.columns[at], dtype=parsing.TEXT))
    if source == "users":
        found = parsing.days(texts, timestamp_format=declared.timestamp_format, zone=zone, timezone=settings.timezone)
    else:
        instants = parsing.instants(texts, timestamp_format=declared.timestamp_format, zone=zone)
        found = parsing.business_days(instants, settings.timezone)
    found_days = found.to_numpy().astype("datetime64[D]")
    found_days[(found_days < FIRST_DAY) | (found_days > LAST_DAY)] = np.datetime64("NaT", "D")
    return _of_bound(read, found_days, otherwise=np.datetime64("NaT", "D"))


def _is_complete(read: ReadRows, source: SourceName) -> npt.NDArray[np.bool_]:
    """Whether a bound record has each required column."""
    complete = np.ones(read.count, dtype=bool)
    for name in REQUIRED_SOURCE_COLUMNS[source]:
        if (at := read.binding.columns.get(name)) is not None:
            complete &= read.columns[at].is_valid().to_numpy()
    return complete


def _of_bound(read: ReadRows, values: npt.NDArray[Any], otherwise: object = False) -> npt.NDArray[Any]:
    """`values` of the bound records in their places among all, and `otherwise` where one is malformed."""
    is_bound = np.ones(read.count + len(read.malformed), dtype=bool)
    is_bound[[number - 1 for number, _ in read.malformed]] = False
    placed = np.full(len(is_bound), otherwise, dtype=values.dtype)
    placed[is_bound] = values
    return placed


def _not_certain(delivery: Delivery) -> RefusedFile:
    return delivery.refused("cannot be cut into records for certain; check its quotes, delimiter and line ends")
