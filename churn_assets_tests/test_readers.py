"""Readers: each way a landed file can be odd, and what a careful reader makes of it (BAD_INPUTS.md, by number)."""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from churn_assets.errors import RefusedFile
from churn_assets.landing import Drift, LandedFile, read_file
from churn_assets.landing import csv_file as csv_module
from churn_assets.settings import MEBIBYTE, EventsSettings, SourceSettings, UsersSettings
from churn_assets_tests.fuzz.cases import whole_row
from delivered import FORMATS, TEXT_FORMATS, written
from e_learning import PRODUCT, SOURCE_COLUMNS

DAY = "users/date=2026-01-01"
SECRET = "s3cr3t-value"
HEADER = "user_id,signup_date,plan,is_paid,country,marketing_source\n"
GOOD_ROW = f"1,2026-01-01,{SECRET},true,DE,ads\n"


def deliver(folder: Path, content: bytes | str, name: str = "a.csv") -> Path:
    path = folder / "landing" / DAY / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder: Path, content: bytes | str, name: str = "a.csv", **declared: Any) -> LandedFile:
    return read_path(deliver(folder, content, name), folder, **declared)


def read_path(path: Path, folder: Path, **declared: Any) -> LandedFile:
    return read_file(
        path, source="users", product=PRODUCT, settings=UsersSettings(**declared), landing_dir=folder / "landing"
    )


def refusal_of(path: Path, folder: Path, **declared: Any) -> str:
    """The sentence a file is refused with; it names the file and shows no value of a row."""
    with pytest.raises(RefusedFile) as raised:
        read_path(path, folder, **declared)
    message = str(raised.value)
    assert path.name in message
    assert message.endswith(".") and message.isprintable()
    assert SECRET not in message and raised.value.__cause__ is None
    return message


def refusal(folder: Path, content: bytes | str, name: str = "a.csv", **declared: Any) -> str:
    message = refusal_of(deliver(folder, content, name), folder, **declared)
    assert message.startswith(f"landing/{DAY}/{name} ")
    return message


def values(landed: LandedFile, *columns: str) -> list[tuple[Any, ...]]:
    return list(zip(*(landed.table[name].to_pylist() for name in columns), strict=True))


def with_values(**columns: str | None) -> dict[str, str | None]:
    return {"user_id": "1", "signup_date": "2026-01-01", **columns}


# What a file becomes


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_table(tmp_path: Path, suffix: str) -> None:
    rows = [with_values(plan="pro", score="0.50"), with_values(plan="", score="")]
    landed = read(tmp_path, written(rows, suffix), f"a.{suffix}")
    assert landed.table.column_names == [*SOURCE_COLUMNS["users"], "extra", "source_file", "source_row", "read_error"]
    assert values(landed, "user_id", "plan", "country", "extra", "source_file", "source_row", "read_error") == [
        ("1", "pro", None, '{"score": "0.50"}', f"{DAY}/a.{suffix}", 1, None),
        ("1", "", None, '{"score": ""}', f"{DAY}/a.{suffix}", 2, None),
    ]
    texts = landed.table.drop(["source_file", "source_row"])
    assert set(texts.schema.types) == {pa.string()} and landed.table.schema.field("source_row").type == pa.int64()
    assert landed.drift == Drift(added=("score",), missing=("is_paid", "country", "marketing_source"))
    assert landed.repairs == {}
    landed.table.validate(full=True)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    "text",
    [
        *("007", "12.0", "1e5", "9223372036854775808", "NaN", "null", "NA", "true", " padded ", "2026-02-30"),
        *("a\nb\r\nc\rd", 'say "hi", twice', '"', "back\\slash", "tab\t", "\x01", "nul\x00byte", "\u2028", "\x85"),
        *(
            "<script>alert(1)</script>",
            "=1+1",
            "+1",
            "-1",
            "@x",
            "e\u0301",
            "🙂",
            "\u202eabc\u05d0\u05d1",
            "{}",
            "'; DROP TABLE x",
        ),
    ],
)
def test_7_10_38_56_values_are_kept_exactly(tmp_path: Path, suffix: str, text: str) -> None:
    rows = [with_values(plan=text, other=text), with_values(plan="next", other="next")]
    landed = read(tmp_path, written(rows, suffix), f"a.{suffix}")
    assert landed.table["plan"].to_pylist() == [text, "next"]
    assert [json.loads(extra) for extra in landed.table["extra"].to_pylist()] == [{"other": text}, {"other": "next"}]


