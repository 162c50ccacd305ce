"""BG/NBD: the likelihood as published, parameters found again in customers who were drawn from them, and comings counted back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st

from churn_assets.contracts.scores import RECENCY
from churn_assets.errors import ChurnError
from churn_assets.evaluation import as_markdown, measured
from churn_assets.evaluation.evaluate import BASELINE, DIFFERENCE, MEASURED
from churn_assets.figures import evaluation_pictures
from churn_assets.figures.evaluation import COLOURS, NAMES
from churn_assets.model_settings import BG_NBD
from churn_assets.models.bg_nbd import FIGURES, BgNbd, Comings, bg_nbd_score, comings_of, fit_bg_nbd, rhythm_columns
from churn_assets.models.candidates import Fitted, NothingToLearn
from churn_assets.models.store import _estimator
from churn_assets.models.transformer import Transformer
from churn_assets.settings import Settings
from churn_assets.transforms.rhythm import rhythm
from churn_assets.transforms.trailing import UserDays

PUBLISHED = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
"""Fader, Hardie, Lee (2005), table 2: of CDs bought, in weeks."""
PRODUCT = Settings.model_validate({"features": [{"rhythm": "total_events"}]}).declaration
HORIZON = 30
COLUMNS = {figure: figure for figure in FIGURES}


def one(repeats: float, last: float, until: float) -> Comings:
    return Comings(*(np.array([value], dtype="float64") for value in (repeats, last, until)))


def beta(a: float, b: float) -> float:
    return math.gamma(a) * math.gamma(b) / math.gamma(a + b)


@pytest.mark.parametrize("x, last, until", [(0, 0, 38.86), (2, 30.43, 38.86), (1, 1.71, 38.86), (7, 29.43, 38.86)])
def test_likelihood_and_chance_are_the_formulas_of_the_paper(x: int, last: float, until: float) -> None:
    r, alpha, a, b = PUBLISHED.r, PUBLISHED.alpha, PUBLISHED.a, PUBLISHED.b
    rate = math.gamma(r + x) * alpha**r / math.gamma(r)
    alive = beta(a, b + x) / beta(a, b) * rate / (alpha + until) ** (r + x)
    gone = beta(a + 1, b + x - 1) / beta(a, b) * rate / (alpha + last) ** (r + x) if x else 0.0
    comings = one(x, last, until)
    assert PUBLISHED.log_likelihood(comings)[0] == pytest.approx(math.log(alive + gone))
    assert PUBLISHED.p_alive(comings)[0] == pytest.approx(alive / (alive + gone))


def test_the_chance_is_the_share_of_drawn_customers_who_are_alive_and_the_parameters_are_found_again() -> None:
    rng, customers, true = np.random.default_rng(3), 20_000, BgNbd(r=0.8, alpha=10.0, a=0.7, b=2.5)
    rate, leave = rng.gamma(true.r, 1 / true.alpha, customers), rng.beta(true.a, true.b, customers)
    until = rng.uniform(100, 200, customers)
    repeats, last, is_alive = np.zeros(customers), np.zeros(customers), np.ones(customers, dtype=bool)
    for number in range(customers):
        at = rng.exponential(1 / rate[number])
        while is_alive[number] and at < until[number]:
            repeats[number] += 1
            last[number] = at
            is_alive[number] = rng.random() > leave[number]
            at += rng.exponential(1 / rate[number])
    comings = Comings(repeats, last, until)
    chance, silent = true.p_alive(comings), true.p_silent(comings, HORIZON)
    # Of who is alive, when they come next.
    is_silent = ~is_alive | (rng.exponential(1 / rate) > HORIZON)
    for low, high in ((0.05, 0.3), (0.3, 0.6), (0.6, 0.9)):
        rows = (chance > low) & (chance <= high)
        assert rows.sum() > 300
        assert is_alive[rows].mean() == pytest.approx(chance[rows].mean(), abs=0.04)
    for low, high in ((0.1, 0.4), (0.4, 0.7), (0.7, 0.95)):
        rows = (silent > low) & (silent <= high)
        assert rows.sum() > 300
        assert is_silent[rows].mean() == pytest.approx(silent[rows].mean(), abs=0.04)
    found = BgNbd.fitted(comings)
    assert (found.r, found.alpha) == (pytest.approx(true.r, rel=0.1), pytest.approx(true.alpha, rel=0.1))
    assert found.a / (found.a + found.b) == pytest.approx(true.a / (true.a + true.b), rel=0.15)


def test_of_nobody_who_came_again_nothing_is_learned() -> None:
    with pytest.raises(ChurnError, match="nobody was active on a second day"):
        BgNbd.fitted(one(0, 0, 10))


@given(st.lists(st.sets(st.integers(0, 60), min_size=1), min_size=1, max_size=6))
def test_comings_are_counted_back_from_the_rhythm(days_of_users: list[set[int]]) -> None:
    today = 60
    pairs = [(user, day) for user, days in enumerate(days_of_users) for day in sorted(days)]
    at = UserDays(np.arange(len(days_of_users)), today, today)
    found = rhythm(at, np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]), 365)
    rows = pd.DataFrame({figure: found[figure][0] for figure in FIGURES})
    first = np.array([min(days) for days in days_of_users])
    comings = comings_of(rows.assign(days_since_signup=today - first), COLUMNS)
    assert comings.repeats.tolist() == [len(days) - 1 for days in days_of_users]
    assert comings.last.tolist() == [max(days) - min(days) for days in days_of_users]
    assert comings.until.tolist() == [today - min(days) for days in days_of_users]


def test_a_product_without_a_rhythm_has_no_such_reference() -> None:
    product = Settings().declaration
    assert rhythm_columns(product) is None
    frame = pd.DataFrame({"user_id": [1], "as_of_date": pd.Timestamp("2026-01-01")})
    assert bg_nbd_score(frame, frame, product, HORIZON) is None


def test_every_ranking_has_a_name_and_a_colour_in_pictures() -> None:
    assert {*COLOURS} == {*NAMES} == {*MEASURED} - {DIFFERENCE}


def test_it_is_measured_beside_the_rule_where_it_is_given() -> None:
    rng = np.random.default_rng(5)
    rows = 400
    test = pd.DataFrame(
        {
            "user_id": np.arange(rows),
            "days_since_last_activity": pd.array(rng.integers(0, 30, rows), dtype="Int64"),
            "active_days_7d": rng.integers(0, 3, rows),
        }
    )
    chance = rng.uniform(size=rows)
    outcome = pd.Series(rng.uniform(size=rows) < chance)
    found = measured(test, None, outcome=outcome, reason="none was fitted", gone=chance)
    precision = found.metrics.query("group == 'all' and metric == 'average_precision'").set_index("ranking")["value"]
    assert precision[BG_NBD] > precision[RECENCY] and math.isnan(precision[BASELINE])
    assert "| users | metric | baseline | recency | bg_nbd | difference |" in as_markdown(found.metrics)
    assert evaluation_pictures(found.curves, found.reliability)
    without = measured(test, chance, outcome=outcome)
    assert {*without.metrics["ranking"]} == {BASELINE, RECENCY, DIFFERENCE}


def drawn_training_set(users: int, seed: int) -> pd.DataFrame:
    """A row per user, whose rhythm is given, and who churned by chance."""
    rng = np.random.default_rng(seed)
    days_of_users = [{*rng.integers(0, 60, rng.integers(1, 12)).tolist()} for _ in range(users)]
    pairs = np.array([(user, day) for user, days in enumerate(days_of_users) for day in sorted(days)])
    at = UserDays(pd.RangeIndex(users), 60, 60)
    found = rhythm(at, pairs[:, 0], pairs[:, 1], 365)
    product = PRODUCT
    frame = pd.DataFrame({"user_id": np.arange(users), "as_of_date": pd.Timestamp("2026-03-01")})
    for column in product.feature_columns:
        of_rhythm = column.operation in found and column.of == ("total_events",)
        frame[column.name] = found[column.operation][0] if of_rhythm else "a" if column.type == "label" else 1.0
    frame["days_since_signup"] = 60 - np.array([min(days) for days in days_of_users])
    return frame.assign(churned_30d=rng.uniform(size=users) < 0.5)


def test_as_a_candidate_it_is_kept_read_again_and_scores_the_same(tmp_path: Path) -> None:
    train, later = drawn_training_set(200, 1), drawn_training_set(80, 2)
    fitted = fit_bg_nbd(train, PRODUCT, HORIZON)
    score = fitted.score(later)
    assert ((score >= 0) & (score <= 1)).all() and len({*score}) > 20
    skops.io.dump(fitted.estimator, tmp_path / "model.skops")
    again = Fitted(_estimator(tmp_path / "model.skops", ()), Transformer.from_json(fitted.transformer.as_json()))
    assert again.score(later).tolist() == score.tolist()
    columns = rhythm_columns(PRODUCT) or {}
    wanted = BgNbd.fitted(comings_of(train, columns)).p_silent(comings_of(later, columns), HORIZON)
    assert score.tolist() == wanted.tolist()


def test_as_a_candidate_it_needs_a_rhythm_and_somebody_who_came_again() -> None:
    with pytest.raises(
        ChurnError, match=r'which the product does not declare; add \[\[features\]\] rhythm = "total_events"'
    ):
        fit_bg_nbd(drawn_training_set(10, 1), Settings().declaration, HORIZON)
    alone = drawn_training_set(10, 1).assign(**dict.fromkeys((rhythm_columns(PRODUCT) or {}).values(), np.nan))
    with pytest.raises(NothingToLearn, match="Nobody was active on a second day"):
        fit_bg_nbd(alone, PRODUCT, HORIZON)
