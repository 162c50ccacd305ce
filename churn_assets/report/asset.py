"""The churn_report asset: what `churn-assets report` writes, and its pictures in the UI. No table is made."""

from collections.abc import Iterator

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    MaterializeResult,
    multi_asset,
)

from churn_assets import report
from churn_assets.assets.code_version import code_version
from churn_assets.assets.graph import OWNERS
from churn_assets.assets.step import Deployment
from churn_assets.report.contents import gather
from churn_assets.report.write import pictures_of, write_report
from churn_assets.warehouse.io_manager import shown

CHURN_REPORT = "churn_report"
SHOWN = ("growth_daily", "retention_cohorts")
"""The tables that its pictures draw. It speaks of all tables; a line from each would say no more."""
DESCRIPTION = """Growth, retention, quality and data health of what is published: one page and its pictures, in the deployment's folder.

Key: none, no table is made. Partition: none, it is about all days that are published when it is made."""


def build_report(deployment: Deployment) -> AssetsDefinition:
    """The asset of one deployment. No backfill makes it: a day does not wait for pictures."""
    spec = AssetSpec(
        CHURN_REPORT,
        deps=SHOWN,
        description=DESCRIPTION,
        group_name="metrics",
        owners=OWNERS,
        kinds={"pandas", "html"},
        code_version=code_version([report.__name__], [], []),
    )

    # Ranges on the command line and in the UI want this policy of every asset they select.
    @multi_asset(name=CHURN_REPORT, specs=[spec], backfill_policy=BackfillPolicy.single_run())
    def churn_report(context: AssetExecutionContext) -> Iterator[MaterializeResult[None]]:
        contents = gather(deployment)
        page, *_ = write_report(deployment, deployment.settings.reports_dir, contents)
        pictures = {name: shown(picture) for name, picture in pictures_of(contents).items()}
        yield MaterializeResult(metadata={"page": str(page.relative_to(deployment.settings.data_dir)), **pictures})

    return churn_report
