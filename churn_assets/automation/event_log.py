"""Dagster's own SQLite event log, with connections that are kept and batches that are one transaction.

Rows, ids and answers are the stock storage's. Stock code reads them. What it writes event by event, this class writes batch
by batch, as long as that code is the code whose effect is repeated here. See docs/decisions/0003-event-log.md.
"""

import hashlib
import inspect
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import dagster._core.storage.event_log.sqlite.sqlite_event_log as stock
from dagster import AssetKey, DagsterEventType, EventLogEntry
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqlPollingEventWatcher
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import bindparam
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

# Stock code whose effect `_store_together` repeats for many events at once, by a digest of its source. Where one is another,
# the events of a batch go through stock code one by one.
REPEATED = {
    "SqliteEventLogStorage.store_event": "ae9738005e700907",
    "SqlEventLogStorage.prepare_insert_event": "d59f20e54f8ea534",
    "SqlEventLogStorage._event_to_row": "b797c4a1a430f6b8",
    "SqlEventLogStorage._store_asset_event_tags": "9207064997664399",
    "SqlEventLogStorage._store_asset_event": "905c7cc22cb846f2",
    "SqlEventLogStorage.store_asset_check_event": "0b03a160a3dfc1a1",
    "SqlEventLogStorage._store_asset_check_evaluation_planned": "2275b9761952e9a8",
    "SqlEventLogStorage._store_runless_asset_check_evaluation": "aaf41d379cd5bcc8",
    "SqlEventLogStorage._update_asset_check_evaluation": "7e34334bce9f5bc6",
    "SqlEventLogStorage._get_asset_check_partition_filter_clause": "1f9ff7eb4a9b68e3",
}

_INDEXED = {*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS}
_EVENTS, _CHECKS = SqlEventLogStorageTable, AssetCheckExecutionsTable
_INSERT = _EVENTS.insert()
_INSERT_WITH_IDS = _EVENTS.insert().returning(_EVENTS.c.id, sort_by_parameter_order=True)
_OF_PLANNED = (
    _CHECKS.update()
    .where(_CHECKS.c.asset_key == bindparam("of_asset"), _CHECKS.c.check_name == bindparam("of_check"))
    .where(_CHECKS.c.run_id == bindparam("of_run"))
)
_UPDATE_PARTITION = _OF_PLANNED.where(_CHECKS.c.partition == bindparam("of_partition"))
_UPDATE_WHOLE = _OF_PLANNED.where(_CHECKS.c.partition.is_(None))


