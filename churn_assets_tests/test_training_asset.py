"""The training_set asset: made last and once, of all published days, by a backfill and by Dagster's own commands alike."""

from __future__ import annotations

import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dagster import AssetKey, AssetRecordsFilter

from churn_assets import load_training_set
from churn_assets.assets.scoring_steps import serving_models
from churn_assets.automation.backfill import Report, backfill, dagster_instance, planned
from churn_assets.checks.training_set import embargo_holds, no_outcome
from churn_assets.graph import build_definitions
from churn_assets.settings import Settings
from churn_assets.synthetic import generate
from churn_assets.training import write
from churn_assets.transforms.training import Split, split_by_time
from test_dagster_command import materialize
from training_worlds import START, day, deployment_in
from worlds import churn, command, deployment_of, hashes, query, run_plainly, run_with_dagster, tamper

DAYS = 16
TOML = """start_date = 2026-01-01
end_date = 2026-01-16
lateness_days = 1
[labels]
horizon_days = 2
at_risk_days = 3
[training]
stride_days = 2
"""
"""16 landing days give 14 with labels: 10 without the embargoes of 2, of which a fifth is 2."""

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")]


@pytest.fixture(scope="module")
def landed_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("training") / "data"
    generate(data / "landing", start=START, days=DAYS, users=30, seed=3)
    deployment_in(data, TOML)
    return data