def test_2_zero_bytes_are_refused(tmp_path: Path) -> None:
    for name in (f"a.{suffix}" for suffix in FORMATS):
        assert "is empty (zero bytes)" in refusal(tmp_path, b"", name)
    assert "is empty (zero bytes)" in refusal(tmp_path, gzip.compress(b""), "b.csv.gz")


@pytest.mark.parametrize("content", [HEADER, HEADER.strip(), HEADER + "\n\r\n", '"user_id","signup_date"\r'])
def test_3_header_only_is_a_day_without_rows(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content).table.num_rows == 0


def test_3_blank_lines_are_an_empty_day_in_jsonl_and_no_header_in_csv(tmp_path: Path) -> None:
    landed = read(tmp_path, "\n\n", "a.jsonl", schema_policy="strict")
    assert (landed.table.num_rows, landed.drift) == (0, Drift())
    assert "has no header" in refusal(tmp_path, "\n\r\n")


@pytest.mark.parametrize("suffix", TEXT_FORMATS)
def test_4_byte_order_mark_is_removed_and_counted(tmp_path: Path, suffix: str) -> None:
    data = written([with_values()], suffix)
    marked = b"\xef\xbb\xbf" + (gzip.decompress(data) if suffix.endswith(".gz") else data)
    landed = read(tmp_path, gzip.compress(marked) if suffix.endswith(".gz") else marked, f"a.{suffix}")
    assert values(landed, "user_id") == [("1",)]
    assert landed.repairs == {"byte_order_mark": 1}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_5_11_any_line_end_and_none_at_the_end_of_file(tmp_path: Path, line_end: str, last: bool) -> None:
    lines = ["", "user_id,signup_date", "1,x", "", "2,y"]
    landed = read(tmp_path, line_end.join(lines) + line_end * last)
    assert values(landed, "user_id", "signup_date", "source_row") == [("1", "x", 1), ("2", "y", 2)]
    if line_end != "\r":
        objects = line_end.join(["", '{"user_id": 1, "signup_date": "x"}', "", '{"user_id": 2, "signup_date": "y"}'])
        landed = read(tmp_path, objects + line_end * last, "a.jsonl")
        assert values(landed, "user_id", "signup_date", "source_row") == [("1", "x", 1), ("2", "y", 2)]