_Row = tuple[EventLogEntry, dict[str, Any]]
"""An event, and what of it is stored."""


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
        self._waiting: defaultdict[int, list[_Row]] = defaultdict(list)  # results of checks to store, by process
        self._is_storing = False  # only the holder of the pool's lock looks here
        self._is_bulk = not changed_sources()
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
        self._store_waiting()
        with self._pool.transaction(shard) as connection:
            yield connection

    def store_event(self, event: EventLogEntry) -> None:
        """Store the event; the result of a check with those that follow it, at the latest when anything else is stored or read."""
        if event.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION and event.run_id and self._is_bulk:
            with self._pool.lock:
                # Turned into a row now, so that what cannot be stored fails with whoever asked for it.
                self._waiting[os.getpid()].append((event, self._event_to_row(event)))
                if len(self._waiting[os.getpid()]) < int(EVENTS_PER_BATCH):
                    return
            self._store_waiting()
        else:
            self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the events in order: all of them, or none and the error.

        Blocks close from the inside out, so the run shards commit first and the index last, as event by event. Two
        files cannot commit as one: only if the index's COMMIT itself fails (disk full) are the rows already in the
        run's log, and Dagster's second try, one by one, shows them there twice. The index, which every question about
        assets, partitions and checks is put to, never has them twice.
        """
        with self._pool.lock:
            self._store_waiting()
            self._store([(event, self._event_to_row(event)) for event in events])

    def _store_waiting(self) -> None:
        """Store the results of checks that are not yet. Those that a fork took along are the parent's to store."""
        waiting = self._waiting[os.getpid()]
        if not waiting:  # Asked before each block; without a lock, which the thread that fills it holds.
            return
        with self._pool.lock:
            if not self._is_storing:
                self._store(waiting)
                waiting.clear()

    def _store(self, events: Sequence[_Row]) -> None:
        self._is_storing = True
        try:
            with ExitStack() as blocks:
                index = blocks.enter_context(self.index_connection())
                runs = {
                    run_id: blocks.enter_context(self.run_connection(run_id))
                    for run_id in dict.fromkeys(event.run_id for event, _ in events)
                }
                latest = {(event.dagster_event_type, _asset_key(event)): id(event) for event, _ in events}
                self._superseded = {id(event) for event, _ in events} - set(latest.values())
                blocks.callback(self._superseded.clear)
                if self._is_bulk:
                    self._store_together(index, runs, events)
                else:
                    for event, _ in events:
                        super().store_event(event)
        finally:
            self._is_storing = False

    def _store_together(self, index: Connection, runs: Mapping[str, Connection], events: Sequence[_Row]) -> None:
        """What the stock `store_event` does for each event, a table at a time. An event is turned into JSON once."""
        for run_id, connection in runs.items():
            connection.execute(_INSERT, [row for event, row in events if event.run_id == run_id])
        indexed = [(event, row) for event, row in events if event.dagster_event_type in _INDEXED]
        if not indexed:
            return
        ids = index.execute(_INSERT_WITH_IDS, [row for _, row in indexed]).scalars().all()
        of_assets = [
            (event, id) for (event, _), id in zip(indexed, ids, strict=True)
            if event.dagster_event_type in ASSET_EVENTS
        ]  # fmt: skip
        self._store_asset_event_tags(index, [event for event, _ in of_assets], [id for _, id in of_assets])
        for event, id in of_assets:
            self._store_asset_event(index, event, id)
        planned = []
        for (event, row), id in zip(indexed, ids, strict=True):
            if event.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                planned += self._planned_checks(event, row, id)
            elif event.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
                _insert_checks(index, planned)
                planned = []
                if event.run_id:
                    self._store_evaluation(index, event, row, id)
                else:
                    self._store_runless_asset_check_evaluation(event, id)
        _insert_checks(index, planned)

    def _planned_checks(self, event: EventLogEntry, row: Mapping[str, Any], id: int) -> list[dict[str, Any]]:
        planned: Any = event.get_dagster_event().event_specific_data
        partitions = planned.partitions_subset.get_partition_keys() if planned.partitions_subset else [None]
        common = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": row["event"],
            "evaluation_event_timestamp": row["timestamp"],
            "evaluation_event_storage_id": id,
        }
        return [{**common, "partition": partition} for partition in partitions]

    def _store_evaluation(self, index: Connection, event: EventLogEntry, row: Mapping[str, Any], id: int) -> None:
        evaluation: Any = event.get_dagster_event().event_specific_data
        target, status = evaluation.target_materialization_data, AssetCheckExecutionRecordStatus
        key = {
            "asset_key": evaluation.asset_key.to_string(),
            "check_name": evaluation.check_name,
            "run_id": event.run_id,
        }
        values = {
            "execution_status": (status.SUCCEEDED if evaluation.passed else status.FAILED).value,
            "evaluation_event": row["event"],
            "evaluation_event_timestamp": row["timestamp"],
            "evaluation_event_storage_id": id,
            "materialization_event_storage_id": target.storage_id if target else None,
            "partition": evaluation.partition,
        }
        which = {
            "of_asset": key["asset_key"],
            "of_check": key["check_name"],
            "of_run": key["run_id"],
        }
        if evaluation.partition is None:
            found = index.execute(_UPDATE_WHOLE, {**values, **which}).rowcount
        else:
            found = index.execute(_UPDATE_PARTITION, {**values, **which, "of_partition": evaluation.partition}).rowcount
        if not found:
            index.execute(_CHECKS.insert(), {**key, **values})

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
        self._store_waiting()
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
        try:
            self._store_waiting()
        finally:  # A full disk is no reason to keep files open.
            if self._poller:
                self._poller.close()
                self._poller = None
            super().dispose()
            self._pool.close()


def _insert_checks(index: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        index.execute(_CHECKS.insert(), rows)


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


@cache
def changed_sources() -> list[str]:
    """Names of REPEATED whose code is not the code whose effect is repeated here."""
    classes = {"SqliteEventLogStorage": stock.SqliteEventLogStorage, "SqlEventLogStorage": SqlEventLogStorage}
    return [
        name
        for name, digest in REPEATED.items()
        if _digest(getattr(classes[name.split(".")[0]], name.split(".")[1], None)) != digest
    ]


def _digest(function: Any) -> str:
    """Of its source, without indentation and empty lines; empty where there is none."""
    try:
        lines = inspect.getsource(function).splitlines()
    except (OSError, TypeError):
        return ""
    text = "\n".join(line.strip() for line in lines if line.strip())
    return hashlib.sha256(text.encode()).hexdigest()[:16]
