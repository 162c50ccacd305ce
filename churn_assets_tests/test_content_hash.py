"""The content hash: equal for equal rows however they came in, and through DuckDB; different for anything else."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from churn_assets.calendar import DayRange
from churn_assets.contracts import Column, Contract, Kind
from churn_assets.warehouse import Publication, publish, read_days
from churn_assets.warehouse.content_hash import PartitionHashes
from sizes import examples

FIRST = date(2026, 1, 1)
DAYS = DayRange(FIRST, FIRST + timedelta(days=2))
CONTRACT = Contract(
    table="every_kind",
    grain="one row",
    key=("row_id",),
    day="day",
    columns=(
        Column("row_id", Kind.INTEGER, "Row"),
        Column("day", Kind.DATE, "Day"),
        *(
            Column(f"{kind.name.lower()}{suffix}", kind, "Value", nullable=bool(suffix))
            for kind in Kind
            for suffix in ("", "_or_null")
        ),
        Column("source_file", Kind.LABEL, "Where from", provenance=True),
        Column("source_row", Kind.INTEGER, "Where in it", provenance=True),
    ),
)
Row = dict[str, Any]

# Every text UTF-8 can hold; with NUL bytes, emoji, right-to-left letters, composed and decomposed accents made likely.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.sampled_from(["", "-", "1", "NULL", "a\x00b", "\x00", "1\x1fa"]),
    st.sampled_from(["\U0001f600\u200d\U0001f525", "שלום", "é", "e\u0301"]),
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = {
    Kind.INTEGER: st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3)),
    Kind.NUMBER: st.one_of(FLOATS, st.sampled_from([0.0, -0.0, 5e-324, 12.7])),
    Kind.FLAG: st.booleans(),
    Kind.DATE: st.dates().map(lambda day: np.datetime64(day, "us")),
    Kind.INSTANT: st.datetimes().map(lambda instant: np.datetime64(instant, "us")),
    Kind.TEXT: TEXTS,
    Kind.LABEL: TEXTS,
}


def rows_of(contract: Contract) -> st.SearchStrategy[list[Row]]:
    def cell(column: Column) -> st.SearchStrategy[Any]:
        if column.name == "day":
            return st.sampled_from([np.datetime64(day, "us") for day in DAYS])
        values = VALUES[column.kind]
        return st.none() | values if column.nullable else values

    row = st.fixed_dictionaries({column.name: cell(column) for column in contract.columns})
    return st.lists(row, max_size=6).map(lambda rows: [one | {"row_id": at + 1} for at, one in enumerate(rows)])


def framed(rows: Iterable[Row], contract: Contract = CONTRACT) -> pd.DataFrame:
    rows = list(rows)
    columns = {column.name: _series(column, [row[column.name] for row in rows]) for column in contract.columns}
    return pd.DataFrame(columns)


def _series(column: Column, values: list[Any]) -> Any:
    if column.kind is Kind.LABEL:
        names = sorted({value for value in values if value is not None})
        return pd.Categorical(values, categories=pd.Index(names, dtype=object))
    if column.kind in (Kind.DATE, Kind.INSTANT):
        return np.array([np.datetime64("NaT") if v is None else v for v in values], dtype="datetime64[us]")
    if column.kind is Kind.NUMBER:
        return np.array([np.nan if v is None else v for v in values], dtype="float64")
    return pd.array(values, dtype=column.dtype)


def digests(*blocks: pd.DataFrame, contract: Contract = CONTRACT) -> list[tuple[int, str]]:
    hashes = PartitionHashes(contract)
    for block in blocks:
        hashes.add(block)
    return [(hashes.rows(day), hashes.digest(day)) for day in DAYS]


def stored(frame: pd.DataFrame, contract: Contract = CONTRACT) -> tuple[list[tuple[int, str]], pd.DataFrame]:
    """What the ledger says of the published frame, and the frame as read back."""
    publication = Publication(contract, DAYS, [frame], lambda _: dict.fromkeys(DAYS, ""), "")
    with memory().cursor() as connection:
        entries = publish(connection, publication)
        return [(entry.rows, entry.content_hash) for entry in entries], read_days(connection, contract)


@cache
def memory() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


slow_to_draw = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


@settings(slow_to_draw, max_examples=examples(30))
@given(rows_of(CONTRACT), st.randoms(use_true_random=False), st.data())
def test_the_hash_is_equal_for_any_order_and_any_split_into_blocks(rows: list[Row], shuffler: Any, data: Any) -> None:
    shuffled = rows.copy()
    shuffler.shuffle(shuffled)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    blocks = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    assert digests(framed(rows)) == digests(*map(framed, blocks))


@settings(slow_to_draw, max_examples=examples(40))
@given(rows_of(CONTRACT))
def test_the_hash_is_equal_day_by_day_and_bucket_by_bucket(rows: list[Row]) -> None:
    whole = digests(framed(rows))
    by_day = [framed(row for row in rows if row["day"] == np.datetime64(day)) for day in DAYS]
    by_bucket = [framed(row for row in rows if row["row_id"] % 2 == number) for number in range(2)]
    assert whole == digests(*by_day) == digests(*by_bucket)
    assert whole == [digests(block)[at] for at, block in enumerate(by_day)]


@settings(slow_to_draw, max_examples=examples(60))
@given(rows_of(CONTRACT).filter(len), st.data())
def test_the_hash_notices_any_single_changed_cell(rows: list[Row], data: Any) -> None:
    content = [column for column in CONTRACT.columns if not column.provenance and column.name != "day"]
    column = data.draw(st.sampled_from(content))
    at = data.draw(st.integers(0, len(rows) - 1))
    value = data.draw(st.none() | VALUES[column.kind] if column.nullable else VALUES[column.kind])
    assume(value != rows[at][column.name])
    altered = [row | {column.name: value} if number == at else row for number, row in enumerate(rows)]
    assert digests(framed(rows)) != digests(framed(altered))


@settings(slow_to_draw, max_examples=examples(30))
@given(rows_of(CONTRACT).filter(len), st.sampled_from(list(Kind)))
def test_the_hash_notices_cells_swapped_between_two_columns(rows: list[Row], kind: Kind) -> None:
    one, other = kind.name.lower(), f"{kind.name.lower()}_or_null"
    first, *rest = rows
    assume(first[other] is not None and first[one] != first[other])
    swapped = first | {one: first[other], other: first[one]}
    assert digests(framed(rows)) != digests(framed([swapped, *rest]))


@pytest.mark.parametrize("kind", list(Kind))
def test_the_hash_notices_cells_swapped_between_two_rows(kind: Kind) -> None:
    rows = sample_rows()
    name = kind.name.lower()
    a, b = rows[0] | {name: rows[1][name]}, rows[1] | {name: rows[0][name]}
    assert digests(framed(rows)) != digests(framed([a, b, *rows[2:]]))


def test_the_hash_notices_a_row_that_moved_to_another_day() -> None:
    rows = sample_rows()
    moved = [rows[0] | {"day": np.datetime64(DAYS.last, "us")}, *rows[1:]]
    assert digests(framed(rows))[0] != digests(framed(moved))[0]


@settings(slow_to_draw, max_examples=examples(30))
@given(rows_of(CONTRACT).filter(len))
def test_the_hash_notices_rows_that_are_there_twice(rows: list[Row]) -> None:
    twice, thrice = [*rows, rows[0]], [*rows, rows[0], rows[0]]
    at = (rows[0]["day"].astype("datetime64[D]").item() - FIRST).days
    assert len({digests(framed(some))[at][1] for some in (rows, twice, thrice)}) == 3


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Kind.INTEGER, [None, 0, -1]),
        (Kind.NUMBER, [None, 0.0, 5e-324, 1.0]),
        (Kind.FLAG, [None, False, True]),
        (Kind.TEXT, [None, "", "-", "0", " ", "\x00"]),
        (Kind.LABEL, [None, "", "-", "0", "None", "nan", "\x00"]),
    ],
)
def test_null_zero_and_empty_are_told_apart(kind: Kind, values: list[Any]) -> None:
    rows = [sample_rows()[0] | {f"{kind.name.lower()}_or_null": value} for value in values]
    assert len({digests(framed([row]))[0][1] for row in rows}) == len(values)


def test_texts_are_told_apart_wherever_one_ends_and_the_next_begins() -> None:
    pairs = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("abc", None), ("1\x1fa", "2"), ("1", "\x1fa2")]
    rows = [sample_rows()[0] | {"text": one, "text_or_null": two} for one, two in pairs]
    assert len({digests(framed([row]))[0][1] for row in rows}) == len(pairs)


def test_minus_zero_is_zero() -> None:
    row = sample_rows()[0]
    plus, minus = (framed([row | {"number": zero, "number_or_null": zero}]) for zero in (0.0, -0.0))
    assert digests(plus) == digests(minus)


def test_every_nan_is_null() -> None:
    odd_nan = np.array([0x7FF8000000000123], dtype="uint64").view("float64")[0]
    row = sample_rows()[0]
    assert digests(framed([row | {"number_or_null": odd_nan}])) == digests(framed([row | {"number_or_null": None}]))


def test_provenance_is_left_out() -> None:
    row = sample_rows()[0]
    assert digests(framed([row])) == digests(framed([row | {"source_file": "another.csv", "source_row": 99}]))


def test_unused_and_reordered_categories_say_the_same() -> None:
    plain = framed(sample_rows())
    names = list(plain["label"].cat.categories)
    other = plain.assign(label=plain["label"].cat.set_categories([*reversed(names), "never used"]))
    assert digests(plain) == digests(other)
    assert stored(other)[0] == stored(plain)[0]


def test_a_rows_hash_does_not_depend_on_whether_its_block_has_any_text() -> None:
    names = {"row_id", "day", "text_or_null"}
    contract = Contract("t", "row", ("row_id",), "day", tuple(c for c in CONTRACT.columns if c.name in names))
    rows = [sample_rows()[0], sample_rows()[1]]
    assert [row["text_or_null"] is None for row in rows] == [True, False]
    apart = [framed([row], contract) for row in rows]
    assert digests(framed(rows, contract), contract=contract) == digests(*apart, contract=contract)


def test_text_in_several_arrow_chunks_says_the_same() -> None:
    rows = sample_rows()
    chunked = pd.concat([framed([row]) for row in rows], ignore_index=True)
    labels = [column.name for column in CONTRACT.columns if column.kind is Kind.LABEL]
    chunked = CONTRACT.typed(chunked.astype(dict.fromkeys(labels, "category")))
    assert digests(chunked) == digests(framed(rows))
    assert stored(chunked)[0] == digests(framed(rows))


@settings(slow_to_draw, max_examples=examples(30))
@given(rows_of(CONTRACT))
def test_the_hash_and_the_values_survive_duckdb(rows: list[Row]) -> None:
    frame = framed(rows)
    ledger, back = stored(frame)
    assert ledger == digests(frame) == digests(back)
    back = back.sort_values("row_id", ignore_index=True)
    for column in CONTRACT.columns:
        assert back[column.name].dtype == column.dtype
        expected, given_back = frame[column.name].astype(object), back[column.name].astype(object)
        pd.testing.assert_series_equal(given_back, expected, check_exact=True)


EXTREMES = {
    Kind.INTEGER: [-(2**63), 2**63 - 1, 0],
    Kind.NUMBER: [1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 0.1, 12.7],
    Kind.DATE: [np.datetime64("0001-01-01", "us"), np.datetime64("9999-12-31", "us")],
    Kind.INSTANT: [np.datetime64("0001-01-01T00:00:00.000001"), np.datetime64("9999-12-31T23:59:59.999999")],
    Kind.TEXT: ["a\x00b", "\U0001f600", "שלום", "e\u0301", "", " ", "x" * 100_000],
    Kind.LABEL: ["a\x00b", "\U0001f600", "שלום", "e\u0301", "", " ", "x" * 100_000],
}


@pytest.mark.parametrize("kind", EXTREMES)
def test_extreme_values_survive_duckdb(kind: Kind) -> None:
    rows = [
        sample_rows()[0] | {"row_id": at + 1, kind.name.lower(): value, f"{kind.name.lower()}_or_null": value}
        for at, value in enumerate(EXTREMES[kind])
    ]
    ledger, back = stored(framed(rows))
    assert ledger == digests(framed(rows)) == digests(back)
    assert back.sort_values("row_id")[kind.name.lower()].tolist() == framed(rows)[kind.name.lower()].tolist()


def test_an_empty_partition_has_a_hash_of_its_own() -> None:
    assert digests() == digests(CONTRACT.empty()) == stored(CONTRACT.empty())[0] == [(0, "0" * 32)] * 3


def sample_rows() -> list[Row]:
    day = np.datetime64(FIRST, "us")
    values = {
        Kind.INTEGER: [1, -2, 2**40],
        Kind.NUMBER: [0.5, -12.7, 1e12],
        Kind.FLAG: [True, False, True],
        Kind.DATE: [np.datetime64(text, "us") for text in ("2025-12-31", "1969-07-20", "2026-02-28")],
        Kind.INSTANT: [np.datetime64(f"2026-01-01T0{hour}:00:00.00000{hour}") for hour in (1, 2, 3)],
        Kind.TEXT: ["login", "naïve", "a,b"],
        Kind.LABEL: ["basic", "pro", "ünknown"],
    }
    return [
        {"row_id": at + 1, "day": day, "source_file": "a.csv", "source_row": at + 1}
        | {kind.name.lower(): values[kind][at] for kind in Kind}
        | {f"{kind.name.lower()}_or_null": values[kind][at] if at else None for kind in Kind}
        for at in range(3)
    ]


GOLDEN = {
    Kind.INTEGER: "c22fa365b1948a04e6acfae129fed67b",
    Kind.NUMBER: "ed21d338ca5ac6efb0318d74bdc61333",
    Kind.FLAG: "7f435b9355911d98cb86f8f454239199",
    Kind.DATE: "c68594dc3aa651138ea4ac12653e70e9",
    Kind.INSTANT: "c28911888f78094a5b8bd90659c9138c",
    Kind.TEXT: "29621544c6a36c1c3fdac62f545cce58",
    Kind.LABEL: "7225384e56d3d4da917e04a33b71899f",
}
"""Digests as first published. A change makes every stored ledger row look tampered with: it wants a migration."""


@pytest.mark.parametrize("kind", list(Kind))
def test_the_hash_never_changes_by_accident(kind: Kind) -> None:
    names = {"row_id", "day", kind.name.lower(), f"{kind.name.lower()}_or_null"}
    contract = Contract("t", "row", ("row_id",), "day", tuple(c for c in CONTRACT.columns if c.name in names))
    assert digests(framed(sample_rows(), contract), contract=contract)[0] == (3, GOLDEN[kind])
