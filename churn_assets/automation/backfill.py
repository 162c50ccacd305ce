"""Bringing tables up to date in one process: plan, run with Dagster, say what came of it."""

from __future__ import annotations

import logging
import os
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churn_assets.assets.landing_step import LandingStep
from churn_assets.assets.model_step import due_model
from churn_assets.assets.online_step import ONLINE_STORE, due_snapshot
from churn_assets.assets.scoring_steps import CHURN_MODEL, CHURN_TRANSFORMER, SCORES, serving_models
from churn_assets.assets.settled import unsettled
from churn_assets.assets.step import Deployment, Step
from churn_assets.assets.steps import all_steps
from churn_assets.assets.training_step import missing_training_set
from churn_assets.automation.instance import home_in_use, opened_alone
from churn_assets.automation.plan import Plan, Work, plan
from churn_assets.calendar import DayRange, calendar_days
from churn_assets.checks.memory import Memory
from churn_assets.checks.verdict import EXPECTED, Stored, in_words
from churn_assets.contracts.training import TRAINING_SET
from churn_assets.errors import ChurnError, about_the_disk, names_ours
from churn_assets.training.write import READS
from churn_assets.warehouse import Ledger
from churn_assets.warehouse.ledger import latest_of_runs, partitions_of
from churn_assets.warehouse.progress import listening, tell
from churn_assets.warehouse.retry import NO_RETRY_TAG

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions, ExecuteInProcessResult

DUCKDB_INTERRUPTED = "RuntimeError: Query interrupted"
MOST_ROUNDS = 10
"""Of runs for what other processes moved on meanwhile. What is left then, the next backfill does."""
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


Failing = dict[str, dict[date | None, str]]
"""Checks by name, the days that fail (None: of no day), and what is wrong on each, in words."""


@dataclass
class Report:
    """What a backfill did. `failures` are sentences; warnings are counted by name over the days that failed."""

    partitions: int = 0
    failures: list[str] = field(default_factory=list)
    failed: Failing = field(default_factory=dict)
    """Blocking checks."""
    warnings: Counter[str] = field(default_factory=Counter)
    expected: dict[str, str] = field(default_factory=dict)
    """Of each check that warns, what it expects, or what of it was not so."""
    run_ids: list[str] = field(default_factory=list)
    training_set: str | None = None
    """The version that was made."""
    model: str | None = None
    """The version that was made, and in words whether it serves."""
    online: bool = False
    """Whether the online store was published."""
    checked: dict[str, set[date]] = field(default_factory=dict)
    """The days of each table that were computed and have passed their blocking checks."""

    @property
    def blocking(self) -> Counter[str]:
        """The blocking checks that failed, counted over their days."""
        return Counter({name: len(days) for name, days in self.failed.items()})

    @property
    def succeeded(self) -> bool:
        return not self.failures and not self.failed

    def add(self, failing: Failing) -> None:
        for name, days in failing.items():
            self.failed.setdefault(name, {}).update(days)


def planned(
    deployment: Deployment,
    asked: Collection[date] | None = None,
    *,
    tables: set[str] | None = None,
    force: bool = False,
    late_only: bool = False,
) -> Plan:
    """The work of `backfill` without doing it. `tables`: only steps that make one of these.

    `asked` None: the whole calendar, and the training set, which is made of all days. With some days alone, or in a
    selection, it is made if it is selected.
    """
    steps = tuple(step for step in all_steps(deployment.settings) if tables is None or tables & set(step.outputs))
    days = frozenset(calendar_days(deployment.settings) if asked is None else asked)
    ledger, latest = _published(deployment)
    todo = plan(deployment, steps, ledger, days, force=force, late_only=late_only)

    def whole(asset: str) -> bool:
        return not late_only and (asked is None if tables is None else asset in tables)

    return replace(
        todo,
        training_set=whole(TRAINING_SET),
        model=whole(CHURN_MODEL) or whole(CHURN_TRANSFORMER),
        # Whatever days were asked for: what they restate may be the newest.
        online=deployment.settings.serving.is_on and (tables is None or ONLINE_STORE in tables),
        steps=steps,
        asked=days,
        ledger=ledger,
        latest=latest,
        force=force,
        late_only=late_only,
    )


