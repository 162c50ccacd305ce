"""Assets and checks in the product's numbers that do nothing: what Dagster itself costs.

Tables and their checks come from the file $BENCH_SHAPE, first and last day from $BENCH_DAYS.
"""

import json
import os
import warnings
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetChecksDefinition,
    AssetCheckSpec,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    BetaWarning,
    DailyPartitionsDefinition,
    Definitions,
    Output,
    PreviewWarning,
    asset,
    in_process_executor,
    multi_asset_check,
)

warnings.simplefilter("ignore", PreviewWarning)
warnings.simplefilter("ignore", BetaWarning)

first, last = map(date.fromisoformat, os.environ["BENCH_DAYS"].split())
days = [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]
partitions = DailyPartitionsDefinition(first.isoformat(), end_date=(last + timedelta(days=1)).isoformat())


def empty_asset(table: str) -> AssetsDefinition:
    @asset(name=table, partitions_def=partitions, backfill_policy=BackfillPolicy.single_run())
    def nothing() -> None:
        return

    return nothing


def empty_checks(table: str, names: list[str]) -> AssetChecksDefinition:
    specs = [AssetCheckSpec(name, asset=table, partitions_def=partitions) for name in names]

    @multi_asset_check(name=f"check_{table}", specs=specs)
    def nothing_wrong(context: AssetCheckExecutionContext) -> Iterator[Any]:
        for name in names:
            for day in days:
                yield AssetCheckEvaluation(
                    asset_key=AssetKey(table), check_name=name, passed=True, metadata={}, partition=day
                )
            yield Output(None, output_name=f"{table}_{name}")

    return nothing_wrong


shape = json.loads(Path(os.environ["BENCH_SHAPE"]).read_text())
defs = Definitions(
    assets=[empty_asset(table) for table in shape],
    asset_checks=[empty_checks(table, [f"check_{n}" for n in range(count)]) for table, count in shape.items() if count],
    executor=in_process_executor,
)
