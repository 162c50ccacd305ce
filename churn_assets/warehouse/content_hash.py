"""A hash of what a partition says: equal for the same rows in any order, split in any way, on any machine or DuckDB.

Each row hashes to 64 bits from its typed values; a partition is the sum of its rows' hashes in two lanes. Sums make it
independent of order and of how rows came in. Columns of provenance are left out: the same row in a file of another name
says the same. DuckDB's own hash() would be faster, but may change with any release.

A view is the same over some columns and rows alone: what a later step reads of the table. It shares the columns' hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.contracts import Column, Contract, Kind
from churn_assets.warehouse.selection import Selection, views

Hashes = npt.NDArray[np.uint64]
NULL_HASH = np.uint64(0x9E3779B97F4A7C15)
COMBINE = np.uint64(0xD6E8FEB86659FD93)
SECOND_LANE = np.uint64(0xA0761D6478BD642F)
NO_ROWS = "0" * 32
"""The digest of a partition without rows."""


class PartitionHashes:
    """Running row counts and hashes per partition of one table, and of views of it, fed block by block."""

    def __init__(self, contract: Contract, selections: Sequence[Selection] = ()) -> None:
        self._contract = contract
        self._rows: dict[date, int] = {}
        self._lanes: dict[date, tuple[int, int]] = {}
        self._blocks: dict[date, int] = {}
        self._views = views(contract, selections)
        self._lanes_of: dict[str, dict[date, tuple[int, int]]] = {view: {} for view in self._views}

    def add(self, frame: pd.DataFrame) -> None:
        if frame.empty:
            return
        contract, views = self._contract, self._views
        day: npt.NDArray[np.int64] = frame[contract.day].to_numpy().astype("datetime64[D]").astype("int64")
        order = np.argsort(day, kind="stable") if (np.diff(day) < 0).any() else None
        hashed = _ColumnHashes(contract, frame, {name for view in views.values() for name in view.hashed(contract)})
        for partition, rows in _add(self._lanes, day, hashed.rows(_content(contract)), order):
            self._rows[partition] = self._rows.get(partition, 0) + rows
            self._blocks[partition] = self._blocks.get(partition, 0) + 1
        for view, selection in views.items():
            hashes = hashed.rows(selection.hashed(contract), mixed=False)
            chosen = _chosen(selection, frame)
            if chosen is None:
                _add(self._lanes_of[view], day, _mixed(hashes), order)
            elif order is None:
                _add(self._lanes_of[view], day[chosen], _mixed(hashes[chosen]), None)
            else:
                kept = order[chosen[order]]
                _add(self._lanes_of[view], day[kept], _mixed(hashes[kept]), None)

    @property
    def partitions(self) -> int:
        """How many partitions had a row so far."""
        return len(self._rows)

    @property
    def in_several_blocks(self) -> list[date]:
        """Partitions whose rows came in more than one block."""
        return [partition for partition, blocks in self._blocks.items() if blocks > 1]

    def rows(self, partition: date) -> int:
        return self._rows.get(partition, 0)

    def digest(self, partition: date) -> str:
        """32 hexadecimal digits; an empty partition has a hash too."""
        return _digest(self._lanes, partition)

    def views(self, partition: date) -> dict[str, str]:
        """The same of each view, by its name."""
        return {view: _digest(lanes, partition) for view, lanes in self._lanes_of.items()}


def digest_after(digest: str, *, removed: str, added: str = NO_ROWS) -> str:
    """The digest of a partition that lost the rows of one digest and gained those of another: it is a sum."""
    lanes = ([int(text[at : at + 16], 16) for text in (digest, removed, added)] for at in (0, 16))
    return "".join(f"{(before - less + more) % 2**64:016x}" for before, less, more in lanes)


_EPOCH = date(1970, 1, 1).toordinal()


def row_hashes(contract: Contract, frame: pd.DataFrame) -> Hashes:
    """One hash per row over the contract's columns, provenance left out."""
    return _ColumnHashes(contract, frame).rows(_content(contract))


def _content(contract: Contract) -> tuple[str, ...]:
    return tuple(column.name for column in contract.columns if not column.provenance)


class _ColumnHashes:
    """Hashes of a frame's columns, those named in `again` computed once however often they are asked for."""

    def __init__(self, contract: Contract, frame: pd.DataFrame, again: Iterable[str] = ()) -> None:
        self._columns = {column.name: column for column in contract.columns}
        self._frame = frame
        self._again = frozenset(again)
        self._kept: dict[str | tuple[str, ...], Hashes] = {}

    def rows(self, names: Sequence[str], *, mixed: bool = True) -> Hashes:
        """One hash per row over some columns, in the contract's order; the last step of it is left out if not `mixed`."""
        total: Hashes = np.zeros(len(self._frame), dtype="uint64")
        columns = [self._columns[name] for name in names]
        texts = tuple(column.name for column in columns if column.kind is Kind.TEXT)
        with np.errstate(over="ignore"):
            for column in columns:
                if column.kind is not Kind.TEXT:
                    total *= COMBINE
                    total += self._of(column)
            if texts:
                total *= COMBINE
                total += self._of_texts(texts)
        return _mixed(total) if mixed else total

    def _of(self, column: Column) -> Hashes:
        if (kept := self._kept.get(column.name)) is not None:
            return kept
        hashes = _column_hashes(column, self._frame[column.name])
        if column.name in self._again:
            self._kept[column.name] = hashes
        return hashes

    def _of_texts(self, names: tuple[str, ...]) -> Hashes:
        if names not in self._kept:
            self._kept[names] = _text_hashes([pa.array(self._frame[name]) for name in names])
        return self._kept[names]


