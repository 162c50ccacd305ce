"""The storage promises, on real files and real processes: atomic, by name, typed by contract, one writer at a time."""

from __future__ import annotations

import multiprocessing
import os
import random
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_assets.calendar import DayRange, Window
from churn_assets.contracts import Column, Contract, Kind
from churn_assets.errors import ChurnError, RefusedFrame, WarehouseBusy
from churn_assets.transforms.parsing import integer_ids
from churn_assets.warehouse import Ledger, Publication, Published, Warehouse, publish, read_days
from churn_assets.warehouse.connection import CONFIG
from churn_assets.warehouse.content_hash import PartitionHashes
from churn_assets.warehouse.frames import create_table, quoted
from churn_assets.warehouse.ledger import LEDGER_DDL
from churn_assets.warehouse.progress import listening
from churn_assets.warehouse.reading import Bucket
from churn_assets.warehouse.selection import Selection
from sizes import examples

DAY = date(2026, 1, 5)
ONE_DAY = DayRange(DAY, DAY)
WEEK = DayRange(DAY, DAY + timedelta(days=6))
CONTRACT = Contract(
    table="readings",
    grain="one reading",
    key=("reading_id",),
    day="day",
    columns=(
        Column("reading_id", Kind.INTEGER, "Reading", minimum=1),
        Column("day", Kind.DATE, "Day"),
        Column("level", Kind.NUMBER, "Level", nullable=True),
        Column("retries", Kind.INTEGER, "Retries", nullable=True),
        Column("is_valid", Kind.FLAG, "Valid", nullable=True),
        Column("place", Kind.LABEL, "Place", nullable=True),
        Column("note", Kind.TEXT, "Note", nullable=True),
    ),
)
BLOCK_ROWS = 45_000
"""Three of them are more than a row group of DuckDB (122,880), so that rows reach the file before the commit."""
PROCESSES = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
PROCESSES.set_forkserver_preload(["churn_assets.warehouse", "hypothesis", "pytest"])


def readings(rows: int = 3, day: date = DAY, first_id: int = 1, **columns: Any) -> pd.DataFrame:
    ids = np.arange(first_id, first_id + rows)
    plain = {"reading_id": ids, "day": np.full(rows, np.datetime64(day, "us")), "level": ids / 2, "retries": ids % 3}
    rest = {"is_valid": ids % 2 == 0, "place": pd.Categorical(np.where(ids % 2, "attic", "cellar")), "note": "ok"}
    return CONTRACT.typed(pd.DataFrame(plain | rest | columns))


def publication(
    *blocks: pd.DataFrame, days: DayRange = ONE_DAY, contract: Contract = CONTRACT, stream: Iterable[pd.DataFrame] = ()
) -> Publication:
    return Publication(contract, days, stream or blocks, lambda _: dict.fromkeys(days, "inputs"), "code", "run")


def put(warehouse: Warehouse, *blocks: pd.DataFrame, **options: Any) -> list[Published]:
    with warehouse.writing() as connection:
        return publish(connection, publication(*blocks, **options))


def held(warehouse: Warehouse, contract: Contract = CONTRACT) -> pd.DataFrame:
    with warehouse.reading() as connection:
        return read_days(connection, contract).sort_values(list(contract.key), ignore_index=True)


def verified(warehouse: Warehouse, contract: Contract = CONTRACT) -> dict[date, Published]:
    """The ledger of the table, after checking that the stored rows are the ones it speaks of."""
    with warehouse.reading() as connection:
        entries = dict(sorted(Ledger.read(connection).of(contract.table).items()))
        hashes = PartitionHashes(contract)
        hashes.add(read_days(connection, contract))
        days = connection.sql(f"SELECT DISTINCT {contract.day} FROM churn.{contract.table}").fetchall()
    assert {day for (day,) in days} <= set(entries)
    for day, entry in entries.items():
        assert (entry.rows, entry.content_hash) == (hashes.rows(day), hashes.digest(day))
    return entries


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb", lock_timeout_seconds=30)


# -- atomic replacement ------------------------------------------------------------------------------------------------

OLD = "old"
NEW = "new"


def version(name: str) -> Iterator[pd.DataFrame]:
    """Three blocks of one day; every row of the new version differs from every row of the old."""
    for number in range(3):
        yield readings(BLOCK_ROWS, first_id=1 + number * BLOCK_ROWS, note=name)


def publish_new_and_say_where(say: Callable[[str], None], path: Path) -> None:
    """The process that gets killed, saying how far it is."""

    def blocks() -> Iterator[pd.DataFrame]:
        for number, block in enumerate(version(NEW)):
            say(f"block {number}")
            yield block
        say("last block")

    with Warehouse(path).writing() as connection:
        say("begun")
        publish(connection, publication(stream=blocks()))
        say("written")
    say("committed")


