"""Erasing a user: gone from everything the deployment holds, everybody else as before, and not to come back."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from churn_assets.assets.training_step import make_training_set, missing_training_set
from churn_assets.automation import erase as erasing
from churn_assets.automation.backfill import Report
from churn_assets.automation.backup import restore
from churn_assets.automation.erasure_record import sought_user
from churn_assets.automation.verify import verify
from churn_assets.calendar import DayRange
from churn_assets.checks.graph import all_checks, verdicts
from churn_assets.checks.verdict import Stored, Verdict
from churn_assets.cli import cli
from churn_assets.files import UNFINISHED
from churn_assets.warehouse import Warehouse
from churn_assets.warehouse.rewrite import rewrite
from erasure_worlds import (
    NEEDLE,
    SUFFIXES,
    computed_world,
    fresh,
    places_naming,
    report_in_a_line,
    restate_in_a_plain_loop,
    text_world,
    write_file,
)
from worlds import (
    BIN,
    command,
    day,
    deliver,
    deployment_of,
    differing,
    environment,
    hashes,
    query,
    run_plainly,
)
from worlds import withdraw as take_away

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
Files = dict[str, bytes]


def erase(data: Path, *arguments: object, answer: str = "") -> Result:
    return CliRunner().invoke(
        cli, ["--data", str(data), "erase", *map(str, arguments)], input=answer, env={"COLUMNS": "200", "TERM": "dumb"}
    )


def said(result: Result) -> str:
    assert result.exit_code == 1 and "Traceback" not in result.output
    (error,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    return error.removeprefix("Error: ")


def files(data: Path, folder: str = "landing") -> Files:
    return {str(path.relative_to(data)): path.read_bytes() for path in (data / folder).rglob("*") if path.is_file()}


def record(data: Path) -> dict[str, object]:
    return json.loads((data / "erasures.json").read_text())


@pytest.fixture(autouse=True)
def _without_dagster(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """What depends on the user is computed again in a plain loop, which takes a tenth of the time."""
    if "with_dagster" not in request.fixturenames:
        in_a_plain_loop(monkeypatch)


def in_a_plain_loop(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(erasing, "write_report", report_in_a_line)
    patch.setattr(erasing, "restate", restate_in_a_plain_loop)
    patch.setattr("churn_assets.graph.build_definitions", lambda _: None)


@pytest.fixture
def with_dagster() -> None:
    """The real restatement, checks and all."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("texts") / "data"
    computed_world(data)
    return data


@pytest.fixture(scope="module")
def erased_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Result]]:
    data = Path(shutil.copytree(template, tmp_path_factory.mktemp("erased") / "data"))
    with pytest.MonkeyPatch.context() as patch:
        in_a_plain_loop(patch)
        yield data, erase(data, NEEDLE, "--yes")


