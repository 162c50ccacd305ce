"""Dagster asset checks over the checks: one operation per table, one result per check and partition."""

import time
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetRecordsFilter,
    DagsterEventType,
    Output,
    multi_asset_check,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from churn_assets.calendar import DayRange, contiguous, daily_partitions, days_of_run
from churn_assets.checks.canaries import canaries
from churn_assets.checks.drift import drift_checks
from churn_assets.checks.expectations import expectation_checks
from churn_assets.checks.features import features_invariants
from churn_assets.checks.invariants import invariants
from churn_assets.checks.labels import labels_invariants
from churn_assets.checks.memory import Memory
from churn_assets.checks.metrics import metrics_invariants
from churn_assets.checks.scores import score_checks
from churn_assets.checks.serving import serving_checks
from churn_assets.checks.shares import share_checks
from churn_assets.checks.verdict import NOTHING_TO_LOOK_AT, WHY, Check, Stored, Unsettled, Verdict, not_judged
from churn_assets.checks.volume import volume_checks
from churn_assets.checks.windows import warnings
from churn_assets.contracts import contracts
from churn_assets.errors import OlderDefinition
from churn_assets.settings import Settings
from churn_assets.warehouse import Warehouse
from churn_assets.warehouse.definitions import stored_columns
from churn_assets.warehouse.older import of_an_older_definition
from churn_assets.warehouse.progress import tell
from churn_assets.warehouse.retry import retried_when_busy

MOVED_ON = "its inputs were published anew since, so it is out of date, and judged once it is computed again"


def all_checks(settings: Settings) -> list[Check]:
    """Every check of the product."""
    return [
        *invariants(settings),
        *metrics_invariants(),
        *features_invariants(settings),
        *labels_invariants(),
        *canaries(settings),
        *score_checks(settings),
        *serving_checks(settings),
        *volume_checks(settings),
        *share_checks(settings),
        *drift_checks(settings),
        *warnings(settings),
        *expectation_checks(settings, contracts(settings)),
    ]


def build_checks(settings: Settings, unsettled: Unsettled) -> list[AssetChecksDefinition]:
    """One operation per table with all its checks."""
    by_table: dict[str, list[Check]] = {}
    for check in all_checks(settings):
        by_table.setdefault(check.table, []).append(check)
    return [_checks_of(table, checks, settings, unsettled) for table, checks in by_table.items()]


def verdicts(check: Check, stored: Stored, days: DayRange) -> dict[date, Verdict]:
    """A verdict for every day. A check that crashes, and one with nothing to look at, has not passed. A day of an older
    definition is not judged, nor is any while a table that the check reads besides holds such days. A day that would fail is
    not judged where its inputs have moved on since it was published: it is out of date, and judged once it is computed again.
    """
    try:
        published = stored.published(check.table)
        older = _older(check, stored, days)
        waiting = dict.fromkeys(older, not_judged("the day is of an older definition, and waits for a backfill"))
        found = {**_judged(check, stored, days), **waiting}
    except OlderDefinition as error:
        return dict.fromkeys(days, not_judged(str(error)))
    except Exception as error:
        # Its text may quote a row; its kind does not.
        crashed = Verdict(False, {WHY: f"the check itself failed with {type(error).__name__}"})
        return dict.fromkeys(days, crashed)
    return {day: found.get(day, NOTHING_TO_LOOK_AT) if day in published else NOTHING_TO_LOOK_AT for day in days}


def _judged(check: Check, stored: Stored, days: DayRange) -> Mapping[date, Verdict]:
    found = check.judge(stored, days)
    if not check.reads or not any(verdict.failed for verdict in found.values()):
        return found
    if not (unsettled := {*stored.unsettled(stored.connection, check.table, check.reads, days)}):
        return found
    # Some checks judge all days by a few: those that are settled are judged by themselves.
    settled = contiguous(day for day in days if day not in unsettled)
    again = {day: verdict for span in settled for day, verdict in check.judge(stored, span).items()}
    return {**again, **dict.fromkeys(unsettled, not_judged(MOVED_ON))}


