"""What runs because something happened: late data asks for exact days, a failed run for one sentence to somebody."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    ExecuteInProcessResult,
    RunFailureSensorContext,
    RunRequest,
    SensorResult,
    SkipReason,
    build_run_status_sensor_context,
    build_sensor_context,
)

from churn_assets.automation.alerts import ALERT_URL_VARIABLE, alert_sentence, failure_alert, post
from churn_assets.automation.backfill import RANGE_END, RANGE_START
from churn_assets.automation.sensors import SENSOR_TAG, late_data_sensor
from churn_assets.calendar import DayRange
from churn_assets.graph import build_definitions
from churn_assets.warehouse.retry import NO_RETRY_TAG, RETRIES
from worlds import (
    DAYS,
    LATENESS,
    day,
    days,
    deliver,
    deployment_of,
    differing,
    hashes,
    run_plainly,
    tamper,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
NEW_EVENTS = "event_id,user_id,event_time,event_type\n700001,2,2026-01-05T12:00:00,login\n"
BROKEN = 'event_id,user_id,event_time,event_type\n1,1,"secret-value'


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


def looked(data: Path, instance: DagsterInstance, cursor: str | None = None) -> SensorResult | SkipReason:
    context = build_sensor_context(instance=instance, cursor=cursor)
    found = late_data_sensor(deployment_of(data))(context)
    assert isinstance(found, (SensorResult, SkipReason))
    return found


def requests(found: SensorResult | SkipReason) -> list[RunRequest]:
    return list(found.run_requests or []) if isinstance(found, SensorResult) else []


def asked_for(request: RunRequest) -> tuple[list[str], str, str]:
    assert request.asset_selection
    tables = [key.to_user_string() for key in request.asset_selection]
    return tables, request.tags[RANGE_START], request.tags[RANGE_END]


def done(data: Path, instance: DagsterInstance, request: RunRequest) -> None:
    job = build_definitions(deployment_of(data).settings).get_repository_def().get_job("restate_days")
    result = job.execute_in_process(
        instance=instance, asset_selection=list(request.asset_selection or ()), tags=dict(request.tags)
    )
    assert result.success
    made = {
        (entry.asset_key.to_user_string(), str(entry.partition)) for entry in result.get_asset_materialization_events()
    }
    tables, first, last = asked_for(request)
    asked = DayRange(date.fromisoformat(first), date.fromisoformat(last))
    assert made == {(table, str(at)) for table in tables for at in asked}
    assert result.get_asset_check_evaluations()


def test_both_are_off_until_somebody_switches_them_on(landed: Path) -> None:
    repository = build_definitions(deployment_of(landed).settings).get_repository_def()
    assert {sensor.name: sensor.default_status for sensor in repository.sensor_defs} == {
        "restate_late_data": DefaultSensorStatus.STOPPED,
        "alert_on_failure": DefaultSensorStatus.STOPPED,
    }


# --- late data ---


def test_where_nothing_has_changed_nothing_is_asked_for_and_the_next_look_reads_nothing(
    computed: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = looked(computed, instance)
    assert isinstance(first, SensorResult) and not first.run_requests and first.cursor
    monkeypatch.setattr("churn_assets.automation.sensors.planned_restatement", None)
    again = looked(computed, instance, first.cursor)
    assert isinstance(again, SkipReason) and "Nothing has landed" in str(again.skip_message)


@pytest.mark.long
def test_one_run_after_the_other_with_exact_days_until_all_is_as_if_it_had_landed_in_time(
    computed: Path, instance: DagsterInstance
) -> None:
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    asked, cursor = [], None
    while found := requests(look := looked(computed, instance, cursor)):
        assert isinstance(look, SensorResult)
        cursor = look.cursor
        for request in found:
            asked.append(asked_for(request))
            done(computed, instance, request)
    assert asked[:4] == [
        (["raw_events", "events_files"], str(day(6)), str(day(6))),
        (["clean_events", "quarantined_events", "events_reconciliation"], str(day(6)), str(day(6 + LATENESS))),
        (["unmatched_events", "user_daily"], str(day(6 - LATENESS)), str(day(6))),
        (["growth_daily"], str(day(5)), str(day(DAYS))),
    ], "the days whose inputs did change, which is known once what comes before is done"
    restated = hashes(computed)
    (computed / "warehouse.duckdb").unlink()
    run_plainly(computed)
    assert not differing(restated, hashes(computed))


def test_while_a_restatement_runs_no_other_is_asked_for(computed: Path, instance: DagsterInstance) -> None:
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    run = instance.create_run_for_job(
        build_definitions(deployment_of(computed).settings).get_repository_def().get_job("restate_days"),
        status=DagsterRunStatus.STARTED,
        tags=SENSOR_TAG,
    )
    found = looked(computed, instance)
    assert isinstance(found, SkipReason) and "under way" in str(found.skip_message)
    instance.report_run_canceled(run)
    assert requests(looked(computed, instance))


def test_a_run_that_failed_is_not_asked_for_again_until_something_changes(
    computed: Path, instance: DagsterInstance
) -> None:
    path = deliver(computed, "events", day(6), BROKEN, name="torn.csv")
    first = looked(computed, instance)
    assert isinstance(first, SensorResult) and len(requests(first)) == 1
    assert not requests(looked(computed, instance, first.cursor))
    path.write_text(NEW_EVENTS)
    assert requests(looked(computed, instance, first.cursor))


def test_several_ranges_of_the_same_tables_are_asked_for_at_once(computed: Path, instance: DagsterInstance) -> None:
    for number in (3, 9):
        deliver(computed, "events", day(number), NEW_EVENTS.replace("-05T", f"-{number:02}T"), name="correction.csv")
    found = [asked_for(request) for request in requests(looked(computed, instance))]
    assert [(first, last) for _, first, last in found] == [(str(day(n)), str(day(n))) for n in (3, 9)]


def test_nothing_is_computed_from_what_a_blocking_check_fails(computed: Path, instance: DagsterInstance) -> None:
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    run_plainly(computed, days(6), tables={"raw_events"})
    tamper(computed, f"DELETE FROM churn.events_reconciliation WHERE landing_date = '{day(7)}'")
    run_plainly(computed, tables={"raw_events"})
    found = looked(computed, instance)
    assert isinstance(found, SensorResult)
    assert asked_for(requests(found)[0])[0][0] == "clean_events", "which makes what was tampered with"
    run_plainly(computed, tables={"clean_events"})
    tamper(computed, f"DELETE FROM churn.clean_events WHERE landing_date = '{day(6)}'")
    found = looked(computed, instance)
    assert isinstance(found, SensorResult) and not requests(found)
    assert "blocking checks fail" in str(found.skip_reason) and "clean_events." in str(found.skip_reason)


# --- retries ---


@pytest.mark.parametrize("tags", [{}, {NO_RETRY_TAG: "true"}])
def test_a_busy_warehouse_is_tried_again_where_nobody_waits(
    landed: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch, tags: dict[str, str]
) -> None:
    tries = busy_warehouse(monkeypatch)
    result = run_raw_users(landed, instance, tags)
    assert not result.success
    assert len(tries) == (1 if tags else 1 + RETRIES)


def test_a_refused_file_is_not_tried_again(landed: Path, instance: DagsterInstance) -> None:
    deliver(landed, "users", day(1), 'user_id,signup_date\n1,"secret', name="torn.csv")
    result = run_raw_users(landed, instance, {})
    assert not result.success
    assert not [event for event in result.all_events if event.event_type is DagsterEventType.STEP_UP_FOR_RETRY]


def busy_warehouse(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    from churn_assets.errors import WarehouseBusy
    from churn_assets.warehouse import Warehouse

    tries: list[int] = []

    def writing(self: Warehouse) -> object:
        tries.append(1)
        raise WarehouseBusy("held elsewhere")

    monkeypatch.setattr(Warehouse, "writing", writing)
    monkeypatch.setattr("churn_assets.warehouse.retry.RETRY_SECONDS", 0)
    return tries


def run_raw_users(data: Path, instance: DagsterInstance, tags: dict[str, str]) -> ExecuteInProcessResult:
    job = build_definitions(deployment_of(data).settings).get_repository_def().get_job("restate_days")
    return job.execute_in_process(
        instance=instance,
        asset_selection=[AssetKey("raw_users"), AssetKey("users_files")],
        tags={RANGE_START: str(day(1)), RANGE_END: str(day(1)), **tags},
        raise_on_error=False,
    )


# --- alerts ---


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """An address that keeps what is posted to it."""
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204 if self.path == "/secret-token" else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", received
    finally:
        server.shutdown()
        server.server_close()


def failed_run(data: Path, instance: DagsterInstance) -> RunFailureSensorContext:
    """The context of the alert after a file was refused."""
    deliver(data, "users", day(1), 'user_id,signup_date\n1,"secret-value', name="torn.csv")
    result = run_raw_users(data, instance, {})
    return build_run_status_sensor_context(
        "alert_on_failure",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
    ).for_run_failure()


def test_the_sentence_names_run_days_and_reason_and_no_value_of_a_row(landed: Path, instance: DagsterInstance) -> None:
    context = failed_run(landed, instance)
    sentence = alert_sentence(context)
    assert sentence.startswith(f"Run {context.dagster_run.run_id[:8]} of restate_days ({day(1)}) failed: ")
    assert f"users/date={day(1)}/torn.csv" in sentence
    assert "secret-value" not in sentence and "\n" not in sentence


def test_a_failed_run_is_posted_as_one_sentence(
    landed: Path,
    instance: DagsterInstance,
    webhook: tuple[str, list[dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, received = webhook
    monkeypatch.setenv(ALERT_URL_VARIABLE, f"{url}secret-token")
    context = failed_run(landed, instance)
    failure_alert()(context)
    assert received == [{"text": alert_sentence(context)}]


@pytest.mark.parametrize("set_to", [None, "wrong-path"])
def test_without_an_address_or_an_answer_it_is_logged_and_the_address_is_not(
    landed: Path,
    instance: DagsterInstance,
    webhook: tuple[str, list[dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    set_to: str | None,
) -> None:
    if set_to:
        monkeypatch.setenv(ALERT_URL_VARIABLE, f"{webhook[0]}{set_to}")
    context = failed_run(landed, instance)
    logged: list[str] = []
    for level in ("warning", "error"):
        monkeypatch.setattr(context.log, level, logged.append)
    failure_alert()(context)
    (line,) = logged
    assert alert_sentence(context) in line and webhook[0] not in line
    assert ("could not be sent: HTTPError" in line) == bool(set_to)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "somewhere"])
def test_only_a_web_address_is_posted_to(url: str) -> None:
    assert post(url, "a sentence") == f"{ALERT_URL_VARIABLE} is not an http or https address"