@pytest.fixture
def without_restatement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what the restatement has no part in."""
    monkeypatch.setattr(erasing, "restate", lambda *_, **__: Report())


@pytest.fixture
def whole(template: Path, tmp_path: Path) -> Path:
    """A deployment of which everything is computed, the sought user included."""
    return Path(shutil.copytree(template, tmp_path / "data"))


@pytest.fixture
def erased(erased_template: tuple[Path, Result], tmp_path: Path) -> Path:
    """The same after the erasure."""
    return Path(shutil.copytree(erased_template[0], tmp_path / "data"))


# --- gone ---


def test_tables_of_a_source_that_is_landed_no_more_are_looked_into(whole: Path) -> None:
    """They are no tables of the product any more, but what they hold is a person's all the same."""
    before = query(whole, "SELECT count(*) FROM churn.raw_users")[0][0]
    settings = whole / "churn.toml"
    settings.write_text(settings.read_text().replace("[sources.users]\n", "[sources.users]\nfrom_events = true\n"))
    shutil.rmtree(whole / "landing/users")
    assert "raw_users" not in deployment_of(whole).contracts
    result = erase(whole, NEEDLE, "--yes")
    assert result.exit_code == 0, result.output
    with duckdb.connect(str(whole / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute(
            "SELECT DISTINCT table_name FROM duckdb_columns() WHERE schema_name = 'churn' AND column_name = 'user_id'"
        ).fetchall()
        assert ("raw_users",) in tables
        left = {
            name: connection.execute(f"SELECT count(*) FROM churn.{name} WHERE user_id = ?", [NEEDLE]).fetchone()
            for (name,) in tables
        }
    assert set(left.values()) == {(0,)}, left
    assert 0 < query(whole, "SELECT count(*) FROM churn.raw_users")[0][0] < before
    assert not any(place.startswith("warehouse") for place in places_naming(whole, NEEDLE))


def test_the_search_finds_the_user_wherever_they_are(template: Path) -> None:
    """Else it would prove nothing."""
    found = set(places_naming(template, NEEDLE))
    assert {place for place in found if place.startswith("landing/events")} >= {
        f"landing/events/date={day(number)}/events.{suffix}"
        for number, suffix in ((1, "csv.gz"), (2, "jsonl"), (4, "parquet"), (5, "csv"))
    }
    assert {"warehouse.duckdb", "raw_events.csv", "user_daily.parquet", "dagster_home/storage/run.err"} <= found
    assert f"landing/users/date={day(1)}/users.csv.gz" in found and f"landing/users/date={day(7)}/users.jsonl" in found
    assert {"dagster_home/history/runs/index.db", "churn.arrivals", "churn.quarantined_events"} <= found
    assert any(place.startswith("training_sets/") for place in found)


def test_no_file_and_no_table_holds_the_id_any_more(erased_template: tuple[Path, Result]) -> None:
    data, shown = erased_template
    assert shown.exit_code == 0, shown.output
    assert list(places_naming(data, NEEDLE)) == []


def test_all_is_as_if_the_user_had_never_been(erased: Path, tmp_path: Path) -> None:
    assert not differing(hashes(erased), hashes(fresh(erased, tmp_path / "fresh")))
    assert not [finding for _, _, findings in verify(deployment_of(erased)) for finding in findings]
    assert query(erased, "SELECT count(DISTINCT user_id), max(users) FROM churn.user_daily, churn.growth_daily") == [
        (5, 5)
    ]


def test_everybody_else_s_records_keep_their_bytes(template: Path, erased: Path) -> None:
    before, after = files(template), files(erased)
    for name in (name for name in before if name.endswith(("s.csv", "s.jsonl"))):
        kept = [line for line in before[name].splitlines(keepends=True) if NEEDLE.encode() not in line]
        assert after[name] == (b"".join(kept) or b"\n"), name
    odd = after[f"landing/events/date={day(3)}/erased-odd.csv"].decode().splitlines()
    assert [row["event_id"] for row in csv.DictReader(odd)] == ["odd-3", "odd-5"]


def test_a_training_set_with_the_user_is_removed_and_noted_and_the_next_run_makes_one_without(
    template: Path, erased: Path
) -> None:
    (version,) = (path.name for path in (template / "training_sets").iterdir() if path.is_dir())
    assert not (erased / "training_sets" / version).exists()
    (entry,) = record(erased)["erasures"]  # type: ignore[misc]
    assert entry["found"]["training_sets"] == [version]
    deployment = deployment_of(erased)
    assert missing_training_set(deployment) is not None
    assert make_training_set(deployment).version != version
    assert list(places_naming(erased, NEEDLE)) == []


def test_the_report_is_made_anew_and_exports_with_the_user_are_removed(template: Path, erased: Path) -> None:
    assert files(template, "reports").keys() == files(erased, "reports").keys()
    assert files(template, "reports")["reports/report.html"] != files(erased, "reports")["reports/report.html"]
    assert not list(erased.glob("*.parquet")) and not list(erased.glob("*.csv"))


def test_copies_without_the_user_stay(whole: Path, without_restatement: None) -> None:
    deliver(whole, "users", day(6), "user_id,signup_date\nzoe-9,2026-01-06\n", "late.csv")
    (whole / "list.csv").write_text(f"landing_date,customer\n2026-01-01,{NEEDLE.upper()}\n")
    before = files(whole, "training_sets")
    assert erase(whole, "zoe-9", "--yes").exit_code == 0
    assert files(whole, "training_sets") == before and (whole / "raw_events.csv").exists()
    assert (whole / "list.csv").exists()


def test_deleted_rows_stay_in_duckdb_s_file_until_it_is_written_anew(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "it's a warehouse.duckdb")
    (tmp_path / "it's a warehouse.duckdb.tmp").mkdir()
    (tmp_path / "it's a warehouse.duckdb.tmp/spilled").write_text(NEEDLE)
    kept = [("kept", {"a": 1}, ["x"]), ("kept too", None, None)]
    with warehouse.writing() as connection:
        connection.execute("CREATE TABLE t (id VARCHAR NOT NULL, s STRUCT(a BIGINT), l VARCHAR[])").fetchall()
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [*kept, (NEEDLE, None, None)])
    with warehouse.writing() as connection:
        connection.execute("DELETE FROM t WHERE id = ?", [NEEDLE]).fetchall()
    with duckdb.connect(str(warehouse.path)) as connection:
        for statement in ("VACUUM", "FORCE CHECKPOINT"):
            connection.execute(statement).fetchall()
    assert NEEDLE.encode() in warehouse.path.read_bytes()
    rewrite(warehouse)
    assert NEEDLE.encode() not in warehouse.path.read_bytes()
    with warehouse.reading() as connection:
        assert connection.execute("FROM t").fetchall() == kept
        assert connection.execute("SELECT is_nullable FROM duckdb_columns() ORDER BY column_index").fetchall()[0] == (
            False,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "it's a warehouse.duckdb",
        "it's a warehouse.duckdb.lock",
    ]


@pytest.mark.long
def test_an_integer_id_is_gone_from_every_table_too(computed: Path) -> None:
    counts = "SELECT count(*) FROM churn.{} WHERE user_id::VARCHAR IN ('3', '03', '3.0')"
    tables = [
        table for table, contract in deployment_of(computed).contracts.items() if "user_id" in contract.column_names
    ]
    write_file(
        computed / f"landing/events/date={day(9)}/odd.jsonl",
        [{"event_id": 7, "user_id": user, "event_time": "someday", "event_type": "login"} for user in ("03", 3.0)],
    )
    run_plainly(computed)
    assert [query(computed, counts.format(table)) for table in ("quarantined_events", "user_daily")] == [
        [(2,)],
        [(12,)],
    ]
    shown = erase(computed, "3.0", "--yes")
    assert shown.exit_code == 0, shown.output
    assert {table: query(computed, counts.format(table)) for table in tables} == dict.fromkeys(tables, [(0,)])
    assert not [finding for _, _, findings in verify(deployment_of(computed)) for finding in findings]


# --- the record ---


def test_the_record_counts_what_was_found_and_has_no_id(erased_template: tuple[Path, Result]) -> None:
    data, _ = erased_template
    (entry,) = record(data)["erasures"]  # type: ignore[misc]
    assert entry["found"]["landed_records"] == {"users": 2, "events": 5 + 4}
    assert entry["found"]["table_rows"]["user_daily"] == 7 and entry["found"]["exports"] == 2
    assert entry["finished_at"] >= entry["begun_at"] and len(entry["user"]) == 32
    assert (data / "erasures.json").stat().st_mode & 0o777 == 0o600


def test_the_hash_is_another_in_another_deployment(whole: Path, erased_template: tuple[Path, Result]) -> None:
    own = sought_user(deployment_of(whole).settings, NEEDLE).users
    assert own.isdisjoint(sought_user(deployment_of(whole).settings, NEEDLE).users), "as long as nobody was erased"
    there = deployment_of(erased_template[0]).settings
    assert sought_user(there, NEEDLE).users == sought_user(there, NEEDLE).users != own


# --- not to come back ---


@pytest.mark.long
def test_rows_delivered_again_are_counted_and_not_taken(erased: Path, without_restatement: None) -> None:
    for suffix in SUFFIXES:
        rows = [
            {
                "event_id": f"{suffix}-{user}",
                "user_id": user,
                "event_time": "2026-01-07T08:00:00",
                "event_type": "login",
            }
            for user in (NEEDLE, "anna-1", f" {NEEDLE} ")
        ]
        write_file(erased / f"landing/events/date={day(7)}/again.{suffix}", rows)
    run_plainly(erased)
    counted = "FROM churn.events_files SELECT rows_read, rows_erased WHERE source_file LIKE '%/again.%'"
    assert query(erased, counted) == [(1, 2)] * len(SUFFIXES)
    assert [place for place in places_naming(erased, NEEDLE) if not place.startswith("landing/")] == []
    assert judged(erased, "clean_events", "reconciled").passed and judged(erased, "user_daily", "conserved").passed

    assert erase(erased, NEEDLE, "--yes").exit_code == 0
    assert list(places_naming(erased, NEEDLE)) == []
    assert len(record(erased)["erasures"]) == 2  # type: ignore[arg-type]


@pytest.mark.long
def test_a_backup_from_before_does_not_bring_them_back(template: Path, erased: Path) -> None:
    deployment = deployment_of(erased)
    restore(deployment, template / "warehouse.duckdb", replace=True)
    left = "SELECT count(*) FILTER (user_id = '{}'), count(*) FROM churn.user_daily"
    assert query(erased, left.format(NEEDLE)) == [(0, 5 * 7)]
    assert not [finding for _, _, findings in verify(deployment) for finding in findings]
    assert "churn.arrivals" in set(places_naming(erased, NEEDLE)), (
        "a file that was renamed since is named in the backup"
    )
    assert erase(erased, NEEDLE, "--yes").exit_code == 0
    assert list(places_naming(erased, NEEDLE)) == []


def judged(data: Path, table: str, name: str) -> Verdict:
    """What a check says of 7 January."""
    deployment, at = deployment_of(data), day(7)
    (check,) = (one for one in all_checks(deployment.settings) if (one.table, one.name) == (table, name))
    with deployment.warehouse.reading() as connection:
        return verdicts(check, Stored(connection, deployment.contracts, deployment.settings), DayRange(at, at))[at]


@pytest.mark.long
def test_nor_by_an_unreadable_line_or_into_a_new_warehouse(erased: Path, tmp_path: Path) -> None:
    deliver(erased, "events", day(7), f"event_id,user_id,event_time,event_type\nx,{NEEDLE},2026-01-07\n", "torn.csv")
    deliver(erased, "users", day(7), f"user_id,signup_date\n{NEEDLE},2026-01-07\n", "again.csv")
    (erased / "warehouse.duckdb").unlink()
    run_plainly(erased)
    assert [place for place in places_naming(erased, NEEDLE) if not place.startswith("landing/")] == []
    warned = judged(erased, "events_files", "expectations")
    assert not warned.passed and warned.figures["rows_of_erased_users"] == 1


def test_a_dump_is_landed_without_them(erased: Path, tmp_path: Path) -> None:
    for name, text in {
        "u.csv": f"user_id,signup_date\n{NEEDLE},2026-01-01\nanna-1,2026-01-01\n",
        "e.csv": f"event_id,user_id,event_time,event_type\n1,{NEEDLE},2026-01-01,login\n2,anna-1,2026-01-02,login\n",
    }.items():
        (tmp_path / name).write_text(text)
    arguments = ["--data", str(erased), "land", str(tmp_path / "u.csv"), str(tmp_path / "e.csv"), "--replace"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert b"anna-1" in b"".join(files(erased).values()) and list(places_naming(erased, NEEDLE)) == []


@pytest.mark.parametrize(
    "text", ["", "{}", '{"key": "zz", "erasures": []}', '{"key": "00", "erasures": [{"user": 1}]}']
)
def test_a_damaged_record_lets_nobody_back_in(erased: Path, text: str) -> None:
    (erased / "erasures.json").write_text(text)
    deliver(erased, "users", day(7), f"user_id,signup_date\n{NEEDLE},2026-01-07\n", "again.csv")
    assert "restore it from a backup" in said(erase(erased, "anna-1", "--yes"))
    with pytest.raises(Exception, match="restore it from a backup"):
        run_plainly(erased)


# --- asked ---


def test_a_dry_run_says_where_the_user_is_and_changes_nothing(whole: Path) -> None:
    before = files(whole, ".")
    shown = erase(whole, NEEDLE, "--dry-run")
    assert shown.exit_code == 0 and "user_daily" in shown.output and "7 rows" in shown.output
    assert "9 records" in shown.output and NEEDLE not in shown.output
    assert files(whole, ".") == before


def test_without_yes_it_asks_and_no_is_no(whole: Path) -> None:
    before = files(whole)
    assert erase(whole, NEEDLE, answer="n\n").exit_code == 1 and erase(whole, NEEDLE).exit_code == 1
    assert files(whole) == before and not (whole / "erasures.json").exists()


def test_an_unknown_user_and_an_id_of_another_type_are_refused(whole: Path, computed_template: Path) -> None:
    assert said(erase(whole, "nobody-0", "--yes")).startswith("There is no such user")
    assert not (whole / "erasures.json").exists()
    assert "ids of this deployment are texts" in said(erase(whole, "  ", "--yes"))
    for wrong in ("0", "12.5", "anna-1", str(2**63)):
        assert "whole numbers from 1" in said(erase(computed_template, wrong, "--yes"))
    assert said(erase(computed_template, "424242", "--yes")).startswith("There is no such user")


def test_a_user_erased_before_is_no_error(erased: Path) -> None:
    before = files(erased, ".")
    again = erase(erased, NEEDLE, "--yes")
    assert again.exit_code == 0 and "was erased before" in again.output
    assert files(erased, ".") == before


def test_a_file_that_cannot_be_read_stops_it_before_anything_is_changed(whole: Path) -> None:
    deliver(whole, "events", day(6), 'event_id,user_id,event_time,event_type\n1,"anna', "torn.csv")
    before = files(whole)
    assert f"date={day(6)}/torn.csv" in said(erase(whole, NEEDLE, "--yes"))
    assert files(whole) == before and not (whole / "erasures.json").exists()


def test_a_row_of_another_user_that_names_the_id_is_left_and_named(whole: Path, without_restatement: None) -> None:
    text = f"event_id,user_id,event_time,event_type,invited_by\nx,anna-1,2026-01-07T08:00:00,login,{NEEDLE}\n"
    deliver(whole, "events", day(7), text, "invited.csv")
    run_plainly(whole)
    sentence = said(erase(whole, NEEDLE, "--yes"))
    assert f"landing/events/date={day(7)}/invited.csv" in sentence
    assert query(whole, "FROM churn.clean_events SELECT user_id WHERE event_id = 'x'") == [("anna-1",)]


def test_if_nothing_can_be_computed_again_the_user_is_gone_all_the_same(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "restate", lambda *_, **__: Report(failures=["A check failed."]))
    shown = erase(whole, NEEDLE, "--yes")
    assert shown.exit_code == 1 and "A check failed." in shown.output and "churn-assets restate" in shown.output
    for table in ("raw_events", "clean_users", "user_day_grid", "user_daily", "user_features", "churn_labels"):
        assert query(whole, f"SELECT count(*) FROM churn.{table} WHERE user_id = '{NEEDLE}'") == [(0,)]
    assert not [finding for _, _, findings in verify(deployment_of(whole)) for finding in findings]


@pytest.mark.long
def test_days_whose_files_were_removed_from_the_landing_lose_the_user_too(whole: Path) -> None:
    shutil.rmtree(take_away(whole, day(3)))
    shown = erase(whole, NEEDLE, "--yes")
    assert shown.exit_code == 0 and list(places_naming(whole, NEEDLE)) == []
    kept = query(whole, "FROM churn.raw_events SELECT event_id WHERE landing_date = '2026-01-03' ORDER BY ALL")
    assert len(kept) == 4 + 2, "of four others, whose odd rows are two"


# --- stopped ---

STEPS = ["rewrite_without", "rename_without", "remove_users_rows", "remove_versions", "restate", "write_report"]
STEPS += ["blot_out", "rewrite", "files_naming"]
"""In the order in which they are done."""


@pytest.mark.long
def test_killed_in_every_step_and_run_again_it_ends_in_the_same_state(
    whole: Path, erased_template: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in STEPS:
        real, calls = getattr(erasing, step), []

        def killed(*arguments: object, real: Any = real, calls: list[int] = calls, **named: object) -> object:
            calls.append(1)
            if (len(calls) == 1 and real.__name__ != "rewrite_without") or len(calls) == 3:
                raise SystemExit(137)
            return real(*arguments, **named)

        with monkeypatch.context() as patch:
            patch.setattr(erasing, step, killed)
            assert erase(whole, NEEDLE, "--yes").exit_code == 137, step
        assert step == STEPS[-1] or list(places_naming(whole, NEEDLE)), "so there was something left to do"
    assert erase(whole, NEEDLE, "--yes").exit_code == 0
    erased = erased_template[0]
    assert list(places_naming(whole, NEEDLE)) == []
    assert files(whole) == files(erased) and not differing(hashes(whole), hashes(erased))
    assert [path.name for path in whole.rglob("*") if path.suffix in (UNFINISHED, ".rewritten", ".new")] == []
    (entry,), (expected,) = record(whole)["erasures"], record(erased)["erasures"]  # type: ignore[misc]
    assert entry["found"] == expected["found"] and entry["finished_at"]


@pytest.mark.long
def test_killed_as_a_real_process_and_run_again_with_every_run_check_and_log(
    tmp_path: Path, with_dagster: None
) -> None:
    data = tmp_path / "data"
    text_world(data, last=3)
    odd = f"event_id,user_id,event_time,event_type\nt,{NEEDLE},2026-01-02T08:00:00,nap of {NEEDLE}\n"
    deliver(data, "events", day(2), odd, "odd.csv")
    done = command("churn-assets", "--data", data, "backfill", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (data / "reports").mkdir()
    (data / "reports/report.html").write_text(NEEDLE)
    named = list(places_naming(data, NEEDLE))
    assert any(place.startswith("dagster_home/history") for place in named), "an unknown event type is named in a check"
    process = subprocess.Popen(
        [BIN / "churn-assets", "--data", data, "erase", NEEDLE, "--yes"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not (data / "erasures.json").exists():
        time.sleep(0.02)
    time.sleep(2)  # somewhere in the restatement
    process.kill()
    assert process.wait(60) != 0
    done = command("churn-assets", "--data", data, "erase", NEEDLE, "--yes", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(places_naming(data, NEEDLE)) == []
    assert not [finding for _, _, findings in verify(deployment_of(data)) for finding in findings]
    assert not differing(hashes(data), hashes(fresh(data, tmp_path / "fresh")))
    assert "As of 2026-01-03" in (data / "reports/report.html").read_text()
    assert NEEDLE not in done.stdout + done.stderr
