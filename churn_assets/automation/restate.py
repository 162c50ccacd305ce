"""After late data: which published partitions it touches and why, and computing exactly those again.

What was never published, or was made by other code, is a backfill's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import duckdb

from churn_assets.assets.landing_step import LandingStep
from churn_assets.assets.step import Deployment
from churn_assets.automation.backfill import Report, backfill, current_ledger, planned, remaining
from churn_assets.automation.plan import Plan, Work
from churn_assets.calendar import DayRange, calendar_days, contiguous
from churn_assets.landing.folder import Deliveries
from churn_assets.landing.known_digests import KnownDigests
from churn_assets.settings import SourceName
from churn_assets.warehouse.arrivals import arrived_since, changed_files, published_files
from churn_assets.warehouse.restatements import Restated, published_times, restated_by

if TYPE_CHECKING:
    from dagster import Definitions


@dataclass(frozen=True)
class Touched:
    """The days of some tables that are to be computed again, and the landed files that are the reason."""

    tables: tuple[str, ...]
    days: tuple[DayRange, ...]
    files: tuple[str, ...]


def planned_restatement(deployment: Deployment) -> Plan:
    """The published partitions that late data may have changed, whatever the landing day it came to."""
    return planned(deployment, late_only=True)


def restate(
    definitions: Definitions,
    deployment: Deployment,
    todo: Plan,
    *,
    on_run: Callable[[Work], None] = lambda _: None,
    on_progress: Callable[[str, int], None] = lambda _table, _partitions: None,
    raise_on_error: bool = False,
) -> Report:
    """Do the planned runs. A day whose inputs turn out the same as before, when its turn comes, is left as it is."""
    return backfill(
        definitions,
        deployment,
        todo,
        on_run=on_run,
        on_progress=on_progress,
        narrowed=partial(still_late, deployment),
        raise_on_error=raise_on_error,
    )


def still_late(deployment: Deployment, work: Work) -> tuple[Work, ...]:
    """What is left of a planned run now that what comes before it is done."""
    return remaining(deployment, work, late_only=True)


def touched(deployment: Deployment, todo: Plan) -> list[Touched]:
    """What the plan computes again, step by step, and which files made it so: landed since, or about to be."""
    if not todo.works:
        return []
    steps = {step.name: step for work in todo.works for step in work.steps}
    days = {name: {day for work in todo.works if name in work.tables for day in work.days} for name in steps}
    found = []
    with deployment.warehouse.reading() as connection:
        arriving = {
            step.source: dict(_arriving(connection, deployment, step.source, days[step.name]))
            for step in steps.values()
            if isinstance(step, LandingStep)
        }
        for name, step in steps.items():
            times = published_times(connection, name)
            since = {day: times[day] for day in days[name] if day in times}
            files = {file for landed in arrived_since(connection, step.landed, since).values() for file in landed}
            for source, window in step.landed.items():
                for landing_date, changed in arriving.get(source, {}).items():
                    if any(landing_date in window.of(DayRange(day, day), date.min) for day in days[name]):
                        files.update(changed)
            found.append(Touched(step.outputs, tuple(contiguous(days[name])), tuple(sorted(files))))
    return found


def _arriving(
    connection: duckdb.DuckDBPyConnection, deployment: Deployment, source: SourceName, days: set[date]
) -> Iterator[tuple[date, list[str]]]:
    """The files of each landing day that are not as they were published."""
    published = published_files(connection, source, DayRange(min(days), max(days)))
    deliveries = Deliveries.of(deployment.settings, source)
    with KnownDigests.within(deployment.settings.data_dir, source) as known:
        for day in days:
            yield day, list(changed_files(published.get(day, {}), deliveries.digests(day, known)))


def restated(deployment: Deployment, report: Report) -> list[Restated]:
    """What the runs of a report changed, table by table."""
    if not report.run_ids:
        return []
    with deployment.warehouse.reading() as connection:
        return restated_by(connection, report.run_ids)


def delivered_but_not_published(deployment: Deployment) -> list[date]:
    """Landing days that every source delivered and no backfill has published."""
    ledger, sources = current_ledger(deployment), deployment.settings.landed_sources
    deliveries = [Deliveries.of(deployment.settings, source) for source in sources]
    return [
        day
        for day in calendar_days(deployment.settings)
        if any(day not in ledger.of(f"raw_{source}") for source in sources)
        and all(one.is_complete(day) for one in deliveries)
    ]