@pytest.mark.parametrize("blocks", ["one block", "many blocks"])
def test_6_malformed_row_stands_in_its_place_and_leaves_its_neighbours_alone(
    tmp_path: Path, blocks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if blocks == "many blocks":
        monkeypatch.setattr(csv_module, "BLOCK_BYTES", 32)
    landed = read(tmp_path, 'user_id,signup_date,x\n1,a,p\n\n2,"b\n, c"\n3,c,"q\nr"\n4,d,s,t\n5,"e"",",u\n ')
    assert values(landed, "user_id", "signup_date", "extra", "source_row", "read_error") == [
        ("1", "a", '{"x": "p"}', 1, None),
        (None, None, '{"line": "2,\\"b\\n, c\\""}', 2, "malformed_row"),
        ("3", "c", '{"x": "q\\nr"}', 3, None),
        (None, None, '{"line": "4,d,s,t"}', 4, "malformed_row"),
        ("5", 'e",', '{"x": "u"}', 5, None),
        (None, None, '{"line": " "}', 6, "malformed_row"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        *(
            "not json",
            "[1, 2]",
            '"text"',
            "7",
            "null",
            '{"user_id": 1',
            '{"user_id": 1} {}',
            '{"user_id": 1, "user_id": 2}',
        ),
        *('{"user_id": 1, " USER_ID": 2}', '{"": 1}', '{"x": "\\ud800"}', '{"\\udfff": 1}', '{"x": ["\\ud800"]}'),
        *('{"x": {"y": 1, "y": 2}}', '{"x": "a\tb"}', "\xa0", '{"x": ' + "[" * 70 + "]" * 70 + "}"),
        '{"x": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
    ids=lambda line: line[:20],
)
def test_6_a_line_that_is_no_json_object_is_a_malformed_row(tmp_path: Path, line: str) -> None:
    good = '{"user_id": 1, "signup_date": "d"}'
    landed = read(tmp_path, "\n".join([good, line, "", good]), "a.jsonl")
    assert values(landed, "user_id", "extra", "source_row", "read_error") == [
        ("1", None, 1, None),
        (None, json.dumps({"line": line}, ensure_ascii=False), 2, "malformed_row"),
        ("1", None, 3, None),
    ]


def test_7_a_field_longer_than_a_block(tmp_path: Path) -> None:
    long = "x,\n" * MEBIBYTE
    landed = read(tmp_path, f'user_id,signup_date\n1,a\n2,"{long}"\n3\n4,b\n')
    assert landed.table["signup_date"].to_pylist() == ["a", long, None, "b"]


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ('1,"never\n2,closed\n', "a quote opened on line 2 that is never closed"),
        ('1,a\r\n2,"x\r\n3,"c"\r\n', "a quote opened on line 3 not closed at its field's end"),
        ('1,a\r2,5" screen\r', "a stray quote on line 3"),
        ('1,a\n2,"5"z\n', "a stray quote on line 3"),
        ('1,""a""\n', "a stray quote on line 2"),
        ('1,"a"""\n2,"', "a quote opened on line 3 that is never closed"),
        ('1," "x" "\n', "a stray quote on line 2"),
    ],
)
def test_8_quotes_that_do_not_pair_up_are_refused_with_their_line(tmp_path: Path, body: str, cause: str) -> None:
    assert cause in refusal(tmp_path, "user_id,signup_date\n" + body)


@pytest.mark.parametrize(
    ("written_in", "declare"),
    [
        *(("utf-16", '"utf-16"'), ("utf-16-le", '"utf-16-le"'), ("utf-16-be", '"utf-16-be"'), ("utf-32", '"utf-32"')),
        *(("latin-1", '"latin-1"'), ("cp1252", '"cp1252"')),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_9_another_encoding_is_refused_and_read_once_declared(
    tmp_path: Path, suffix: str, written_in: str, declare: str
) -> None:
    data = written([with_values(country="Österreich")], suffix).decode().encode(written_in)
    assert declare in refusal(tmp_path, data, f"a.{suffix}")
    assert values(read(tmp_path, data, f"a.{suffix}", encoding=written_in), "country") == [("Österreich",)]


@pytest.mark.parametrize("zeros", [60, 61, 400])
def test_9_a_block_of_zeros_is_a_damaged_row_and_no_wide_encoding(tmp_path: Path, zeros: int) -> None:
    landed = read(tmp_path, "user_id,signup_date\n1,x\n2," + "\0" * zeros + "\n3,y\n")
    assert values(landed, "user_id", "signup_date") == [("1", "x"), ("2", "\0" * zeros), ("3", "y")]


@pytest.mark.parametrize(
    ("encoding", "cause"),
    [
        *(("ascii", "not valid ascii"), ("utf-16", "not valid utf-16")),
        *(("utf-8", "not valid UTF-8"), ("utf-8-sig", "not valid UTF-8")),
    ],
)
def test_9_an_encoding_that_does_not_fit_is_refused(tmp_path: Path, encoding: str, cause: str) -> None:
    assert cause in refusal(tmp_path, HEADER.encode() + b"1,d\xf6,x,x,x,x\n", encoding=encoding)


def test_12_gzip_of_several_members(tmp_path: Path) -> None:
    data = gzip.compress(HEADER.encode()) + gzip.compress(b"") + gzip.compress(GOOD_ROW.encode())
    assert values(read(tmp_path, data, "a.csv.gz"), "user_id") == [("1",)]


def test_13_truncated_or_corrupt_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + GOOD_ROW * 50).encode())
    for cut in range(1, len(whole)):
        assert "truncated gzip" in refusal(tmp_path, whole[:cut], "a.csv.gz")
    flipped = bytearray(whole)
    flipped[-6] ^= 1  # the CRC
    assert "not valid gzip" in refusal(tmp_path, bytes(flipped), "a.csv.gz")
    assert "not valid gzip" in refusal(tmp_path, HEADER, "a.csv.gz")
    assert "bytes after the end" in refusal(tmp_path, whole + b"junk", "a.csv.gz")


