"""The parts a model consists of: the transformer, calibration, reasons, drift, and the folder that keeps them."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from churn_assets.contracts.scores import RECENCY
from churn_assets.errors import ChurnError
from churn_assets.models import Fitted, Transformer, fit_baseline
from churn_assets.models.calibration import Calibration
from churn_assets.models.candidates import log_odds
from churn_assets.models.drift import BINS, LEAST_SHARE, Reference
from churn_assets.models.manifest import ModelManifest
from churn_assets.models.reasons import REASONS, SMALLEST_EFFECT, reasons, subjects
from churn_assets.models.serving import Serving
from churn_assets.models.store import libraries_now, models_in, read_model, write_model
from churn_assets.product import read_product
from churn_assets.product.measures import TOTAL_EVENTS
from evaluation_worlds import LABEL, learnable

PRODUCT = read_product()


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit_baseline(learnable(300, seed=1), learnable(100, seed=2), label=LABEL)


# --- the transformer ---


def test_a_transformer_reads_back_as_it_was_written_and_makes_the_same_matrix(fitted: Fitted) -> None:
    known = fitted.transformer
    again = Transformer.from_json(json.loads(json.dumps(known.as_json())))
    assert again == known
    pd.testing.assert_frame_equal(again.matrix(learnable(20, seed=5)), known.matrix(learnable(20, seed=5)))


def test_a_category_that_is_not_known_is_null_and_a_null_stays_null(fitted: Fitted) -> None:
    rows = learnable(3, 1).assign(plan=["free", "brand new", None], quiz_avg_score_7d=np.nan)
    matrix = fitted.transformer.matrix(rows)
    assert matrix["plan"].isna().tolist() == [False, True, True]


def test_a_missing_column_is_refused_by_name(fitted: Fitted) -> None:
    with pytest.raises(
        ChurnError, match="features that the model looks at: active_days_7d; give it rows of user_features"
    ):
        fitted.score(learnable(3).drop(columns="active_days_7d"))


def test_the_types_of_a_frame_and_the_order_of_its_columns_do_not_matter(fitted: Fitted) -> None:
    rows = learnable(30, seed=6)
    other = rows[[*reversed(rows.columns)]].astype({"plan": object, "active_days_7d": "Int64", "is_paid": float})
    assert fitted.score(other).tolist() == fitted.score(rows).tolist()


def test_a_feature_whose_values_are_others_by_the_validation_part_is_left_out_and_named() -> None:
    train, later = (learnable(300, 1, seed=s).assign(days_since_signup=range(300)) for s in (1, 2))
    older = later.assign(days_since_signup=later["days_since_signup"] + 400)
    assert not Transformer.fitted(train, later).moved and "days_since_signup" in Transformer.fitted(train, later).types
    known = Transformer.fitted(train, older)
    assert [*known.moved] == ["days_since_signup"] and known.moved["days_since_signup"] >= 1
    assert "days_since_signup" not in known.types and "days_since_signup" not in known.typical
    model = fit_baseline(train, older, label=LABEL)
    assert model.score(older).tolist() == model.score(older.assign(days_since_signup=0)).tolist()


# --- calibration ---


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
@example([(0.5, True), (0.375, False)])  # Its curve is so steep that floating numbers end.
def test_a_higher_score_is_no_lower_a_probability_and_none_is_certain(rows: list[tuple[float, bool]]) -> None:
    score, churned = np.array([s for s, _ in rows]), np.array([c for _, c in rows])
    calibration = Calibration.fitted(score, churned, of_probabilities=True)
    probability = calibration.probability(np.linspace(0, 1, 21))
    assert (np.diff(probability) >= 0).all() and ((probability > 0) & (probability < 1)).all()


def test_probabilities_are_as_often_right_as_they_say() -> None:
    random = np.random.default_rng(0)
    truth = random.random(20_000)
    overdone = 1 / (1 + np.exp(-3 * log_odds(truth)))
    calibration = Calibration.fitted(overdone, random.random(20_000) < truth, of_probabilities=True)
    assert np.abs(calibration.probability(overdone) - truth).max() < 0.03


@pytest.mark.parametrize("churned, rate", [([True] * 8, 0.9), ([False] * 8, 0.1)])
def test_of_one_outcome_every_score_has_the_rate_of_all(churned: list[bool], rate: float) -> None:
    calibration = Calibration.fitted(np.arange(8.0), np.array(churned), of_probabilities=False)
    assert calibration.probability(np.array([0.0, 99.0])) == pytest.approx([rate, rate])


def test_where_churn_is_rarer_at_higher_scores_every_score_has_the_rate_of_all() -> None:
    calibration = Calibration.fitted(np.arange(8.0), np.arange(8) < 4, of_probabilities=False)
    assert calibration.probability(np.array([0.0, 7.0])) == pytest.approx([0.5, 0.5])


# --- reasons ---


def test_each_feature_belongs_to_one_subject() -> None:
    of = subjects(PRODUCT)
    assert sorted(name for names in of.values() for name in names) == sorted(f.name for f in PRODUCT.feature_columns)
    assert {"total_events_7d", "active_days_30d", "days_since_last_activity", "activity_segment"} <= {*of[TOTAL_EVENTS]}
    assert of["plan"] == ["plan"]


def test_an_effect_is_what_typical_features_in_its_place_would_take_away(fitted: Fitted) -> None:
    rows = learnable(40, 1, seed=7)
    matrix, of = fitted.transformer.matrix(rows), subjects(PRODUCT)
    found = reasons(fitted, matrix, fitted.score_matrix(matrix), of)
    typical, own = fitted.transformer.typical, log_odds(fitted.score(rows))
    effects = pd.DataFrame(
        {
            subject: own
            - log_odds(fitted.score(rows.assign(**{name: typical[name] for name in names if name in typical})))
            for subject, names in of.items()
        }
    )
    for place, by_subject in enumerate(effects.to_dict("records")):
        largest = sorted(by_subject, key=lambda name: -abs(by_subject[name]))[:REASONS]
        expected = [abs(by_subject[name]) for name in largest if abs(by_subject[name]) >= SMALLEST_EFFECT]
        given = [(s, e) for s, e in zip(found.subjects[place], found.effects[place], strict=True) if s is not None]
        assert [abs(e) for _, e in given] == pytest.approx(expected)
        assert [e for _, e in given] == pytest.approx([by_subject[s] for s, _ in given])
    assert {"plan", TOTAL_EVENTS} <= {*found.subjects.ravel()}


# --- drift ---


def psi_by_hand(before: list[float | None], after: list[float | None], edges: list[float]) -> float:
    def shares(values: list[float | None]) -> list[float]:
        bins = [sum(edge <= value for edge in edges) if value is not None else -1 for value in values]
        return [max(bins.count(b) / len(values), LEAST_SHARE) for b in [*range(len(edges) + 1), -1]]

    return sum((b - a) * math.log(b / a) for a, b in zip(shares(before), shares(after), strict=True))


numbers = st.lists(st.one_of(st.none(), st.integers(-5, 5).map(float)), min_size=1, max_size=40)


@given(numbers, numbers)
def test_psi_is_that_of_the_shares_counted_by_hand(before: list[float | None], after: list[float | None]) -> None:
    reference = Reference.fitted(pd.DataFrame({"x": pd.Series(before, dtype="float64")}))
    edges = reference.edges["x"]
    assert len(edges) < BINS and edges == sorted(set(edges))
    found = reference.psi(pd.DataFrame({"x": pd.Series(after, dtype="float64")}))
    assert found["x"] == pytest.approx(psi_by_hand(before, after, edges))
    assert reference.psi(pd.DataFrame({"x": pd.Series(before, dtype="float64")}))["x"] == 0


def test_a_category_that_comes_up_is_drift_and_so_is_one_that_goes(fitted: Fitted) -> None:
    rows = learnable(200, 1, seed=1)
    reference = Reference.fitted(fitted.transformer.matrix(rows))
    quiet, moved = (reference.psi(fitted.transformer.matrix(frame)) for frame in (rows, rows.assign(plan="new")))
    assert quiet["plan"] == 0 and moved["plan"] > 1 and moved["country"] == 0
    assert (
        Reference.from_json(json.loads(json.dumps(reference.as_json()))).psi(fitted.transformer.matrix(rows)) == quiet
    )


# --- the folder ---

DAY = date(2026, 3, 1)


def manifest(version: str, known_until: date = DAY, **more: object) -> ModelManifest:
    facts: dict[str, object] = {
        "version": version,
        "format": 1,
        "training_set": "t",
        "label": LABEL,
        "label_rules": "r",
        "candidate": "gradient_boosting",
        "code_version": "c",
        "features": {"plan": "1"},
        "libraries": libraries_now(),
        "seen": {
            "learned_until": f"{known_until - timedelta(days=60)}",
            "test_first": f"{known_until - timedelta(days=40)}",
            "known_until": f"{known_until}",
        },
        "takes_over": True,
        "why": "",
        "metrics": [],
        "calibration": Calibration(1.0, 0.0, True).as_json(),
        "calibration_of_recency": Calibration(1.0, 0.0, False).as_json(),
        "files": {},
    }
    return ModelManifest(**{**facts, **more})  # type: ignore[arg-type]


def kept(root: Path, fitted: Fitted | None, known: ModelManifest, trusted: Iterable[str] = ()) -> ModelManifest:
    parts = (fitted, Reference.fitted(fitted.transformer.matrix(learnable(50)))) if fitted else None
    return write_model(
        root, lambda files: ModelManifest(**{**vars(known), "files": files}), known.version, parts, 10, trusted
    )


def test_a_model_scores_the_same_when_it_is_read_again(tmp_path: Path, fitted: Fitted) -> None:
    known = kept(tmp_path, fitted, manifest("a"))
    again, _ = read_model(tmp_path, known)
    rows = learnable(50, seed=8)
    assert again.score(rows).tolist() == fitted.score(rows).tolist()
    before = {path: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert kept(tmp_path, fitted, manifest("a", takes_over=False)) == known, "never overwritten"
    assert {path: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before


@pytest.mark.parametrize("name", ["model.skops", "transformer.json", "reference.json"])
def test_a_file_that_is_not_as_it_was_written_is_refused(tmp_path: Path, fitted: Fitted, name: str) -> None:
    known = kept(tmp_path, fitted, manifest("a"))
    path = tmp_path / "a" / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ChurnError, match=f"{name} is not as it was written; remove its folder"):
        read_model(tmp_path, known)
    path.unlink()
    with pytest.raises(ChurnError, match=f"{name} is not as it was written"):
        read_model(tmp_path, known)


def test_a_model_of_another_release_of_scikit_learn_is_refused(tmp_path: Path, fitted: Fitted) -> None:
    known = kept(tmp_path, fitted, manifest("a", libraries={"scikit-learn": "0.1"}))
    with pytest.raises(ChurnError, match=r"fitted with scikit-learn 0\.1, and \d+\.\d+ is installed; install"):
        read_model(tmp_path, known)


class Unheard(LogisticRegression):
    """A type that nobody trusts until it is named."""


def test_a_type_of_ones_own_is_loaded_only_where_it_is_trusted(tmp_path: Path, fitted: Fitted) -> None:
    seen = fitted.transformer.matrix(learnable(60)).select_dtypes("number").fillna(0)
    own = Fitted(Unheard().fit(seen, learnable(60)[LABEL]), fitted.transformer)
    with pytest.raises(ChurnError, match="are not trusted"):
        kept(tmp_path, own, manifest("a"))
    assert not [*tmp_path.glob("[!.]*")], "what could not be read again is not kept"
    known = kept(tmp_path, own, manifest("a"), ["test_models.Unheard"])
    with pytest.raises(ChurnError, match=r"types that are not trusted: test_models\.Unheard; if they are your own"):
        read_model(tmp_path, known)
    again, _ = read_model(tmp_path, known, ["test_models.Unheard"])
    assert again.estimator.coef_.tolist() == own.estimator.coef_.tolist()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "a"}'])
def test_what_is_no_manifest_is_refused_by_place(tmp_path: Path, text: str) -> None:
    kept(tmp_path, None, manifest("a"))
    (tmp_path / "a" / "manifest.json").write_text(text)
    with pytest.raises(ChurnError, match=r"manifest\.json is not the manifest of a model; remove the folder"):
        models_in(tmp_path)


# --- which model serves a day ---


def serving(root: Path, rules: str = "r", **features: str) -> Serving:
    return Serving.of(root, features or {"plan": "1"}, rules)


def test_no_day_is_scored_by_a_model_that_knew_of_it(tmp_path: Path) -> None:
    first, second = manifest("first"), manifest("second", DAY + timedelta(days=28))
    for known in (second, first):
        kept(tmp_path, None, known)
    found = serving(tmp_path)
    assert found.newest == models_in(tmp_path)[-1] and found.newest.version == "second"
    expected = [
        (first.test_first - timedelta(days=1), None),
        (first.test_first, "first"),
        (second.known_until, "first"),
        (second.known_until + timedelta(days=1), "second"),
    ]
    for day, version in expected:
        on = found.on(day)
        assert (on.version if on else None) == version
        assert on is None or day > date.fromisoformat(on.seen["learned_until"])


def test_a_model_that_knows_no_more_than_another_takes_its_days(tmp_path: Path) -> None:
    for version in ("b", "a"):
        kept(tmp_path, None, manifest(version))
    found = serving(tmp_path)
    on = found.on(manifest("a").test_first)
    assert on is not None and on.version == "a"


def test_a_model_of_features_that_are_declared_otherwise_by_now_scores_nothing(tmp_path: Path) -> None:
    kept(tmp_path, None, manifest("a"))
    found = serving(tmp_path, plan="2")
    assert found.newest is None and [other.version for other in found.others] == ["a"]
    assert found.version(DAY) == RECENCY
    assert serving(tmp_path, "of another label").newest is None and serving(tmp_path).newest is not None


def test_a_day_of_a_model_that_did_not_take_over_is_another_than_one_of_its_scores(tmp_path: Path) -> None:
    kept(tmp_path, None, manifest("a", takes_over=False))
    rule = serving(tmp_path).version(DAY)
    shutil.rmtree(tmp_path / "a")
    kept(tmp_path, None, manifest("a"))
    assert len({rule, serving(tmp_path).version(DAY), RECENCY}) == 3
