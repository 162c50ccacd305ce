"""Pictures of the metrics: real images, small, blank where nothing is known, and never in the way."""

from __future__ import annotations

import itertools
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from churn_assets.evaluation import Evaluation, measured
from churn_assets.figures import (
    active_users,
    evaluation_pictures,
    growth_accounting,
    growth_pictures,
    retention,
    retention_pictures,
)
from churn_assets.figures.evaluation import precision_recall, reliability
from frames import contract

LARGEST_BYTES = 60_000
"""Of a picture as the event log of the UI keeps it."""


def growth(days: int, **columns: object) -> pd.DataFrame:
    """growth_daily of a steady product: 70 monthly active of 100 users; its first two months not wholly observed."""
    at = np.arange(1, days + 1)
    one, two = at >= 30, at >= 60
    frame = {
        "as_of_date": pd.date_range("2026-01-01", periods=days),
        **{"users": 100, "new_signups": 1, "dau": 20, "wau": 50, "mau": 70, "stickiness": 20 / 70},
        **{"new_users": np.where(one, 10, np.nan), "dormant_users": np.where(one, 30, np.nan)},
        **{
            f"{state}_users": np.where(two, n, np.nan)
            for state, n in [("retained", 55), ("resurrected", 5), ("churned", 6)]
        },
        **{"quick_ratio": np.where(two, 15 / 6, np.nan)},
        **{f"days_observed_{width}d": np.minimum(at, width) for width in (7, 30, 60)},
    }
    return contract("growth_daily").typed(pd.DataFrame({**frame, **columns}))


def cohorts(weeks: int, unknown: int = 1) -> pd.DataFrame:
    """retention_cohorts of `weeks` weeks, the last `unknown` of them not closed, of rates that repeat nowhere."""
    rows = [
        (week, cohort, week - cohort, *((1000, 1000 - 7 * (week + 13 * cohort) % 990) if week < weeks - unknown else (None, None)))
        for week in range(weeks)
        for cohort in range(week + 1)
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["as_of_date", "cohort_week", "weeks_since", "users", "active"])
    for name in ("as_of_date", "cohort_week"):
        frame[name] = pd.Timestamp("2026-01-05") + pd.to_timedelta(7 * frame[name], unit="D")
    frame["rate"] = frame["active"].astype("float64") / frame["users"].astype("float64")
    return contract("retention_cohorts").typed(frame)


@pytest.mark.parametrize("days", [1, 2, 45, 400, 3000])
def test_pictures_of_growth_are_small_real_images_however_short_or_long_the_calendar(days: int) -> None:
    pictures = growth_pictures(growth(days))
    assert set(pictures) == {"active_users", "growth_accounting"}
    for picture in pictures.values():
        with Image.open(BytesIO(picture.png)) as image:
            image.verify()
            assert image.format == "PNG" and min(image.size) > 300
        assert len(picture.data_uri) < LARGEST_BYTES and picture.shows


@pytest.mark.parametrize("weeks", [1, 2, 20, 150])
def test_the_picture_of_retention_is_a_small_real_image(weeks: int) -> None:
    picture = retention_pictures(cohorts(weeks))["retention"]
    with Image.open(BytesIO(picture.png)) as image:
        image.verify()
    assert len(picture.data_uri) < LARGEST_BYTES


def test_of_no_rows_there_are_no_pictures() -> None:
    assert growth_pictures(growth(0)) == {} and retention_pictures(cohorts(0)) == {}


def test_the_same_rows_give_the_same_bytes_in_any_order() -> None:
    shuffled = growth(90).sample(frac=1, random_state=1), cohorts(9).sample(frac=1, random_state=1)
    assert growth_pictures(shuffled[0]) == growth_pictures(growth(90))
    assert retention_pictures(shuffled[1]) == retention_pictures(cohorts(9))


def test_a_cohort_from_before_the_first_described_week_is_not_shown() -> None:
    older = cohorts(1, unknown=0).assign(cohort_week=pd.Timestamp("2025-12-29"), weeks_since=1)
    assert retention_pictures(older) == {}
    both = pd.concat([older, cohorts(3)], ignore_index=True)
    assert retention_pictures(both) == retention_pictures(cohorts(3))