def test_13_truncated_or_corrupt_parquet_is_refused(tmp_path: Path) -> None:
    whole = written([with_values(plan=SECRET)] * 50, "parquet")
    for cut in range(1, len(whole), 7):
        assert "not valid Parquet" in refusal(tmp_path, whole[:cut], "a.parquet")
    assert "not valid Parquet" in refusal(tmp_path, HEADER, "a.parquet")
    invalid = pa.array([b"\xff"]).view(pa.string())
    sink = io.BytesIO()
    pq.write_table(pa.table({"user_id": invalid, "signup_date": ["x"]}), sink)
    assert "not valid Parquet" in refusal(tmp_path, sink.getvalue(), "a.parquet")


def test_14_decompression_bomb_is_refused_by_ratio_and_by_size(tmp_path: Path) -> None:
    bomb = gzip.compress(HEADER.encode() + b"0" * 5 * MEBIBYTE)
    assert "max_compression_ratio" in refusal(tmp_path, bomb, "a.csv.gz")
    loose = {"max_compression_ratio": 10_000}
    assert "max_file_mebibytes" in refusal(tmp_path, bomb, "a.csv.gz", max_file_mebibytes=4, **loose)
    assert read(tmp_path, bomb, "a.csv.gz", **loose).table.num_rows == 1
    small = gzip.compress((HEADER + GOOD_ROW * 20_000).encode())  # repetitive, but under 1 MiB
    assert read(tmp_path, small, "a.csv.gz", max_compression_ratio=2).table.num_rows == 20_000
    assert "max_file_mebibytes" in refusal(tmp_path, zlib.decompress(bomb, 31), max_file_mebibytes=4)


def test_14_parquet_bomb_is_refused(tmp_path: Path) -> None:
    rows = pa.table({"user_id": ["0" * 1000] * 5000, "signup_date": ["x"] * 5000})
    for use_dictionary, setting in ((False, "max_compression_ratio"), (True, "max_file_mebibytes")):
        sink = io.BytesIO()
        pq.write_table(rows, sink, use_dictionary=use_dictionary, compression="zstd")
        assert setting in refusal(
            tmp_path, sink.getvalue(), "a.parquet", max_file_mebibytes=1 if use_dictionary else 99
        )


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_15_wrong_delimiter_or_no_header_is_refused_without_showing_the_first_line(tmp_path: Path, suffix: str) -> None:
    pack: Callable[[str], bytes] = lambda text: gzip.compress(text.encode()) if suffix == "csv.gz" else text.encode()  # noqa: E731
    no_header = refusal(tmp_path, pack(GOOD_ROW * 2), f"a.{suffix}")
    assert (
        "has 6 columns but lacks required user_id, signup_date" in no_header and "first line is a header" in no_header
    )
    semicolons = refusal(tmp_path, pack((HEADER + GOOD_ROW).replace(",", ";")), f"a.{suffix}")
    assert "has 1 column but lacks required user_id, signup_date" in semicolons and "declared delimiter" in semicolons
    landed = read(tmp_path, pack((HEADER + GOOD_ROW).replace(",", ";")), f"a.{suffix}", delimiter=";")
    assert values(landed, "user_id", "country") == [("1", "DE")]


