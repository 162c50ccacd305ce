"""churn_labels within the graph: labelled when the horizon closes, censored around gaps and outages, and judged so."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from churn_assets.assets.steps import all_steps
from churn_assets.automation.backfill import planned
from churn_assets.automation.plan import Work
from churn_assets.calendar import DayRange
from test_checks import red_days
from worlds import (
    CALENDAR,
    DAYS,
    HORIZON,
    SHORT_LABELS,
    Hashes,
    bring_back,
    day,
    days,
    deployment_of,
    differing,
    hashes,
    publish_plainly,
    query,
    run_plainly,
    tamper,
    withdraw,
    work_by_table,
    write_settings,
)

LONG_HORIZON = "[labels]\nat_risk_days = 2\nhorizon_days = 8\n"
BEFORE_LABELS = ("raw_users", "raw_events", "clean_users", "clean_events", "user_day_grid", "user_daily")
CHECKS = [f"churn_labels.{name}" for name in ("complete", "observed", "recounted", "expectations")]


def reasons(data: Path) -> dict[date, set[str | None]]:
    found: dict[date, set[str | None]] = {}
    for at, reason in query(data, "SELECT DISTINCT as_of_date, censor_reason FROM churn.churn_labels ORDER BY 1"):
        found.setdefault(at, set()).add(reason)
    return found


def test_a_day_is_labelled_when_its_horizon_closes_and_not_before(landed: Path, expected: Hashes) -> None:
    run_plainly(landed, days(1, 8))
    assert reasons(landed) == {at: {None if at <= day(4) else "horizon_incomplete"} for at in days(1, 8)}
    for number in range(9, DAYS + 1):
        todo = run_plainly(landed, days(number))
        assert day(number - HORIZON) in work_by_table(todo)["churn_labels"]
        assert reasons(landed)[day(number - HORIZON)] == {None}
        assert not planned(deployment_of(landed), days(1, number)).works
    assert not differing(hashes(landed), expected)


def test_a_new_day_leaves_labels_alone_whose_horizon_stays_open(landed: Path) -> None:
    write_settings(landed, LONG_HORIZON, lateness_days=1)
    run_plainly(landed, days(1, 10))
    labels = work_by_table(run_plainly(landed, days(11)))["churn_labels"]
    # Days 10 and 11 came out anew: they close the horizons of days 2 and 3, and say who is at risk on their own.
    assert labels == [day(2), day(3), day(10), day(11)]
    assert_labels_are_those_computed_now(landed)


@pytest.mark.long
def test_a_gap_in_a_horizon_and_its_end_label_the_days_before_again_that_see_it(landed: Path) -> None:
    write_settings(landed, LONG_HORIZON, lateness_days=0)
    run_plainly(landed, days(1, 5))
    for number in (7, 8):
        run_plainly(landed, days(number), tables={*BEFORE_LABELS})
        labels = work_by_table(planned(deployment_of(landed), days(1, number), tables={"churn_labels"}))["churn_labels"]
        # Day 7 opens the gap at day 6, day 8 adds nothing to it.
        assert labels == ([*days(1, 5), day(7)] if number == 7 else [day(8)])
        run_plainly(landed, days(1, number), tables={"churn_labels"})
        assert_labels_are_those_computed_now(landed)
    assert {at for at, why in reasons(landed).items() if "missing_day" in why} == set(days(1, 5))
    # Days 1 to 5 see no gap any more; the users known on days 7 and 8 may be others.
    assert work_by_table(run_plainly(landed, days(6)))["churn_labels"] == list(days(1, 8))
    assert_labels_are_those_computed_now(landed)
    assert {why for at in days(1, 8) for why in reasons(landed)[at]} == {"horizon_incomplete"}


def assert_labels_are_those_computed_now(data: Path) -> None:
    """Nothing is to do, and doing it nevertheless changes nothing."""
    before = hashes(data)
    published = days(1, max(at.day for table, at in before if table == "churn_labels"))
    assert not planned(deployment_of(data), published, tables={"churn_labels"}).works
    run_plainly(data, published, tables={"churn_labels"}, force=True)
    assert not differing(hashes(data), before)


def test_a_horizon_that_is_not_in_yet_is_no_warning(computed: Path) -> None:
    assert reasons(computed)[day(DAYS)] == {"horizon_incomplete"}
    assert [red_days(computed, name) for name in CHECKS] == [[]] * len(CHECKS)


def test_a_missing_day_censors_the_days_before_it_until_it_comes(landed: Path, expected: Hashes) -> None:
    withdraw(landed, day(7))
    run_plainly(landed)
    assert {at for at, why in reasons(landed).items() if "missing_day" in why} == set(days(4, 6))
    assert reasons(landed)[day(3)] == {"horizon_incomplete"}, "what comes after its horizon is none of its business"
    assert [red_days(landed, name) for name in CHECKS[:3]] == [[day(7)]] * 3, "of which nothing is published"
    assert red_days(landed, CHECKS[3]) == list(days(4, 7)), "a label that waits for a day others came after"
    unknown = "SELECT DISTINCT as_of_date FROM churn.churn_labels WHERE is_at_risk IS NULL ORDER BY 1"
    assert query(landed, unknown) == [(day(8),), (day(9),)]
    bring_back(landed, day(7))
    run_plainly(landed)
    assert not differing(hashes(landed), expected)


@pytest.fixture
def course(computed: Path) -> str:
    """The course with the most users."""
    by_users = "FROM churn.clean_events SELECT course_id GROUP BY 1 HAVING course_id IS NOT NULL ORDER BY count(DISTINCT user_id) DESC"
    return str(query(computed, by_users)[0][0])


def with_outage(data: Path, outage: str, **settings: object) -> None:
    write_settings(data, f"{SHORT_LABELS}[[labels.outages]]\n{outage}\n", **settings)
    run_plainly(data)


def test_an_outage_of_everybody_withholds_the_labels_that_meet_it(computed: Path) -> None:
    with_outage(computed, f"first = {day(7)}\nlast = {day(8)}")
    outage = {at for at, why in reasons(computed).items() if why == {"source_outage"}}
    assert outage == set(days(3, 7))
    assert [red_days(computed, name) for name in CHECKS[:3]] == [[]] * 3
    assert red_days(computed, CHECKS[3]) == list(days(3, 7)), "more than half the labels of a day"
    tamper(computed, f"UPDATE churn.churn_labels SET churned_4d = true WHERE as_of_date = '{day(5)}'")
    assert red_days(computed, "churn_labels.observed") == [day(5)]


@pytest.mark.parametrize("last", [f"\nlast = {day(8)}", ""])
def test_an_outage_of_a_course_withholds_the_labels_of_who_took_part(computed: Path, course: str, last: str) -> None:
    with_outage(computed, f"course_id = '{course}'\nfirst = {day(7)}{last}")
    # With a horizon of 4 and 3 days at risk: who took part on days 3 to 5 is concerned on day 5.
    took_part = f"""SELECT DISTINCT user_id FROM churn.user_day_grid SEMI JOIN
        (FROM churn.clean_events WHERE course_id = '{course}' AND event_date BETWEEN '{day(3)}' AND '{day(5)}') USING (user_id)
        WHERE as_of_date = '{day(5)}' ORDER BY 1"""
    censored = f"SELECT user_id FROM churn.churn_labels WHERE as_of_date = '{day(5)}' AND censor_reason = 'source_outage' ORDER BY 1"
    assert query(computed, censored) == query(computed, took_part) != []
    assert None in reasons(computed)[day(5)], "the others have their label"
    assert [red_days(computed, name) for name in CHECKS[:3]] == [[]] * 3
    tamper(
        computed,
        "UPDATE churn.churn_labels SET churned_4d = true, future_active_days = 0, censor_reason = NULL "
        f"WHERE as_of_date = '{day(5)}' AND censor_reason = 'source_outage'",
    )
    assert red_days(computed, "churn_labels.observed") == [day(5)]


def test_with_an_outage_too_each_day_alone_and_small_blocks_give_the_same_bytes(computed: Path, course: str) -> None:
    outage = f"course_id = '{course}'\nfirst = {day(7)}"
    with_outage(computed, outage)
    whole = hashes(computed)
    with_outage(computed, outage, block_rows=20)
    deployment = deployment_of(computed)
    labels = tuple(step for step in all_steps(deployment.settings) if step.name == "churn_labels")
    publish_plainly(deployment, Work(labels, CALENDAR))
    assert not differing(hashes(computed), whole)
    for number in (12, 5, 7, 1):
        publish_plainly(deployment, Work(labels, DayRange(day(number), day(number))))
    assert not differing(hashes(computed), whole)


def test_what_counts_as_activity_changes_the_labels_and_who_is_scored_alone(computed: Path) -> None:
    before = hashes(computed)
    write_settings(computed, SHORT_LABELS + "activity = ['total_logins', 'total_quiz_attempts']\n")
    of_scores = {"churn_scores", "score_drift", "score_quality"}
    assert set(work_by_table(run_plainly(computed))) == {"churn_labels", *of_scores}
    assert {table for table, _ in differing(hashes(computed), before)} - of_scores == {"churn_labels"}
    assert red_days(computed, "churn_labels.recounted") == []


def test_a_label_that_was_given_before_its_horizon_was_in_turns_red(computed: Path) -> None:
    tamper(
        computed,
        f"UPDATE churn.churn_labels SET churned_4d = true, future_active_days = 0, censor_reason = NULL WHERE as_of_date = '{day(12)}'",
    )
    assert red_days(computed, "churn_labels.observed") == [day(12)]
