"""The steps that read files: landing folder -> raw_users, raw_events and what was noted of each file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from churn_assets.assets.code_version import code_version, column_versions
from churn_assets.assets.step import Deployment
from churn_assets.calendar import SAME_DAY, DayRange, RowCounts, Window, chunks
from churn_assets.contracts import Contract
from churn_assets.errors import RefusedFile
from churn_assets.landing.erased import Erased
from churn_assets.landing.folder import Deliveries, day_digest
from churn_assets.landing.known_digests import KnownDigests
from churn_assets.landing.reading import LandedFile, read_file
from churn_assets.settings import SourceName
from churn_assets.warehouse import Ledger, Publication
from churn_assets.warehouse.arrivals import LandedFiles
from churn_assets.warehouse.definitions import Definition
from churn_assets.warehouse.file_notes import drifted_columns
from churn_assets.warehouse.frames import to_frame
from churn_assets.warehouse.selection import Selection

DRIFT_COLUMNS = ("columns_added", "columns_missing", "columns_renamed")
BYTES_PER_ROW = 60
"""Of a text file, roughly: only decides how many days are read at once."""


@dataclass(frozen=True)
class _Landed:
    """One file and the day it landed."""

    day: date
    name: str
    file: LandedFile

    @property
    def table(self) -> pa.Table:
        rows = len(self.file.table)
        return self.file.table.append_column("landing_date", pa.array(np.full(rows, np.datetime64(self.day, "D"))))


@dataclass(frozen=True)
class LandingStep:
    """Reads the files of one source. Fails on a day without a delivery, and on a file that cannot be read for certain."""

    source: SourceName
    group: str = "landing"
    reads: Mapping[str, Window] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    views: Mapping[str, tuple[Selection, ...]] = field(default_factory=dict)
    """The parts of each output that later steps read, as of every step."""

    @property
    def name(self) -> str:
        return f"raw_{self.source}"

    @property
    def landed(self) -> Mapping[SourceName, Window]:
        """Which landing days a day stems from, as of every step."""
        return {self.source: SAME_DAY}

    @property
    def description(self) -> str:
        return f"Files of the {self.source} source, read strictly: every value as text, exactly as delivered."

    @property
    def outputs(self) -> tuple[str, ...]:
        return (self.name, f"{self.source}_files")

    def deliveries(self, deployment: Deployment, ledger: Ledger | None = None) -> Deliveries:
        """The landing days of the source. `ledger`: what is published, where that is known already."""
        settings = deployment.settings
        if settings.source(self.source).quiet_days != "empty":
            return Deliveries.of(settings, self.source)
        if ledger is None and settings.warehouse_path.exists():
            with deployment.warehouse.reading() as connection:
                ledger = Ledger.read(connection, [self.name])
        published = ledger.of(self.name) if ledger else {}
        return Deliveries.of(settings, self.source, (day for day, entry in published.items() if entry.rows))

    def code_version(self, deployment: Deployment) -> str:
        tables = [deployment.contracts[name] for name in self.outputs]
        return code_version([__name__], [deployment.settings.source(self.source)], tables)

    def defined(self, deployment: Deployment) -> dict[str, Definition]:
        """The columns of each output, with a version of what decides each."""
        common = code_version([__name__], [deployment.settings.source(self.source)], ())
        tables = (deployment.contracts[name] for name in self.outputs)
        return {one.table: Definition.of(one, column_versions(one, common, {})) for one in tables}

    def current_input_hashes(self, deployment: Deployment, days: Iterable[date]) -> dict[date, str | None]:
        """The input hash that each day would be published with now; None where nothing was delivered."""
        deliveries = Deliveries.of(deployment.settings, self.source)
        with KnownDigests.within(deployment.settings.data_dir, self.source) as known:
            return {day: deliveries.day_digest(day, known) for day in days}

    def publications(self, deployment: Deployment, days: DayRange, run_id: str = "") -> Iterator[Publication]:
        raw, files = (deployment.contracts[name] for name in self.outputs)
        version, defined = self.code_version(deployment), self.defined(deployment)
        notes: list[pd.DataFrame] = []
        digests: dict[date, Mapping[str, str]] = {}
        reader, deliveries = self._reader(deployment), self.deliveries(deployment)

        def landed_rows(block: DayRange) -> pd.DataFrame:
            landed: list[_Landed] = []
            for day in block:
                try:
                    today = list(_read_day(reader, deliveries, day))
                except RefusedFile as refused:
                    every = chain.from_iterable(self.refusals(deployment, days).values())
                    raise RefusedFile(" ".join(every) or str(refused)) from None
                digests[day] = {one.name: one.file.digest for one in today}
                landed += today
            notes.append(files.typed(_notes(landed)))
            return _stacked(raw, landed)

        def input_hashes(_: duckdb.DuckDBPyConnection) -> Mapping[date, str]:
            return {day: day_digest(files) for day, files in digests.items()}

        blocks = (partial(landed_rows, block) for block in self._blocks(deployment, deliveries, days))
        read = LandedFiles(self.source, lambda: digests)

        def published(contract: Contract, rows: Iterable[Any], **more: Any) -> Publication:
            return Publication(
                *(contract, days, rows, input_hashes, version, run_id),
                landed=self.landed,
                definition=defined[contract.table],
                views=self.views.get(contract.table, ()),
                **more,
            )

        yield published(raw, blocks, files=read)
        noted = files.typed(pd.concat(notes, ignore_index=True))
        yield published(files, [noted], notes=lambda: _drift(noted))

    def read(self, deployment: Deployment, days: Iterable[date]) -> pd.DataFrame:
        """What `raw_*` would hold of these days were they published now. Raises RefusedFile."""
        reader, deliveries = self._reader(deployment), self.deliveries(deployment)
        landed = [file for day in days for file in _read_day(reader, deliveries, day)]
        return _stacked(deployment.contracts[self.name], landed)

    def refusals(self, deployment: Deployment, days: DayRange) -> dict[date, list[str]]:
        """A sentence for each file that cannot be read, and for a day without any, by day. Reads all of them."""
        found: dict[date, list[str]] = {}
        read, deliveries = self._reader(deployment), self.deliveries(deployment)
        for day in days:
            try:
                files = deliveries.files(day)
            except RefusedFile as refused:
                found[day] = [str(refused)]
                continue
            for path in files:
                try:
                    read(path)
                except RefusedFile as refused:
                    found.setdefault(day, []).append(str(refused))
        return found

    def _reader(self, deployment: Deployment) -> Callable[[Path], LandedFile]:
        """Reads a file of the source. What it needs of the deployment, the list of erasures too, is looked up once."""
        settings = deployment.settings
        return partial(
            read_file,
            source=self.source,
            settings=settings.source(self.source),
            product=settings.declaration,
            landing_dir=settings.landing_dir,
            erased=Erased.of(settings),
        )

    def _blocks(self, deployment: Deployment, deliveries: Deliveries, days: DayRange) -> Iterator[DayRange]:
        sizes = [sum(path.stat().st_size for path in deliveries.files(day)) // BYTES_PER_ROW for day in days]
        yield from chunks(days, deployment.settings.block_rows, RowCounts(days.first, sizes))


def _read_day(read: Callable[[Path], LandedFile], deliveries: Deliveries, day: date) -> Iterator[_Landed]:
    for path in deliveries.files(day):
        yield _Landed(day, path.relative_to(deliveries.landing_dir).as_posix(), read(path))


def _drift(files: pd.DataFrame) -> dict[date, dict[str, str]]:
    """How each day's columns differed from the contract's, in words; a day without a difference has none."""
    texts: dict[date, dict[str, list[str]]] = {}
    for file in files.to_dict("records"):
        of_day = texts.setdefault(file["landing_date"].date(), {})
        for kind in DRIFT_COLUMNS:
            of_day.setdefault(kind, []).append(file[kind])
    of_days = {day: {kind: drifted_columns(found) for kind, found in kinds.items()} for day, kinds in texts.items()}
    return {day: {kind: ", ".join(names) for kind, names in kinds.items() if names} for day, kinds in of_days.items()}


def _stacked(raw: Contract, landed: list[_Landed]) -> pd.DataFrame:
    if not landed:  # a quiet day
        return raw.empty()
    return raw.typed(to_frame(raw.columns, pa.concat_tables(one.table for one in landed)))


def _notes(landed: list[_Landed]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "landing_date": np.array([one.day for one in landed], dtype="datetime64[us]"),
            "source_file": pd.Categorical([one.name for one in landed]),
            "rows_read": np.array([len(one.file.table) for one in landed], dtype="int64"),
            "rows_erased": np.array([one.file.rows_erased for one in landed], dtype="int64"),
            "digest": [one.file.digest for one in landed],
            "columns_added": [json.dumps(one.file.drift.added) for one in landed],
            "columns_missing": [json.dumps(one.file.drift.missing) for one in landed],
            "columns_renamed": [json.dumps(dict(one.file.drift.renamed)) for one in landed],
            "repairs": [json.dumps(one.file.repairs, sort_keys=True) for one in landed],
        }
    )