@pytest.mark.parametrize("delimiter", ["§", '"', "\n", "\r", "\0", "a", "7", "_", ".", "-", "+", "\\", "", "||"])
def test_15_a_delimiter_that_cannot_be_one_is_refused(delimiter: str) -> None:
    with pytest.raises(ValidationError):
        SourceSettings(delimiter=delimiter)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", " ", ":", "\x01", "\x1f"])
def test_15_any_other_is_taken(tmp_path: Path, delimiter: str) -> None:
    content = "user_id,signup_date,plan\n1,2026-01-01,free\n".replace(",", delimiter)
    assert read(tmp_path, content, delimiter=delimiter).table["plan"].to_pylist() == ["free"]


def test_16_the_same_file_has_the_same_digest_under_any_name(tmp_path: Path) -> None:
    one, again, other = (read(tmp_path, HEADER + row, name) for row, name in
                         ((GOOD_ROW, "a.csv"), (GOOD_ROW, "b.csv"), (GOOD_ROW * 2, "c.csv")))  # fmt: skip
    assert one.digest == again.digest != other.digest
    assert one.table.drop(["source_file"]).equals(again.table.drop(["source_file"]))


def test_17_paths_out_of_the_landing_folder_are_refused(tmp_path: Path) -> None:
    inside = deliver(tmp_path, HEADER)
    outside = tmp_path / "outside.csv"
    outside.write_text(HEADER)
    link, loop, alias = (inside.with_name(name) for name in ("link.csv", "loop.csv", "alias.csv"))
    link.symlink_to(outside)
    loop.symlink_to(loop)
    alias.symlink_to(inside)
    for path in (outside, link, inside.parent / "../../../outside.csv"):
        assert "lies outside the landing folder" in refusal_of(path, tmp_path)
    refusal_of(loop, tmp_path)
    assert read_path(alias, tmp_path).table.num_rows == 0


def test_17_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    path = deliver(tmp_path, HEADER)
    folder, pipe = path.with_name("folder.csv"), path.with_name("pipe.csv")
    folder.mkdir()
    os.mkfifo(pipe)
    assert "not a regular file" in refusal_of(folder, tmp_path)
    assert "not a regular file" in refusal_of(pipe, tmp_path)
    assert "cannot be read (No such file or directory)" in refusal_of(path.with_name("absent.csv"), tmp_path)
    if os.geteuid():
        path.chmod(0)
        assert "cannot be read (Permission denied)" in refusal_of(path, tmp_path)


