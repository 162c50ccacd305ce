"""Drift of distributions: the index against a plain-Python one, what is drift, what is a rhythm, and what is too little."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_assets.calendar import DayRange
from churn_assets.checks.drift import nearest_psi, psi
from churn_assets.checks.verdict import Verdict
from sizes import examples
from stored_days import at, judged

EVENTS = "landing_date DATE, event_type VARCHAR, watch_minutes DOUBLE"
COUNTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2000), min_size=1)


def oracle(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """Sum over bins of (p - q) ln(p / q), half a row added to each bin."""
    bins = {*one, *other}
    p = {b: (one.get(b, 0) + 0.5) / sum(one.get(c, 0) + 0.5 for c in bins) for b in bins}
    q = {b: (other.get(b, 0) + 0.5) / sum(other.get(c, 0) + 0.5 for c in bins) for b in bins}
    return math.fsum((p[b] - q[b]) * math.log(p[b] / q[b]) for b in bins)


@settings(max_examples=examples(100), deadline=None, derandomize=True)
@given(COUNTS, COUNTS)
def test_the_index_is_what_its_formula_says_never_negative_and_the_same_both_ways(
    one: dict[str, int], other: dict[str, int]
) -> None:
    assert psi(one, other) == pytest.approx(oracle(one, other), abs=1e-9)
    assert psi(one, other) == pytest.approx(psi(other, one), abs=1e-9) and psi(one, other) > -1e-12
    assert psi(one, dict(reversed(one.items()))) == pytest.approx(0, abs=1e-12)


def test_a_known_index() -> None:
    """Shares 0.5 / 0.5 against 0.25 / 0.75: (0.25) ln 2 + (-0.25) ln(2/3) = 0.25 ln 3 = 0.2747."""
    assert psi({"a": 50_000, "b": 50_000}, {"a": 25_000, "b": 75_000}) == pytest.approx(0.25 * math.log(3), abs=1e-4)


@settings(max_examples=examples(100), deadline=None, derandomize=True)
@given(COUNTS, st.lists(COUNTS, max_size=7))
def test_the_nearest_of_the_week_and_of_its_days_counts(day: dict[str, int], trailing: list[dict[str, int]]) -> None:
    week = {b: sum(one.get(b, 0) for one in trailing) for b in set().union(*trailing)}
    against = [one for one in (week, *trailing) if sum(one.values()) >= 500]
    found = nearest_psi(day, trailing)
    if sum(day.values()) < 500 or not against:
        assert found is None
    else:
        assert found == pytest.approx(min(psi(day, one) for one in against), abs=1e-9)


def mix(**counts: int) -> dict[str, int]:
    return {f"'{name}', 0": count for name, count in counts.items()}


def videos(*minutes: float) -> dict[str, int]:
    return {f"'video_watch', {value}": 600 // len(minutes) for value in minutes}


USUAL = mix(login=400, video_watch=300, quiz_attempt=200)


def last(check: str, days: list[dict[str, int] | None], columns: str = EVENTS) -> Verdict:
    alone = judged(check, columns, days, asked=DayRange(at(len(days)), at(len(days))))[-1]
    assert judged(check, columns, days)[-1] == alone, "alone as in a range"
    return alone


def shown(verdict: Verdict) -> str:
    return (
        "not judged"
        if verdict.passed is None
        else "green"
        if verdict.passed
        else "error"
        if verdict.is_error
        else "warning"
    )


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (USUAL, "green"),
        (mix(login=430, video_watch=290, quiz_attempt=180), "green"),
        (mix(login=550, video_watch=250, quiz_attempt=100), "warning"),  # 0.12
        (mix(login=800, video_watch=90, quiz_attempt=10), "error"),
        (mix(login=400, video_watch=300, quiz=200), "error"),  # a mapping lost: an unknown type
        (mix(login=400, video_watch=300, quiz_attempt=200, payment_success=900), "green"),  # the first of a month
        (mix(login=300, video_watch=100, quiz_attempt=99), "not judged"),  # 499 rows
        (mix(payment_success=900), "not judged"),
        ({}, "not judged"),
    ],
)
def test_the_mix_of_event_types_payments_apart(day: dict[str, int], expected: str) -> None:
    assert shown(last("clean_events.drift_of_event_type", [USUAL] * 7 + [day])) == expected


def test_with_too_little_before_it_nothing_is_said() -> None:
    few = mix(login=30, video_watch=40)  # 7 x 70 = 490
    assert shown(last("clean_events.drift_of_event_type", [few] * 7 + [USUAL])) == "not judged"
    assert shown(last("clean_events.drift_of_event_type", [USUAL])) == "not judged"


def test_what_comes_round_within_the_week_is_no_drift() -> None:
    """Quizzes are on Mondays. The second Monday is nothing like the week together, and just like the Monday before."""
    monday = mix(login=200, quiz_attempt=700)
    assert shown(last("clean_events.drift_of_event_type", [monday] + [USUAL] * 6 + [monday])) == "green"
    assert shown(last("clean_events.drift_of_event_type", [USUAL] * 7 + [monday])) == "error"


def test_a_lasting_change_is_shown_on_its_first_day_and_not_for_a_week() -> None:
    changed = mix(login=800, video_watch=90, quiz_attempt=10)
    found = judged("clean_events.drift_of_event_type", EVENTS, [USUAL] * 7 + [changed] * 3)
    assert [shown(verdict) for verdict in found[7:]] == ["error", "green", "green"]


def test_a_day_that_is_missing_in_the_week_is_no_day_of_nothing() -> None:
    assert shown(last("clean_events.drift_of_event_type", [USUAL, None, None, USUAL, None, USUAL])) == "green"


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (videos(10, 20, 40), "green"),
        (videos(600, 1200, 2400), "error"),  # seconds where minutes were
        (videos(0), "error"),  # the column lost: null became 0
        ({"'video_watch', 10": 120, "'video_watch', 20": 180, "'video_watch', 40": 300}, "warning"),  # 0.14
    ],
)
def test_minutes_of_videos_in_fixed_bins(day: dict[str, int], expected: str) -> None:
    others = mix(login=5000)
    usual = videos(10, 20, 40) | others
    assert shown(last("clean_events.drift_of_watch_minutes", [usual] * 7 + [day])) == expected


def test_the_mix_of_plans_over_all_users() -> None:
    columns = "as_of_date DATE, plan VARCHAR"
    usual, lost = {"'free'": 600, "'pro'": 300}, {"'free'": 600, "'unknown'": 300}
    grown = {"'free'": 620, "'pro'": 330}
    assert shown(last("user_day_grid.drift_of_plan", [usual] * 7 + [grown], columns)) == "green"
    assert shown(last("user_day_grid.drift_of_plan", [usual] * 7 + [lost], columns)) == "error"


def test_an_error_of_drift_says_its_figures_and_no_value() -> None:
    verdict = last("clean_events.drift_of_event_type", [USUAL] * 7 + [mix(secret=900)])
    assert verdict.is_error and verdict.figures["rows"] == 900 and verdict.figures["trailing_rows"] == 6300
    assert "secret" not in str(verdict)
