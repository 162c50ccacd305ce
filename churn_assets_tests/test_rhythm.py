"""A user's own rhythm: gaps between active days up to the day, and today's silence beside them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn_assets.automation.backfill import failing_blocking_checks
from churn_assets.product.windows import RHYTHM
from churn_assets.transforms import rhythm as rhythm_page
from churn_assets.transforms.rhythm import rhythm
from churn_assets.transforms.trailing import UserDays
from oracle_product import GAPS
from worlds import SHORT_LABELS, deployment_of, differing, hashes, query, run_plainly, work_by_table, write_settings
from worlds import days as days_of

Days = dict[int, set[int]]


def figures(active: Days, first: int, last: int, history: int) -> dict[str, np.ndarray]:
    pairs = [(user, day) for user, days in active.items() for day in days]
    user, day = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return dict(rhythm(UserDays(pd.Index(list(active)), first, last), user, day, history))


def expected(days: Iterable[int], today: int, history: int) -> dict[str, float | None]:
    """The figures of one user on one day, in plain Python."""
    seen = sorted(day for day in days if today - history < day <= today)
    gaps = [later - earlier for earlier, later in pairwise(seen)]
    found = dict.fromkeys(RHYTHM, None) | ({"active_share": len(seen) / (today - seen[0] + 1)} if seen else {})
    if not gaps:
        return found
    return found | {figure: of(gaps, today - seen[-1]) for figure, of in GAPS.items()}


def of_user(found: dict[str, np.ndarray], number: int, user: int) -> dict[str, float | None]:
    return {name: None if np.isnan(of[number, user]) else float(of[number, user]) for name, of in found.items()}


def test_a_week_of_gaps() -> None:
    """Active on days 1, 2, 5 and 10; on day 14 the silence is 4 days."""
    found = of_user(figures({0: {1, 2, 5, 10}}, 14, 14, 100), 0, 0)
    assert found == {
        "gap_mean": 3,
        "gap_median": 3,
        "gap_longest": 5,
        "gap_deviation": pytest.approx(((2**2 + 0 + 2**2) / 3) ** 0.5),
        "silence_to_mean_gap": pytest.approx(4 / 3),
        "silence_to_longest_gap": 4 / 5,
        "longer_gaps_share": pytest.approx(1 / 3),
        "active_share": 4 / 14,
    }


@pytest.mark.parametrize(("days", "known"), [(set(), set()), ({9}, {"active_share"}), ({8, 9}, set(RHYTHM))])
def test_what_one_or_no_active_day_cannot_say_is_null(days: set[int], known: set[str]) -> None:
    found = of_user(figures({0: days}, 10, 10, 30), 0, 0)
    assert {name for name, value in found.items() if value is not None} == known


def test_a_day_leaves_when_the_history_is_over() -> None:
    """Of days 0 and 3 with a history of 5 days: from day 5 on only the 3rd is known, from day 8 on none."""
    found = figures({0: {0, 3}}, 3, 8, 5)
    assert found["gap_mean"][:, 0].tolist() == pytest.approx([3, 3, *[np.nan] * 4], nan_ok=True)
    assert found["active_share"][:, 0].tolist() == pytest.approx(
        [2 / 4, 2 / 5, 1 / 3, 1 / 4, 1 / 5, np.nan], nan_ok=True
    )


ACTIVE = st.lists(st.sets(st.integers(0, 60), max_size=25), min_size=1, max_size=5).map(lambda of: dict(enumerate(of)))


@given(ACTIVE, st.integers(0, 70), st.integers(0, 30), st.integers(2, 45))
def test_every_day_of_a_block_is_what_its_own_history_says(active: Days, first: int, more: int, history: int) -> None:
    found = figures(active, first, first + more, history)
    for number in range(more + 1):
        for user, days in active.items():
            wanted = expected(days, first + number, history)
            assert of_user(found, number, user) == {
                name: value if value is None else pytest.approx(value, rel=1e-12, abs=1e-12)
                for name, value in wanted.items()
            }


@given(ACTIVE, st.integers(0, 60), st.integers(1, 20), st.integers(2, 45))
def test_blocks_and_their_users_change_nothing(active: Days, first: int, more: int, history: int) -> None:
    """To the last bit: days one by one and users one by one give what all of them together do."""
    together = figures(active, first, first + more, history)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rhythm_page, "MOST_CELLS", 1)
        apart = [figures(active, first + number, first + number, history) for number in range(more + 1)]
    for name, of in together.items():
        np.testing.assert_array_equal(np.concatenate([day[name] for day in apart]), of)


@given(ACTIVE, st.integers(0, 60), st.sets(st.integers(1, 30), min_size=1))
def test_later_days_and_older_ones_are_not_seen(active: Days, today: int, ahead: set[int]) -> None:
    blind = {user: {day for day in days if today - 20 < day <= today} for user, days in active.items()}
    with_a_future = {user: days | {today + day for day in ahead} for user, days in active.items()}
    for name, of in figures(with_a_future, today, today, 20).items():
        np.testing.assert_array_equal(of, figures(blind, today, today, 20)[name])


RHYTHMS = '[[features]]\nrhythm = "total_events"\nhistory = 6\n[[features]]\nrhythm = "total_logins"\n'


def test_a_rhythm_declared_in_a_published_deployment(computed: Path) -> None:
    """Only tables of features are computed again; they are what user_daily says, the canaries agree, and it makes no difference how
    many days were computed at once.
    """
    write_settings(computed, SHORT_LABELS + RHYTHMS)
    done = run_plainly(computed)
    assert not {"user_day_grid", "user_daily", "churn_labels"} & work_by_table(done).keys()
    active = {
        measure: query(computed, f"SELECT user_id, as_of_date FROM churn.user_daily WHERE {measure} > 0")
        for measure in ("total_events", "total_logins")
    }
    for measure, history, prefix in (("total_events", 6, ""), ("total_logins", 1095, "total_logins_")):
        by_user: dict[object, set[int]] = {}
        for user, at in active[measure]:
            by_user.setdefault(user, set()).add(at.toordinal())
        names = ", ".join(prefix + figure for figure in RHYTHM)
        rows = query(computed, f"SELECT user_id, as_of_date, {names} FROM churn.user_features")
        assert sum(row[2] is not None for row in rows) > 50
        for user, at, *values in rows:
            wanted = expected(by_user.get(user, ()), at.toordinal(), history)
            assert dict(zip(RHYTHM, values, strict=True)) == {
                name: value if value is None else pytest.approx(value, rel=1e-12) for name, value in wanted.items()
            }
    assert not failing_blocking_checks(deployment_of(computed), ["user_features"], days_of(1, 12))
    at_once = hashes(computed)
    for number in (12, 7, 3):
        run_plainly(computed, days_of(number), tables={"user_features"}, force=True)
    assert not differing(hashes(computed), at_once)
