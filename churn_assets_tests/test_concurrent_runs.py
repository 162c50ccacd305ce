"""Backfills that are at work at once, whatever the order of their steps: none is red, and the end is that of one after the other."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from churn_assets.assets.settled import unsettled
from churn_assets.assets.step import Deployment
from churn_assets.automation.backfill import MOST_ROUNDS, failing_blocking_checks, moved_on, planned
from churn_assets.calendar import DayRange
from churn_assets.warehouse.publish import publish
from worlds import DAYS, Hashes, day, days, deliver, deployment_of, differing, hashes, run_plainly, tamper

KNOWN = days(1, 1)
"""The day on which most users land: without it a day's events are those of strangers, and rightly red."""
RANGES = (days(2, 4), days(5, 7), days(8, DAYS))
LATE_EVENT = "event_id,user_id,event_time,event_type\n700001,2,{day}T12:00:00,login\n"


def at_work(deployment: Deployment, asked: DayRange, name: str) -> Iterator[str]:
    """A backfill without Dagster that stops wherever another process may come in between; says what it has just done."""
    todo = planned(deployment, asked)
    yield "planned"
    runs: list[str] = []
    works = todo.works
    for _ in range(MOST_ROUNDS):
        for work in works:
            runs.append(f"{name}, run {len(runs)}")
            inputs = {table for step in work.steps for table in step.reads} - set(work.tables)
            assert not failing_blocking_checks(deployment, inputs, work.days)
            yield "checked inputs"
            for step in work.steps:
                for publication in step.publications(deployment, work.days, runs[-1]):
                    with deployment.warehouse.writing() as connection:
                        publish(connection, publication)
                    yield f"published {publication.contract.table}"
                assert not failing_blocking_checks(deployment, step.outputs, work.days)
                yield f"checked {step.name}"
        if not (works := moved_on(deployment, todo, runs)):
            return


class Schedules(RuleBasedStateMachine):
    """Three backfills of neighbouring ranges begin and go on in any order."""

    begun: Path
    expected: Hashes

    @initialize()
    def users_are_known(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.data = Path(shutil.copytree(self.begun, Path(self._folder.name) / "data"))
        self.to_begin, self.going_on = list(RANGES), []

    @precondition(lambda self: self.to_begin)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        asked = data.draw(st.sampled_from(self.to_begin))
        self.to_begin.remove(asked)
        self.going_on.append(at_work(deployment_of(self.data), asked, str(asked)))

    @precondition(lambda self: self.going_on)
    @rule(data=st.data(), moments=st.integers(1, 40))
    def go_on(self, data: st.DataObject, moments: int) -> None:
        self._go_on(data.draw(st.sampled_from(self.going_on)), moments)

    def _go_on(self, backfill: Iterator[str], moments: int) -> None:
        for _ in range(moments):
            if next(backfill, None) is None:
                self.going_on.remove(backfill)
                return

    @rule()
    def look(self) -> None:
        """What is published there is never half of anything."""
        assert not planned(deployment_of(self.data)).impossible
        assert {at for _, at in hashes(self.data)} >= {day(1)}

    def teardown(self) -> None:
        if not hasattr(self, "data"):
            return
        self.going_on += [at_work(deployment_of(self.data), asked, str(asked)) for asked in self.to_begin]
        while self.going_on:
            backfill = self.going_on[0]
            self._go_on(backfill, 7)
            if backfill in self.going_on:
                self.going_on = [*self.going_on[1:], backfill]
        assert not differing(hashes(self.data), self.expected)
        assert not planned(deployment_of(self.data)).works
        deployment = deployment_of(self.data)
        assert not failing_blocking_checks(deployment, deployment.contracts, days(1, DAYS))
        self._folder.cleanup()


@pytest.mark.long
def test_any_schedule_of_neighbouring_backfills_ends_green_in_the_serial_hashes(landed: Path, expected: Hashes) -> None:
    run_plainly(landed, KNOWN)
    machine = type("Schedules", (Schedules,), {"begun": landed, "expected": expected})
    limits = settings(
        max_examples=3,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # Smaller schedules would take minutes to find.
    )
    run_state_machine_as_test(machine, settings=limits)


@pytest.mark.long
def test_who_ends_last_computes_again_what_others_published_from_less_than_there_is_now(
    landed: Path, expected: Hashes
) -> None:
    run_plainly(landed, KNOWN)
    slow, *others = (at_work(deployment_of(landed), asked, str(asked)) for asked in RANGES)
    assert next(slow) == "planned"
    for backfill in others:
        assert [*backfill]
    assert [*slow].count("checked user_features") > 1
    assert not differing(hashes(landed), expected)
    assert not planned(deployment_of(landed)).works


def test_a_day_published_before_its_neighbours_is_not_judged_once_they_are_there_until_it_is_computed_again(
    landed: Path,
) -> None:
    run_plainly(landed, days(5, 8))
    deployment = deployment_of(landed)
    todo = planned(deployment, days(1, 4))
    for backfill in [at_work(deployment, days(1, 4), "earlier days")]:
        # All but the last steps of it: user_daily of the days before is there, features of the days after see it not yet.
        for said in backfill:
            if said == "checked user_daily":
                break
    assert todo.works
    with deployment.warehouse.reading() as connection:
        loose = unsettled(deployment, connection, "user_features", ["user_daily"], days(5, 8))
    assert loose == set(days(5, 8))
    assert not failing_blocking_checks(deployment, ["user_features", "growth_daily"], days(5, 8))


def test_what_is_wrong_with_a_settled_day_stays_red(computed: Path) -> None:
    tamper(computed, f"UPDATE churn.growth_daily SET dau = dau + 1 WHERE as_of_date = '{day(6)}'")
    deployment = deployment_of(computed)
    with deployment.warehouse.reading() as connection:
        assert not unsettled(deployment, connection, "growth_daily", ["user_daily"], days(1, DAYS))
    assert len(failing_blocking_checks(deployment, ["growth_daily"], days(1, DAYS))["growth_daily.recounted"]) == 1


def test_inputs_that_come_anew_make_unsettled_exactly_what_they_are_in_the_window_of(computed: Path) -> None:
    deliver(computed, "events", day(6), LATE_EVENT.format(day=day(6)), name="correction.csv")
    deployment = deployment_of(computed)
    work = planned(deployment, tables={"raw_events", "clean_events"}).works
    assert work
    run_plainly(computed, tables={"raw_events", "events_files", "clean_events"})
    with deployment.warehouse.reading() as connection:
        loose = unsettled(deployment, connection, "user_daily", ["clean_events"], days(1, DAYS))
        after = unsettled(deployment, connection, "growth_daily", ["user_daily"], days(1, DAYS))
        assert not unsettled(deployment, connection, "clean_events", ["raw_events"], days(1, DAYS))
    assert loose == {at for at in days(1, DAYS) if at <= day(6) and day(6) in days_ahead(deployment, at)}
    assert after == {at for at in days(1, DAYS) if at >= min(loose)}


def days_ahead(deployment: Deployment, at: object) -> DayRange:
    """The landing days that may bring events of a day."""
    (step,) = [one for one in planned(deployment, force=True).steps if one.name == "user_daily"]
    return step.reads["clean_events"].of(DayRange(at, at), deployment.settings.calendar_start)  # type: ignore[arg-type]
