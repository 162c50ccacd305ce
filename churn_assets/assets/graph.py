"""Dagster assets over the steps: keys, partitions, windows, types and descriptions; one call to the step."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from dagster import (
    AssetDep,
    AssetExecutionContext,
    AssetIn,
    AssetKey,
    AssetMaterialization,
    AssetOut,
    AssetsDefinition,
    BackfillPolicy,
    DailyPartitionsDefinition,
    FreshnessPolicy,
    MetadataValue,
    Output,
    PythonObjectDagsterType,
    TableColumn,
    TableColumnConstraints,
    TableColumnDep,
    TableColumnLineage,
    TableConstraints,
    TableSchema,
    multi_asset,
)

from churn_assets.assets.step import Deployment, Step
from churn_assets.assets.steps import all_steps
from churn_assets.assets.wiring import AnyStep
from churn_assets.calendar import SAME_DAY, DayRange, Window, daily_partitions, days_of_run
from churn_assets.contracts import Column, Contract
from churn_assets.contracts.lineage import column_lineage
from churn_assets.settings import Settings
from churn_assets.warehouse.frames import qualified
from churn_assets.warehouse.io_manager import StoredTable, described
from churn_assets.warehouse.publish import Publication, publish
from churn_assets.warehouse.retry import retried_when_busy

FRESH_GROUPS = ("metrics", "learning", "scores")
"""What others read in the morning: the tables at the end of the graph."""
FRESH_BY = "0 8 * * *"
"""In the deployment's zone."""
OWNERS = ["team:data-engineering"]
MOST_SOURCES_SHOWN = 4
STORED_TABLE = PythonObjectDagsterType(StoredTable, name="StoredTable")
PUBLICATION = PythonObjectDagsterType(Publication, name="Publication")


def build_assets(deployment: Deployment) -> list[AssetsDefinition]:
    """One asset per table; tables of one step are made together."""
    partitions = daily_partitions(deployment.settings)
    return [_assets_of(step, deployment, partitions) for step in all_steps(deployment.settings)]


def _assets_of(step: AnyStep, deployment: Deployment, partitions: DailyPartitionsDefinition) -> AssetsDefinition:
    makes_several = len(step.outputs) > 1

    @multi_asset(
        name=step.name,
        description=step.description,
        group_name=step.group,
        partitions_def=partitions,
        backfill_policy=BackfillPolicy.single_run(),
        can_subset=makes_several,
        ins={
            table: AssetIn(key=table, partition_mapping=window.partition_mapping(), dagster_type=STORED_TABLE)
            for table, window in step.reads.items()
        },
        deps=[
            *(AssetDep(table, partition_mapping=SAME_DAY.partition_mapping()) for table in step.after),
            *([AssetDep(step.beside.asset)] if isinstance(step, Step) and step.beside else []),
        ],
        outs={
            table: AssetOut(
                dagster_type=PUBLICATION,
                is_required=not makes_several,
                description=_described(deployment.contracts[table], step),
                metadata=_metadata(deployment.contracts[table], deployment.settings),
                owners=OWNERS,
                kinds={"pandas", "duckdb"},
                code_version=step.code_version(deployment),
                freshness_policy=_freshness(step, deployment.settings),
            )
            for table in step.outputs
        },
    )
    def assets(context: AssetExecutionContext, **_: Any) -> Iterator[Output[Publication]]:
        for publication in step.publications(deployment, asked_days(context), context.run_id):
            if AssetKey(publication.contract.table) in context.selected_asset_keys:
                yield Output(publication, output_name=publication.contract.table)
            else:
                _publish_beside(context, deployment, publication)

    return assets


def _publish_beside(context: AssetExecutionContext, deployment: Deployment, publication: Publication) -> None:
    """Publish a table that was not asked for, but is made together with one that was: what is made together stays of one piece."""
    with retried_when_busy(context.run.tags), deployment.warehouse.writing() as connection:
        entries = publish(connection, publication)
    for entry, metadata in described(entries, publication):
        context.log_event(AssetMaterialization(entry.table, partition=entry.day.isoformat(), metadata=metadata))


def _freshness(step: AnyStep, settings: Settings) -> FreshnessPolicy | None:
    """Computed within the day before FRESH_BY. A calendar with an end is a history, of which nothing new is expected."""
    if settings.end_date or step.group not in FRESH_GROUPS:
        return None
    return FreshnessPolicy.cron(FRESH_BY, lower_bound_delta=timedelta(days=1), timezone=settings.timezone)


def asked_days(context: AssetExecutionContext) -> DayRange:
    """The days of the run: one partition or a range. Raises ChurnError for one that ends before it starts."""
    keys = context.partition_key_range
    return days_of_run(keys.start, keys.end)


def _described(contract: Contract, step: AnyStep) -> str:
    """The row in one sentence, where it comes from, its key, and the window it depends on: lists show the beginning."""
    grain = contract.grain[0].upper() + contract.grain[1:]
    made = f" {step.description}" if contract.table == step.outputs[0] else f" Made together with {step.outputs[0]}."
    reads = "; ".join(f"{table} {_days_read(window)}" for table, window in step.reads.items())
    windows = f" A partition D reads {reads}." if reads else ""
    return f"{grain}.{made}\n\nKey: {', '.join(contract.key)}. Partition: {contract.day}.{windows}"


def _days_read(window: Window) -> str:
    if window == SAME_DAY:
        return "of D"
    first = "the calendar's start" if window.back is None else f"D - {window.back}" if window.back else "D"
    last = f"D + {window.ahead}" if window.ahead else "D"
    after, until = (f"D + {n}" if n else "D" for n in (window.late, window.ahead - window.late))
    all_are = f"all up to {until} are published" if window.late else "all are published"
    return f"from {first} to {last}" + (f" (the days after {after} once {all_are})" if window.closes else "")


def _metadata(contract: Contract, settings: Settings) -> dict[str, Any]:
    return {
        "partition_expr": contract.day,
        "dagster/table_name": f"churn.{contract.table}",
        **columns_metadata(contract, settings),
        "query": f"SELECT * FROM {qualified(contract.table)} WHERE {contract.day} = DATE '...'",
    }


def columns_metadata(contract: Contract, settings: Settings) -> dict[str, Any]:
    """The contract as the UI shows columns, and what each is made from, which also ends its description."""
    lineage = column_lineage(contract, settings)
    columns = [_column(column, lineage.get(column.name, ())) for column in contract.columns]
    rules = TableConstraints(other=[rule.sentence for rule in contract.rules])
    deps = {name: [TableColumnDep(*source.split(".")) for source in sources] for name, sources in lineage.items()}
    return {
        "dagster/column_schema": MetadataValue.table_schema(TableSchema(columns=columns, constraints=rules)),
        "dagster/column_lineage": MetadataValue.column_lineage(TableColumnLineage(deps)),
    }


def _column(column: Column, sources: tuple[str, ...]) -> TableColumn:
    bounds = {">=": column.minimum, "<=": column.maximum}
    limits = [f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None]
    return TableColumn(
        name=column.name,
        type=column.kind.duckdb_type,
        description=column.description_with_unit + _made_from(sources),
        constraints=TableColumnConstraints(nullable=column.nullable, other=limits),
    )


def _made_from(sources: tuple[str, ...]) -> str:
    """Dagster's own UI shows no lineage of columns, so descriptions do: the columns, or where they are many their tables."""
    if not sources:
        return ""
    shown = sources if len(sources) <= MOST_SOURCES_SHOWN else sorted({source.split(".")[0] for source in sources})
    return f" ← {', '.join(shown)}"
