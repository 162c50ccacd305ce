"""A small table of readings, published and read back: what the tests of the warehouse stand on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.calendar import DayRange
from churn_assets.contracts import Column, Contract, Kind
from churn_assets.warehouse import Ledger, Publication, Published, Warehouse, publish, read_days
from churn_assets.warehouse.content_hash import PartitionHashes

DAY = date(2026, 1, 5)
ONE_DAY = DayRange(DAY, DAY)
WEEK = DayRange(DAY, DAY + timedelta(days=6))
CONTRACT = Contract(
    table="readings",
    grain="one reading",
    key=("reading_id",),
    day="day",
    columns=(
        Column("reading_id", Kind.INTEGER, "Reading", minimum=1),
        Column("day", Kind.DATE, "Day"),
        Column("level", Kind.NUMBER, "Level", nullable=True),
        Column("retries", Kind.INTEGER, "Retries", nullable=True),
        Column("is_valid", Kind.FLAG, "Valid", nullable=True),
        Column("place", Kind.LABEL, "Place", nullable=True),
        Column("note", Kind.TEXT, "Note", nullable=True),
    ),
)
OLD = "old"
NEW = "new"


def readings(rows: int = 3, day: date = DAY, first_id: int = 1, **columns: Any) -> pd.DataFrame:
    ids = np.arange(first_id, first_id + rows)
    plain = {"reading_id": ids, "day": np.full(rows, np.datetime64(day, "us")), "level": ids / 2, "retries": ids % 3}
    rest = {"is_valid": ids % 2 == 0, "place": pd.Categorical(np.where(ids % 2, "attic", "cellar")), "note": "ok"}
    return CONTRACT.typed(pd.DataFrame(plain | rest | columns))


def publication(
    *blocks: pd.DataFrame, days: DayRange = ONE_DAY, contract: Contract = CONTRACT, stream: Iterable[pd.DataFrame] = ()
) -> Publication:
    return Publication(contract, days, stream or blocks, lambda _: dict.fromkeys(days, "inputs"), "code", "run")


def put(warehouse: Warehouse, *blocks: pd.DataFrame, **options: Any) -> list[Published]:
    with warehouse.writing() as connection:
        return publish(connection, publication(*blocks, **options))


def held(warehouse: Warehouse, contract: Contract = CONTRACT) -> pd.DataFrame:
    with warehouse.reading() as connection:
        return read_days(connection, contract).sort_values(list(contract.key), ignore_index=True)


def verified(warehouse: Warehouse, contract: Contract = CONTRACT) -> dict[date, Published]:
    """The ledger of the table, after checking that the stored rows are the ones it speaks of."""
    with warehouse.reading() as connection:
        entries = dict(sorted(Ledger.read(connection).of(contract.table).items()))
        hashes = PartitionHashes(contract)
        hashes.add(read_days(connection, contract))
        days = connection.sql(f"SELECT DISTINCT {contract.day} FROM churn.{contract.table}").fetchall()
    assert {day for (day,) in days} <= set(entries)
    for day, entry in entries.items():
        assert (entry.rows, entry.content_hash) == (hashes.rows(day), hashes.digest(day))
    return entries
