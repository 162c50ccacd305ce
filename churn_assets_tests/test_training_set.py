"""Training sets on disk: one folder per set of inputs, written whole or not at all, never overwritten, loaded as written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import churn_assets
from churn_assets.assets.step import Deployment
from churn_assets.calendar import DayRange
from churn_assets.contracts import Kind
from churn_assets.errors import ChurnError
from churn_assets.training import Manifest, find_inputs, write_training_set
from churn_assets.transforms.training import TooFewDays
from churn_assets.warehouse import read_days
from frames import records
from training_worlds import HORIZON, LABEL, SETTINGS, day, deployment_in, labels, store, store_days

OBSERVED = 26
"""Less two embargoes of 3 days are 20: days 1..12 to train on, 16..19 to validate on, 23..26 to test on."""


def write(deployment: Deployment, code_version: str = "code") -> Manifest:
    with deployment.warehouse.reading() as connection:
        inputs = find_inputs(connection, deployment.settings, deployment.contracts, code_version)
        return write_training_set(connection, deployment.settings, deployment.contracts, inputs)


def version_now(deployment: Deployment, code_version: str = "code") -> str:
    with deployment.warehouse.reading() as connection:
        return find_inputs(connection, deployment.settings, deployment.contracts, code_version).version


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("published") / "data"
    store_days(deployment_in(data), 30, observed=OBSERVED)
    return data


@pytest.fixture
def deployment(tmp_path: Path, template: Path) -> Deployment:
    return deployment_in(Path(shutil.copytree(template, tmp_path / "data")))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- what is written ---


def test_a_version_is_three_files_and_a_manifest_that_says_what_they_are(deployment: Deployment) -> None:
    written = write(deployment)
    folder = deployment.settings.training_sets_dir / written.version
    assert sorted(files(folder)) == ["manifest.json", "test.parquet", "train.parquet", "validation.parquet"]
    manifest = json.loads((folder / "manifest.json").read_text())
    # Sampled are days 1, 3, .. 25; of four users three are at risk.
    assert {
        name: (part["rows"], part["first_as_of_date"], part["last_as_of_date"])
        for name, part in manifest["parts"].items()
    } == {
        "train": (6 * 3, "2026-01-01", "2026-01-11"),
        "validation": (2 * 3, "2026-01-17", "2026-01-19"),
        "test": (2 * 3, "2026-01-23", "2026-01-25"),
    }
    assert manifest["embargo_days"] == HORIZON and manifest["observed"] == ["2026-01-01", "2026-01-26"]
    assert manifest["schema"][-1] == {"name": LABEL, "kind": "flag", "nullable": False}
    assert manifest["settings"]["training"]["stride_days"] == 2 and manifest["code_version"] == "code"
    assert {table: len(by_day) for table, by_day in manifest["inputs"].items()} == {
        "user_features": 10,
        "churn_labels": 10,
    }
    assert Manifest.read(folder) == written


def test_rows_are_the_published_features_of_at_risk_users_with_their_label(deployment: Deployment) -> None:
    write(deployment)
    train, *_ = churn_assets.load_training_set(data=deployment.settings.data_dir)
    with deployment.warehouse.reading() as connection:
        features = read_days(connection, deployment.contracts["user_features"])
        labels = read_days(connection, deployment.contracts["churn_labels"])
    joined = features.merge(labels, on=["user_id", "as_of_date"]).sort_values(["as_of_date", "user_id"])
    sampled = joined["as_of_date"].dt.day.isin([1, 3, 5, 7, 9, 11]) & (joined["as_of_date"].dt.month == 1)
    expected = joined[sampled & joined["is_at_risk"].fillna(False)]
    assert records(train) == records(expected[list(train.columns)])
    assert len(train) == 18 and train[LABEL].dtype == bool


def test_the_last_days_are_left_out_because_their_labels_are_not_observed_yet(deployment: Deployment) -> None:
    write(deployment)
    parts = churn_assets.load_training_set(data=deployment.settings.data_dir)
    assert max(part["as_of_date"].max() for part in parts).date() == day(25)


def test_churned_counts_are_those_of_the_rows(deployment: Deployment) -> None:
    manifest = write(deployment)
    for name, part in churn_assets.load_training_set(data=deployment.settings.data_dir)._asdict().items():
        assert manifest.parts[name].churned == part[LABEL].sum()
        assert manifest.parts[name].churn_rate == part[LABEL].mean()


# --- the same inputs, the same version ---


def test_the_same_inputs_give_the_same_version_and_bytes_wherever_they_lie(
    deployment: Deployment, tmp_path: Path
) -> None:
    other = deployment_in(tmp_path / "other")
    store_days(other, 30, observed=OBSERVED)
    one, two = write(deployment), write(other)
    assert one == two
    folders = [files(of.settings.training_sets_dir / one.version) for of in (deployment, other)]
    assert folders[0] == folders[1]


def test_rows_stored_in_another_order_give_the_same_bytes(deployment: Deployment) -> None:
    first = write(deployment)
    before = files(deployment.settings.training_sets_dir / first.version)
    shutil.rmtree(deployment.settings.training_sets_dir)
    with deployment.warehouse.writing() as connection:
        for table in ("user_features", "churn_labels"):
            connection.execute(
                f"CREATE TEMP TABLE shuffled AS FROM churn.{table} ORDER BY hash(user_id, as_of_date)"
            ).fetchall()
            connection.execute(f"DELETE FROM churn.{table}").fetchall()
            connection.execute(f"INSERT INTO churn.{table} FROM shuffled").fetchall()
            connection.execute("DROP TABLE shuffled").fetchall()
    assert write(deployment) == first
    assert files(deployment.settings.training_sets_dir / first.version) == before


def test_another_label_of_a_sampled_day_another_setting_or_code_makes_another_version(deployment: Deployment) -> None:
    versions = [version_now(deployment), version_now(deployment, "other code")]
    versions.append(
        version_now(deployment_in(deployment.settings.data_dir, SETTINGS.replace("stride_days = 2", "stride_days = 3")))
    )
    restated = [{"user_id": 1, "as_of_date": day(3), "is_at_risk": True, "churned": False}]
    store(deployment, "churn_labels", labels(*restated, settings=deployment.settings), DayRange(day(3), day(3)))
    versions.append(version_now(deployment))
    assert len(set(versions)) == 4


def test_a_day_that_is_not_sampled_changes_no_version(deployment: Deployment) -> None:
    before = version_now(deployment)
    restated = [{"user_id": 1, "as_of_date": day(2), "is_at_risk": True, "churned": False}]
    store(deployment, "churn_labels", labels(*restated, settings=deployment.settings), DayRange(day(2), day(2)))
    assert version_now(deployment) == before


def test_an_existing_version_is_never_overwritten(deployment: Deployment) -> None:
    first = write(deployment)
    folder = deployment.settings.training_sets_dir / first.version
    stamps = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert write(deployment) == first
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps


# --- nothing half made ---


def test_a_part_without_rows_makes_nothing(deployment: Deployment) -> None:
    nobody = [{"user_id": 1, "as_of_date": day(n), "is_at_risk": False, "churned": False} for n in range(16, 20)]
    store(deployment, "churn_labels", labels(*nobody, settings=deployment.settings), DayRange(day(16), day(19)))
    with pytest.raises(TooFewDays, match="validation part would be empty: none of its 2 sampled days"):
        write(deployment)
    assert not deployment.settings.training_sets_dir.exists()


def test_too_few_days_make_nothing_and_say_so(tmp_path: Path) -> None:
    few = deployment_in(tmp_path / "data")
    store_days(few, 11)
    with pytest.raises(TooFewDays, match="observed on 11 days, and a training set needs 12"):
        write(few)
    assert not few.settings.training_sets_dir.exists()


def test_a_kill_leaves_nothing_that_looks_like_a_version_and_the_next_run_clears_it(deployment: Deployment) -> None:
    program = """
