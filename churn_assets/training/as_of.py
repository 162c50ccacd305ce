"""Features as they stood at given instants: what a model could have known then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from churn_assets.contracts import Column, Contract, Kind, contracts
from churn_assets.errors import ChurnError
from churn_assets.settings import Settings
from churn_assets.training.write import FEATURES
from churn_assets.warehouse import Warehouse
from churn_assets.warehouse.definitions import stored_columns
from churn_assets.warehouse.frames import qualified, quoted, table_exists, to_frame
from churn_assets.warehouse.older import refuse_older


def features_as_of(entities: pd.DataFrame, data: Path | str | None = None, settled: bool = True) -> pd.DataFrame:
    """`entities` (columns user_id and time, an instant; others are kept) with as_of_date and every feature.

    The features are those of the newest day that had ended at `time` and, if `settled`, whose late events were in too: the
    business day of `time` - 1 - lateness_days, or - 1 if not. Of that very day or null: where it is not published, or has no
    such user, no older row is taken instead. A time without an offset is UTC, as in every table.

    Rows keep their order, index and repeats. Features that are never null elsewhere may be null here, so counts are Int64 and
    flags boolean. Raises ChurnError where the columns are not as said, nothing is published, or
    an asked day was published by an older definition of the features.
    """
    settings = Settings.load(data)
    contract = contracts(settings)[FEATURES]
    features = tuple(
        Column(c.name, c.kind, c.description, nullable=True) for c in contract.columns if c.name not in contract.key
    )
    if missing := [name for name in ("user_id", "time") if name not in entities.columns]:
        raise ChurnError(f"The entities have no column {' and '.join(missing)}; they need user_id and time.")
    if taken := [name for name in entities.columns if name in {contract.day, *(c.name for c in features)}]:
        raise ChurnError(f"The entities have a column {taken[0]} already, which a feature would replace; rename it.")
    as_of = _as_of_dates(entities["time"], settings, settled=settled)
    with Warehouse(settings.warehouse_path, settings.lock_timeout_seconds).reading() as connection:
        found = _looked_up(connection, contract, features, _asked(entities["user_id"], as_of, contract))
    found.index = entities.index
    return pd.concat([entities, pd.DataFrame({contract.day: as_of}, index=entities.index), found], axis=1)


def _as_of_dates(times: pd.Series[Any], settings: Settings, *, settled: bool) -> Any:
    """The day whose row counts at each instant, as datetime64[us] without a zone; NaT where there is no instant."""
    try:
        instants = pd.DatetimeIndex(pd.to_datetime(times, utc=True)).as_unit("us")
    except (ValueError, TypeError) as error:
        raise ChurnError("The entities' time must be instants: datetimes, or ISO 8601 text.") from error
    business_day = instants.tz_convert(settings.timezone).tz_localize(None).normalize()
    days_back = 1 + (settings.lateness_days if settled else 0)
    return business_day.to_numpy() - np.timedelta64(days_back, "D")


def _asked(ids: pd.Series[Any], as_of: Any, contract: Contract) -> pa.Table:
    """The entities for DuckDB. Ids of another type than the table's would match nothing, or the wrong user."""
    kind = contract.column("user_id").kind
    try:
        if kind is Kind.INTEGER and pd.api.types.is_bool_dtype(ids):
            raise TypeError
        integers_or_text = ids.astype("Int64") if kind is Kind.INTEGER else ids
        user_id = pa.array(integers_or_text, pa.int64() if kind is Kind.INTEGER else pa.string(), from_pandas=True)
    except (ValueError, TypeError, OverflowError, pa.ArrowException) as error:
        named = "integers" if kind is Kind.INTEGER else "text"
        raise ChurnError(f"The entities' user_id must be {named}, as in {contract.table}.") from error
    day = pa.array(as_of.astype("datetime64[D]"))
    return pa.table({"row": np.arange(len(ids)), "user_id": user_id, contract.day: day})


def _looked_up(
    connection: duckdb.DuckDBPyConnection, contract: Contract, features: tuple[Column, ...], asked_entities: pa.Table
) -> pd.DataFrame:
    """One row of features for each entity, in their order."""
    if not table_exists(connection, contract.table):
        raise ChurnError(f"{contract.table} is not published yet; run 'churn-assets backfill' first.")
    asked = {day for day in asked_entities.column(contract.day).unique().to_pylist() if day is not None}
    refuse_older(connection, contract, days=asked)
    if not {*contract.column_names} <= stored_columns(connection, contract.table).keys():
        refuse_older(connection, contract)
    names = ", ".join(f"published.{quoted(column.name)}" for column in features)
    query = (
        f"SELECT {names} FROM asked_entities AS asked LEFT JOIN {qualified(contract.table)} AS published "
        f"USING (user_id, {quoted(contract.day)}) ORDER BY asked.row"
    )
    connection.register("asked_entities", asked_entities)
    try:
        return to_frame(features, connection.sql(query).to_arrow_table())
    finally:
        connection.unregister("asked_entities")
