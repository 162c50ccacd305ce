"""What the training_set asset does: find the version that published features and labels make, and write it if it is new.

Knows no Dagster, like the steps. It is none of them, because it makes no partitions.
"""

from __future__ import annotations

import duckdb

from churn_assets.assets.code_version import code_version
from churn_assets.assets.step import Deployment
from churn_assets.contracts import Contract
from churn_assets.contracts.training import training_contract
from churn_assets.training import Manifest, TrainingInputs, find_inputs, write_training_set
from churn_assets.training.write import FEATURES, LABELS
from churn_assets.transforms import training_rows
from churn_assets.transforms.training import TooFewDays


def contract_now(deployment: Deployment) -> Contract:
    """What a version made now would hold."""
    tables = deployment.contracts
    return training_contract(tables[FEATURES], tables[LABELS], deployment.settings.labels.churned_column)


def training_code_version(deployment: Deployment) -> str:
    """Changes with the code that picks and joins the rows, and with their columns."""
    return code_version([training_rows.__module__], [deployment.settings.training], [contract_now(deployment)])


def make_training_set(deployment: Deployment) -> Manifest:
    """The version of what is published now, written if it does not exist. Raises TooFewDays."""
    with deployment.warehouse.reading() as connection:
        inputs = _found(deployment, connection)
        return write_training_set(connection, deployment.settings, deployment.contracts, inputs)


def inputs_now(deployment: Deployment) -> TrainingInputs | None:
    """Of the version that is or would be made of what is published now; None where the days are too few."""
    found = _inputs_now(deployment)
    return found if isinstance(found, TrainingInputs) else None


def too_few_days(deployment: Deployment) -> TooFewDays | None:
    """Why nothing can be made of what is published now, where it cannot."""
    found = _inputs_now(deployment)
    return found if isinstance(found, TooFewDays) else None


def _inputs_now(deployment: Deployment) -> TrainingInputs | TooFewDays | None:
    if not deployment.settings.warehouse_path.exists():
        return None
    try:
        with deployment.warehouse.reading() as connection:
            return _found(deployment, connection)
    except TooFewDays as few:
        return few


def _found(deployment: Deployment, connection: duckdb.DuckDBPyConnection) -> TrainingInputs:
    version = training_code_version(deployment)
    return find_inputs(connection, deployment.settings, deployment.contracts, version)


def is_made(deployment: Deployment, inputs: TrainingInputs) -> bool:
    return (deployment.settings.training_sets_dir / inputs.version).exists()


def missing_training_set(deployment: Deployment) -> TrainingInputs | None:
    """What would be made now; None where it exists already, or the days are too few."""
    inputs = inputs_now(deployment)
    return None if inputs is None or is_made(deployment, inputs) else inputs