def remaining(deployment: Deployment, work: Work, *, late_only: bool = False) -> tuple[Work, ...]:
    """What is left of a planned run now that what comes before it is done: a day that is up to date by then is not."""
    return plan(deployment, work.steps, current_ledger(deployment), work.days, late_only=late_only).works


def current_ledger(deployment: Deployment) -> Ledger:
    return _published(deployment)[0]


def _published(deployment: Deployment) -> tuple[Ledger, Mapping[str, datetime]]:
    """What is published, and when each run published last."""
    if not deployment.settings.warehouse_path.exists():
        return Ledger([]), {}
    with deployment.warehouse.reading() as connection:
        return Ledger.read(connection), latest_of_runs(connection)


def _published_by(deployment: Deployment, run_id: str) -> int:
    """How many partitions are the run's. The ledger is asked: of many events Dagster gives back a part."""
    if not deployment.settings.warehouse_path.exists():
        return 0
    with deployment.warehouse.reading() as connection:
        return partitions_of(connection, run_id)


def backfill(
    definitions: Definitions,
    deployment: Deployment,
    work: Plan,
    *,
    on_run: Callable[[Work], None] = lambda _: None,
    on_progress: Callable[[str, int], None] = lambda _table, _partitions: None,
    narrowed: Callable[[Work], Iterable[Work]] = lambda run: [run],
    raise_on_error: bool = False,
) -> Report:
    """Do the planned runs in order. A run that fails stops what comes after it; what it published stays. But where it failed because
    files cannot be read, those are named, and the rest is planned anew without their days, as without those of no delivery.

    What a run reads or waits for, and does not make, must pass its blocking checks first: it may stem from a run that they failed.
    `narrowed` says, when a run's turn has come, what is left of it. `raise_on_error` lets a step's exception through
    instead of turning it into a sentence.
    """
    report = Report(failures=list(work.impossible))
    _free_what_killed_runs_keep(deployment)
    if not work.works and not _anything_else_is_due(deployment, work):
        return report
    with dagster_instance(deployment) as instance, deployment.warehouse.keeping_open(), listening(on_progress):

        def done(assets: Sequence[str], tags: Mapping[str, str]) -> ExecuteInProcessResult:
            run_id = str(uuid.uuid4())
            with deployment.signs_of_life.living(run_id):
                result = _execute(definitions, instance, run_id, assets, tags, raise_on_error=raise_on_error)
            _note_checks(deployment, result, report)
            if _interrupted(result):
                raise KeyboardInterrupt
            if not result.success:
                report.failures += _failures(result, report)
            return result

        refused: dict[date, list[str]] = {}

        def all_done(runs: Iterable[Work]) -> bool:
            for run in chain.from_iterable(map(narrowed, runs)):
                known = len(report.failures)
                inputs = {table for step in run.steps for table in (*step.reads, *step.after)} - set(run.tables)
                report.add(failing_unchecked(deployment, inputs, run.days, report))
                if report.failed:
                    return False
                on_run(run)
                result = done(run.tables, range_tags(run.days))
                report.run_ids.append(result.run_id)
                report.partitions += _published_by(deployment, result.run_id)
                if not result.success:
                    if (found := refused_days(deployment, run)).keys() <= refused.keys():
                        return False
                    refused.update(found)
                    report.failures[known:] = [sentence for sentences in found.values() for sentence in sentences]
                    return all_done(without(deployment, work, refused))
                for table in run.tables:
                    report.checked.setdefault(table, set()).update(run.days)
            return True

        # Without a model days are scored once it is made: by the rule first, they would be scored twice.
        waits = work.model and serving_models(deployment.settings).newest is None
        succeeded = all_done(before_model(work.works) if waits else work.works)
        succeeded = succeeded and _settled(lambda: moved_on(deployment, work, report.run_ids), all_done)
        missing = missing_training_set(deployment) if succeeded and work.training_set else None
        if missing:
            of_parts = {day for part in missing.days.values() for day in part}
            report.add(failing_unchecked(deployment, READS, DayRange(min(of_parts), max(of_parts)), report))
            tell(TRAINING_SET, 0)
            succeeded = not report.failed and done([TRAINING_SET], {}).success
            report.training_set = missing.version if succeeded else None
        due = due_model(deployment) if succeeded and work.model else None
        if due:
            tell(CHURN_MODEL, 0)
            succeeded = done([CHURN_TRANSFORMER, CHURN_MODEL], {}).success
            report.model = _newest_model(deployment) if succeeded else None
        if succeeded and (due or waits):
            succeeded = all_done(
                plan(deployment, work.steps, current_ledger(deployment), work.asked, refused=refused).works
            )
        if succeeded and _online_is_due(deployment, work):
            tell(ONLINE_STORE, 0)
            report.online = done([ONLINE_STORE], {}).success
    return report


