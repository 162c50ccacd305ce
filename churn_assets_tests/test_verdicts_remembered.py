"""Verdicts of blocking checks are remembered with what they were about: a day that passed is not judged again until that changes, a
day that failed is never let through, and a lost or damaged memory only costs time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from churn_assets.automation.backfill import Report, failing_blocking_checks, failing_unchecked, known_failures
from churn_assets.calendar import DayRange
from churn_assets.checks import graph
from churn_assets.checks.memory import FILE, Memory
from churn_assets.checks.verdict import Check, Stored, Verdict
from worlds import (
    CALENDAR,
    DAMAGES_OF_SAVINGS,
    SHORT_LABELS,
    churn,
    damage_savings,
    day,
    deliver,
    deployment_of,
    run_plainly,
    run_with_dagster,
    tamper,
    write_settings,
)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[date]]:
    """The days that each blocking check judges from now on."""
    seen: dict[str, set[date]] = {}
    real = graph.verdicts

    def noting(check: Check, stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
        if check.blocking:
            seen.setdefault(check.qualified_name, set()).update(days)
        return real(check, stored, days)

    monkeypatch.setattr(graph, "verdicts", noting)
    return seen


def failing(data: Path, days: DayRange = CALENDAR) -> dict[str, Any]:
    deployment = deployment_of(data)
    return failing_unchecked(deployment, deployment.contracts, days, Report())


NEVER_JUDGED_EARLY = {"raw_users.surge", "raw_events.surge"}
"""With too few days before them some days have no verdict, and so none to remember."""


def test_what_passed_is_judged_once(computed: Path, judged: dict[str, set[date]]) -> None:
    assert not failing(computed) and len(judged) > 15 and all(days == {*CALENDAR} for days in judged.values())
    judged.clear()
    assert not failing(computed)
    assert judged.keys() <= NEVER_JUDGED_EARLY


def test_only_days_whose_content_or_inputs_are_others_are_judged_again(
    computed: Path, judged: dict[str, set[date]]
) -> None:
    failing(computed)
    judged.clear()
    deliver(
        computed,
        "events",
        day(8),
        "event_id,user_id,event_time,event_type\n77,1,2026-01-08T08:00:00,login\n",
        name="more.csv",
    )
    run_plainly(computed)
    assert not failing(computed)
    assert judged["user_daily.conserved"] == {day(8)} == judged["unmatched_events.share"]
    assert "user_day_grid.complete" not in judged


@pytest.mark.parametrize("change", ["labels", "checks", "code"])
def test_other_settings_or_code_are_another_question(
    computed: Path, judged: dict[str, set[date]], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    failing(computed)
    judged.clear()
    if change == "code":
        monkeypatch.setattr("churn_assets.checks.memory._code", lambda: "another")
    else:
        more = "[checks]\nmax_unmatched_share = 0.5\n" if change == "checks" else "[training]\nstride_days = 3\n"
        write_settings(computed, labels=SHORT_LABELS + more)
    failing(computed)
    assert judged["user_daily.conserved"] == {*CALENDAR}


def test_the_end_of_the_calendar_is_none(computed: Path, judged: dict[str, set[date]]) -> None:
    failing(computed)
    judged.clear()
    write_settings(computed, end_date=day(30))
    failing(computed)
    assert judged.keys() <= NEVER_JUDGED_EARLY


def test_a_failure_is_not_taken_for_a_pass_however_often_it_is_asked(computed: Path) -> None:
    tamper(computed, f"DELETE FROM churn.user_daily WHERE as_of_date = '{day(4)}' AND total_events = 0")
    for _ in range(3):
        assert [*failing(computed)["user_daily.conserved"]] == [day(4)]
    assert [*known_failures(deployment_of(computed))["user_daily.conserved"]] == [day(4)]


def test_status_repeats_a_failure_with_its_sentence_until_it_is_mended(landed: Path) -> None:
    rows = "".join(f"{n},99999,{day(5)}T12:00:00,login\n" for n in range(800_000, 800_400))
    path = deliver(landed, "events", day(5), f"event_id,user_id,event_time,event_type\n{rows}", name="strangers.csv")
    assert not run_with_dagster(landed).succeeded
    shown = churn(landed, "status").stdout
    assert f"unmatched_events.share on {day(5)}: 400 of " in shown and "above checks.max_unmatched_share 0.01" in shown
    assert "Everything is up to date" not in shown
    path.unlink()
    run_plainly(landed)
    assert "unmatched_events.share" not in churn(landed, "status").stdout, "it is of what was published before"


@pytest.mark.long
@pytest.mark.parametrize("damage", DAMAGES_OF_SAVINGS)
def test_a_memory_that_is_lost_or_damaged_costs_time_alone(
    computed: Path, judged: dict[str, set[date]], damage: str
) -> None:
    failing(computed)
    damage_savings(computed / FILE, "verdicts", damage)
    tamper(computed, f"DELETE FROM churn.user_daily WHERE as_of_date = '{day(4)}' AND total_events = 0")
    judged.clear()
    for _ in range(2):
        assert [*failing(computed)["user_daily.conserved"]] == [day(4)]
    assert judged["user_daily.conserved"] == {*CALENDAR}


@pytest.mark.long
def test_a_check_run_by_dagster_is_remembered(landed: Path, judged: dict[str, set[date]]) -> None:
    assert run_with_dagster(landed).succeeded
    judged.clear()
    assert not failing(landed) and judged.keys() <= NEVER_JUDGED_EARLY


def test_without_a_memory_everything_is_judged(computed: Path, judged: dict[str, set[date]]) -> None:
    deployment = deployment_of(computed)
    failing(computed)
    judged.clear()
    assert not failing_blocking_checks(deployment, deployment.contracts, CALENDAR)
    assert all(days == {*CALENDAR} for days in judged.values())


def test_a_surge_is_judged_by_the_days_before_it(computed: Path) -> None:
    memory = Memory.of(deployment_of(computed).settings)
    surge = next(check for check in graph.all_checks(deployment_of(computed).settings) if check.name == "surge")
    with deployment_of(computed).warehouse.reading() as connection:
        deployment = deployment_of(computed)
        before = memory.about(surge, Stored(connection, deployment.contracts, deployment.settings), [*CALENDAR])
    deliver(computed, "users", day(3), "user_id,signup_date\n900,2026-01-03\n", name="more.csv")
    run_plainly(computed)
    with deployment_of(computed).warehouse.reading() as connection:
        after = memory.about(surge, Stored(connection, deployment.contracts, deployment.settings), [*CALENDAR])
    assert {at for at in CALENDAR if before[at] != after[at]} == {day(n) for n in range(3, 11)}
