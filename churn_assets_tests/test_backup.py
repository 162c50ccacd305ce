"""Backup and restore: a copy is whole and verified or it is not there, and putting one back harms nothing on the way."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import worlds
from churn_assets.automation import backup as module
from churn_assets.automation.backup import backup, restore
from churn_assets.automation.verify import verify
from churn_assets.errors import ChurnError, WarehouseBusy
from churn_assets.warehouse import Warehouse
from other_processes import Child

ROOT = Path(__file__).parents[1]
PARTITIONS = 21 * worlds.DAYS


def test_a_backup_is_one_verified_file_and_restores_to_the_same_hashes(
    computed: Path, expected: worlds.Hashes, tmp_path: Path
) -> None:
    one, file = worlds.deployment_of(computed), tmp_path / "away" / "monday.duckdb"
    assert backup(one, file) == PARTITIONS
    assert [path.name for path in file.parent.iterdir()] == ["monday.duckdb"]
    one.settings.warehouse_path.unlink()
    assert restore(one, file, replace=False) == PARTITIONS
    assert not worlds.differing(worlds.hashes(computed), expected)
    assert not [finding for _, _, findings in verify(one) for finding in findings]
    assert [path.name for path in computed.glob(".*.new*")] == []


def test_no_run_of_ours_writes_while_the_copy_is_made(
    computed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, refused = shutil.copyfile, []

    def with_a_writer_beside(source: Path, target: Path) -> object:
        with pytest.raises(WarehouseBusy) as error, Warehouse(computed / "warehouse.duckdb", 0.1).writing():
            pass
        refused.append(str(error.value))
        return copy(source, target)

    monkeypatch.setattr(module.shutil, "copyfile", with_a_writer_beside)
    backup(worlds.deployment_of(computed), tmp_path / "backup.duckdb")
    assert len(refused) == 1


def commit_and_die(_: Any, path: Path) -> None:
    import os

    with Warehouse(path).writing() as connection:
        connection.execute("CREATE TABLE churn.mark AS SELECT 1 AS one").fetchall()
        connection.commit()
        os._exit(0)


def test_what_a_killed_run_had_committed_is_in_the_backup(computed: Path, tmp_path: Path) -> None:
    path = computed / "warehouse.duckdb"
    Child(commit_and_die, path).process.join(60)
    assert path.with_name("warehouse.duckdb.wal").exists()
    backup(worlds.deployment_of(computed), tmp_path / "backup.duckdb")
    with Warehouse(tmp_path / "backup.duckdb").reading() as connection:
        assert connection.execute("SELECT one FROM churn.mark").fetchall() == [(1,)]
    assert path.with_name("warehouse.duckdb.wal").exists(), "the warehouse itself is only read"


def test_the_log_of_the_replaced_warehouse_is_not_replayed_into_the_restored_one(
    computed: Path, tmp_path: Path, expected: worlds.Hashes
) -> None:
    one, path = worlds.deployment_of(computed), computed / "warehouse.duckdb"
    backup(one, tmp_path / "backup.duckdb")
    Child(commit_and_die, path).process.join(60)
    restore(one, tmp_path / "backup.duckdb", replace=True)
    assert not path.with_name("warehouse.duckdb.wal").exists()
    assert not worlds.differing(worlds.hashes(computed), expected)
    assert worlds.query(computed, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'mark'") == [(0,)]


def test_a_warehouse_that_is_not_as_published_is_not_backed_up(computed: Path, tmp_path: Path) -> None:
    worlds.tamper(computed, f"DELETE FROM churn.user_daily WHERE as_of_date = '{worlds.day(4)}'")
    with pytest.raises(
        ChurnError, match=rf"Nothing was copied, because 1 of {PARTITIONS} partitions .* not as published"
    ):
        backup(worlds.deployment_of(computed), tmp_path / "backup.duckdb")
    assert not list(tmp_path.glob("*backup*"))


def test_a_backup_is_never_overwritten(computed: Path, tmp_path: Path) -> None:
    (tmp_path / "backup.duckdb").write_text("last month's")
    with pytest.raises(ChurnError, match="exists already"):
        backup(worlds.deployment_of(computed), tmp_path / "backup.duckdb")
    assert (tmp_path / "backup.duckdb").read_text() == "last month's"


def damaged(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def no_database(file: Path) -> None:
    file.write_text("a letter\n" * 1000)


def tampered(file: Path) -> None:
    with Warehouse(file).writing() as connection:
        connection.execute("UPDATE churn.user_daily SET total_logins = total_logins + 1").fetchall()
    file.with_name(f"{file.name}.lock").unlink()


def emptied(file: Path) -> None:
    file.unlink()
    with Warehouse(file).writing():
        pass
    file.with_name(f"{file.name}.lock").unlink()


@pytest.mark.parametrize("harm", [damaged, no_database, tampered, emptied])
def test_a_backup_that_is_not_whole_is_refused_and_the_warehouse_stays(
    computed: Path, tmp_path: Path, harm: Any
) -> None:
    one, file = worlds.deployment_of(computed), tmp_path / "backup.duckdb"
    backup(one, file)
    harm(file)
    before = one.settings.warehouse_path.read_bytes()
    with pytest.raises(ChurnError, match="Nothing was copied, because") as error:
        restore(one, file, replace=True)
    assert str(file) in str(error.value) and "\n" not in str(error.value)
    assert one.settings.warehouse_path.read_bytes() == before
    assert [path.name for path in computed.glob(".*.new*")] == []


def test_a_warehouse_is_replaced_only_if_that_was_asked_for(computed: Path, tmp_path: Path) -> None:
    one, file = worlds.deployment_of(computed), tmp_path / "backup.duckdb"
    backup(one, file)
    before = one.settings.warehouse_path.stat().st_ino
    with pytest.raises(ChurnError, match="use --replace"):
        restore(one, file, replace=False)
    assert one.settings.warehouse_path.stat().st_ino == before
    with pytest.raises(ChurnError, match="is no file"):
        restore(one, tmp_path / "none.duckdb", replace=True)


def test_a_damaged_warehouse_is_replaced_by_its_backup(computed: Path, tmp_path: Path, expected: worlds.Hashes) -> None:
    one, file = worlds.deployment_of(computed), tmp_path / "backup.duckdb"
    backup(one, file)
    damaged(one.settings.warehouse_path)
    with pytest.raises(ChurnError, match="is damaged"):
        list(verify(one))
    restore(one, file, replace=True)
    assert not worlds.differing(worlds.hashes(computed), expected)


@pytest.mark.long
def test_the_documented_way_works_word_by_word(computed: Path, expected: worlds.Hashes) -> None:
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    (script,) = re.findall(r"## Backup and restore\n.*?```sh\n(.*?)```", page, re.S)
    assert "churn-assets backup" in script and "churn-assets restore" in script
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=computed.parent,
        env=worlds.environment(CHURN_DATA_DIR="data", PATH=f"{worlds.BIN}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"All {PARTITIONS} partitions are as published." in done.stdout
    assert not worlds.differing(worlds.hashes(computed), expected)