def _settled(moved: Callable[[], Sequence[Work]], all_done: Callable[[Iterable[Work]], bool]) -> bool:
    """Do what other processes have moved on meanwhile, until that is nothing."""
    for _ in range(MOST_ROUNDS):
        if not (again := moved()):
            break
        if not all_done(again):
            return False
    return True


def _anything_else_is_due(deployment: Deployment, work: Plan) -> bool:
    """What is made once, besides the tables."""
    if work.training_set and missing_training_set(deployment):
        return True
    return bool(work.model and due_model(deployment)) or _online_is_due(deployment, work)


def _newest_model(deployment: Deployment) -> str | None:
    newest = serving_models(deployment.settings).newest
    return f"{newest.version} made: {newest.why}" if newest else None


def _online_is_due(deployment: Deployment, work: Plan) -> bool:
    """A store that cannot be reached is due: the asset then says why."""
    try:
        return work.online and due_snapshot(deployment) is not None
    except ChurnError:
        return True


def before_model(works: Iterable[Work]) -> Iterator[Work]:
    """The runs without the steps that score, and those that read scores."""
    for work in works:
        steps = [s for s in work.steps if not (isinstance(s, Step) and (s.beside or SCORES in s.reads))]
        if steps:
            yield replace(work, steps=tuple(steps))


def refused_days(deployment: Deployment, run: Work) -> dict[date, list[str]]:
    """Landing days of a failed run that have files which cannot be read, with a sentence about each file."""
    found: dict[date, list[str]] = {}
    for step in run.steps:
        if isinstance(step, LandingStep):
            for day, sentences in step.refusals(deployment, run.days).items():
                found.setdefault(day, []).extend(sentences)
    return found


def without(deployment: Deployment, work: Plan, refused: Mapping[date, Sequence[str]]) -> tuple[Work, ...]:
    """What is left of a plan if nothing had been delivered on the refused days."""
    left = plan(
        *(deployment, work.steps, current_ledger(deployment), work.asked),
        force=work.force,
        late_only=work.late_only,
        refused=refused,
    )
    return left.works


def moved_on(deployment: Deployment, work: Plan, run_ids: Collection[str]) -> tuple[Work, ...]:
    """What is out of date after the runs of a plan because other processes published meanwhile what it was made from: among the
    asked days, and where these runs reached.
    """
    if not work.works:
        return ()
    with deployment.warehouse.reading() as connection:
        latest = latest_of_runs(connection)
        if all(work.latest.get(run_id) == at for run_id, at in latest.items() if run_id not in run_ids):
            return ()
        ledger = Ledger.read(connection)
    ours = {
        table: {day for day, entry in ledger.of(table).items() if entry.run_id in run_ids}
        for step in work.steps
        for table in step.outputs
    }
    return plan(deployment, work.steps, ledger, work.asked, late_only=True, published_since=ours).works