class Child:
    """Another process that runs `function(say, *arguments)`; what it says is heard here."""

    def __init__(self, function: Callable[..., None], *arguments: object) -> None:
        self._hears, says = PROCESSES.Pipe(duplex=False)
        self.process = PROCESSES.Process(target=_run_child, args=(function, says, *arguments))
        self.process.start()
        says.close()

    def wait_for(self, moment: str) -> None:
        while self._hears.recv() != moment:
            pass

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def finish(self) -> list[str]:
        """All it said, once it has ended well."""
        said = []
        with suppress(EOFError):
            while True:
                said.append(self._hears.recv())
        self.process.join(60)
        assert self.process.exitcode == 0
        return said


def _run_child(function: Callable[..., None], says: Any, *arguments: object) -> None:
    function(says.send, *arguments)


@pytest.fixture(scope="module")
def old_warehouse(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("old") / "warehouse.duckdb"
    put(Warehouse(path), stream=version(OLD))
    return path.read_bytes()


MOMENTS = {
    "begun": {OLD},
    "block 0": {OLD},
    "block 1": {OLD},
    "block 2": {OLD},
    "last block": {OLD, NEW},
    "written": {OLD, NEW},
    "committed": {NEW},
}
"""Where the process is killed (at once, and a little later) and what the warehouse may then hold."""
DELAYS_SECONDS = dict.fromkeys(MOMENTS, (0.0, 0.03)) | {
    "last block": (0.0, 0.01, 0.03, 0.06),
    "written": (0.0, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08),
    "committed": (0.0,),
}


@pytest.mark.long
def test_a_publication_killed_at_any_moment_leaves_the_old_or_the_new_partition_whole(
    tmp_path: Path, old_warehouse: bytes
) -> None:
    chance = random.Random(20260105)
    kills = [(moment, delay) for moment in MOMENTS for delay in DELAYS_SECONDS[moment]]

    def kill(number: int, moment: str, delay: float) -> str:
        path = tmp_path / str(number) / "warehouse.duckdb"
        path.parent.mkdir()
        path.write_bytes(old_warehouse)
        child = Child(publish_new_and_say_where, path)
        child.wait_for(moment)
        time.sleep(delay)
        child.kill()
        warehouse = Warehouse(path, lock_timeout_seconds=30)
        entry = verified(warehouse)[DAY]
        assert entry.rows == 3 * BLOCK_ROWS
        with warehouse.reading() as connection:
            ((now,),) = connection.sql("SELECT DISTINCT note FROM churn.readings").fetchall()
        if delay == 0:
            assert now in MOMENTS[moment]
        put(warehouse, readings(note="next"))
        assert set(held(warehouse)["note"]) == {"next"}
        for file in path.parent.iterdir():
            file.unlink()
        return str(now)

    with ThreadPoolExecutor(2) as pool:
        jittered = [(n, moment, delay * chance.uniform(0.5, 1.5)) for n, (moment, delay) in enumerate(kills)]
        outcomes = set(pool.map(lambda job: kill(*job), jittered))
    assert len(kills) >= 20
    assert outcomes == {OLD, NEW}


def test_an_error_amid_the_blocks_leaves_rows_and_ledger_as_they_were(warehouse: Warehouse) -> None:
    put(warehouse, readings(note=OLD))
    before = verified(warehouse)

    def blocks() -> Iterator[pd.DataFrame]:
        yield readings(note=NEW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        put(warehouse, stream=blocks())
    assert verified(warehouse) == before
    assert set(held(warehouse)["note"]) == {OLD}
    put(warehouse, readings(note=NEW))
    assert set(held(warehouse)["note"]) == {NEW}


def test_blocks_may_be_functions_which_run_while_the_block_before_is_stored(warehouse: Warehouse) -> None:
    frames = [readings(BLOCK_ROWS, first_id=1 + n * BLOCK_ROWS) for n in range(4)]
    put(warehouse, *frames)
    before = verified(warehouse)
    put(warehouse, stream=(lambda frame=frame: frame for frame in frames))
    assert {day: entry.content_hash for day, entry in verified(warehouse).items()} == {
        day: entry.content_hash for day, entry in before.items()
    }


def test_a_block_may_read_the_warehouse_before_it_is_computed(warehouse: Warehouse) -> None:
    put(warehouse, *(readings(BLOCK_ROWS, first_id=1 + n * BLOCK_ROWS) for n in range(4)))
    other = replace(CONTRACT, table="more_readings")

    def blocks() -> Iterator[Callable[[], pd.DataFrame]]:
        for n in range(4):
            read = held(warehouse).query(f"{n * BLOCK_ROWS} < reading_id <= {(n + 1) * BLOCK_ROWS}")
            yield partial(read.reset_index, drop=True)

    put(warehouse, stream=blocks(), contract=other)
    pd.testing.assert_frame_equal(held(warehouse, other), held(warehouse))


def test_an_error_while_a_block_is_computed_leaves_rows_and_ledger_as_they_were(warehouse: Warehouse) -> None:
    put(warehouse, readings(note=OLD))
    before = verified(warehouse)

    def fails() -> pd.DataFrame:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        put(warehouse, stream=[lambda: readings(BLOCK_ROWS, note=NEW), fails])
    assert verified(warehouse) == before


def test_memory_does_not_grow_with_the_blocks_of_a_transaction(warehouse: Warehouse) -> None:
    ids: list[weakref.ref[Any]] = []
    alive_at_once = 0

    def block(n: int) -> pd.DataFrame:
        nonlocal alive_at_once
        alive_at_once = max(alive_at_once, sum(one() is not None for one in ids))
        frame = readings(BLOCK_ROWS, first_id=1 + n * BLOCK_ROWS)
        own = np.arange(1 + n * BLOCK_ROWS, 1 + (n + 1) * BLOCK_ROWS)
        ids.append(weakref.ref(own))
        return pd.DataFrame({name: frame[name] if name != "reading_id" else own for name in frame}, copy=False)

    put(warehouse, stream=(partial(block, n) for n in range(8)))
    assert verified(warehouse)[DAY].rows == 8 * BLOCK_ROWS
    assert 1 <= alive_at_once <= 2, "the block being stored, and at most the one judged last"


def test_a_second_block_that_the_gate_refuses_takes_the_first_back(warehouse: Warehouse) -> None:
    put(warehouse, readings(note=OLD))
    before = verified(warehouse)
    with pytest.raises(RefusedFrame, match="level is infinite in 3 rows"):
        put(warehouse, readings(note=NEW), readings(first_id=10, level=np.inf))
    assert verified(warehouse) == before
    assert set(held(warehouse)["note"]) == {OLD}
    with duckdb.connect(warehouse.path) as other:
        assert other.sql("SELECT count(*) FROM churn.readings").fetchall() == [(3,)]


def test_a_key_that_two_blocks_of_a_day_share_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(RefusedFrame, match=r"2 rows repeat the key \(reading_id\) of another block"):
        put(warehouse, readings(3), readings(3, first_id=2))
    with pytest.raises(ChurnError):
        held(Warehouse(warehouse.path.with_name("other.duckdb")))
    put(warehouse, readings(3), readings(3, first_id=4))
    assert verified(warehouse)[DAY].rows == 6


def test_one_refused_table_takes_back_all_tables_of_the_transaction(warehouse: Warehouse) -> None:
    other = replace(CONTRACT, table="more_readings")
    put(warehouse, readings(note=OLD))
    with pytest.raises(RefusedFrame), warehouse.writing() as connection:
        publish(connection, publication(readings(note=NEW)))
        publish(connection, publication(readings(level=np.inf), contract=other))
    assert set(held(warehouse)["note"]) == {OLD}
    assert held(warehouse, other).empty


def write_with_little_room(say: Callable[[str], None], path: Path, limit_bytes: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    try:
        put(Warehouse(path), stream=version(NEW))
    except ChurnError as error:
        say(str(error))


def test_a_full_disk_leaves_the_old_partition_and_one_sentence(warehouse: Warehouse) -> None:
    put(warehouse, readings(note=OLD))
    limit = warehouse.path.stat().st_size + 100_000
    (sentence,) = Child(write_with_little_room, warehouse.path, limit).finish()
    assert "could not be written, and holds what it held before" in sentence
    assert set(held(warehouse)["note"]) == {OLD}
    assert verified(warehouse)[DAY].rows == 3
    put(warehouse, readings(note=NEW))


def test_a_new_warehouse_appears_only_once_duckdb_can_open_it(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB writes a new file's headers one after the other: what a kill leaves in between, it refuses to open."""

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            put(warehouse, readings())
    assert not warehouse.path.exists()
    warehouse.path.with_name("warehouse.duckdb.new").write_bytes(b"half a header")
    put(warehouse, readings())
    assert verified(warehouse)[DAY].rows == 3
    names = sorted(path.name for path in warehouse.path.parent.iterdir())
    assert names == ["warehouse.duckdb", "warehouse.duckdb.lock"]


def commit_and_die(_: Callable[[str], None], path: Path) -> None:
    with Warehouse(path).writing() as connection:
        publish(connection, publication(readings(note=NEW)))
        connection.commit()
        os.kill(os.getpid(), 9)


def test_what_a_killed_process_had_committed_is_read_from_its_log_without_writing(warehouse: Warehouse) -> None:
    put(warehouse, readings(note=OLD))
    Child(commit_and_die, warehouse.path).process.join(60)
    log = warehouse.path.with_name("warehouse.duckdb.wal")
    before = {path.name: path.read_bytes() for path in (warehouse.path, log)}
    assert set(held(warehouse)["note"]) == {NEW}
    assert {path.name: path.read_bytes() for path in (warehouse.path, log)} == before
    verified(warehouse)


def test_a_log_left_by_a_warehouse_that_was_moved_away_is_not_replayed_into_a_new_one(warehouse: Warehouse) -> None:
    put(warehouse, readings(note=OLD))
    Child(commit_and_die, warehouse.path).process.join(60)
    warehouse.path.rename(warehouse.path.with_name("moved.duckdb"))
    put(warehouse, readings(2, day=DAY + timedelta(days=1), note="next"), days=WEEK)
    assert held(warehouse)["note"].tolist() == ["next"] * 2


# -- what is stored ----------------------------------------------------------------------------------------------------


def test_only_the_published_days_are_replaced(warehouse: Warehouse) -> None:
    days = [readings(2, day=day, first_id=1 + 10 * at) for at, day in enumerate(WEEK)]
    put(warehouse, *days, days=WEEK)
    third = DAY + timedelta(days=2)
    put(warehouse, readings(5, day=third, first_id=100), days=DayRange(third, third))
    assert [entry.rows for entry in verified(warehouse).values()] == [2, 2, 5, 2, 2, 2, 2]


def test_rows_outside_the_published_days_are_refused(warehouse: Warehouse) -> None:
    with pytest.raises(RefusedFrame, match="3 rows lie outside the partition by day"):
        put(warehouse, readings(day=DAY + timedelta(days=1)))


def test_an_empty_first_partition_makes_table_ledger_row_and_hash(warehouse: Warehouse) -> None:
    (entry,) = put(warehouse, CONTRACT.empty())
    assert (entry.rows, entry.content_hash) == (0, "0" * 32)
    assert verified(warehouse) == {DAY: entry}
    pd.testing.assert_frame_equal(held(warehouse), CONTRACT.empty(), check_categorical=False)


def test_a_partition_of_no_blocks_is_emptied(warehouse: Warehouse) -> None:
    put(warehouse, readings())
    (entry,) = put(warehouse)
    assert entry.rows == 0
    assert held(warehouse).empty


def test_types_come_from_the_contract_and_not_from_the_first_frame(warehouse: Warehouse) -> None:
    nothing = {"level": np.nan, "retries": None, "is_valid": None, "place": pd.Categorical([None] * 3), "note": None}
    put(warehouse, readings(**nothing))
    later = readings(level=12.7, day=DAY + timedelta(days=1), first_id=10)
    put(warehouse, later, days=WEEK)
    back = held(warehouse)
    assert back["level"].iloc[-3:].tolist() == [12.7] * 3
    assert back["place"].iloc[-3:].tolist() == later["place"].tolist()
    assert back.dtypes.drop("place").equals(CONTRACT.empty().dtypes.drop("place"))


def test_what_is_missing_in_a_frame_is_null_in_sql(warehouse: Warehouse) -> None:
    nothing = {"level": np.nan, "retries": None, "is_valid": None, "place": pd.Categorical([None] * 3), "note": None}
    put(warehouse, readings(**nothing))
    with warehouse.reading() as connection:
        counts = connection.sql(f"SELECT {', '.join(f'count({name})' for name in nothing)} FROM churn.readings")
        assert counts.fetchall() == [(0,) * len(nothing)]


def test_columns_are_bound_by_name_whatever_order_the_table_has(warehouse: Warehouse) -> None:
    turned = replace(CONTRACT, columns=CONTRACT.columns[::-1])
    with warehouse.writing() as connection:
        connection.execute("CREATE SCHEMA churn").fetchall()
        connection.execute(create_table(turned)).fetchall()
    put(warehouse, readings())
    assert held(warehouse)["retries"].tolist() == readings()["retries"].tolist()
    verified(warehouse)
    with pytest.raises(RefusedFrame, match="not in the contract's order"):
        put(warehouse, readings()[turned.column_names])


@pytest.mark.parametrize(
    "column",
    [
        Column("reading_id", Kind.TEXT, "An id of another type"),
        Column("reading_id", Kind.INTEGER, "Suddenly nullable", nullable=True),
        Column("reading_number", Kind.INTEGER, "Another name"),
    ],
)
def test_a_table_of_another_contract_is_changed_where_it_stands(warehouse: Warehouse, column: Column) -> None:
    """The days that are not published again keep their rows, and are null in a column that is new to them."""
    first, second = WEEK.first, WEEK.last
    put(warehouse, readings(day=first, note=OLD), days=DayRange(first, first))
    other = replace(CONTRACT, columns=(column, *CONTRACT.columns[1:]), key=(column.name,), rules=())
    put(warehouse, other.empty(), contract=other, days=DayRange(second, second))
    with warehouse.reading() as connection:
        rows = connection.sql(f"SELECT {quoted(column.name)} IS NULL, note FROM churn.readings").fetchall()
    is_new = column.kind is Kind.TEXT or column.name != "reading_id"
    assert rows == [(is_new, OLD)] * len(readings())


def test_a_table_that_is_partitioned_by_another_column_starts_anew(warehouse: Warehouse) -> None:
    put(warehouse, readings())
    day = replace(CONTRACT.column(CONTRACT.day), name="other_day")
    columns = tuple(day if column.name == CONTRACT.day else column for column in CONTRACT.columns)
    other = replace(CONTRACT, columns=columns, day="other_day", rules=())
    put(warehouse, other.empty(), contract=other)
    with warehouse.reading() as connection:
        assert connection.sql("SELECT count(*) FROM churn.readings").fetchall() == [(0,)]
        assert len(Ledger.read(connection).of("readings")) == len(ONE_DAY)


@given(st.data())
def test_a_view_has_the_digest_of_what_reading_it_gives(data: st.DataObject) -> None:
    """As if the selected rows and columns were a table of their own: of other rows and columns nothing is seen."""
    chosen = tuple(c.name for c in CONTRACT.columns if c.name == CONTRACT.day or data.draw(st.booleans(), label=c.name))
    only = data.draw(st.sampled_from([None, "is_valid"]))
    among = data.draw(st.sampled_from([None, ("place", ("attic",)), ("place", ())]))
    selection = Selection(chosen, only=only, among=among)
    rows = readings(6, is_valid=data.draw(st.lists(st.sampled_from([True, False, None]), min_size=6, max_size=6)))
    part = rows
    if only:
        part = part[part["is_valid"].fillna(False).astype(bool)]
    if among:
        part = part[part["place"].isin(among[1])]
    own = PartitionHashes(replace(CONTRACT, columns=tuple(map(CONTRACT.column, chosen))))
    own.add(part[list(chosen)])
    whole = PartitionHashes(CONTRACT, [selection])
    for block in np.array_split(np.arange(6), data.draw(st.integers(1, 3))):
        whole.add(rows.iloc[data.draw(st.permutations(block.tolist()))].reset_index(drop=True))
    alone = PartitionHashes(CONTRACT)
    alone.add(rows)
    day = ONE_DAY.first
    if selection.is_whole:
        assert whole.views(day) == {}
    else:
        assert whole.views(day) == {selection.view(CONTRACT): own.digest(day)}
    assert whole.digest(day) == alone.digest(day)


def test_publishing_the_same_rows_again_changes_no_hash(warehouse: Warehouse) -> None:
    days = [readings(4, day=day, first_id=1 + 10 * at) for at, day in enumerate(WEEK)]
    in_a_range = put(warehouse, *days, days=WEEK)
    shuffled = pd.concat(days).sample(frac=1, random_state=1).reset_index(drop=True)
    assert put(warehouse, CONTRACT.typed(shuffled.astype({"place": "category"})), days=WEEK) == in_a_range
    day_by_day = [put(warehouse, rows, days=DayRange(day, day))[0] for rows, day in zip(days, WEEK, strict=True)]
    assert day_by_day == in_a_range
    assert list(verified(warehouse).values()) == in_a_range


def test_the_ledger_says_what_was_published_and_when(warehouse: Warehouse) -> None:
    put(warehouse, readings(3))
    put(warehouse, readings(2))
    with warehouse.reading() as connection:
        rows = connection.sql(
            "SELECT table_name, partition_date, row_count, input_hash, code_version, run_id, "
            "published_at BETWEEN now()::TIMESTAMP - INTERVAL 1 DAY AND now()::TIMESTAMP + INTERVAL 1 DAY "
            "FROM churn.publish_ledger"
        ).fetchall()
    assert rows == [("readings", DAY, 2, "inputs", "code", "run", True)]


def test_a_listener_hears_of_each_partition_once(warehouse: Warehouse) -> None:
    heard: list[tuple[str, int]] = []
    with listening(lambda table, partitions: heard.append((table, partitions))):
        put(warehouse, readings(), readings(first_id=10), readings(day=WEEK.last, first_id=20), days=WEEK)
    put(warehouse, readings())
    assert heard == [("readings", 1), ("readings", 0), ("readings", 1), ("readings", 5)]


# -- one writer, no lock failures --------------------------------------------------------------------------------------


def publish_days(_: Callable[[str], None], path: Path, first: date, count: int) -> None:
    for number in range(count):
        day = first + timedelta(days=number)
        put(Warehouse(path, 60), readings(50, day=day, first_id=1000 * day.toordinal()), days=DayRange(day, day))


def test_two_writing_processes_and_a_reader_wait_for_each_other(warehouse: Warehouse) -> None:
    put(warehouse, CONTRACT.empty())
    writers = [Child(publish_days, warehouse.path, date(2026, month, 1), 8) for month in (3, 4)]
    seen = [len(held(warehouse))]
    while any(writer.process.is_alive() for writer in writers):
        seen.append(len(held(warehouse)))
        verified(warehouse)
        time.sleep(0.02)
    for writer in writers:
        writer.finish()
    assert len(held(warehouse)) == 2 * 8 * 50
    assert len(verified(warehouse)) == 17
    assert seen == sorted(seen)
    assert all(rows % 50 == 0 for rows in seen)


def test_threads_of_one_process_wait_for_each_other(warehouse: Warehouse) -> None:
    put(warehouse, CONTRACT.empty())
    days = list(WEEK)[1:]

    def write(day: date) -> None:
        put(warehouse, readings(20, day=day, first_id=1000 * day.toordinal()), days=DayRange(day, day))

    def read(_: int) -> int:
        return len(held(Warehouse(warehouse.path)))

    with ThreadPoolExecutor(6) as pool:
        results = [pool.submit(write, day) for day in days], [pool.submit(read, number) for number in range(6)]
        for one in (*results[0], *results[1]):
            one.result()
    assert len(verified(warehouse)) == 7
    assert read(0) == 6 * 20


@pytest.mark.parametrize(
    "message",
    [
        'IO Error: Could not set lock on file "w": Conflicting lock is held in python (PID 1)',
        "IO Error: The process cannot access the file because it is being used by another process.",
        "Connection Error: Can't open a connection to same database file with a different configuration",
        'Binder Error: Unique file handle conflict: Cannot attach "warehouse" - the database file is already attached',
    ],
)
def test_whatever_way_duckdb_says_that_the_file_is_taken_is_waited_for(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    put(warehouse, readings())
    refusals = [duckdb.Error(message), duckdb.Error(message)]
    connect = duckdb.connect

    def taken_at_first(*arguments: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        if refusals:
            raise refusals.pop()
        return connect(*arguments, **options)

    monkeypatch.setattr(duckdb, "connect", taken_at_first)
    assert len(held(warehouse)) == 3


def hold(say: Callable[[str], None], path: Path, seconds: float, read_only: bool) -> None:
    """Another program, such as a DuckDB shell, that knows nothing of our lock file."""
    connection = duckdb.connect(path, read_only=read_only)
    say("held")
    time.sleep(seconds)
    connection.close()


@contextmanager
def held_by_another_process(path: Path, seconds: float, *, read_only: bool) -> Iterator[None]:
    child = Child(hold, path, seconds, read_only)
    child.wait_for("held")
    try:
        yield
    finally:
        child.kill()


# -- the order of rows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "last"), [(0, [*WEEK]), (1, [*WEEK][-2:]), (2, [*WEEK][-3:]), (len(WEEK), [*WEEK])], ids=str
)
def test_rows_of_days_that_will_be_computed_again_lie_behind_all_others(
    warehouse: Warehouse, ahead: int, last: list[date]
) -> None:
    """Each block holds some ids of every day, as the blocks of a table that is made by groups of users."""
    blocks = [
        pd.concat([readings(5, day=at, first_id=1000 * at.day + 10 * number) for at in WEEK], ignore_index=True)
        for number in range(3)
    ]
    landed = {"events": Window(back=3), "users": Window(ahead=ahead)}
    with warehouse.writing() as connection:
        publish(connection, replace(publication(*blocks, days=WEEK), landed=landed))
    with warehouse.reading() as connection:
        stored = [
            at for (at,) in connection.execute(f"SELECT day FROM churn.{CONTRACT.table} ORDER BY rowid").fetchall()
        ]
        assert not connection.execute("FROM duckdb_tables() WHERE temporary").fetchall()
    assert len(stored) == 3 * 5 * len(WEEK) and len(verified(warehouse)) == len(WEEK)
    if len(last) < len(WEEK):
        assert set(stored[-3 * 5 * len(last) :]) == set(last)
    else:
        assert stored == [at for block in blocks for at in block["day"].dt.date]


def test_a_block_that_is_refused_leaves_no_row_aside(warehouse: Warehouse) -> None:
    good, bad = readings(5, day=WEEK.last, first_id=1), readings(5, day=WEEK.last, first_id=-100)
    late = replace(publication(good, bad, days=WEEK), landed={"events": Window(ahead=1)})
    with pytest.raises(ChurnError), warehouse.writing() as connection:
        publish(connection, late)
    put(warehouse, readings(3, day=WEEK.last), days=WEEK)
    assert len(held(warehouse)) == 3


def test_a_write_waits_for_a_foreign_reader(warehouse: Warehouse) -> None:
    put(warehouse, readings(note=OLD))
    with held_by_another_process(warehouse.path, 0.8, read_only=True):
        assert set(held(warehouse)["note"]) == {OLD}
        put(warehouse, readings(note=NEW))
    assert set(held(warehouse)["note"]) == {NEW}


def test_a_read_waits_for_a_foreign_writer(warehouse: Warehouse) -> None:
    put(warehouse, readings())
    with held_by_another_process(warehouse.path, 0.8, read_only=False):
        assert len(held(warehouse)) == 3


@pytest.mark.parametrize("read_only", [True, False])
def test_waiting_too_long_is_one_sentence(warehouse: Warehouse, read_only: bool) -> None:
    put(warehouse, readings())
    impatient = Warehouse(warehouse.path, lock_timeout_seconds=0.3)
    with held_by_another_process(warehouse.path, 30, read_only=read_only):
        with pytest.raises(ChurnError, match=r"held elsewhere for more than 0.3 seconds; close it there") as error:
            put(impatient, readings())
        assert "\n" not in str(error.value)
        if not read_only:
            with pytest.raises(ChurnError, match="held elsewhere"):
                held(impatient)
    put(impatient, readings())


def test_waiting_too_long_for_another_of_our_writers_is_the_same_sentence(warehouse: Warehouse) -> None:
    impatient = Warehouse(warehouse.path, lock_timeout_seconds=0.2)
    outcome: list[BaseException] = []

    def try_it() -> None:
        try:
            put(impatient, readings())
        except ChurnError as error:
            outcome.append(error)

    with warehouse.writing():
        other = threading.Thread(target=try_it)
        other.start()
        other.join(20)
    assert [type(error) for error in outcome] == [WarehouseBusy]
    assert "held elsewhere for more than 0.2 seconds" in str(outcome[0])


def test_sessions_of_one_thread_join_the_open_transaction(warehouse: Warehouse) -> None:
    same_file = Warehouse(warehouse.path.parent / "." / "warehouse.duckdb", lock_timeout_seconds=1)
    with pytest.raises(ZeroDivisionError), warehouse.writing() as outer:
        publish(outer, publication(readings()))
        with same_file.writing() as inner, same_file.reading() as reader:
            assert inner is outer is reader
        assert len(held(same_file)) == 3
        raise ZeroDivisionError
    assert held(warehouse).empty


def test_an_open_transaction_is_not_another_warehouses(warehouse: Warehouse) -> None:
    other = Warehouse(warehouse.path.with_name("other.duckdb"), lock_timeout_seconds=1)
    with warehouse.writing() as one, other.writing() as two:
        assert one is not two


# -- what cannot be opened ---------------------------------------------------------------------------------------------


def refusal(action: Callable[[], object]) -> str:
    """The one sentence of a failure that does not wait for the lock timeout."""
    started = time.monotonic()
    with pytest.raises(ChurnError) as error:
        action()
    assert time.monotonic() - started < 5
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_a_missing_warehouse_says_what_to_run_and_is_not_made(warehouse: Warehouse) -> None:
    assert "does not exist yet; run 'churn-assets backfill' first" in refusal(lambda: held(warehouse))
    assert list(warehouse.path.parent.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"user_id,plan\n1,basic\n" * 1000], ids=["empty", "text"])
def test_a_file_that_is_no_warehouse_is_refused(warehouse: Warehouse, content: bytes) -> None:
    warehouse.path.write_bytes(content)
    for action in (lambda: held(warehouse), lambda: put(warehouse, readings())):
        assert "is not a valid DuckDB database file" in refusal(action)
    assert warehouse.path.read_bytes() == content


def test_a_damaged_warehouse_is_refused_at_once_and_not_waited_for(warehouse: Warehouse) -> None:
    """DuckDB reports a damaged "block", which is no "lock"."""
    put(warehouse, readings())
    damaged = bytearray(warehouse.path.read_bytes())
    for at in range(12_288, len(damaged), 4096):
        damaged[at : at + 64] = b"\xff" * 64
    warehouse.path.write_bytes(damaged)
    assert "Corrupt database file" in refusal(lambda: held(warehouse))


def test_a_truncated_warehouse_is_refused(warehouse: Warehouse) -> None:
    put(warehouse, readings())
    warehouse.path.write_bytes(warehouse.path.read_bytes()[:20_000])
    assert "is damaged (" in refusal(lambda: held(warehouse))


def test_a_folder_in_the_place_of_the_warehouse_is_refused(warehouse: Warehouse) -> None:
    warehouse.path.mkdir()
    assert "cannot be opened" in refusal(lambda: held(warehouse))


def test_a_file_in_the_place_of_the_data_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    blocked = Warehouse(tmp_path / "data" / "warehouse.duckdb")
    assert "cannot be written to" in refusal(lambda: put(blocked, readings()))
    assert "does not exist yet" in refusal(lambda: held(blocked))


NOBODY = 65_534


def try_as_nobody(say: Callable[[str], None], path: Path) -> None:
    if os.geteuid() == 0:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    say(f"{len(held(Warehouse(path)))} rows")
    for target in (path, path.with_name("new.duckdb")):
        say(refusal(lambda target=target: put(Warehouse(target), readings())))


def test_a_read_only_folder_can_be_read_and_writing_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder) / "warehouse.duckdb")
        put(warehouse, readings())
        warehouse.path.with_name("warehouse.duckdb.lock").unlink()
        warehouse.path.chmod(0o444)
        Path(folder).chmod(0o555)
        read, *refused = Child(try_as_nobody, warehouse.path).finish()
        Path(folder).chmod(0o755)
    assert read == "3 rows"
    assert refused == [f"{folder} cannot be written to: Permission denied."] * 2


def test_reading_neither_makes_nor_changes_a_file(warehouse: Warehouse) -> None:
    put(warehouse, readings())
    warehouse.path.with_name("warehouse.duckdb.lock").unlink()
    before, modified = warehouse.path.read_bytes(), warehouse.path.stat().st_mtime_ns
    with warehouse.reading() as connection:
        assert len(read_days(connection, CONTRACT)) == 3
        with pytest.raises(duckdb.Error, match="read-only"):
            connection.execute("DELETE FROM churn.readings").fetchall()
    assert [path.name for path in warehouse.path.parent.iterdir()] == ["warehouse.duckdb"]
    assert (warehouse.path.read_bytes(), warehouse.path.stat().st_mtime_ns) == (before, modified)


def test_no_extension_is_ever_fetched() -> None:
    assert CONFIG["autoinstall_known_extensions"] is CONFIG["autoload_known_extensions"] is False


# -- the ledger's input hashes -----------------------------------------------------------------------------------------

START = date(2026, 1, 1)
A_GAP = "a gap"
offsets = st.integers(0, 12)
windows = st.builds(
    lambda back, horizon, closes, late: Window(back, horizon + late, closes, late),
    *(st.none() | st.integers(0, 5), st.integers(0, 4), st.booleans(), st.integers(0, 2)),
)


@settings(deadline=None, max_examples=examples(150))
@given(
    published=st.dictionaries(st.tuples(st.sampled_from(["a", "b"]), offsets), st.sampled_from(["h1", "h2"])),
    reads=st.dictionaries(st.sampled_from(["a", "b", "c"]), windows),
    first=offsets,
    length=st.integers(1, 6),
)
def test_the_input_hash_of_a_day_says_exactly_what_is_published_in_its_windows(
    published: dict[tuple[str, int], str], reads: dict[str, Window], first: int, length: int
) -> None:
    def entry(table: str, day: date, content: str) -> Published:
        return Published(table, day, 1, content, "", "", "")

    def naive(day: date) -> frozenset[tuple[str, date, str]]:
        """What the day depends on: published partitions in [D - back, D + ahead], from the calendar's start on. Of days
        ahead in a window that closes it is whether one is missing in between, until all are there; of late ones always.
        """
        found = set()
        for table, window in reads.items():
            ahead = [day + timedelta(days=n) for n in range(1, window.ahead - window.late + 1)]
            there = [at for at in ahead if (table, (at - START).days) in published]
            until = day + timedelta(days=window.ahead)
            if window.closes and there != ahead:
                until = day + timedelta(days=window.late)
                if there and len(there) < (there[-1] - day).days:
                    found.add((table, day, A_GAP))
            since = START if window.back is None else day - timedelta(days=window.back)
            for (of, offset), content in published.items():
                if of == table and since <= (at := START + timedelta(days=offset)) <= until:
                    found.add((table, at, content))
        return frozenset(found)

    ledger = Ledger(entry(table, START + timedelta(days=at), content) for (table, at), content in published.items())
    days = DayRange(START + timedelta(days=first), START + timedelta(days=first + length - 1))
    hashes = ledger.input_hashes(reads, days, START)
    assert list(hashes) == list(days)
    for day in days:
        assert ledger.input_hashes(reads, DayRange(day, day), START) == {day: hashes[day]}
        if any(content == A_GAP for _, _, content in naive(day)):
            continue
        only_these = Ledger(entry(*one) for one in naive(day))
        everything = {table: Window(back=None, ahead=40) for table in ("a", "b", "c")}
        assert hashes[day] == only_these.input_hashes(everything, DayRange(day, day), START)[day]
    for one in days:
        for other in days:
            assert (hashes[one] == hashes[other]) == (naive(one) == naive(other))


def test_the_input_hash_notices_contents_that_two_days_or_two_tables_swapped() -> None:
    def hash_of(**contents: str) -> str:
        """Of a day that depends on both tables' contents, named by table and offset."""
        entries = [
            Published(table, START + timedelta(days=int(offset)), 1, content, "", "", "")
            for (table, offset), content in contents.items()
        ]
        reads = {"a": Window(back=3), "b": Window(back=3)}
        day = START + timedelta(days=1)
        return Ledger(entries).input_hashes(reads, DayRange(day, day), START)[day]

    swapped = [{"a0": "x", "a1": "y"}, {"a0": "y", "a1": "x"}, {"a0": "x", "b1": "y"}, {"b0": "x", "a1": "y"}]
    assert len({hash_of(**contents) for contents in swapped}) == 4
    assert len({hash_of(), hash_of(a0="x"), hash_of(a1="x"), hash_of(a0="x", a1="x")}) == 4


# -- names and reading -------------------------------------------------------------------------------------------------


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


def test_the_ledger_table_is_made_once_and_kept() -> None:
    with duckdb.connect() as connection:
        publish(connection, publication(readings()))
        connection.execute(LEDGER_DDL).fetchall()
        assert len(Ledger.read(connection).of("readings")) == 1
