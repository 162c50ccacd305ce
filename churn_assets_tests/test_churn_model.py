"""The churn_model asset: a model of the training set of what is published now, judged beside the rule, or nothing where there is none."""

from __future__ import annotations

import re
import shutil
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance
from PIL import Image

from churn_assets.assets.code_version import modules_behind
from churn_assets.assets.model_step import MODULES
from churn_assets.assets.scoring_steps import CHURN_MODEL, CHURN_TRANSFORMER, serving_models
from churn_assets.assets.step import Deployment
from churn_assets.assets.training_step import make_training_set
from churn_assets.evaluation import as_markdown, evaluate
from churn_assets.graph import build_definitions
from churn_assets.training import load_training_set
from test_figures import LARGEST_BYTES
from training_worlds import LABEL, SETTINGS, day, deployment_in, store_days
from worlds import deployment_of, tamper

EACH_DAY = SETTINGS.replace("stride_days = 2", "stride_days = 1")
"""Odd users churn on every second day: seen each day there is something to learn, every second day there is not."""

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def materialized(deployment: Deployment) -> tuple[list[AssetMaterialization], str]:
    """What a run of the asset alone materializes, and what it logs."""
    keys = [AssetKey(CHURN_MODEL), AssetKey(CHURN_TRANSFORMER)]
    job = build_definitions(deployment.settings).get_repository_def().get_implicit_job_def_for_assets(keys)
    assert job is not None
    with DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, asset_selection=keys)
        log = "\n".join(entry.user_message for entry in instance.all_logs(result.run_id))
    assert result.success
    return [event.materialization for event in result.get_asset_materialization_events()], log


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("learnable") / "data"
    deployment = deployment_in(data, EACH_DAY)
    store_days(deployment, 30, users=40, observed=26)
    make_training_set(deployment)
    return data


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "data"))


def test_it_fits_keeps_and_shows_a_model_and_how_it_does_beside_the_rule(data: Path) -> None:
    made, log = materialized(deployment_of(data))
    assert {event.asset_key.to_user_string() for event in made} == {CHURN_MODEL, CHURN_TRANSFORMER}
    assert made[0].partition is None
    parts = load_training_set(data=data)
    shown = {name: value.value for name, value in made[0].metadata.items()}
    newest = serving_models(deployment_of(data).settings).newest
    assert newest is not None
    assert shown["training_set"] == newest.training_set == parts.train.attrs["version"]
    assert (shown["version"], shown["takes_over"], shown["why"]) == (newest.version, newest.takes_over, newest.why)
    assert {path.name for path in Path(str(shown["path"])).iterdir()} == {*newest.files, "manifest.json"}
    metrics = evaluate(*parts, label=LABEL).metrics
    assert shown["metrics"] == as_markdown(metrics)
    assert as_markdown(metrics) in log
    for figure in metrics.loc[metrics["metric"] == "average_precision"].query("ranking != 'difference'").itertuples():
        number = shown.get(f"average_precision_{figure.ranking}_{figure.group}")
        assert number == pytest.approx(figure.value) if pd.notna(figure.value) else number is None
    for name in ("precision_recall", "lift", "reliability"):
        found = re.fullmatch(r"!\[[^\]]+\]\(data:image/png;base64,([^)]+)\)", str(shown[name]))
        assert found and len(str(shown[name])) < LARGEST_BYTES
        with Image.open(BytesIO(b64decode(found[1]))) as image:
            image.verify()


def test_while_the_newest_model_is_recent_it_fits_none_and_shows_that_one(data: Path) -> None:
    first, _ = materialized(deployment_of(data))
    again, log = materialized(deployment_of(data))
    assert "No new model is due." in log and len([*(data / "models").glob("*/manifest.json")]) == 1
    assert again[0].metadata["version"] == first[0].metadata["version"]
    assert again[0].metadata["metrics"] == first[0].metadata["metrics"]


def test_where_nobody_churns_the_rule_serves_and_it_says_why(tmp_path: Path) -> None:
    deployment = deployment_in(tmp_path / "data")
    store_days(deployment, 30, observed=26)
    make_training_set(deployment)
    made, _ = materialized(deployment)
    table = str(made[0].metadata["metrics"].value)
    assert "all at risk, baseline not known: none of 6 test rows churned" in table
    newest = serving_models(deployment.settings).newest
    assert newest is not None and not newest.takes_over and "one outcome only" in newest.why


def test_while_days_are_too_few_it_makes_nothing_and_says_so(tmp_path: Path) -> None:
    deployment = deployment_in(tmp_path / "data", EACH_DAY)
    store_days(deployment, 11, observed=8)
    made, log = materialized(deployment)
    assert [*made[0].metadata] == ["why"] and "materialize training_set first" in log


def test_before_anything_is_published_it_makes_nothing_and_says_so(tmp_path: Path) -> None:
    made, log = materialized(deployment_in(tmp_path / "data"))
    assert [*made[0].metadata] == ["why"] and "materialize training_set first" in log


def test_a_training_set_of_what_was_published_before_is_not_taken_for_todays(data: Path) -> None:
    tamper(
        data,
        f"UPDATE churn.publish_ledger SET content_hash = repeat('0', 32) "
        f"WHERE table_name = 'user_features' AND partition_date = '{day(1)}'",
    )
    made, log = materialized(deployment_of(data))
    assert [*made[0].metadata] == ["why"] and "materialize training_set first" in log


def test_its_code_version_is_of_all_that_decides_the_model_and_its_figures() -> None:
    behind = {name.removeprefix("churn_assets.") for name in modules_behind(MODULES)}
    assert {f"models.{name}" for name in ("candidates", "transformer", "calibration", "drift")} <= behind
    assert {f"evaluation.{name}" for name in ("bootstrap", "curves", "evaluate", "ranking")} <= behind
