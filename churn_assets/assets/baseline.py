"""The churn_baseline asset: what the training set of today is worth, in a table and pictures. It stores nothing besides."""

from collections.abc import Iterator

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    MaterializeResult,
    MetadataValue,
    multi_asset,
)

from churn_assets import evaluation
from churn_assets.assets.code_version import code_version
from churn_assets.assets.graph import OWNERS
from churn_assets.assets.step import Deployment
from churn_assets.assets.training_step import inputs_now, is_made
from churn_assets.contracts.training import TRAINING_SET
from churn_assets.evaluation import as_markdown, evaluate, headline
from churn_assets.figures import evaluation_pictures
from churn_assets.training import load_training_set
from churn_assets.warehouse.io_manager import shown

CHURN_BASELINE = "churn_baseline"
DESCRIPTION = """What a training set is worth: gradient boosting and a ranking by days since the last activity, on the same test rows.

Key: none, the figures are metadata and nothing is stored. Partition: none, the training set of what is published now is read.
While there is none it says so."""
NOTHING_MEASURED = "Nothing measured: what is published now has no training set; materialize training_set first."


def build_baseline(deployment: Deployment) -> AssetsDefinition:
    spec = AssetSpec(
        CHURN_BASELINE,
        deps=[TRAINING_SET],
        description=DESCRIPTION,
        group_name="learning",
        owners=OWNERS,
        kinds={"pandas", "scikitlearn"},
        code_version=code_version([evaluation.__name__], [], []),
    )

    # Ranges on the command line and in the UI want this policy of every asset they select.
    @multi_asset(name=CHURN_BASELINE, specs=[spec], backfill_policy=BackfillPolicy.single_run())
    def churn_baseline(context: AssetExecutionContext) -> Iterator[MaterializeResult[None]]:
        inputs = inputs_now(deployment)
        if inputs is None or not is_made(deployment, inputs):
            context.log.info(NOTHING_MEASURED)
            yield MaterializeResult(metadata={"why": NOTHING_MEASURED})
            return
        parts = load_training_set(inputs.version, deployment.settings.data_dir)
        settings = deployment.settings
        measured = evaluate(*parts, label=settings.labels.churned_column, product=settings.declaration)
        table = as_markdown(measured.metrics)
        context.log.info(f"Training set {inputs.version}, on its test part:\n{table}")
        pictures = evaluation_pictures(measured.curves, measured.reliability)
        yield MaterializeResult(
            metadata={
                "training_set": inputs.version,
                **headline(measured.metrics),
                "metrics": MetadataValue.md(table),
                **{name: shown(picture) for name, picture in pictures.items()},
            }
        )

    return churn_baseline
