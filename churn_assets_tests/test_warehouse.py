"""Publishing, on real files and real processes: atomic, by name, typed by contract, in an order of rows."""

from __future__ import annotations

import os
import random
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn_assets.calendar import DayRange, Window
from churn_assets.contracts import Column, Kind
from churn_assets.errors import ChurnError, RefusedFrame
from churn_assets.warehouse import Ledger, Warehouse, publish
from churn_assets.warehouse.content_hash import PartitionHashes
from churn_assets.warehouse.frames import create_table, quoted
from churn_assets.warehouse.progress import listening
from churn_assets.warehouse.selection import Selection
from other_processes import Child
from stored_readings import CONTRACT, DAY, NEW, OLD, ONE_DAY, WEEK, held, publication, put, readings, verified

BLOCK_ROWS = 45_000
"""Three of them are more than a row group of DuckDB (122,880), so that rows reach the file before the commit."""


# -- atomic replacement ------------------------------------------------------------------------------------------------


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
