"""Fixtures shared by tests of the warehouse and of the whole graph. Each test changes only its own copy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ["COLUMNS"] = "200"  # read when the package's console is made
import worlds
from churn_assets.automation.backfill import dagster_instance
from churn_assets.warehouse import Warehouse
from sizes import examples

# How fast the machine happens to be is no reason to fail.
settings.register_profile(
    "churn_assets", max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("churn_assets")


@pytest.fixture(autouse=True)
def _no_deployment_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's shell points at is never read, let alone written."""
    for name in ("CHURN_DATA_DIR", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """A place for a warehouse: the file is not there yet."""
    return Warehouse(tmp_path / "warehouse.duckdb", lock_timeout_seconds=30)


@pytest.fixture(scope="session")
def landed_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("landed") / "data"
    worlds.small_world(data)
    with dagster_instance(worlds.deployment_of(data)):
        return data


@pytest.fixture(scope="session")
def computed_template(tmp_path_factory: pytest.TempPathFactory, landed_template: Path) -> Path:
    data = tmp_path_factory.mktemp("computed") / "data"
    shutil.copytree(landed_template, data)
    worlds.run_plainly(data)
    return data


@pytest.fixture
def landed(tmp_path: Path, landed_template: Path) -> Path:
    """The data folder of a small world of which nothing is computed, with the databases of Dagster, which has run nothing."""
    return Path(shutil.copytree(landed_template, tmp_path / "data"))


@pytest.fixture
def computed(tmp_path: Path, computed_template: Path) -> Path:
    """The data folder of a small world of which everything is computed; no Dagster has run."""
    return Path(shutil.copytree(computed_template, tmp_path / "data"))


@pytest.fixture(scope="session")
def expected(computed_template: Path) -> worlds.Hashes:
    """Content hashes of the small world, computed in one go."""
    return worlds.hashes(computed_template)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that workers end together (`make` keeps xdist from sorting by number of tests). Tests
    that draw examples are marked, to be asked for with all of them.
    """
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("drawn")
    first = ("test_reference", "test_training_asset", "test_ui", "test_graph", "test_cli")
    ranks = {name: rank for rank, name in enumerate(first)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(first)))
