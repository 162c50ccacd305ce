"""Rows of one file as the raw table: contract columns, `extra`, where each row came from, and what could not be read.

The readers hand over text columns and the lines they could not read; only this module knows the table's layout.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.landing.binding import Binding

MALFORMED_ROW = "malformed_row"
FIRST_PRINTABLE, QUOTE, BACKSLASH = 0x20, 0x22, 0x5C


@dataclass(frozen=True)
class ReadRows:
    """`columns` are text by position of the file; `malformed` holds (record number from 1, raw line), in file order."""

    columns: Sequence[pa.ChunkedArray]
    count: int
    binding: Binding
    header_repairs: int = 0
    malformed: Sequence[tuple[int, str]] = ()

    @property
    def total(self) -> int:
        return self.count + len(self.malformed)

    @property
    def is_bound(self) -> npt.NDArray[np.bool_]:
        """Of each record whether it could be bound to the header: its values are in `columns`, in the same order."""
        bound = np.ones(self.total, dtype=bool)
        bound[[number - 1 for number, _ in self.malformed]] = False
        return bound


def raw_table(rows: ReadRows, names: Sequence[str], source_file: str) -> pa.Table:
    """Grain: one record of the file, in file order. Columns: those of `names` as text, extra, source_file, source_row,
    read_error.
    """
    at = rows.binding.columns
    values = {name: rows.columns[at[name]] if name in at else pa.nulls(rows.count, pa.string()) for name in names}
    values["extra"] = _extra([(name, rows.columns[n]) for name, n in rows.binding.extra], rows.count)
    total = rows.count + len(rows.malformed)
    numbers = np.arange(1, total + 1, dtype=np.int64)
    if not rows.malformed:
        return _with_provenance(pa.table(values), source_file, numbers, pa.nulls(total, pa.string()))
    bad = np.array([number for number, _ in rows.malformed], dtype=np.int64)
    lines = pa.array([json.dumps({"line": line}, ensure_ascii=False) for _, line in rows.malformed], pa.string())
    nulls = pa.nulls(len(bad), pa.string())
    table = pa.concat_tables([pa.table(values), pa.table(dict.fromkeys(names, nulls) | {"extra": lines})])
    is_bad = np.zeros(total, dtype=bool)
    is_bad[bad - 1] = True
    # Where each record of the file now is: the n-th good one at n, the n-th malformed one behind all good ones.
    place = np.where(is_bad, rows.count + np.cumsum(is_bad) - 1, np.cumsum(~is_bad) - 1)
    errors = pc.if_else(pa.array(is_bad), pa.scalar(MALFORMED_ROW), pa.scalar(None, pa.string()))
    return _with_provenance(table.take(pa.array(place)), source_file, numbers, errors)


def _with_provenance(table: pa.Table, source_file: str, numbers: npt.NDArray[np.int64], errors: pa.Array) -> pa.Table:
    indices = pa.array(np.zeros(len(numbers), dtype=np.int32))
    file_column = pa.DictionaryArray.from_arrays(indices, pa.array([source_file], pa.string()))
    return (
        table.append_column("source_file", file_column)
        .append_column("source_row", pa.array(numbers))
        .append_column("read_error", errors)
    )


def _extra(columns: Sequence[tuple[str, pa.ChunkedArray]], count: int) -> pa.ChunkedArray:
    """Each row's columns outside the contract as one JSON object text; null throughout if there are none."""
    if not columns:
        return pa.chunked_array([pa.nulls(count, pa.string())])
    pieces: list[object] = []
    before = "{"
    for name, values in columns:
        pieces += [pa.scalar(f"{before}{json.dumps(name, ensure_ascii=False)}: "), _json_texts(values)]
        before = ", "
    return pc.binary_join_element_wise(*pieces, pa.scalar("}"), "")


def _json_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if any(_needs_escaping(chunk) for chunk in values.chunks):
        return pa.chunked_array([[json.dumps(text, ensure_ascii=False) for text in values.to_pylist()]], pa.string())
    quoted = pc.binary_join_element_wise('"', values, '"', "")
    return pc.fill_null(quoted, "null") if values.null_count else quoted


def _needs_escaping(chunk: pa.StringArray) -> bool:
    _, offsets, data = chunk.buffers()
    if data is None or len(chunk) == 0:
        return False
    ends = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    text = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    return bool(((text < FIRST_PRINTABLE) | (text == QUOTE) | (text == BACKSLASH)).any())
