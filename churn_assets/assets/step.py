"""A step: which tables it makes, what it reads in which window, and the one transform it calls.

Steps know no Dagster: the graph, the backfill and a plain loop run the same ones. Work goes block by block (some days,
or a key bucket of them), so that memory does not grow with what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, partial
from typing import Any, Protocol

import duckdb
import pandas as pd

from churn_assets.assets.blocks import Block, blocks
from churn_assets.assets.code_version import code_and_reads, column_versions, digest, meanings_of
from churn_assets.calendar import DayRange, RowCounts, Window
from churn_assets.contracts import Contract, contracts
from churn_assets.errors import ChurnError
from churn_assets.settings import Settings, SourceName
from churn_assets.warehouse import Ledger, Publication, Warehouse, read_days
from churn_assets.warehouse.definitions import Definition
from churn_assets.warehouse.frames import stacked
from churn_assets.warehouse.ledger import Need
from churn_assets.warehouse.older import lacked_columns
from churn_assets.warehouse.reading import Bucket
from churn_assets.warehouse.selection import Selection, views
from churn_assets.warehouse.signs_of_life import SignsOfLife

LONGEST_START_DAYS = 7
"""So long may a calendar without an end begin without a user."""
Notes = Callable[[Mapping[str, list[pd.DataFrame]]], Mapping[date, Mapping[str, Any]]]
Combine = Callable[[list[pd.DataFrame]], pd.DataFrame]
Declared = Mapping[str, Mapping[str, Any]]
"""Of some tables' columns what was declared: all that decides a column's values besides the code that makes all of them."""


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

    @cached_property
    def signs_of_life(self) -> SignsOfLife:
        return SignsOfLife(self.settings.running_dir)


class Versions(Protocol):
    """What a step uses besides tables, and of each day a text that changes with all of it that decides the day."""

    def version(self, day: date) -> str: ...


@dataclass(frozen=True)
class Beside:
    """What a step uses besides tables: the asset without partitions that makes it, and what finds it as it is now."""

    asset: str
    find: Callable[[], Versions]


@dataclass(frozen=True)
class Inputs:
    """What a block's transform is given: a frame per table or selection it reads, and each table's published days."""

    frames: Mapping[str, pd.DataFrame]
    published: Mapping[str, list[date]]
    """Of the table's window: what may be missing from a frame because nothing happened, or because it is not in yet."""
    beside: Any = None
    """What the step's `beside` has found."""

    def __getitem__(self, table: str) -> pd.DataFrame:
        return self.frames[table]


Compute = Callable[[Inputs, DayRange], tuple[pd.DataFrame, ...]]


