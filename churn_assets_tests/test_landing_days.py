"""Which file is of which landing day: days without a file, and folders cut at the midnight of another zone."""

from __future__ import annotations

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn_assets.automation.backfill import planned
from churn_assets.automation.restate import delivered_but_not_published
from churn_assets.calendar import days_behind
from churn_assets.landing.folder import Deliveries
from churn_assets.landing.unclaimed import sentences
from churn_assets.settings import Settings
from worlds import (
    SHORT_LABELS,
    bring_back,
    day,
    days,
    deliver,
    deployment_of,
    differing,
    hashes,
    query,
    run_plainly,
    run_with_dagster,
    withdraw,
    write_settings,
)

QUIET = '[sources.{source}]\nquiet_days = "empty"\n'
OF_FILES = ("_files", "_reconciliation")
"""Tables with a row for each file, which a day without one has not."""


def contents(data: Path) -> dict[tuple[str, date], str]:
    return {key: value for key, value in hashes(data).items() if not key[0].endswith(OF_FILES)}


@pytest.fixture
def quiet(landed: Path) -> Path:
    """Three days without a file of either source, two of them in a row, and the calendar's last."""
    for number in (4, 5, 12):
        withdraw(landed, day(number))
    write_settings(landed, SHORT_LABELS + QUIET.format(source="users") + QUIET.format(source="events"))
    return landed


def test_a_quiet_day_is_an_empty_day(quiet: Path, tmp_path: Path) -> None:
    run_plainly(quiet)
    other = Path(shutil.copytree(quiet, tmp_path / "other", ignore=shutil.ignore_patterns("warehouse*")))
    for number in (4, 5, 12):
        deliver(other, "users", day(number), "user_id,signup_date,plan,is_paid,country,marketing_source\n")
        deliver(
            other,
            "events",
            day(number),
            "event_id,user_id,event_time,event_type,course_id,watch_minutes,quiz_score,amount\n",
        )
    write_settings(other)
    run_plainly(other)
    assert not differing(contents(quiet), contents(other))
    assert query(quiet, f"SELECT count(*) FROM churn.events_files WHERE landing_date = '{day(4)}'") == [(0,)]


@pytest.mark.long
def test_quiet_days_are_green_with_all_checks_and_nothing_is_left_to_do(quiet: Path) -> None:
    report = run_with_dagster(quiet)
    assert report.succeeded
    of_landing = {
        "raw_events.expectations",
        "users_files.expectations",
        "events_files.expectations",
        "events_files.schema_drift",
    }
    assert not report.warnings.keys() & of_landing
    assert not planned(deployment_of(quiet)).works and not delivered_but_not_published(deployment_of(quiet))


def test_what_is_delivered_for_a_quiet_day_later_is_computed_as_if_it_had_been_there(
    quiet: Path, expected: object
) -> None:
    run_plainly(quiet)
    for number in (4, 5, 12):
        bring_back(quiet, day(number))
    assert planned(deployment_of(quiet)).works
    run_plainly(quiet)
    write_settings(quiet)
    assert not differing(hashes(quiet), expected)  # type: ignore[arg-type]


@pytest.mark.long
def test_a_day_whose_files_are_gone_is_no_quiet_day(quiet: Path) -> None:
    """A landing that is not mounted would empty every table."""
    run_plainly(quiet)
    published = hashes(quiet)
    withdraw(quiet, day(3))
    (quiet / "landing").rename(quiet / "elsewhere")
    todo = planned(deployment_of(quiet))
    gone = [sentence for sentence in todo.impossible if "and its rows are published: its files are gone" in sentence]
    days_gone = {f"No events were delivered for {day(n)}" for n in range(1, 12) if n not in (4, 5)}
    assert days_gone <= {sentence.split(",")[0] for sentence in gone} and not todo.works
    report = run_with_dagster(quiet, days(3), force=True)
    assert not report.succeeded and not differing(hashes(quiet), published)


def test_of_a_source_that_is_not_quiet_a_day_without_a_file_is_yet_to_be_delivered(quiet: Path) -> None:
    write_settings(quiet, SHORT_LABELS + QUIET.format(source="users"))
    impossible = planned(deployment_of(quiet)).impossible
    assert [sentence.split(":")[0] for sentence in impossible] == [
        f"No events were delivered for {day(number)}" for number in (4, 5, 12)
    ]


# --- folders cut at the midnight of another zone ---


