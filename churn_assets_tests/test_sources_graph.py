"""Users made from events, made ids and dated users through the whole graph: landed, computed, verified, restated, erased."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from churn_assets.automation.release import releasable
from churn_assets.automation.restate import delivered_but_not_published, planned_restatement
from churn_assets.calendar import DayRange
from churn_assets.checks.graph import all_checks, verdicts
from churn_assets.checks.verdict import Stored
from churn_assets.errors import ChurnError
from erasure_worlds import restate_in_a_plain_loop
from worlds import SHORT_LABELS, churn, deliver, deployment_of, query, run_plainly, tamper

PRODUCTS = Path(__file__).parent / "products"
HEAD = "user_id,event_time,event_type,plan,account,spend,renewal_day,is_paying\n"
FROM_EVENTS = f"""product = "tickets"
lateness_days = 2
{SHORT_LABELS}
[sources.users]
from_events = true
id_type = "string"
[sources.events]
event_id_from = ["user_id", "event_time", "event_type", "account"]
"""


def event(user: str, at: str, plan: str = "", seats: int | None = None, kind: str = "open") -> str:
    account = f'"{{""seats"": {seats}}}"' if seats else ""
    return f"{user},{at},{kind},{plan},{account},,,\n"


EVENTS = HEAD + "".join(
    [
        event("ann@x1", "2026-01-01T09:00:00", "free"),
        event("ann@x1", "2026-01-03T09:00:00", seats=3),
        event("ann@x1", "2026-01-03T09:00:00", seats=3),
        event("ann@x1", "2026-01-04T09:00:00", "PRO", 4),
        event("bob@x2", "2026-01-03T10:00:00", kind="close"),
        event("bob@x2", "2026-01-05T10:00:00", "gold"),
        event("", "2026-01-02T10:00:00", "free"),
    ]
)


@pytest.fixture(scope="module")
def made_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Landed and computed by the commands."""
    data = tmp_path_factory.mktemp("made") / "data"
    data.mkdir()
    shutil.copy(PRODUCTS / "tickets.toml", data)
    (data / "churn.toml").write_text(FROM_EVENTS)
    (data.parent / "events.csv").write_text(EVENTS)
    for arguments in (("land", data.parent / "events.csv"), ("backfill",), ("verify",), ("report",)):
        done = churn(data, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    return data


@pytest.fixture
def made(tmp_path: Path, made_template: Path) -> Path:
    return Path(shutil.copytree(made_template, tmp_path / "data"))


def grid(data: Path, columns: str = "plan, seats") -> dict[str, list[tuple[Any, ...]]]:
    """By user, in order of days, the day of the month and some columns."""
    rows = query(data, f"SELECT user_id, day(as_of_date), {columns} FROM churn.user_day_grid ORDER BY ALL")
    found: dict[str, list[tuple[Any, ...]]] = {}
    for user, *row in rows:
        found.setdefault(str(user), []).append(tuple(row))
    return found


def restate_plainly(data: Path) -> None:
    deployment = deployment_of(data)
    restate_in_a_plain_loop(None, deployment, planned_restatement(deployment))


def failing_checks(data: Path, first: int = 1, last: int = 5) -> dict[str, Any]:
    """Blocking checks that do not pass on some of the days, with their figures."""
    deployment = deployment_of(data)
    days = DayRange(date(2026, 1, first), date(2026, 1, last))
    blocking = [check for check in all_checks(deployment.settings) if check.blocking]
    with deployment.warehouse.reading() as connection:
        stored = Stored(connection, deployment.contracts, deployment.settings)
        judged = {check.qualified_name: verdicts(check, stored, days) for check in blocking}
    failed = {name: {day: v.figures for day, v in found.items() if v.failed} for name, found in judged.items()}
    return {name: figures for name, figures in failed.items() if figures}


def test_users_are_made_from_the_events_alone(made: Path) -> None:
    assert grid(made) == {
        "ann@x1": [(1, "free", None), (2, "free", None), (3, "free", 3), (4, "pro", 4), (5, "pro", 4)],
        "bob@x2": [(3, "unknown", None), (4, "unknown", None), (5, "unknown", None)],
    }
    assert grid(made, "is_paying")["ann@x1"] == [(1, False), (2, False), (3, False), (4, True), (5, True)]
    assert query(made, "SELECT count(*) FROM churn.unmatched_events") == [(0,)]
    assert query(made, "SELECT sum(rows_duplicate), sum(rows_quarantined) FROM churn.events_reconciliation") == [(1, 1)]
    assert query(made, "SELECT reason FROM churn.quarantined_events") == [("bad_user_id",)]
    assert failing_checks(made) == {}
    assert (made / "reports" / "report.html").exists()


def test_nothing_is_expected_of_users(made: Path) -> None:
    deployment = deployment_of(made)
    assert not (made / "landing" / "users").exists()
    tables = {check.table for check in all_checks(deployment.settings)}
    assert tables <= deployment.contracts.keys()
    assert delivered_but_not_published(deployment) == []
    shutil.copytree(made / "landing/events/date=2026-01-05", made / "landing/events/date=2026-01-06")
    (made / "churn.toml").write_text((made / "churn.toml").read_text().replace("2026-01-05", "2026-01-06"))
    assert delivered_but_not_published(deployment_of(made)) == [date(2026, 1, 6)]


def test_a_first_event_that_comes_late_restates_since_when_the_user_is_there(made: Path) -> None:
    deliver(made, "events", date(2026, 1, 4), HEAD + event("bob@x2", "2026-01-02T07:00:00", "free"), name="late.csv")
    deliver(made, "events", date(2026, 1, 5), HEAD + event("bob@x2", "2026-01-01T07:00:00", "pro"), name="late.csv")
    restate_plainly(made)
    assert grid(made, "day(signup_date), plan")["bob@x2"] == [(day, 2, "free") for day in (2, 3, 4, 5)]
    assert query(made, "SELECT reason FROM churn.quarantined_events ORDER BY ALL") == [("bad_user_id",), ("too_late",)]
    assert failing_checks(made) == {}


def test_the_checks_see_a_user_day_that_is_missing_or_too_many(made: Path) -> None:
    tamper(made, "DELETE FROM churn.clean_users WHERE user_id = 'bob@x2' AND valid_from = DATE '2026-01-05'")
    assert failing_checks(made).keys() == {"clean_users.complete"}
    tamper(made, "DELETE FROM churn.clean_users WHERE user_id = 'bob@x2'")
    assert failing_checks(made).keys() == {"clean_users.complete", "user_day_grid.complete"}


@pytest.mark.long
def test_an_erased_user_is_nowhere_and_the_others_are_as_before(made: Path) -> None:
    before = grid(made)
    done = churn(made, "erase", "ann@x1", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert grid(made) == {"bob@x2": before["bob@x2"]}
    assert not [path for path in made.rglob("*") if path.is_file() and b"ann@x1" in path.read_bytes()]
    assert failing_checks(made) == {}


def test_what_ids_are_made_of_decides_what_conflicts_and_a_release_takes_it(made: Path) -> None:
    more = HEAD + event("cid@x3", "2026-01-05T08:00:00", "free") + event("cid@x3", "2026-01-05T08:00:00", "pro")
    deliver(made, "events", date(2026, 1, 5), more, name="more.csv")
    run_plainly(made)
    assert ("conflict",) in query(made, "SELECT reason FROM churn.quarantined_events")
    settings = (made / "churn.toml").read_text()
    (made / "churn.toml").write_text(settings.replace('"account"]', '"account", "plan"]'))
    assert [(one.reason, one.rows) for one in releasable(deployment_of(made))] == [("conflict", 1)]


@pytest.mark.parametrize(
    ("names", "settings", "sentence"),
    [
        (("u.csv", "e.csv"), FROM_EVENTS, "says that users are made from events, so land the events alone"),
        (("e.csv",), "", "No users are given; name their file before the events, or set from_events = true"),
        (("u.csv", "e.csv", "e.csv"), "", "Name one file or folder (EVENTS), or two (USERS EVENTS)."),
    ],
)
def test_land_takes_the_files_that_the_deployment_has(
    tmp_path: Path, names: tuple[str, ...], settings: str, sentence: str
) -> None:
    shutil.copy(PRODUCTS / "tickets.toml", tmp_path)
    (tmp_path / "churn.toml").write_text(settings)
    (tmp_path / "e.csv").write_text("event_id," + EVENTS)
    (tmp_path / "u.csv").write_text("user_id,signup_date\n")
    done = churn(tmp_path, "land", *(tmp_path / name for name in names))
    assert done.returncode != 0
    assert sentence in " ".join(done.stderr.split())
    assert not (tmp_path / "landing").exists()


# --- users of whom a dump holds the history ---

HISTORY = """user_id,signup_date,plan,updated,valid_to
1,2025-06-01,basic,2025-06-01,2025-12-01
1,2025-06-01,free,2025-12-01,2026-01-03
1,2025-06-01,pro,2026-01-03,9999-12-31
2,2026-01-02,free,2026-01-02,2026-01-04
2,2026-01-02,basic,2026-01-04,9999-12-31
3,2026-01-02,free,,
"""
OF_HISTORY = "event_id,user_id,event_time,event_type\n" + "".join(
    f"{number},{1 + number % 2},2026-01-0{number}T10:00:00,login\n" for number in range(1, 6)
)


@pytest.fixture(scope="module")
def history_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("history") / "data"
    data.mkdir()
    (data / "churn.toml").write_text(SHORT_LABELS + '[sources.users]\nvalid_from = ["since", "updated"]\n')
    (data.parent / "users.csv").write_text(HISTORY)
    (data.parent / "events.csv").write_text(OF_HISTORY)
    land = ("land", data.parent / "users.csv", data.parent / "events.csv")
    for arguments in (land, ("backfill",)):
        done = churn(data, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    return data


@pytest.fixture
def history(tmp_path: Path, history_template: Path) -> Path:
    return Path(shutil.copytree(history_template, tmp_path / "data"))


def test_each_version_of_a_dump_lands_on_its_day_and_counts_from_it(history: Path) -> None:
    landed = query(history, "SELECT day(landing_date), user_id, plan FROM churn.clean_users ORDER BY ALL")
    assert landed == [(1, 1, "basic"), (1, 1, "free"), (2, 2, "free"), (3, 1, "pro"), (4, 2, "basic")]
    assert grid(history, "plan") == {
        "1": [(1, "free"), (2, "free"), (3, "pro"), (4, "pro"), (5, "pro")],
        "2": [(2, "free"), (3, "free"), (4, "basic"), (5, "basic")],
    }
    assert query(history, "SELECT reason FROM churn.quarantined_users") == [("bad_valid_from",)]
    assert failing_checks(history) == {}


def test_a_version_that_lands_later_restates_what_it_is_known_in_time_for(history: Path) -> None:
    more = "user_id,signup_date,plan,updated\n1,2025-06-01,basic,2026-01-04\n2,2026-01-02,pro,2026-01-01\n"
    deliver(history, "users", date(2026, 1, 5), more, name="more.csv")
    restate_plainly(history)
    assert grid(history, "plan") == {
        "1": [(1, "free"), (2, "free"), (3, "pro"), (4, "basic"), (5, "basic")],
        "2": [(2, "free"), (3, "free"), (4, "basic"), (5, "basic")],
    }
    assert failing_checks(history) == {}


def test_a_file_without_the_dating_column_is_refused(history: Path) -> None:
    deliver(history, "users", date(2026, 1, 5), "user_id,signup_date,plan\n9,2026-01-05,free\n", name="more.csv")
    with pytest.raises(ChurnError, match="lacks required valid_from"):
        run_plainly(history)
