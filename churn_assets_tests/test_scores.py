"""churn_scores, score_drift and score_quality of a deployment with a model: who is scored by whom, and what became of it."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from churn_assets.assets.model_step import due_model, make_model, why_due
from churn_assets.assets.scoring_steps import serving_models
from churn_assets.assets.step import Deployment, Step
from churn_assets.assets.steps import all_steps
from churn_assets.assets.training_step import inputs_now, make_training_set
from churn_assets.calendar import DayRange
from churn_assets.checks.scores import score_checks
from churn_assets.checks.verdict import Stored
from churn_assets.contracts import contracts
from churn_assets.contracts.scores import RECENCY
from churn_assets.errors import ChurnError
from churn_assets.evaluation.quality import FEWEST_USERS, TENURES, score_quality
from churn_assets.models import transformer
from churn_assets.models.scoring import features_hash
from churn_assets.report.at_risk import at_risk
from churn_assets.settings import Settings
from churn_assets.training import load_training_set
from churn_assets.warehouse import Publication, publish
from training_worlds import LABEL, SETTINGS, day, deployment_in, framed, store_days
from worlds import deployment_of, query, tamper

EACH_DAY = SETTINGS.replace("stride_days = 2", "stride_days = 1")
"""Odd users churn on every second day, and are the ones on the free plan: what a model can learn and silence cannot say."""
DAYS, OBSERVED, USERS = 30, 26, 80
SPAN = DayRange(day(1), day(DAYS))
DEFAULT = Settings()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("scores") / "data"
    deployment = deployment_in(data, EACH_DAY)
    store_days(deployment, DAYS, users=USERS, observed=OBSERVED)
    make_training_set(deployment)
    inputs = inputs_now(deployment)
    assert inputs is not None
    assert make_model(deployment, inputs).manifest.takes_over
    score(deployment)
    return data


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "data"))


def score(deployment: Deployment, days: DayRange = SPAN) -> None:
    """Publish the scores of some days."""
    with deployment.warehouse.writing() as connection:
        for publication in step_of(deployment, "churn_scores").publications(deployment, days):
            publish(connection, publication)


def step_of(deployment: Deployment, name: str) -> Step:
    return next(step for step in all_steps(deployment.settings) if isinstance(step, Step) and step.name == name)


def scored(data: Path) -> pd.DataFrame:
    columns = "user_id, as_of_date, rank, score, probability, reason_1, effect_1, model_version, features_hash"
    rows = query(data, f"SELECT {columns} FROM churn.churn_scores ORDER BY as_of_date, user_id")
    return pd.DataFrame(rows, columns=columns.split(", "))


# --- who is scored, and by whom ---


def test_everybody_at_risk_has_a_score_each_day_and_ranks_are_whole(data: Path) -> None:
    of_day = scored(data).groupby("as_of_date")
    assert {*of_day["user_id"].nunique()} == {USERS - 1}, "the last user is never at risk"
    for _, rows in of_day:
        assert sorted(rows["rank"]) == [*range(1, USERS)]
        by_rank = rows.sort_values("rank")
        assert by_rank["score"].is_monotonic_decreasing
        ties = by_rank.groupby("score", sort=False)["user_id"]
        assert all(users.is_monotonic_increasing for _, users in ties)


def test_a_day_is_scored_by_the_model_only_if_it_knew_nothing_of_it(data: Path) -> None:
    newest = serving_models(deployment_of(data).settings).newest
    assert newest is not None
    horizon = timedelta(days=3)
    for at, rows in scored(data).groupby("as_of_date"):
        learned_until = date.fromisoformat(newest.seen["learned_until"])
        is_of_model = at > learned_until + horizon and at >= newest.test_first
        assert {*rows["model_version"]} == {newest.version if is_of_model else RECENCY}
        assert rows["probability"].notna().all() == is_of_model
        assert rows["reason_1"].notna().any() == is_of_model
    assert date.fromisoformat(newest.seen["known_until"]) == day(OBSERVED + 3)


def test_training_and_the_daily_scores_see_the_same_features(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = deployment_of(data)

    def differences() -> pd.Series[float]:
        """Scores of the test part's rows in the table, less those of the model that was read again."""
        serving = serving_models(deployment.settings)
        assert serving.newest is not None
        fitted, _ = serving.fitted(serving.newest)
        test = load_training_set(data=data).test
        table = scored(data).astype({"as_of_date": test["as_of_date"].dtype})
        both = test.assign(direct=fitted.score(test)).merge(table, on=["user_id", "as_of_date"], how="left")
        assert len(both) == len(test) > 0
        return (both["direct"] - both["score"]).abs()

    assert differences().max() == 0
    as_input = transformer.as_input

    def of_the_row_before(values: pd.Series[Any], kind: str) -> pd.Series[Any]:
        return as_input(values, kind).iloc[[-1, *range(len(values) - 1)]].set_axis(values.index)

    monkeypatch.setattr(transformer, "as_input", of_the_row_before)
    assert differences().max() > 0


