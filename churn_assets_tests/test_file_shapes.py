"""What a delivered file is by its content, whatever its name says, and the lines that spreadsheets put before a header."""

from __future__ import annotations

import gzip
import io
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from churn_assets.cli import cli
from churn_assets.errors import RefusedFile
from churn_assets.landing import LandedFile, read_file
from churn_assets.landing.delivery import BEGINNINGS
from churn_assets.landing.packing import GZIP, ZIP
from churn_assets.landing.records import read_records
from churn_assets.settings import Settings
from e_learning import PRODUCT
from erasure_worlds import erase_from_landing, erased

HEADER = "event_id,user_id,event_time,event_type\n"
CSV = HEADER + "1,7,2026-01-05T08:00:00,login\n2,8,2026-01-05T08:00:00,login\n"
JSONL = '{"event_id": 1, "user_id": 7, "event_time": "2026-01-05", "event_type": "login"}\n'


READ = ((GZIP, False), (ZIP, False))
"""What is no text, and is unpacked once."""


def deployment(data: Path, delimiter: str = ",") -> Settings:
    own = Settings(sources={"events": {"delimiter": delimiter}})  # type: ignore[arg-type]
    return own.model_copy(update={"data_dir": data})


def landed(data: Path, name: str, content: bytes) -> Path:
    path = data / "landing/events/date=2026-01-05" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def read(path: Path, own: Settings) -> LandedFile:
    return read_file(path, source="events", product=PRODUCT, settings=own.sources.events, landing_dir=own.landing_dir)


@pytest.mark.parametrize(("name", "text"), [("e.csv", CSV), ("e.jsonl", JSONL * 2), ("e.csv.gz", CSV)])
def test_gzip_is_known_by_its_content_and_stays_gzip(tmp_path: Path, name: str, text: str) -> None:
    own = deployment(tmp_path)
    path = landed(tmp_path, name, gzip.compress(text.encode()))
    assert read(path, own).table.num_rows == 2
    erase_from_landing(own, erased("7"), "7")
    assert "7" not in gzip.decompress(path.read_bytes()).decode().replace("2026-01-05", "")


def zipped(*members: tuple[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as file:
        for name, text in members:
            file.writestr(name, text)
    return archive.getvalue()


@pytest.mark.parametrize(
    ("name", "member", "text"),
    [
        ("e.zip", "events.csv", CSV),
        ("e.csv.zip", "data.txt", CSV),
        ("e.csv", "events", CSV),
        ("e.jsonl.zip", "part-0", JSONL * 2),
        ("E.ZIP", "export/2026/EVENTS.JSONL", JSONL * 2),
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_a_zip_archive_of_one_file_is_read_and_stays_one(
    tmp_path: Path, name: str, member: str, text: str, compression: int
) -> None:
    own = deployment(tmp_path)
    path = landed(
        tmp_path, name, zipped((member, text), ("__MACOSX/._e.csv", "x"), (".DS_Store", "x"), compression=compression)
    )
    assert read(path, own).table.column("user_id").to_pylist()[0] == "7"
    erase_from_landing(own, erased("7"), "7")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [member]
        left = archive.read(member).decode()
    assert left == (
        "".join(line for line in CSV.splitlines(keepends=True) if not line.startswith("1,")) if text == CSV else "\n"
    )


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (zipped(("a.csv", CSV), ("b.csv", CSV)), "is a zip archive of 2 files; deliver each of them by itself"),
        (zipped(("folder/", "")), "is a zip archive of 0 files"),
        (zipped(("[Content_Types].xml", "<x/>"), ("xl/workbook.xml", "<x/>")), "is a spreadsheet; export it as CSV"),
        (zipped(("e.csv", CSV))[:-30], "is not a valid zip archive (damaged or truncated)"),
        (
            zipped(("e.csv", CSV * 50)).replace(b"login", b"log1n", 1)[:60] + zipped(("e.csv", CSV))[60:],
            "is not a valid zip archive",
        ),
        (zipped(("e.csv", "a" * 5_000_000)), "unpacks to more than 200 times its size"),
        (zipped(("e.csv", gzip.compress(CSV.encode()))), "is gzip data and no "),
        (b"PK\x03\x04" + b"\0" * 100, "is not a valid zip archive (damaged or truncated)"),
    ],
    ids=["two files", "no file", "spreadsheet", "truncated", "damaged", "bomb", "gzip inside", "noise"],
)
@pytest.mark.parametrize("name", ["e.csv", "e.csv.zip"])
def test_any_other_zip_archive_is_refused_as_what_it_is(tmp_path: Path, name: str, content: bytes, cause: str) -> None:
    with pytest.raises(RefusedFile) as refused:
        read(landed(tmp_path, name, content), deployment(tmp_path))
    assert cause in str(refused.value)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(("e.csv", CSV)))
    for beginning, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(beginning) + at] |= 1
    with pytest.raises(RefusedFile, match="is an encrypted zip archive; deliver it without a password"):
        read(landed(tmp_path, "e.zip", bytes(content)), deployment(tmp_path))


