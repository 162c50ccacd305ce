"""Putting blocks of rows into a table: behind the computing of the next one, and in an order that the next day can live with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.calendar import DayRange
from churn_assets.contracts import Contract
from churn_assets.warehouse.frames import columns_ddl, insert_by_name, qualified, quoted, run, to_arrow

Block = pd.DataFrame | Callable[[], pd.DataFrame]
"""Rows, or a function that computes them without the warehouse: it is called while the block before is being stored."""
ASIDE = "temp.rows_of_the_last_days"


def stored_behind(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    blocks: Iterable[Block],
    last_days: DayRange | None = None,
) -> Iterator[pd.DataFrame]:
    """Each block as a frame, for the caller to judge; once judged it is stored, while the next one is computed.

    Storing takes as long as computing and leaves Python alone. The connection is never used by two threads at a time:
    the next block is asked for, which may read from the warehouse, before the storing of the last begins.

    Rows of `last_days`, which will be replaced soon, come to lie behind all others, whatever blocks they are in: DuckDB writes
    anew every row group that lost rows, and with blocks of some users and all days each group would.
    """
    table = _Table(connection, contract, last_days)
    judged: pa.Table | None = None
    with ThreadPoolExecutor(1, "storing") as storing:
        for block in blocks:
            stored: Future[None] | None = judged and storing.submit(table.add, judged)
            frame = block() if callable(block) else block
            yield frame
            judged = to_arrow(contract, frame)
            if stored:
                stored.result()
    if judged:
        table.add(judged)
    table.end()


class _Table:
    """A table that rows are added to."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, contract: Contract, last_days: DayRange | None) -> None:
        self._connection, self._contract, self._last_days = connection, contract, last_days
        self._into = qualified(contract.table)
        self._has_rows_aside = False

    def add(self, rows: pa.Table) -> None:
        if self._last_days and len(rows):
            is_last = pc.greater_equal(rows[self._contract.day], pa.scalar(self._last_days.first, pa.date32()))
            if pc.any(is_last).as_py():
                self._set_aside(rows.filter(is_last))
                rows = rows.filter(pc.invert(is_last))
        insert_by_name(self._connection, self._into, rows)

    def end(self) -> None:
        if self._has_rows_aside:
            names = ", ".join(map(quoted, self._contract.column_names))
            run(self._connection, f"INSERT INTO {self._into} ({names}) SELECT {names} FROM {ASIDE}")
            run(self._connection, f"DROP TABLE {ASIDE}")

    def _set_aside(self, rows: pa.Table) -> None:
        if not self._has_rows_aside:
            # Not CREATE TABLE ... AS SELECT ... LIMIT 0: see docs/decisions/0006-duckdb.md.
            run(self._connection, f"CREATE TEMP TABLE {ASIDE.removeprefix('temp.')} ({columns_ddl(self._contract)})")
            self._has_rows_aside = True
        insert_by_name(self._connection, ASIDE, rows)
