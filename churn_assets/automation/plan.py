"""What a backfill has to do: the days of each step that are not published from today's inputs, settings and code."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType

from churn_assets.assets.landing_step import LandingStep
from churn_assets.assets.step import Deployment
from churn_assets.assets.wiring import AnyStep
from churn_assets.automation.reasons import Judged, Reason, summed
from churn_assets.calendar import DayRange, Horizon, Window, contiguous
from churn_assets.warehouse import Ledger

Stale = Mapping[date, Collection[str] | None]
"""Days of a table to be computed, and the columns that may come out otherwise (None: all)."""


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
    reasons: tuple[Reason, ...] = ()
    """Why, in the order of the steps."""
    redefines: bool = False
    """Whether published partitions have another definition now. Then each step has runs of its own, so that a step whose inputs
    come out as they were can be left alone when its turn comes.
    """
    training_set: bool = False
    """Whether the training set was asked for, which is made once after all runs, if what they publish makes a new one."""
    model: bool = False
    """Whether the model was asked for, which is made after the training set, if one is due."""
    online: bool = False
    """Whether the online store was asked for, which is published last, if it does not hold the newest day."""
    steps: tuple[AnyStep, ...] = field(default=(), compare=False, repr=False)
    asked: frozenset[date] = field(default=frozenset(), compare=False, repr=False)
    """What it was made for."""
    force: bool = field(default=False, compare=False, repr=False)
    late_only: bool = field(default=False, compare=False, repr=False)
    ledger: Ledger = field(default_factory=lambda: Ledger([]), compare=False, repr=False)
    """What was published then."""
    latest: Mapping[str, datetime] = field(default_factory=dict, compare=False, repr=False)
    """When each run that was known then published last: to see what has moved on since."""

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
    published_since: Mapping[str, Collection[date]] = MappingProxyType({}),
    refused: Mapping[date, Sequence[str]] = MappingProxyType({}),
) -> Plan:
    """Work that brings `steps` up to date on the asked days, and on published days which that work touches.

    A partition is up to date if its ledger row names today's code version and the hash of today's inputs. A day whose
    window holds a day to be computed is computed again: a day made before its look-ahead was there, say. But not if that day
    is computed for columns alone which the step does not read: a definition was added, say. Of a day without a delivery
    nothing is computed, unless it was landed before and its files were taken away since.

    `late_only`: of published partitions alone, those whose inputs are others than they were published from. What was
    never published, or was made by other code, is left to a backfill. `published_since`, by table: days that were published a
    moment ago; published partitions that have one in their window are looked at too. `refused` are landing days with files that
    cannot be read, and sentences about them: they are as if nothing was delivered.
    """
    undelivered = _undelivered(deployment, steps, ledger, asked)
    if late_only:
        undelivered = [(day, sentence) for day, sentence in undelivered if _landed(steps, ledger, day)]
    undelivered += [(day, sentence) for day, sentences in refused.items() for sentence in sentences]
    impossible = [sentence for _, sentence in undelivered]
    missing = {day for day, _ in undelivered}
    never_landed = {day for day in missing if not _landed(steps, ledger, day)}
    made = {table for step in steps for table in step.outputs}
    stale: dict[str, Stale] = {}
    reasons: list[Reason] = []
    redefines = False
    for step in steps:
        published = {day for table in step.outputs for day in ledger.of(table)}
        wanted = set(asked) & published if late_only else set(asked) - never_landed
        seen = ledger if isinstance(step, LandingStep) else step.seen(deployment, ledger)
        touched = {
            day
            for table, window in step.reads.items()
            for day in _touched(
                window,
                set(seen.of(table)),
                _noticed(deployment, step, table, ledger, stale.get(table, {})),
                published | wanted,
            )
        }
        reached = {
            day
            for table, window in step.reads.items()
            for day in _touched(window, set(), set(published_since.get(table, ())), published)
        }
        candidates = wanted | reached | (touched & published)
        judged = _judged(deployment, step, ledger, seen, candidates, force=force)
        needed = {day for day in candidates if day in touched or judged[day].is_due(any_code=late_only)}
        if isinstance(step, LandingStep):
            needed -= missing
        for table, window in step.reads.items():
            if late_only:
                # What would be computed from days without a column it needs is left to a backfill, which replaces those.
                older = ledger.of(table).keys() - seen.of(table).keys()
                needed -= _touched(replace(window, closes=False), set(), older, needed)
            without = {day for day in needed if day not in seen.of(table) and day not in stale.get(table, {})}
            needed -= without
            if table not in made:
                impossible += [
                    f"{step.name} cannot be computed for {days}, because {table} {why} there; "
                    f"select it too: --select '*{step.name}'."
                    for why, absent in (
                        ("is not published", without - ledger.of(table).keys()),
                        ("is of an older definition", without & ledger.of(table).keys()),
                    )
                    for days in contiguous(absent)
                ]
        found = {day: replace(judged[day], is_touched=day in touched) for day in needed}
        for table in step.outputs:
            stale[table] = {day: one.columns(table) for day, one in found.items()}
        reasons += summed(step.outputs, found.values())
        redefines |= not force and any(one.is_published and one.has_other_code for one in found.values())
    works = _runs(steps, stale, deployment.settings.backfill_chunk_days, apart=redefines)
    return Plan(tuple(works), tuple(impossible), tuple(reasons), redefines)


def _landed(steps: Sequence[AnyStep], ledger: Ledger, day: date) -> bool:
    return all(day in ledger.of(step.name) for step in steps if isinstance(step, LandingStep))


def _undelivered(
    deployment: Deployment, steps: Sequence[AnyStep], ledger: Ledger, asked: Collection[date]
) -> list[tuple[date, str]]:
    return [
        (day, f"{deliveries.lacking(day)}.")
        for step in steps
        if isinstance(step, LandingStep)
        for deliveries in [step.deliveries(deployment, ledger)]
        for day in sorted(asked)
        if not deliveries.is_complete(day)
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


def _noticed(deployment: Deployment, step: AnyStep, table: str, ledger: Ledger, stale: Stale) -> set[date]:
    """Days of `table` about to be computed that may come out otherwise for this step: in a column that it reads."""
    if isinstance(step, LandingStep) or not stale:
        return set()
    need = step.need(deployment, table)
    names = {column.name for column in need.columns}
    # Without the digest of a part, a new content hash is all that there is to tell by.
    return {
        day
        for day, columns in stale.items()
        if columns is None
        or not names.isdisjoint(columns)
        or not need.views
        or not ledger.of(table)[day].views.keys() >= set(need.views)
    }


def _judged(
    deployment: Deployment, step: AnyStep, ledger: Ledger, seen: Ledger, days: set[date], *, force: bool
) -> dict[date, Judged]:
    """What is known of each day, from the ledger and from the inputs and definitions of today."""
    if not days:
        return {}
    version, defined = step.code_version(deployment), step.defined(deployment)
    expected = _input_hashes(deployment, step, seen, days)
    changes = {
        (table, id): known.changes(now)
        for table, now in defined.items()
        for id in {entry.definition for entry in ledger.of(table).values()}
        if (known := ledger.definitions.get(id))
    }
    judged = {}
    for day in days:
        entries = [ledger.of(table).get(day) for table in step.outputs]
        there = [entry for entry in entries if entry is not None]
        judged[day] = Judged(
            is_published=len(there) == len(entries),
            is_asked=force,
            has_other_inputs=any(entry.input_hash != expected[day] for entry in there),
            has_other_code=any(
                entry.code_version != version or entry.definition != defined[entry.table].id for entry in there
            ),
            changes={entry.table: changes.get((entry.table, entry.definition)) for entry in there},
        )
    return judged


def _input_hashes(deployment: Deployment, step: AnyStep, ledger: Ledger, days: set[date]) -> Mapping[date, str | None]:
    if isinstance(step, LandingStep):
        return {**dict.fromkeys(days), **step.current_input_hashes(deployment, days & ledger.of(step.name).keys())}
    span = DayRange(min(days), max(days))
    return step.input_hashes(deployment, ledger, span)


def _runs(steps: Sequence[AnyStep], stale: Mapping[str, Stale], most_days: int, *, apart: bool) -> list[Work]:
    """Steps with the same days share a run, each in the first that nothing it needs comes after. Where days must be cut into
    several runs, steps are done one after the other for all days first, so that no day is computed before its look-ahead.
    `apart`: each step alone.
    """
    runs: list[_Run] = []
    for step in steps:
        ranges = [part for days in contiguous(stale[step.outputs[0]]) for part in _cut(days, most_days)]
        if not ranges:
            continue
        needs = {*step.reads, *step.after}
        after = max((place for place, run in enumerate(runs) if not needs.isdisjoint(run.tables)), default=0)
        alone = apart or len(ranges) > 1
        shared = [] if alone else [run for run in runs[after:] if run.ranges == ranges and not run.alone]
        if shared:
            shared[0].steps.append(step)
        else:
            runs.append(_Run([step], ranges, alone))
    return [Work(tuple(run.steps), days) for run in runs for days in run.ranges]


@dataclass(frozen=True)
class _Run:
    """Steps that are done together for each of some ranges of days."""

    steps: list[AnyStep]
    ranges: list[DayRange]
    alone: bool

    @property
    def tables(self) -> set[str]:
        return {table for step in self.steps for table in step.outputs}


def _cut(days: DayRange, most: int) -> list[DayRange]:
    starts = range(0, len(days), most)
    return [
        DayRange(days.first + timedelta(days=at), min(days.last, days.first + timedelta(days=at + most - 1)))
        for at in starts
    ]
