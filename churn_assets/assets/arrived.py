"""Features as of today, with what has arrived since the last published day: the steps of the graph, run for some users in memory.

The same transforms, windows and selections as in a run, over stored days and then over the days that are not published yet; what comes
out is what a backfill would publish if the landing folder stayed as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import duckdb
import pandas as pd

from churn_assets.assets.landing_step import LandingStep
from churn_assets.assets.step import Deployment, Inputs, Step
from churn_assets.assets.steps import all_steps
from churn_assets.calendar import ONE_DAY, DayRange
from churn_assets.contracts import Contract
from churn_assets.errors import ChurnError
from churn_assets.landing.folder import fingerprint
from churn_assets.settings import Settings
from churn_assets.training.write import FEATURES
from churn_assets.warehouse import Ledger, Warehouse, read_days
from churn_assets.warehouse.frames import stacked
from churn_assets.warehouse.selection import Selection

MOST_DAYS = 31
"""Days that may be missing between the last published one and today: more is not what arrived since, but a backfill that is due."""
PATIENCE_SECONDS = 5
"""How long to wait for a run that holds the warehouse."""
CLEANED = "cleaned"
"""Group of the steps that see all users' rows at once: an event id that two users claim is one of theirs."""


@dataclass(frozen=True)
class Arrivals:
    """Days not published yet, up to today, and what their files make of the cleaned tables, for all users."""

    ledger: Ledger
    """What was published when they were read."""
    files: str
    """The fingerprint of their files then."""
    first: date
    today: date
    with_files: tuple[date, ...]
    made: Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class AsOfToday:
    """One row per known user and today in `features`, with the contract's types."""

    features: pd.DataFrame
    settled_until: date
    arrived_until: date | None
    """The last day after `settled_until` whose files were read; None: no file has arrived since."""


