"""Releasing rows from quarantine after a setting or the code was put right: found by cleaning their landing days again.

Nothing is guessed from a reason: the days' files are read and cleaned as they would be now, and what would no longer be
rejected is compared with what is. Planning and running are the backfill's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

import pandas as pd

from churn_assets.assets.landing_step import LandingStep
from churn_assets.assets.step import Deployment, Inputs, Step
from churn_assets.assets.steps import all_steps
from churn_assets.automation.backfill import current_ledger, planned
from churn_assets.automation.plan import Plan
from churn_assets.calendar import DayRange, RowCounts, chunks, contiguous
from churn_assets.landing.folder import Deliveries
from churn_assets.settings import SourceName
from churn_assets.warehouse import Ledger, read_days

PLACE = ("landing_date", "source_file", "source_row")
TOO_LATE = "too_late"


@dataclass(frozen=True)
class Releasable:
    """Rows of a landing day that lie in quarantine for `reason` and would be taken today."""

    source: SourceName
    day: date
    reason: str
    rows: int


def releasable(deployment: Deployment) -> list[Releasable]:
    """By source, day and reason. Rows of days whose files are no longer there stay where they are. Raises RefusedFile."""
    ledger = current_ledger(deployment)
    return [one for source in deployment.settings.landed_sources for one in _releasable(deployment, source, ledger)]


def release_plan(deployment: Deployment, rows: Collection[Releasable]) -> Plan:
    """What a release computes: the landing days of the rows, under today's settings, and what depends on them.

    A row that was too late comes back by a larger lateness only. That is part of the window of nearly every table, so then
    it is all published days, else they would contradict each other.
    """
    if not rows:
        return Plan((), ())
    days = {one.day for one in rows}
    if any(one.reason == TOO_LATE for one in rows):
        ledger = current_ledger(deployment)
        days = {day for source in deployment.settings.landed_sources for day in ledger.of(f"raw_{source}")}
    return planned(deployment, days)


def _releasable(deployment: Deployment, source: SourceName, ledger: Ledger) -> Iterator[Releasable]:
    raw, table = f"raw_{source}", f"quarantined_{source}"
    steps = all_steps(deployment.settings)
    landing = next(step for step in steps if isinstance(step, LandingStep) and step.source == source)
    cleaning = next(step for step in steps if isinstance(step, Step) and table in step.outputs)
    deliveries = Deliveries.of(deployment.settings, source)
    delivered = {day for day in ledger.of(raw) if deliveries.has_files(day)}
    suspect = {day for day in ledger.of(table) if ledger.rows(table, day) and day in delivered}
    for span in contiguous(suspect):
        sizes = RowCounts(span.first, (ledger.rows(raw, day) for day in span))
        for days in chunks(span, deployment.settings.block_rows, sizes):
            taken = _no_longer_rejected(deployment, landing, cleaning, days, delivered)
            for (day, reason), rows in sorted(taken.items()):
                yield Releasable(source, day, reason, rows)


def _no_longer_rejected(
    deployment: Deployment, landing: LandingStep, cleaning: Step, days: DayRange, delivered: Collection[date]
) -> Counter[tuple[date, str]]:
    """Of the days' rows in quarantine, how many of each reason their files still hold and cleaning would not reject now."""
    window = cleaning.reads[landing.name].of(days, deployment.settings.calendar_start)
    there = [day for day in window if day in delivered]
    raw = landing.read(deployment, there)
    _, rejected, _ = cleaning.compute(Inputs({landing.name: raw}, {landing.name: there}), days)
    with deployment.warehouse.reading() as connection:
        stored = read_days(connection, deployment.contracts[cleaning.outputs[1]], days, columns=(*PLACE, "reason"))
    still = set(_places(rejected))
    last_row = raw.groupby("source_file", observed=True)["source_row"].max().to_dict()
    return Counter(
        (day, reason)
        for (day, file, row), reason in zip(_places(stored), stored["reason"], strict=True)
        if row <= last_row.get(file, 0) and (day, file, row) not in still
    )


def _places(rows: pd.DataFrame) -> Iterator[tuple[date, str, int]]:
    """What names each landed row."""
    return zip(rows["landing_date"].dt.date, rows["source_file"].astype(str), rows["source_row"], strict=True)