def test_scores_are_the_same_day_by_day_in_a_range_and_a_second_time(data: Path) -> None:
    deployment = deployment_of(data)
    hashes = (
        "SELECT partition_date, content_hash FROM churn.publish_ledger WHERE table_name = 'churn_scores' ORDER BY 1"
    )
    before = query(data, hashes)
    for at in (day(DAYS), day(5)):
        score(deployment, DayRange(at, at))
    assert query(data, hashes) == before


def test_the_hash_of_features_tells_one_changed_value_and_no_change_of_types() -> None:
    rows = framed(contracts(DEFAULT)["user_features"], [{"user_id": 1, "plan": "free"}, {"user_id": 2, "plan": None}])
    types = {feature.name: feature.type for feature in DEFAULT.declaration.feature_columns}
    first = features_hash(rows, types)
    assert first.nunique() == 2 and first.str.fullmatch(r"[0-9a-f]{16}").all()
    other_types = rows.astype({"plan": object, "active_days_7d": "Int64", "is_paid": "boolean"})
    assert features_hash(other_types, types).tolist() == first.tolist()
    for name, value in (("plan", "paid"), ("active_days_7d", 3), ("quiz_avg_score_7d", 1.0), ("is_paid", True)):
        changed = rows.assign(**{name: [value, *rows[name].iloc[1:]]})
        assert (features_hash(changed, types) != first).tolist() == [True, False]


# --- when a model is made ---


def test_a_new_model_is_due_when_the_training_set_knows_so_many_days_more(data: Path) -> None:
    deployment = deployment_of(data)
    assert due_model(deployment) is None
    inputs = inputs_now(deployment)
    assert inputs is not None
    (data / "churn.toml").write_text(EACH_DAY + "[model]\nrefit_days = 5\n")
    for further, is_due in ((4, False), (5, True)):
        later = deployment_of(data)
        store_days(later, DAYS + further, users=USERS, observed=OBSERVED + further)
        make_training_set(later)
        known = inputs_now(later)
        assert known is not None
        assert (why_due(later, known) is not None) == is_due
    assert len(serving_models(deployment.settings).models) == 1


def documented(language: str) -> str:
    """The page's example of an estimator of one's own."""
    page = Path(__file__).parents[1].joinpath("docs", "scores.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return str(block)


def test_another_candidate_is_due_at_once_and_takes_the_days_of_the_one_before(data: Path) -> None:
    before = serving_models(deployment_of(data).settings).newest
    (data / "own.py").write_text(documented("python"))
    (data / "churn.toml").write_text(EACH_DAY + '[model]\ncandidate = "own:make"\n')
    inputs = due_model(deployment_of(data))
    assert inputs is not None
    with pytest.raises(
        ChurnError, match=r"types that are not trusted: numpy\.dtype, sklearn\S+make_column_selector; if they"
    ):
        make_model(deployment_of(data), inputs)
    assert serving_models(deployment_of(data).settings).newest == before
    (data / "churn.toml").write_text(EACH_DAY + documented("toml"))
    deployment = deployment_of(data)
    made = make_model(deployment, inputs).manifest
    serving = serving_models(deployment.settings)
    assert made.takes_over and serving.newest == made and before is not None and made.version != before.version
    assert serving.on(before.test_first) == made
    score(deployment)
    assert {*scored(data)["model_version"]} == {RECENCY, made.version}
    assert due_model(deployment) is None


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def make(): return 1", r"'own:make' could not be fitted \(AttributeError\); it gets a frame with nulls"),
        ("def other(): pass", "python 'own:make' is no function of that module"),
        (
            "from sklearn.linear_model import LogisticRegression\ndef make(): return LogisticRegression()",
            r"could not be fitted \(ValueError\)",
        ),
    ],
)
def test_an_estimator_of_ones_own_that_fails_is_named_and_no_value_of_a_row(
    data: Path, source: str, sentence: str
) -> None:
    (data / "own.py").write_text(source)
    (data / "churn.toml").write_text(EACH_DAY + '[model]\ncandidate = "own:make"\n')
    deployment = deployment_of(data)
    inputs = inputs_now(deployment)
    assert inputs is not None
    with pytest.raises(ChurnError, match=sentence):
        make_model(deployment, inputs)
    assert len(serving_models(deployment.settings).models) == 1, "the model before is untouched"


