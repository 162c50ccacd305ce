"""What a backfill has to do: the days of each step that are not published from today's inputs, settings and code."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from churn_assets.assets.landing_step import LandingStep
from churn_assets.assets.step import Deployment
from churn_assets.assets.steps import AnyStep
from churn_assets.calendar import DayRange, Horizon, Window, contiguous
from churn_assets.landing.folder import day_folder, has_delivery
from churn_assets.warehouse import Ledger


@dataclass(frozen=True)
class Work:
    """One run: some steps, all for the same days."""

    steps: tuple[AnyStep, ...]
    days: DayRange

    @property
    def tables(self) -> list[str]:
        return [table for step in self.steps for table in step.outputs]

    @property
    def partitions(self) -> int:
        return len(self.tables) * len(self.days)


@dataclass(frozen=True)
class Plan:
    """Runs in the order to do them, and sentences about the asked days that cannot be done."""

    works: tuple[Work, ...]
    impossible: tuple[str, ...]
    training_set: bool = False
    """Whether the training set was asked for, which is made once after all runs, if what they publish makes a new one."""

    @property
    def partitions(self) -> int:
        return sum(work.partitions for work in self.works)


def plan(
    deployment: Deployment,
    steps: Sequence[AnyStep],
    ledger: Ledger,
    asked: Collection[date],
    *,
    force: bool = False,
    late_only: bool = False,
) -> Plan:
    """Work that brings `steps` up to date on the asked days, and on published days which that work touches.

    A partition is up to date if its ledger row names today's code version and the hash of today's inputs. A day whose
    window holds a day to be computed is computed again: a day made before its look-ahead was there, say. Of a day
    without a delivery nothing is computed, unless it was landed before and its files were taken away since.

    `late_only`: of published partitions alone, those whose inputs are others than they were published from. What was
    never published, or was made by other code, is left to a backfill.
    """
    undelivered = _undelivered(deployment, steps, asked)
    if late_only:
        undelivered = [(day, sentence) for day, sentence in undelivered if _landed(steps, ledger, day)]
    impossible = [sentence for _, sentence in undelivered]
    missing = {day for day, _ in undelivered}
    never_landed = {day for day in missing if not _landed(steps, ledger, day)}
    made = {table for step in steps for table in step.outputs}
    stale: dict[str, set[date]] = {}
    for step in steps:
        published = {day for table in step.outputs for day in ledger.of(table)}
        wanted = set(asked) & published if late_only else set(asked) - never_landed
        touched = {
            day
            for table, window in step.reads.items()
            for day in _touched(window, set(ledger.of(table)), stale.get(table, set()), published | wanted)
        }
        candidates = wanted | (touched & published)
        done = set() if force else _up_to_date(deployment, step, ledger, candidates, any_code=late_only)
        needed = {day for day in candidates if day in touched or day not in done}
        if isinstance(step, LandingStep):
            needed -= missing
        for table in step.reads:
            without = {day for day in needed if day not in ledger.of(table) and day not in stale.get(table, set())}
            needed -= without
            if table not in made:
                impossible += [
                    f"{step.name} cannot be computed for {days}, because {table} is not published there; "
                    f"select it too: --select '*{step.name}'."
                    for days in contiguous(without)
                ]
        stale.update(dict.fromkeys(step.outputs, needed))
    works = _runs(steps, stale, deployment.settings.backfill_chunk_days)
    return Plan(tuple(works), tuple(impossible))


def _landed(steps: Sequence[AnyStep], ledger: Ledger, day: date) -> bool:
    return all(day in ledger.of(step.name) for step in steps if isinstance(step, LandingStep))


def _undelivered(deployment: Deployment, steps: Sequence[AnyStep], asked: Collection[date]) -> list[tuple[date, str]]:
    landing_dir = deployment.settings.landing_dir
    return [
        (day, f"No {step.source} were delivered for {day}: looked for a file in {folder}.")
        for step in steps
        if isinstance(step, LandingStep)
        for day in asked
        if not has_delivery(folder := day_folder(landing_dir, step.source, day))
    ]


def _touched(window: Window, published: set[date], changed: set[date], days: set[date]) -> set[date]:
    """Those of `days` that see a changed day of a table in their window; `published` are that table's days before."""
    if not changed:
        return set()
    near = _near(changed, window.back, window.ahead, days)
    if not window.closes:
        return near
    before, after = ({day: window.horizon(day, there) for day in near} for there in (published, published | changed))
    seen = {day for day in near if after[day] is Horizon.CLOSED or before[day] is not after[day]}
    return seen | _near(changed, window.back, window.late, near)


def _near(changed: set[date], back: int | None, ahead: int, days: set[date]) -> set[date]:
    """Those of `days` that have a changed day among [day - back, day + ahead]; back None: since the beginning."""
    if back is None:
        return {day for day in days if day + timedelta(days=ahead) >= min(changed)}
    return {day + timedelta(days=offset) for day in changed for offset in range(-ahead, back + 1)} & days


def _up_to_date(deployment: Deployment, step: AnyStep, ledger: Ledger, days: set[date], *, any_code: bool) -> set[date]:
    if not days:
        return set()
    version = step.code_version(deployment)
    expected = _input_hashes(deployment, step, ledger, days)
    return {
        day
        for day in days
        if all(
            (entry := ledger.of(table).get(day)) is not None
            and (any_code or entry.code_version == version)
            and entry.input_hash == expected[day]
            for table in step.outputs
        )
    }


def _input_hashes(deployment: Deployment, step: AnyStep, ledger: Ledger, days: set[date]) -> Mapping[date, str | None]:
    if isinstance(step, LandingStep):
        published = ledger.of(step.name)
        return {day: step.current_input_hash(deployment, day) if day in published else None for day in days}
    span = DayRange(min(days), max(days))
    return ledger.input_hashes(step.reads, span, deployment.settings.calendar_start)


def _runs(steps: Sequence[AnyStep], stale: Mapping[str, set[date]], most_days: int) -> list[Work]:
    """Neighbouring steps with the same days share a run. Where days must be cut into several runs, steps are done one
    after the other for all days first, so that no day is computed before its look-ahead.
    """
    grouped: list[tuple[list[AnyStep], list[DayRange]]] = []
    for step in steps:
        ranges = [part for days in contiguous(stale[step.outputs[0]]) for part in _cut(days, most_days)]
        if not ranges:
            continue
        alone = len(ranges) > 1
        if grouped and grouped[-1][1] == ranges and not alone:
            grouped[-1][0].append(step)
        else:
            grouped.append(([step], ranges))
    return [Work(tuple(group), days) for group, ranges in grouped for days in ranges]


def _cut(days: DayRange, most: int) -> list[DayRange]:
    starts = range(0, len(days), most)
    return [
        DayRange(days.first + timedelta(days=at), min(days.last, days.first + timedelta(days=at + most - 1)))
        for at in starts
    ]
