"""Typed Parquet: each Arrow type in each kind of column is read by a rule of ours or refused by name, and a file that is written
again holds equal values of equal types.
"""

from __future__ import annotations

import io
import json
import math
import uuid
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churn_assets.errors import RefusedFile
from churn_assets.landing import read_file
from churn_assets.landing.dump import land_dump
from churn_assets.settings import EventsSettings, Settings
from e_learning import PRODUCT
from erasure_worlds import erase_from_landing, erased
from sizes import examples

FOLDER = "landing/events/date=2026-03-29"
VALUES: dict[str, tuple[pa.DataType, Any]] = {
    **{str(kind): (kind, 7) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())},
    **{str(kind): (kind, 7) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())},
    "half": (pa.float16(), 7.0),
    "float": (pa.float32(), 7.0),
    "double": (pa.float64(), 7.0),
    **{str(kind): (kind, Decimal(7)) for kind in (pa.decimal128(9, 2), pa.decimal128(20, 0), pa.decimal256(50, 3))},
    **{str(kind): (kind, "7") for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()))},
    "bool": (pa.bool_(), True),
    **{str(kind): (kind, date(2026, 3, 29)) for kind in (pa.date32(), pa.date64())},
    **{str(kind): (kind, datetime(2026, 3, 29)) for kind in map(pa.timestamp, ("ms", "us", "ns"))},
    "timestamp of a zone": (pa.timestamp("us", "Asia/Kolkata"), datetime(2026, 3, 29, tzinfo=timezone.utc)),
    **{str(kind): (kind, time(10)) for kind in (pa.time32("ms"), pa.time64("us"), pa.time64("ns"))},
    **{str(kind): (kind, timedelta(seconds=600)) for kind in map(pa.duration, ("s", "ms", "us", "ns"))},
    "uuid": (pa.uuid(), uuid.UUID(int=7).bytes),
    "null": (pa.null(), None),
    "list": (pa.list_(pa.int64()), [7]),
    "struct": (pa.struct([("a", pa.int64())]), {"a": 7}),
    "map": (pa.map_(pa.string(), pa.int64()), [("a", 7)]),
    "binary": (pa.binary(), b"7"),
    "large_binary": (pa.large_binary(), b"7"),
    "fixed_size_binary": (pa.binary(4), b"7777"),
    "list of binary": (pa.list_(pa.binary()), [b"7"]),
}
INTEGERS = {name for name in VALUES if "int" in name and "list" not in name}
DECIMALS, TEXTS = {n for n in VALUES if "decimal" in n}, {"string", "large_string", *(n for n in VALUES if "dict" in n)}
DAYS = {name for name in VALUES if name.startswith(("date", "timestamp"))}
NUMBERS = INTEGERS | DECIMALS | TEXTS | {"double", "float", "half", "null"}
MAY_BE = {
    "event_id": NUMBERS - {"float", "half"} | {"uuid"},
    "user_id": NUMBERS - {"float", "half"} | {"uuid"},
    "event_time": NUMBERS | DAYS,
    "event_type": NUMBERS | DAYS | {"bool", "uuid"},
    "course_id": NUMBERS | DAYS | {"bool", "uuid"},
    "watch_minutes": NUMBERS,
    "other": VALUES.keys() - {"binary", "large_binary", "fixed_size_binary", "list of binary"},
}
"""What each column may be delivered as; `course_id` is a text, `watch_minutes` a number, `other` no column of the contract."""


def columns(**typed: Any) -> dict[str, Any]:
    return {"event_id": ["1"], "user_id": ["2"], "event_time": ["2026-03-29"], "event_type": ["login"], **typed}


def delivered(data: Path, table: pa.Table, **how: Any) -> Path:
    path = data / FOLDER / "e.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, **how)
    return path


def landed(data: Path, table: pa.Table, **how: Any) -> pa.Table:
    path = delivered(data, table, **how)
    return read_file(
        path, source="events", product=PRODUCT, settings=EventsSettings(), landing_dir=data / "landing"
    ).table


