"""Cases of files: those that are refused whole, with their cause, and those that are read although they look odd."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from delivered import FORMATS, TEXT_FORMATS, packed, written

SECRET = "s3cr3t"
"""In every refused file, and in no refusal."""
ROW: dict[str, str | None] = {"user_id": "7", "signup_date": "2026-01-05", "plan": SECRET}
ROWS = [ROW, ROW | {"user_id": "8"}]
CSVS, JSONLS = ("csv", "csv.gz"), ("jsonl", "jsonl.gz")
Content = Callable[[str], bytes]
"""The file's bytes by its format."""


@dataclass(frozen=True)
class Refused:
    number: int
    what: str
    content: Content
    says: str
    formats: tuple[str, ...] = FORMATS
    declared: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Accepted:
    """`users` are the ids of its rows that could be read, in order; null for one that could not."""

    number: int
    what: str
    content: Content
    users: tuple[str | None, ...] = ("7", "8")
    formats: tuple[str, ...] = FORMATS
    declared: Mapping[str, Any] = field(default_factory=dict)
    repairs: Mapping[str, int] = field(default_factory=dict)


def _rows(*rows: dict[str, str | None]) -> Content:
    return lambda suffix: written(rows, suffix)


def _text(csv: str, jsonl: str = "") -> Content:
    return lambda suffix: packed(csv if suffix in CSVS else jsonl, suffix)


def _edited(edit: Callable[[bytes], bytes]) -> Content:
    """What the good file of a text format says, edited before it is packed."""
    return lambda suffix: packed(edit(written(ROWS, suffix.removesuffix(".gz"))), suffix)


def _twice(suffix: str) -> bytes:
    if suffix != "parquet":
        return packed(f"user_id,signup_date,USER_ID \n7,2026-01-05,{SECRET}\n", suffix)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([SECRET])] * 3, names=["user_id", "signup_date", "User_ID"]), sink)
    return sink.getvalue()


