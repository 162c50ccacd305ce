"""The event log we ship answers every question as Dagster's own does, row for row, and survives what happens to it.

Real instances in temporary folders; the oracle is the stock storage given the same runs.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster._core.storage.event_log.sqlite.sqlite_event_log as stock
import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    BackfillPolicy,
    DagsterEventType,
    DagsterInstance,
    DailyPartitionsDefinition,
    EventLogEntry,
    EventRecordsFilter,
    MaterializeResult,
    Output,
    RunsFilter,
    asset,
    materialize,
    multi_asset_check,
)
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.events import DagsterEvent, StepMaterializationData
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import serialize_value
from dagster_shared.record import as_dict

from churn_assets.automation import sqlite_pool
from churn_assets.automation.event_log import PooledSqliteEventLogStorage, changed_sources
from churn_assets.automation.instance import ensure_instance
from churn_assets.errors import ChurnError

pytestmark = pytest.mark.filterwarnings(
    "ignore::dagster.BetaWarning",
    "ignore::dagster.PreviewWarning",
    "ignore:Function `EventMethods.get_event_records`:DeprecationWarning",
    "ignore:Use fetch_|Asset materialization planned events:UserWarning",
)

DAYS = DailyPartitionsDefinition("2026-01-01", end_date="2026-01-06")
KEYS = list(DAYS.get_partition_keys())
RANGE = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[-1]}
NUMBERS, SQUARES = AssetKey("numbers"), AssetKey("squares")
EVEN, SMALL = AssetCheckKey(NUMBERS, "even"), AssetCheckKey(NUMBERS, "small")


@asset(partitions_def=DAYS, backfill_policy=BackfillPolicy.single_run(), code_version="1")
def numbers(context: AssetExecutionContext) -> MaterializeResult:
    for key in context.partition_keys:
        context.add_asset_metadata({"rows": int(key[-2:])}, partition_key=key)
        context.log_event(AssetObservation(NUMBERS, partition=key, tags={"seen": "yes"}))
    return MaterializeResult(tags={"colour": "blue"})


@asset(partitions_def=DAYS, backfill_policy=BackfillPolicy.single_run(), code_version="1", deps=[numbers])
def squares(context: AssetExecutionContext) -> None:
    if "fail" in context.run.tags:
        raise RuntimeError("a failing step")


@multi_asset_check(specs=[AssetCheckSpec(key.name, asset=numbers, partitions_def=DAYS) for key in (EVEN, SMALL)])
def checks(context: AssetCheckExecutionContext) -> Iterator[Any]:
    for day in context.partition_keys:
        for key, passed in ((EVEN, int(day[-2:]) % 2 == 0), (SMALL, True)):
            yield AssetCheckEvaluation(
                asset_key=NUMBERS,
                check_name=key.name,
                passed=passed,
                metadata={"day": day},
                severity=AssetCheckSeverity.WARN,
                partition=day,
            )
    for key in (EVEN, SMALL):
        yield Output(None, output_name=f"numbers_{key.name}")


GRAPH = [numbers, squares, checks]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")  # so that whatever the test sets is taken back
        monkeypatch.delenv(name)


def open_instance(home: Path, monkeypatch: pytest.MonkeyPatch, kind: str = "ours") -> DagsterInstance:
    home.mkdir(exist_ok=True)
    if kind == "stock":
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(ensure_instance(home)))
    if kind == "unbatched":
        monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    return DagsterInstance.get()


def play(instance: DagsterInstance) -> None:
    """A range run, a failing range run, a single-day run, a run to be deleted, and an event of no run."""
    for tags, day in (({**RANGE}, None), ({**RANGE, "fail": "yes"}, None), ({}, KEYS[2]), ({}, KEYS[3])):
        materialize(GRAPH, instance=instance, tags=tags, partition_key=day, raise_on_error=False)
    instance.report_runless_asset_event(AssetMaterialization("outside", tags={"by": "hand"}))
    instance.report_runless_asset_event(AssetMaterialization(NUMBERS, partition=KEYS[0]))
    instance.report_runless_asset_event(AssetCheckEvaluation(NUMBERS, "small", passed=False, metadata={}))


def spoil(instance: DagsterInstance) -> None:
    instance.delete_run(runs_of(instance)[-1])
    instance.wipe_assets([SQUARES])


def runs_of(instance: DagsterInstance) -> list[str]:
    return [record.dagster_run.run_id for record in instance.get_run_records(ascending=True)]


class Plain:
    """Turns whatever Dagster stores or answers into plain data, without what must differ between two instances."""

    def __init__(self, run_ids: Sequence[str], home: Path) -> None:
        self.names = {run_id: f"<run {number}>" for number, run_id in enumerate(run_ids)} | {str(home): "<home>"}

    def __call__(self, value: Any) -> Any:
        plain: Any = value
        match value:
            case None | bool() | int():
                pass
            case float():
                plain = "<number>"
            case str():
                plain = self(json.loads(value)) if value[:2] in ('["', '{"') else self.text(value)
            case dict():
                varying = ("timestamp", "time", "pid", "duration", "log_key")
                plain = {self(key): None if str(key).endswith(varying) else self(value[key]) for key in value}
            case set() | frozenset():
                plain = sorted(map(str, map(self, value)))
            case list() | tuple() if not hasattr(value, "_fields"):
                plain = [self(item) for item in value]
            case _:
                plain = self(serialize_value(value))
        return plain

    def text(self, value: str) -> str:
        for name, stand_in in self.names.items():
            value = value.replace(name, stand_in)
        return re.sub(r"\d+(\.\d+)?m?s\b|pid: \d+|[0-9a-f]{8}-[0-9a-f-]{27}|0x[0-9a-f]+", "<varies>", value)


def stored_rows(instance: DagsterInstance, home: Path, runs: Sequence[str]) -> dict[str, Any]:
    """Every row of every table of the index, of each run's file and of the one for events of no run, ids included."""
    plain, rows = Plain(runs, home), {}
    for number, shard in enumerate(["index", *runs, ""]):
        file = home / "history" / "runs" / f"{shard}.db"
        with sqlite3.connect(file) as connection:
            connection.row_factory = sqlite3.Row
            tables = connection.execute("select name from sqlite_master where type = 'table' order by name").fetchall()
            for (table,) in tables:
                if not table.startswith("sqlite_"):
                    found = connection.execute(f"select * from {table} order by rowid").fetchall()
                    rows[f"{number} {table}"] = [plain(_without_clock(dict(row))) for row in found]
        connection.close()
    return rows


