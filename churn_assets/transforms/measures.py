"""The events of user-days -> one column per declared measure. Local to a user and a day (and the day before, for sessions)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.errors import ChurnError
from churn_assets.product import Product
from churn_assets.product.measures import DailyColumn
from churn_assets.transforms.parsing import Bools
from churn_assets.transforms.typed_values import holds

Positions = npt.NDArray[np.int64]
LARGEST_EXACT = 2.0**53
"""Sums of whole numbers up to here are exact in a double, and those of 365 days do not wrap in 64 bits."""
KEYS = ("event_id", "event_time", "event_type")


def event_columns(product: Product) -> tuple[str, ...]:
    """Columns of clean_events that the measures need, besides user and day. A function may look at any."""
    properties = [entry.name for entry in product.properties]
    measures = product.daily.values()
    if any(measure.python for measure in measures):
        return (*KEYS, *properties)
    used = {measure.value for measure in measures} | {c.key for measure in measures for c in measure.conditions}
    return (*KEYS, *(name for name in properties if name in used))


def attribute_columns(product: Product) -> tuple[str, ...]:
    """Attributes that conditions of measures look at."""
    used = {condition.key for measure in product.daily.values() for condition in measure.conditions}
    return tuple(entry.name for entry in product.attributes if entry.name in used)


@dataclass(frozen=True)
class DayEvents:
    """Events in order of user-day, time and event_id. `row` is each event's user-day, counted from 0 to `rows`.

    `starts_late` says of each event whether it is within a session of the day before, by measure; see `transforms.user_daily`.
    """

    events: pd.DataFrame
    row: Positions
    rows: int
    grid: pd.DataFrame
    product: Product
    previous: Mapping[str, npt.NDArray[np.datetime64]]
    """By measure of sessions across midnight: the last event of the day before of each user-day, NaT where there is none."""

    def columns(self) -> dict[str, Any]:
        return {measure.name: self._column(measure) for measure in self.product.daily.values()}

    def _column(self, measure: DailyColumn) -> Any:
        at = chosen(self.events, measure, self._attribute)
        row = self.row if at is None else self.row[at]
        if measure.aggregation == "sessions":
            return self._count(row[self._begins_session(row, at, measure)])
        if measure.value is None and measure.python is None:
            counts = self._count(row)
            return counts > 0 if measure.aggregation == "any" else counts
        return self._aggregated(measure, row, self._values(measure, at))

    def _attribute(self, name: str) -> Any:
        """An attribute as of the day of each event, None where it is none."""
        return self.grid[name].iloc[self.row] if name in self.product.attribute_names else None

    def _values(self, measure: DailyColumn, at: Any) -> pd.Series[Any]:
        if measure.python is None:
            values = self.events[str(measure.value)]
            return values if at is None else values.iloc[at]
        events = (self.events if at is None else self.events.iloc[at]).reset_index(drop=True)
        return computed(self.product.functions[measure.python], measure, events)

    def _count(self, row: Positions) -> Positions:
        return np.bincount(row, minlength=self.rows)

    def _aggregated(self, measure: DailyColumn, row: Positions, values: pd.Series[Any]) -> Any:
        agg = measure.aggregation
        given = values.notna().to_numpy()
        if not given.all():
            row, values = row[given], values[given]
        if agg == "distinct":
            return distinct_per_row(row, pd.factorize(values)[0], self.rows)
        counts = self._count(row)
        if agg == "count":
            return counts
        if agg in ("first", "last"):
            return _picked(values, _ends(row, agg), row, self.rows)
        if agg in ("min", "max"):
            return _picked(values, _extremes(row, values, agg), row, self.rows)
        return _added(measure, row, values, counts)

    def _begins_session(self, row: Positions, at: Any, measure: DailyColumn) -> Bools:
        """Which of the chosen events begin a session; events are in order of row and time."""
        times = self.events["event_time"].to_numpy()
        times = times if at is None else times[at]
        gap = np.timedelta64(round(measure.gap_minutes * 60_000_000), "us")
        begins = np.ones(len(row), dtype=bool)
        begins[1:] = (row[1:] != row[:-1]) | (times[1:] - times[:-1] > gap)
        if measure.name in self.previous:
            is_first = np.r_[True, row[1:] != row[:-1]] if len(row) else begins
            before = self.previous[measure.name][row]
            begins &= ~(is_first & ~np.isnat(before) & (times - before <= gap))
        return begins


def chosen(events: pd.DataFrame, measure: DailyColumn, attribute: Callable[[str], Any]) -> Any:
    """Positions of the events that a measure looks at, None for all. `attribute` gives an attribute's value for each event, None
    where the name is a property's alone: where users are made of events both may have it, and what an event leaves out is known.
    """
    met: Bools | None = None
    if measure.events is not None:
        event_type = pd.Categorical(events["event_type"])
        known = np.array([*(name in measure.events for name in event_type.categories), False])
        met = known[event_type.codes]
    for condition in measure.conditions:
        as_of_day = attribute(condition.key)
        found = holds(events[condition.key] if as_of_day is None else as_of_day, condition)
        met = found if met is None else met & found
    return None if met is None else np.flatnonzero(met)


def computed(function: Callable[..., Any], measure: DailyColumn, events: pd.DataFrame) -> pd.Series[Any]:
    """What a deployment's own function makes of events: a finite number or null for each. Raises ChurnError for anything else."""
    try:
        values = pd.Series(np.asarray(pd.to_numeric(pd.Series(function(events.copy()))), dtype="float64"))
    except Exception as error:
        raise ChurnError(
            f"measure '{measure.name}': {measure.python} failed with {type(error).__name__}; "
            "it gets a frame with the columns of clean_events, and must give a number for each event."
        ) from error
    if len(values) != len(events) or np.isinf(values).any():
        raise ChurnError(
            f"measure '{measure.name}': {measure.python} must give one finite number or null for each event."
        )
    return values


