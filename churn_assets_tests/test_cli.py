"""`churn-assets` as people meet it: a real process, its exit code, and one sentence where something is wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import duckdb
import pytest

from churn_assets.cli import cli
from churn_assets.settings import Settings
from churn_assets.settings_file import write_calendar
from worlds import (
    BIN,
    CALENDAR,
    DAYS,
    ODD_EVENTS,
    Hashes,
    churn,
    command,
    day,
    deliver,
    differing,
    hashes,
    held_elsewhere,
    query,
    tamper,
    write_settings,
)

README = Path(__file__).parents[1] / "README.md"
COMMANDS = sorted(cli.commands)
Done = subprocess.CompletedProcess[str]


def churn_process(data: Path, *arguments: object, debug: bool = False, **variables: str) -> Done:
    """The command as a process. Run from beside the data folder, so that a stray `data/` would be seen there."""
    options = ("--debug",) if debug else ()
    return command("churn-assets", "--data", data, *options, *arguments, cwd=data.parent, variables=variables)


def said(done: Done, besides: tuple[str, ...] = ()) -> str:
    """The error, which is one line, names no Python and comes with an exit code. `besides`: how lines begin that others print."""
    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout and ".py" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line and not line.startswith(("Usage: ", "Try ", *besides))]
    assert len(errors) == 1 and errors[0].startswith("Error: "), done.stderr
    return errors[0].removeprefix("Error: ")


def said_here(data: Path, *arguments: object, besides: tuple[str, ...] = ()) -> str:
    """What the command, run in this process, says is wrong."""
    return said(churn(data, *arguments), besides)


# --- what it offers ---


def test_help_names_every_command() -> None:
    shown = command("churn-assets", "--help", cwd=Path.cwd())
    assert shown.returncode == 0
    listed = shown.stdout.split("Commands:")[1]
    assert re.findall(r"^  ([\w-]+) ", listed, re.MULTILINE) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_explained(name: str) -> None:
    described = cli.commands[name]
    assert described.help
    options = [parameter for parameter in described.params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options), [option.name for option in options if not option.help]


def test_the_readme_names_every_command_and_no_other() -> None:
    text = README.read_text(encoding="utf-8")
    section = text.split("## Commands")[1].split("\n## ")[0]
    assert sorted(set(re.findall(r"`?churn-assets ([\w-]+)", section))) == COMMANDS


def test_the_version_is_the_packages() -> None:
    from churn_assets import __version__

    assert __version__ in command("churn-assets", "--version", cwd=Path.cwd()).stdout


# --- from nothing to tables, and again ---


@pytest.mark.long
def test_backfill_verify_status_and_again(landed: Path, expected: Hashes) -> None:
    first = churn_process(landed, "backfill")
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"{21 * DAYS} partitions computed." in first.stdout
    assert (
        "warning: events_files" not in first.stdout
        and "warning: unmatched_events.expectations on 1 day" in first.stdout
    )
    assert not differing(hashes(landed), expected)

    written = (landed / "warehouse.duckdb").stat().st_mtime_ns
    again = churn_process(landed, "backfill")
    assert again.returncode == 0 and "Everything is up to date" in again.stdout
    assert (landed / "warehouse.duckdb").stat().st_mtime_ns == written

    verified = churn_process(landed, "verify")
    assert verified.returncode == 0 and f"All {21 * DAYS} partitions are as published." in verified.stdout
    status = churn_process(landed, "status")
    assert status.returncode == 0 and "Everything is up to date." in status.stdout
    assert re.search(rf"user_daily +│ +{DAYS} ", status.stdout)
    assert not (landed.parent / "data2").exists() and not list(landed.parent.glob("dagster_home"))

    deliver(
        landed, "events", day(12), "event_id,user_id,event_time,event_type\n5,1,2026-01-12T01:00:00,login\n", "more.csv"
    )
    resumed = churn_process(landed, "backfill", day(12))
    assert resumed.returncode == 0 and "67 partitions computed." in resumed.stdout, (
        "5 of the landing day, 5 on 4 days each, cohorts of the 10 days within a week before, labels and scores of 8 days"
    )


@pytest.mark.long
def test_demo_makes_a_world_and_says_where_to_look(tmp_path: Path) -> None:
    done = churn(tmp_path / "data", "demo", "--users", 20, "--days", 3)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "63 partitions computed." in done.stdout and "user_daily by month" in done.stdout
    next_steps = done.stdout.partition("Where to look next\n")[2]
    (place,) = [line.split("  ")[1] for line in next_steps.splitlines() if "what is published" in line]
    assert place.endswith(f"churn-assets --data {tmp_path / 'data'} status"), "as it can be typed from here"
    assert f"CHURN_DATA_DIR={tmp_path / 'data'} make ui" in next_steps


def test_land_splits_a_dump_and_landing_it_again_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "u.csv").write_text("user_id,signup_date\n1,2026-01-01\n2,2026-01-02\n")
    (tmp_path / "e.csv").write_text(
        "event_id,user_id,event_time,event_type\n1,1,2026-01-01,login\n2,2,2026-01-03,login\n"
    )
    done = churn(tmp_path / "data", "land", tmp_path / "u.csv", tmp_path / "e.csv")
    assert done.returncode == 0, done.stderr
    assert "2 user rows and 2 event rows on 3 days, 2026-01-01 to 2026-01-03" in done.stdout.replace("\n", " ")
    again = churn(tmp_path / "data", "land", tmp_path / "u.csv", tmp_path / "e.csv")
    assert again.returncode == 0 and "nothing changed" in again.stdout
    (tmp_path / "e.csv").write_text(
        "event_id,user_id,event_time,event_type\n1,1,2026-01-01,nap\n2,2,2026-01-03,login\n"
    )
    assert "--replace" in said(churn(tmp_path / "data", "land", tmp_path / "u.csv", tmp_path / "e.csv"))


# --- what people get wrong ---


@pytest.mark.parametrize("name", ["backfill", "status", "verify"])
def test_without_settings_it_says_how_to_begin(tmp_path: Path, name: str) -> None:
    assert "churn-assets" in said(churn(tmp_path / "data", name))
    assert not (tmp_path / "data").exists(), "and leaves nothing behind"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("start_date = 2026-13-01", "churn.toml is not valid TOML"),
        ("lateness = 3", "unknown key 'lateness'"),
        ("start_date = 2026-01-02\nend_date = 2026-01-01", "not usable: end_date 2026-01-01 lies before start_date"),
        ("start_date = 2026-01-02\ntimezone = 'Mars/Base'", "timezone: 'Mars/Base' is not an IANA timezone"),
    ],
)
def test_a_bad_settings_file_is_named_with_its_fault(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/churn.toml").write_text(text)
    sentence = said(churn(tmp_path / "data", "status"))
    assert named in sentence and "churn.toml" in sentence


def test_a_settings_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "churn.toml").write_bytes(b"\xef\xbb\xbflateness_days = 5\n")
    assert Settings.load(tmp_path).lateness_days == 5
    write_calendar(tmp_path / "churn.toml", day(1), day(2))
    assert (Settings.load(tmp_path).start_date, Settings.load(tmp_path).lateness_days) == (day(1), 5)


def test_a_missing_dump_is_named(tmp_path: Path) -> None:
    (tmp_path / "u.csv").write_text("user_id,signup_date\n")
    assert "none.csv" in said(churn(tmp_path / "data", "land", tmp_path / "u.csv", tmp_path / "none.csv"))


@pytest.mark.parametrize("asked", [("2025-12-31",), ("2026-01-05", "2026-02-01"), ("2026-01-05", "2026-01-04")])
def test_days_out_of_the_calendar_are_refused(landed: Path, asked: tuple[str, ...]) -> None:
    assert f"not within the calendar, {CALENDAR}" in said(churn(landed, "backfill", *asked))


def test_a_day_that_is_no_day_is_a_usage_error(landed: Path) -> None:
    done = churn(landed, "backfill", "2026-02-30")
    assert done.returncode == 2 and "2026-02-30" in done.stderr and "Traceback" not in done.stderr


def test_a_bad_selection_is_refused(landed: Path) -> None:
    assert "no selection" in said(churn(landed, "backfill", "--select", "user_dialy"))


def test_a_selection_that_lacks_its_inputs_is_told_the_one_that_works(landed: Path) -> None:
    sentence = said(churn(landed, "backfill", day(1), "--select", "user_daily"))
    (selection,) = re.findall(r"--select '(.*)'", sentence)
    done = churn(landed, "backfill", day(1), "--select", selection)
    assert done.returncode == 0 and ("user_daily", day(1)) in hashes(landed)


def test_what_a_backfill_does_not_make_is_refused_with_the_command_that_does(landed: Path) -> None:
    assert "is made by 'churn-assets report'" in said(churn(landed, "backfill", "--select", "churn_report"))


def test_an_undelivered_day_fails_with_its_path_and_leaves_no_partition(landed: Path) -> None:
    folder = landed / "landing/users" / f"date={day(5)}"
    shutil.rmtree(folder)
    assert str(folder) in said(churn(landed, "backfill", day(5)))
    assert not (landed / "warehouse.duckdb").exists()


def test_a_refused_file_is_named_and_what_is_published_stays(computed: Path, expected: Hashes) -> None:
    before = query(computed, "FROM churn.publish_ledger ORDER BY ALL")
    deliver(computed, "events", day(6), 'event_id,user_id,event_time,event_type\n1,1,"secret-value', name="torn.csv")
    done = churn(computed, "backfill")
    sentence = said(done)
    assert f"events/date={day(6)}/torn.csv" in sentence and "secret-value" not in done.stdout + done.stderr
    assert query(computed, "FROM churn.publish_ledger ORDER BY ALL") == before
    assert churn(computed, "verify").returncode == 0
    assert not differing(hashes(computed), expected)


@pytest.mark.long
def test_a_warehouse_held_by_another_process_is_waited_for_and_then_named(computed: Path) -> None:
    write_settings(computed, lock_timeout_seconds=1)
    deliver(computed, "events", day(6), ODD_EVENTS, name="odd2.csv")
    with held_elsewhere(computed / "warehouse.duckdb"):
        assert "held elsewhere" in said(churn(computed, "verify"))
        assert "held elsewhere" in said(churn(computed, "backfill"))
    assert churn(computed, "verify").returncode == 0


def test_a_file_that_is_no_warehouse_is_named(landed: Path) -> None:
    (landed / "warehouse.duckdb").write_text("this is a letter, not a database\n" * 1000)
    assert "warehouse.duckdb" in said(churn(landed, "status"))
    assert "warehouse.duckdb" in said(churn(landed, "backfill"))


def test_a_read_only_data_folder_is_named(landed: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    landed.chmod(0o555)
    try:
        assert "data" in said(churn(landed, "backfill"))
    finally:
        landed.chmod(0o755)


def test_debug_shows_the_traceback(tmp_path: Path, landed: Path) -> None:
    done = churn_process(tmp_path / "none", "status", debug=True)
    assert done.returncode != 0 and "Traceback" in done.stderr and "ChurnError" in done.stderr


@pytest.mark.long
def test_debug_shows_the_traceback_of_a_failed_step_too(landed: Path) -> None:
    (landed / "landing/users" / f"date={day(1)}" / "users.csv").write_bytes(b"")
    done = churn_process(landed, "backfill", day(1), debug=True)
    assert done.returncode != 0 and "Traceback" in done.stderr and "RefusedFile" in done.stderr


# --- verify ---


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        (f"UPDATE churn.user_daily SET total_logins = total_logins + 1 WHERE as_of_date = '{day(4)}'", "rows differ"),
        (f"DELETE FROM churn.user_daily WHERE as_of_date = '{day(4)}'", "0 rows, published were"),
        (
            f"DELETE FROM churn.publish_ledger WHERE table_name = 'user_daily' AND partition_date = '{day(4)}'",
            "never published",
        ),
        ("DROP TABLE churn.user_daily", "0 rows, published were"),
    ],
    ids=["tampered", "lost", "unpublished", "dropped"],
)
def test_verify_finds_it_and_says_how_to_mend_it(computed: Path, statement: str, finding: str) -> None:
    tamper(computed, statement)
    done = churn(computed, "verify")
    assert "are not as published; recompute them with" in said(done)
    assert re.search(rf"user_daily {day(4)}: .*{finding}", done.stdout)
    assert len([line for line in done.stdout.splitlines() if line.startswith("user_daily")]) <= 6


def test_what_verify_suggests_mends_it(computed: Path, expected: Hashes) -> None:
    tamper(computed, f"DELETE FROM churn.user_daily WHERE as_of_date = '{day(12)}'")
    assert churn(computed, "verify").returncode == 1
    assert churn(computed, "backfill", day(12), "--select", "user_daily", "--force").returncode == 0
    assert churn(computed, "verify").returncode == 0
    assert not differing(hashes(computed), expected)


def test_a_blocking_check_that_fails_stored_data_makes_a_backfill_fail_though_nothing_is_to_do(computed: Path) -> None:
    tamper(computed, f"DELETE FROM churn.user_daily WHERE as_of_date = '{day(4)}' AND total_events = 0")
    done = churn(computed, "backfill")
    assert "blocking check" in said(done) and f"user_daily.conserved on {day(4)}: " in done.stdout


# --- settings from the environment ---


def test_variables_override_the_settings_file(computed: Path) -> None:
    status = churn(computed, "status", CHURN_LATENESS_DAYS="1")
    assert re.search(rf"user_daily .* {DAYS} │$", status.stdout, re.MULTILINE), status.stdout
    assert "lateness_days" in said(churn(computed, "status", CHURN_LATENESS_DAYS="minus one"))


def test_the_data_folder_may_come_from_the_environment(computed: Path) -> None:
    done = command("churn-assets", "verify", cwd=computed.parent.parent, variables={"CHURN_DATA_DIR": str(computed)})
    assert done.returncode == 0, done.stderr


def test_no_value_of_a_row_is_ever_printed(landed: Path) -> None:
    write_settings(landed, end_date=day(1))
    deliver(
        landed,
        "events",
        day(1),
        "event_id,user_id,event_time,event_type,amount\nidsecret,usersecret,timesecret,login,\n"
        "7,1,2026-01-01,payment_success,amountsecret\n8,999998,2026-01-01,login,\n",
        name="secret.csv",
    )
    done = churn(landed, "backfill")
    assert done.returncode == 0, done.stderr
    everything = done.stdout + done.stderr + churn(landed, "verify").stdout + churn(landed, "status").stdout
    assert "secret" not in everything and "999998" not in everything


def test_a_table_of_another_contract_is_changed_in_place(computed: Path) -> None:
    with duckdb.connect(str(computed / "warehouse.duckdb")) as connection:
        connection.execute("ALTER TABLE churn.user_daily ADD COLUMN surplus INTEGER")
    assert churn(computed, "backfill", day(12), "--force").returncode == 0
    assert "surplus" not in [row[0] for row in query(computed, "DESCRIBE churn.user_daily")]
    assert churn(computed, "verify").returncode == 0


def test_status_and_backfill_say_in_words_what_a_change_makes_out_of_date(computed: Path) -> None:
    write_settings(computed, labels="[labels]\nat_risk_days = 3\nhorizon_days = 5\n")
    reason = "churn_labels: 12 partitions, new definition: churned_5d added, churned_4d dropped, all others changed"
    assert reason in churn(computed, "status").stdout
    done = churn(computed, "backfill")
    assert done.returncode == 0 and reason in done.stdout
    assert churn(computed, "verify").returncode == 0
    assert "partitions," not in churn(computed, "status").stdout


def test_the_command_is_installed() -> None:
    assert (BIN / "churn-assets").exists()
