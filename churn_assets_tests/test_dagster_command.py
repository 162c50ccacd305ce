"""The stock `dagster` command on the same tables: same bytes, same checks, and an exit code a release can stop on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from churn_assets.automation.instance import ensure_instance
from worlds import (
    DAYS,
    Hashes,
    command,
    day,
    days,
    deliver,
    deployment_of,
    differing,
    hashes,
    run_plainly,
    tamper,
    withdraw,
)

pytestmark = pytest.mark.long
MODULE = ("-m", "churn_assets.definitions")


def materialize(data: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return dagster(data, "asset", "materialize", *MODULE, *arguments)


def dagster(data: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    variables = {"CHURN_DATA_DIR": str(data), "DAGSTER_HOME": str(ensure_instance(data / "dagster_home"))}
    return command("dagster", *arguments, cwd=data.parent, variables=variables)


def test_the_definitions_are_valid(landed: Path) -> None:
    done = dagster(landed, "definitions", "validate", *MODULE)
    assert done.returncode == 0, done.stderr


def test_a_range_of_days_gives_what_a_backfill_does(landed: Path, expected: Hashes) -> None:
    done = materialize(landed, "--select", "*", "--partition-range", f"{day(1)}...{day(DAYS)}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert not differing(hashes(landed), expected)


def test_a_single_day_gives_what_a_backfill_of_that_day_does(landed: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(landed, tmp_path / "other"))
    run_plainly(other, days(1))
    assert materialize(landed, "--select", "*", "--partition", day(1)).returncode == 0
    assert not differing(hashes(landed), hashes(other))


def test_a_missing_delivery_fails_with_its_path_and_publishes_nothing_of_the_day(landed: Path) -> None:
    withdraw(landed, day(5))
    done = materialize(landed, "--select", "*", "--partition", day(5))
    assert done.returncode != 0
    assert f"landing/events/date={day(5)}" in done.stderr + done.stdout
    assert not (landed / "warehouse.duckdb").exists() or not hashes(landed)


def test_a_failing_blocking_check_fails_the_command_and_stops_downstream(computed: Path) -> None:
    # Rows lost between reading and cleaning: only what was noted of the file tells that they were ever there.
    tamper(computed, f"DELETE FROM churn.raw_events WHERE landing_date = '{day(12)}'", "DELETE FROM churn.user_daily")
    done = materialize(
        computed,
        "--select",
        "clean_events,quarantined_events,events_reconciliation,user_daily",
        "--partition",
        day(12),
    )
    assert done.returncode != 0
    assert "blocking asset check" in done.stderr + done.stdout
    with deployment_of(computed).warehouse.reading() as connection:
        assert connection.execute("SELECT count(*) FROM churn.user_daily").fetchall() == [(0,)]


def test_a_warning_does_not_fail_the_command(landed: Path) -> None:
    deliver(landed, "events", day(1), "event_id,user_id,event_time,event_type\n9,1,2026-01-01T01:00:00,nap\n")
    assert (
        materialize(
            landed,
            "--select",
            "raw_events,events_files,clean_events,quarantined_events,events_reconciliation",
            "--partition",
            day(1),
        ).returncode
        == 0
    )


def test_telemetry_is_off(tmp_path: Path) -> None:
    home = ensure_instance(tmp_path / "dagster_home")
    assert yaml.safe_load((home / "dagster.yaml").read_text())["telemetry"] == {"enabled": False}


@pytest.mark.parametrize("key", ["2026-01-05'; DROP TABLE x; --", "2027-01-01"])
def test_a_partition_that_is_none_is_refused(landed: Path, key: str) -> None:
    assert materialize(landed, "--select", "raw_users", "--partition", key).returncode != 0
    assert not (landed / "warehouse.duckdb").exists()


def test_a_range_that_ends_before_it_starts_is_refused_in_a_sentence_of_ours(landed: Path) -> None:
    done = materialize(landed, "--select", "raw_users,users_files", "--partition-range", f"{day(5)}...{day(3)}")
    assert done.returncode != 0
    assert f"The partition range {day(5)}...{day(3)} ends before it starts; swap its days." in done.stdout + done.stderr
    assert not (landed / "warehouse.duckdb").exists()