def text_of(data: Path, values: pa.Array, column: str, **how: Any) -> list[str | None]:
    """How the reader gives the values of a column."""
    rows = {name: given * len(values) for name, given in columns().items()}
    table = landed(data, pa.table({**rows, column: values}), **how)
    if column in table.column_names:
        return list(table[column].to_pylist())
    return [json.loads(extra)[column] for extra in table["extra"].to_pylist()]


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("column", MAY_BE)
def test_a_type_is_read_by_a_rule_or_refused_by_name(tmp_path: Path, column: str, kind: str) -> None:
    data_type, value = VALUES[kind]
    values = pa.array([value], data_type)
    if kind in MAY_BE[column]:
        assert text_of(tmp_path, values, column) is not None
    else:
        with pytest.raises(RefusedFile, match=rf"e\.parquet holds '{column}' as .*; write it as "):
            text_of(tmp_path, values, column)


@pytest.mark.parametrize("column", ["user_id", "watch_minutes", "course_id", "other"])
def test_whole_floats_are_written_as_integers_as_long_as_floats_tell_them_apart(tmp_path: Path, column: str) -> None:
    given = [12.0, 1e10, 12345678901.0, 2.0**53 - 1, -3e11, 0.1, 2.0**53, 1e300, None]
    texts = ["12", "10000000000", "12345678901", "9007199254740991", "-300000000000", "0.1", "9.007199254740992e+15"]
    assert text_of(tmp_path, pa.array(given), column) == [*texts, "1e+300", None]


@pytest.mark.parametrize(
    ("column", "text"), [("user_id", None), ("event_type", None), ("event_time", None), ("watch_minutes", "nan")]
)
def test_nan_is_no_value_but_a_number_that_is_wrong(tmp_path: Path, column: str, text: str | None) -> None:
    assert text_of(tmp_path, pa.array([math.nan]), column) == [text]


def test_what_has_no_text_of_its_own_in_json(tmp_path: Path) -> None:
    parts = {
        "x": pa.array([math.nan]),
        "y": pa.array([[math.inf, 1.5]]),
        "u": pa.array([uuid.UUID(int=7).bytes], pa.uuid()),
        "d": pa.array([timedelta(seconds=90)]),
    }
    inside = pa.StructArray.from_arrays(list(parts.values()), list(parts))
    (text,) = text_of(tmp_path, inside, "other")
    assert text == '{"x":"NaN","y":["Infinity",1.5],"u":"00000000-0000-0000-0000-000000000007","d":"PT90S"}'
    assert text_of(tmp_path, pa.array([uuid.UUID(int=7).bytes], pa.uuid()), "event_id") == [str(uuid.UUID(int=7))]
    assert text_of(tmp_path, pa.array([timedelta(milliseconds=1500)]), "other") == ["PT1.5S"]


def test_decimals_in_plain_figures_even_of_a_negative_scale(tmp_path: Path) -> None:
    assert text_of(tmp_path, pa.array([Decimal("12.00")], pa.decimal128(9, 2)), "user_id") == ["12.00"]


# --- INT96, which Spark, Hive and Impala write ---

FAR = [datetime(9999, 12, 31), datetime(1, 1, 1), datetime(2999, 12, 31, 1, 2, 3, 456789), None]
BY_NANOSECOND = [1_767_229_323_456_789_123, 0, -1, None]


def int96(values: pa.Array, **more: Any) -> pa.Table:
    return pa.table({**{name: given * len(values) for name, given in columns().items()}, "valid_to": values, **more})


@pytest.mark.parametrize("is_nested", [False, True])
def test_int96_keeps_what_was_written(tmp_path: Path, is_nested: bool) -> None:
    far = pa.array(FAR, pa.timestamp("us"))
    values = pa.StructArray.from_arrays([far], ["x"]) if is_nested else far
    texts = text_of(tmp_path, values, "valid_to", use_deprecated_int96_timestamps=True)
    found = [json.loads(text)["x"] if is_nested else text for text in texts if text]
    assert [text and text[:19] for text in found[:3]] == [
        "9999-12-31 00:00:00", "0001-01-01 00:00:00", "2999-12-31 01:02:03"
    ]  # fmt: skip
    near = pa.array(BY_NANOSECOND, pa.timestamp("ns"))
    (text, *_) = text_of(tmp_path, near, "valid_to", use_deprecated_int96_timestamps=True)
    assert text == "2026-01-01 01:02:03.456789123"


