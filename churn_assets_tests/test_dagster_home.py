"""The deployment's own Dagster home has its dagster.yaml whoever names it; a home of somebody else's is used as it is."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import DagsterEvent, DagsterInstance, job

from churn_assets.automation import instance as home
from churn_assets.automation.backfill import dagster_instance
from churn_assets.automation.event_log import PooledSqliteEventLogStorage
from churn_assets.automation.instance import home_in_use, look_after_own_home
from churn_assets.errors import ChurnError
from worlds import command, day, deployment_of

SHIPPED = Path(home.__file__).with_name("dagster.yaml").read_text("utf-8")


@pytest.fixture
def landed(landed: Path) -> Path:
    """The small world without the databases of Dagster."""
    shutil.rmtree(deployment_of(landed).settings.dagster_home)
    return landed


@pytest.fixture(autouse=True)
def _nothing_was_said_yet() -> None:
    home._say_once.cache_clear()


def events_of(instance: DagsterInstance, run_id: str) -> list[DagsterEvent]:
    entries = [record.event_log_entry for record in instance.get_records_for_run(run_id).records]
    return [entry.dagster_event for entry in entries if entry.dagster_event]


@job
def nothing() -> None:
    """No step."""


def link(own: Path) -> str:
    other = own.parent / "link"
    other.symlink_to(own)
    return str(other)


NAMES: dict[str, Callable[[Path], str]] = {
    "absolute": str,
    "with a slash at its end": lambda own: f"{own}/",
    "through the folder above": lambda own: f"{own}/../{own.name}",
    "from here": os.path.relpath,
    "through a link": link,
}


@pytest.mark.parametrize("named", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("is_there", [True, False], ids=["made", "not made"])
def test_own_home_gets_its_file_whatever_it_is_called(
    named: Callable[[Path], str],
    is_there: bool,
    landed: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = landed / "dagster_home"
    if is_there:
        own.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", named(own))
    before = os.environ["DAGSTER_HOME"]
    with dagster_instance(deployment_of(landed)) as instance:
        assert Path(instance.root_directory) == own.resolve()
        assert isinstance(instance.event_log_storage, PooledSqliteEventLogStorage)
        assert not instance.telemetry_enabled and not instance.nux_enabled
    assert (own / "dagster.yaml").read_text() == SHIPPED
    assert os.environ["DAGSTER_HOME"] == before and not caplog.messages


def test_what_somebody_wrote_into_own_home_stays(landed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = landed / "dagster_home"
    own.mkdir()
    (own / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(own))
    assert home_in_use(own) == own.resolve()
    look_after_own_home(own)
    assert (own / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"


def test_a_foreign_home_is_used_as_it_is_with_one_sentence(
    landed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = tmp_path / "elsewhere"
    foreign.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(foreign))
    for _ in range(2):
        with dagster_instance(deployment_of(landed)) as instance:
            assert Path(instance.root_directory) == foreign
            assert not isinstance(instance.event_log_storage, PooledSqliteEventLogStorage)
    look_after_own_home(landed / "dagster_home")
    assert not (foreign / "dagster.yaml").exists() and not (landed / "dagster_home").exists()
    own_words = [record for record in caplog.records if record.name.startswith("churn_assets")]
    assert [record.levelno for record in own_words] == [logging.WARNING]
    assert "which is not this deployment's home: its settings are used as they are" in caplog.text


@pytest.mark.parametrize("named", ["elsewhere", "a-file", "missing", "~nobody/home"])
def test_what_is_no_folder_is_refused_before_anything_is_made(
    named: str, landed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a-file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", named if named == "elsewhere" else str(tmp_path / named))
    before = sorted(tmp_path.rglob("*"))
    with (
        pytest.raises(
            ChurnError, match=r"^DAGSTER_HOME is .*, which is not the absolute path of a folder that exists; name one"
        ),
        dagster_instance(deployment_of(landed)),
    ):
        pass
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_name_own_home_is_used_and_none_is_left_in_the_environment(landed: Path) -> None:
    with dagster_instance(deployment_of(landed)) as instance:
        assert Path(instance.root_directory) == (landed / "dagster_home").resolve()
    assert "DAGSTER_HOME" not in os.environ


@pytest.mark.long
def test_the_command_of_a_user_who_followed_dagsters_documentation(landed: Path) -> None:
    own = landed / "dagster_home"
    own.mkdir()
    variables = {"DAGSTER_HOME": str(own)}
    done = command("churn-assets", "--data", landed, "backfill", day(1), cwd=landed.parent, variables=variables)
    assert done.returncode == 0, done.stderr
    assert "elemetry" not in done.stdout + done.stderr
    assert (own / "dagster.yaml").read_text() == SHIPPED


@pytest.mark.long
def test_dagsters_own_command_writes_the_file_that_was_missing_and_says_so(landed: Path) -> None:
    own = landed / "dagster_home"
    own.mkdir()
    variables = {"DAGSTER_HOME": str(own), "CHURN_DATA_DIR": str(landed)}
    materialize = (
        "dagster",
        "asset",
        "materialize",
        "-m",
        "churn_assets.definitions",
        "--select",
        "raw_users,users_files",
    )
    for said in (1, 0):
        done = command(*materialize, "--partition", day(1), cwd=landed.parent, variables=variables)
        assert done.returncode == 0, done.stderr
        assert (done.stdout + done.stderr).count("was missing and has been written") == said
        assert (
            said or "elemetry" not in done.stdout + done.stderr
        )  # Dagster speaks of it before it loads anything of ours.
        assert (own / "dagster.yaml").read_text() == SHIPPED


def test_what_a_stock_instance_wrote_into_own_home_is_read_on(landed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = landed / "dagster_home"
    own.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(own))
    with DagsterInstance.get() as stock:
        run_id = stock.create_run_for_job(nothing).run_id
        stock.report_engine_event("seen", run_id=run_id, job_name="nothing")
    with dagster_instance(deployment_of(landed)) as ours:
        assert [event.message for event in events_of(ours, run_id)] == ["seen"]