def _older(check: Check, stored: Stored, days: DayRange) -> Collection[date]:
    """Those of `days` whose partition is of an older definition. Raises OlderDefinition where nothing can be judged."""
    for table in check.reads:
        if table in stored.contracts and (older := stored.older(table)):
            raise of_an_older_definition(table, older)
    older, contract = stored.older(check.table), stored.contracts[check.table]
    if older and not {*contract.column_names} <= stored_columns(stored.connection, contract.table).keys():
        raise of_an_older_definition(check.table, older)
    return older.keys() & {*days}


def _checks_of(table: str, checks: list[Check], settings: Settings, unsettled: Unsettled) -> AssetChecksDefinition:
    partitions = daily_partitions(settings)
    specs = [
        AssetCheckSpec(
            name=check.name,
            asset=table,
            description=check.description[0].upper() + check.description[1:],
            blocking=check.blocking,
            additional_deps=list(check.reads),
            partitions_def=partitions,
        )
        for check in checks
    ]

    @multi_asset_check(name=f"check_{table}", specs=specs)
    def run(context: AssetCheckExecutionContext) -> Iterator[Any]:
        keys = context.partition_key_range
        days = days_of_run(keys.start, keys.end)
        targets = _targets(context, table, days)
        memory = Memory.of(settings)
        warehouse = Warehouse(settings.warehouse_path, settings.lock_timeout_seconds)
        with retried_when_busy(context.run.tags), warehouse.reading() as connection:
            stored = Stored(connection, contracts(settings), settings, unsettled)
            found = []
            for check in checks:
                tell(f"checks of {table}", 0)
                found.append((check, verdicts(check, stored, days)))
                if check.blocking:
                    memory.note(check, memory.about(check, stored, days), found[-1][1])
        for check, by_day in found:
            for day, verdict in by_day.items():
                if verdict.passed is None:
                    context.log.info(f"{table}.{check.name} did not judge {day}: {verdict.figures}")
                    continue
                yield AssetCheckEvaluation(
                    asset_key=AssetKey(table),
                    check_name=check.name,
                    passed=verdict.passed,
                    # An empty text (no missing days, say) is a line that says nothing.
                    metadata={name: figure for name, figure in verdict.figures.items() if figure != ""},
                    severity=AssetCheckSeverity.ERROR
                    if check.blocking or verdict.is_error
                    else AssetCheckSeverity.WARN,
                    blocking=check.blocking,
                    partition=day.isoformat(),
                    target_materialization_data=targets.get(day.isoformat()),
                )
            # Dagster wants each declared check's output too; the evaluations above are the results.
            yield Output(None, output_name=f"{table}_{check.name}")

    return run


def _targets(
    context: AssetCheckExecutionContext, table: str, days: DayRange
) -> Mapping[str, AssetCheckEvaluationTargetMaterializationData]:
    """The materialization each partition's result is about."""
    key, keys = AssetKey(table), {day.isoformat() for day in days}
    latest = context.instance.event_log_storage.get_latest_storage_id_by_partition(
        key, DagsterEventType.ASSET_MATERIALIZATION, partitions=keys
    )
    if table in {asset.path[-1] for asset in context.run.asset_selection or ()}:
        return {
            partition: AssetCheckEvaluationTargetMaterializationData(
                storage_id=storage_id, run_id=context.run.run_id, timestamp=time.time()
            )
            for partition, storage_id in latest.items()
            if partition in keys
        }
    targets = {}
    for partition in sorted(keys & set(latest)):
        records = context.instance.fetch_materializations(
            AssetRecordsFilter(asset_key=key, asset_partitions=[partition]), limit=1
        ).records
        for record in records:
            targets[partition] = AssetCheckEvaluationTargetMaterializationData(
                storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
            )
    return targets
