"""CSV by pyarrow, strictly: the declared delimiter, every field as text, nothing inferred.

A record with too few or too many fields is kept as it stands, in its place, and its neighbours are read as usual.
"""

from __future__ import annotations

import re
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from churn_assets.landing.binding import MOST_COLUMNS, Binder, header_repairs
from churn_assets.landing.csv_quotes import quote_fault, with_doubled_quotes
from churn_assets.landing.delivery import Delivery
from churn_assets.landing.nested import with_nested
from churn_assets.landing.rows import ReadRows

FIRST_RECORD = re.compile(rb'[\r\n]*((?:[^"\r\n]+|"[^"]*")*)')
SEPARATOR_LINE = re.compile(rb"sep=[^\r\n](?:\r\n|\r|\n)", re.IGNORECASE)
FIRST_LINE = re.compile(rb"[\r\n]*([^\r\n]*)")
NONE_FITS_ROWS = 10
"""Where so many rows do not fit the header and none does, the header is not theirs: kept in quarantine, all of the day would
look like silence.
"""
COMMENT, COMMENTED = b"#", "it begins with lines of comment; take them out, so that the header is its first line"
BLOCK_BYTES = 1024 * 1024
LARGEST_BLOCK_BYTES = 2**31 - 1
"""pyarrow takes a 32-bit block size."""


def read_csv(delivery: Delivery, data: bytes, binder: Binder) -> ReadRows:
    """Records of `data` (UTF-8, no byte-order mark). Raises RefusedFile."""
    delimiter = binder.settings.delimiter
    separator = separator_line(data)
    if separator and chr(separator[4]) != delimiter:
        raise delivery.refused(
            f"says in its first line that {chr(separator[4])!r} separates its values, and {delimiter!r} is declared; declare that delimiter"
        )
    data = data[len(separator) :]
    quote, escape = binder.settings.quote, binder.settings.escape
    if escape:
        data = with_doubled_quotes(data)
    if quote and (fault := quote_fault(data, delimiter)) is not None:
        raise delivery.refused(fault)
    header = (FIRST_RECORD if quote else FIRST_LINE).match(data)
    if header is None or not header[1]:
        raise delivery.refused("has no header, only blank lines; deliver a header, with no rows if the day is empty")
    # Each column's type must be declared before pyarrow has counted them; delimiters inside quotes only count too many.
    columns_at_most = min(header[1].count(delimiter.encode()), MOST_COLUMNS) + 1
    if not data.endswith((b"\n", b"\r")):
        data += b"\n"  # pyarrow takes a lone header without line end for an empty file
    try:
        table, malformed = parse(data, delimiter, columns_at_most, quotes=bool(quote))
    except pa.ArrowInvalid:
        raise delivery.refused("cannot be read as CSV; check its delimiter and quotes") from None
    # Of a header alone that ends so, nobody can say what its rows are like.
    table, dropped = _without_empty_end(table) if table.num_rows > 1 or not malformed else (table, 0)
    matches = [binder.match(str(column[0].as_py())) for column in table.columns]
    advice = (
        f"check that its first line is a header and that {delimiter!r}, the declared delimiter, separates its columns"
    )
    binding = binder.bind(matches, COMMENTED if data.startswith(COMMENT) else advice)
    body = table.slice(1)
    if not body.num_rows and len(malformed) >= NONE_FITS_ROWS:
        raise delivery.refused(
            f"has {len(malformed)} rows and none with as many fields as its header; check that the header is theirs, and that "
            f"{delimiter!r} separates both"
        )
    return with_nested(ReadRows(body.columns, body.num_rows, binding, header_repairs(matches) + dropped, malformed))


def _without_empty_end(table: pa.Table) -> tuple[pa.Table, int]:
    """The table without last columns that have neither a name nor a value, and their number: a delimiter ended each line."""
    columns = table.num_columns
    while columns > 1 and pc.max(pc.utf8_length(table.column(columns - 1))).as_py() == 0:
        columns -= 1
    return table.select(range(columns)), table.num_columns - columns


def separator_line(data: bytes) -> bytes:
    """The line before the header by which a spreadsheet says what separates the values, with its end; empty where there is none."""
    found = SEPARATOR_LINE.match(data)
    return found[0] if found else b""


def parse(
    data: bytes, delimiter: str, columns_at_most: int, *, quotes: bool = True
) -> tuple[pa.Table, list[tuple[int, str]]]:
    """All well-formed records, the header as the first, and (number, text) of the others."""
    once = partial(_parse_once, data, delimiter, columns_at_most, quotes=quotes)
    is_small = len(data) <= BLOCK_BYTES
    try:
        table, malformed = once(BLOCK_BYTES, use_threads=not is_small)
        if malformed and not is_small:  # only a single thread can number the records
            table, malformed = once(BLOCK_BYTES, use_threads=False)
    except pa.ArrowInvalid:
        if is_small:
            raise
        # A record longer than a block. One block as large as the file holds any.
        whole = min(len(data) + 1, LARGEST_BLOCK_BYTES)
        table, malformed = once(whole, use_threads=False)
    return table, [(number - 1, text) for number, text in malformed]


def _parse_once(
    data: bytes, delimiter: str, columns_at_most: int, block_bytes: int, *, quotes: bool, use_threads: bool
) -> tuple[pa.Table, list[tuple[int, str]]]:
    malformed: list[tuple[int, str]] = []

    def keep(row: pa_csv.InvalidRow) -> str:
        malformed.append((row.number, row.text))
        return "skip"

    table = pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=pa_csv.ReadOptions(
            autogenerate_column_names=True, use_threads=use_threads, block_size=block_bytes
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if quotes else False,
            newlines_in_values=quotes,
            invalid_row_handler=keep,
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types={f"f{n}": pa.string() for n in range(columns_at_most)},
            strings_can_be_null=False,
            quoted_strings_can_be_null=False,
            check_utf8=False,  # done on the whole text before
        ),
    )
    return table, malformed