@pytest.mark.parametrize("name", ["a.txt", "a.csv.bz2", "a.parquet.gz", "csv"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    assert "is of no known format" in refusal(tmp_path, HEADER, name)


def test_a_declared_format_is_the_only_one_accepted(tmp_path: Path) -> None:
    assert "declared format csv" in refusal(tmp_path, written([with_values()], "jsonl"), "a.jsonl", format="csv")
    assert read(tmp_path, written([with_values()], "csv.gz"), "A.CSV.GZ", format="csv").table.num_rows == 1


# Columns


@pytest.mark.parametrize("suffix", FORMATS)
def test_20_required_column_missing_is_refused_and_an_alias_resolves_it(tmp_path: Path, suffix: str) -> None:
    data = written([{"Customer": "1", "signup_date": "x", "plan": SECRET}], suffix)
    message = refusal(tmp_path, data, f"a.{suffix}")
    assert "has 3 columns but lacks required user_id;" in message and "[sources.users.columns]" in message
    landed = read(tmp_path, data, f"a.{suffix}", columns={"user_id": ["uid", "customer"]})
    assert values(landed, "user_id") == [("1",)]
    assert landed.drift.renamed == (("Customer", "user_id"),)
    assert landed.repairs == {"header_name": 1}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("policy", ["strict", "add_only", "flexible"])
def test_20_21_schema_policy(tmp_path: Path, suffix: str, policy: str) -> None:
    full: dict[str, str | None] = dict.fromkeys(SOURCE_COLUMNS["users"], "v")
    added, missing, renamed = (
        full | {"score": "0.9"},
        {name: "v" for name in full if name != "plan"},
        {"tier" if name == "plan" else name: "v" for name in full},
    )

    def outcome(row: dict[str, str | None]) -> Drift | str:
        data, declared = written([row], suffix), {"schema_policy": policy, "columns": {"plan": ["tier"]}}
        try:
            return read(tmp_path, data, f"a.{suffix}", **declared).drift
        except RefusedFile:
            return refusal(tmp_path, data, f"a.{suffix}", **declared)

    assert outcome(full) == Drift()
    assert outcome(renamed) == Drift(renamed=(("tier", "plan"),))
    if policy == "strict":
        assert "has columns outside the contract ('score')" in str(outcome(added))
    else:
        assert outcome(added) == Drift(added=("score",))
    if policy == "flexible":
        assert outcome(missing) == Drift(missing=("plan",))
    else:
        assert f'lacks optional plan, which schema_policy = "{policy}" does not allow' in str(outcome(missing))


@pytest.mark.parametrize("suffix", FORMATS)
def test_21_extra_columns_keep_their_order_and_reserved_names_are_extra_too(tmp_path: Path, suffix: str) -> None:
    reserved = {"read_error": "boo", "zeta": "1", "landing_date": "2020-01-01", "source_row": "9", "extra": "{}"}
    landed = read(tmp_path, written([with_values(**reserved)], suffix), f"a.{suffix}")
    assert values(landed, "extra", "source_row", "read_error") == [(json.dumps(reserved), 1, None)]


@pytest.mark.parametrize("suffix", FORMATS)
def test_22_24_columns_in_any_order_case_and_padding(tmp_path: Path, suffix: str) -> None:
    data = written([{"PLAN": "pro", " user_id\t": "1", "signup_date": "x"}], suffix)
    landed = read(tmp_path, data, f"a.{suffix}")
    assert values(landed, "user_id", "signup_date", "plan") == [("1", "x", "pro")]
    assert landed.repairs == {"header_name": 2}
    assert landed.drift.renamed == ()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (["user_id", "signup_date", "plan", "Plan "], "has the column 'plan' twice"),
        (["user_id", "signup_date", "x", "X"], "has the column 'x' twice"),
        (["user_id", "signup_date", "tier", "plan"], "has both 'tier' and 'plan' for plan"),
        (["user_id", "signup_date", "x", " "], "has no name for column 4"),
    ],
)
def test_23_the_same_column_twice_or_without_a_name_is_refused(
    tmp_path: Path, suffix: str, names: list[str], cause: str
) -> None:
    row = dict.fromkeys(names, SECRET)
    assert cause in refusal(tmp_path, written([row], suffix), f"a.{suffix}", columns={"plan": ["tier"]})


def test_23_the_same_name_twice_in_parquet_and_csv(tmp_path: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([SECRET])] * 3, names=["user_id", "signup_date", "user_id"]), sink)
    assert "has the column 'user_id' twice" in refusal(tmp_path, sink.getvalue(), "a.parquet")
    assert "has the column 'user_id' twice" in refusal(tmp_path, f"user_id,signup_date,user_id\n1,2,{SECRET}\n")


def test_23_a_value_that_stands_where_a_name_should_is_not_shown(tmp_path: Path) -> None:
    """A header that lost its line end, so that the first row stands among the names."""
    header = "user_id,signup_date,plan,1,s3cr3t-value 7,s3cr3t-value 7"
    for content, declared in ((f"{header}\n", {}), (f"{header}8\n", {"schema_policy": "strict"})):
        assert "(no plain name)" in refusal(tmp_path, content, **declared)