def _cut(suffix: str) -> bytes:
    data = written([ROW] * 50, suffix)
    return data[: len(data) // 2]


def _flipped(suffix: str) -> bytes:
    data = bytearray(written(ROWS, suffix))
    data[-6] ^= 1  # the CRC of gzip, the length of Parquet's footer
    return bytes(data)


def _two_members(suffix: str) -> bytes:
    data = written(ROWS, suffix.removesuffix(".gz"))
    return gzip.compress(data[:20]) + gzip.compress(data[20:])


def _bomb(suffix: str) -> bytes:
    if suffix == "parquet":
        sink = io.BytesIO()
        rows = pa.table({"user_id": ["0" * 1000] * 5000, "signup_date": [SECRET] * 5000})
        pq.write_table(rows, sink, use_dictionary=False, compression="zstd")
        return sink.getvalue()
    return gzip.compress(b'{"user_id": "' + b"0" * (5 << 20))


STRICT, ADD_ONLY = {"schema_policy": "strict"}, {"schema_policy": "add_only"}
FULL = {
    "user_id": "7",
    "signup_date": "2026-01-05",
    "plan": SECRET,
    "is_paid": "1",
    "country": "DE",
    "marketing_source": "a",
}

LINE = json.dumps({"user_id": "7", "signup_date": "x", "plan": SECRET})


def _tar(suffix: str) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        content = written(ROWS, "csv")
        member = tarfile.TarInfo("users.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed(sink.getvalue(), suffix)


def _timestamps(unit: str) -> Content:
    def content(_: str) -> bytes:
        sink = io.BytesIO()
        at = pa.array([1_767_571_200_000_000_001 if unit == "ns" else 1_767_571_200_000_000], pa.timestamp(unit))
        pq.write_table(pa.table({"user_id": ["7"], "signup_date": at}), sink)
        return sink.getvalue()

    return content


REFUSED: tuple[Refused, ...] = (
    Refused(2, "zero bytes", lambda _: b"", "is empty (zero bytes)"),
    Refused(8, "a quote never closed", _text(f'user_id,signup_date\n7,"{SECRET}\n8,x\n'), "never closed", CSVS),
    Refused(8, "a stray quote", _text(f'user_id,signup_date\n7,5"{SECRET}\n'), "stray quote", CSVS),
    *(
        Refused(
            9,
            encoding,
            _edited(lambda d, e=encoding: d.replace(b"8", b"\xc3\x96").decode().encode(e)),
            "declare",
            TEXT_FORMATS,
        )
        for encoding in ("utf-16", "utf-16-le", "latin-1", "cp1252")
    ),
    Refused(13, "cut off", _cut, "truncated", ("csv.gz", "jsonl.gz", "parquet")),
    Refused(13, "a flipped bit", _flipped, "corrupt", ("csv.gz", "jsonl.gz", "parquet")),
    Refused(14, "a bomb", _bomb, "decompression bomb", ("csv.gz", "jsonl.gz", "parquet")),
    Refused(15, "another delimiter", _edited(lambda d: d.replace(b",", b";")), "declared delimiter", CSVS),
    Refused(15, "no header", _text(f"7,2026-01-05,{SECRET}\n"), "first line is a header", CSVS),
    Refused(
        15, "no row fits", _text("user_id,signup_date\n" + f"7;2026-01-05;{SECRET}\n" * 10), "none with as many", CSVS
    ),
    Refused(20, "required missing", _rows({"signup_date": "2026-01-05", "plan": SECRET}), "lacks required user_id"),
    Refused(20, "optional missing, strict", _rows(ROW), "lacks optional is_paid", declared=STRICT),
    Refused(20, "optional missing, add_only", _rows(ROW), "lacks optional is_paid", declared=ADD_ONLY),
    Refused(21, "extra, strict", _rows(FULL | {"x": SECRET}), "outside the contract ('x')", declared=STRICT),
    Refused(
        103,
        "rows that all end in a delimiter",
        _text("user_id,signup_date\n" + f"7,{SECRET},\n" * 10),
        "none with as many",
        CSVS,
    ),
    Refused(106, "a comma behind each object", _text("", f"{LINE},\n{LINE},\n"), "its lines end in commas", JSONLS),
    Refused(107, "objects on one line", _text("", f"{LINE}{LINE}\n"), "hold several objects", JSONLS),
    Refused(107, "objects on one line, apart", _text("", f"{LINE} {LINE}\n"), "hold several objects", JSONLS),
    Refused(108, "an array", _text("", f"[{LINE},{LINE}]"), "is one JSON array", JSONLS),
    Refused(108, "an array over lines", _text("", f"\n [\n{LINE},\n{LINE}\n]\n"), "is one JSON array", JSONLS),
    Refused(109, "indented", _text("", json.dumps(ROW, indent=2)), "stand on several lines", JSONLS),
    Refused(120, "comment", _text(f"# a report\n# {SECRET}\n\nuser_id,signup_date\n7,x\n"), "lines of comment", CSVS),
    Refused(124, "tar", _tar, "is a tar archive", TEXT_FORMATS),
    Refused(23, "a column twice", _twice, "twice", ("csv", "csv.gz", "parquet")),
)

ACCEPTED: tuple[Accepted, ...] = (
    Accepted(3, "header only", _text("user_id,signup_date\n", "\n"), (), TEXT_FORMATS),
    Accepted(
        *(4, "byte-order mark", _edited(lambda d: b"\xef\xbb\xbf" + d)),
        formats=TEXT_FORMATS,
        repairs={"byte_order_mark": 1},
    ),
    Accepted(5, "CRLF", _edited(lambda d: d.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")), formats=TEXT_FORMATS),
    Accepted(
        *(6, "fewer and more fields", _text("user_id,signup_date\n7,x\n1\n2,x,y\n8,x\n")),
        users=("7", None, None, "8"),
        formats=CSVS,
    ),
    Accepted(
        *(
            6,
            "no object",
            _text("", '{"user_id": 7, "signup_date": "x"}\nnope\n[1]\n{"user_id": 8, "signup_date": "x"}\n'),
        ),
        users=("7", None, None, "8"),
        formats=JSONLS,
    ),
    Accepted(6, "nine rows, none fits", _text("user_id,signup_date\n" + "7\n" * 9), (None,) * 9, CSVS),
    Accepted(6, "ten rows, one fits", _text("user_id,signup_date\n7,x\n" + "8\n" * 9), ("7", *[None] * 9), CSVS),
    Accepted(11, "no newline at the end", _edited(lambda d: d.rstrip()), formats=TEXT_FORMATS),
    Accepted(12, "gzip of two members", _two_members, formats=("csv.gz", "jsonl.gz")),
    Accepted(
        *(14, "a bomb that is expected", _rows(*[ROW] * 20_000), ("7",) * 20_000, ("csv.gz", "jsonl.gz")),
        declared={"max_compression_ratio": 100_000},
    ),
    Accepted(
        15,
        "the delimiter declared",
        _edited(lambda d: d.replace(b",", b";")),
        formats=CSVS,
        declared={"delimiter": ";"},
    ),
    Accepted(
        *(20, "an alias", _rows({"customer": "7", "signup_date": "x"})),
        users=("7",),
        declared={"columns": {"user_id": ["customer"]}},
    ),
    Accepted(20, "optional missing, flexible", _rows(ROW), ("7",)),
    Accepted(21, "extra, add_only", _rows(FULL | {"x": "1"}), ("7",), declared=ADD_ONLY),
    Accepted(21, "extra, flexible", _rows(FULL | {"x": "1"}), ("7",)),
    Accepted(22, "another order", _rows({"plan": "pro", "signup_date": "x", "user_id": "7"}), ("7",)),
    Accepted(
        *(102, "a delimiter at the end", _edited(lambda d: d.replace(b"\r\n", b"\n").replace(b"\n", b",\n"))),
        formats=CSVS,
        repairs={"header_name": 1},
    ),
    Accepted(
        *(102, "many delimiters", _text("user_id,signup_date,,,\n7,x,,,\n8,x,,,\n")),
        formats=CSVS,
        repairs={"header_name": 3},
    ),
    Accepted(
        *(103, "a delimiter at the end of some rows", _text("user_id,signup_date\n7,x\n8,x,\n")),
        users=("7", None),
        formats=CSVS,
    ),
    Accepted(
        *(104, "names with characters without width", _rows({"\u200buser_id": "7", "signup_date\u2060 ": "x"})),
        users=("7",),
        repairs={"header_name": 2},
    ),
    Accepted(114, "timestamps without a zone", _timestamps("us"), ("7",), ("parquet",)),
    Accepted(115, "timestamps of nanoseconds", _timestamps("ns"), ("7",), ("parquet",)),
    Accepted(
        *(116, "the header again", _text("user_id,signup_date\n7,x\nuser_id,signup_date\n8,x\n")),
        users=("7", "user_id", "8"),
        formats=CSVS,
    ),
    Accepted(
        *(117, "two byte-order marks", _edited(lambda d: b"\xef\xbb\xbf" * 2 + d)),
        formats=CSVS,
        repairs={"byte_order_mark": 1},
    ),
    Accepted(
        *(117, "byte-order marks", _edited(lambda d: b"\xef\xbb\xbf" + d.replace(b"\n{", b"\n\xef\xbb\xbf{"))),
        formats=JSONLS,
        repairs={"byte_order_mark": 1},
    ),
    Accepted(
        *(118, "rows of delimiters", _text("user_id,signup_date\n7,x\n8,x\n,\n,\n")),
        users=("7", "8", "", ""),
        formats=CSVS,
    ),
    Accepted(
        *(119, "dashes and a count", _text("user_id,signup_date\n-------,-----------\n7,x\n8,x\n(2 rows)\n")),
        users=("-------", "7", "8", None),
        formats=CSVS,
    ),
    Accepted(24, "case and padding", _rows({" USER_ID ": "7", "Signup_Date": "x"}), ("7",), repairs={"header_name": 2}),
)
