"""Which records of a file are an erased user's, and files written again without them: every other record keeps its bytes."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_assets.automation.erasure_text import blot_out, files_naming, is_unmistakable
from churn_assets.files import UNFINISHED
from churn_assets.landing.erased import Erased, canonical
from churn_assets.landing.erasing import remove_leftovers, rename_without, search_landing
from churn_assets.landing.reading import read_file
from churn_assets.settings import Settings
from e_learning import PRODUCT
from erasure_worlds import dagster_log, erase_from_landing, erased
from sizes import examples

DAY = "date=2026-01-05"
HEAD = b"event_id,user_id,event_time,event_type,note\n"


NOBODY = "no text of any file"


def deployment(data: Path, id_type: str = "integer", **of_events: Any) -> Settings:
    sources = {"users": {"id_type": id_type}, "events": of_events}
    return Settings(sources=sources).model_copy(update={"data_dir": data})  # type: ignore[arg-type]


def landed(data: Path, name: str, content: bytes) -> Path:
    path = data / "landing/events" / DAY / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def without(data: Path, sought: Erased, settings: Settings) -> int:
    """Erase from the landing; how many records went."""
    records = erase_from_landing(settings, sought, NOBODY)
    assert search_landing(settings, sought, NOBODY).found == []
    return records


def event(number: int, user: object, note: str = "") -> bytes:
    return f"{number},{user},2026-01-05T08:00:00,login,{note}".encode()


# --- every other record keeps its bytes ---


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "bom"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not_ended"])
def test_lines_ends_marks_and_quotes_of_csv_stay(tmp_path: Path, end: bytes, mark: bytes, last: bool) -> None:
    quoted = event(3, 8, '"two\nlines, and ""quotes"""')
    records = [event(1, 7), event(2, 8), quoted, event(4, 7, '"a\n7,7"'), event(5, 9)]
    path = landed(tmp_path, "a.csv", mark + end.join([HEAD.rstrip(), *records]) + (end if last else b""))
    assert without(tmp_path, erased("7"), deployment(tmp_path)) == 2
    kept = [HEAD.rstrip(), event(2, 8), quoted, event(5, 9)]
    assert path.read_bytes() == mark + end.join(kept) + (end if last else b"")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le"])
def test_another_encoding_stays(tmp_path: Path, encoding: str) -> None:
    text = (HEAD + event(1, 7) + b"\n").decode() + "2,8,2026-01-05T08:00:00,login,Gr\u00fc\u00dfe\n"
    path = landed(tmp_path, "a.csv", text.encode(encoding))
    assert without(tmp_path, erased("7"), deployment(tmp_path, encoding=encoding)) == 1
    assert path.read_bytes() == text.replace(event(1, 7).decode() + "\n", "").encode(encoding)


def test_json_lines_keep_theirs_and_numbers_as_written(tmp_path: Path) -> None:
    lines = [
        b'{"event_id": 1, "user_id": 7, "event_time": "2026-01-05", "event_type": "login"}\n',
        b'{"event_id":2,"user_id":8,"event_time":"2026-01-05","event_type":"login","x":{"user_id":7,"n":1.50}}\n',
        b'{"event_id": 3, "user_id": "007", "event_time": "2026-01-05", "event_type": "login"}',
    ]
    path = landed(tmp_path, "a.jsonl", b"".join(lines))
    assert without(tmp_path, erased("7"), deployment(tmp_path)) == 2
    assert path.read_bytes() == lines[1]
    assert without(tmp_path, erased("8"), deployment(tmp_path)) == 1
    assert path.read_bytes() == b"\n", "an empty day, which is no empty file"


def test_lines_that_nothing_says_how_to_read_any_more_go_with_the_last_sound_one(tmp_path: Path) -> None:
    sound = b'{"event_id": 2, "user_id": 7, "event_time": "2026-01-05", "event_type": "login"}\n'
    path = landed(tmp_path, "a.jsonl", sound + b"[1]\n")
    without(tmp_path, erased("7"), deployment(tmp_path))
    assert path.read_bytes() == b"\n", "a file of unreadable lines alone would be refused, and the day with it"


def test_gzip_holds_the_other_records_as_they_were(tmp_path: Path) -> None:
    content = HEAD + event(1, 7) + b"\n" + event(2, 8) + b"\n"
    path = landed(tmp_path, "a.csv.gz", gzip.compress(content))
    without(tmp_path, erased("7"), deployment(tmp_path))
    assert gzip.decompress(path.read_bytes()) == HEAD + event(2, 8) + b"\n"