@pytest.mark.parametrize(
    ("zone", "business", "days"),
    [
        ("UTC", "UTC", 0),
        ("UTC", "Asia/Kolkata", 1),
        ("UTC", "Europe/London", 1),  # in summer, and the same in winter
        ("UTC", "America/New_York", 0),
        ("America/Los_Angeles", "UTC", 1),
        ("Pacific/Kiritimati", "UTC", 0),
        ("Etc/GMT+12", "Pacific/Kiritimati", 2),
    ],
)
def test_a_folder_is_complete_so_many_days_later(zone: str, business: str, days: int) -> None:
    assert days_behind(zone, business) == days


@given(
    st.sampled_from(
        ["UTC", "Asia/Kolkata", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]
    ),
    st.sampled_from(["UTC", "Asia/Tokyo", "Europe/Berlin", "America/St_Johns", "Pacific/Chatham"]),
    st.datetimes(datetime(2015, 1, 1), datetime(2036, 1, 1)),
)
def test_no_event_of_a_folder_is_of_a_day_after_its_landing_day(zone: str, business: str, time: datetime) -> None:
    instant = time.replace(tzinfo=ZoneInfo("UTC"))
    folder, of_event = (instant.astimezone(ZoneInfo(name)).date() for name in (zone, business))
    assert of_event <= folder + timedelta(days=days_behind(zone, business))


EVENTS = "event_id,user_id,event_time,event_type\n"


@pytest.fixture
def utc_archive(tmp_path: Path) -> Path:
    """Three folders cut at UTC midnight, each with an event in the last hour, which in India is of the next day."""
    data = tmp_path / "data"
    for number in (1, 2, 3):
        deliver(data, "users", day(number), f"user_id,signup_date\n{number},{day(number)}\n")
        rows = "".join(f"{number}{hour},1,{day(number)}T{hour}:30:00Z,login\n" for hour in ("00", "20", "23"))
        deliver(data, "events", day(number), EVENTS + rows)
    return data


ZONES = 'timezone = "Asia/Kolkata"\nstart_date = {first}\nend_date = {last}\n'


def test_without_a_zone_of_its_own_an_archive_cut_at_utc_is_partly_of_the_future(utc_archive: Path) -> None:
    (utc_archive / "churn.toml").write_text(ZONES.format(first=day(1), last=day(3)))
    run_plainly(utc_archive, tables={"clean_events", "raw_events"})
    assert query(utc_archive, "SELECT reason, count(*) FROM churn.quarantined_events GROUP BY 1") == [("future", 6)]


def test_with_it_each_folder_lands_on_the_day_on_which_it_was_complete(utc_archive: Path) -> None:
    cut = '[sources.events]\nlanding_timezone = "UTC"\n'
    (utc_archive / "churn.toml").write_text(ZONES.format(first=day(2), last=day(3)) + cut)
    run_plainly(utc_archive, tables={"clean_events", "raw_events"})
    assert query(utc_archive, "SELECT count(*) FROM churn.quarantined_events") == [(0,)]
    assert query(
        utc_archive, "SELECT landing_date, event_date, count(*) FROM churn.clean_events GROUP BY ALL ORDER BY ALL"
    ) == [
        (day(2), day(1), 1),
        (day(2), day(2), 2),
        (day(3), day(2), 1),
        (day(3), day(3), 2),
    ]
    settings = Settings.load(utc_archive)
    assert Deliveries.of(settings, "events").folder(day(3)).name == f"date={day(2)}"
    assert Deliveries.of(settings, "users").folder(day(3)).name == f"date={day(3)}"
    assert [sentence[:40] for sentence in sentences(settings)] == [
        "1 landed day is not computed: the first "[:40],
        "1 landed day is not computed: the last i"[:40],
    ], "users of the day before the calendar, events of the day after it"


def test_it_equals_the_same_files_in_folders_a_day_later(utc_archive: Path, tmp_path: Path) -> None:
    later = Path(shutil.copytree(utc_archive, tmp_path / "later"))
    for number in (3, 2, 1):
        (later / "landing/events" / f"date={day(number)}").rename(later / "landing/events" / f"date={day(number + 1)}")
    for data, cut in ((utc_archive, '[sources.events]\nlanding_timezone = "UTC"\n'), (later, "")):
        (data / "churn.toml").write_text(ZONES.format(first=day(2), last=day(3)) + cut)
        run_plainly(
            data, tables={"clean_users", "user_day_grid", "user_daily", "clean_events"} | {"raw_users", "raw_events"}
        )
    named = ("raw_", "clean_", "quarantined_", *OF_FILES)
    same = {key: value for key, value in hashes(utc_archive).items() if not any(part in key[0] for part in named)}
    assert same and same.items() <= hashes(later).items(), "but for the names of files"


def test_a_zone_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "churn.toml").write_text('[sources.events]\nlanding_timezone = "Mars/Olympus"\n')
    with pytest.raises(Exception, match="is not an IANA timezone"):
        Settings.load(tmp_path)