def _free_what_killed_runs_keep(deployment: Deployment) -> None:
    if deployment.signs_of_life.dead():  # Asked first, because it takes no Dagster.
        from churn_assets.automation.leftovers import fail_runs_that_died

        with dagster_instance(deployment) as instance:
            fail_runs_that_died(instance, deployment)


def failing_blocking_checks(
    deployment: Deployment, tables: Iterable[str], days: DayRange, memory: Memory | None = None
) -> Failing:
    """Blocking checks of `tables` that stored data fails now on the published ones among `days`. Days that `memory` knows to pass
    are not judged again.
    """
    from churn_assets.checks.graph import all_checks, verdicts

    failing: Failing = {}
    checks = [check for check in all_checks(deployment.settings) if check.blocking and check.table in set(tables)]
    if not checks or not deployment.settings.warehouse_path.exists():
        return failing
    with deployment.warehouse.reading() as connection:
        ledger = Ledger.read(connection, {check.table for check in checks})
        stored = Stored(connection, deployment.contracts, deployment.settings, partial(unsettled, deployment))
        for check in checks:
            published = [day for day in days if day in ledger.of(check.table)]
            about = memory.about(check, stored, published) if memory else {}
            if memory:
                passed = memory.passed(check, about)
                published = [day for day in published if day not in passed]
            if published:
                judged = verdicts(check, stored, DayRange(published[0], published[-1]))
                if memory:
                    memory.note(check, about, judged)
                failed: dict[date | None, str] = {
                    day: in_words(judged[day].figures) for day in published if judged[day].failed
                }
                if failed:
                    failing[check.qualified_name] = failed
    return failing


def known_failures(deployment: Deployment) -> Failing:
    """Blocking checks that failed when they were last run, of what is published still. Nothing is judged."""
    memory = Memory.of(deployment.settings)
    if not deployment.settings.warehouse_path.exists() or not memory.knows_failures:
        return {}
    from churn_assets.checks.graph import all_checks

    failing: Failing = {}
    with deployment.warehouse.reading() as connection:
        stored = Stored(connection, deployment.contracts, deployment.settings)
        for check in all_checks(deployment.settings):
            if check.blocking:
                about = memory.about(check, stored, stored.published(check.table))
                if failed := memory.failures(check, about):
                    failing[check.qualified_name] = failed
    return failing


def failing_unchecked(deployment: Deployment, tables: Iterable[str], days: DayRange, report: Report) -> Failing:
    """The same on the days that no run of the backfill has just computed and checked."""
    together: dict[DayRange, list[str]] = {}
    for table in tables:
        if unchecked := [day for day in days if day not in report.checked.get(table, ())]:
            together.setdefault(DayRange(unchecked[0], unchecked[-1]), []).append(table)
    if not together:
        return {}
    memory, failing = Memory.of(deployment.settings), Failing()
    for span, of_tables in together.items():
        failing |= failing_blocking_checks(deployment, of_tables, span, memory)
    return failing


@contextmanager
def dagster_instance(deployment: Deployment) -> Iterator[DagsterInstance]:
    """The instance runs are recorded in: that of $DAGSTER_HOME if set, else the deployment's own."""
    from dagster import DagsterInstance

    given = os.environ.get("DAGSTER_HOME")
    # The event log's folder is relative to it, so it is set for as long as the instance is in use.
    os.environ["DAGSTER_HOME"] = str(home_in_use(deployment.settings.dagster_home))
    try:
        with opened_alone(Path(os.environ["DAGSTER_HOME"])):
            opened = DagsterInstance.get()
        with opened as instance:
            yield instance
    finally:
        if given is None:
            del os.environ["DAGSTER_HOME"]
        else:
            os.environ["DAGSTER_HOME"] = given


