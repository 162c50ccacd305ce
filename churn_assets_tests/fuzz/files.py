"""Valid files of numbered rows: each value names its row and carries a checksum, so that no damage passes for a value."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ("user_id", "signup_date", "plan", "country", "marketing_source", "score")
"""The contract's, less one that is optional, and one of the source's own."""
SUFFIXES = ("csv", "csv.gz", "jsonl", "jsonl.gz", "parquet")
DECORATIONS = ("", " ", ",", '"', "\n", "\r\n", "é", "🙂", "\\", "; \t|")
"""Put around a value, so that quotes, line ends and more than one byte per character occur."""
TOKEN = re.compile(r"r(\d+)([a-z_]+)x([0-9a-f]{8})")

Row = dict[str, str]


def token(row: int, column: str) -> str:
    return f"r{row}{column}x{zlib.crc32(f'{row}{column}'.encode()):08x}"


def rows_named(values: list[str]) -> set[int]:
    """The rows whose values are there unharmed."""
    found = (match for value in values for match in TOKEN.finditer(value))
    return {int(match[1]) for match in found if token(int(match[1]), match[2]) == match[0]}


def numbered_rows(random: Random, count: int) -> list[Row]:
    """Some of them with a signup_date that is a date, the 1st to the 5th, and names no row."""
    is_dated = random.random() < 0.5
    rows = [{name: _decorated(random, token(n, name)) for name in COLUMNS} for n in range(1, count + 1)]
    return [row | {"signup_date": f"2026-01-0{n % 5 + 1}"} if is_dated else row for n, row in enumerate(rows)]


def _decorated(random: Random, value: str) -> str:
    return random.choice(DECORATIONS) + value + random.choice(DECORATIONS) if random.random() < 0.2 else value


def text_of(rows: list[Row], suffix: str, random: Random) -> bytes:
    """The rows as CSV or JSON Lines, by the standard library."""
    if suffix.startswith("jsonl"):
        spaced = random.choice([None, (",", ":")])
        return "".join(json.dumps(row, ensure_ascii=False, separators=spaced) + "\n" for row in rows).encode()
    text = io.StringIO(newline="")
    quoting = random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(text, lineterminator=random.choice(["\n", "\r\n"]), quoting=quoting)
    writer.writerow(COLUMNS)
    writer.writerows(row.values() for row in rows)
    return text.getvalue().encode()


def parquet_of(rows: list[Row], random: Random, *, checksums: bool) -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        pa.table({name: [row[name] for row in rows] for name in COLUMNS}),
        sink,
        compression=random.choice(["none", "snappy", "gzip", "zstd"]),
        use_dictionary=random.random() < 0.5,
        data_page_version=random.choice(["1.0", "2.0"]),
        row_group_size=random.choice([3, 1000]),
        write_page_checksum=checksums,
    )
    return sink.getvalue()


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)