@pytest.mark.parametrize("codec", ["none", "zstd", "gzip", "snappy"])
def test_parquet_keeps_values_types_metadata_and_compression(tmp_path: Path, codec: str) -> None:
    schema = pa.schema(
        [
            *(("event_id", pa.int32()), ("user_id", pa.int64()), ("event_time", pa.timestamp("ms", "Europe/Berlin"))),
            *(("event_type", pa.dictionary(pa.int8(), pa.string())), ("amount", pa.decimal128(9, 2))),
        ],
        metadata={"made by": "the source"},
    )
    rows = {"event_id": [1, 2, 3], "user_id": [7, 8, None], "event_time": [0, 1, 2], "amount": [None, 1, 2]}
    table = pa.table({**rows, "event_type": pa.array(["a", "b", "a"]).dictionary_encode()}, schema=schema)
    path = landed(tmp_path, "a.parquet", b"")
    pq.write_table(table, path, compression=codec)
    without(tmp_path, erased("7"), deployment(tmp_path))
    assert pq.read_table(path).equals(table.slice(1), check_metadata=True)
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == {"none": "UNCOMPRESSED"}.get(
        codec, codec.upper()
    )


def test_the_file_keeps_its_permissions_and_a_link_within_the_landing_its_target(tmp_path: Path) -> None:
    link = landed(tmp_path, "a.csv", HEAD)
    path = tmp_path / "landing" / "store.csv"
    path.write_bytes(HEAD + event(1, 7) + b"\n")
    path.chmod(0o640)
    link.unlink()
    link.symlink_to(path)
    assert without(tmp_path, erased("7"), deployment(tmp_path)) == 1
    assert path.read_bytes() == HEAD and path.stat().st_mode & 0o777 == 0o640 and link.is_symlink()


@settings(max_examples=examples(40), deadline=None, derandomize=True)
@given(users=st.lists(st.sampled_from(["7", "8", "70", " 7", "7.0", "x7", ""]), max_size=12))
def test_what_is_left_is_what_was_there_less_the_user(
    tmp_path_factory: pytest.TempPathFactory, users: list[str]
) -> None:
    data = tmp_path_factory.mktemp("any")
    lines = [event(number, user) + b"\n" for number, user in enumerate(users, 1)]
    path = landed(data, "a.csv", HEAD + b"".join(lines))
    without(data, erased("7"), deployment(data))
    own = {"7", " 7", "7.0"}
    assert path.read_bytes() == HEAD + b"".join(
        line for line, user in zip(lines, users, strict=True) if user not in own
    )


# --- whose a record is ---


@pytest.mark.parametrize("spelled", ["12", " 12 ", "012", "12.0", "twelve"])
def test_an_integer_id_in_any_spelling_and_by_a_value_map(tmp_path: Path, spelled: str) -> None:
    landed(tmp_path, "a.csv", HEAD + event(1, spelled) + b"\n" + event(12, 120) + b"\n")
    own = deployment(tmp_path, values={"user_id": {"twelve": "12"}})
    assert without(tmp_path, erased("12"), own) == 1


def test_a_text_id_is_another_in_another_case_but_not_with_blanks_around_it(tmp_path: Path) -> None:
    landed(tmp_path, "a.csv", HEAD + b"".join(event(1, user) + b"\n" for user in (" u-1", "U-1", "u-10", "u-1")))
    assert without(tmp_path, erased("u-1", id_type="string"), deployment(tmp_path, "string")) == 2


@pytest.mark.parametrize(
    ("id_type", "line", "is_theirs"),
    [
        ("integer", b"5,7,2026-01-05", True),
        ("integer", b"7,5,2026-01-05", False),
        ("integer", b"5,7,2026-01-05,login,,,", True),
        ("integer", b"5,70,2026-01-05", False),
        ("string", b"5,anna,u-7", True),
        ("string", b'5,"u-7",2026-01-05', True),
        ("string", b"5,u-70,2026-01-05", False),
    ],
)
def test_a_line_of_too_few_or_many_fields(tmp_path: Path, id_type: str, line: bytes, is_theirs: bool) -> None:
    landed(tmp_path, "a.csv", HEAD + line + b"\n")
    user = "7" if id_type == "integer" else "u-7"
    assert without(tmp_path, erased(user, id_type=id_type), deployment(tmp_path, id_type)) == int(is_theirs)


@pytest.mark.parametrize(
    ("line", "is_theirs"),
    [
        (b'{"event_id": 1, "user_id": 7, ', True),
        (b'{"event_id": 7, "user_id": 1, ', False),
        (b'{"event_id": 1, "Uid": "7", ', True),
        (b"[7]", False),
    ],
)
def test_a_line_that_is_no_json_object(tmp_path: Path, line: bytes, is_theirs: bool) -> None:
    sound = b'{"event_id": 2, "user_id": 8, "event_time": "2026-01-05", "event_type": "login"}\n'
    landed(tmp_path, "a.jsonl", sound + line + b"\n")
    own = deployment(tmp_path, columns={"user_id": ["uid"]})
    assert without(tmp_path, erased("7"), own) == int(is_theirs)


def test_rows_of_erased_users_are_left_out_of_what_is_read_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    path = landed(tmp_path, "a.csv", HEAD + b"".join(event(n, user) + b"\n" for n, user in enumerate([8, 7, 9], 1)))
    own = deployment(tmp_path)
    read = read_file(
        path,
        source="events",
        product=PRODUCT,
        settings=own.sources.events,
        landing_dir=own.landing_dir,
        erased=erased("7"),
    )
    assert read.rows_erased == 1 and read.table.column("source_row").to_pylist() == [1, 3]
    assert read.table.column("user_id").to_pylist() == ["8", "9"]