def _without_clock(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value is None if "timestamp" in name or "migration" in name else value for name, value in row.items()}


def answers(instance: DagsterInstance, home: Path, runs: Sequence[str]) -> dict[str, Any]:
    log = instance.event_log_storage
    types = DagsterEventType
    asked: dict[str, Any] = {
        "assets": sorted(key.to_user_string() for key in instance.all_asset_keys()),
        "statuses": [instance.get_run_by_id(run).status.value for run in runs if instance.get_run_by_id(run)],
        "latest": sorted(
            (key.to_user_string(), json.dumps(Plain(runs, home)(event)))
            for key, event in log.get_latest_materialization_events([NUMBERS, SQUARES]).items()
        ),
        "records": [
            (record.storage_id, as_dict(record.asset_entry))
            for record in sorted(instance.get_asset_records([NUMBERS, SQUARES]), key=lambda record: record.storage_id)
        ],
        "latest checks": sorted(
            (str(key), json.dumps(Plain(runs, home)(record.event)), record.status.value, record.id)
            for key, record in log.get_latest_asset_check_execution_by_key([EVEN, SMALL]).items()
        ),
    }
    for key in (NUMBERS, SQUARES, AssetKey("outside")):
        asked[f"{key} partitions"] = instance.get_materialized_partitions(key)
        asked[f"{key} fetched"] = instance.fetch_materializations(key, limit=100).records
        asked[f"{key} observed"] = instance.fetch_observations(key, limit=100).records
        planned = log.get_latest_planned_materialization_info(key)
        asked[f"{key} planned"] = planned and [planned.storage_id, planned.run_id]
        for kind in (types.ASSET_MATERIALIZATION, types.ASSET_OBSERVATION, types.ASSET_MATERIALIZATION_PLANNED):
            for days in (None, KEYS[1:3]):
                wanted = EventRecordsFilter(kind, asset_key=key, asset_partitions=days)
                asked[f"{key} {kind} {days}"] = instance.get_event_records(wanted, ascending=True)
    asked["tags"] = [sorted(tags.items()) for tags in map(dict, instance.get_event_tags_for_asset(NUMBERS))]
    for check_key in (EVEN, SMALL):
        for day in (None, *KEYS):
            only = PartitionKeyFilter(key=day) if day else None
            asked[f"{check_key} {day}"] = [
                (record.id, Plain(runs, home).names.get(record.run_id), record.status.value, record.partition)
                for record in log.get_asset_check_execution_history(check_key, limit=100, partition_filter=only)
            ]
    for number, run in enumerate(runs):
        asked[f"{number} log"] = instance.all_logs(run)
        asked[f"{number} after"] = log.get_records_for_run(run, limit=7).records
        asked[f"{number} stats"] = instance.get_run_stats(run)
        asked[f"{number} steps"] = sorted(
            (step.step_key, str(step.status), step.attempts, len(step.materialization_events))
            for step in instance.get_run_step_stats(run)
        )
    asked["failures"] = instance.fetch_run_status_changes(types.RUN_FAILURE, limit=10).records
    return {question: Plain(runs, home)(answer) for question, answer in asked.items()}


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
        return recorded(tmp_path_factory.mktemp("stock") / "home", patch, "stock")


