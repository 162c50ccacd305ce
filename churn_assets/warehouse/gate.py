"""The gate before publishing: a frame that breaks its contract, or strays from the days being written, is refused.

Written on NumPy and not on pandera, which takes four times as long and quotes values of rows
(docs/decisions/0001-contracts.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.calendar import DayRange
from churn_assets.contracts import Column, Contract, Kind
from churn_assets.errors import RefusedFrame

ONE_DAY_US = 86_400_000_000
MOST_CELLS_PER_ROW = 16
"""Up to so many possible keys for each row, ticking them off is faster than hashing them."""


def admit(contract: Contract, frame: pd.DataFrame, days: DayRange) -> None:
    """Pass a frame that keeps its contract and lies within `days`, else raise RefusedFrame with each fault's count."""
    broken = list(_broken(contract, frame, days))
    if broken:
        raise RefusedFrame(f"{contract.table} ({days}) was not published: {'; '.join(broken)}.")


def _broken(contract: Contract, frame: pd.DataFrame, days: DayRange) -> Iterator[str]:
    if list(frame.columns) != contract.column_names:
        missing = [name for name in contract.column_names if name not in frame.columns]
        surplus = len(set(frame.columns) - set(contract.column_names))
        if missing or surplus:
            named = ", ".join(missing) or "none"
            yield f"columns are not the contract's (missing: {named}; {surplus} more than declared)"
        else:
            yield "columns are repeated or not in the contract's order"
        return
    wrong = [c.name for c in contract.columns if not _has_type(frame[c.name], c)]
    if wrong:
        yield f"columns of another type than declared: {', '.join(wrong)}"
        return
    if frame.empty:
        return
    clean = True
    for column in contract.columns:
        for fault in _broken_column(column, frame):
            clean = False
            yield fault
    if not clean:
        return
    day = frame[contract.day].to_numpy()
    outside = (day < np.datetime64(days.first)) | (day >= np.datetime64(days.last + timedelta(days=1)))
    if outside.any():
        yield f"{int(outside.sum())} rows lie outside the partition by {contract.day}"
    repeated = _repeated_keys(contract, frame)
    if repeated:
        yield f"{repeated} rows repeat the key ({', '.join(contract.key)})"
    for rule in contract.rules:
        failing = int((~np.asarray(rule.holds(frame), dtype=bool)).sum())
        if failing:
            yield f"{failing} rows break {rule.name}: {rule.sentence}"


def _has_type(values: pd.Series[Any], column: Column) -> bool:
    if values.dtype != column.dtype:
        return False
    return column.kind is not Kind.LABEL or all(isinstance(category, str) for category in values.cat.categories)


def _broken_column(column: Column, frame: pd.DataFrame) -> Iterator[str]:
    values = frame[column.name]
    if column.kind is Kind.LABEL:
        nulls = int((values.cat.codes.to_numpy() < 0).sum())
    elif column.kind in (Kind.INTEGER, Kind.FLAG) and not column.nullable:
        nulls = 0
    else:
        nulls = int(values.isna().sum())
    if nulls and not column.nullable:
        yield f"{column.name} is null in {nulls} rows"
        return
    if column.kind is Kind.DATE and (timed := np.count_nonzero(values.dropna().to_numpy().view("int64") % ONE_DAY_US)):
        yield f"{column.name} holds a time of day in {timed} rows"
    if nulls == len(values) or column.kind not in (Kind.INTEGER, Kind.NUMBER):
        return
    low, high = _extremes(column, values)
    if math.isinf(low) or math.isinf(high):
        yield f"{column.name} is infinite in {int(np.isinf(values.to_numpy()).sum())} rows"
    if column.minimum is not None and low < column.minimum:
        yield f"{column.name} is below {column.minimum:g} in {int((values < column.minimum).sum())} rows"
    if column.maximum is not None and high > column.maximum:
        yield f"{column.name} is above {column.maximum:g} in {int((values > column.maximum).sum())} rows"


def _extremes(column: Column, values: pd.Series[Any]) -> tuple[float, float]:
    """Least and greatest value, nulls apart, in one pass each and without copies."""
    if column.kind is Kind.NUMBER:
        numbers = values.to_numpy()
        return float(np.fmin.reduce(numbers)), float(np.fmax.reduce(numbers))
    if column.nullable:
        return values.min(), values.max()
    return values.to_numpy().min(), values.to_numpy().max()


def _repeated_keys(contract: Contract, frame: pd.DataFrame) -> int:
    """How many rows repeat an earlier row's key. Codes that fit into one integer are packed: several times faster."""
    packed = np.zeros(len(frame), dtype="int64")
    size = 1
    for name in contract.key:
        values = frame[name]
        if contract.column(name).kind is Kind.LABEL:
            code = values.cat.codes.to_numpy().astype("int64")
        elif contract.column(name).kind is Kind.TEXT:
            code = pd.factorize(values)[0].astype("int64")
        else:
            code = values.to_numpy().view("int64")
            if contract.column(name).kind is Kind.DATE:
                code = code // ONE_DAY_US
        low = int(code.min())
        span = int(code.max()) - low + 1
        if size * span >= 2**63:
            return int(frame.duplicated(list(contract.key)).sum())
        packed = packed * span + (code - low)
        size *= span
    if size <= MOST_CELLS_PER_ROW * len(packed):
        taken = np.zeros(size, dtype=bool)
        taken[packed] = True
        return len(packed) - int(np.count_nonzero(taken))
    return len(packed) - len(pd.unique(packed))
