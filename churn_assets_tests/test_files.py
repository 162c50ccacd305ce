"""Replacing a file: the old one or the new, nothing beside it, and who may read it stays as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from churn_assets.files import UNFINISHED, replace_content


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "churn.toml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    return path


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mode & 0o777) for path in folder.iterdir()}


def test_the_new_one_has_the_mode_of_the_old(file: Path) -> None:
    replace_content(file, b"new")
    assert state(file.parent) == {"churn.toml": (b"new", 0o640)}


def test_a_file_for_its_owner_alone_is_never_anything_else(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda opened: seen.append(os.fstat(opened).st_mode & 0o777))
    replace_content(file, b"new", mode=0o600)
    assert seen == [0o600] and state(file.parent) == {"churn.toml": (b"new", 0o600)}


@pytest.mark.parametrize(("of", "step"), [(os, "fsync"), (Path, "replace")])
def test_where_a_step_fails_the_old_one_stays_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch, of: object, step: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = state(file.parent)
    monkeypatch.setattr(of, step, full)
    with pytest.raises(OSError, match="No space left"):
        replace_content(file, b"new")
    assert state(file.parent) == before


def test_what_a_killed_process_left_beside_it_is_in_nobodys_way(file: Path) -> None:
    leftover = file.with_name(f".{file.name}{UNFINISHED}")
    leftover.write_bytes(b"a longer text that was begun")
    leftover.chmod(0o644)
    replace_content(file, b"new", mode=0o600)
    assert state(file.parent) == {"churn.toml": (b"new", 0o600)}


def test_a_file_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    replace_content(tmp_path / "new.toml", b"new")
    assert (tmp_path / "new.toml").read_bytes() == b"new"
