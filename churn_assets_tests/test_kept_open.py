"""A run keeps the warehouse open between its sessions, and holds nobody up longer than a session takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churn_assets.automation.backup import backup
from churn_assets.errors import WarehouseBusy
from churn_assets.warehouse import Warehouse, kept_open
from churn_assets.warehouse.rewrite import rewrite
from other_processes import PROCESSES
from sizes import examples
from worlds import deployment_of

LONG_ENOUGH = 60
"""Seconds to wait for another process or thread; nothing takes as long but on a machine that stands still."""


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    found = Warehouse(tmp_path / "warehouse.duckdb", lock_timeout_seconds=LONG_ENOUGH)
    with found.writing() as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)").fetchall()
    return found


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether for reading only, of each time that DuckDB opens the file in this process."""
    calls, connect = [], duckdb.connect

    def counted(*arguments: Any, read_only: bool = False, **options: Any) -> duckdb.DuckDBPyConnection:
        connection = connect(*arguments, read_only=read_only, **options)
        calls.append(read_only)
        return connection

    monkeypatch.setattr(duckdb, "connect", counted)
    return calls


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, a pause in the test is no idleness of the run."""
    monkeypatch.setattr(kept_open, "IDLE_SECONDS", LONG_ENOUGH)


def add(warehouse: Warehouse, number: int) -> None:
    with warehouse.writing() as connection:
        connection.execute("INSERT INTO numbers VALUES (?)", [number]).fetchall()


def numbers(warehouse: Warehouse) -> list[int]:
    with warehouse.reading() as connection:
        return [number for (number,) in connection.execute("SELECT number FROM numbers ORDER BY ALL").fetchall()]


def is_open(warehouse: Warehouse) -> bool:
    kept = kept_open.of(str(warehouse.path.resolve()))
    return kept is not None and kept.is_open


@contextmanager
def another(function: Callable[..., None], *arguments: object) -> Iterator[Any]:
    """Another process that runs `function(say, *arguments)`; gives where to hear it. It has ended well in the end."""
    hears, says = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=function, args=(says, *arguments))
    process.start()
    says.close()
    yield hears
    process.join(LONG_ENOUGH)
    assert process.exitcode == 0


def tell_numbers(say: Any, path: Path) -> None:
    say.send(numbers(Warehouse(path, LONG_ENOUGH)))


def add_number(say: Any, path: Path, number: int) -> None:
    add(Warehouse(path, LONG_ENOUGH), number)
    say.send("added")


def heard(hears: Any) -> Any:
    assert hears.poll(LONG_ENOUGH)
    return hears.recv()


def test_sessions_of_a_run_open_the_file_once(warehouse: Warehouse, opened: list[bool], unhurried: None) -> None:
    with warehouse.keeping_open(), Warehouse(warehouse.path).keeping_open():
        for number in range(5):
            add(warehouse, number)
            assert numbers(Warehouse(warehouse.path)) == list(range(number + 1))
        assert opened == [False]
    assert not warehouse.path.with_name("warehouse.duckdb.wal").exists()
    assert numbers(warehouse) == list(range(5)) and opened == [False, True]


def test_without_it_each_session_opens_the_file(warehouse: Warehouse, opened: list[bool]) -> None:
    add(warehouse, 1)
    numbers(warehouse)
    assert opened == [False, True]


def test_who_only_reads_opens_it_for_reading(warehouse: Warehouse, opened: list[bool]) -> None:
    with warehouse.keeping_open():
        numbers(warehouse)
        numbers(warehouse)
    assert opened == [True, True]


def test_a_session_that_raises_leaves_nothing_of_itself_and_closes_the_file(
    warehouse: Warehouse, opened: list[bool], unhurried: None
) -> None:
    with warehouse.keeping_open():
        add(warehouse, 1)
        with pytest.raises(ZeroDivisionError), warehouse.writing() as connection:
            connection.execute("INSERT INTO numbers VALUES (2)").fetchall()
            raise ZeroDivisionError
        assert not is_open(warehouse)
        assert numbers(warehouse) == [1]


@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_another_process_reads_between_two_sessions(warehouse: Warehouse, unhurried: None, pause: float) -> None:
    with warehouse.keeping_open():
        add(warehouse, 0)
        with another(tell_numbers, warehouse.path) as hears:
            written = 1
            while not hears.poll(pause):
                add(warehouse, written)
                written += 1
            there = heard(hears)
            assert there == list(range(len(there))) and len(there) <= written


def test_another_process_reads_while_the_run_is_at_something_else(warehouse: Warehouse, unhurried: None) -> None:
    with warehouse.keeping_open():
        add(warehouse, 7)
        assert is_open(warehouse)
        with another(tell_numbers, warehouse.path) as hears:
            assert heard(hears) == [7]
        assert not is_open(warehouse)


def test_another_process_writes_between_two_sessions(warehouse: Warehouse, unhurried: None) -> None:
    with warehouse.keeping_open():
        add(warehouse, 0)
        with another(add_number, warehouse.path, 1) as hears:
            while not hears.poll(0):
                assert 0 in numbers(warehouse)
                add(warehouse, 0)
        assert 1 in numbers(warehouse)


def test_two_runs_that_both_keep_it_open_take_turns(warehouse: Warehouse) -> None:
    with another(add_many, warehouse.path, 100) as hears:
        with warehouse.keeping_open():
            for number in range(20):
                add(warehouse, number)
        assert heard(hears) == "done"
    assert numbers(warehouse) == [*range(20), *range(100, 120)]


def add_many(say: Any, path: Path, first: int) -> None:
    warehouse = Warehouse(path, LONG_ENOUGH)
    with warehouse.keeping_open():
        for number in range(first, first + 20):
            add(warehouse, number)
            assert number in numbers(warehouse)
    say.send("done")


def test_a_program_of_others_gets_in_once_the_run_has_been_idle(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_open, "IDLE_SECONDS", 0.05)
    with warehouse.keeping_open():
        add(warehouse, 1)
        with another(open_without_asking, warehouse.path) as hears:
            assert heard(hears) == "opened"
        add(warehouse, 2)
    assert numbers(warehouse) == [1, 2]


def open_without_asking(say: Any, path: Path) -> None:
    until = time.monotonic() + LONG_ENOUGH
    while time.monotonic() < until:
        try:
            duckdb.connect(path, read_only=True).close()
        except duckdb.Error:
            time.sleep(0.05)
        else:
            say.send("opened")
            return


def test_other_threads_wait_for_the_end_of_a_session_and_see_none_of_its_middle(
    warehouse: Warehouse, unhurried: None
) -> None:
    with ThreadPoolExecutor(2) as others, warehouse.keeping_open():
        with warehouse.writing() as connection:
            connection.execute("INSERT INTO numbers VALUES (1)").fetchall()
            read, written = others.submit(numbers, warehouse), others.submit(add, warehouse, 3)
            connection.execute("INSERT INTO numbers VALUES (2)").fetchall()
        assert read.result(LONG_ENOUGH) in ([1, 2], [1, 2, 3])
        written.result(LONG_ENOUGH)
        assert numbers(warehouse) == [1, 2, 3]


def test_a_reading_session_sees_one_state_though_another_thread_wants_to_write(
    warehouse: Warehouse, unhurried: None
) -> None:
    with ThreadPoolExecutor(1) as others, warehouse.keeping_open():
        add(warehouse, 1)
        with warehouse.reading() as connection:
            written = others.submit(add, warehouse, 2)
            for _ in range(20):
                assert connection.execute("SELECT count(*) FROM numbers").fetchall() == [(1,)]
                time.sleep(0.01)
        written.result(LONG_ENOUGH)
        assert numbers(warehouse) == [1, 2]


def test_a_file_put_in_the_place_of_the_open_one_is_what_the_next_session_sees(
    warehouse: Warehouse, tmp_path: Path, unhurried: None
) -> None:
    other = Warehouse(tmp_path / "other.duckdb")
    with other.writing() as connection:
        connection.execute("CREATE TABLE numbers AS SELECT 99::INTEGER AS number").fetchall()
    with warehouse.keeping_open():
        add(warehouse, 1)
        other.path.replace(warehouse.path)
        assert numbers(warehouse) == [99]
        add(warehouse, 100)
    assert numbers(warehouse) == [99, 100]


def test_who_is_alone_has_the_file_closed_by_all(warehouse: Warehouse, unhurried: None) -> None:
    with another(keep_open, warehouse.path) as hears:
        assert heard(hears) == "open"
        with warehouse.alone(), closing(duckdb.connect(str(warehouse.path))) as connection:
            assert connection.execute("SELECT number FROM numbers").fetchall() == [(5,)]
        assert heard(hears) == "closed"


def keep_open(say: Any, path: Path) -> None:
    warehouse = Warehouse(path, LONG_ENOUGH)
    with warehouse.keeping_open():
        add(warehouse, 5)
        say.send("open")
        until = time.monotonic() + LONG_ENOUGH
        while is_open(warehouse) and time.monotonic() < until:
            time.sleep(0.02)
        say.send("closed")
        add(warehouse, 6)


def test_a_rewritten_file_keeps_what_a_run_adds_later(warehouse: Warehouse, unhurried: None) -> None:
    with another(keep_open, warehouse.path) as hears:
        assert heard(hears) == "open"
        rewrite(warehouse)
        assert heard(hears) == "closed"
    assert numbers(warehouse) == [5, 6]


def test_a_backup_in_a_process_that_keeps_it_open_holds_all(computed: Path, tmp_path: Path, unhurried: None) -> None:
    deployment = deployment_of(computed)
    with deployment.warehouse.keeping_open():
        with deployment.warehouse.writing():
            pass
        assert is_open(deployment.warehouse)
        assert backup(deployment, tmp_path / "copy.duckdb") > 0
        with deployment.warehouse.reading() as connection:
            assert connection.execute("SELECT count(*) > 0 FROM churn.publish_ledger").fetchall() == [(True,)]


def test_who_waits_too_long_for_a_session_is_refused_in_a_sentence(warehouse: Warehouse) -> None:
    impatient = Warehouse(warehouse.path, lock_timeout_seconds=0.1)
    refused: list[BaseException] = []

    def try_it() -> None:
        try:
            numbers(impatient)
        except WarehouseBusy as error:
            refused.append(error)

    with warehouse.keeping_open(), warehouse.writing():
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join(LONG_ENOUGH)
    assert "held elsewhere for more than 0.1 seconds" in str(*refused)


def test_the_end_of_the_run_ends_its_watcher(warehouse: Warehouse) -> None:
    with warehouse.keeping_open():
        add(warehouse, 1)
        assert [thread.name for thread in threading.enumerate()].count("kept open") == 1
    assert "kept open" not in [thread.name for thread in threading.enumerate()]


@settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    plans=st.lists(
        st.lists(st.sampled_from(["read", "write", "pause", "fail"]), min_size=1, max_size=6), min_size=2, max_size=3
    )
)
def test_whatever_runs_do_at_once_nothing_is_lost_and_none_fails(
    tmp_path_factory: pytest.TempPathFactory, plans: list[list[str]]
) -> None:
    warehouse = Warehouse(tmp_path_factory.mktemp("runs") / "warehouse.duckdb", LONG_ENOUGH)
    with warehouse.writing() as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)").fetchall()

    def run(plan: list[str], first: int) -> list[int]:
        added = []
        with warehouse.keeping_open():
            for number, what in enumerate(plan, first):
                if what == "write":
                    add(warehouse, number)
                    added.append(number)
                elif what == "fail":
                    with pytest.raises(ZeroDivisionError), warehouse.writing() as connection:
                        connection.execute("INSERT INTO numbers VALUES (?)", [-1]).fetchall()
                        raise ZeroDivisionError
                elif what == "read":
                    assert {*added} <= {*numbers(warehouse)}
                else:
                    time.sleep(0.03)
        return added

    with ThreadPoolExecutor(len(plans)) as pool:
        runs = [pool.submit(run, plan, 100 * at) for at, plan in enumerate(plans)]
        added = sorted(number for each in runs for number in each.result(LONG_ENOUGH))
    assert numbers(warehouse) == added
