"""A warehouse in memory that holds only what a check of volume or drift looks at: so many rows a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import duckdb

from churn_assets.calendar import DayRange
from churn_assets.checks.graph import all_checks, verdicts
from churn_assets.checks.verdict import Stored, Verdict
from churn_assets.contracts import contracts
from churn_assets.settings import Settings
from churn_assets.warehouse.ledger import LEDGER_DDL, LEDGER_TABLE

MONDAY = date(2026, 1, 5)
"""Day 1 of the worlds below."""


def at(number: int) -> date:
    return MONDAY + timedelta(days=number - 1)


def judged(
    check: str,
    columns: str,
    days: Sequence[Mapping[str, int] | None],
    *,
    asked: DayRange | None = None,
    **of_checks: object,
) -> list[Verdict]:
    """What `table.name` says of each asked day. `days` counts rows, from MONDAY on, by the SQL of their values, which
    follow the day among `columns`; None is a day that is not published.
    """
    table = check.split(".", maxsplit=1)[0]
    settings = Settings(checks=of_checks)  # type: ignore[arg-type]
    whole, names = contracts(settings)[table], {column.split()[0] for column in columns.split(",")}
    narrowed = replace(whole, columns=tuple(replace(c, nullable=True) for c in whole.columns if c.name in names))
    published = [at(number) for number, rows in enumerate(days, 1) if rows is not None]
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA churn")
        connection.execute(LEDGER_DDL)
        connection.execute(f"CREATE TABLE churn.{table} ({columns})")
        for number, rows in enumerate(days, 1):
            for values, count in (rows or {}).items():
                selected = ", ".join(filter(None, [f"DATE '{at(number)}'", values]))
                connection.execute(f"INSERT INTO churn.{table} SELECT {selected} FROM range({count})")
        for day in published:
            connection.execute(
                f"INSERT INTO {LEDGER_TABLE} BY NAME SELECT '{table}' AS table_name, DATE '{day}' AS partition_date, 0 AS row_count, "
                "'' AS content_hash, '' AS input_hash, '' AS code_version, '' AS run_id, TIMESTAMP '2026-01-01' AS published_at"
            )
        [one] = [one for one in all_checks(settings) if f"{one.table}.{one.name}" == check]
        found = verdicts(one, Stored(connection, {table: narrowed}, settings), asked or DayRange(at(1), at(len(days))))
    return list(found.values())
