"""Making one version of the training set: found by the hash of its inputs, written beside, moved into place whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from churn_assets.calendar import DayRange
from churn_assets.contracts import Contract
from churn_assets.contracts.training import training_contract
from churn_assets.errors import OlderDefinition
from churn_assets.settings import Settings
from churn_assets.training.manifest import (
    FORMAT,
    MANIFEST,
    Manifest,
    PartSummary,
    content_hash,
    schema_of,
)
from churn_assets.transforms.training import KEY, TooFewDays, sampled_days, split_by_time, training_rows
from churn_assets.versions import version_of, write_version
from churn_assets.warehouse import Ledger, read_days
from churn_assets.warehouse.content_hash import PartitionHashes
from churn_assets.warehouse.frames import arrow_schema, qualified, quoted, table_exists, to_arrow
from churn_assets.warehouse.gate import admit
from churn_assets.warehouse.older import refuse_older

FEATURES, LABELS = "user_features", "churn_labels"
READS = (FEATURES, LABELS)


@dataclass(frozen=True)
class TrainingInputs:
    """What a version is made from, known without reading its rows."""

    identity: Mapping[str, Any]
    """Everything that decides the rows, as JSON values: the manifest but for the version and what came of it."""
    days: Mapping[str, list[date]]
    """The sampled days of each part on which somebody is learned from."""

    @property
    def version(self) -> str:
        return version_of(self.identity)


def find_inputs(
    connection: duckdb.DuckDBPyConnection, settings: Settings, tables: Mapping[str, Contract], code_version: str
) -> TrainingInputs:
    """From the ledger and the days with a label to learn from. Raises TooFewDays, also where a part would have no rows, or
    where a day was published by an older definition: what is left would not be what was asked for.
    """
    label, chosen, embargo = settings.labels.churned_column, settings.training, settings.embargo_days
    labelled = [tables[LABELS].column(name) for name in (*KEY, "is_at_risk", label)]
    try:
        refuse_older(connection, tables[FEATURES])
        refuse_older(connection, tables[LABELS], labelled)
    except OlderDefinition as older:
        raise TooFewDays(str(older)) from older
    observed = _observed_days(connection, label)
    first, last = (min(observed), max(observed)) if observed else (date.max, date.min)
    split = split_by_time(
        first,
        last,
        embargo_days=embargo,
        stride_days=chosen.stride_days,
        validation_share=chosen.validation_share,
        test_share=chosen.test_share,
    )
    ledger = Ledger.read(connection, READS)
    sampled = {
        part: list(sampled_days(*days, calendar_start=settings.calendar_start, stride_days=chosen.stride_days))
        for part, days in split._asdict().items()
    }
    days = {part: [day for day in of_part if day in observed] for part, of_part in sampled.items()}
    for part in (part for part, of_part in days.items() if not of_part):
        raise TooFewDays(
            f"The {part} part would be empty: none of its {len(sampled[part])} sampled days has an at-risk user with an observed "
            "label; land more days, or lower training.stride_days."
        )
    hashes = {
        table: {
            day.isoformat(): entry.content_hash
            for of_part in days.values()
            for day in of_part
            if (entry := ledger.of(table).get(day))
        }
        for table in READS
    }
    identity = {
        "format": FORMAT,
        "label": label,
        "schema": schema_of(training_contract(tables[FEATURES], tables[LABELS], label)),
        "settings": settings.model_dump(
            mode="json", include={"start_date", "timezone", "lateness_days", "labels", "training"}
        ),
        "code_version": code_version,
        "embargo_days": embargo,
        "observed": [first.isoformat(), last.isoformat()],
        "inputs": hashes,
    }
    return TrainingInputs(identity, days)


def write_training_set(
    connection: duckdb.DuckDBPyConnection, settings: Settings, tables: Mapping[str, Contract], inputs: TrainingInputs
) -> Manifest:
    """The version that `inputs` name: written if it does not exist, never overwritten. One day is in memory at a time.

    `connection` must be the session in which the inputs were found, so that the rows are those of the ledger. Raises
    ChurnError where the folder cannot be written.
    """
    contract = training_contract(tables[FEATURES], tables[LABELS], inputs.identity["label"])

    def write(folder: Path) -> None:
        parts = {
            part: _write_part(connection, tables, contract, part, days, folder) for part, days in inputs.days.items()
        }
        manifest = Manifest(version=inputs.version, parts=parts, **inputs.identity)
        (folder / MANIFEST).write_text(manifest.text, encoding="utf-8")

    root = settings.training_sets_dir
    return Manifest.read(write_version(root, inputs.version, settings.lock_timeout_seconds, write))


def _observed_days(connection: duckdb.DuckDBPyConnection, label: str) -> set[date]:
    """Days with a user to learn from: at risk, and seen whether gone."""
    if not table_exists(connection, LABELS):
        return set()
    query = f"SELECT DISTINCT as_of_date FROM {qualified(LABELS)} WHERE is_at_risk AND {quoted(label)} IS NOT NULL"
    return {day for (day,) in connection.execute(query).fetchall()}


def _write_part(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Contract],
    contract: Contract,
    part: str,
    days: list[date],
    folder: Path,
) -> PartSummary:
    """One file, a row group per day; rows in order of day and user, so that equal rows are equal bytes."""
    label = contract.columns[-1].name
    schema, hashes, churned = arrow_schema(contract), PartitionHashes(contract), 0
    with pq.ParquetWriter(folder / f"{part}.parquet", schema, compression="zstd") as writer:
        for day in days:
            only = DayRange(day, day)
            features = read_days(connection, tables[FEATURES], only)
            labels = read_days(connection, tables[LABELS], only, columns=(*KEY, "is_at_risk", label))
            rows = contract.typed(training_rows(features, labels, label=label))
            admit(contract, rows, only)
            hashes.add(rows)
            churned += int(rows[label].sum())
            writer.write_table(to_arrow(contract, rows).cast(schema))
    return PartSummary(
        rows=sum(hashes.rows(day) for day in days),
        churned=churned,
        first_as_of_date=days[0].isoformat(),
        last_as_of_date=days[-1].isoformat(),
        content_hash=content_hash(hashes, days),
    )