def test_int96_that_no_unit_holds_is_refused(tmp_path: Path) -> None:
    far, near = pa.array(FAR, pa.timestamp("us")), pa.array(BY_NANOSECOND, pa.timestamp("ns"))
    path = delivered(tmp_path, int96(far, seen=near), use_deprecated_int96_timestamps=True)
    with pytest.raises(RefusedFile, match=r"INT96 timestamps in 'seen', 'valid_to'.*write them as TIMESTAMP"):
        read_file(path, source="events", product=PRODUCT, settings=EventsSettings(), landing_dir=tmp_path / "landing")


# --- a file that is written again ---


def erase(data: Path, user: str) -> int:
    return erase_from_landing(Settings().model_copy(update={"data_dir": data}), erased(user), user)


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    """As DuckDB reads them, which knows nothing of Arrow's types."""
    return duckdb.sql(f"SELECT * FROM read_parquet('{path}', hive_partitioning = false)").fetchall()


def physical(path: Path) -> list[tuple[str, str]]:
    schema = pq.ParquetFile(path).metadata.schema
    return [(schema.column(n).path, schema.column(n).physical_type) for n in range(len(schema))]


@pytest.mark.parametrize(("unit", "values"), [("us", FAR), ("ns", BY_NANOSECOND)])
def test_an_erasure_leaves_int96_of_others_as_it_was(tmp_path: Path, unit: str, values: list[Any]) -> None:
    users = pa.array([1, 2, 2, 3])
    table = int96(pa.array(values, pa.timestamp(unit)), user_id=users)
    path = delivered(tmp_path, table, use_deprecated_int96_timestamps=True)
    before, kinds = rows_of(path), physical(path)
    assert erase(tmp_path, "1") == 1
    assert repr(rows_of(path)) == repr([row for row in before if row[1] != 1])
    assert physical(path) == kinds and ("valid_to", "INT96") in kinds


@pytest.mark.parametrize("user", ["12345678901", "12"])
@pytest.mark.parametrize("kind", [pa.float64(), pa.decimal128(22, 2), pa.string(), pa.int64()])
def test_an_erasure_finds_an_id_of_any_type(tmp_path: Path, user: str, kind: pa.DataType) -> None:
    ids = pa.array([12345678901, 12, 7]).cast(pa.decimal128(22, 2) if pa.types.is_decimal(kind) else kind)
    path = delivered(tmp_path, pa.table({name: given * 3 for name, given in columns().items()} | {"user_id": ids}))
    assert erase(tmp_path, user) == 1 and len(rows_of(path)) == 2


@pytest.mark.parametrize("written", ["1.2345678901e+10", "+12345678901", "012345678901.00", '"12345678901"'])
def test_an_erasure_finds_an_id_that_cleaning_does_not_take_for_one(tmp_path: Path, written: str) -> None:
    path = tmp_path / FOLDER / "e.csv"
    path.parent.mkdir(parents=True)
    path.write_text(f"event_id,user_id,event_time,event_type\n1,{written},2026-03-29,login\n2,7,2026-03-29,login\n")
    assert erase(tmp_path, "12345678901") == 1
    assert path.read_text().splitlines()[1:] == ["2,7,2026-03-29,login"]