@pytest.fixture(scope="module")
def made(landed_days: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """The deployment with everything made by one backfill, and what it reported."""
    data = Path(shutil.copytree(landed_days, tmp_path_factory.mktemp("made") / "data"))
    return data, run_with_dagster(data)


def versions(data: Path) -> list[str]:
    root = data / "training_sets"
    return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.exists() else []


def test_a_backfill_makes_it_last_and_says_which_version(made: tuple[Path, Report]) -> None:
    data, report = made
    assert report.succeeded and [report.training_set] == versions(data)
    train, validation, test = load_training_set(data=data)
    assert train["as_of_date"].min().date() == day(1) and test["as_of_date"].max().date() == day(13)
    assert min(len(train), len(validation), len(test)) > 5


def test_its_materialization_has_no_partition_and_shows_version_path_rows_dates_and_rates(
    made: tuple[Path, Report],
) -> None:
    data, report = made
    with dagster_instance(deployment_of(data)) as instance:
        found = instance.fetch_materializations(AssetRecordsFilter(asset_key=AssetKey("training_set")), limit=5).records
    (record,) = found
    materialization = record.asset_materialization
    assert materialization is not None and materialization.partition is None
    shown = {name: value.value for name, value in materialization.metadata.items()}
    parts = load_training_set(data=data)._asdict()
    assert shown["version"] == report.training_set and Path(str(shown["path"])).is_dir()
    assert shown["dagster/row_count"] == sum(map(len, parts.values()))
    for name, part in parts.items():
        assert shown[f"{name}_rows"] == len(part)
        assert shown[f"{name}_churn_rate"] == pytest.approx(part.iloc[:, -1].mean(), abs=5e-5)
        first, last = part["as_of_date"].min().date(), part["as_of_date"].max().date()
        assert shown[f"{name}_days"] == f"{first} .. {last}"


def test_a_model_follows_it_and_each_day_is_scored_once(made: tuple[Path, Report]) -> None:
    data, report = made
    newest = serving_models(deployment_of(data).settings).newest
    assert newest is not None and newest.training_set == report.training_set
    assert report.model == f"{newest.version} made: {newest.why}"
    assert {at for table, at in hashes(data) if table == "churn_scores"} == {
        day(number) for number in range(1, DAYS + 1)
    }
    assert query(data, "SELECT 1 FROM duckdb_tables() WHERE table_name = 'restatements'") == [], (
        "nothing was published twice"
    )


def test_a_model_that_was_removed_is_made_again_and_scores_alike(made: tuple[Path, Report], tmp_path: Path) -> None:
    data = Path(shutil.copytree(made[0], tmp_path / "data"))
    before = hashes(data)
    shutil.rmtree(data / "models")
    assert run_with_dagster(data).model == made[1].model
    assert hashes(data) == before


def test_a_damaged_model_stops_in_a_sentence_that_names_its_folder(made: tuple[Path, Report], tmp_path: Path) -> None:
    data = Path(shutil.copytree(made[0], tmp_path / "data"))
    (manifest,) = (data / "models").glob("*/manifest.json")
    manifest.write_text("{")
    for asked in ("backfill", "status"):
        done = churn(data, asked)
        assert done.returncode == 1 and "is not the manifest of a model; remove the folder" in done.stderr
        assert "Traceback" not in done.stderr
    shutil.rmtree(manifest.parent)
    assert run_with_dagster(data).model == made[1].model


def test_an_estimator_that_cannot_be_fitted_leaves_the_tables_and_the_training_set(
    landed_days: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(landed_days, tmp_path / "data"))
    deployment_in(data, TOML + '[model]\ncandidate = "own:make"\n')
    (data / "own.py").write_text("def make():\n    raise KeyError('secret')\n")
    report = run_with_dagster(data)
    assert not report.succeeded and report.training_set is not None and report.model is None
    (sentence,) = report.failures
    assert "model.candidate 'own:make' could not be fitted (KeyError)" in sentence and "secret" not in sentence
    assert "churn_labels" in {table for table, _ in hashes(data)}
    (data / "churn.toml").write_text(TOML)
    assert run_with_dagster(data).succeeded


def test_again_there_is_nothing_to_do(made: tuple[Path, Report]) -> None:
    data, report = made
    again = run_with_dagster(data)
    assert again.succeeded and again.training_set is None and again.partitions == 0
    assert versions(data) == [report.training_set]


def test_a_version_that_was_removed_is_made_again_alike(made: tuple[Path, Report], tmp_path: Path) -> None:
    data = Path(shutil.copytree(made[0], tmp_path / "data"))
    shutil.rmtree(data / "training_sets")
    assert run_with_dagster(data).training_set == made[1].training_set


def test_in_chunks_of_days_and_tiny_blocks_the_version_is_the_same(
    landed_days: Path, made: tuple[Path, Report], tmp_path: Path
) -> None:
    data = Path(shutil.copytree(landed_days, tmp_path / "data"))
    deployment_in(data, "block_rows = 40\nbackfill_chunk_days = 5\n" + TOML)
    run_plainly(data)
    assert run_with_dagster(data).training_set == made[1].training_set


def test_it_is_made_only_where_it_is_asked_for(landed_days: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(landed_days, tmp_path / "data"))
    deployment = deployment_of(data)
    definitions = build_definitions(deployment.settings)
    tables = set(deployment.contracts)
    assert backfill(definitions, deployment, planned(deployment, tables=tables)).training_set is None
    assert versions(data) == []
    assert backfill(definitions, deployment, planned(deployment, tables={"training_set"})).training_set is not None


def test_while_days_are_too_few_a_backfill_succeeds_without_one(landed_days: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(landed_days, tmp_path / "data"))
    (data / "churn.toml").write_text(TOML.replace("2026-01-16", "2026-01-11"))
    report = run_with_dagster(data)
    assert report.succeeded and report.training_set is None and report.partitions > 0
    assert not (data / "training_sets").exists()


def test_inputs_that_fail_a_blocking_check_make_no_training_set(made: tuple[Path, Report], tmp_path: Path) -> None:
    data = Path(shutil.copytree(made[0], tmp_path / "data"))
    shutil.rmtree(data / "training_sets")
    tamper(data, f"DELETE FROM churn.user_features WHERE as_of_date = '{day(3)}' AND user_id % 2 = 0")
    report = run_with_dagster(data)
    assert not report.succeeded and report.training_set is None and versions(data) == []


def test_a_split_without_an_embargo_and_an_outcome_among_the_features_turn_its_checks_red(
    made: tuple[Path, Report],
) -> None:
    parts, settings = load_training_set(data=made[0]), Settings.load(made[0])
    assert embargo_holds(parts, settings).passed and no_outcome(parts, settings).passed
    early = parts._replace(test=parts.test.assign(as_of_date=parts.test["as_of_date"] - pd.Timedelta(days=2)))
    assert embargo_holds(early, settings).figures["days_between_validation_and_test"] < settings.embargo_days
    assert not embargo_holds(early, settings).passed
    train = parts.train.copy()
    train.insert(2, "future_active_days", 0)
    assert not no_outcome(parts._replace(train=train), settings).passed
    label = parts.test.columns[-1]
    assert not no_outcome(parts._replace(test=parts.test.rename(columns={label: "gone"})), settings).passed


def test_a_training_set_whose_embargo_does_not_hold_fails_the_run(
    made: tuple[Path, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(shutil.copytree(made[0], tmp_path / "data"))
    shutil.rmtree(data / "training_sets")

    def careless(first: date, last: date, **how: Any) -> Split:
        return split_by_time(first, last, **{**how, "embargo_days": 0})

    monkeypatch.setattr(write, "split_by_time", careless)
    report = run_with_dagster(data)
    assert not report.succeeded and set(report.blocking) == {"training_set.embargo_holds"}


def test_the_command_says_what_was_made(made: tuple[Path, Report], tmp_path: Path) -> None:
    data = Path(shutil.copytree(made[0], tmp_path / "data"))
    shutil.rmtree(data / "training_sets")
    status = command("churn-assets", "--data", data, "status", cwd=tmp_path)
    assert "Next: churn-assets backfill" in status.stdout
    done = command("churn-assets", "--data", data, "backfill", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"Training set {made[1].training_set} made." in done.stdout
    again = command("churn-assets", "--data", data, "backfill", cwd=tmp_path)
    assert "Everything is up to date" in again.stdout


# --- Dagster's own commands ---


def test_dagster_materializes_everything_of_the_first_day_and_says_that_days_are_too_few(
    landed_days: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(landed_days, tmp_path / "data"))
    done = materialize(data, "--select", "*", "--partition", day(1))
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r"No training set yet. Labels are observed on 0 days, and a training set needs 10", done.stderr)
    assert versions(data) == []


def test_dagster_makes_the_same_version_of_a_range(
    landed_days: Path, made: tuple[Path, Report], tmp_path: Path
) -> None:
    data = Path(shutil.copytree(landed_days, tmp_path / "data"))
    done = materialize(data, "--select", "*", "--partition-range", f"{day(1)}...{day(DAYS)}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert versions(data) == [made[1].training_set]


def test_dagster_makes_it_alone_too(made: tuple[Path, Report], tmp_path: Path) -> None:
    data = Path(shutil.copytree(made[0], tmp_path / "data"))
    shutil.rmtree(data / "training_sets")
    done = materialize(data, "--select", "training_set")
    assert done.returncode == 0, done.stderr[-2000:]
    assert versions(data) == [made[1].training_set]
