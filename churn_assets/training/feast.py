"""user_features as a repository of Feast: its definitions, and the offline source as one Parquet file.

A row is known from the instant on at which `features_as_of` knows it, and until the next day's is: so a point-in-time join of Feast
gives what `features_as_of` gives.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from textwrap import dedent
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from churn_assets.calendar import ONE_DAY, DayRange
from churn_assets.contracts import Column, Contract, Kind, contracts
from churn_assets.errors import ChurnError
from churn_assets.files import replace_content, written_beside
from churn_assets.product import Product
from churn_assets.settings import Settings
from churn_assets.training.as_of import features_as_of
from churn_assets.training.write import FEATURES
from churn_assets.warehouse import Warehouse
from churn_assets.warehouse.export import published_blocks
from churn_assets.warehouse.frames import arrow_schema, to_arrow

KNOWN_AT = "known_at"
DATA, STORE_FILE, DEFINITIONS = "user_features.parquet", "feature_store.yaml", "features.py"
TTL = ONE_DAY - timedelta(microseconds=1)
TYPES = {
    Kind.INTEGER: "Int64",
    Kind.NUMBER: "Float64",
    Kind.FLAG: "Bool",
    Kind.DATE: "UnixTimestamp",
    Kind.INSTANT: "UnixTimestamp",
}
"""Of Feast; everything else is its String."""
STORE_TEXT = """\
# Written by `churn-assets feast export`; change where Feast keeps things as you like.
project: {project}
provider: local
registry: registry.db
online_store:
    type: sqlite
    path: online_store.db
offline_store:
    type: file
entity_key_serialization_version: 3
"""
DEFINITIONS_TEXT = '''\
"""Features of churn_assets, written by `churn-assets feast export`: export again rather than change them here."""

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Bool, Float64, Int64, String, UnixTimestamp

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.{value_type}, description="A user of the product")
source = FileSource(name="user_features_file", path="{data}", timestamp_field="{known_at}")
user_features = FeatureView(
    name="user_features",
    entities=[user],
    ttl=timedelta(microseconds={ttl}),  # Of that very day, or null: no older row is taken instead.
    source=source,
    online=True,
    owner="{owner}",
    description={description!r},
    schema=[
        Field(name="user_id", dtype={id_type}),
        Field(name="as_of_date", dtype=UnixTimestamp, description="Day the row describes"),
{fields}    ],
)
'''


@dataclass(frozen=True)
class Exported:
    rows: int
    days: int
    last_known_at: datetime
    """From when on the newest day counts, UTC."""


def export_feast(settings: Settings, folder: Path, days: DayRange, *, owner: str) -> Exported:
    """Write the repository of the published `days` into `folder`, over one that is there; what Feast keeps there stays.

    Raises ChurnError where nothing is published on them, a day is of an older definition, or the folder cannot be written.
    """
    contract = contracts(settings)[FEATURES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_others_file(folder / DEFINITIONS)
        exported = _write_rows(settings, contract, folder / DATA, days)
        if not (folder / STORE_FILE).exists():
            replace_content(folder / STORE_FILE, STORE_TEXT.format(project="churn_assets").encode())
        text = definitions_text(contract, settings.declaration, owner=owner)
        replace_content(folder / DEFINITIONS, text.encode())
    except OSError as error:
        raise ChurnError(f"{folder} cannot be written to: {os.strerror(error.errno or 0)}.") from error
    return exported


def _refuse_others_file(path: Path) -> None:
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(
        DEFINITIONS_TEXT.split("\n", 1)[0]
    ):
        raise ChurnError(f"{path} was not written by 'churn-assets feast export'; name another folder.")


def definitions_text(contract: Contract, product: Product, *, owner: str) -> str:
    """The Python file that `feast apply` reads."""
    features = {column.name: column for column in product.feature_columns}
    fields = "".join(
        f"        {_field(contract.column(name), features[name].window_days, features[name].version)}\n"
        for name in features
    )
    is_integer = contract.column("user_id").kind is Kind.INTEGER
    return dedent(DEFINITIONS_TEXT).format(
        value_type="INT64" if is_integer else "STRING",
        id_type="Int64" if is_integer else "String",
        data=DATA,
        known_at=KNOWN_AT,
        ttl=TTL // timedelta(microseconds=1),
        owner=owner,
        description=contract.grain[0].upper() + contract.grain[1:],
        fields=fields,
    )


def _field(column: Column, window_days: int, version: int) -> str:
    tags = {"window_days": str(window_days), "version": str(version), **({"unit": column.unit} if column.unit else {})}
    kind = TYPES.get(column.kind, "String")
    return f"Field(name={column.name!r}, dtype={kind}, description={column.description!r}, tags={tags!r}),"


def known_at(day: date, settings: Settings) -> list[datetime]:
    """From when on the row of a day counts, in UTC: the end of the last day on which late events may land, in the business zone. A
    second time where the day after has more than 24 hours, for which the row would else not count to its end.
    """
    zone, midnight = ZoneInfo(settings.timezone), day + timedelta(days=1 + settings.lateness_days)
    begin, end = (datetime.combine(at, time(), zone).astimezone(timezone.utc) for at in (midnight, midnight + ONE_DAY))
    return [begin, end - ONE_DAY] if end - begin > ONE_DAY else [begin]


def _write_rows(settings: Settings, contract: Contract, path: Path, days: DayRange) -> Exported:
    schema, rows = arrow_schema(contract).append(pa.field(KNOWN_AT, pa.timestamp("us", tz="UTC"))), 0
    with Warehouse(settings.warehouse_path, settings.lock_timeout_seconds).reading() as connection:
        published, blocks = published_blocks(connection, contract, days, settings.block_rows)
        with written_beside(path) as unfinished, pq.ParquetWriter(unfinished, schema) as writer:
            for frame in blocks:
                for table in _known(settings, contract, frame):
                    writer.write_table(table.cast(schema))
                    rows += len(table)
    return Exported(rows, len(published), known_at(published[-1], settings)[0])


def _known(settings: Settings, contract: Contract, frame: pd.DataFrame) -> Iterator[pa.Table]:
    """Those rows of some days that `features_as_of` knows at their time."""
    frame = frame[_is_known(settings, contract, frame)]
    times = {day: known_at(day.date(), settings) for day in frame[contract.day].unique()}
    for number in range(max(map(len, times.values()), default=0)):
        at = frame[contract.day].map({day: found[number] for day, found in times.items() if len(found) > number})
        rows = frame[at.notna()]
        if len(rows):
            column = pa.array(at.dropna().dt.tz_convert("UTC").astype("datetime64[us, UTC]"))
            yield to_arrow(contract, rows).append_column(KNOWN_AT, column)


def _is_known(
    settings: Settings, contract: Contract, frame: pd.DataFrame
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Where users are dated, a version may have landed after the time at which the row would count."""
    if settings.users_are != "dated" or frame.empty:
        return np.ones(len(frame), dtype=bool)
    first = {day: known_at(day.date(), settings)[0] for day in frame[contract.day].unique()}
    entities = pd.DataFrame({"user_id": frame["user_id"], "time": frame[contract.day].map(first)})
    return features_as_of(entities, settings.data_dir)["days_since_signup"].notna().to_numpy()
