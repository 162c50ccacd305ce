"""`churn-assets restate`: late data is found, exactly what it changed is computed again, and any order converges."""

from __future__ import annotations

import shutil
import tempfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from churn_assets.assets.landing_step import LandingStep
from churn_assets.assets.step import Step
from churn_assets.assets.steps import all_steps
from churn_assets.automation.plan import Plan, Work
from churn_assets.automation.restate import (
    delivered_but_not_published,
    planned_restatement,
    restate,
    restated,
    still_late,
    touched,
)
from churn_assets.calendar import DayRange
from churn_assets.graph import build_definitions
from test_cli import said
from worlds import (
    AT_RISK,
    DAYS,
    HORIZON,
    LATENESS,
    Hashes,
    bring_back,
    churn,
    day,
    days,
    deliver,
    deployment_of,
    differing,
    hashes,
    publish_plainly,
    query,
    run_plainly,
    withdraw,
    work_by_table,
    write_settings,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
NEW_EVENTS = "event_id,user_id,event_time,event_type\n700001,2,2026-01-05T12:00:00,login\n"
FILE = f"events/date={day(6)}/correction.csv"


def planned_of(data: Path) -> Plan:
    return planned_restatement(deployment_of(data))


def restate_plainly(data: Path) -> None:
    """As the command does, in a plain loop without Dagster."""
    deployment = deployment_of(data)
    for work in planned_restatement(deployment).works:
        for left in still_late(deployment, work):
            publish_plainly(deployment, left)


def compute_alone(data: Path, at: date) -> None:
    """What the daily schedule does: every table of the day, and no day that it touches."""
    deployment = deployment_of(data)
    publish_plainly(deployment, Work(all_steps(deployment.settings), DayRange(at, at)))


# --- the plan ---


def test_there_is_nothing_to_restate_where_nothing_was_published(landed: Path) -> None:
    assert planned_of(landed) == Plan((), ())
    assert len(delivered_but_not_published(deployment_of(landed))) == DAYS


def test_a_late_event_touches_the_days_the_specification_says(computed: Path) -> None:
    """An event of d: user_daily [d], features from d to the end of every window, labels [d - H, d + at risk - 1]."""
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    before = hashes(computed)
    restate_plainly(computed)
    changed = {key for key, content in hashes(computed).items() if content != before[key]}
    by_table = {table: {at for name, at in changed if name == table} for table, _ in changed}
    event_day = 5
    assert by_table["user_daily"] == {day(event_day)}
    assert by_table["user_features"] == set(days(event_day, DAYS))
    assert by_table["churn_labels"] <= set(days(event_day - HORIZON, event_day + AT_RISK - 1))
    assert by_table["churn_labels"]


def test_only_days_whose_inputs_did_change_are_computed_again(computed: Path) -> None:
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    assert work_by_table(planned_of(computed))["user_daily"] == list(days(6 - LATENESS, 6 + LATENESS))
    restate_plainly(computed)
    since = "SELECT min(published_at) FROM churn.restatements"
    rows = query(
        computed, f"FROM churn.publish_ledger SELECT table_name, partition_date WHERE published_at >= ({since})"
    )
    again = {table: sorted(at for name, at in rows if name == table) for table, _ in rows}
    assert again["clean_events"] == list(days(6, 6 + LATENESS)), "all read the landing day that changed"
    assert again["user_daily"] == list(days(6 - LATENESS, 6)), "and of those the 6th alone came out otherwise"
    assert planned_of(computed) == Plan((), ())


def test_what_was_never_published_is_left_to_a_backfill(landed: Path) -> None:
    run_plainly(landed, days(1, 8))
    assert planned_of(landed) == Plan((), ())
    assert delivered_but_not_published(deployment_of(landed)) == list(days(9, DAYS))
    compute_alone(landed, day(9))
    published = set(hashes(landed))
    todo = work_by_table(planned_of(landed))
    assert todo["user_daily"] == list(days(9 - LATENESS, 8)) and "raw_events" not in todo
    restate_plainly(landed)
    assert set(hashes(landed)) == published


def test_other_code_is_no_late_data(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (Step, LandingStep):
        monkeypatch.setattr(step, "code_version", lambda *_: "another")
    assert planned_of(computed) == Plan((), ())


def test_a_day_that_was_never_delivered_is_no_complaint_but_one_taken_away_is(landed: Path) -> None:
    withdraw(landed, day(5))
    run_plainly(landed)
    assert planned_of(landed) == Plan((), ())
    withdraw(landed, day(7))
    assert [str(day(7)) in sentence for sentence in planned_of(landed).impossible] == [True, True]


# --- why ---


def test_the_reason_is_a_file_that_has_landed_and_is_not_read_yet(computed: Path) -> None:
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    reasons = touched(deployment_of(computed), planned_of(computed))
    assert {one.files for one in reasons} == {(FILE,)}
    assert next(one for one in reasons if "user_daily" in one.tables).days == (days(6 - LATENESS, 6 + LATENESS),)


def test_or_one_that_was_read_before_a_stop(computed: Path) -> None:
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    run_plainly(computed, tables={"raw_events"})
    reasons = touched(deployment_of(computed), planned_of(computed))
    assert reasons[0].tables[0] == "clean_events" and {one.files for one in reasons} == {(FILE,)}


# --- the command ---


def test_a_dry_run_says_what_and_why_and_does_nothing(computed: Path) -> None:
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    before = (computed / "warehouse.duckdb").stat().st_mtime_ns
    done = churn(computed, "restate", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "At most 114 partitions in 7 runs" in done.stdout
    assert f"{day(3)} .. {day(9)}" in done.stdout and FILE in done.stdout and "700001" not in done.stdout
    assert (computed / "warehouse.duckdb").stat().st_mtime_ns == before


@pytest.mark.long
def test_the_command_restates_and_says_what_changed(computed: Path) -> None:
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    done = churn(computed, "restate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "86 partitions computed." in done.stdout and "86/86" in done.stdout
    assert FILE in done.stdout and "stayed" in done.stdout
    again = churn(computed, "restate")
    assert again.returncode == 0 and "up to date with what has landed" in again.stdout
    assert "Everything is up to date." in churn(computed, "status").stdout


def test_a_refused_file_is_named_and_what_is_published_stays(computed: Path, expected: Hashes) -> None:
    deliver(computed, "events", day(6), 'event_id,user_id,event_time,event_type\n1,1,"secret-value', name="torn.csv")
    done = churn(computed, "restate")
    assert f"events/date={day(6)}/torn.csv" in said(done) and "secret-value" not in done.stdout + done.stderr
    assert not differing(hashes(computed), expected)


@pytest.mark.long
def test_what_it_did_is_told_by_table(computed: Path) -> None:
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    deployment = deployment_of(computed)
    report = restate(build_definitions(deployment.settings), deployment, planned_restatement(deployment))
    assert report.succeeded
    by_table = {one.table: one for one in restated(deployment, report)}
    assert (by_table["user_daily"].days, by_table["user_daily"].rows_removed, by_table["user_daily"].rows_added) == (
        1,
        1,
        1,
    )
    assert by_table["user_features"].days == DAYS - 4 and list(by_table["user_daily"].files) == [FILE]
    assert by_table["user_daily"].labels_before is None and by_table["churn_labels"].labels_before


# --- any order converges ---

FEW = 5


class Deliveries(RuleBasedStateMachine):
    """Landing days come late, in parts and out of order; now and then somebody restates. In the end all is as if it had
    come in order, at once.
    """

    template: Path
    expected: Hashes

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.data = Path(shutil.copytree(self.template, Path(self.folder.name) / "data"))
        for number in range(1, FEW + 1):
            withdraw(self.data, day(number))
        self.outstanding = set(range(1, FEW + 1))
        self.held_back: dict[Path, str] = {}

    @precondition(lambda self: self.outstanding)
    @rule(data=st.data(), in_part=st.booleans())
    def a_landing_day_arrives_and_is_computed(self, data: st.DataObject, in_part: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.outstanding)))
        self.arrive(number, in_part=in_part)
        compute_alone(self.data, day(number))

    def arrive(self, number: int, *, in_part: bool = False) -> None:
        self.outstanding.discard(number)
        bring_back(self.data, day(number))
        if in_part:
            path = self.data / "landing/events" / f"date={day(number)}" / "events.csv"
            self.held_back[path] = path.read_text()
            rows = self.held_back[path].splitlines(keepends=True)
            path.write_text("".join(rows[: 1 + len(rows) // 2]))

    @precondition(lambda self: self.held_back)
    @rule(data=st.data())
    def a_file_is_redelivered_whole(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.held_back)))
        path.write_text(self.held_back.pop(path))

    @rule()
    def somebody_restates(self) -> None:
        restate_plainly(self.data)
        assert planned_of(self.data) == Plan((), ())

    def teardown(self) -> None:
        try:
            for number in sorted(self.outstanding):
                self.arrive(number)
                compute_alone(self.data, day(number))
            for path, whole in self.held_back.items():
                path.write_text(whole)
            restate_plainly(self.data)
            assert not differing(hashes(self.data), self.expected)
        finally:
            self.folder.cleanup()


@pytest.mark.long
def test_any_order_of_arrival_converges_to_the_same_bytes(landed: Path) -> None:
    write_settings(landed, end_date=day(FEW))
    for number in range(FEW + 1, DAYS + 1):
        withdraw(landed, day(number))
        shutil.rmtree(landed / f"aside-{day(number)}")
    Deliveries.template = landed
    whole = Path(shutil.copytree(landed, landed.parent / "whole"))
    run_plainly(whole)
    Deliveries.expected = hashes(whole)
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=3, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