def recorded(home: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> list[dict[str, Any]]:
    """Answers and rows after the runs, and again after a run was deleted and an asset wiped."""
    with open_instance(home, monkeypatch, kind) as instance:
        assert isinstance(instance.event_log_storage, PooledSqliteEventLogStorage) == (kind != "stock")
        play(instance)
        runs = runs_of(instance)
        seen = [answers(instance, home, runs), stored_rows(instance, home, runs)]
        spoil(instance)
        return [*seen, answers(instance, home, runs), stored_rows(instance, home, runs)]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["ours", "unbatched"])
def test_every_answer_and_every_row_is_the_stock_storages(
    kind: str, oracle: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = recorded(tmp_path / "home", monkeypatch, kind)
    assert len(oracle[0][f"{NUMBERS} partitions"]) == len(KEYS)
    assert [len(part) for part in ours] == [len(part) for part in oracle]
    for expected, actual in zip(oracle, ours, strict=True):
        for question in expected:
            assert actual[question] == expected[question], question


def materialization(run_id: str, number: int) -> EventLogEntry:
    data = StepMaterializationData(AssetMaterialization(NUMBERS, partition=str(number)), [])
    event = DagsterEvent(DagsterEventType.ASSET_MATERIALIZATION.value, "job", event_specific_data=data, step_key="step")
    return EventLogEntry(None, 10, "", run_id, time.time(), "step", "job", event)


def counts(storage: stock.SqliteEventLogStorage, *shards: str) -> list[Counter[str]]:
    found = []
    for shard in shards:
        with sqlite3.connect(storage.path_for_shard(shard)) as connection:
            rows = connection.execute("select run_id || ' ' || partition from event_logs where partition is not null")
            found.append(Counter(name for (name,) in rows))
        connection.close()
    return found


def once(*run_ids: str, events: int) -> Counter[str]:
    return Counter({f"{run_id} {number}": 1 for run_id in run_ids for number in range(events)})


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[PooledSqliteEventLogStorage]:
    storage = PooledSqliteEventLogStorage(str(tmp_path / "logs"))
    yield storage
    storage.dispose()


def test_a_batch_that_fails_is_stored_one_by_one_and_no_row_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stored, failed = PooledSqliteEventLogStorage._store_asset_event, []

    def fail_once(self: Any, connection: Any, event: EventLogEntry, event_id: int) -> None:
        stored(self, connection, event, event_id)
        if event.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION and len(failed) == 0:
            failed.append(event)
            raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(PooledSqliteEventLogStorage, "_store_asset_event", fail_once)
    with open_instance(tmp_path / "home", monkeypatch) as instance:
        assert materialize(GRAPH, instance=instance, tags=RANGE).success
        (run,) = runs_of(instance)
        assert "Falling back" in capfd.readouterr().err
        log = instance.event_log_storage
        of_run = log.get_records_for_run(run, of_type=DagsterEventType.ASSET_MATERIALIZATION).records
        for records in (of_run, instance.fetch_materializations(NUMBERS, limit=100).records):
            made = [record.partition_key for record in records if record.asset_key == NUMBERS]
            assert sorted(made) == KEYS


def test_a_batch_is_stored_whole_or_not_at_all(
    storage: PooledSqliteEventLogStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.store_event(materialization("a", 0))
    monkeypatch.setattr(storage, "_store_asset_event", _raise_at("4", storage._store_asset_event))
    with pytest.raises(RuntimeError):
        storage.store_event_batch([materialization(run, number) for number in range(1, 5) for run in ("a", "b")])
    assert counts(storage, "a", "b", "index") == [once("a", events=1), Counter(), once("a", events=1)]


def _raise_at(partition: str, store: Any) -> Any:
    def stored(connection: Any, event: EventLogEntry, event_id: int) -> None:
        if event.dagster_event and event.dagster_event.partition == partition:
            raise RuntimeError("no room")
        store(connection, event, event_id)

    return stored


def evaluation(run_id: str, number: int, check: str = "even") -> EventLogEntry:
    data = AssetCheckEvaluation(NUMBERS, check, passed=number % 2 == 0, metadata={}, partition=str(number))
    event = DagsterEvent("ASSET_CHECK_EVALUATION", "job", event_specific_data=data, step_key="step")
    return EventLogEntry(None, 10, "", run_id, time.time(), "step", "job", event)


def checked(storage: stock.SqliteEventLogStorage) -> list[str]:
    return sorted(str(record.partition) for record in storage.get_asset_check_execution_history(EVEN, limit=100))


def test_results_of_checks_are_stored_with_what_follows_and_before_whatever_is_read(
    storage: PooledSqliteEventLogStorage,
) -> None:
    elsewhere = stock.SqliteEventLogStorage(str(Path(storage.path_for_shard("index")).parent))
    storage.store_event(evaluation("a", 0))
    assert checked(elsewhere) == []
    assert checked(storage) == checked(elsewhere) == ["0"]
    storage.store_event(evaluation("a", 1))
    storage.store_event(materialization("a", 0))
    assert checked(elsewhere) == ["0", "1"]
    storage.store_event(evaluation("b", 2))
    storage.dispose()
    assert checked(elsewhere) == ["0", "1", "2"]
    assert len(elsewhere.get_records_for_run("b").records) == 1


def test_results_that_cannot_be_stored_fail_what_asks_and_are_stored_the_next_time(
    storage: PooledSqliteEventLogStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.store_event(evaluation("a", 0))
    with monkeypatch.context() as patched:
        patched.setattr(storage, "_store_evaluation", _raise_always)
        with pytest.raises(RuntimeError):
            storage.store_event(materialization("a", 1))
    assert checked(storage) == ["0"]
    assert len(storage.get_records_for_run("a").records) == 1


def _raise_always(*_: Any) -> None:
    raise RuntimeError("no room")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_does_not_store_the_results_that_its_parent_holds(storage: PooledSqliteEventLogStorage) -> None:
    storage.store_event(evaluation("run", 0))
    if (child := os.fork()) == 0:
        failed = 1
        try:
            storage.store_event(evaluation("run", 1))
            storage.dispose()
            failed = 0
        finally:
            os._exit(failed)
    assert os.waitpid(child, 0)[1] == 0
    assert checked(storage) == ["0", "1"]


def test_the_code_whose_effect_is_repeated_is_that_of_this_dagster() -> None:
    assert changed_sources() == []


def test_where_that_code_is_another_events_go_through_it_one_by_one(
    oracle: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called, stored = [], stock.SqliteEventLogStorage.store_event

    def another(self: Any, event: EventLogEntry) -> None:
        called.append(event)
        stored(self, event)

    changed_sources.cache_clear()
    try:
        monkeypatch.setattr(stock.SqliteEventLogStorage, "store_event", another)
        assert changed_sources() == ["SqliteEventLogStorage.store_event"]
        ours = recorded(tmp_path / "home", monkeypatch, "ours")
    finally:
        changed_sources.cache_clear()
    assert called
    assert ours == oracle


def test_the_files_of_runs_begin_as_the_stock_ones_whether_created_or_copied(
    storage: PooledSqliteEventLogStorage, tmp_path: Path
) -> None:
    plain = stock.SqliteEventLogStorage(str(tmp_path / "stock"))
    with plain.run_connection("run"):
        pass
    expected = _schema(plain, "run")
    for run in ("created", "copied"):
        storage.store_event(materialization(run, 0))
        assert _schema(storage, run) == expected
    assert [path.name for path in Path(storage.path_for_shard("run")).parent.iterdir() if ".db" not in path.name] == []
    assert not [*Path(storage.path_for_shard("run")).parent.glob(".*")]


def _schema(storage: stock.SqliteEventLogStorage, shard: str) -> list[Any]:
    with sqlite3.connect(storage.path_for_shard(shard)) as connection:
        tables = connection.execute("select sql from sqlite_master order by name").fetchall()
        versions = connection.execute("select version_num from alembic_version").fetchall()
        mode = connection.execute("pragma journal_mode").fetchall()
    connection.close()
    return [tables, versions, mode]


def test_many_threads_lose_nothing(storage: PooledSqliteEventLogStorage) -> None:
    runs, errors = [f"run{number}" for number in range(8)], []

    def write(run: str) -> None:
        try:
            for number in range(0, 20, 2):
                storage.store_event(materialization(run, number))
                storage.store_event_batch([materialization(run, number + 1)])
                assert len(storage.get_records_for_run(run).records) == number + 2
                storage.get_materialized_partitions(NUMBERS)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=[run]) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert counts(storage, "index") == [once(*runs, events=20)]
    assert counts(storage, *runs) == [once(run, events=20) for run in runs]


def write(storage: PooledSqliteEventLogStorage, run: str) -> None:
    for start in range(0, 100, 4):
        storage.store_event_batch([materialization(run, number) for number in range(start, start + 3)])
        storage.store_event(materialization(run, start + 3))


OTHER_WRITER = """
import sys
from churn_assets_tests.test_event_log import PooledSqliteEventLogStorage, write
storage = PooledSqliteEventLogStorage(sys.argv[1])
print("ready", flush=True)
write(storage, "two")
"""


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OTHER_WRITER, str(tmp_path)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "ready\n"
        write(PooledSqliteEventLogStorage(str(tmp_path)), "one")
        assert other.wait(timeout=60) == 0
    storage = stock.SqliteEventLogStorage(str(tmp_path))  # what ours wrote, Dagster's own class reads
    both = once("one", "two", events=100)
    assert counts(storage, "one", "two", "index") == [once("one", events=100), once("two", events=100), both]
    assert len(storage.get_materialized_partitions(NUMBERS)) == 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_opens_its_own_connections(storage: PooledSqliteEventLogStorage) -> None:
    storage.store_event(materialization("run", 0))
    if (child := os.fork()) == 0:
        failed = 1
        try:
            assert not storage._pool._open
            storage.store_event(materialization("run", 1))
            failed = 0
        finally:
            os._exit(failed)
    storage.store_event(materialization("run", 2))
    assert os.waitpid(child, 0)[1] == 0
    assert counts(storage, "run", "index") == [once("run", events=3)] * 2


def test_only_so_many_files_stay_open(storage: PooledSqliteEventLogStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_pool, "OPEN_FILES", 3)
    for number in range(6):
        storage.store_event(materialization(f"run{number}", 0))
    assert set(storage._pool._open) == {"index", "run3", "run4", "run5"}
    assert len(storage.get_records_for_run("run0").records) == 1


def test_a_deleted_file_is_made_anew(storage: PooledSqliteEventLogStorage) -> None:
    storage.store_event(materialization("run", 0))
    for file in Path(storage.path_for_shard("run")).parent.glob("run.db*"):
        file.unlink()
    storage.store_event(materialization("run", 1))
    assert [record.partition_key for record in storage.get_records_for_run("run").records] == ["1"]
    storage.wipe()
    assert storage.get_all_run_ids() == []
    storage.store_event(materialization("run", 2))
    assert counts(storage, "run", "index") == [Counter({"run 2": 1})] * 2


def test_files_are_wal_and_synchronous_normal(storage: PooledSqliteEventLogStorage) -> None:
    for block in (storage.run_connection("run"), storage.index_connection()):
        with block as connection:
            assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("pragma synchronous").scalar() == 1
    assert sqlite_pool.BUSY_TIMEOUT_SECONDS == SQLITE_BUSY_TIMEOUT_SECONDS


def test_an_absent_table_is_asked_for_again(storage: PooledSqliteEventLogStorage) -> None:
    assert not storage.has_table("added_by_a_migration")
    with storage.index_connection() as connection:
        connection.exec_driver_sql("create table added_by_a_migration (id integer)")
    assert storage.has_table("added_by_a_migration")


def test_a_live_log_moves_while_the_run_goes_on(storage: PooledSqliteEventLogStorage) -> None:
    arrived: list[str | None] = []
    storage.store_event(materialization("run", 0))
    storage.watch("run", None, lambda event, _: arrived.append(event.dagster_event.partition))
    storage.store_event(materialization("run", 1))
    deadline = time.monotonic() + 10
    while len(arrived) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert arrived == ["0", "1"]


def test_where_dagster_changed_its_own_log_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = stock.SqliteEventLogStorage._connect

    def renamed(self: Any, shard_name: str) -> Any:
        return connect(self, shard_name)

    monkeypatch.setattr(stock.SqliteEventLogStorage, "_connect", renamed)
    with pytest.warns(UserWarning, match="changed _connect"), open_instance(tmp_path / "home", monkeypatch) as instance:
        assert type(instance.event_log_storage) is stock.SqliteEventLogStorage
        assert materialize([numbers], instance=instance, partition_key=KEYS[0]).success
        assert instance.get_materialized_partitions(NUMBERS) == {KEYS[0]}


def test_the_home_we_write_loads_our_log_beside_dagsters_own_storages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    with open_instance(home, monkeypatch) as instance:
        assert type(instance.event_log_storage) is PooledSqliteEventLogStorage
        assert type(instance.run_storage).__name__ == "SqliteRunStorage"
        assert type(instance.schedule_storage).__name__ == "SqliteScheduleStorage"
        assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == "1000"
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 2
        materialize([numbers], instance=instance, partition_key=KEYS[0])
    assert {file.name for file in (home / "history").iterdir()} >= {"runs.db", "runs"}
    assert (home / "history" / "runs" / "index.db").exists()
    assert not list(Path.cwd().glob("history"))


def test_the_home_may_be_moved_and_may_go_back_to_dagsters_own_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_instance(tmp_path / "home", monkeypatch) as instance:
        materialize([numbers], instance=instance, partition_key=KEYS[0])
    shutil.move(tmp_path / "home", tmp_path / "elsewhere")
    for kind in ("ours", "stock", "ours"):
        with open_instance(tmp_path / "elsewhere", monkeypatch, kind) as instance:
            assert instance.get_materialized_partitions(NUMBERS) == {KEYS[0]}
    assert not (tmp_path / "home").exists()


def test_a_users_own_settings_are_kept(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: true}\n")
    assert ensure_instance(tmp_path) == tmp_path
    assert (tmp_path / "dagster.yaml").read_text() == "telemetry: {enabled: true}\n"


def test_a_home_given_relative_is_returned_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = ensure_instance(Path("data/dagster_home"))
    assert home.is_absolute()
    assert [file.name for file in home.iterdir()] == ["dagster.yaml"]


def test_without_a_home_the_error_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ChurnError, match="Set DAGSTER_HOME"):
        DagsterInstance.from_config(str(ensure_instance(tmp_path)))


def test_runs_filter_sees_no_run_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_instance(tmp_path / "home", monkeypatch) as instance:
        materialize([numbers], instance=instance, partition_key=KEYS[0])
        (run,) = runs_of(instance)
        instance.delete_run(run)
        assert instance.get_runs(RunsFilter(run_ids=[run])) == []
        assert instance.all_logs(run) == []
