"""The first rows of a dump as columns of text, values inside JSON objects by their paths; and how many rows there are in all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from churn_assets.errors import ChurnError
from churn_assets.inspection.columns import Column
from churn_assets.inspection.files import (
    SourceFiles,
    guessed_delimiter,
    guessed_encoding,
    header_of,
    source_files,
    unpacked,
)
from churn_assets.inspection.headers import check_header
from churn_assets.inspection.paths import JSON, OBJECT_ROWS, Paths, with_objects
from churn_assets.landing.csv_file import parse
from churn_assets.landing.packing import opened
from churn_assets.landing.parquet_file import UNREADABLE
from churn_assets.landing.parquet_types import as_text

JSON_BYTES = 32 * 2**20
CSV_BYTES = 192 * 2**20
"""Of all files together, unpacked: past these the rest is only counted."""
LEAST_BYTES = 65_536
"""Of one file of a folder."""
PARQUET_ROWS = 1_000_000


@dataclass(frozen=True)
class Looked:
    """What was seen of one source. `rows` were looked at, malformed ones included; `rows_in_all` is counted by lines."""

    files: SourceFiles
    columns: dict[str, Column]
    rows: int
    rows_in_all: int
    malformed: int = 0
    encoding: tuple[str, str] = ("utf-8", "")
    delimiter: tuple[str, str] = (",", "")
    lists: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return self.rows >= self.rows_in_all

    @property
    def rows_shown(self) -> str:
        return f"{self.rows:,} rows" if self.is_whole else f"first {self.rows:,} of about {self.rows_in_all:,} rows"


def look(path: Path) -> Looked:
    """The dump at `path`, a file or a folder of files. Raises ChurnError, one sentence without a value of a row."""
    files = source_files(path)
    looked = _parquet(files) if files.format == "parquet" else _text(files)
    if not looked.rows or looked.rows == looked.malformed:
        raise ChurnError(f"{files.shown} has no row that can be read; export it again, with rows.")
    return looked


def _text(files: SourceFiles) -> Looked:
    budget = JSON_BYTES if files.format == "jsonl" else CSV_BYTES
    per_file = max(budget // len(files.paths), LEAST_BYTES)
    parts, lines_left, is_whole = [], 0, True
    for path in files.paths:
        data, whole = unpacked(path, per_file)
        if not whole:
            is_whole = False
            lines_left += _lines_past(path, per_file)
        parts.append((path, data, whole))
    encoding = guessed_encoding(b"".join(data for _, data, _ in parts), is_whole=is_whole)
    texts = [(path, _decoded(path, data, encoding[0], whole=whole)) for path, data, whole in parts]
    texts = [(path, text) for path, text in texts if text.strip()]
    if not texts:
        raise ChurnError(f"{files.shown} holds only blank lines; export it again.")
    looked = _json_lines(files, texts) if files.format == "jsonl" else _csv(files, texts)
    return Looked(
        files,
        looked.columns,
        looked.rows,
        looked.rows + lines_left,
        looked.malformed,
        encoding,
        looked.delimiter,
        looked.lists,
    )


def _decoded(path: Path, data: bytes, encoding: str, *, whole: bool) -> str:
    text = data.decode(encoding, errors="ignore" if not whole else "strict").removeprefix("\ufeff")
    return text if whole else text[: text.rfind("\n") + 1]


def _lines_past(path: Path, start: int) -> int:
    """Line ends behind the first `start` bytes, unpacked."""
    count = 0
    with opened(path) as file:
        file.seek(start)
        while piece := file.read(2**20):
            count += piece.count(b"\n")
    return count


def _json_lines(files: SourceFiles, texts: list[tuple[Path, str]]) -> Looked:
    paths, rows, malformed = Paths(), 0, 0
    for _, text in texts:
        for line in text.split("\n"):
            if not line.strip():
                continue
            try:
                value = JSON.decode(line.strip())
            except (ValueError, RecursionError):
                malformed += 1
                continue
            if not isinstance(value, dict):
                malformed += 1
                continue
            paths.add(value, rows)
            rows += 1
    columns = {column.path: column for column in paths.finished(rows)}
    return Looked(files, columns, rows + malformed, 0, malformed, lists=tuple(sorted(paths.lists)))


def _csv(files: SourceFiles, texts: list[tuple[Path, str]]) -> Looked:
    delimiter = guessed_delimiter(texts[0][1])
    tables, malformed = [], 0
    for path, text in texts:
        header = [name.strip() for name in header_of(text, delimiter[0])]
        check_header(path, header)
        data = text.encode("utf-8")
        try:
            table, bad = parse(data if data.endswith((b"\n", b"\r")) else data + b"\n", delimiter[0], len(header))
        except pa.ArrowException:
            raise ChurnError(f"{path} cannot be read as CSV; check its delimiter and quotes.") from None
        tables.append(table.slice(1).rename_columns(_without_repeats(header)))
        malformed += len(bad)
    table = pa.concat_tables(tables, promote_options="default")
    columns, lists = with_objects((name, table[name]) for name in table.column_names)
    return Looked(files, columns, len(table) + malformed, 0, malformed, delimiter=delimiter, lists=lists)


def _without_repeats(names: list[str]) -> list[str]:
    """A name that occurs again gets a number: the readers refuse such a file and say so."""
    return [name if name not in names[:at] else f"{name} ({at + 1})" for at, name in enumerate(names)]


def _parquet(files: SourceFiles) -> Looked:
    tables, rows_in_all = [], 0
    per_file = max(PARQUET_ROWS // len(files.paths), 1000)
    for path in files.paths:
        try:
            with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
                rows_in_all += file.metadata.num_rows
                batches, rows = [], 0
                for batch in file.iter_batches(batch_size=65_536):
                    batches.append(batch)
                    rows += len(batch)
                    if rows >= per_file:
                        break
                tables.append(
                    pa.Table.from_batches(batches, file.schema_arrow) if batches else file.schema_arrow.empty_table()
                )
        except UNREADABLE:
            raise ChurnError(f"{path} is not valid Parquet (truncated or corrupt); export it again.") from None
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException:
        raise ChurnError(
            f"{files.shown} holds files whose columns are of different types; export them alike."
        ) from None
    columns, lists = with_objects((name, _column_text(table[name])) for name in table.column_names)
    return Looked(files, columns, len(table), rows_in_all, lists=lists)


def _column_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_nested(column.type):
        column = column.slice(0, OBJECT_ROWS)
    try:
        return as_text(column)
    except UNREADABLE:
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
