"""A hash of what a partition says: equal for the same rows in any order, split in any way, on any machine or DuckDB.

Each row hashes to 64 bits from its typed values; a partition is the sum of its rows' hashes in two lanes. Sums make it
independent of order and of how rows came in. Columns of provenance are left out: the same row in a file of another name
says the same. DuckDB's own hash() would be faster, but may change with any release.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.contracts import Column, Contract, Kind

Hashes = npt.NDArray[np.uint64]
NULL_HASH = np.uint64(0x9E3779B97F4A7C15)
COMBINE = np.uint64(0xD6E8FEB86659FD93)
SECOND_LANE = np.uint64(0xA0761D6478BD642F)


class PartitionHashes:
    """Running row counts and hashes per partition of one table, fed block by block."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._rows: dict[date, int] = {}
        self._lanes: dict[date, tuple[int, int]] = {}
        self._blocks: dict[date, int] = {}

    def add(self, frame: pd.DataFrame) -> None:
        if frame.empty:
            return
        hashes = row_hashes(self._contract, frame)
        second = _mixed(hashes ^ SECOND_LANE)
        day: npt.NDArray[np.int64] = frame[self._contract.day].to_numpy().astype("datetime64[D]").astype("int64")
        if (np.diff(day) < 0).any():
            order = np.argsort(day, kind="stable")
            day, hashes, second = day[order], hashes[order], second[order]
        starts = np.flatnonzero(np.r_[True, day[1:] != day[:-1]])
        counts = np.diff(np.r_[starts, len(day)])
        firsts, seconds = np.add.reduceat(hashes, starts), np.add.reduceat(second, starts)
        groups = zip(day[starts].tolist(), counts.tolist(), firsts.tolist(), seconds.tolist(), strict=True)
        for at, rows, one, two in groups:
            partition = date.fromordinal(at + _EPOCH)
            before = self._lanes.get(partition, (0, 0))
            self._rows[partition] = self._rows.get(partition, 0) + rows
            self._blocks[partition] = self._blocks.get(partition, 0) + 1
            self._lanes[partition] = ((before[0] + one) % 2**64, (before[1] + two) % 2**64)

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
        one, two = self._lanes.get(partition, (0, 0))
        return f"{one:016x}{two:016x}"


def digest_after(digest: str, *, removed: str, added: str = "0" * 32) -> str:
    """The digest of a partition that lost the rows of one digest and gained those of another: it is a sum."""
    told = ([int(text[at : at + 16], 16) for text in (digest, removed, added)] for at in (0, 16))
    return "".join(f"{(before - less + more) % 2**64:016x}" for before, less, more in told)


_EPOCH = date(1970, 1, 1).toordinal()


def row_hashes(contract: Contract, frame: pd.DataFrame) -> Hashes:
    """One hash per row over the contract's columns, provenance left out."""
    total: Hashes = np.zeros(len(frame), dtype="uint64")
    content = [column for column in contract.columns if not column.provenance]
    with np.errstate(over="ignore"):
        for column in content:
            if column.kind is not Kind.TEXT:
                total *= COMBINE
                total += _column_hashes(column, frame[column.name])
        texts = [pa.array(frame[column.name]) for column in content if column.kind is Kind.TEXT]
        if texts:
            total *= COMBINE
            total += _text_hashes(texts)
    return _mixed(total)


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
