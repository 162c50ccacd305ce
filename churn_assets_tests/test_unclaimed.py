"""What is delivered and no run reads: it is counted and named, wherever it lies, and an erasure looks into it all the same."""

from __future__ import annotations

import gzip
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from churn_assets.calendar import calendar_days
from churn_assets.cli import cli
from churn_assets.errors import ChurnError
from churn_assets.landing.erasing import search_landing
from churn_assets.landing.unclaimed import sentences, unclaimed
from churn_assets.settings import Settings
from erasure_worlds import erase_from_landing, erased
from worlds import LAST, START

SEVEN = erased("7")
EVENTS = "event_id,user_id,event_time,event_type\n1,7,2026-01-05T08:00:00,login\n2,8,2026-01-05T08:00:00,login\n"


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--data", str(data), *arguments])


def landed(data: Path, place: str, content: str | bytes = EVENTS) -> Path:
    path = data / "landing" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def in_calendar(data: Path, settings: str = "") -> Settings:
    data.mkdir(exist_ok=True)
    (data / "churn.toml").write_text(f"start_date = {START}\nend_date = {LAST}\n{settings}")
    return Settings.load(data)


@pytest.mark.parametrize(
    "place",
    [
        *("events/dt=2026-01-05/e.csv", "events/date=20260105/e.csv", "events/date=2026-02-30/e.csv", "events/e.csv"),
        *("events/2026/01/05/e.csv", "events/date=2026-01-05", "event/date=2026-01-05/e.csv", "e.csv"),
        "Events/date=2026-01-05/e.csv",
    ],
)
def test_a_file_of_no_day_is_counted_and_named(tmp_path: Path, place: str) -> None:
    settings = in_calendar(tmp_path / "data")
    landed(settings.data_dir, place)
    (sentence,) = sentences(settings)
    assert sentence.startswith("1 file lies in ") and f": {place}; deliver into " in sentence
    assert unclaimed(settings).loose == [Path(place)]


@pytest.mark.parametrize("place", ["events/_SUCCESS", ".DS_Store", "events/.tmp/e.csv", "events/date=2026-01-05/e.csv"])
def test_a_marker_and_a_file_of_a_day_are_none(tmp_path: Path, place: str) -> None:
    settings = in_calendar(tmp_path / "data")
    landed(settings.data_dir, place)
    assert list(sentences(settings)) == []


def test_days_outside_the_calendar(tmp_path: Path) -> None:
    settings = in_calendar(tmp_path / "data")
    for day in (START - timedelta(days=3), START, LAST, LAST + timedelta(days=1), LAST + timedelta(days=2)):
        landed(settings.data_dir, f"events/date={day}/e.csv")
    (settings.landing_dir / "events" / f"date={LAST + timedelta(days=9)}").mkdir()
    before, after = sentences(settings)
    assert f"1 landed day is not computed: the first is {START - timedelta(days=3)}" in before
    assert f"2 landed days are not computed: the last is {LAST + timedelta(days=2)}" in after and "end_date" in after


def test_users_that_are_made_from_events_are_not_read_from_files(tmp_path: Path) -> None:
    settings = in_calendar(tmp_path / "data", "[sources.users]\nfrom_events = true\n")
    landed(settings.data_dir, f"users/date={START}/u.csv")
    assert unclaimed(settings).loose == [Path(f"users/date={START}/u.csv")]


@pytest.mark.parametrize("command", ["status", "backfill", "restate"])
def test_each_command_that_says_what_is_up_to_date_says_so(computed: Path, command: str) -> None:
    landed(computed, f"events/date={LAST + timedelta(days=1)}/e.csv")
    landed(computed, "events/dt=2026-01-05/e.csv")
    result = run(computed, command)
    assert result.exit_code == 0 and "1 landed day is not computed" in result.output
    assert "1 file lies in" in result.output and "events/dt=2026-01-05/e.csv" in result.output


def test_a_calendar_that_is_yet_to_come_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "churn.toml").write_text("start_date = 2999-01-01\n")
    with pytest.raises(ChurnError, match="start_date 2999-01-01 is yet to come"):
        calendar_days(Settings.load(tmp_path))
    (tmp_path / "churn.toml").write_text(f"start_date = {date.today()}\n")
    assert len(calendar_days(Settings.load(tmp_path))) <= 1


@pytest.mark.parametrize(
    ("place", "content"),
    [
        ("events/dt=2026-01-05/e.csv", EVENTS),
        ("events/e.csv.gz", gzip.compress(EVENTS.encode(), mtime=0)),
        ("old/e.csv", EVENTS),
        (f"events/date={LAST + timedelta(days=1)}/e.csv", EVENTS),
    ],
)
def test_an_erasure_looks_into_what_no_run_reads(tmp_path: Path, place: str, content: str | bytes) -> None:
    settings = in_calendar(tmp_path / "data")
    path = landed(settings.data_dir, place, content)
    assert erase_from_landing(settings, SEVEN, "7") == 1
    left = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert left.decode().splitlines() == [line for line in EVENTS.splitlines() if ",7," not in line]


@pytest.mark.parametrize(
    ("place", "content", "is_named"),
    [
        ("events/notes.txt", "user 7 called\n", True),
        ("events/notes.txt", "user 70 called\n", False),
        ("backup.bin", b"\x80\x81\x00", True),
        ("events/._e.csv", b"\x80\x81\x00", False),
        ("events/_7", "7", True),
    ],
)
def test_it_is_undecided_about_what_it_cannot_read(
    tmp_path: Path, place: str, content: str | bytes, is_named: bool
) -> None:
    settings = in_calendar(tmp_path / "data")
    path = landed(settings.data_dir, place, content)
    assert search_landing(settings, SEVEN, "7").undecided == ([path] if is_named else [])


@pytest.mark.long
def test_what_it_is_undecided_about_it_names_and_fails(computed: Path) -> None:
    path = landed(computed, "events/notes.txt", "user 7 called\n")
    result = run(computed, "erase", "7", "--yes")
    assert result.exit_code == 1 and "The rest is erased, but landing/events/notes.txt may hold" in result.output
    assert path.read_text() == "user 7 called\n"
    result = run(computed, "erase", "7", "--yes")
    assert result.exit_code == 1 and "Nothing of the user was found elsewhere, but" in result.output