def test_a_name_that_says_zip_over_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedFile, match="is not a zip archive, though its name says so"):
        read(landed(tmp_path, "e.zip", CSV.encode()), deployment(tmp_path))
    with pytest.raises(RefusedFile, match=r"is of no known format; its name must end in one of \.csv, \.jsonl"):
        read(landed(tmp_path, "e.zip", zipped(("e.xml", "<x/>"))), deployment(tmp_path))


def test_a_zipped_dump_is_looked_at_and_landed(tmp_path: Path) -> None:
    users, events = tmp_path / "users.zip", tmp_path / "events.csv.zip"
    users.write_bytes(zipped(("u.csv", "user_id,signup_date,plan\n7,2026-01-01,free\n8,2026-01-02,pro\n")))
    events.write_bytes(zipped(("anything", CSV)))
    run = CliRunner()
    for arguments in (["init", str(users), str(events)], ["land", str(users), str(events)]):
        done = run.invoke(cli, ["--data", str(tmp_path / "data"), *arguments])
        assert done.exit_code == 0, done.output
    written = (tmp_path / "data/landing/events/date=2026-01-05/events.csv").read_text()
    assert written == CSV


def test_a_name_that_says_gzip_over_plain_text_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RefusedFile, match=r"is not valid gzip .*without \.gz in its name"):
        read(landed(tmp_path, "e.csv.gz", CSV.encode()), deployment(tmp_path))


@pytest.mark.parametrize("name", ["e.csv", "e.tsv", "e.jsonl", "e.json"])
@pytest.mark.parametrize(
    ("beginning", "is_gzipped"),
    [pair for pair in product(BEGINNINGS, (False, True)) if pair not in READ],
    ids=lambda value: str(value) if isinstance(value, bool) else BEGINNINGS[value][0],
)
def test_what_is_no_text_is_called_by_its_name_before_encodings_are(
    tmp_path: Path, name: str, beginning: bytes, is_gzipped: bool
) -> None:
    content = beginning + bytes(range(256))
    path = landed(tmp_path, name, gzip.compress(content) if is_gzipped else content)
    what, remedy = BEGINNINGS[beginning]
    with pytest.raises(RefusedFile) as refused:
        read(path, deployment(tmp_path))
    assert f"is {what} and no " in str(refused.value) and remedy in str(refused.value)


@pytest.mark.parametrize("line", ["sep=;\n", "SEP=;\r\n", "sep=;\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_line_that_names_the_separator_is_no_header_and_stays(tmp_path: Path, line: str, mark: bytes) -> None:
    own = deployment(tmp_path, ";")
    content = mark + (line + CSV.replace(",", ";")).encode()
    path = landed(tmp_path, "e.csv", content)
    assert read(path, own).table.column("user_id").to_pylist() == ["7", "8"]
    assert read_records(path, "events", own, own.landing_dir).rows.only(np.array([True, True])) == content
    erase_from_landing(own, erased("7"), "7")
    assert path.read_bytes() == content.replace(b"1;7;2026-01-05T08:00:00;login\n", b"")


def test_a_line_that_names_another_separator_is_refused(tmp_path: Path) -> None:
    path = landed(tmp_path, "e.csv", b"sep=;\n" + CSV.replace(",", ";").encode())
    with pytest.raises(RefusedFile, match="says in its first line that ';' separates its values, and ',' is declared"):
        read(path, deployment(tmp_path))


def test_a_column_that_is_only_called_like_that_line_is_a_header(tmp_path: Path) -> None:
    own = deployment(tmp_path)
    assert read(landed(tmp_path, "e.csv", ("sep=x," + CSV.replace("\n", "\n0,").removesuffix("0,")).encode()), own)


def test_an_index_without_a_name_is_refused_with_the_writers_remedy(tmp_path: Path) -> None:
    path = landed(tmp_path, "e.csv", f",{HEADER}0,1,7,2026-01-05,login\n".encode())
    with pytest.raises(RefusedFile, match=r"no name for column 1 .*to_csv\(index=False\)"):
        read(path, deployment(tmp_path))
