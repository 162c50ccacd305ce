"""Leakage canaries: green on honest features, red where the transform sees tomorrow, another user, or an outcome."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churn_assets import transforms
from churn_assets.assets.steps import all_steps
from churn_assets.automation.plan import Work
from churn_assets.checks import canaries
from churn_assets.product import Product
from churn_assets.synthetic import generate
from churn_assets.transforms import user_features
from e_learning import FEATURES
from test_checks import judged, red_days
from worlds import START, day, days, deployment_of, publish_plainly, run_plainly, tamper, write_settings

LENGTH = 40
ALL = days(1, LENGTH)
FUTURE, OTHERS, OUTCOME = (f"user_features.{name}" for name in ("blind_to_the_future", "blind_to_others", "no_outcome"))


@pytest.fixture(scope="module", params=["integer", "string"])
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("canaries") / "data"
    generate(data / "landing", start=START, days=LENGTH, users=50, seed=3, signup_during=0.5, late_share=0.02)
    write_settings(data, end_date=day(LENGTH))
    if request.param == "string":
        with (data / "churn.toml").open("a") as settings:
            settings.write('\n[sources.users]\nid_type = "string"\n')
    run_plainly(data)
    return data


@pytest.fixture
def world(tmp_path: Path, template: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "data"))


@pytest.mark.parametrize("name", [FUTURE, OTHERS, OUTCOME])
@pytest.mark.parametrize("users", [7, 200])
def test_green_on_what_is_published(world: Path, name: str, users: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canaries, "SAMPLED_USERS", users)
    assert red_days(world, name, ALL) == []


def test_they_say_what_they_tried(world: Path) -> None:
    for name in (FUTURE, OTHERS):
        tried = judged(world, name, ALL)[day(7)].figures
        assert tried["sampled_days"] == f"{day(1)}, {day(21)}, {day(LENGTH)}" and tried["rows_compared"] > 60


def a_day_too_far(features: pd.DataFrame, given: dict[str, Any]) -> pd.DataFrame:
    """A sum over [d - 6, d + 1]."""
    month = given["month"]
    tomorrow = month[month["as_of_date"] == pd.Timestamp(given["last_day"]) + pd.Timedelta(days=1)]
    more = tomorrow.groupby("user_id")["total_events"].sum()
    late = features["user_id"].map(more).fillna(0).astype("int64")
    return features.assign(**{name: features[name] + late for name in features if name.startswith("total_events")})


def shifted_across_users(features: pd.DataFrame, _: dict[str, Any]) -> pd.DataFrame:
    """Yesterday's figure by `shift`, without grouping by user: the neighbour's."""
    return features.assign(payment_amount_7d=features["payment_amount_7d"].shift(1, fill_value=0) + 1)


def centred(features: pd.DataFrame, _: dict[str, Any]) -> pd.DataFrame:
    """Measured against everybody's mean."""
    return features.assign(
        total_watch_minutes_7d=features["total_watch_minutes_7d"] + features["total_events_7d"].mean()
    )


@pytest.mark.parametrize(
    ("broken", "red"), [(a_day_too_far, FUTURE), (shifted_across_users, OTHERS), (centred, OTHERS)]
)
def test_a_transform_that_leaks_turns_one_red(
    world: Path,
    broken: Callable[[pd.DataFrame, dict[str, Any]], pd.DataFrame],
    red: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def leaky(user_day_grid: pd.DataFrame, **given: Any) -> pd.DataFrame:
        return broken(user_features(user_day_grid, **given), given)

    monkeypatch.setattr(transforms, "user_features", leaky)
    monkeypatch.setattr(canaries, "user_features", leaky)
    deployment = deployment_of(world)
    step = tuple(step for step in all_steps(deployment.settings) if step.name == "user_features")
    publish_plainly(deployment, Work(step, days(30, 32)))
    found = judged(world, red, days(30, 32))
    assert not any(verdict.passed for verdict in found.values())
    assert found[day(30)].figures["rows_disturbed"] > 0


@pytest.mark.parametrize("name", [FUTURE, OTHERS])
def test_published_features_that_their_users_past_does_not_give_turn_both_red(world: Path, name: str) -> None:
    tamper(world, f"UPDATE churn.user_features SET total_events_7d = total_events_7d + 1 WHERE as_of_date = '{day(9)}'")
    assert red_days(world, name, days(9)) == [day(9)]
    assert judged(world, name, days(9))[day(9)].figures["rows_disturbed"] == 0


@pytest.mark.parametrize(
    "change", ["ADD COLUMN churned_30d BOOLEAN", "ADD COLUMN engagement_score DOUBLE", "DROP COLUMN total_events_7d"]
)
def test_an_outcome_or_a_hidden_cause_among_the_features_turns_red(world: Path, change: str) -> None:
    tamper(world, f"ALTER TABLE churn.user_features {change}")
    assert red_days(world, OUTCOME, days(9)) == [day(9)]


def test_a_feature_made_of_a_label_or_of_what_is_beside_the_contract_turns_red(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in ("churn_labels.future_active_days", "clean_users.extra"):
        features = (*FEATURES[1:], replace(FEATURES[0], sources=(source,)))
        monkeypatch.setattr(Product, "feature_columns", features)
        assert red_days(world, OUTCOME, days(9)) == [day(9)]
