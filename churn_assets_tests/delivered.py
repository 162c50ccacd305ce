"""Rows as files in every format, by writers other than ours; and what was read of one as a frame of the raw table."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from churn_assets.contracts import Contract
from churn_assets.landing import LandedFile
from churn_assets.warehouse.frames import to_frame

TEXT_FORMATS = ("csv", "csv.gz", "jsonl", "jsonl.gz")
FORMATS = (*TEXT_FORMATS, "parquet")


def written(rows: Sequence[Mapping[str, str | None]], suffix: str) -> bytes:
    """`rows`, which have the same columns, in the format of `suffix`; None is null, or an empty field of CSV."""
    if suffix == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.table({k: pa.array([row[k] for row in rows], pa.string()) for k in rows[0]}), sink)
        return sink.getvalue()
    if suffix.startswith("jsonl"):
        return packed("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), suffix)
    # Python 3.10 refuses to write NUL as CSV: a character that is not in the rows stands in for it.
    taken = {character for row in rows for value in row.values() for character in value or ""}
    stand_in = next(character for character in map(chr, range(0xE000, 0xF900)) if character not in taken)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(rows[0])
    writer.writerows([value and value.replace("\0", stand_in) for value in row.values()] for row in rows)
    return packed(text.getvalue().replace(stand_in, "\0"), suffix)


def packed(text: str | bytes, suffix: str) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return gzip.compress(data) if suffix.endswith(".gz") else data


def raw_frame(raw: Contract, landed: LandedFile, day: date) -> pd.DataFrame:
    """What `read_file` gave, landed on `day`, as it is stored in the raw table."""
    days = pa.array([day] * len(landed.table), pa.date32()).cast(pa.timestamp("us"))
    return raw.typed(to_frame(raw.columns, landed.table.append_column("landing_date", days)))
