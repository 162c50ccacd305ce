"""The online_store asset: the newest day in a store of single users, so it has no partitions."""

from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, BackfillPolicy, MaterializeResult, asset

from churn_assets.assets.graph import OWNERS
from churn_assets.assets.online_step import ONLINE_STORE, publish_online
from churn_assets.assets.scoring_steps import SCORES
from churn_assets.assets.step import Deployment
from churn_assets.online.store import open_store
from churn_assets.serving_settings import SQLITE
from churn_assets.training.write import FEATURES

DESCRIPTION = """Features and scores of the newest day, where `churn-assets serve` finds single users.

Key: user_id. Partition: none, a store holds one day and replaces it at one moment. A late older state never replaces a newer one."""


def build_online_store(deployment: Deployment) -> AssetsDefinition:
    # Ranges on the command line and in the UI want this policy of every asset they select.
    @asset(
        name=ONLINE_STORE,
        deps=[FEATURES, SCORES],
        description=DESCRIPTION,
        group_name="serving",
        owners=OWNERS,
        kinds={"sqlite" if deployment.settings.serving.store == SQLITE else "redis"},
        backfill_policy=BackfillPolicy.single_run(),
    )
    def online_store(context: AssetExecutionContext) -> MaterializeResult[None]:
        published = publish_online(deployment)
        held = published.snapshot
        context.log.info(f"{'Published' if published.is_new else 'Nothing to publish'}: {published.why}.")
        metadata: dict[str, Any] = {"why": published.why, "place": open_store(deployment.settings).place}
        if held:
            metadata |= {
                "as_of_date": held.as_of_date.isoformat(),
                "users": held.users,
                "version": held.version,
                "scored_by": held.scored_by or "not scored",
            }
        return MaterializeResult(metadata=metadata)

    return online_store