def any_type() -> st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    within = {"min_value": datetime(1, 1, 2), "max_value": datetime(9999, 12, 30)}
    return st.sampled_from(
        [
            (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
            (pa.uint64(), st.integers(0, 2**64 - 1)),
            (pa.float64(), st.floats()),
            (pa.float32(), st.floats(width=32)),
            (pa.decimal128(20, 4), st.decimals(-(10**15), 10**15, places=4)),
            (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
            (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b", ""])),
            (pa.timestamp("us", "UTC"), st.datetimes(**within)),
            (pa.date32(), st.dates(date(1, 1, 1), date(9999, 12, 31))),
            (pa.bool_(), st.booleans()),
            (pa.uuid(), st.binary(min_size=16, max_size=16)),
            (pa.list_(pa.float64()), st.lists(st.floats(), max_size=3)),
            (pa.struct([("a", pa.string()), ("b", pa.float32())]), st.fixed_dictionaries({"b": st.floats(width=32)})),
        ]
    )  # type: ignore[return-value]


@st.composite
def typed_columns(draw: st.DrawFn) -> tuple[list[int], dict[str, pa.Array]]:
    users = draw(st.lists(st.integers(1, 3), min_size=1, max_size=6))
    given: dict[str, pa.Array] = {}
    for number in range(draw(st.integers(1, 4))):
        kind, values = draw(any_type())
        given[f"x{number}"] = pa.array(
            draw(st.lists(st.none() | values, min_size=len(users), max_size=len(users))), kind
        )
    return users, given


def shown(table: pa.Table, rows: Iterator[int] | range) -> str:
    columns = [table[name].to_pylist() for name in table.column_names]
    return repr([(table.schema.field(n).type, [values[row] for row in rows]) for n, values in enumerate(columns)])


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=typed_columns())
def test_all_rows_of_others_are_equal_value_by_value_and_type_by_type(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[list[int], dict[str, pa.Array]]
) -> None:
    users, given = drawn
    data = tmp_path_factory.mktemp("typed")
    table = pa.table({**{n: v * len(users) for n, v in columns().items()}, "user_id": pa.array(users), **given})
    path = delivered(data, table)
    before = pq.read_table(path, partitioning=None)
    assert erase(data, "1") == users.count(1)
    after = pq.read_table(path, partitioning=None)
    assert shown(after, range(len(after))) == shown(before, [n for n, user in enumerate(users) if user != 1])  # type: ignore[arg-type]


def test_a_rewrite_that_would_change_a_value_is_refused_and_the_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = delivered(tmp_path, pa.table(columns(user_id=pa.array([1]), x=[1.5])).take([0, 0]).set_column(
        1, "user_id", pa.array([1, 2])))  # fmt: skip
    content, write = path.read_bytes(), pq.write_table

    def careless(table: pa.Table, sink: Any, **how: Any) -> None:
        at = table.schema.get_field_index("x")
        write(table.set_column(at, "x", pa.array([2.5] * len(table), pa.float64())), sink, **how)

    monkeypatch.setattr(pq, "write_table", careless)
    with pytest.raises(RefusedFile, match="cannot be written again with equal types and values"):
        erase(tmp_path, "1")
    assert path.read_bytes() == content


def test_a_dump_of_far_dates_is_landed_with_them(tmp_path: Path) -> None:
    dump, data = tmp_path / "dump", tmp_path / "data"
    dump.mkdir()
    far = pa.array(FAR, pa.timestamp("us"))
    pq.write_table(int96(far), dump / "e.parquet", use_deprecated_int96_timestamps=True)
    (dump / "u.csv").write_text("user_id,signup_date\n2,2026-03-29\n")
    land_dump(dump / "u.csv", dump / "e.parquet", Settings().model_copy(update={"data_dir": data}))
    (path,) = (data / "landing/events").glob("*/*")
    assert rows_of(path) == rows_of(dump / "e.parquet")


def test_bytes_that_are_no_parquet_are_still_said_to_be_none(tmp_path: Path) -> None:
    path = delivered(tmp_path, pa.table(columns()))
    path.write_bytes(io.BytesIO(path.read_bytes()[:-9]).read())
    with pytest.raises(RefusedFile, match="is not valid Parquet"):
        read_file(path, source="events", product=PRODUCT, settings=EventsSettings(), landing_dir=tmp_path / "landing")
