"""A step: which tables it makes, what it reads in which window, and the one transform it calls.

Steps know no Dagster: the graph, the backfill and a plain loop run the same ones. Work goes block by block (some days,
or a key bucket of one large day), so that memory does not grow with what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from itertools import accumulate
from typing import Any

import duckdb
import pandas as pd

from churn_assets.assets.code_version import code_version, transform_modules
from churn_assets.calendar import DayRange, Window
from churn_assets.contracts import Contract, contracts
from churn_assets.errors import ChurnError
from churn_assets.settings import Settings
from churn_assets.warehouse import Ledger, Publication, Warehouse, read_days
from churn_assets.warehouse.reading import Bucket

Frames = Mapping[str, pd.DataFrame]
Compute = Callable[[Frames, DayRange], tuple[pd.DataFrame, ...]]
Notes = Callable[[Mapping[str, list[pd.DataFrame]]], Mapping[date, Mapping[str, Any]]]
Combine = Callable[[list[pd.DataFrame]], pd.DataFrame]


@dataclass(frozen=True)
class Deployment:
    """Settings, contracts and warehouse that belong together."""

    settings: Settings

    @cached_property
    def contracts(self) -> dict[str, Contract]:
        return contracts(self.settings)

    @cached_property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.settings.warehouse_path, self.settings.lock_timeout_seconds)


@dataclass(frozen=True)
class Block:
    """A part of the work: some days, or one key bucket of a day."""

    days: DayRange
    bucket: tuple[int, int] | None = None


@dataclass(frozen=True)
class Step:
    """How some tables are made from others. `compute` maps the frames it reads and the days to one frame per output.

    `sized_by` names the table whose rows say how large a day's work is; `bucket_by` the key by which a day too large
    for one block is split.
    """

    name: str
    description: str
    group: str
    outputs: tuple[str, ...]
    reads: Mapping[str, Window]
    compute: Compute
    sized_by: str
    bucket_by: str | None
    parameters: tuple[Any, ...] = ()
    combine: Mapping[str, Combine] = field(default_factory=dict)
    notes: Notes | None = None
    """What the by-products say of each day of the first output."""

    def code_version(self, deployment: Deployment) -> str:
        """Changes when the transform's code, its parameters or the tables' types change; never typed by hand."""
        tables = [deployment.contracts[name] for name in self.outputs]
        return code_version(transform_modules(self.compute), self.parameters, tables)

    def publications(self, deployment: Deployment, days: DayRange, run_id: str = "") -> Iterator[Publication]:
        """What to publish for `days`, one output after the other. The first streams; the others are by-products of it,
        so each publication must be consumed before the next is asked for.
        """
        main, *others = (deployment.contracts[name] for name in self.outputs)
        collected: dict[str, list[pd.DataFrame]] = {contract.table: [contract.empty()] for contract in others}
        version = self.code_version(deployment)

        def input_hashes(connection: duckdb.DuckDBPyConnection) -> Mapping[date, str]:
            ledger = Ledger.read(connection, self.reads)
            return ledger.input_hashes(self.reads, days, deployment.settings.calendar_start)

        def stream() -> Iterator[pd.DataFrame]:
            self._require_inputs(deployment, days)
            for block in self._blocks(deployment, days):
                frame, *by_products = self.compute(self._load(deployment, block), block.days)
                for contract, by_product in zip(others, by_products, strict=True):
                    collected[contract.table].append(contract.typed(by_product))
                yield main.typed(frame)

        def notes() -> Mapping[date, Mapping[str, Any]]:
            return self.notes(collected) if self.notes else {}

        yield Publication(main, days, stream(), input_hashes, version, run_id, notes)
        for contract in others:
            parts = [part for part in collected[contract.table] if len(part)] or [contract.empty()]
            whole = self.combine.get(contract.table, _appended)
            frame = parts[0] if len(parts) == 1 else contract.typed(whole(parts))
            yield Publication(contract, days, [frame], input_hashes, version, run_id)

    def _require_inputs(self, deployment: Deployment, days: DayRange) -> None:
        """A day whose own inputs are not published would come out empty, which nobody could tell from a quiet day."""
        with deployment.warehouse.reading() as connection:
            ledger = Ledger.read(connection, self.reads)
        for table in self.reads:
            if missing := [day for day in days if day not in ledger.of(table)]:
                raise ChurnError(
                    f"{self.name} cannot be computed for {missing[0]}, because {table} is not published there; "
                    f"materialize it first or with it ('+{self.name}')."
                )

    def _load(self, deployment: Deployment, block: Block) -> dict[str, pd.DataFrame]:
        start = deployment.settings.calendar_start
        frames = {}
        with deployment.warehouse.reading() as connection:
            for table, window in self.reads.items():
                contract = deployment.contracts[table]
                bucket = None
                if self.bucket_by and block.bucket:
                    kind = deployment.contracts[self.outputs[0]].column(self.bucket_by).kind
                    bucket = Bucket(self.bucket_by, kind, *block.bucket)
                frames[table] = read_days(connection, contract, window.of(block.days, start), bucket=bucket)
        return frames

    def _blocks(self, deployment: Deployment, days: DayRange) -> Iterator[Block]:
        """Consecutive days up to about `block_rows` rows of work; a larger day in as many buckets as it takes."""
        with deployment.warehouse.reading() as connection:
            ledger = Ledger.read(connection, [self.sized_by])
        sizes = [ledger.rows(self.sized_by, day) for day in days]
        if self.reads[self.sized_by].back is None:
            before = DayRange(deployment.settings.calendar_start, days.first - timedelta(days=1))
            known = sum(ledger.rows(self.sized_by, day) for day in before)
            sizes = [known + grown for grown in accumulate(sizes)]
        most = deployment.settings.block_rows
        if self.bucket_by is None:
            yield from (Block(block.days) for block in split(list(days), [min(size, most) for size in sizes], most))
        else:
            yield from split(list(days), sizes, most)


def split(days: list[date], sizes: list[int], most: int) -> Iterator[Block]:
    """Blocks of consecutive days whose sizes add up to at most `most`; a larger day becomes buckets."""
    begin, total = 0, 0
    for at, size in enumerate(sizes):
        if at > begin and total + size > most:
            yield Block(DayRange(days[begin], days[at - 1]))
            begin, total = at, 0
        if size > most:
            count = -(-size // most)
            yield from (Block(DayRange(days[at], days[at]), (number, count)) for number in range(count))
            begin, total = at + 1, 0
        else:
            total += size
    if begin < len(days):
        yield Block(DayRange(days[begin], days[-1]))


def _appended(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True)
