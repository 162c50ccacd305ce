"""The training_set asset: a folder of files made from all published days, so it has no partitions and comes last."""

from collections.abc import Iterator

from dagster import AssetExecutionContext, AssetsDefinition, AssetSpec, BackfillPolicy, MaterializeResult, multi_asset

from churn_assets.assets.graph import OWNERS, columns_metadata
from churn_assets.assets.step import Deployment
from churn_assets.assets.training_step import contract_now, make_training_set, training_code_version
from churn_assets.contracts.training import TRAINING_SET
from churn_assets.training import Manifest
from churn_assets.training.write import READS
from churn_assets.transforms.training import TooFewDays

DESCRIPTION = """One at-risk user and sampled day whose label is observed, in Parquet files: train, validation and test, apart in time.

Key: user_id, as_of_date. Partition: none, all published days of user_features and churn_labels are read. While they are too few it
makes nothing and says why; nor does it make a version that exists already."""


def build_training_set(deployment: Deployment) -> AssetsDefinition:
    spec = AssetSpec(
        TRAINING_SET,
        deps=list(READS),
        description=DESCRIPTION,
        group_name="learning",
        owners=OWNERS,
        kinds={"pandas", "duckdb", "parquet"},
        metadata=columns_metadata(contract_now(deployment), deployment.settings),
        code_version=training_code_version(deployment),
    )

    # Ranges on the command line and in the UI want this policy of every asset they select.
    @multi_asset(name=TRAINING_SET, specs=[spec], backfill_policy=BackfillPolicy.single_run())
    def training_set(context: AssetExecutionContext) -> Iterator[MaterializeResult[None]]:
        try:
            manifest = make_training_set(deployment)
        except TooFewDays as few:
            # Materialized all the same: Dagster calls a backfill failed that leaves out an asset it was asked for.
            context.log.info(f"No training set yet. {few}")
            yield MaterializeResult(metadata={"why": f"No training set yet. {few}"})
            return
        yield MaterializeResult(metadata=_metadata(deployment, manifest))

    return training_set


def _metadata(deployment: Deployment, manifest: Manifest) -> dict[str, str | int | float]:
    figures: dict[str, str | int | float] = {}
    for name, part in manifest.parts.items():
        figures[f"{name}_rows"] = part.rows
        figures[f"{name}_days"] = f"{part.first_as_of_date} .. {part.last_as_of_date}"
        figures[f"{name}_churn_rate"] = round(part.churn_rate, 4)
    folder = deployment.settings.training_sets_dir / manifest.version
    return {
        "version": manifest.version,
        "path": str(folder),
        "dagster/row_count": manifest.rows,
        "embargo_days": manifest.embargo_days,
        **figures,
    }
