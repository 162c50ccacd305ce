"""Looking at files nobody described: formats, encodings, times, ids, odd files, and the text that is written of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_assets.errors import ChurnError
from churn_assets.inspection import Chosen, churn_toml, guess, look
from churn_assets.inspection.declarations import best_fit, shipped
from churn_assets.inspection.exports import export_of, exports
from churn_assets.inspection.roles import plain_name
from churn_assets.inspection.times import percent, times_of
from churn_assets.landing.dump import land_dump
from churn_assets.settings import Settings, tomllib
from churn_assets.transforms import parsing
from sizes import examples

HEADER = "event_id,user_id,event_time,event_type\n"
ROWS = [f"{n},u{n % 5},2026-01-{n % 9 + 1:02d}T10:00:00Z,{('play', 'skip')[n % 2]}\n" for n in range(1, 61)]


def written(folder: Path, content: str | bytes, name: str = "events.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def settings_for(folder: Path, path: Path, users: Path | None = None) -> Settings:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    (data / "churn.toml").write_text(
        churn_toml(guess(look(path), look(users) if users else None, declarations={})), "utf-8"
    )
    return Settings.load(data)


# Files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_encoding_and_delimiter_is_found_and_lands(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = "".join([HEADER, *ROWS]).replace(",", delimiter).replace("skip", "überspringen")
    path = written(tmp_path, text.encode(encoding))
    declared = settings_for(tmp_path, path)
    assert declared.sources.events.delimiter == delimiter
    assert {entry["name"] for entry in declared.event_types} == {"play", "überspringen"}
    assert land_dump(None, path, declared).event_rows == 60


@pytest.mark.parametrize(
    "suffix", ["csv", "csv.gz", "tsv", "jsonl", "jsonl.gz", "json", "json.gz", "ndjson", "parquet"]
)
def test_every_format_is_found_by_its_bytes(tmp_path: Path, suffix: str) -> None:
    fields = [dict(zip(HEADER.strip().split(","), row.strip().split(","), strict=True)) for row in ROWS]
    content = "".join([HEADER, *ROWS]).encode()
    if suffix.startswith("tsv"):
        content = content.replace(b",", b"\t")
    if "json" in suffix:
        content = "".join(json.dumps(one) + "\n" for one in fields).encode()
    if suffix.endswith(".gz"):
        content = gzip.compress(content)
    path = written(tmp_path, content, f"events.{suffix}")
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(fields), path)
    declared = settings_for(tmp_path, path)
    assert declared.sources.events.format == {"c": "csv", "t": "csv", "p": "parquet"}.get(suffix[0], "jsonl")
    assert land_dump(None, path, declared).event_rows == 60


NOT_A_VALUE = "s3cr3t"


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("e.csv", b"", "is empty (zero bytes)"),
        ("e.csv", b"\n\n", "holds only blank lines"),
        ("e.csv", HEADER.encode(), "has no row"),
        ("e.csv", b"1,2026-01-01T10:00:00,s3cr3t\n2,2026-01-01T10:00:00,s3cr3t\n", "has no header: 2 of the 3 values"),
        ("e.csv", b"event_id,,event_time,event_type\n1,2,2026-01-01,s3cr3t\n", "no name for column 2"),
        ("e.csv", b"user_id,action\n1,s3cr3t\n", "has no column that could be a time"),
        ("e.csv", b"action,ts\ns3cr3t,2026-01-01\n", "has no column that could be the user's id"),
        ("e.csv", b"user_id,ts\n1,2026-01-01\n", "has no column that could be the event's type"),
        ("e.jsonl", b'[{"user_id": "s3cr3t"}]', "holds one JSON array"),
        ("e.jsonl", HEADER.encode() + b"1,2,3,s3cr3t\n", "looks like csv, though its name says jsonl"),
        ("e.csv", b'{"user_id": "s3cr3t"}\n', "looks like jsonl, though its name says csv"),
        ("e.jsonl", b'{"user_id": \n{"a"\n', "has no row that can be read"),
        ("e.parquet", b"PAR1 and no more of s3cr3t", "is not valid Parquet"),
        ("e.csv.gz", HEADER.encode(), "is not gzip, though its name says otherwise"),
        ("e.csv.gz", gzip.compress(HEADER.encode(), mtime=0)[:-12], "cannot be read"),
        ("e.txt", HEADER.encode(), "is of no known format"),
    ],
)
def test_an_odd_file_is_refused_in_one_sentence(tmp_path: Path, name: str, content: bytes, cause: str) -> None:
    with pytest.raises(ChurnError) as raised:
        guess(look(written(tmp_path, content, name)))
    message = str(raised.value)
    assert cause in message and name in message and message.endswith(".") and message.count(". ") == 0
    assert NOT_A_VALUE not in message


def test_what_is_not_there_and_folders_of_several_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ChurnError, match="does not exist"):
        look(tmp_path / "absent")
    written(tmp_path, HEADER, "dump/a.csv")
    written(tmp_path, "{}\n", "dump/b.jsonl")
    with pytest.raises(ChurnError, match=r"different formats \(1 csv and 1 jsonl\)"):
        look(tmp_path / "dump")


def test_files_of_a_folder_are_looked_at_as_one_and_markers_and_empty_ones_left_out(tmp_path: Path) -> None:
    for number in range(3):
        written(tmp_path, HEADER + "".join(ROWS[number::3]), f"dump/day={number}/part.csv")
    written(tmp_path, "", "dump/empty.csv")
    written(tmp_path, "", "dump/_SUCCESS")
    looked = look(tmp_path / "dump")
    assert (looked.rows, looked.is_whole, len(looked.files.paths)) == (60, True, 3)


def test_json_in_csv_is_looked_into(tmp_path: Path) -> None:
    rows = [
        row.strip() + f',"{{""price"": {n}.5, ""deep"": {{""kind"": ""a{n % 2}""}}}}"\n' for n, row in enumerate(ROWS)
    ]
    declared = settings_for(tmp_path, written(tmp_path, HEADER.strip() + ",properties\n" + "".join(rows)))
    assert {entry["name"]: entry["from"] for entry in declared.properties} == {
        "price": "properties.price",
        "kind": "properties.deep.kind",
    }


def test_a_large_file_is_looked_at_in_its_first_rows_and_the_rest_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("churn_assets.inspection.sample.CSV_BYTES", 1000)
    monkeypatch.setattr("churn_assets.inspection.sample.LEAST_BYTES", 1000)
    looked = look(written(tmp_path, HEADER + "".join(ROWS)))
    assert looked.rows_in_all == 60 and 20 < looked.rows < 40
    assert looked.rows_shown == f"first {looked.rows} of about 60 rows"


def test_with_several_plausible_ids_one_is_taken_and_both_are_named(tmp_path: Path) -> None:
    rows = [f"{n},{n % 7},{n % 5},2026-01-01,play\n" for n in range(40)]
    path = written(tmp_path, "event_id,customer_id,account_id,event_time,event_type\n" + "".join(rows))
    text = churn_toml(guess(look(path), declarations={}))
    assert 'user_id = ["customer_id"]  # given in 100 % of 40 rows, 7 different; could also be account_id' in text
    chosen = churn_toml(guess(look(path), declarations={}, chosen=Chosen(user_id="account_id")))
    assert 'user_id = ["account_id"]' in chosen


def test_a_column_whose_name_has_a_dot_is_found_by_that_name_and_not_by_a_path(tmp_path: Path) -> None:
    rows = [row.strip() + f",{n % 9}.5\n" for n, row in enumerate(ROWS)]
    path = written(tmp_path, HEADER.strip() + ",basket.value\n" + "".join(rows))
    declared = settings_for(tmp_path, path)
    assert [(entry["name"], entry["aliases"]) for entry in declared.properties] == [("value", ["basket.value"])]
    assert land_dump(None, path, declared).event_rows == 60


# Ids


@pytest.mark.parametrize(
    ("ids", "id_type"),
    [
        (["1", "22", "333"], "integer"),
        (["1", "22", "333.0"], "integer"),
        (["1", "22", "null"], "integer"),
        (["007", "22", "333"], "string"),
        (["1", "22", "a3"], "string"),
        (["1", "22", "99999999999999999999"], "string"),
        (["1", "22", "-3"], "string"),
        (["1", "22", "0"], "string"),
    ],
)
def test_ids_are_integers_only_where_all_but_a_few_mistakes_are(tmp_path: Path, ids: list[str], id_type: str) -> None:
    rows = [f"{n},{ids[n % 3]},2026-01-01,play\n" for n in range(1, 31)]
    declared = settings_for(tmp_path, written(tmp_path, HEADER + "".join(rows)))
    assert declared.sources.users.id_type == id_type
    assert declared.sources.events.id_type == "integer"


def test_a_mistake_in_a_hundred_ids_does_not_make_texts_of_them(tmp_path: Path) -> None:
    rows = [f"{n},{n % 7 + 1 if n != 50 else 'x'},2026-01-01,play\n" for n in range(1, 201)]
    path = written(tmp_path, HEADER + "".join(rows))
    found = guess(look(path), declarations={})
    assert found.user_id_type == ("integer", "99.5 % of 200 ids are whole numbers above 0 without leading zeros")
    assert found.rejects == {"bad_user_id": 1}


def test_an_event_id_that_is_none_is_made_of_user_time_and_type(tmp_path: Path) -> None:
    rows = [f"{n % 10},u{n % 3},2026-01-01T10:00:{n % 20:02d},play\n" for n in range(40)]
    path = written(tmp_path, HEADER + "".join(rows))
    declared = settings_for(tmp_path, path)
    assert declared.sources.events.event_id_from == ("user_id", "event_time", "event_type")
    assert declared.sources.events.columns["extra"] == ("event_id",)
    # Rows n and n + 20 have the same second, but another user: 20 is no multiple of 3.
    assert (
        "; 0 of 40 rows share user, time and type with an earlier one"
        in guess(look(path), declarations={}).event_id_evidence
    )
    assert land_dump(None, path, declared).event_rows == 40


def test_what_would_be_quarantined_is_counted_by_its_first_reason(tmp_path: Path) -> None:
    bad = [
        "100,,2026-01-01,play\n",  # bad_user_id
        "101,,yesterday,play\n",  # bad_user_id before bad_event_time
        "102,u1,yesterday,play\n",
        "103,u1,2026-02-30,play\n",
        "104,u1,2026-01-01, \n",
        "105,u1\n",  # malformed
        ROWS[0],  # a copy
        ROWS[0].replace("skip", "play"),  # a conflict
    ]
    path = written(tmp_path, HEADER + "".join(ROWS + bad))
    found = guess(look(path), declarations={})
    assert found.rejects == {
        "malformed_row": 1,
        "bad_user_id": 2,
        "bad_event_time": 2,
        "bad_event_type": 1,
        "conflict": 1,
    }
    assert found.copies == 1
    text = churn_toml(found)
    assert "#   2 bad_event_time: event_time is missing" in text and "#   1 are copies of an earlier row" in text
    # What `land` cannot date: the malformed row, and three bad times.
    assert land_dump(None, path, settings_for(tmp_path, path)).undated_rows == 4


# Times

FORMATS = {
    "iso8601": lambda t: t.isoformat(),
    "epoch_s": lambda t: str(int(t.timestamp())),
    "epoch_ms": lambda t: str(int(t.timestamp() * 1000)),
    "epoch_us": lambda t: str(int(t.timestamp()) * 1_000_000),
} | {
    pattern: (lambda t, pattern=pattern: t.strftime(pattern))
    for pattern in (
        *("%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%d-%b-%Y %H:%M:%S"),
        *("%Y%m%d%H%M%S", "%m/%d/%Y %I:%M:%S %p", "%b %d, %Y, %I:%M:%S %p", "%d.%m.%Y %H:%M:%S"),
    )
}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=examples(25))
@given(
    seconds=st.lists(st.integers(1_500_000_000, 1_900_000_000), min_size=8, max_size=20),
)
def test_times_are_read_back_as_they_were_written(name: str, seconds: list[int]) -> None:
    times = [datetime.fromtimestamp(one, timezone.utc) for one in seconds]
    # A day past the twelfth, without which day and month could be swapped.
    times.append(times[0].replace(day=25))
    texts = pd.Series([FORMATS[name](one) for one in times])
    found = times_of(parsing.as_text(texts), np.ones(len(texts), dtype=np.int64))
    assert found is not None and found.usable == len(times) and found.ambiguous_with is None
    read = parsing.instants(parsing.as_text(texts), timestamp_format=found.format, zone="UTC")
    assert [*read.dt.tz_localize("UTC")] == times


@pytest.mark.parametrize(("pattern", "swapped"), [("%d/%m/%Y", "%m/%d/%Y"), ("%m/%d/%Y", "%d/%m/%Y")])
def test_day_and_month_that_can_be_swapped_are_called_ambiguous_and_the_shorter_span_is_taken(
    tmp_path: Path, pattern: str, swapped: str
) -> None:
    days = [datetime(2026, 3, 1) + timedelta(days=n) for n in range(12)]
    rows = [f"{n},u{n % 5},{days[n % 12].strftime(pattern)},play\n" for n in range(60)]
    path = written(tmp_path, HEADER + "".join(rows))
    found = guess(look(path), declarations={})
    assert (found.times.format, found.times.ambiguous_with) == (pattern, swapped)
    assert f"AMBIGUOUS: {swapped} reads them all, too" in churn_toml(found)
    assert guess(look(path), declarations={}, chosen=Chosen(timestamp_format=swapped)).times.format == swapped


@pytest.mark.parametrize(
    ("values", "zoned"),
    [
        (["2026-01-01T10:00:00Z", "2026-01-02 10:00:00+02:00", "2026-01-02 10:00:00 UTC"], 3),
        (["2026-01-01T10:00:00", "2026-01-02", "2026-01-02 10:00"], 0),
        (["2026-01-01T10:00:00", "2026-01-02T10:00:00-0500", "2026-01-03"], 1),
    ],
)
def test_zones_are_counted(values: list[str], zoned: int) -> None:
    found = times_of(parsing.as_text(pd.Series(values)), np.ones(3, dtype=np.int64))
    assert found is not None and (found.format, found.usable, found.zoned) == ("iso8601", 3, zoned)


@pytest.mark.parametrize(
    "values", [["1", "2", "3"], ["a", "b"], ["12.5", "13.5"], ["10:00", "11:00"], ["2026", "2027"]]
)
def test_what_is_no_time_is_taken_for_none(values: list[str]) -> None:
    assert times_of(parsing.as_text(pd.Series(values)), np.ones(len(values), dtype=np.int64)) is None


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(0, 7, "0 %"), (1, 100_000, "0.1 %"), (99_999, 100_000, "99.9 %"), (5, 5, "100 %")]
)
def test_a_share_is_never_rounded_to_all_or_none(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


# Names and text


@pytest.mark.parametrize("name", ["insertId", "$insert_id", "Insert ID", "insert-id", " INSERT_ID"])
def test_spellings_of_a_name_are_one(name: str) -> None:
    assert plain_name(name) == "insert_id"


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@settings(max_examples=examples(50))
@given(types=st.lists(TEXTS, min_size=1, max_size=4, unique=True), column=TEXTS)
def test_whatever_types_and_columns_are_called_the_file_is_toml(
    types: list[str], column: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("names")
    lines = [
        {
            "event_id": n,
            "user_id": f"u{n % 3}",
            "event_time": "2026-01-01",
            "event_type": types[n % len(types)],
            column: n + 0.5,
        }
        for n in range(40)
    ]
    if column in ("event_id", "user_id", "event_time", "event_type"):
        return
    path = written(folder, "".join(json.dumps(line) + "\n" for line in lines), "e.jsonl")
    names = {parsing.normalised(one) for one in types} - {None}
    if not names:
        return
    found = tomllib.loads(churn_toml(guess(look(path), declarations={})))
    assert {entry["name"] for entry in found["event_types"]} == names
    assert all(entry["name"].isidentifier() for entry in found.get("measures", ()))


# Declarations

MUSIC = {
    "event_types": [{"name": "play"}, {"name": "skip"}, {"name": "like"}],
    "attributes": [{"name": "plan", "type": "label"}, {"name": "region", "type": "label"}],
    "properties": [{"name": "seconds", "type": "number", "missing": 0}, {"name": "stars", "type": "integer"}],
    "measures": [
        {"name": "plays", "event": ["play"]},
        {"name": "likes", "event": ["like"]},
        {"name": "seconds_played", "value": "seconds", "agg": "sum"},
        {"name": "stars_given", "value": "stars", "agg": "sum"},
    ],
    "features": [
        {"name": "likes_{window}d", "of": "likes", "agg": "sum", "windows": [7]},
        {"name": "days_since_like", "since": "likes", "within": 90},
        {"name": "days_since_play", "since": "plays", "within": 90},
    ],
}
OTHER = {"event_types": [{"name": "login"}, {"name": "invoice"}], "attributes": [], "properties": [], "measures": []}


def fitted(folder: Path, rename: Callable[[str], str] = str, **chosen: str) -> dict[str, object]:
    lines = [
        {
            "id": n,
            "user_id": f"u{n % 9}",
            "ts": "2026-01-01T00:00:00Z",
            "event": rename(("play", "play", "skip", "stop")[n % 4]),
            "data": {"Seconds": n, "Plan": "ab"[n % 9 % 2]},
        }
        for n in range(80)
    ]
    path = written(folder, "".join(json.dumps(line) + "\n" for line in lines), "e.jsonl")
    declarations = {"tunes": MUSIC, "other": OTHER}
    return tomllib.loads(churn_toml(guess(look(path), None, Chosen(**chosen), declarations)))


def test_the_declaration_that_knows_most_events_is_taken_without_what_nothing_feeds(tmp_path: Path) -> None:
    found = fitted(tmp_path)
    assert found["product"] == "tunes"
    assert found["drop"] == [
        "attributes.region",
        "event_types.like",
        "features.days_since_like",
        "features.likes_{window}d",
        "measures.likes",
        "measures.stars_given",
        "properties.stars",
    ]
    assert found["properties"] == [{"name": "seconds", "type": "number", "missing": 0, "from": "data.Seconds"}]
    assert found["attributes"] == [{"name": "plan", "type": "label", "from": "data.Plan"}]
    assert found["event_types"] == [{"name": "stop"}]
    assert [entry["name"] for entry in found["measures"]] == ["stop_count"]


def test_event_types_that_are_only_spelt_differently_are_mapped(tmp_path: Path) -> None:
    found = fitted(tmp_path, str.upper)
    assert found["sources"]["events"]["values"] == {"event_type": {"PLAY": "play", "SKIP": "skip"}}


def test_another_declaration_may_be_chosen_and_one_that_fits_none_is_blank(tmp_path: Path) -> None:
    assert fitted(tmp_path, product="other")["product"] == "other"
    assert fitted(tmp_path, lambda name: f"x_{name}")["product"] == "blank"


def test_without_declarations_the_blank_one_is_taken() -> None:
    assert best_fit({}, {"a": 1}, {}, None).product == "blank"
    assert "blank" not in shipped()


def test_each_known_export_is_known_by_its_columns_alone() -> None:
    for export in exports():
        assert export_of(export.signature) is export
        assert {"event_id", "user_id", "event_time", "event_type"} == set(export.roles)
    assert export_of(["user_id", "event_time"]) is None
