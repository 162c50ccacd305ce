"""The contracts themselves: complete, consistent, and what the tables are really made from."""

from __future__ import annotations

import re
from datetime import date

import duckdb
import pandas as pd
import pytest

from churn_assets.calendar import DayRange
from churn_assets.contracts import Contract, Kind, contracts
from churn_assets.settings import EventsSettings, Settings, Sources, UsersSettings
from churn_assets.warehouse.content_hash import PartitionHashes
from churn_assets.warehouse.frames import create_table, quoted, to_arrow, to_frame
from churn_assets.warehouse.gate import admit
from e_learning import OPTIONAL_SOURCE_COLUMNS, REQUIRED_SOURCE_COLUMNS, SOURCE_COLUMNS

DAY = date(2026, 1, 1)
TEXT_IDS = Settings(sources=Sources(users=UsersSettings(id_type="string"), events=EventsSettings(id_type="string")))
TABLES = {f"{name}, integer ids": contract for name, contract in contracts(Settings()).items()} | {
    f"{name}, text ids": contract for name, contract in contracts(TEXT_IDS).items()
}

every_table = pytest.mark.parametrize("contract", TABLES.values(), ids=TABLES)


@every_table
def test_the_ddl_makes_the_contracts_columns_in_order_with_its_types(contract: Contract) -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA churn").fetchall()
        connection.execute(create_table(contract)).fetchall()
        made = connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'churn' ORDER BY column_index"
        ).fetchall()
    assert made == [(c.name, c.kind.duckdb_type) for c in contract.columns]


@every_table
def test_an_empty_frame_passes_the_gate_and_survives_arrow(contract: Contract) -> None:
    empty = contract.empty()
    admit(contract, empty, DayRange(DAY, DAY))
    PartitionHashes(contract).add(empty)
    back = to_frame(contract.columns, to_arrow(contract, empty))
    assert list(back.columns) == contract.column_names
    assert [str(dtype) for dtype in back.dtypes] == [str(dtype) for dtype in empty.dtypes]


@every_table
def test_names_are_unique_lower_case_and_need_no_escape(contract: Contract) -> None:
    names = [contract.table, *contract.column_names]
    assert len(set(contract.column_names)) == len(contract.columns)
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9_]*", name)] == []
    assert all(quoted(name) for name in names)


@every_table
def test_the_key_is_made_of_stored_columns_that_are_never_null(contract: Contract) -> None:
    assert contract.key
    columns = [contract.column(name) for name in contract.key]
    assert not [column.name for column in columns if column.nullable]
    # The gate compares keys by their bits, which floats do not have one of for each value.
    assert {column.kind for column in columns} <= {Kind.INTEGER, Kind.TEXT, Kind.LABEL, Kind.DATE}


@every_table
def test_the_partition_column_is_a_date_that_is_never_null(contract: Contract) -> None:
    day = contract.column(contract.day)
    assert (day.kind, day.nullable, day.provenance) == (Kind.DATE, False, False)


@every_table
def test_grain_columns_and_rules_are_described(contract: Contract) -> None:
    assert contract.grain.startswith(("one ", "what "))
    assert not [column.name for column in contract.columns if len(column.description) < 4]
    assert not [column.name for column in contract.columns if column.description.endswith(".")]
    assert len({rule.sentence for rule in contract.rules}) == len(contract.rules)
    assert all(rule.name and rule.sentence for rule in contract.rules)


@every_table
def test_limits_are_in_order_and_of_columns_that_have_an_order(contract: Contract) -> None:
    for column in contract.columns:
        if column.minimum is not None or column.maximum is not None:
            assert column.kind in (Kind.INTEGER, Kind.NUMBER)
        if column.minimum is not None and column.maximum is not None:
            assert column.minimum < column.maximum


@every_table
def test_every_rule_holds_for_no_rows_and_gives_one_answer_per_row(contract: Contract) -> None:
    for rule in contract.rules:
        assert len(rule.holds(contract.empty())) == 0


def test_a_table_is_found_by_its_own_name() -> None:
    assert [name for name, contract in contracts(Settings()).items() if contract.table != name] == []


def test_the_id_type_of_the_settings_decides_the_kind_of_every_id() -> None:
    for settings, kind in ((Settings(), Kind.INTEGER), (TEXT_IDS, Kind.TEXT)):
        tables = [c for name, c in contracts(settings).items() if not name.startswith(("raw_", "quarantined_"))]
        ids = [column for c in tables for column in c.columns if column.name in ("user_id", "event_id")]
        assert ids
        assert {column.kind for column in ids} == {kind}


def test_raw_tables_hold_every_source_column_as_nullable_text() -> None:
    for source in ("users", "events"):
        assert SOURCE_COLUMNS[source] == REQUIRED_SOURCE_COLUMNS[source] + OPTIONAL_SOURCE_COLUMNS[source]
        raw = contracts(Settings())[f"raw_{source}"]
        columns = [raw.column(name) for name in SOURCE_COLUMNS[source]]
        assert {(column.kind, column.nullable) for column in columns} == {(Kind.TEXT, True)}


def test_a_quarantined_row_is_the_raw_row_and_its_reason() -> None:
    tables = contracts(Settings())
    for source in ("users", "events"):
        assert tables[f"quarantined_{source}"].column_names == [*tables[f"raw_{source}"].column_names, "reason"]


def test_where_a_clean_row_came_from_is_provenance_and_when_is_not() -> None:
    for table in ("clean_users", "clean_events"):
        provenance = [column.name for column in contracts(Settings())[table].columns if column.provenance]
        assert provenance == ["source_file", "source_row"]


def test_typed_takes_columns_by_name_and_wants_all_of_them() -> None:
    contract = contracts(Settings())["users_files"]
    turned = contract.empty()[contract.column_names[::-1]].assign(surplus=1)
    pd.testing.assert_frame_equal(contract.typed(turned), contract.empty())
    with pytest.raises(KeyError):
        contract.typed(contract.empty().drop(columns=["digest"]))
