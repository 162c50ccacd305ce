"""Reading what is published: days, columns, values and key buckets, by names that are none of SQL's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_assets.calendar import DayRange
from churn_assets.contracts import Kind
from churn_assets.errors import ChurnError
from churn_assets.transforms.parsing import integer_ids
from churn_assets.warehouse import Ledger, Publication, Warehouse, publish, read_days
from churn_assets.warehouse.frames import quoted
from churn_assets.warehouse.reading import Bucket
from sizes import examples
from stored_readings import CONTRACT, DAY, ONE_DAY, WEEK, held, publication, put, readings, verified


@pytest.mark.parametrize("name", ["", "1a", "a b", 'a"b', "a;b", "a-b", "a.b", "é", "a\x00", "a\n", "naïve", "ﬁ"])
def test_odd_names_are_refused_and_never_escaped(name: str) -> None:
    with pytest.raises(ChurnError, match="only ASCII letters, digits and underscores"):
        quoted(name)


@pytest.mark.parametrize("name", ["order", "Select", "a1_b"])
def test_keywords_are_fine_as_names(name: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE {quoted(name)} ({quoted(name)} INTEGER)").fetchall()


def test_no_value_ever_becomes_sql(warehouse: Warehouse) -> None:
    evil = "x'); DROP TABLE churn.readings; --"
    rows = readings(note=evil, place=pd.Categorical([evil] * 3))
    with warehouse.writing() as connection:
        publish(connection, Publication(CONTRACT, ONE_DAY, [rows], lambda _: {DAY: evil}, evil, evil))
    entry = verified(warehouse)[DAY]
    assert (entry.input_hash, entry.code_version, entry.run_id) == (evil, evil, evil)
    with warehouse.reading() as connection:
        Ledger.read(connection, [evil])
    assert held(warehouse)["place"].tolist() == [evil] * 3


def test_reading_takes_the_days_and_columns_asked_for(warehouse: Warehouse) -> None:
    put(warehouse, *(readings(2, day=day, first_id=1 + 10 * at) for at, day in enumerate(WEEK)), days=WEEK)
    with warehouse.reading() as connection:
        some = DayRange(DAY + timedelta(days=2), DAY + timedelta(days=3))
        back = read_days(connection, CONTRACT, some, columns=("level", "reading_id"))
        none = read_days(connection, CONTRACT, DayRange(date(2020, 1, 1), date(2020, 1, 2)))
    assert list(back.columns) == ["level", "reading_id"]
    assert sorted(back["reading_id"]) == [21, 22, 31, 32]
    assert none.dtypes.drop("place").equals(CONTRACT.empty().dtypes.drop("place"))


def test_reading_takes_the_rows_that_have_one_of_some_values(warehouse: Warehouse) -> None:
    odd = "it's"
    put(warehouse, readings(4, place=pd.Categorical(["north", odd, None, "south"])))
    with warehouse.reading() as connection:
        back = read_days(
            connection, CONTRACT, ONE_DAY, columns=("reading_id",), among=("place", (odd, "south", "east"))
        )
        none = read_days(connection, CONTRACT, ONE_DAY, columns=("reading_id",), among=("place", ()))
    assert sorted(back["reading_id"]) == [2, 4] and none.empty


def test_a_table_that_was_never_published_has_no_rows_but_its_types(warehouse: Warehouse) -> None:
    put(warehouse, readings())
    other = replace(CONTRACT, table="never_published")
    with warehouse.reading() as connection:
        pd.testing.assert_frame_equal(read_days(connection, other, ONE_DAY), other.empty())
        assert list(read_days(connection, other, columns=("note",)).columns) == ["note"]


@pytest.mark.parametrize("rows", [0, 1, 5, 300_000])
def test_what_is_read_is_an_ordinary_frame_that_may_be_changed(warehouse: Warehouse, rows: int) -> None:
    put(warehouse, readings(rows))
    back = held(warehouse)
    with warehouse.reading() as connection:
        unsorted = read_days(connection, CONTRACT)
    assert isinstance(back.index, pd.RangeIndex)
    for column in CONTRACT.columns:
        values = unsorted[column.name]
        assert values.dtype == column.dtype
        if rows:
            value = values.iloc[-1]
            unsorted.loc[0, column.name] = value
            assert unsorted[column.name].iloc[0] == value


@settings(deadline=None, max_examples=examples(20))
@given(st.integers(1, 7), st.lists(st.integers(1, 2**63 - 1), unique=True, max_size=30))
def test_buckets_of_an_integer_key_split_the_rows(
    memory: duckdb.DuckDBPyConnection, count: int, ids: list[int]
) -> None:
    rows = readings(len(ids), reading_id=np.array(ids, dtype="int64"))
    split_and_join(memory, "reading_id", Kind.INTEGER, count, rows)


@settings(deadline=None, max_examples=examples(20))
@given(st.integers(1, 7), st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), max_size=30))
def test_buckets_of_a_text_key_split_the_rows(
    memory: duckdb.DuckDBPyConnection, count: int, texts: list[str | None]
) -> None:
    for kind in (Kind.TEXT, Kind.INTEGER):
        split_and_join(memory, "note", kind, count, readings(len(texts), note=texts))


@pytest.fixture(scope="module")
def memory() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def split_and_join(
    memory: duckdb.DuckDBPyConnection, column: str, kind: Kind, count: int, rows: pd.DataFrame
) -> list[pd.DataFrame]:
    publish(memory, publication(rows))
    parts = [read_days(memory, CONTRACT, ONE_DAY, bucket=Bucket(column, kind, n, count)) for n in range(count)]
    together = [one for part in parts for one in part["reading_id"]]
    assert sorted(together) == sorted(rows["reading_id"])
    return parts


SPACES = st.text(" \t\n\r\x0b\x0c\u00a0\u2003\u3000", max_size=2)
SPELLINGS = st.builds(
    lambda before, zeros, point, after: lambda number: f"{before}{zeros}{number}{point}{after}",
    SPACES,
    st.sampled_from(["", "0", "000"]),
    st.sampled_from(["", ".", ".0", ".000"]),
    SPACES,
)


@settings(deadline=None, max_examples=examples(40))
@given(st.integers(1, 2**63 - 1), st.lists(SPELLINGS, min_size=2, max_size=6), st.integers(2, 7))
def test_every_spelling_that_cleaning_reads_as_one_id_meets_in_one_bucket(
    memory: duckdb.DuckDBPyConnection, number: int, spellings: list[Callable[[int], str]], count: int
) -> None:
    texts = [spell(number) for spell in [str, *spellings]]
    rows = readings(len(texts), note=texts)
    cleaned, _ = integer_ids(rows["note"])
    assert set(cleaned.tolist()) == {number}
    assert sum(len(part) > 0 for part in split_and_join(memory, "note", Kind.INTEGER, count, rows)) == 1


def test_ids_kept_as_text_are_themselves(memory: duckdb.DuckDBPyConnection) -> None:
    rows = readings(60, note=[f"user {number // 2}" for number in range(60)])
    parts = split_and_join(memory, "note", Kind.TEXT, 3, rows)
    assert all(len(part) and part["note"].value_counts().eq(2).all() for part in parts)
