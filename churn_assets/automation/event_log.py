"""Dagster's own SQLite event log, with connections that are kept and batches that are one transaction.

Rows, ids and answers are the stock storage's, because the stock code still writes and reads them: this class only
decides which connection and which transaction that code finds itself in. See docs/decisions/0003-event-log.md.
"""

import inspect
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster._core.storage.event_log.sqlite.sqlite_event_log as stock
from dagster import AssetKey, EventLogEntry
from dagster._core.storage.event_log import SqlPollingEventWatcher
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection

from churn_assets.automation.sqlite_pool import SqlitePool
from churn_assets.errors import ChurnError

EVENTS_PER_BATCH = "1000"  # events, as the text of an environment variable

# What the class below overrides or calls in Dagster, with the parameters it was written against.
RELIED_ON = {
    "__init__": "self base_dir inst_data",
    "_connect": "self shard",
    "_has_asset_key_col_on_connection": "self conn column_name",
    "_initdb": "self engine for_index_shard",
    "_store_asset_event": "self conn event event_id",
    "conn_string_for_shard": "self shard_name",
    "dispose": "self",
    "end_watch": "self run_id handler",
    "has_table": "self table_name",
    "index_connection": "self",
    "path_for_shard": "self run_id",
    "run_connection": "self run_id",
    "store_event": "self event",
    "store_event_batch": "self events",
    "watch": "self run_id cursor callback",
    "wipe": "self",
}


class PooledSqliteEventLogStorage(stock.SqliteEventLogStorage):
    """SQLite event log with one kept connection per shard and one transaction per batch and shard.

    As in the stock class one thread at a time is inside a connection block. Unlike there, a block within a block
    of the same shard joins it: this is how the stock `store_event`, called unchanged, becomes part of a batch.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        # Before super().__init__, which already connects to the index.
        self._pool = SqlitePool(self.path_for_shard, self.conn_string_for_shard, self._initdb, stock.INDEX_SHARD_NAME)
        self._known: set[str] = set()  # tables and columns seen; absent ones are asked for again, a migration adds them
        self._superseded: set[int] = set()  # events of the batch being stored that a later one of it replaces
        self._poller: SqlPollingEventWatcher | None = None
        super().__init__(base_dir, inst_data)
        # Dagster reads this at every event. Only a storage that can batch gains by it (the stock one writes a batch
        # event by event), so it is set here and not in the environment of whoever starts us.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENTS_PER_BATCH)

    @classmethod
    def from_config_value(  # type: ignore[override]  # the stock class where ours would not work
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> stock.SqliteEventLogStorage:
        base_dir = str(_under_dagster_home(config_value["base_dir"]))
        if changed := _changed_internals():
            warnings.warn(
                f"This Dagster version changed {', '.join(changed)}, so its own slower event log is used.", stacklevel=2
            )
            return stock.SqliteEventLogStorage(base_dir, inst_data)
        return cls(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._pool.transaction(shard) as connection:
            yield connection

    def store_event(self, event: EventLogEntry) -> None:
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the events in order: all of them, or none and the error.

        Blocks close from the inside out, so the run shards commit first and the index last, as event by event. Two
        files cannot commit as one: only if the index's COMMIT itself fails (disk full) are the rows already in the
        run's log, and Dagster's second try, one by one, shows them there twice. The index, which every question about
        assets, partitions and checks is put to, never has them twice.
        """
        with ExitStack() as blocks:
            blocks.enter_context(self.index_connection())
            for run_id in dict.fromkeys(entry.run_id for entry in events):
                blocks.enter_context(self.run_connection(run_id))
            latest = {(entry.dagster_event_type, _asset_key(entry)): id(entry) for entry in events}
            self._superseded = {id(entry) for entry in events} - set(latest.values())
            blocks.callback(self._superseded.clear)
            for entry in events:
                super().store_event(entry)

    def _store_asset_event(self, conn: Connection, event: EventLogEntry, event_id: int) -> None:
        # Writes the asset's one row of "latest" columns, which columns depends on the type of event. Of a batch nobody
        # can see any but the last of an asset and type.
        if id(event) not in self._superseded:
            super()._store_asset_event(conn, event, event_id)

    def has_table(self, table_name: str) -> bool:
        return self._once(f"table {table_name}", super().has_table, table_name)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        return self._once(f"column {column_name}", super()._has_asset_key_col_on_connection, conn, column_name)

    def _once(self, question: str, ask: Callable[..., bool], *about: Any) -> bool:
        if question not in self._known and ask(*about):
            self._known.add(question)
        return question in self._known

    def wipe(self) -> None:
        with self._pool.lock:
            self._pool.close()  # Windows does not delete an open file
            super().wipe()

    # The stock class watches the shard's file for changes. With a kept connection a commit goes to the -wal file beside
    # it and a live log would stand still, so a run is watched by asking, as with Dagster's other databases.
    def watch(self, run_id: str, cursor: str | None, callback: Any) -> None:
        with self._pool.lock:
            self._poller = self._poller or SqlPollingEventWatcher(self)
        self._poller.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: Any) -> None:
        if self._poller:
            self._poller.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        if self._poller:
            self._poller.close()
            self._poller = None
        super().dispose()
        self._pool.close()


def _asset_key(entry: EventLogEntry) -> AssetKey | None:
    return entry.dagster_event.asset_key if entry.dagster_event else None


def _under_dagster_home(base_dir: str) -> Path:
    """A relative folder is meant from the Dagster home, wherever that is now, not from the current directory."""
    folder = Path(base_dir).expanduser()
    if folder.is_absolute():
        return folder
    if not os.environ.get("DAGSTER_HOME"):
        raise ChurnError(f"Set DAGSTER_HOME to the folder that holds dagster.yaml: {base_dir} is relative to it.")
    return Path(os.environ["DAGSTER_HOME"]).expanduser() / folder


def _changed_internals() -> list[str]:
    """Names this module relies on in Dagster that are gone or take other parameters."""
    methods = {name: getattr(stock.SqliteEventLogStorage, name, None) for name in RELIED_ON}
    changed = [
        name
        for name, method in methods.items()
        if method is None or " ".join(inspect.signature(method).parameters) != RELIED_ON[name]
    ]
    return changed if hasattr(stock, "INDEX_SHARD_NAME") else [*changed, "INDEX_SHARD_NAME"]