def test_25_schema_versions_in_one_day_align_file_by_file(tmp_path: Path) -> None:
    declared = {"columns": {"marketing_source": ["channel"]}}
    v1 = read(tmp_path, "user_id,signup_date,plan\n1,x,pro\n", "v1.csv", **declared)
    v2 = read(tmp_path, "user_id,signup_date,plan,channel\n2,x,pro,ads\n", "v2.csv", **declared)
    v3 = read(tmp_path, "user_id,signup_date,channel,score\n3,x,ads,7\n", "v3.csv", **declared)
    together = pa.concat_tables([v1.table, v2.table, v3.table], promote_options="none")
    assert together.select(["user_id", "plan", "marketing_source", "extra"]).to_pydict() == {
        "user_id": ["1", "2", "3"],
        "plan": ["pro", "pro", None],
        "marketing_source": [None, "ads", "ads"],
        "extra": [None, None, '{"score": "7"}'],
    }
    assert [(f.drift.added, len(f.drift.missing), f.drift.renamed) for f in (v1, v2, v3)] == [
        ((), 3, ()),
        ((), 2, (("channel", "marketing_source"),)),
        (("score",), 3, (("channel", "marketing_source"),)),
    ]


def test_25_schema_versions_in_one_jsonl_file(tmp_path: Path) -> None:
    lines = (
        {"user_id": 1, "signup_date": "x", "plan": "pro", "Score": 1.50},
        {"signup_date": "x", "user_id": 2, "channel": "ads"},
        {"USER_ID": 3, "signup_date": "x", "marketing_source": None, "utm": "ads", "score": None},
    )
    content = "\n".join(map(json.dumps, lines))
    landed = read(tmp_path, content, "a.jsonl", columns={"marketing_source": ["channel"]})
    assert values(landed, "user_id", "plan", "marketing_source", "extra") == [
        ("1", "pro", None, '{"Score": "1.5", "utm": null}'),
        ("2", None, "ads", '{"Score": null, "utm": null}'),
        ("3", None, None, '{"Score": null, "utm": "ads"}'),
    ]
    assert landed.drift == Drift(("Score", "utm"), ("is_paid", "country"), (("channel", "marketing_source"),))
    assert landed.repairs == {"header_name": 1}


def test_the_default_alias_of_events(tmp_path: Path) -> None:
    path = deliver(tmp_path, "event_id,user_id,event_time,event_type,course_name\n1,2,x,login,C1\n")
    landed = read_file(
        path, source="events", product=PRODUCT, settings=EventsSettings(), landing_dir=tmp_path / "landing"
    )
    assert values(landed, "course_id") == [("C1",)]
    assert landed.drift.renamed == (("course_name", "course_id"),)


def test_aliases_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    assert "names 'plam', which is no column of users" in refusal(tmp_path, HEADER, columns={"plam": ["x"]})
    both = {"plan": ["x"], "country": ["X"]}
    assert "gives the name 'X' to both plan and country" in refusal(tmp_path, HEADER, columns=both)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_names_that_are_data_are_refused(tmp_path: Path, suffix: str) -> None:
    row = with_values(**{f"key{n}": "1" for n in range(2000)})
    assert "than 2000" in refusal(tmp_path, written([row], suffix), f"a.{suffix}")


# Typed formats as text