def _chosen(selection: Selection, frame: pd.DataFrame) -> npt.NDArray[np.bool_] | None:
    """Which rows are selected, as reading would; None: all."""
    chosen = None
    if selection.only is not None:
        chosen = frame[selection.only].fillna(False).to_numpy(dtype=bool)
    if selection.among is not None:
        name, values = selection.among
        is_among = frame[name].isin(values).to_numpy(dtype=bool)
        chosen = is_among if chosen is None else chosen & is_among
    return chosen


def _add(
    lanes: dict[date, tuple[int, int]],
    day: npt.NDArray[np.int64],
    hashes: Hashes,
    order: npt.NDArray[np.intp] | None,
) -> list[tuple[date, int]]:
    """Add rows' hashes to their days' sums; gives the days and how many rows each has here."""
    if not len(day):
        return []
    second = _mixed(hashes ^ SECOND_LANE)
    if order is not None:
        day, hashes, second = day[order], hashes[order], second[order]
    starts = np.flatnonzero(np.r_[True, day[1:] != day[:-1]])
    counts = np.diff(np.r_[starts, len(day)])
    firsts, seconds = np.add.reduceat(hashes, starts), np.add.reduceat(second, starts)
    partitions = [date.fromordinal(at + _EPOCH) for at in day[starts].tolist()]
    for partition, one, two in zip(partitions, firsts.tolist(), seconds.tolist(), strict=True):
        before = lanes.get(partition, (0, 0))
        lanes[partition] = ((before[0] + one) % 2**64, (before[1] + two) % 2**64)
    return list(zip(partitions, counts.tolist(), strict=True))


def _digest(lanes: Mapping[date, tuple[int, int]], partition: date) -> str:
    one, two = lanes.get(partition, (0, 0))
    return f"{one:016x}{two:016x}"


def _column_hashes(column: Column, values: pd.Series[Any]) -> Hashes:
    if column.kind is Kind.LABEL:
        names = values.cat.categories.to_numpy(dtype=object)
        table = np.r_[pd.util.hash_array(names, categorize=False), NULL_HASH]
        return table[values.cat.codes.to_numpy()]
    if column.nullable and column.kind in (Kind.INTEGER, Kind.FLAG):
        null = values.isna().to_numpy()
        return np.where(null, NULL_HASH, _scattered(values.to_numpy(dtype="int64", na_value=0)))
    raw = values.to_numpy()
    if column.kind is Kind.NUMBER:
        # One pattern of bits for each value: -0.0 is 0.0, every NaN is null.
        scattered = _scattered((raw + 0.0).view("int64"))
        return np.where(np.isnan(raw), NULL_HASH, scattered) if column.nullable else scattered
    if column.kind is Kind.FLAG:
        return raw.astype("uint64") + np.uint64(1)
    return _scattered(raw.view("int64"))


def _scattered(values: npt.NDArray[np.int64]) -> Hashes:
    """High bits folded into low ones: values that differ only there (floats) must not meet when columns are summed."""
    bits = values.view("uint64")
    return (bits ^ (bits >> np.uint64(32))) * SECOND_LANE


def _text_hashes(columns: list[Any]) -> Hashes:
    """One hash for all texts of a row. Lengths enter beside the joined text, so that no two rows join to the same."""
    lengths: Hashes = np.zeros(len(columns[0]), dtype="uint64")
    given = []
    for texts in columns:
        length = pc.fill_null(pc.binary_length(texts), -1).to_numpy(zero_copy_only=False)
        lengths *= COMBINE
        lengths += length.astype("int64").view("uint64")
        if texts.null_count < len(texts):
            given.append(texts.cast(pa.large_string()))
    # A row's hash may not depend on its neighbours: where no row has a text, it is that of empty texts all the same.
    given = given or [columns[0].cast(pa.large_string())]
    nothing = pa.scalar("", pa.large_string())
    joined = pc.binary_join_element_wise(*given, nothing, null_handling="replace", null_replacement="")
    return pd.util.hash_array(joined.to_numpy(zero_copy_only=False), categorize=False) + lengths * SECOND_LANE


def _mixed(values: Hashes) -> Hashes:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014): each input bit flips each output bit half the time."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))