def test_the_rule_as_candidate_leaves_every_day_to_the_rule_but_says_how_likely(data: Path) -> None:
    (data / "churn.toml").write_text(EACH_DAY + '[model]\ncandidate = "recency"\n')
    deployment = deployment_of(data)
    inputs = due_model(deployment)
    assert inputs is not None
    made = make_model(deployment, inputs).manifest
    assert not made.takes_over and made.why == "model.candidate is the rule itself" and not made.files
    score(deployment)
    rows = scored(data)
    assert {*rows["model_version"]} == {RECENCY}
    assert rows.loc[rows["as_of_date"] >= made.test_first, "probability"].between(0, 1).all()


def test_a_candidate_that_one_comes_back_to_serves_again_as_it_was(data: Path) -> None:
    first = serving_models(deployment_of(data).settings).newest
    for candidate, is_first in (("recency", False), ("gradient_boosting", True)):
        (data / "churn.toml").write_text(EACH_DAY + f'[model]\ncandidate = "{candidate}"\n')
        deployment = deployment_of(data)
        inputs = due_model(deployment)
        assert inputs is not None
        made = make_model(deployment, inputs)
        assert (made.manifest == first) == is_first and (made.evaluation is None) == is_first
        assert serving_models(deployment.settings).newest == made.manifest
        assert due_model(deployment) is None


def test_a_model_whose_folder_was_removed_is_made_again_and_the_days_are_due(data: Path) -> None:
    deployment = deployment_of(data)
    version = serving_models(deployment.settings).newest
    shutil.rmtree(data / "models")
    inputs = due_model(deployment)
    assert inputs is not None
    again = make_model(deployment, inputs).manifest
    assert version is not None and replace(again, files=version.files) == version, (
        "but for addresses in the estimator's file"
    )


# --- what became of the scores ---


def by_hand(
    scores: pd.DataFrame,
    outcomes: dict[tuple[int, Any], bool | None],
    groups: dict[tuple[int, Any], Iterable[tuple[str, str]]],
) -> dict[tuple[Any, str, str], list[tuple[bool, float]]]:
    """Of each day and group, (churned, score) of the scored users whose outcome is known."""
    found: dict[tuple[Any, str, str], list[tuple[bool, float]]] = defaultdict(list)
    for row in scores.itertuples():
        outcome = outcomes[row.user_id, row.as_of_date]
        if outcome is not None:
            for group in groups[row.user_id, row.as_of_date]:
                found[(row.as_of_date, *group)].append((outcome, row.score))
    return found


