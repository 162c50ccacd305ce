"""The DuckDB IO manager: dagster-duckdb's, its handler and client replaced by ones that keep the storage promises.

The stock one commits DELETE and INSERT apart, inserts by position, takes types from the first frame and opens the file
read-write even to read. Here an output is published in one transaction, and an input is read by contract through Arrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from dagster import InitResourceContext, InputContext, MetadataValue, OutputContext, TimeWindow
from dagster._core.storage.db_io_manager import DbClient, DbIOManager, DbTypeHandler, TableSlice
from dagster_duckdb_pandas import DuckDBPandasIOManager

from churn_assets.calendar import NO_DAYS, DayRange
from churn_assets.contracts import Contract, contracts
from churn_assets.errors import ChurnError
from churn_assets.figures import Picture
from churn_assets.settings import Settings
from churn_assets.warehouse.connection import Warehouse
from churn_assets.warehouse.frames import SCHEMA, qualified
from churn_assets.warehouse.ledger import Published
from churn_assets.warehouse.publish import Publication, publish
from churn_assets.warehouse.reading import read_days
from churn_assets.warehouse.retry import retried_when_busy
from churn_assets.warehouse.signs_of_life import SignsOfLife


class StoredTable:
    """An upstream table that the step reads by itself, block by block, in its declared window."""


class ChurnIOManager(DuckDBPandasIOManager):
    """Publishes and reads the product's tables. `database` is the warehouse of the deployment in `data_dir`."""

    data_dir: str

    @staticmethod
    def type_handlers() -> Sequence[DbTypeHandler[Any]]:
        raise NotImplementedError("handlers need the deployment's contracts: see create_io_manager")

    @staticmethod
    def default_load_type() -> type[Any] | None:
        return pd.DataFrame

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator[Any]:
        """With a sign of life, and the warehouse kept open, for as long as a run has this, which every run that publishes does."""
        with ExitStack() as run:
            if context.run:
                settings = Settings.load(self.data_dir)
                run.enter_context(SignsOfLife(settings.running_dir).living(context.run.run_id))
                run.enter_context(Warehouse(Path(self.database)).keeping_open())
            yield run.enter_context(super().yield_for_execution(context))

    def create_io_manager(self, context: Any) -> DbIOManager:
        settings = Settings.load(self.data_dir)
        return _WarehouseIOManager(
            db_client=_Client(Warehouse(Path(self.database), settings.lock_timeout_seconds)),
            database=self.database,
            schema=SCHEMA,
            type_handlers=[_PublicationHandler(), _FrameHandler(contracts(settings))],
            default_load_type=pd.DataFrame,
            io_manager_name=type(self).__name__,
        )


class _WarehouseIOManager(DbIOManager):
    def load_input(self, context: InputContext) -> object:
        if context.dagster_type.typing_type is StoredTable:
            return StoredTable()
        return super().load_input(context)

    def handle_output(self, context: OutputContext, obj: object) -> None:
        with retried_when_busy(context.step_context.run_tags):
            super().handle_output(context, obj)


class _Client(DbClient[duckdb.DuckDBPyConnection]):
    """Sessions of the warehouse. Schema, table and old rows are the publication's business, inside its transaction."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    @contextmanager
    def connect(  # type: ignore[override]
        self, context: OutputContext | InputContext, _: TableSlice
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        session = self._warehouse.writing if isinstance(context, OutputContext) else self._warehouse.reading
        with session() as connection:
            yield connection

    @staticmethod
    def ensure_schema_exists(context: OutputContext, table_slice: TableSlice, connection: object) -> None:
        return

    @staticmethod
    def delete_table_slice(context: OutputContext, table_slice: TableSlice, connection: object) -> None:
        return

    @staticmethod
    def get_select_statement(table_slice: TableSlice) -> str:
        return f"SELECT * FROM {qualified(table_slice.table)}"

    @staticmethod
    def get_table_name(table_slice: TableSlice) -> str:
        return f"{table_slice.schema}.{table_slice.table}"


class _PublicationHandler(DbTypeHandler[Publication]):
    """What the product's own assets return: blocks of rows with their contract and origin."""

    def handle_output(
        self, context: OutputContext, table_slice: TableSlice, obj: Publication, connection: duckdb.DuckDBPyConnection
    ) -> None:
        entries = publish(connection, obj)
        _describe(context, entries, obj)

    def load_input(self, context: InputContext, table_slice: TableSlice, connection: object) -> Publication:
        raise ChurnError("A publication is written, not read; ask for a pandas DataFrame.")

    @property
    def supported_types(self) -> Sequence[type[object]]:
        return [Publication]


