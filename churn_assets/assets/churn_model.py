"""The churn_model and churn_transformer assets: a folder of files made from a training set, so they have no partitions."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    MaterializeResult,
    MetadataValue,
    multi_asset,
)

from churn_assets.assets.graph import OWNERS
from churn_assets.assets.model_step import Made, make_model, model_code_version, why_due
from churn_assets.assets.scoring_steps import CHURN_MODEL, CHURN_TRANSFORMER, serving_models
from churn_assets.assets.step import Deployment
from churn_assets.assets.training_step import inputs_now, is_made
from churn_assets.contracts.training import TRAINING_SET
from churn_assets.evaluation import as_markdown, headline
from churn_assets.figures import evaluation_pictures
from churn_assets.models.manifest import ModelManifest
from churn_assets.warehouse.io_manager import shown

DESCRIPTION = """What ranks users from the day after all that it has seen: gradient boosting or an estimator of your own, where it beats
days since the last activity, and else that rule.

Key: none, a folder of files. Partition: none, the training set of what is published now is read. A new model is fitted once
the training set knows model.refit_days more than the newest one, and never over an old one."""
OF_TRANSFORMER = """The fitted part of feature preparation: which features a model sees, and which categories it knows.

Key: none, a file of the model's folder. Partition: none. Training, daily scores and single users go through it alike."""
NO_TRAINING_SET = "No model yet: what is published now has no training set; materialize training_set first."


def build_churn_model(deployment: Deployment) -> AssetsDefinition:
    version = model_code_version(deployment)
    specs = [
        AssetSpec(
            name,
            deps=[TRAINING_SET],
            description=description,
            group_name="scores",
            owners=OWNERS,
            kinds={"pandas", "scikitlearn"},
            code_version=version,
        )
        for name, description in ((CHURN_TRANSFORMER, OF_TRANSFORMER), (CHURN_MODEL, DESCRIPTION))
    ]

    # Ranges on the command line and in the UI want this policy of every asset they select.
    @multi_asset(name=CHURN_MODEL, specs=specs, can_subset=True, backfill_policy=BackfillPolicy.single_run())
    def churn_model(context: AssetExecutionContext) -> Iterator[MaterializeResult[None]]:
        inputs = inputs_now(deployment)
        metadata: dict[str, Any]
        if inputs is None or not is_made(deployment, inputs):
            context.log.info(NO_TRAINING_SET)
            metadata = {"why": NO_TRAINING_SET}
        elif why := why_due(deployment, inputs):
            made = make_model(deployment, inputs)
            context.log.info(f"Model {made.manifest.version}: {why}, and {made.manifest.why}.\n{_table(made.manifest)}")
            metadata = {**_described(deployment, made.manifest), **_pictures(made)}
        else:
            newest = serving_models(deployment.settings).newest
            context.log.info("No new model is due.")
            metadata = _described(deployment, newest) if newest else {}
        for spec in specs:
            if spec.key in context.selected_asset_keys:
                yield MaterializeResult(asset_key=spec.key, metadata=metadata)

    return churn_model


def _described(deployment: Deployment, model: ModelManifest) -> dict[str, Any]:
    metrics = pd.DataFrame(model.metrics)
    return {
        "version": model.version,
        "path": str(deployment.settings.models_dir / model.version),
        "training_set": model.training_set,
        "candidate": model.candidate,
        "takes_over": model.takes_over,
        "why": model.why,
        **model.seen,
        **headline(metrics),
        "metrics": MetadataValue.md(_table(model)),
    }


def _table(model: ModelManifest) -> str:
    return as_markdown(pd.DataFrame(model.metrics))


def _pictures(made: Made) -> dict[str, Any]:
    if made.evaluation is None:
        return {}
    pictures = evaluation_pictures(made.evaluation.curves, made.evaluation.reliability)
    return {name: shown(picture) for name, picture in pictures.items()}
