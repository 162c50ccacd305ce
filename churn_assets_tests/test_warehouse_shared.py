"""One writer at a time, and whoever finds the warehouse held waits for it: processes, threads, sessions, other programs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from churn_assets.calendar import DayRange
from churn_assets.errors import ChurnError, WarehouseBusy
from churn_assets.warehouse import Warehouse, publish
from other_processes import Child
from stored_readings import CONTRACT, NEW, OLD, WEEK, held, publication, put, readings, verified


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