@pytest.mark.parametrize(
    ("typed", "id_type", "own"),
    [("12", "integer", "12"), (" 012.0 ", "integer", "12"), ("12.5", "integer", None), ("0", "integer", None),
     ("u", "integer", None), (" u-1 ", "string", "u-1"), ("  ", "string", None)],
)  # fmt: skip
def test_an_id_as_it_is_typed(typed: str, id_type: str, own: str | None) -> None:
    assert canonical(typed, id_type) == own


def test_a_hash_needs_the_key() -> None:
    assert Erased("string", b"one").hashed("u") != Erased("string", b"other").hashed("u")
    assert not Erased("string", b"other", erased("u", id_type="string").users).holds(["u"]).any()
    assert list(erased("u", id_type="string").holds(["u", "v", None])) == [True, False, False]


# --- ids as text ---


@pytest.mark.parametrize(
    ("user", "is_one"),
    [("cus_9f3a21", True), ("anna@example.org", True), ("2026-01-05", False), ("123456789", False), ("user_daily", False), ("a1", False)],
)  # fmt: skip
def test_only_what_can_mean_nothing_else_is_searched_for_as_text(user: str, is_one: bool) -> None:
    assert is_unmistakable(user, "string") is is_one and not is_unmistakable(user, "integer")


def test_a_log_is_rid_of_it_in_rows_free_pages_and_files(tmp_path: Path) -> None:
    user = "anna.\u00e4@x1"
    dagster_log(tmp_path / "runs/index.db", f'{{"text": "{user}"}}', '{"text": "anna.\\u00e4@x1"}', "other")
    with closing(sqlite3.connect(tmp_path / "runs/index.db")) as log:
        log.execute("PRAGMA secure_delete = OFF")  # SQLite's own default; some builds have it on
        log.execute("INSERT INTO event_logs (id, event) VALUES (9, ?)", ["x" * 9000 + user])
        log.commit()
        log.execute("DELETE FROM event_logs WHERE id = 9")
        log.commit()
    assert (tmp_path / "runs/index.db").read_bytes().count(user.encode()) == 2, "in a row, and in a free page"
    (tmp_path / "run.err").write_text(f"Error: {user}")
    assert len(list(files_naming(tmp_path, user))) == 2
    blot_out(tmp_path, user)
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert user.encode() not in everything and rb"anna.\u00e4" not in everything
    assert (tmp_path / "run.err").read_text() == "Error: erased" and b"other" in everything


def test_a_database_is_rid_of_it_whose_log_a_kill_left_beside_it(tmp_path: Path) -> None:
    user, beside, killed = "cus_9f3a21", tmp_path / "beside.db", tmp_path / "runs"
    killed.mkdir()
    with closing(sqlite3.connect(beside)) as log:
        log.execute("PRAGMA journal_mode = WAL")
        log.execute("CREATE TABLE event_logs (event TEXT)")
        log.execute("INSERT INTO event_logs VALUES (?)", [user])
        log.commit()
        for name in ("beside.db", "beside.db-wal", "beside.db-shm"):
            (killed / name).write_bytes((tmp_path / name).read_bytes())  # As they are on the disk when a process dies.
    assert user.encode() in (killed / "beside.db-wal").read_bytes()
    blot_out(killed, user)
    assert not list(files_naming(killed, user))
    with closing(sqlite3.connect(killed / "beside.db")) as log:
        assert log.execute("SELECT event FROM event_logs").fetchall() == [("erased",)]


def test_a_file_s_name_is_rid_of_it_and_no_file_is_replaced(tmp_path: Path) -> None:
    for name in ("cus_9f3a21.csv", "erased.csv"):
        landed(tmp_path, name, HEAD + name.encode())
    rename_without(deployment(tmp_path), "cus_9f3a21", "erased")
    found = {path.name: path.read_bytes() for path in (tmp_path / "landing/events" / DAY).iterdir()}
    assert found == {"erased.csv": HEAD + b"erased.csv", "2-erased.csv": HEAD + b"cus_9f3a21.csv"}


def test_the_search_looks_into_gzip_parquet_and_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("churn_assets.automation.erasure_text.PIECE_BYTES", 8)
    user = "cus_9f3a21"
    (tmp_path / "a.txt").write_text("12345" + user)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(user.encode()))
    pd.DataFrame({"x": [user] * 3}).to_parquet(tmp_path / "c.parquet")
    (tmp_path / "d.txt").write_text("nobody")
    assert [path.name for path in files_naming(tmp_path, user)] == ["a.txt", "b.csv.gz", "c.parquet"]


def test_of_unfinished_files_only_an_erasures_own_are_removed(tmp_path: Path) -> None:
    day = tmp_path / "landing/events/date=2026-01-01"
    day.mkdir(parents=True)
    own, *others = (day / name for name in (f".a.csv{UNFINISHED}", ".b.csv.new", ".c.csv.tmp", "a.csv"))
    for path in (own, *others):
        path.write_bytes(b"half")
    remove_leftovers(Settings(data_dir=tmp_path))
    assert sorted(day.iterdir()) == sorted(others)