@dataclass(frozen=True)
class Step:
    """How some tables are made from others. `compute` maps what it reads and the days to one frame per output.

    `sized_by` names the table whose rows say how large a day's work is; `bucket_by` the key by which work too large
    for one block is split. `beyond` is what a row costs that lies in a window but not on the block's own days, against one
    that does: less than 1 where `selects` reads little of it.
    """

    name: str
    description: str
    group: str
    outputs: tuple[str, ...]
    reads: Mapping[str, Window]
    compute: Compute
    sized_by: str
    bucket_by: str | None
    beyond: float = 1.0
    selects: Mapping[str, Selection] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    """Tables to be published before, though it does not read them: its blocking checks count them."""
    parameters: tuple[Any, ...] = ()
    combine: Mapping[str, Combine] = field(default_factory=dict)
    notes: Notes | None = None
    """What the by-products say of each day of the first output."""
    about: str | None = None
    """Table without a single row of which, in the whole calendar, there is nothing to compute."""
    outcome: str | None = None
    """Column of the first output, of yes, no or null, of which a restatement says how its values changed."""
    definitions: Declared = field(default_factory=dict)
    """What is declared of columns of its outputs. A table that is named here depends on declarations through its columns' own
    entries alone, so that one more leaves the other columns as they are: though `compute` may hold all of them, in a
    collection or an object, `parameters` must not.
    """
    beside: Beside | None = None
    """What else than tables decides a day."""
    landed: Mapping[SourceName, Window] = field(default_factory=dict)
    """Which landing days of each source a day stems from, through the steps in between; `wired` fills it in, and these:"""
    views: Mapping[str, tuple[Selection, ...]] = field(default_factory=dict)
    """The parts of each output that later steps read."""
    declared: Declared = field(default_factory=dict)
    """The definitions of the tables it reads."""

    def code_version(self, deployment: Deployment) -> str:
        """Changes with all that decides a result: transforms and the code that calls them, parameters, what is read in which
        windows, declarations and the tables' types. Never typed by hand.
        """
        return digest(self._code, *(known.id for known in self.defined(deployment).values()))

    def defined(self, deployment: Deployment) -> dict[str, Definition]:
        """The columns of each output, with a version of what decides each."""
        whole, apart = self._code, self._code_of_all_columns
        found = {}
        for table in self.outputs:
            contract, meanings = deployment.contracts[table], self.meanings(table)
            common = digest(apart if table in self.definitions else whole, repr((contract.key, contract.day)))
            found[table] = Definition.of(contract, column_versions(contract, common, meanings), meanings)
        return found

    def seen(self, deployment: Deployment, ledger: Ledger) -> Ledger:
        """The ledger as this step sees it: partitions that have what it selects, by the digests of just that."""
        return ledger.as_read({table: self.need(deployment, table) for table in self.reads})

    def input_hashes(
        self, deployment: Deployment, seen: Ledger, days: DayRange, found: Versions | None = None
    ) -> Mapping[date, str]:
        """Of each day a hash of all it is made from: what `seen` has in its windows, and what is used besides tables (`found`, if the
        caller has found it already).
        """
        hashes = seen.input_hashes(self.reads, days, deployment.settings.calendar_start)
        if self.beside is None:
            return hashes
        found = found or self.beside.find()
        return {day: digest(hashed, found.version(day)) for day, hashed in hashes.items()}

    def meanings(self, table: str) -> Mapping[str, str]:
        """What is declared of the columns of an output, as digests."""
        return self._own_meanings.get(table, {})

    def need(self, deployment: Deployment, table: str) -> Need:
        """What it reads of a table."""
        contract, parts = deployment.contracts[table], list(self.selections(table).values())
        names = dict.fromkeys(name for part in parts for name in part.needed(contract))
        if self.bucket_by:
            names[self.bucket_by] = None
        columns = tuple(column for column in contract.columns if column.name in names)
        kept = () if any(part.is_whole for part in parts) else tuple(sorted(views(contract, parts)))
        return Need(columns, self._read_meanings.get(table, {}), kept)

    def selections(self, table: str) -> dict[str, Selection]:
        """The parts of a table it reads, by the name under which `compute` is given each."""
        return {name: part for name, part in self._parts().items() if (part.of or name) == table}

    def _parts(self) -> dict[str, Selection]:
        of_some = {part.of for part in self.selects.values()}
        return {**{table: Selection() for table in self.reads if table not in of_some}, **self.selects}

    @cached_property
    def _own_meanings(self) -> Mapping[str, Mapping[str, str]]:
        """What is declared of the columns of each output, as digests."""
        return {table: meanings_of(declared) for table, declared in self.definitions.items()}

    @cached_property
    def _read_meanings(self) -> Mapping[str, Mapping[str, str]]:
        """The same of what it reads."""
        return {table: meanings_of(declared) for table, declared in self.declared.items()}

    @cached_property
    def _code(self) -> str:
        return self._code_and_reads(declared_apart=False)

    @cached_property
    def _code_of_all_columns(self) -> str:
        """But for what is declared of some of them."""
        return self._code_and_reads(declared_apart=True)

    def _code_and_reads(self, *, declared_apart: bool) -> str:
        return code_and_reads(
            *(self.compute, self.combine, self.parameters, self.reads, self._parts()), declared_apart=declared_apart
        )

    def publications(self, deployment: Deployment, days: DayRange, run_id: str = "") -> Iterator[Publication]:
        """What to publish for `days`, one output after the other. The first streams; the others are by-products of it,
        so each publication must be consumed before the next is asked for.
        """
        main, *others = (deployment.contracts[name] for name in self.outputs)
        collected: dict[str, list[pd.DataFrame]] = {contract.table: [contract.empty()] for contract in others}
        version, defined = self.code_version(deployment), self.defined(deployment)
        # Found once: what is computed with is what the hashes say.
        beside = self.beside.find() if self.beside else None

        def input_hashes(connection: duckdb.DuckDBPyConnection) -> Mapping[date, str]:
            return self.input_hashes(
                deployment, self.seen(deployment, Ledger.read(connection, self.reads)), days, beside
            )

        def computed(load: Callable[[], Inputs], days: DayRange) -> pd.DataFrame:
            frame, *by_products = self.compute(load(), days)
            for contract, by_product in zip(others, by_products, strict=True):
                collected[contract.table].append(contract.typed(by_product))
            return main.typed(frame)

        def stream() -> Iterator[Callable[[], pd.DataFrame]]:
            with deployment.warehouse.reading() as connection, connection.cursor() as aside:
                there = Ledger.read(connection, self.reads)
                self._require_inputs(deployment, there, days)
                ledger = self.seen(deployment, there)
                self._require_somebody(ledger, days, deployment.settings)
                # Inputs are read while the block before is being stored, which takes a second connection. That one does
                # not see what the open transaction has itself published: such inputs are read before.
                sees_all = Ledger.read(aside, self.reads) == there
                for block in self._blocks(deployment, ledger, days):
                    load = partial(self._load, deployment, there, block, beside)
                    if sees_all:
                        yield partial(computed, partial(load, aside), block.days)
                    else:
                        yield partial(computed, partial(_given, load(connection)), block.days)

        def notes() -> Mapping[date, Mapping[str, Any]]:
            return self.notes(collected) if self.notes else {}

        def published(contract: Contract, rows: Iterable[Any], **more: Any) -> Publication:
            return Publication(
                *(contract, days, rows, input_hashes, version, run_id),
                landed=self.landed,
                definition=defined[contract.table],
                views=self.views.get(contract.table, ()),
                **more,
            )

        yield published(main, stream(), notes=notes, outcome=self.outcome)
        for contract in others:
            parts = [part for part in collected[contract.table] if len(part)] or [contract.empty()]
            whole = self.combine.get(contract.table, stacked)
            frame = parts[0] if len(parts) == 1 else contract.typed(whole(parts))
            yield published(contract, [frame])

    def _require_inputs(self, deployment: Deployment, there: Ledger, days: DayRange) -> None:
        """A day whose own inputs are not published would come out empty, which nobody could tell from a quiet day."""
        seen = self.seen(deployment, there)
        for table in self.reads:
            if not (missing := [day for day in days if day not in seen.of(table)]):
                continue
            if (entry := there.of(table).get(missing[0])) and (known := there.definition(entry)):
                need = self.need(deployment, table)
                lacked = lacked_columns({missing[0]: known.lacking(need.columns, need.meanings)})
                raise ChurnError(
                    f"{self.name} cannot be computed for {missing[0]}, because {table} is of an older definition there "
                    f"({lacked}); run 'churn-assets backfill'."
                )
            raise ChurnError(
                f"{self.name} cannot be computed for {missing[0]}, because {table} is not published there; "
                f"materialize it first or with it ('*{self.name}')."
            )

    def _require_somebody(self, ledger: Ledger, days: DayRange, settings: Settings) -> None:
        """Days before the first user are as they should be; a whole calendar without one is not."""
        if self.about is None:
            return
        published = ledger.of(self.about)
        first_days = settings.calendar_start + timedelta(days=LONGEST_START_DAYS - 1)
        calendar = DayRange(settings.calendar_start, settings.end_date or max(days.last, first_days))
        if all(day in published for day in calendar) and not any(entry.rows for entry in published.values()):
            raise ChurnError(
                f"{self.name} has nobody to describe: {self.about} has no row on any day of {calendar}; check what was "
                "delivered and what was quarantined."
            )

    def _load(
        self,
        deployment: Deployment,
        there: Ledger,
        block: Block,
        beside: Versions | None,
        connection: duckdb.DuckDBPyConnection,
    ) -> Inputs:
        start, seen = deployment.settings.calendar_start, self.seen(deployment, there)
        bucket = None
        if self.bucket_by and block.bucket:
            kind = deployment.contracts[self.outputs[0]].column(self.bucket_by).kind
            bucket = Bucket(self.bucket_by, kind, *block.bucket)
        frames, published = {}, {}
        older = {table: there.of(table).keys() - seen.of(table).keys() for table in self.reads}
        for name, part in self._parts().items():
            table = part.of or name
            contract, window = deployment.contracts[table], part.window or self.reads[table]
            days = window.of(block.days, start)
            frames[name] = read_days(
                *(connection, contract, days),
                columns=part.columns,
                only=part.only,
                among=part.among,
                bucket=bucket,
                without=[day for day in older[table] if day in days],
            )
        for table, window in self.reads.items():
            published[table] = [day for day in window.of(block.days, start) if day in seen.of(table)]
        return Inputs(frames, published, beside)

    def _blocks(self, deployment: Deployment, ledger: Ledger, days: DayRange) -> Iterator[Block]:
        start, window = deployment.settings.calendar_start, self.reads[self.sized_by]
        loaded = window.of(days, start)
        stored = RowCounts(loaded.first, (ledger.rows(self.sized_by, day) for day in loaded))
        return blocks(
            days,
            window,
            stored,
            most_rows=deployment.settings.block_rows,
            beyond=self.beyond,
            is_bucketed=self.bucket_by is not None,
            calendar_start=start,
        )


def _given(inputs: Inputs) -> Inputs:
    return inputs
