"""A disk that is full and a folder that is read-only, as the system really has them: what is published stays, in one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import worlds
from churn_assets.cli import cli
from churn_assets.errors import FULL, NOT_WRITABLE, about_the_disk
from test_cli import said_here

ROOM = "256m"
WORDS_OF_DAGSTER = (
    "Exception while writing logger call to event log",
    "Exception while storing event batch",
    "Falling back to storing multiple single-event storage requests",
    "(Background on this error",
)
"""What it prints by itself when its books cannot be written: which, depends on the moment at which the disk is full."""


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of its own. Only root can make one."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    if os.geteuid() != 0 or not mount(folder, "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs"):
        pytest.skip("no file system can be mounted here: that takes root, and a container that allows it")
    yield folder
    # Not at once, since the traceback of an error may hold a file open until it is collected.
    subprocess.run(["umount", "--lazy", folder], check=True)


def mount(folder: Path, *options: str) -> bool:
    return subprocess.run(["mount", *options, folder], capture_output=True, check=False).returncode == 0


@pytest.fixture
def redelivered(mounted: Path, computed: Path, expected: worlds.Hashes) -> Path:
    """A deployment on that file system of which one landing day was delivered again, so that a backfill has work."""
    data = Path(shutil.copytree(computed, mounted / "data"))
    worlds.deliver(data, "events", worlds.day(6), worlds.ODD_EVENTS, name="again.csv")
    return data


@pytest.mark.long
@pytest.mark.parametrize("kibibytes", [200, 4000])
def test_a_full_disk_leaves_what_is_published_and_says_so(
    redelivered: Path, expected: worlds.Hashes, kibibytes: int
) -> None:
    """Little room stops Dagster's books, more room the warehouse."""
    used = sum(file.stat().st_blocks * 512 for file in redelivered.parent.rglob("*"))
    assert mount(redelivered.parent, "-o", f"remount,size={used // 1024 + kibibytes}k")
    sentence = said_here(redelivered, "backfill", besides=WORDS_OF_DAGSTER)
    assert FULL in sentence or "could not be written, and holds what it held before" in sentence
    assert CliRunner().invoke(cli, ["--data", str(redelivered), "verify"]).exit_code == 0
    old = {key for key, value in worlds.hashes(redelivered).items() if value == expected[key]}
    assert len(old) > len(expected) / 2
    assert mount(redelivered.parent, "-o", f"remount,size={ROOM}")
    assert worlds.run_with_dagster(redelivered).succeeded
    assert CliRunner().invoke(cli, ["--data", str(redelivered), "verify"]).exit_code == 0
    undisturbed = Path(shutil.copytree(redelivered, redelivered.parent / "undisturbed"))
    (undisturbed / "warehouse.duckdb").unlink()
    worlds.run_plainly(undisturbed)
    assert not worlds.differing(worlds.hashes(redelivered), worlds.hashes(undisturbed))


@pytest.mark.long
def test_a_read_only_folder_can_be_read_and_everything_else_is_refused(
    redelivered: Path, expected: worlds.Hashes, tmp_path: Path
) -> None:
    backup = shutil.copyfile(redelivered / "warehouse.duckdb", tmp_path / "backup.duckdb")
    assert mount(redelivered.parent, "-o", "remount,ro")
    for command in (["status"], ["verify"], ["report", "--out", str(tmp_path / "report")]):
        done = CliRunner().invoke(cli, ["--data", str(redelivered), *command])
        assert done.exit_code == 0, done.output
    for refused in (
        ["backfill"],
        ["restate"],
        ["report"],
        ["backup", tmp_path / "b"],
        ["restore", "--replace", backup],
    ):
        assert "cannot be written to" in said_here(redelivered, *refused), refused
    assert not (tmp_path / "b").exists()
    assert not worlds.differing(worlds.hashes(redelivered), expected)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("[Errno 28] No space left on device: 'x'", FULL),
        ("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT ...]", FULL),
        ("(sqlite3.OperationalError) attempt to write a readonly database", NOT_WRITABLE),
        ("[Errno 30] Read-only file system: 'x'", NOT_WRITABLE),
    ],
)
def test_what_a_library_says_of_the_disk_becomes_one_sentence_without_its_details(said: str, what: str) -> None:
    sentence = about_the_disk(said)
    assert sentence is not None and sentence.startswith(what) and "x'" not in sentence and "SQL" not in sentence


def test_any_other_error_is_not_taken_for_the_disks() -> None:
    assert about_the_disk("(sqlite3.OperationalError) no such table: runs") is None
