"""Digests of landed files are remembered: what lies as it lay is not read again, whatever changed is, and a lost memory costs time alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from churn_assets.automation.backfill import planned
from churn_assets.landing import known_digests
from churn_assets.landing.known_digests import FILE, KnownDigests, file_digest
from worlds import CALENDAR, DAMAGES_OF_SAVINGS, damage_savings, day, deployment_of, run_plainly, work_by_table

Reads = list[Path]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Files that are read from now on; all of them have lain still for long."""
    found: Reads = []

    def noting(path: Path) -> str:
        found.append(path)
        return file_digest(path)

    monkeypatch.setattr(known_digests, "file_digest", noting)
    monkeypatch.setattr(known_digests, "STILL_SECONDS", 0)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "landing/events/date=2026-01-01/events.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"event_id\n1\n")
    return path


def digest_of(data: Path, file: Path) -> str:
    with KnownDigests.within(data, "events") as known:
        return known.of(file, file.relative_to(data / "landing").as_posix())


def rewritten(path: Path) -> None:
    path.write_bytes(b"event_id\n2\n")


def with_its_old_time(change: Callable[[Path], None]) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        before = path.stat()
        change(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return changed


def replaced(path: Path) -> None:
    beside = path.with_name("_new")
    shutil.copy2(path, beside)
    rewritten(beside)
    beside.replace(path)


def written_through_a_second_name(path: Path) -> None:
    other = path.with_name("_other")
    os.link(path, other)
    rewritten(other)
    other.unlink()


WAYS = {
    "rewritten": rewritten,
    "replaced": replaced,
    "through a second name": written_through_a_second_name,
    "longer": lambda path: path.write_bytes(b"event_id\n1\n2\n"),
    "emptied": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("keeps_its_time", [False, True])
def test_every_way_to_change_a_file_is_seen(
    tmp_path: Path, file: Path, reads: Reads, way: str, keeps_its_time: bool
) -> None:
    before = digest_of(tmp_path, file)
    change = with_its_old_time(WAYS[way]) if keeps_its_time else WAYS[way]
    change(file)
    assert digest_of(tmp_path, file) == file_digest(file) != before


def test_what_lies_as_it_lay_is_read_once(tmp_path: Path, file: Path, reads: Reads) -> None:
    assert digest_of(tmp_path, file) == digest_of(tmp_path, file) == file_digest(file)
    assert reads == [file]
    other = file.with_name("more.csv")
    shutil.copy2(file, other)
    assert digest_of(tmp_path, other) == file_digest(file) and reads == [file, other]


def test_a_file_changed_a_moment_ago_is_read_again(
    tmp_path: Path, file: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another change within the same tick of the file system's clock would leave its times as they are."""
    monkeypatch.setattr(known_digests, "STILL_SECONDS", 60)
    os.utime(file, (1, 1))
    assert digest_of(tmp_path, file) == digest_of(tmp_path, file)
    assert reads == [file, file] and not (tmp_path / FILE).exists()


def test_where_a_file_has_no_time_of_its_last_change_it_is_read_again(
    tmp_path: Path, file: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_digests, "HAS_CHANGE_TIMES", False)
    assert digest_of(tmp_path, file) == digest_of(tmp_path, file) and reads == [file, file]


@pytest.mark.parametrize("damage", DAMAGES_OF_SAVINGS)
def test_a_memory_that_is_lost_or_damaged_costs_time_alone(
    tmp_path: Path, file: Path, reads: Reads, damage: str
) -> None:
    digest_of(tmp_path, file)
    damage_savings(tmp_path / FILE, "digests", damage)
    rewritten(file)
    for _ in range(2):
        assert digest_of(tmp_path, file) == file_digest(file)


def test_a_plan_reads_no_file_twice_and_finds_the_one_that_changed_at_its_old_time(
    computed: Path, reads: Reads
) -> None:
    landed = sorted(path for path in (computed / "landing").rglob("*") if path.is_file())
    assert not planned(deployment_of(computed)).works and sorted(reads) == landed
    reads.clear()
    assert not planned(deployment_of(computed)).works and reads == []
    changed = computed / "landing/events" / f"date={day(4)}" / "events.csv"
    text = changed.read_text()
    with_its_old_time(lambda path: path.write_text(text.replace(",login,", ",logon,", 1)) and None)(changed)
    assert changed.read_text() != text and len(changed.read_text()) == len(text)
    assert work_by_table(planned(deployment_of(computed)))["raw_events"] == [day(4)] and reads == [changed]
    run_plainly(computed)
    assert not planned(deployment_of(computed)).works


def test_days_that_are_not_published_are_not_read(landed: Path, reads: Reads) -> None:
    assert planned(deployment_of(landed)).works and reads == []
    run_plainly(landed, CALENDAR)
    assert {path.parent.name for path in reads} <= {f"date={at}" for at in CALENDAR}
