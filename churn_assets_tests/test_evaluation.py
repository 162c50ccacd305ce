"""What a model is worth: metrics held to scikit-learn and to plain Python, intervals over users, and no outcome among the features."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

import oracles_evaluation as oracles
from churn_assets.errors import ChurnError
from churn_assets.evaluation import (
    Evaluation,
    NothingToLearn,
    as_markdown,
    evaluate,
    feature_matrix,
    fit_baseline,
    measured,
    recency_score,
)
from churn_assets.evaluation import bootstrap as bootstrapping
from churn_assets.evaluation.bootstrap import DRAWS, interval, user_weights
from churn_assets.evaluation.curves import MOST_POINTS, curve, reliability
from churn_assets.evaluation.ranking import CALIBRATION_BINS, TOP_SHARE, Ranking, average_precision, lift, roc_auc
from churn_assets.models.transformer import MOST_CATEGORIES
from churn_assets.product.columns import LOOKBACK_DAYS
from e_learning import FEATURES
from evaluation_worlds import LABEL, learnable, rows
from worlds import environment

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def figure(evaluation: Evaluation, group: str, ranking: str, metric: str) -> pd.Series:
    found = evaluation.metrics.query("group == @group and ranking == @ranking and metric == @metric")
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture(scope="module")
def parts() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return learnable(400, seed=1), learnable(150, seed=2), learnable(300, seed=3)


@pytest.fixture(scope="module")
def evaluation(parts: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> Evaluation:
    return evaluate(*parts, label=LABEL)


# --- metrics ---

some_rows = st.lists(
    st.tuples(st.integers(0, 12).map(lambda n: n / 12), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40
)


@settings(deadline=None)
@given(some_rows)
def test_each_weighting_is_measured_as_scikit_learn_and_plain_python_measure_it(table: list[oracles.Row]) -> None:
    """A row that counts three times is three rows; one that counts 0 times is none."""
    churned = np.array([row[1] for row in table])
    score, times = np.array([row[0] for row in table]), np.array([row[2] for row in table], dtype="float64")
    assume(0 < times[churned].sum() < times.sum())
    ranking = Ranking(churned, score)
    tally = ranking.tally(np.stack([times, times]))
    given_once = {"y_true": churned, "sample_weight": times}
    for found, expected in (
        (average_precision(tally), sklearn.average_precision_score(y_score=score, **given_once)),
        (roc_auc(tally), sklearn.roc_auc_score(y_score=score, **given_once)),
        (lift(tally), float(oracles.lift(table, Fraction(1, 10)))),
        (ranking.calibration(np.stack([times, times]))[0], sklearn.brier_score_loss(y_proba=score, **given_once)),
        (ranking.calibration(np.stack([times, times]))[1], oracles.calibration_error(table, CALIBRATION_BINS)),
    ):
        np.testing.assert_allclose(found, [expected, expected], rtol=1e-9, atol=1e-12)


def test_lift_is_the_churn_rate_of_the_top_tenth_over_that_of_all() -> None:
    """Of 20 rows 5 churn (25 %). The top tenth is 2 rows, of which 1 churns: 50 % / 25 % = 2."""
    churned = np.array([True, False, *[True] * 4, *[False] * 14])
    assert TOP_SHARE == 0.1
    assert lift(Ranking(churned, np.arange(20.0, 0, -1)).tally(np.ones((1, 20)))) == pytest.approx([2])


def test_rows_that_tie_at_the_cut_count_in_part() -> None:
    """All 20 tie: any 2 of them hold 25 % churners, as do all, whichever come first."""
    churned = np.array([True] * 5 + [False] * 15)
    for order in (churned, churned[::-1]):
        assert lift(Ranking(order, np.zeros(20)).tally(np.ones((1, 20)))) == pytest.approx([1])


def test_the_curve_goes_through_the_metrics_and_is_thinned() -> None:
    churned = np.arange(5000) % 7 == 0
    ranking = Ranking(churned, np.random.default_rng(0).random(5000))
    points = curve(ranking)
    assert len(points) == MOST_POINTS
    assert points["share"].is_monotonic_increasing and points["recall"].is_monotonic_increasing
    assert points.iloc[-1].tolist() == pytest.approx([1, churned.mean(), 1, 1])


def test_reliability_sets_mean_prediction_beside_what_came() -> None:
    """Two rows in the bin from 0.1 (predicted 0.15 on average, half churned), one of 1 in the last."""
    table = reliability(Ranking(np.array([True, False, True]), np.array([0.1, 0.2 - 1e-9, 1.0])))
    assert table["bin"].tolist() == [0.1, 0.9] and table["rows"].tolist() == [2, 1]
    np.testing.assert_allclose(table[["predicted", "churn_rate"]], [[0.15, 0.5], [1, 1]], atol=1e-6)


# --- intervals ---


def test_rows_of_a_user_are_drawn_together_as_many_users_as_there_are() -> None:
    users = pd.Series(["b", "a", "b", "c", "b"])
    (weights,) = user_weights(users, draws=50)
    assert weights.shape == (50, 5)
    assert (weights[:, [2, 4]] == weights[:, [0, 0]]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert len(np.unique(weights, axis=0)) > 5


def test_draws_depend_on_the_users_alone_and_not_on_blocks_of_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    users = pd.Series([3, 1, 2, 2])
    whole = np.concatenate(list(user_weights(users)))
    monkeypatch.setattr(bootstrapping, "MOST_CELLS", 13)
    blocks = list(user_weights(users))
    assert len(blocks) > 100 and (np.concatenate(blocks) == whole).all()
    shuffled = np.concatenate(list(user_weights(users[[2, 0, 3, 1]])))
    assert (shuffled == whole[:, [2, 0, 3, 1]]).all()


def test_an_interval_is_the_middle_of_the_draws_that_could_be_measured() -> None:
    draws = np.arange(1000.0) / 1000
    assert interval(draws) == pytest.approx((0.025, 0.974), abs=2e-3)
    assert interval(np.append(draws, [np.nan] * 50)) == interval(draws)


def test_too_few_draws_with_both_outcomes_give_no_interval() -> None:
    assert interval(np.append(np.ones(DRAWS // 2 - 1), np.full(DRAWS, np.nan))) == (None, None)


def test_an_interval_contains_its_figure_and_narrows_with_more_users(evaluation: Evaluation) -> None:
    known = evaluation.metrics.query("metric != 'calibration_error'")
    assert len(known) == 2 * 10
    assert ((known["low"] <= known["value"]) & (known["value"] <= known["high"])).all()
    more = measured(learnable(3000, seed=3), None, outcome=learnable(3000, seed=3)[LABEL])
    width = {
        size: figure(of, "all", "recency", "roc_auc")["high"] - figure(of, "all", "recency", "roc_auc")["low"]
        for size, of in (("few", evaluation), ("many", more))
    }
    assert width["many"] < width["few"] / 2


def test_repeating_each_users_rows_tells_no_more(evaluation: Evaluation) -> None:
    """The same users on twice as many days: rows drawn one by one would give an interval a third narrower."""
    once, twice = (measured(f, None, outcome=f[LABEL]) for f in (learnable(300, 1, seed=3), learnable(300, 2, seed=3)))
    columns = ["value", "low", "high"]
    np.testing.assert_allclose(twice.metrics[columns], once.metrics[columns], rtol=1e-9)


# --- the two rankings ---


def test_recency_ranks_the_longest_silence_first_and_none_at_all_before_it() -> None:
    assert recency_score(rows((1, 0, False), (2, 89, True), (3, None, True))).tolist() == [0, 89, LOOKBACK_DAYS]


def test_a_model_that_knows_more_than_recency_ranks_better(evaluation: Evaluation) -> None:
    for group in ("all", "active_7d"):
        for metric in ("average_precision", "roc_auc"):
            gained = figure(evaluation, group, "difference", metric)
            both = [figure(evaluation, group, name, metric)["value"] for name in ("baseline", "recency")]
            assert gained["value"] == pytest.approx(both[0] - both[1])
            assert gained["low"] > 0, (group, metric)


def test_the_same_rows_give_the_same_model_and_figures(
    parts: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], evaluation: Evaluation
) -> None:
    again = evaluate(*parts, label=LABEL)
    pd.testing.assert_frame_equal(again.metrics, evaluation.metrics, check_exact=True)
    pd.testing.assert_frame_equal(again.reliability, evaluation.reliability, check_exact=True)


def test_the_matrix_is_the_declared_features_whatever_else_a_frame_has() -> None:
    frame = learnable(30).assign(future_active_days=0, engagement_score=1.0, censor_reason="x")
    matrix = feature_matrix(frame)
    assert list(matrix.columns) == [feature.name for feature in FEATURES]
    assert LABEL not in matrix and "user_id" not in matrix and "as_of_date" not in matrix
    assert {str(dtype) for dtype in matrix.dtypes} == {"category", "float64"}


def test_an_outcome_in_the_frame_does_not_reach_the_model(
    parts: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], evaluation: Evaluation
) -> None:
    """With the answer among its features the model would be perfect; its figures are the same to the last digit."""
    leaking = [part.assign(future_active_days=(~part[LABEL]).astype("int64"), answer=part[LABEL]) for part in parts]
    pd.testing.assert_frame_equal(evaluate(*leaking, label=LABEL).metrics, evaluation.metrics, check_exact=True)
    assert figure(evaluation, "all", "baseline", "roc_auc")["value"] < 0.95


def test_a_missing_feature_is_an_error_and_no_zero() -> None:
    with pytest.raises(ChurnError, match="'e_learning' declares: total_events_7d; pass as product"):
        feature_matrix(learnable(10).drop(columns="total_events_7d"))


def test_an_attribute_value_that_was_not_seen_in_training_is_as_null() -> None:
    model = fit_baseline(learnable(300, seed=1), learnable(100, seed=2), label=LABEL)
    frame = learnable(20, seed=4)
    scores = [model.score(frame.assign(plan=plan)).tolist() for plan in ("brand new", None)]
    assert scores[0] == scores[1]


def test_an_attribute_may_have_more_values_than_trees_take() -> None:
    many = learnable(600, 1, seed=1)
    many["country"] = [f"C{number}" for number in range(600)]
    model = fit_baseline(many, many, label=LABEL)
    assert len(model.transformer.categories["country"]) == MOST_CATEGORIES
    assert np.isfinite(model.score(many)).all()


# --- what cannot be known ---


@pytest.mark.parametrize("churned, said", [(True, "all 3 test rows churned"), (False, "none of 3 test rows churned")])
def test_of_one_outcome_every_figure_is_null_and_says_why(churned: bool, said: str) -> None:
    test = rows((1, 0, churned), (2, 9, churned), (3, None, churned))
    found = measured(test, np.array([0.1, 0.5, 0.9]), outcome=test[LABEL]).metrics.query("group == 'all'")
    assert found[["value", "low", "high"]].isna().all(axis=None)
    assert set(found["reason"]) == {said}


def test_without_anybody_active_that_group_alone_is_null() -> None:
    test = rows((1, 9, True), (2, 8, False), (3, None, True))
    evaluation = measured(test, np.array([0.1, 0.5, 0.9]), outcome=test[LABEL])
    assert figure(evaluation, "active_7d", "recency", "roc_auc")["reason"] == "there are no test rows"
    # Of the two who churned one is silent for longer than the one who stayed, the other too: 2 of 2 pairs are right.
    assert figure(evaluation, "all", "recency", "roc_auc")["value"] == 1
    assert set(evaluation.curves["group"]) == {"all"}


def test_with_nothing_to_learn_recency_is_measured_all_the_same(
    parts: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], evaluation: Evaluation
) -> None:
    train, validation, test = parts
    quiet = train[~train[LABEL]]
    with pytest.raises(NothingToLearn, match=f"0 of its {len(quiet)} rows churned"):
        fit_baseline(quiet, validation, label=LABEL)
    found = evaluate(quiet, validation, test, label=LABEL)
    by_ranking = found.metrics.groupby("ranking")
    assert by_ranking.get_group("recency").equals(evaluation.metrics.groupby("ranking").get_group("recency"))
    for name in ("baseline", "difference"):
        assert by_ranking.get_group(name)["value"].isna().all()
        assert by_ranking.get_group(name)["reason"].str.contains("one outcome only").all()
    assert found.reliability.empty and set(found.curves["ranking"]) == {"recency"}


def test_a_validation_part_of_one_outcome_still_says_when_to_stop() -> None:
    validation = learnable(100, seed=2)
    model = fit_baseline(learnable(300, seed=1), validation[~validation[LABEL]], label=LABEL)
    assert model.estimator.n_iter_ >= 1


# --- the table ---


def test_the_table_has_a_line_for_each_group_and_metric_and_says_what_is_not_known(evaluation: Evaluation) -> None:
    table = as_markdown(evaluation.metrics)
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(lines) == 1 + 2 * 5 and len({line.count("|") for line in lines}) == 1
    auc = figure(evaluation, "all", "recency", "roc_auc")
    assert f"| {auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}] |" in lines[2]
    assert "- all at risk: 600 rows of 300 users, of which " in table and "not known" not in table
    nobody = rows((1, 0, False), (2, 9, False))
    said = as_markdown(measured(nobody, None, outcome=nobody[LABEL], reason="nothing to learn").metrics)
    assert "- all at risk, recency not known: none of 2 test rows churned" in said and "nan" not in said


def test_importing_the_evaluation_does_not_import_scikit_learn() -> None:
    program = "import sys, churn_assets.graph, churn_assets.evaluation; print('sklearn' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout.strip() == "False"