def test_quality_is_that_of_the_users_of_each_group_counted_one_by_one() -> None:
    random = np.random.default_rng(3)
    days, users = [pd.Timestamp(day(n)) for n in (1, 2)], range(1, 121)
    keys = [(user, at) for at in days for user in users]
    scores = pd.DataFrame(keys, columns=["user_id", "as_of_date"]).assign(
        score=random.integers(0, 12, len(keys)) / 12, probability=lambda f: f["score"], model_version="m"
    )
    scores["silent_days"] = pd.array([int(n) if n < 20 else None for n in random.integers(0, 25, len(keys))], "Int64")
    outcomes = {key: [True, False, None][random.integers(3)] for key in keys}
    grid = scores[["user_id", "as_of_date"]].assign(
        days_since_signup=random.integers(0, 500, len(keys)), plan=[("free", "paid", None)[u % 3] for u, _ in keys]
    )
    labels = scores[["user_id", "as_of_date"]].assign(**{LABEL: pd.array([outcomes[key] for key in keys], "boolean")})
    found = score_quality(scores, labels, grid, label=LABEL, segments=["plan"])

    def tenure(days: int) -> str:
        return [name for name, begin in TENURES.items() if days >= begin][-1]

    groups = {
        (row.user_id, row.as_of_date): [
            ("all", "all"),
            *([("active_7d", "active_7d")] if not pd.isna(silent) and silent < 7 else []),
            ("tenure", tenure(row.days_since_signup)),
            *([("plan", row.plan)] if row.plan else []),
        ]
        for row, silent in zip(grid.itertuples(), scores["silent_days"], strict=True)
    }
    for ranking, ranked in (
        ("served", scores),
        ("recency", scores.assign(score=scores["silent_days"].astype("float64").fillna(90))),
    ):
        expected = {
            key: rows
            for key, rows in by_hand(ranked, outcomes, groups).items()
            if key[1] in ("all", "active_7d") or len(rows) >= FEWEST_USERS
        }
        rows = found[found["ranking"] == ranking].set_index(["as_of_date", "group_by", "group_value"])
        assert {*rows.index} == {*expected}
        for key, known in expected.items():
            churned, given = [c for c, _ in known], [s for _, s in known]
            row = rows.loc[key]
            assert (row["users"], row["churned"]) == (len(known), sum(churned))
            assert row["average_precision"] == pytest.approx(average_precision_score(churned, given))
            assert row["roc_auc"] == pytest.approx(roc_auc_score(churned, given))
            if ranking == "served":
                assert row["brier_score"] == pytest.approx(np.mean((np.array(given) - churned) ** 2))
    assert found.loc[found["ranking"] == "recency", "brier_score"].isna().all()


def test_of_a_day_whose_horizon_is_open_nothing_is_said() -> None:
    keys = pd.DataFrame({"user_id": [1, 2], "as_of_date": pd.Timestamp(day(1))})
    scores = keys.assign(score=1.0, probability=np.nan, silent_days=pd.array([1, 2], "Int64"), model_version=RECENCY)
    labels = keys.assign(**{LABEL: pd.array([None, None], "boolean")})
    assert score_quality(scores, labels, keys.assign(days_since_signup=3), label=LABEL, segments=[]).empty


# --- the checks ---


def verdicts(data: Path, name: str, days: DayRange = SPAN) -> dict[date, Any]:
    deployment = deployment_of(data)
    check = next(check for check in score_checks(deployment.settings) if check.name == name)
    with deployment.warehouse.reading() as connection:
        return dict(check.judge(Stored(connection, deployment.contracts, deployment.settings), days))


@pytest.mark.parametrize(
    "damage",
    [
        f"DELETE FROM churn.churn_scores WHERE as_of_date = '{day(7)}' AND user_id = 3",
        f"UPDATE churn.churn_scores SET user_id = {USERS} WHERE as_of_date = '{day(7)}' AND user_id = 3",
        f"UPDATE churn.churn_scores SET rank = 1 WHERE as_of_date = '{day(7)}' AND user_id = 3",
    ],
)
def test_a_day_on_which_somebody_at_risk_is_not_scored_fails(data: Path, damage: str) -> None:
    assert all(verdict.passed for verdict in verdicts(data, "everybody_at_risk").values())
    tamper(data, damage)
    assert [at for at, verdict in verdicts(data, "everybody_at_risk").items() if not verdict.passed] == [day(7)]


def test_a_population_that_moved_is_named_by_its_features_and_not_by_values(data: Path) -> None:
    before = verdicts(data, "stable")[day(DAYS)]
    deployment = deployment_of(data)
    tamper(data, f"UPDATE churn.user_features SET plan = 'business' WHERE as_of_date = '{day(DAYS)}'")
    score(deployment, DayRange(day(DAYS), day(DAYS)))
    verdict = verdicts(data, "stable")[day(DAYS)]
    assert "plan" not in str(before) and verdict.failed
    assert "plan" in verdict.figures["why"] and "business" not in str(verdict)