class ArrivedFeatures:
    """Computes them; what all users share is kept until a file or a publication changes it. Threads wait for each other."""

    def __init__(self, deployment: Deployment) -> None:
        settings = deployment.settings
        self._deployment = deployment
        self._warehouse = Warehouse(settings.warehouse_path, min(PATIENCE_SECONDS, settings.lock_timeout_seconds))
        self._steps = _leading_to(FEATURES, settings)
        self._lock = threading.Lock()
        self._arrivals: Arrivals | None = None

    def of(self, users: Sequence[int | str], today: date) -> AsOfToday:
        """Raises ChurnError where nothing is published, too many days are not, or a file of theirs cannot be read."""
        with self._lock, self._warehouse.reading() as connection:
            arrivals = self._arrived(connection, today)
            contract = self._deployment.contracts[FEATURES]
            if arrivals.first > arrivals.today:
                last = DayRange(arrivals.today, arrivals.today)
                features = read_days(connection, contract, last, among=("user_id", tuple(users)))
            else:
                made = dict(arrivals.made)
                for step in self._steps:
                    if isinstance(step, Step) and step.group != CLEANED:
                        made |= self._computed(connection, arrivals, step, made, users)
                        if made[step.outputs[0]].empty:  # Nobody knows any of the users.
                            return AsOfToday(contract.empty(), *_reach(arrivals))
                features = made[FEATURES]
            return AsOfToday(contract.typed(features), *_reach(arrivals))

    def _arrived(self, connection: duckdb.DuckDBPyConnection, today: date) -> Arrivals:
        settings = self._deployment.settings
        if settings.end_date:
            today = min(today, settings.end_date)
        ledger = Ledger.read(connection, [table for step in self._steps for table in step.outputs])
        published = max(ledger.of(FEATURES), default=None)
        if published is None:
            raise ChurnError(f"{FEATURES} is not published yet; run 'churn-assets backfill' first.")
        if (today - published).days > MOST_DAYS:
            raise ChurnError(
                f"The last published day is {published}, more than {MOST_DAYS} days ago; run 'churn-assets backfill' first."
            )
        missing = DayRange(published + ONE_DAY, max(today, published))
        landing = {
            step.name: step.deliveries(self._deployment, ledger)
            for step in self._steps
            if isinstance(step, LandingStep)
        }
        files = fingerprint(
            (source.folder(day) for source in landing.values() for day in missing), settings.landing_dir
        )
        known = self._arrivals
        if known and (known.files, known.today, known.ledger) == (files, missing.last, ledger):
            return known
        made: dict[str, pd.DataFrame] = {}
        with_files = set[date]()
        draft = Arrivals(ledger, files, missing.first, missing.last, (), {})
        for step in self._steps if missing else ():
            if isinstance(step, LandingStep):
                days = [day for day in missing if landing[step.name].has_files(day)]
                made[step.name] = step.read(self._deployment, days)
                with_files |= {*days}
            elif step.group == CLEANED:
                made |= self._computed(connection, draft, step, made, None)
        self._arrivals = replace(draft, with_files=tuple(sorted(with_files)), made=made)
        return self._arrivals

    def _computed(
        self,
        connection: duckdb.DuckDBPyConnection,
        arrivals: Arrivals,
        step: Step,
        made: Mapping[str, pd.DataFrame],
        users: Sequence[int | str] | None,
    ) -> dict[str, pd.DataFrame]:
        """The outputs of a step on every day up to today that the missing days reach into."""
        days = DayRange(self._first(step.outputs[0], arrivals), arrivals.today)
        if step.outputs[0] == FEATURES:  # No later step reads those of the days before.
            days = DayRange(arrivals.today, arrivals.today)
        start = self._deployment.settings.calendar_start
        frames, published = {}, {}
        for table, window in step.reads.items():
            within = window.of(days, start)
            reached = DayRange(self._first(table, arrivals), arrivals.today)
            published[table] = [day for day in within if day in arrivals.ledger.of(table) or day in reached]
            for name, part in step.selections(table).items():
                span = (part.window or window).of(days, start)
                frames[name] = self._rows(connection, arrivals, table, part, span, users, made)
        outputs = step.compute(Inputs(frames, published), days)
        return dict(zip(step.outputs, outputs, strict=True))

    def _first(self, table: str, arrivals: Arrivals) -> date:
        """The first day of a table that the missing landing days reach into."""
        step = next(step for step in self._steps if table in step.outputs)
        ahead = max((window.ahead for window in step.landed.values()), default=0)
        return max(arrivals.first - timedelta(days=ahead), self._deployment.settings.calendar_start)

    def _rows(
        self,
        connection: duckdb.DuckDBPyConnection,
        arrivals: Arrivals,
        table: str,
        part: Selection,
        span: DayRange,
        users: Sequence[int | str] | None,
        made: Mapping[str, pd.DataFrame],
    ) -> pd.DataFrame:
        """What a step reads of a table: stored rows of the days before, and those of the days that are computed here."""
        contract = self._deployment.contracts[table]
        names = contract.column_names if part.columns is None else list(part.columns)
        needed = tuple(dict.fromkeys([*names, *part.needed(contract), *(["user_id"] if users is not None else [])]))
        stored_until = min(span.last, self._first(table, arrivals) - ONE_DAY)
        found = [contract.empty()[[*needed]]]
        if span.first <= stored_until:
            of_users = None if users is None else ("user_id", tuple(users))
            older = DayRange(span.first, stored_until)
            found.append(read_days(connection, contract, older, columns=needed, among=of_users))
        if table in made:
            rows = contract.typed(made[table])[[*needed]]
            from_day = max(span.first, stored_until + ONE_DAY)
            later = rows[contract.day].between(pd.Timestamp(from_day), pd.Timestamp(span.last))
            if users is not None:
                later &= rows["user_id"].isin(users)
            found.append(rows[later])
        rows = _typed(contract, stacked(found))
        if part.only:
            rows = rows[rows[part.only]]
        if part.among:
            rows = rows[rows[part.among[0]].isin(part.among[1])]
        return rows[names].reset_index(drop=True)


def _reach(arrivals: Arrivals) -> tuple[date, date | None]:
    return arrivals.first - ONE_DAY, max(arrivals.with_files, default=None)


def _typed(contract: Contract, rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: rows[name].astype(contract.column(str(name)).dtype) for name in rows}, copy=False)


def _leading_to(table: str, settings: Settings) -> tuple[Step | LandingStep, ...]:
    """The steps that the table is made by, in their order."""
    needed, found = {table}, []
    for step in reversed(all_steps(settings)):
        if needed & {*step.outputs}:
            found.append(step)
            needed |= {*step.reads}
    return tuple(reversed(found))
