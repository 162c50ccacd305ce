"""The planner: what is not published from today's inputs, settings and code, and nothing else, in an order that works."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churn_assets.assets import code_version
from churn_assets.assets.steps import all_steps
from churn_assets.automation.backfill import planned
from churn_assets.automation.plan import Plan
from churn_assets.automation.plan import _runs as runs_of_steps
from churn_assets.calendar import DayRange
from sizes import THOROUGH, examples
from worlds import (
    AT_RISK,
    CALENDAR,
    DAYS,
    HORIZON,
    LATENESS,
    Hashes,
    bring_back,
    day,
    days,
    deliver,
    deployment_of,
    differing,
    hashes,
    run_plainly,
    tamper,
    withdraw,
    work_by_table,
    write_settings,
)

NEW_EVENTS = "event_id,user_id,event_time,event_type\n700001,2,2026-01-05T12:00:00,login\n"
ALL_DAYS = list(CALENDAR)
NOTHING_TO_DO = Plan((), (), training_set=True, model=True)
"""The training set and the model are asked for, and made where they are not there yet."""


def plan_of(data: Path, asked: DayRange | None = None, **how: object) -> Plan:
    return planned(deployment_of(data), asked, **how)  # type: ignore[arg-type]


def test_everything_is_to_do_where_nothing_is_published(landed: Path) -> None:
    todo = plan_of(landed)
    assert work_by_table(todo) == dict.fromkeys(deployment_of(landed).contracts, ALL_DAYS)
    assert todo.partitions == len(deployment_of(landed).contracts) * DAYS and not todo.impossible


def test_one_run_does_all_steps_where_all_have_the_same_days(landed: Path) -> None:
    assert [work.days for work in plan_of(landed).works] == [CALENDAR]


def test_nothing_is_to_do_once_it_is_done(computed: Path) -> None:
    assert plan_of(computed) == NOTHING_TO_DO


def test_a_redelivered_file_recomputes_its_day_and_exactly_what_that_touches(computed: Path) -> None:
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    assert work_by_table(plan_of(computed)) == {
        "raw_events": [day(6)],
        "events_files": [day(6)],
        # Its rows may be the first of ids that land again up to L days later ...
        **dict.fromkeys(("clean_events", "quarantined_events", "events_reconciliation"), list(days(6, 6 + LATENESS))),
        # ... and each of those landing days holds events of up to L days before.
        **dict.fromkeys(("user_daily", "unmatched_events"), list(days(6 - LATENESS, 6 + LATENESS))),
        # What counts active users looks 59 days back, cohorts of a week 6 days ahead.
        "growth_daily": list(days(6 - LATENESS, DAYS)),
        "retention_cohorts": list(days(1, 6 + LATENESS)),
        # Features look 89 days back.
        **dict.fromkeys(("user_features", "feature_catalogue"), list(days(6 - LATENESS, DAYS))),
        # Labels look ahead a horizon, and back at who is at risk.
        "churn_labels": list(days(1, 6 + LATENESS + AT_RISK - 1)),
        # Scores see the features and who is at risk, their quality the labels.
        **dict.fromkeys(("churn_scores", "score_drift", "score_quality"), ALL_DAYS),
    }


def test_a_redelivered_users_file_recomputes_the_grid_from_lateness_before_it_on(computed: Path) -> None:
    deliver(computed, "users", day(8), "user_id,signup_date\n700,2026-01-07\n", name="more.csv")
    todo = work_by_table(plan_of(computed))
    assert todo["raw_users"] == [day(8)]
    assert todo["clean_users"] == [day(8), day(9)]  # day 9 says what is unchanged since day 8
    assert todo["user_day_grid"] == todo["user_daily"] == todo["unmatched_events"] == list(days(8 - LATENESS, DAYS))
    assert "raw_events" not in todo and "clean_events" not in todo


def test_touching_the_time_of_a_file_touches_nothing(computed: Path) -> None:
    file = computed / "landing/events" / f"date={day(6)}" / "events.csv"
    file.write_bytes(file.read_bytes())
    assert plan_of(computed) == NOTHING_TO_DO


def test_a_new_landing_day_restates_the_days_it_may_bring_events_of(landed: Path) -> None:
    run_plainly(landed, days(1, 8))
    todo = work_by_table(plan_of(landed, days(9)))
    assert todo["raw_events"] == todo["clean_events"] == todo["clean_users"] == [day(9)]
    assert todo["user_day_grid"] == todo["user_daily"] == todo["unmatched_events"] == list(days(9 - LATENESS, 9))
    assert todo["churn_labels"] == list(days(9 - LATENESS - HORIZON, 9))


def test_the_runs_of_a_new_day_are_no_more_than_the_ranges_of_days_that_differ(landed: Path) -> None:
    run_plainly(landed, days(1, 8))
    works = plan_of(landed, days(9)).works
    assert len(works) == len({work.days for work in works}) > 1


@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_days_steps_have_each_is_done_once_and_after_what_it_needs(landed: Path, data: st.DataObject) -> None:
    steps = all_steps(deployment_of(landed).settings)
    some_days = st.sampled_from([frozenset(), *(frozenset(days(*ends)) for ends in ((9, 9), (7, 9), (2, 9)))])
    wanted = {step.name: data.draw(some_days) for step in steps}
    stale = {table: dict.fromkeys(wanted[step.name]) for step in steps for table in step.outputs}
    works = runs_of_steps(steps, stale, data.draw(st.integers(2, 10)), apart=data.draw(st.booleans()))
    begun = {step.name: [at for at, work in enumerate(works) if step in work.steps] for step in steps}
    for step in steps:
        done = [day for at in begun[step.name] for day in works[at].days]
        assert sorted(done) == sorted(wanted[step.name])
        needs = {*step.reads, *step.after}
        made_by = [other.name for other in steps if not needs.isdisjoint(other.outputs)]
        assert all(max(begun[name]) <= min(begun[step.name]) for name in made_by if begun[name] and done)


def test_a_change_of_code_recomputes_what_that_code_makes(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = code_version._code
    changed = "churn_assets.landing.csv_file"
    monkeypatch.setattr(code_version, "_code", lambda m: original(m) + ("\nx = 1" if m == changed else ""))
    assert work_by_table(plan_of(computed)) == dict.fromkeys(deployment_of(computed).contracts, ALL_DAYS)
    changed = "churn_assets.transforms.user_days"
    todo = work_by_table(plan_of(computed))
    assert todo["user_daily"] == ALL_DAYS and "raw_events" not in todo


def test_a_change_of_a_setting_recomputes_what_depends_on_it(computed: Path) -> None:
    write_settings(computed, lateness_days=2)
    todo = work_by_table(plan_of(computed))
    assert todo["clean_events"] == todo["user_day_grid"] == todo["user_daily"] == ALL_DAYS
    assert "raw_events" not in todo and "raw_users" not in todo


def test_a_setting_that_results_do_not_depend_on_recomputes_nothing(computed: Path) -> None:
    write_settings(computed, block_rows=50, backfill_chunk_days=2, lock_timeout_seconds=5)
    assert plan_of(computed) == NOTHING_TO_DO


@pytest.mark.parametrize("source", ["users", "events"])
def test_of_a_day_without_a_delivery_nothing_is_computed_and_its_path_is_named(landed: Path, source: str) -> None:
    folder = landed / "landing" / source / f"date={day(5)}"
    shutil.rmtree(folder)
    todo = plan_of(landed)
    assert todo.impossible == (f"No {source} were delivered for {day(5)}: looked for a file in {folder}.",)
    others = [at for at in ALL_DAYS if at != day(5)]
    assert work_by_table(todo) == dict.fromkeys(deployment_of(landed).contracts, others)


def test_a_folder_with_only_markers_is_no_delivery(landed: Path) -> None:
    folder = landed / "landing/events" / f"date={day(5)}"
    (folder / "events.csv").rename(folder / "_events.csv.tmp")
    assert [str(folder) in sentence for sentence in plan_of(landed).impossible] == [True]


def test_a_delivery_taken_away_after_it_was_landed_is_reported_and_its_day_kept_up_to_date(computed: Path) -> None:
    withdraw(computed, day(5))
    assert len(plan_of(computed).impossible) == 2 and not plan_of(computed).works
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    assert day(5) in work_by_table(plan_of(computed))["user_daily"]


def test_a_day_that_was_missing_restates_its_neighbours_when_it_comes(landed: Path, expected: Hashes) -> None:
    withdraw(landed, day(5))
    run_plainly(landed)
    bring_back(landed, day(5))
    todo = run_plainly(landed)
    assert work_by_table(todo)["raw_events"] == [day(5)]
    assert work_by_table(todo)["user_daily"] == list(days(5 - LATENESS, DAYS))
    assert not differing(hashes(landed), expected)


def test_the_training_set_goes_with_the_whole_calendar_or_is_selected(computed: Path) -> None:
    assert plan_of(computed).training_set and plan_of(computed, days(12), tables={"training_set"}).training_set
    assert not plan_of(computed, days(12)).training_set
    assert not plan_of(computed, tables={"churn_labels"}).training_set
    assert not plan_of(computed, late_only=True).training_set


def test_force_computes_the_asked_days_again_and_what_they_touch(computed: Path) -> None:
    todo = work_by_table(plan_of(computed, days(12), force=True))
    assert todo["raw_events"] == [day(12)]
    assert todo["user_daily"] == list(days(12 - LATENESS, 12))


def test_a_selection_computes_only_the_steps_of_its_tables(landed: Path) -> None:
    assert set(work_by_table(plan_of(landed, tables={"raw_users"}))) == {"raw_users", "users_files"}


def test_a_selection_without_its_inputs_says_what_to_select(landed: Path) -> None:
    todo = plan_of(landed, tables={"user_daily"})
    assert not todo.works
    assert todo.impossible == (
        f"user_daily cannot be computed for {CALENDAR}, because user_day_grid is not published there; "
        "select it too: --select '*user_daily'.",
    )


def test_a_partition_that_is_in_no_ledger_is_to_do(computed: Path) -> None:
    tamper(
        computed, f"DELETE FROM churn.publish_ledger WHERE table_name = 'user_daily' AND partition_date = '{day(4)}'"
    )
    assert work_by_table(plan_of(computed)) == {
        "user_daily": [day(4)],
        "growth_daily": list(days(4, DAYS)),
        "retention_cohorts": list(days(1, 4)),
        **dict.fromkeys(("user_features", "feature_catalogue"), list(days(4, DAYS))),
        "churn_labels": list(days(1, 4 + AT_RISK - 1)),
        **dict.fromkeys(("churn_scores", "score_drift", "score_quality"), ALL_DAYS),
    }


@pytest.mark.parametrize("chunk", [1, 5])
def test_chunks_finish_each_step_before_the_next_so_that_no_day_precedes_its_look_ahead(
    landed: Path, chunk: int
) -> None:
    write_settings(landed, backfill_chunk_days=chunk)
    works = plan_of(landed).works
    assert max(len(work.days) for work in works) == chunk
    steps = {table: step for work in works for step in work.steps for table in step.outputs}
    done: set[tuple[str, date]] = set()
    for work in works:
        made = {(table, at) for table in work.tables for at in work.days}
        for step in work.steps:
            for table, window in step.reads.items():
                needed = {(table, at) for at in window.of(work.days, CALENDAR.first) if at in CALENDAR}
                assert needed <= done | made, f"{step.name} {work.days} precedes {table}"
        done |= made
    assert done == {(table, at) for table in steps for at in CALENDAR}


def test_in_chunks_unmatched_events_come_before_user_daily_whose_check_counts_them(landed: Path) -> None:
    write_settings(landed, backfill_chunk_days=5)
    order = [work.tables[0] for work in plan_of(landed).works]
    assert order.index("unmatched_events") < order.index("user_daily")


@pytest.mark.long
@settings(max_examples=4 if THOROUGH else 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_ranges_asked_in_any_order_converge_to_nothing_to_do(
    landed_template: Path, expected: Hashes, data: st.DataObject
) -> None:
    cuts = data.draw(st.sets(st.integers(2, DAYS), max_size=3))
    starts = [1, *sorted(cuts), DAYS + 1]
    ranges = [days(first, after - 1) for first, after in itertools.pairwise(starts)]
    with tempfile.TemporaryDirectory() as folder:
        world = Path(shutil.copytree(landed_template, Path(folder) / "data"))
        for asked in data.draw(st.permutations(ranges)):
            run_plainly(world, asked)
        assert plan_of(world) == NOTHING_TO_DO
        assert not differing(hashes(world), expected)
