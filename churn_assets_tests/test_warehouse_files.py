"""What lies where the warehouse should be: nothing, another file, a damaged one, a folder that cannot be written to."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from churn_assets.errors import ChurnError
from churn_assets.warehouse import Warehouse, read_days
from churn_assets.warehouse.connection import CONFIG
from other_processes import Child
from stored_readings import CONTRACT, held, put, readings


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
