"""Contract columns inside JSON values, columns that are only named like one, and dumps of one file or a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn_assets.errors import ChurnError, RefusedFile
from churn_assets.landing import LandedFile, read_file
from churn_assets.landing.dump import land_dump
from churn_assets.product import read_product
from churn_assets.settings import EventsSettings, Settings
from churn_assets.transforms.parsing import instants

NESTED: dict[str, Any] = {
    "user_id": ["properties.distinct_id"],
    "event_time": ["properties.time"],
    "event_id": ["properties.$insert_id"],
    "event_type": ["event"],
}
DAY = "events/date=2026-01-01"


def read(folder: Path, content: bytes, name: str, columns: dict[str, Any] = NESTED, **declared: Any) -> LandedFile:
    path = folder / "landing" / DAY / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    settings = EventsSettings(columns=columns, **declared)
    return read_file(
        path, source="events", settings=settings, product=read_product("blank"), landing_dir=folder / "landing"
    )


def row(properties: object) -> bytes:
    return json.dumps({"event": "play", "properties": properties}).encode() + b"\n"


def as_csv(properties: object) -> bytes:
    return b"event,properties\nplay," + b'"' + json.dumps(properties).replace('"', '""').encode() + b'"\n'


def as_parquet(properties: dict[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"event": ["play"], "properties": pa.array([properties])}), sink)
    return sink.getvalue().to_pybytes()


PROPERTIES = {"distinct_id": "u1", "time": 1767225600, "$insert_id": "i1", "price": 1.5}


@pytest.mark.parametrize(
    ("write", "name"), [(row, "a.jsonl"), (row, "a.json"), (as_csv, "a.csv"), (as_parquet, "a.parquet")]
)
def test_a_required_column_inside_an_object_is_bound_and_the_rest_stays_in_extra(
    tmp_path: Path, write: Any, name: str
) -> None:
    landed = read(tmp_path, write(PROPERTIES), name)
    (found,) = landed.table.select(["event_id", "user_id", "event_time", "event_type", "extra"]).to_pylist()
    extra = json.loads(found.pop("extra"))
    assert found == {"event_id": "i1", "user_id": "u1", "event_time": "1767225600", "event_type": "play"}
    assert json.loads(extra["properties"]) == {"price": 1.5}
    assert ("properties.distinct_id", "user_id") in landed.drift.renamed


def test_a_column_of_that_very_name_comes_before_the_path(tmp_path: Path) -> None:
    line = json.dumps({"event": "play", "properties.distinct_id": "flat", "properties": PROPERTIES}).encode()
    landed = read(tmp_path, line, "a.jsonl")
    assert landed.table["user_id"].to_pylist() == ["flat"]
    assert "distinct_id" in json.loads(json.loads(landed.table["extra"][0].as_py())["properties"])


@pytest.mark.parametrize(
    ("properties", "user"),
    [
        ({"distinct_id": None}, None),
        ({}, None),
        ({"distinct_id": ""}, ""),
        ({"distinct_id": True}, "true"),
        ({"distinct_id": 2**60 + 1}, str(2**60 + 1)),
        ({"distinct_id": {"$oid": "x"}}, None),
        ({"distinct_id": ["u1"]}, None),
        ("text", None),
        (None, None),
        ([1], None),
    ],
)
def test_absent_null_empty_and_nested_values_are_different_things(
    tmp_path: Path, properties: object, user: str | None
) -> None:
    landed = read(tmp_path, row(properties) + row(PROPERTIES), "a.jsonl")
    assert landed.table["user_id"].to_pylist() == [user, "u1"]
    kept = json.loads(landed.table["extra"][0].as_py())["properties"]
    if isinstance(properties, dict) and isinstance(properties.get("distinct_id"), (dict, list)):
        assert json.loads(kept) == properties


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
KEYS = st.sampled_from(["distinct_id", "a", "b c", "ü"])
OBJECTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


@given(rows=st.lists(st.dictionaries(KEYS, OBJECTS, max_size=4), min_size=1, max_size=5))
def test_nothing_is_lost_or_changed(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("nested")
    lines = b"".join(row({"time": "t", "$insert_id": "i", "inner": one}) for one in rows)
    columns = NESTED | {"user_id": ["properties.inner.distinct_id"]}
    landed = read(folder, lines, "a.jsonl", columns)
    for one, user, extra in zip(
        rows, landed.table["user_id"].to_pylist(), landed.table["extra"].to_pylist(), strict=True
    ):
        rest = json.loads(json.loads(extra)["properties"])["inner"]
        value = one.get("distinct_id")
        if isinstance(value, (dict, list)) or "distinct_id" not in one:
            assert (user, rest) == (None, one)
        else:
            assert rest == {key: inside for key, inside in one.items() if key != "distinct_id"}
            assert user == (value if isinstance(value, str) or value is None else json.dumps(value))


def test_the_first_of_several_paths_that_has_a_value_is_taken(tmp_path: Path) -> None:
    columns = NESTED | {"user_id": ["properties.user", "properties.device"]}
    rows = [{**PROPERTIES, "user": "a", "device": "d"}, {**PROPERTIES, "device": "e"}]
    landed = read(tmp_path, b"".join(map(row, rows)), "a.jsonl", columns)
    assert landed.table["user_id"].to_pylist() == ["a", "e"]


def test_a_column_that_is_only_named_like_one_of_the_contract_is_left_out(tmp_path: Path) -> None:
    content = b"event_id,uuid,user_id,event_time,event_type\n1,u-1,5,2026-01-01,play\n"
    with pytest.raises(RefusedFile, match="both 'event_id' and 'uuid'"):
        read(tmp_path, content, "a.csv", {"event_id": ["uuid"]})
    landed = read(tmp_path, content, "a.csv", {"event_id": ["uuid"], "extra": ["event_id"]})
    assert landed.table["event_id"].to_pylist() == ["u-1"]
    assert json.loads(landed.table["extra"][0].as_py()) == {"event_id": "1"}


def test_parquet_with_structs_and_lists_lands_as_json_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "event_id": [1],
            "user_id": [5],
            "event_time": ["2026-01-01"],
            "event_type": ["play"],
            "geo": [{"country": "a", "city": None}],
            "event_params": [[{"key": "k", "value": {"int_value": 3}}]],
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    landed = read(tmp_path, sink.getvalue().to_pybytes(), "a.parquet", {})
    extra = json.loads(landed.table["extra"][0].as_py())
    assert json.loads(extra["geo"]) == {"country": "a", "city": None}
    assert json.loads(extra["event_params"]) == [{"key": "k", "value": {"int_value": 3}}]


# One file, and folders


EVENTS = "event_id,user_id,event_time,event_type\n{},1,2026-01-0{}T10:00:00,login\n"


def settings_of(folder: Path, text: str = "[sources.users]\nfrom_events = true\n") -> Settings:
    (folder / "churn.toml").write_text(text)
    return Settings.load(folder)


def test_events_alone_land_where_users_are_made_from_them(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(EVENTS.format(1, 2))
    landed = land_dump(None, tmp_path / "e.csv", settings_of(tmp_path))
    assert (landed.days, landed.user_rows, landed.event_rows) == (1, 0, 1)
    assert [path.name for path in (tmp_path / "landing").iterdir()] == ["events"]


@pytest.mark.parametrize(("users", "text", "remedy"), [
    (None, "", "set from_events = true"),
    ("u.csv", "[sources.users]\nfrom_events = true\n", "take from_events out of it"),
])  # fmt: skip
def test_what_is_given_must_be_what_is_declared(tmp_path: Path, users: str | None, text: str, remedy: str) -> None:
    (tmp_path / "e.csv").write_text(EVENTS.format(1, 2))
    with pytest.raises(ChurnError, match=remedy):
        land_dump(tmp_path / users if users else None, tmp_path / "e.csv", settings_of(tmp_path, text))


def test_a_folder_lands_with_each_file_on_the_days_it_has_rows_of(tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    (dump / "sub").mkdir(parents=True)
    (dump / "a.csv").write_text(EVENTS.format(1, 2))
    (dump / "sub" / "b.jsonl").write_text(
        '{"event_id":2,"user_id":1,"event_time":"2026-01-04","event_type":"x"}\n'
        '{"event_id":3,"user_id":1,"event_time":"2026-01-02","event_type":"x"}\n'
    )
    (dump / "_SUCCESS").write_text("")
    landed = land_dump(None, dump, settings_of(tmp_path))
    assert (landed.days, landed.event_rows) == (3, 3)
    places = sorted(path.relative_to(tmp_path / "landing").as_posix() for path in (tmp_path / "landing").rglob("*.*"))
    assert [place for place in places if place.count("/") == 2] == [
        "events/date=2026-01-02/events-1.csv",
        "events/date=2026-01-02/events-2.jsonl",
        "events/date=2026-01-03/events-1.csv",
        "events/date=2026-01-04/events-2.jsonl",
    ]
    assert land_dump(None, dump, settings_of(tmp_path)).unchanged


def test_a_folder_without_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dump").mkdir()
    with pytest.raises(ChurnError, match="a folder without a file"):
        land_dump(None, tmp_path / "dump", settings_of(tmp_path))


# Times as exporters write them


@pytest.mark.parametrize(
    ("timestamp_format", "text", "expected"),
    [
        ("epoch_us", "1774778400123456", "2026-03-29 10:00:00.123456"),
        ("epoch_us", "1774778400123456.0", "2026-03-29 10:00:00.123456"),
        ("epoch_us", "1774778400123456789", None),
        ("iso8601", "2026-03-29 10:00:00 UTC", "2026-03-29 10:00:00"),
        ("iso8601", "2026-03-29 10:00:00.5 UTC", "2026-03-29 10:00:00.5"),
        ("iso8601", "2026-03-29 10:00:00.123456 +02:00", "2026-03-29 08:00:00.123456"),
        ("iso8601", "2026-03-29 UTC", None),
    ],
)
def test_epochs_in_microseconds_and_times_as_sql_engines_write_them(
    timestamp_format: str, text: str, expected: str | None
) -> None:
    (read_,) = instants(pd.Series([text]), timestamp_format=timestamp_format, zone="Asia/Tokyo")
    assert read_ is pd.NaT if expected is None else read_ == pd.Timestamp(expected)