def test_scores_worse_than_recency_over_closed_days_warn(data: Path) -> None:
    deployment = deployment_of(data)
    publish_quality(deployment, served=0.3, rule=0.4, version=RECENCY)
    found = verdicts(data, "not_below_recency")[day(DAYS)]
    assert found.passed and "no day that a model served has closed yet" in found.figures["why"]
    publish_quality(deployment, served=0.5, rule=0.4)
    assert verdicts(data, "not_below_recency")[day(DAYS)].passed
    publish_quality(deployment, served=0.3, rule=0.4)
    found = verdicts(data, "not_below_recency")[day(DAYS)]
    assert (
        found.failed and "average precision of the scores is 0.300, and that of recency 0.400" in found.figures["why"]
    )


def publish_quality(deployment: Deployment, *, served: float, rule: float, version: str = "m") -> None:
    contract = deployment.contracts["score_quality"]
    rows = [
        {"as_of_date": at, "group_by": "all", "group_value": "all", "ranking": ranking, "model_version": by}
        | {"users": 10, "churned": 3, "average_precision": value, "lift_5pct": 2.0}
        for at in DayRange(day(20), day(26))
        for ranking, by, value in (("served", version, served), ("recency", RECENCY, rule))
    ]
    publication = Publication(contract, SPAN, [framed(contract, rows)], lambda _: dict.fromkeys(SPAN, ""), "0" * 12)
    with deployment.warehouse.writing() as connection:
        publish(connection, publication)


# --- whom to call ---


def test_the_list_of_the_last_day_says_who_why_and_how_good_such_lists_were(data: Path) -> None:
    deployment = deployment_of(data)
    publish_quality(deployment, served=0.5, rule=0.4)
    with deployment.warehouse.reading() as connection:
        lists = at_risk(connection, deployment.settings.declaration, top=3)
        early = at_risk(connection, deployment.settings.declaration, day=day(2), top=1)
        with pytest.raises(ChurnError, match=r"2025-01-01 has no scores; run 'churn-assets backfill 2025-01-01'"):
            at_risk(connection, deployment.settings.declaration, day=date(2025, 1, 1))
    assert lists is not None and early is not None
    assert (lists.day, lists.users, len(lists.top)) == (day(DAYS), USERS - 1, 3)
    top = scored(data).query("as_of_date == @lists.day and rank <= 3").sort_values("rank")
    assert [user.user_id for user in lists.top] == top["user_id"].tolist()
    assert lists.top[0].reasons[0][1] == pytest.approx(top["effect_1"].iloc[0])
    assert lists.quality is not None and (lists.quality.days, lists.quality.average_precision) == (7, 0.5)
    assert "average precision 0.50 (0.40)" in lists.how_good
    assert early.is_of_rule and early.quality is None and "known once the horizon" in early.how_good


def test_a_plan_that_the_model_has_not_learned_of_is_counted_and_warned_of(data: Path) -> None:
    deployment = deployment_of(data)
    check = next(check for check in score_checks(deployment.settings) if check.name == "values_known")

    def unseen() -> dict[str, int]:
        score(deployment, DayRange(day(DAYS), day(DAYS)))
        found = query(data, f"SELECT feature, unseen FROM churn.score_drift WHERE as_of_date = DATE '{day(DAYS)}'")
        return {feature: users for feature, users in found if users}

    def verdict() -> Any:
        with deployment.warehouse.reading() as connection:
            stored = Stored(connection, deployment.contracts, deployment.settings)
            return check.judge(stored, SPAN)[day(DAYS)]

    assert unseen() == {} and verdict().passed
    tamper(
        data, f"UPDATE churn.user_features SET plan = 'platinum' WHERE as_of_date = DATE '{day(DAYS)}' AND user_id <= 5"
    )
    assert unseen() == {"plan": 5}
    assert not verdict().passed
    assert verdict().figures["why"].startswith("plan: values that the model has not learned of")