class _FrameHandler(DbTypeHandler[pd.DataFrame]):
    """Ordinary frames, for everyone else: a table's rows of the asked-for days, typed by its contract."""

    def __init__(self, tables: dict[str, Contract]) -> None:
        self._tables = tables

    def handle_output(
        self, context: OutputContext, table_slice: TableSlice, obj: pd.DataFrame, connection: duckdb.DuckDBPyConnection
    ) -> None:
        contract, days = self._contract(table_slice), _days(table_slice)
        if not days:
            raise _not_daily(table_slice)
        publication = Publication(contract, days, [obj], lambda _: dict.fromkeys(days, ""), "", context.run_id)
        _describe(context, publish(connection, publication), publication)

    def load_input(
        self, context: InputContext, table_slice: TableSlice, connection: duckdb.DuckDBPyConnection
    ) -> pd.DataFrame:
        columns = tuple(table_slice.columns) if table_slice.columns else None
        return read_days(connection, self._contract(table_slice), _days(table_slice), columns=columns)

    @property
    def supported_types(self) -> Sequence[type[object]]:
        return [pd.DataFrame]

    def _contract(self, table_slice: TableSlice) -> Contract:
        if table_slice.table not in self._tables:
            raise ChurnError(
                f"{table_slice.table} has no contract; this IO manager stores the product's tables only: give the "
                "asset an IO manager of its own."
            )
        return self._tables[table_slice.table]


def _days(table_slice: TableSlice) -> DayRange | None:
    """The partition days of a slice; None for the whole table. A window before the calendar is no days, not all."""
    if not table_slice.partition_dimensions:
        return None
    window, *others = (dimension.partitions for dimension in table_slice.partition_dimensions)
    if not others and not window:
        return NO_DAYS
    if others or not isinstance(window, TimeWindow) or {window.start.time(), window.end.time()} != {time()}:
        raise _not_daily(table_slice)
    return DayRange(window.start.date(), window.end.date() - timedelta(days=1))


def _not_daily(table_slice: TableSlice) -> ChurnError:
    return ChurnError(f"{table_slice.table} is partitioned by day; give its asset the daily partitions.")


def _describe(context: OutputContext, entries: list[Published], publication: Publication) -> None:
    """What each partition's own materialization shows, not the sum on every one."""
    for entry, metadata in described(entries, publication):
        context.step_context.add_asset_metadata(
            metadata, asset_key=context.asset_key, partition_key=entry.day.isoformat()
        )


def described(entries: list[Published], publication: Publication) -> Iterator[tuple[Published, dict[str, Any]]]:
    """Row count, content hash and notes of each published partition."""
    notes = publication.notes()
    for entry in entries:
        yield (
            entry,
            {
                "Query": f"SELECT * FROM {qualified(entry.table)} WHERE {publication.contract.day} = DATE '{entry.day}'",
                "dagster/partition_row_count": entry.rows,
                "content_hash": entry.content_hash,
                **{name: shown(value) for name, value in notes.get(entry.day, {}).items()},
            },
        )


def shown(value: Any) -> Any:
    """A picture as the UI shows one: Markdown with the image in it."""
    return MetadataValue.md(f"![{value.shows}]({value.data_uri})") if isinstance(value, Picture) else value