def test_lines_begin_where_their_days_are_observed_and_break_where_one_is_missing() -> None:
    table = growth(40).drop(index=34)  # of day 35 nothing is published
    mau, wau, dau = active_users(table).axes[0].lines
    known = [np.flatnonzero(~np.isnan(np.asarray(line.get_ydata(), dtype=float))) + 1 for line in (mau, wau, dau)]
    assert [days[0] for days in known] == [30, 7, 1]
    assert all(35 not in days and 36 in days for days in known)


@pytest.mark.parametrize("days", [1, 2, 3, 10, 150, 1200])
def test_no_date_is_named_twice_in_a_row(days: int) -> None:
    figure = active_users(growth(days))
    figure.canvas.draw()
    named = [tick.get_text() for tick in figure.axes[1].get_xticklabels() if tick.get_text()]
    assert named and all(one != next_one for one, next_one in itertools.pairwise(named))


def test_churned_users_lie_below_zero_and_states_stack_to_the_monthly_active() -> None:
    """Day 60 on: 55 retained, up to 60 resurrected, up to 70 new; 6 churned."""
    panel = growth_accounting(growth(90)).axes[0]
    heights = [
        (area.get_datalim(panel.transData).y0, area.get_datalim(panel.transData).y1) for area in panel.collections
    ]
    assert heights == [(0, 55), (55, 60), (60, 70), (-6, 0)]


def test_growth_accounting_of_a_short_calendar_says_what_it_waits_for() -> None:
    assert "60 days" in " ".join(text.get_text() for text in growth_accounting(growth(45)).axes[0].texts)


def test_cells_that_are_not_observable_are_masked_and_the_others_named() -> None:
    """Three weeks of which the last is open: cohort 0 has weeks 0 and 1, cohort 1 week 0, cohort 2 none."""
    panel = retention(cohorts(3)).axes[0]
    shown = ~np.ma.getmaskarray(panel.images[0].get_array())
    assert shown.tolist() == [[True, True, False], [True, False, False], [False, False, False]]
    assert len(panel.texts) == 3


# --- an evaluation ---


def evaluated(users: int, *, model: bool = True) -> Evaluation:
    """Rows of which each third churns, ranked by a score that knows a little."""
    random = np.random.default_rng(1)
    churned = pd.Series(np.arange(users) % 3 == 0)
    silence = random.integers(0, 30, users)
    test = pd.DataFrame(
        {"user_id": range(users), "days_since_last_activity": silence, "active_days_7d": np.maximum(0, 7 - silence)}
    )
    score = np.clip(0.3 * churned.to_numpy() + 0.7 * random.random(users), 0, 1)
    return measured(test, score if model else None, outcome=churned)


@pytest.mark.parametrize("users", [20, 5000])
def test_pictures_of_an_evaluation_are_small_real_images_however_many_rows(users: int) -> None:
    evaluation = evaluated(users)
    pictures = evaluation_pictures(evaluation.curves, evaluation.reliability)
    assert set(pictures) == {"precision_recall", "lift", "reliability"}
    for picture in pictures.values():
        with Image.open(BytesIO(picture.png)) as image:
            image.verify()
            assert min(image.size) > 300
        assert len(picture.data_uri) < LARGEST_BYTES and picture.shows


def test_without_a_model_recency_is_drawn_alone_and_nothing_of_nothing() -> None:
    alone = evaluated(50, model=False)
    assert set(evaluation_pictures(alone.curves, alone.reliability)) == {"precision_recall", "lift"}
    nobody = measured(pd.DataFrame({"user_id": [], "days_since_last_activity": [], "active_days_7d": []}), None,
                      outcome=pd.Series(dtype=bool))  # fmt: skip
    assert evaluation_pictures(nobody.curves, nobody.reliability) == {}


def test_each_ranking_is_a_line_down_to_chance_in_a_panel_for_each_group() -> None:
    """The last point is everybody: all found, as precise as a third churns."""
    figure = precision_recall(evaluated(300).curves)
    assert len(figure.axes) == 2
    model, recency = (line.get_xydata()[-1].tolist() for line in figure.axes[0].lines[:2])
    assert model == recency == pytest.approx([1, 1 / 3])


def test_the_bars_below_the_reliability_are_the_rows_of_each_bin() -> None:
    evaluation = evaluated(300)
    bars = reliability(evaluation.reliability).axes[1].patches
    assert sum(bar.get_height() for bar in bars) == 300
