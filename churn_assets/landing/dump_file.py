"""One flat file of a dump: the day each of its records belongs to, and the records themselves, exactly as they are.

Read by the same strict readers as a landed file, so what they would refuse is refused here; the values they give only
serve to find days. What is written again are the file's own bytes (Parquet: its own typed rows).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.landing.erased import USER_ID, Erased
from churn_assets.landing.made_ids import require_id_parts
from churn_assets.landing.records import Rows, read_records
from churn_assets.landing.rows import ReadRows
from churn_assets.product.reserved import VALID_FROM
from churn_assets.settings import Settings, SourceName
from churn_assets.transforms import parsing

Days = npt.NDArray[np.datetime64]
DAY = " day"
"""A name that no column has."""
FIRST_DAY, LAST_DAY = (np.datetime64(day, "D") for day in (date.min, date.max))
"""A day beyond these has no name, so no folder could be its landing day."""


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
    versions: pa.Table | None = None
    """Of users whose versions nothing dates: the different rows, each with its `DAY`."""

    def __len__(self) -> int:
        return len(self.days)


def read_dump_file(path: Path, source: SourceName, settings: Settings) -> DumpFile:
    """The file at `path`. Raises RefusedFile, in one sentence that shows no value of a row."""
    path = path.resolve()
    records = read_records(path, source, settings, path.parent)
    read, rows, is_jsonl = records.read, records.rows, records.delivery.format == "jsonl"
    require_id_parts(read, records.binder)
    days = _days(read, source, settings)
    stands_alone = (
        _of_bound(read, _is_complete(read, records.binder.required)) if is_jsonl else np.ones(len(days), dtype=bool)
    )
    gone = Erased.of(settings).among(read, records.binder, records.delivery.format)
    is_undated = source == "users" and settings.users_are == "delivered"
    versions = _versions(read, days[read.is_bound], ~gone[read.is_bound]) if is_undated else None
    if gone.any():  # what was erased is not landed again
        days, rows, stands_alone = days[~gone], rows.take(np.flatnonzero(~gone)), stands_alone[~gone]
    return DumpFile(source, records.delivery.format, days, rows, stands_alone, versions)


def _days(read: ReadRows, source: SourceName, settings: Settings) -> Days:
    """Business day of each record, by the rules the cleaning goes by."""
    declared = settings.source(source)
    zone = settings.source_timezone(source).key
    of_users = VALID_FROM if settings.users_are == "dated" else "signup_date"
    at = read.binding.columns.get(of_users if source == "users" else "event_time")
    written = pd.Series(pd.array([] if at is None else read.columns[at], dtype=parsing.TEXT))
    texts = parsing.without(written, declared.missing)
    if source == "users":
        found = parsing.days(texts, timestamp_format=declared.timestamp_format, zone=zone, timezone=settings.timezone)
    else:
        instants = parsing.instants(texts, timestamp_format=declared.timestamp_format, zone=zone)
        found = parsing.business_days(instants, settings.timezone)
    found_days = found.to_numpy().astype("datetime64[D]")
    found_days[(found_days < FIRST_DAY) | (found_days > LAST_DAY)] = np.datetime64("NaT", "D")
    return _of_bound(read, found_days, otherwise=np.datetime64("NaT", "D"))


def _versions(read: ReadRows, days: Days, kept: npt.NDArray[np.bool_]) -> pa.Table:
    columns: dict[str, Any] = {name: read.columns[at] for name, at in read.binding.columns.items()}
    table = pa.table(columns | {DAY: pa.array(days.astype("int64"))}).filter(pa.array(kept))
    return table.group_by(table.column_names).aggregate([])


def users_of_several_rows(files: Sequence[DumpFile]) -> int:
    """How many users have rows that differ on one landing day, so that all but the first will be quarantined."""
    of_files = [file.versions for file in files if file.versions is not None and USER_ID in file.versions.column_names]
    if not of_files:
        return 0
    rows = pa.concat_tables(of_files, promote_options="default")
    counted = rows.group_by(rows.column_names).aggregate([]).group_by([USER_ID, DAY]).aggregate([([], "count_all")])
    several = counted.filter(pc.greater(counted["count_all"], 1))
    return int(pc.count_distinct(several[USER_ID]).as_py())


def _is_complete(read: ReadRows, required: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether a bound record has each required column."""
    complete = np.ones(read.count, dtype=bool)
    for name in required:
        if (at := read.binding.columns.get(name)) is not None:
            complete &= read.columns[at].is_valid().to_numpy()
    return complete


def _of_bound(read: ReadRows, values: npt.NDArray[Any], otherwise: object = False) -> npt.NDArray[Any]:
    """`values` of the bound records in their places among all, and `otherwise` where one is malformed."""
    placed = np.full(read.total, otherwise, dtype=values.dtype)
    placed[read.is_bound] = values
    return placed