import os, signal, sys
from pathlib import Path
import pyarrow.parquet as pq
from churn_assets.assets.step import Deployment
from churn_assets.settings import Settings
from churn_assets.training import find_inputs, write_training_set
made = []
class Killing(pq.ParquetWriter):
    def __init__(self, where, *rest, **options):
        made.append(where)
        if len(made) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        super().__init__(where, *rest, **options)
pq.ParquetWriter = Killing
deployment = Deployment(Settings.load(sys.argv[1]))
with deployment.warehouse.reading() as connection:
    inputs = find_inputs(connection, deployment.settings, deployment.contracts, "code")
    write_training_set(connection, deployment.settings, deployment.contracts, inputs)
"""
    data = deployment.settings.data_dir
    done = subprocess.run([sys.executable, "-c", program, data], check=False)
    assert done.returncode == -9
    root = deployment.settings.training_sets_dir
    (left,) = (path for path in root.iterdir() if path.is_dir())
    assert left.name.startswith(".") and (left / "train.parquet").exists()
    with pytest.raises(ChurnError, match="holds no training set yet"):
        churn_assets.load_training_set(data=data)
    manifest = write(deployment)
    assert [path.name for path in root.iterdir() if path.is_dir()] == [manifest.version]


def test_a_folder_that_cannot_be_written_is_named(deployment: Deployment) -> None:
    deployment.settings.training_sets_dir.write_text("a file where the folder should be")
    with pytest.raises(ChurnError, match=r"training_sets cannot be written to: .+\.$"):
        write(deployment)


# --- loading ---


def test_the_parts_are_typed_frames_with_the_same_categories_in_each(deployment: Deployment) -> None:
    manifest = write(deployment)
    parts = churn_assets.load_training_set(manifest.version, deployment.settings.data_dir)
    contract = deployment.contracts["user_features"]
    for part in parts:
        assert isinstance(part, pd.DataFrame) and part.attrs["version"] == manifest.version
        assert [str(part[c.name].dtype) for c in contract.columns] == [str(c.dtype) for c in contract.columns]
    for column in contract.columns:
        if column.kind is Kind.LABEL:
            assert len({tuple(part[column.name].cat.categories) for part in parts}) == 1
    assert list(parts.train["plan"].cat.categories) == ["free", "paid"]


def test_without_a_version_the_newest_is_loaded_the_one_whose_test_days_end_last(deployment: Deployment) -> None:
    data = deployment.settings.data_dir
    later = write(deployment)
    store(deployment, "churn_labels", deployment.contracts["churn_labels"].empty(), DayRange(day(20), day(26)))
    earlier = write(deployment)
    assert earlier.version != later.version
    assert churn_assets.load_training_set(data=data).train.attrs["version"] == later.version
    assert churn_assets.load_training_set(earlier.version, data).train.attrs["version"] == earlier.version


def test_of_versions_that_end_on_the_same_day_the_one_written_last_is_the_newest(deployment: Deployment) -> None:
    versions = [write(deployment, code).version for code in ("a", "b")]
    for seconds, version in enumerate(versions):
        manifest = deployment.settings.training_sets_dir / version / "manifest.json"
        os.utime(manifest, (1_800_000_000 + seconds,) * 2)
    assert churn_assets.load_training_set(data=deployment.settings.data_dir).test.attrs["version"] == versions[1]


def test_a_version_that_is_not_there_is_named_with_those_that_are(deployment: Deployment) -> None:
    manifest = write(deployment)
    for wrong in ("0123456789abcdef", f"../{manifest.version}"):
        with pytest.raises(ChurnError, match=rf"no version '{wrong}'; it has {manifest.version}\."):
            churn_assets.load_training_set(wrong, deployment.settings.data_dir)


def test_a_file_that_was_changed_is_not_loaded(deployment: Deployment) -> None:
    manifest = write(deployment)
    path = deployment.settings.training_sets_dir / manifest.version / "test.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(ChurnError, match=r"test.parquet is not as it was written; remove its folder"):
        churn_assets.load_training_set(data=deployment.settings.data_dir)
    path.write_bytes(b"torn")
    with pytest.raises(ChurnError, match=r"test.parquet cannot be read"):
        churn_assets.load_training_set(data=deployment.settings.data_dir)
    path.with_name("manifest.json").write_text("{}")
    with pytest.raises(ChurnError, match=r"manifest.json is not the manifest of a training set"):
        churn_assets.load_training_set(data=deployment.settings.data_dir)


def test_the_embargo_holds_between_the_files(deployment: Deployment) -> None:
    manifest = write(deployment)
    parts = [manifest.parts[name] for name in ("train", "validation", "test")]
    for earlier, later in pairwise(parts):
        gap = date.fromisoformat(later.first_as_of_date) - date.fromisoformat(earlier.last_as_of_date)
        assert gap.days - 1 >= HORIZON


def test_importing_the_package_imports_neither_pandas_nor_dagster() -> None:
    program = "import sys, churn_assets; print(sorted({'dagster', 'pandas', 'duckdb', 'pyarrow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
