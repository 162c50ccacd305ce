"""Reading published rows: by contract, through Arrow, days and key buckets chosen by the reader."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import duckdb
import pandas as pd

from churn_assets.calendar import DayRange, contiguous
from churn_assets.contracts import Contract, Kind
from churn_assets.product.entries import Scalar
from churn_assets.warehouse.definitions import stored_columns
from churn_assets.warehouse.frames import qualified, quoted, to_frame
from churn_assets.warehouse.older import refuse_older
from churn_assets.warehouse.selection import Selection


@dataclass(frozen=True)
class Bucket:
    """Rows whose key falls into bucket `number` of `count`. `kind` is what the key means, even while it is text."""

    column: str
    kind: Kind
    number: int
    count: int

    def condition(self, contract: Contract) -> str:
        """SQL for it. An integer id still in text may be written in several ways (` 12 `, `012.0`), which must meet in
        one bucket: its digits before any point decide.
        """
        column = quoted(self.column)
        if contract.column(self.column).kind is Kind.INTEGER:
            return f"{column} % {self.count:d} = {self.number:d}"
        if self.kind is Kind.INTEGER:
            column = f"try_cast(regexp_extract({column}, '[0-9]+') AS BIGINT)"
        return f"coalesce(hash({column}) % {self.count:d}, 0) = {self.number:d}"


def read_days(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    days: DayRange | None = None,
    *,
    columns: tuple[str, ...] | None = None,
    only: str | None = None,
    among: tuple[str, tuple[Scalar, ...]] | None = None,
    bucket: Bucket | None = None,
    without: Collection[date] | None = None,
) -> pd.DataFrame:
    """Published rows of `contract` on `days` (None: all), with the contract's types. No table yet: no rows.

    `only` names a flag column: rows where it is not true are left out. `among` names a column and the values
    of which a row must have one. Raises OlderDefinition where a day was published without one of the columns; a caller who
    knows which days those are leaves them out with `without`, and is asked no more.
    """
    selection = Selection(columns, only=only, among=among)
    chosen = contract.columns if columns is None else tuple(contract.column(name) for name in columns)
    needed = [contract.column(name) for name in selection.needed(contract)]
    if without is None:
        refuse_older(connection, contract, needed, days)
    stored = stored_columns(connection, contract.table)
    if any(stored.get(column.name, (None,))[0] != column.kind.duckdb_type for column in needed):
        # No table yet, or none of its days has these columns.
        return contract.empty()[[c.name for c in chosen]]
    names = ", ".join(quoted(column.name) for column in chosen)
    conditions = ["true"]
    if days is not None:
        conditions.append(_within(contract, days))
    conditions += [f"NOT {_within(contract, span)}" for span in contiguous(without or ())]
    if only is not None:
        conditions.append(quoted(only))
    values: dict[str, list[Scalar]] = {}
    if among is not None:
        conditions.append(f"{quoted(among[0])} IN (SELECT unnest($values))")
        values = {"values": list(among[1])}
    if bucket is not None:
        conditions.append(bucket.condition(contract))
    query = f"SELECT {names} FROM {qualified(contract.table)} WHERE {' AND '.join(conditions)}"
    return to_frame(chosen, connection.sql(query, params=values).to_arrow_table())


def _within(contract: Contract, days: DayRange) -> str:
    """Dates as literals, not as parameters: those keep DuckDB 1.5 from skipping the row groups of other days."""
    return f"({quoted(contract.day)} BETWEEN {_literal(days.first)} AND {_literal(days.last)})"


def _literal(day: date) -> str:
    return f"DATE '{day.isoformat()}'"
