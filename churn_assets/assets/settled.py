"""Which partitions are made from inputs that have moved on: somebody published those anew, or for the first time, since.

They are out of date and will be computed again. Until then what holds them against today's inputs says nothing of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta

import duckdb

from churn_assets.assets.landing_step import LandingStep
from churn_assets.assets.step import Deployment
from churn_assets.assets.steps import all_steps
from churn_assets.assets.wiring import AnyStep
from churn_assets.calendar import SAME_DAY, DayRange, Window
from churn_assets.warehouse import Ledger


def unsettled(
    deployment: Deployment, connection: duckdb.DuckDBPyConnection, table: str, beside: Collection[str], days: DayRange
) -> set[date]:
    """Those of `days` on which the partition of `table`, one of the tables `beside` that is held against it, or one that any of
    these was made from, is not made from what is published now.
    """
    start, steps = deployment.settings.calendar_start, all_steps(deployment.settings)
    maker = {output: step for step in steps for output in step.outputs}
    windows = {other: maker[table].reads.get(other, SAME_DAY) for other in beside if other in maker}
    needed: dict[str, DayRange] = {}

    def need(step: AnyStep, span: DayRange) -> None:
        known = needed.get(step.name, span)
        needed[step.name] = DayRange(min(known.first, span.first), max(known.last, span.last))

    need(maker[table], days)
    for other, window in windows.items():
        need(maker[other], window.of(days, start))
    for step in reversed(steps):
        if step.name in needed:
            for read, window in step.reads.items():
                need(maker[read], window.of(needed[step.name], start))
    ledger = Ledger.read(connection, [output for step in steps if step.name in needed for output in step.outputs])
    moved: dict[str, set[date]] = {}
    for step in steps:
        if step.name in needed:
            found = {*_moved_on(deployment, step, ledger, needed[step.name])}
            for read, window in step.reads.items():
                found |= _seeing(moved[read], window, needed[step.name])
            moved |= dict.fromkeys(step.outputs, found)
    return {*days} & moved[table] | {day for other, own in windows.items() for day in _seeing(moved[other], own, days)}


def _moved_on(deployment: Deployment, step: AnyStep, ledger: Ledger, days: DayRange) -> Iterator[date]:
    """Days whose own inputs are others than they were published from, or of which only some of its tables are published anew."""
    expected: Mapping[date, str] = {}
    if not isinstance(step, LandingStep):
        seen = step.seen(deployment, ledger)
        expected = step.input_hashes(deployment, seen, days)
    for day in days:
        hashes = {entry.input_hash for output in step.outputs if (entry := ledger.of(output).get(day))}
        if len(hashes) > 1 or (hashes and day in expected and expected[day] not in hashes):
            yield day


def _seeing(changed: set[date], window: Window, days: DayRange) -> set[date]:
    """Those of `days` that have a changed day in their window."""
    if not changed:
        return set()
    if window.back is None:
        return {day for day in days if day + timedelta(days=window.ahead) >= min(changed)}
    reach = range(-window.ahead, window.back + 1)
    return {day + timedelta(days=n) for day in changed for n in reach} & {*days}