def test_json_values_keep_their_text(tmp_path: Path) -> None:
    texts = {
        "12.70": "12.70", "1E400": "1E400", "9" * 5000: "9" * 5000, "-0": "-0", "NaN": "NaN", "true": "true",
        "false": "false", "null": None, '"null"': "null", '"\\u00e9\\ud83d\\ude42"': "é🙂",
        '{"b": [1.10, "x\\"", null, true], "a": {}}': '{"b":[1.10,"x\\"",null,true],"a":{}}',
    }  # fmt: skip
    lines = (f'{{"user_id": {text}, "signup_date": "d", "x": {text}}}' for text in texts)
    landed = read(tmp_path, "\n".join(lines), "a.jsonl")
    assert landed.table["user_id"].to_pylist() == list(texts.values())
    assert [json.loads(extra)["x"] for extra in landed.table["extra"].to_pylist()] == list(texts.values())


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array([2**63 - 1, None, -1]), ["9223372036854775807", None, "-1"]),
        (pa.array([12.0, 0.1, 1e300, float("inf")]), ["12", "0.1", "1e+300", "inf"]),
        (pa.array([0.1], pa.float32()), ["0.1"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([Decimal("12.70")]), ["12.70"]),
        (pa.array([date(2024, 2, 29)]), ["2024-02-29"]),
        (pa.array([datetime(2024, 2, 29, 23, 59, 59, 999_999)]), ["2024-02-29 23:59:59.999999"]),
        (
            pa.array([datetime(2024, 1, 1, tzinfo=timezone.utc)], pa.timestamp("ms", "Asia/Kolkata")),
            ["2024-01-01 00:00:00.000Z"],
        ),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.nulls(2), [None, None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_parquet_values_become_exact_text(tmp_path: Path, array: pa.Array, texts: list[str | None]) -> None:
    sink = io.BytesIO()
    ids = pa.array([str(n) for n in range(len(array))])
    pq.write_table(pa.table({"user_id": ids, "signup_date": ids, "plan": array, "x": array}), sink)
    landed = read(tmp_path, sink.getvalue(), "a.parquet")
    assert landed.table["plan"].to_pylist() == texts
    assert [json.loads(extra)["x"] for extra in landed.table["extra"].to_pylist()] == texts
    if pa.types.is_timestamp(array.type):
        assert landed.table["plan"].cast(array.type).combine_chunks().equals(array)


def test_parquet_columns_that_are_no_text_are_refused(tmp_path: Path) -> None:
    nested, binary = pa.array([{"a": [1, None, "é"]}["a"][:2]]), pa.array([SECRET.encode()])

    def file(**columns: pa.Array) -> bytes:
        sink = io.BytesIO()
        pq.write_table(pa.table({"user_id": ["1"], "signup_date": ["d"], **columns}), sink)
        return sink.getvalue()

    assert "holds 'plan' as list<" in refusal(tmp_path, file(plan=nested), "a.parquet")
    for column in (binary, pa.array([[SECRET.encode()]]), pa.array([{"k": SECRET.encode()}])):
        assert "write it as text" in refusal(tmp_path, file(x=column), "a.parquet")
    assert values(read(tmp_path, file(x=nested), "a.parquet"), "extra") == [('{"x": "[1,null]"}',)]


# Properties

FAST = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text(
    st.sampled_from('",\r\n\\\x00a'), max_size=6
)


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, str | None]]:
    optional = st.sampled_from([*SOURCE_COLUMNS["users"][2:], "landing_date", "größe", 'a "b", c', "back\\slash"])
    names = draw(st.permutations(["user_id", "signup_date", *draw(st.lists(optional, unique=True))]))
    row = st.tuples(*(TEXT for _ in names))
    return [dict(zip(names, cells, strict=True)) for cells in draw(st.lists(row, min_size=1, max_size=6))]


@FAST
@given(rows=tables(), suffix=st.sampled_from(FORMATS))
def test_whatever_is_written_is_read_back_exactly(
    tmp_path: Path, rows: list[dict[str, str | None]], suffix: str
) -> None:
    landed = read(tmp_path, written(rows, suffix), f"a.{suffix}")
    assert [whole_row(row) for row in landed.table.to_pylist()] == rows
    assert landed.table["source_row"].to_pylist() == list(range(1, len(rows) + 1))
    assert landed.table["read_error"].null_count == len(rows)
