"""Features as they stood at given instants: what a model could have known then."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from churn_assets.contracts import Column, Contract, Kind, contracts
from churn_assets.errors import ChurnError
from churn_assets.settings import Settings
from churn_assets.time_formats import ISO_8601
from churn_assets.training.write import FEATURES
from churn_assets.transforms import parsing
from churn_assets.warehouse import Warehouse
from churn_assets.warehouse.definitions import stored_columns
from churn_assets.warehouse.frames import qualified, quoted, table_exists, to_frame
from churn_assets.warehouse.older import refuse_older

ONE_DAY = np.timedelta64(1, "D")
KNOWN = "last_known_day"


def features_as_of(entities: pd.DataFrame, data: Path | str | None = None, settled: bool = True) -> pd.DataFrame:
    """`entities` (columns user_id and time, an instant; others are kept) with as_of_date and every feature.

    The features are those of the newest day that had ended at `time` and, if `settled`, whose late events were in too: the
    business day of `time` - 1 - lateness_days, or - 1 if not. Of that very day or null: where it is not published, or has no
    such user, no older row is taken instead; and where it counts a row that landed only on the day of `time` or later, which nobody
    could know then. Of files that were taken away or delivered anew since, nobody knows.

    `time` holds datetimes, dates, or ISO 8601 text, of each row by itself; numbers are refused, as nothing says what they count. One
    without an offset is UTC, as in every table, and a date is its midnight.

    Rows keep their order, index and repeats. Features that are never null elsewhere may be null here, so counts are Int64 and
    flags boolean. Raises ChurnError where the columns are not as said, nothing is published, or
    an asked day was published by an older definition of the features.
    """
    settings = Settings.load(data)
    contract = contracts(settings)[FEATURES]
    features = tuple(Column(c.name, c.kind, c.description, nullable=True) for c in contract.values)
    if missing := [name for name in ("user_id", "time") if name not in entities.columns]:
        raise ChurnError(f"The entities have no column {' and '.join(missing)}; they need user_id and time.")
    if taken := [name for name in entities.columns if name in {contract.day, *(c.name for c in features)}]:
        raise ChurnError(f"The entities have a column {taken[0]} already, which a feature would replace; rename it.")
    known = _business_days(entities["time"], settings) - ONE_DAY
    as_of = known - (settings.lateness_days if settled else 0) * ONE_DAY
    asked = _asked(entities["user_id"], as_of, known, contract)
    with Warehouse(settings.warehouse_path, settings.lock_timeout_seconds).reading() as connection:
        unseen = _unseen(connection, settings, settled=settled)
        found = _looked_up(connection, contract, features, asked, unseen)
    found.index = entities.index
    return pd.concat([entities, pd.DataFrame({contract.day: as_of}, index=entities.index), found], axis=1)


def _business_days(times: pd.Series[Any], settings: Settings) -> Any:
    """The business day of each instant, as datetime64[us] without a zone; NaT where there is none."""
    try:
        instants = _instants(times)
    except (ValueError, TypeError) as error:
        raise ChurnError("The entities' time must be instants: datetimes, dates, or ISO 8601 text.") from error
    return instants.tz_convert(settings.timezone).tz_localize(None).normalize().to_numpy()


def _instants(times: pd.Series[Any]) -> pd.DatetimeIndex:
    """Raises ValueError or TypeError for what is neither a datetime nor text that the strict parser reads."""
    if not pd.api.types.is_datetime64_any_dtype(times):
        given = times.astype(object)
        is_text = np.array([isinstance(value, str) for value in given], dtype=bool)
        if any(not isinstance(value, date | np.datetime64) for value in given[~is_text & times.notna().to_numpy()]):
            raise TypeError
        texts = given.mask(~is_text)
        read = parsing.instants(texts, timestamp_format=ISO_8601, zone="UTC")
        if read[is_text].isna().any():
            raise ValueError
        values = [at if was_text else _utc(value) for value, at, was_text in zip(given, read, is_text, strict=True)]
        times = pd.Series(pd.DatetimeIndex(values, dtype="datetime64[us]"))
    instants = pd.DatetimeIndex(times).as_unit("us")
    return instants.tz_localize("UTC") if instants.tz is None else instants.tz_convert("UTC")


def _utc(value: Any) -> Any:
    """A datetime, date or datetime64 as a datetime64 in UTC; NaT for null."""
    if pd.isna(value):
        return np.datetime64("NaT")
    at = pd.Timestamp(value).as_unit("us")
    return (at if at.tz is None else at.tz_convert("UTC").tz_localize(None)).to_datetime64()


def _asked(ids: pd.Series[Any], as_of: Any, known: Any, contract: Contract) -> pa.Table:
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
    days = {contract.day: pa.array(as_of.astype("datetime64[D]")), KNOWN: pa.array(known.astype("datetime64[D]"))}
    return pa.table({"row": np.arange(len(ids)), "user_id": user_id, **days})


def _unseen(connection: duckdb.DuckDBPyConnection, settings: Settings, *, settled: bool) -> str:
    """SQL that says of an asked row whether the user's features count something that landed after the last known day."""
    landed_later = f"user_id = asked.user_id AND landing_date > asked.{KNOWN}"
    conditions = []
    if not settled and table_exists(connection, "clean_events"):
        table = qualified("clean_events")
        conditions.append(f"EXISTS (FROM {table} WHERE {landed_later} AND event_date <= asked.as_of_date)")
    if not settled and table_exists(connection, "clean_users"):
        table = qualified("clean_users")
        conditions.append(f"NOT EXISTS (FROM {table} WHERE user_id = asked.user_id AND landing_date <= asked.{KNOWN})")
    if settings.users_are == "dated" and table_exists(connection, "clean_users"):
        table = qualified("clean_users")
        conditions.append(f"EXISTS (FROM {table} WHERE {landed_later} AND valid_from <= asked.as_of_date)")
    return " OR ".join(conditions) or "false"


def _looked_up(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    features: tuple[Column, ...],
    asked_entities: pa.Table,
    unseen: str,
) -> pd.DataFrame:
    """One row of features for each entity, in their order, of nulls where `unseen` is true."""
    if not table_exists(connection, contract.table):
        raise ChurnError(f"{contract.table} is not published yet; run 'churn-assets backfill' first.")
    asked = {day for day in asked_entities.column(contract.day).unique().to_pylist() if day is not None}
    refuse_older(connection, contract, days=asked)
    if not {*contract.column_names} <= stored_columns(connection, contract.table).keys():
        refuse_older(connection, contract)
    names = ", ".join(f"published.{quoted(column.name)}" for column in features)
    query = (
        f"WITH known AS (SELECT *, {unseen} AS is_unseen FROM asked_entities AS asked) "
        f"SELECT {names} FROM known LEFT JOIN {qualified(contract.table)} AS published ON NOT is_unseen "
        f"AND published.user_id = known.user_id AND published.{quoted(contract.day)} = known.{quoted(contract.day)} ORDER BY known.row"
    )
    connection.register("asked_entities", asked_entities)
    try:
        return to_frame(features, connection.sql(query).to_arrow_table())
    finally:
        connection.unregister("asked_entities")