def distinct_per_row(row: Positions, code: npt.NDArray[Any], rows: int) -> Positions:
    """How many different codes each row has; a code of -1 is none."""
    given = code >= 0
    width = int(code.max(initial=0)) + 1
    pairs = pd.unique(row[given] * width + code[given].astype("int64"))
    return np.bincount(pairs // width, minlength=rows)


def _added(measure: DailyColumn, row: Positions, values: pd.Series[Any], counts: Positions) -> Any:
    rows = len(counts)
    if measure.type == "integer":
        whole = values.to_numpy(dtype="int64")
        _judge_size(measure, np.bincount(row, weights=np.abs(whole.astype("float64")), minlength=rows))
        total = np.zeros(rows, dtype="int64")
        np.add.at(total, row, whole)
        return pd.arrays.IntegerArray(total, counts == 0) if measure.nullable else total
    # In the order of events: the sum of floats is the same however they were stored.
    total = np.bincount(row, weights=values.to_numpy(dtype="float64"), minlength=rows)
    if measure.aggregation == "mean":
        return np.divide(total, counts, out=np.full(rows, np.nan), where=counts > 0)
    return np.where(counts > 0, total, np.nan) if measure.nullable else total


def _judge_size(measure: DailyColumn, sizes: npt.NDArray[Any]) -> None:
    """Raise ChurnError where sums of whole numbers would not be exact in a double, or could wrap in a window of them."""
    if (sizes > LARGEST_EXACT).any():
        raise ChurnError(
            f"measure '{measure.name}': whole numbers of a day add up to more than 2^53; give '{measure.value}' limits that leave "
            "out what is no amount."
        )


def _ends(row: Positions, end: str) -> Positions:
    """Positions of the first or last event of each row that has one; events are in order of row, time and id."""
    if not len(row):
        return np.zeros(0, dtype="int64")
    changes = np.flatnonzero(row[1:] != row[:-1])
    return np.r_[0, changes + 1] if end == "first" else np.r_[changes, len(row) - 1]


def _extremes(row: Positions, values: pd.Series[Any], which: str) -> Positions:
    """Positions of the least or greatest value of each row."""
    numbers = values.to_numpy(dtype="float64") if values.dtype.kind == "f" else values.to_numpy().astype("int64")
    order = np.lexsort((numbers, row))
    return order[_ends(row[order], "first" if which == "min" else "last")]


def _picked(values: pd.Series[Any], positions: Positions, row: Positions, rows: int) -> Any:
    """For each row the value at its position, null where it has none."""
    place = np.full(rows, -1)
    place[row[positions]] = positions
    return values.array.take(place, allow_fill=True)


def previous_ends(
    events: pd.DataFrame, grid_users: Iterable[Any], grid_days: Positions, product: Product
) -> dict[str, npt.NDArray[np.datetime64]]:
    """By measure of sessions across midnight, the last event it looks at on the day before each user-day."""
    found = {}
    for measure in product.daily.values():
        if measure.across_midnight:
            # Attributes are those of the user-day it is for: where they fail, none of its own events counts either.
            of_events = tuple(c for c in measure.conditions if c.key not in product.attribute_names)
            at = chosen(events, replace(measure, conditions=of_events), events.get)
            own = events if at is None else events.iloc[at]
            day = own["event_date"].to_numpy().astype("datetime64[D]").astype("int64")
            latest = own["event_time"].groupby([own["user_id"], pd.Series(day + 1, index=own.index)]).max()
            wanted = pd.MultiIndex.from_arrays([list(grid_users), grid_days])
            found[measure.name] = latest.reindex(wanted).to_numpy().astype("datetime64[us]")
    return found