def range_tags(days: DayRange) -> dict[str, str]:
    """What tells Dagster which partitions a run is for."""
    return {RANGE_START: days.first.isoformat(), RANGE_END: days.last.isoformat()}


def _execute(
    definitions: Definitions,
    instance: DagsterInstance,
    run_id: str,
    assets: Sequence[str],
    tags: Mapping[str, str],
    *,
    raise_on_error: bool,
) -> ExecuteInProcessResult:
    from dagster import AssetKey

    keys = [AssetKey(name) for name in assets]
    job = definitions.get_repository_def().get_implicit_job_def_for_assets(keys)
    if job is None:
        raise ChurnError("The asked-for tables do not share one calendar.")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    return job.execute_in_process(
        instance=instance,
        run_id=run_id,
        asset_selection=keys,
        tags={**tags, NO_RETRY_TAG: "true"},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=raise_on_error,
    )


def _interrupted(result: ExecuteInProcessResult) -> bool:
    """Whether somebody pressed Ctrl-C, which Dagster turns into a failure of the step or of the run, and DuckDB, in the
    middle of a query, into an error of its own.
    """
    from dagster import DagsterExecutionInterruptedError
    from dagster._core.events import RunFailureReason

    interruptions = {kind.__name__ for kind in (DagsterExecutionInterruptedError, KeyboardInterrupt)}
    for event in result.all_events:
        errors = _with_causes(event.step_failure_data.error) if event.is_step_failure else ()
        if any(error.cls_name in interruptions or DUCKDB_INTERRUPTED in error.message for error in errors):
            return True
        if event.is_job_failure and event.job_failure_data.failure_reason == RunFailureReason.UNEXPECTED_TERMINATION:
            return True
    return False


def _note_checks(deployment: Deployment, result: ExecuteInProcessResult, report: Report) -> None:
    for evaluation in result.get_asset_check_evaluations():
        if evaluation.passed:
            continue
        name = f"{evaluation.asset_key.to_user_string()}.{evaluation.check_name}"
        figures = {label: entry.value for label, entry in evaluation.metadata.items()}
        if evaluation.blocking:
            day = date.fromisoformat(evaluation.partition) if evaluation.partition else None
            report.add({name: {day: in_words(figures)}})
        else:
            report.warnings[name] += 1
            if name not in report.expected:
                expected = figures[EXPECTED] if EXPECTED in figures else _description(deployment, name)
                report.expected[name] = str(expected).rstrip(".")


def _description(deployment: Deployment, name: str) -> str:
    """What the check of that name is about; empty for one that is not ours."""
    from churn_assets.checks.graph import all_checks

    return next((check.description for check in all_checks(deployment.settings) if check.qualified_name == name), "")


def _failures(result: ExecuteInProcessResult, report: Report) -> list[str]:
    """A sentence for each step that failed. A failed blocking check fails its step too, but is reported as a check."""
    errors = [
        (event.step_key or "", event.step_failure_data.error) for event in result.all_events if event.is_step_failure
    ]
    if not errors:
        return ["The run failed before its first step; see it in the Dagster UI."]
    return [
        failure_sentence(step, error)
        for step, error in errors
        if not (report.failed and error is not None and error.cls_name == "DagsterAssetCheckFailedError")
    ]


def _with_causes(error: Any) -> Iterator[Any]:
    """The error, what caused it, and so on to the first."""
    while error is not None:
        yield error
        error = error.cause


def failure_sentence(step: str, error: Any) -> str:
    """The words of the first error that is ours; of any other only its kind, because its words may quote a row."""
    errors = [*_with_causes(error)]
    error = errors[-1] if errors else None
    if error is not None and (disk := about_the_disk(error.message)):
        return disk
    for known in reversed(errors):
        if names_ours(known.cls_name):
            return str(known.message).split(": ", 1)[1].strip()
    kind = error.cls_name if error is not None else "an unknown error"
    return f"{step} failed with {kind}; see the run in the Dagster UI, or run again with 'churn-assets --debug'."
