"""What is run and killed, and what is asked afterwards. Each function is a process of its own, on one data folder.

The processes are forked from one that has imported everything already, so that a kill hits work and not imports.
"""

from __future__ import annotations

import logging
import multiprocessing
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from dagster import Definitions

from churn_assets.assets.steps import all_steps
from churn_assets.automation.backfill import backfill, current_ledger, dagster_instance, planned
from churn_assets.automation.plan import Plan, Work
from churn_assets.automation.verify import verify
from churn_assets.calendar import DayRange
from churn_assets.errors import ChurnError
from churn_assets.graph import build_definitions
from churn_assets_tests.torture.world import REDELIVERED, deployment, make_world

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["churn_assets_tests.torture.runs", "matplotlib.figure"])
PATIENCE_SECONDS = 600
"""A process that takes longer is held up by something: what this campaign is to find."""
Hashes = dict[tuple[str, date], str]


class State(NamedTuple):
    """What a warehouse holds, and what is wrong with it in sentences."""

    hashes: Hashes
    wrong: list[str]


def bring_up_to_date(data: Path) -> State:
    """What `churn-assets backfill` does: only what is missing or was changed, range by range."""
    one = deployment(data)
    return _run(data, planned(one))


def compute_one_day(data: Path) -> State:
    """What the UI or a schedule does: every table of one day, whatever there is already."""
    one = deployment(data)
    return _run(data, Plan((Work(tuple(all_steps(one.settings)), DayRange(REDELIVERED, REDELIVERED)),), ()))


def compute_all_days(data: Path) -> State:
    """Every table of every day in one run, whatever there is already."""
    return _run(data, planned(deployment(data), force=True))


def look(data: Path) -> State:
    """What is published, and whether every partition is as published."""
    one = deployment(data)
    try:
        ledger = current_ledger(one)
        found = {(table, day): entry.content_hash for table in one.contracts for day, entry in ledger.of(table).items()}
        if not found:
            return State({}, [])
        return State(found, [f"{f.table} {f.day}: {f.what}" for _, _, findings in verify(one) for f in findings])
    except ChurnError as error:
        return State({}, [str(error)])


def make(data: Path, seed: int) -> None:
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    make_world(data, seed)


def _run(data: Path, todo: Plan) -> State:
    one = deployment(data)
    report = backfill(_without_checks(build_definitions(one.settings)), one, todo)
    wrong = [*report.failures, *(f"{name} fails on {days} days" for name, days in report.blocking.items())]
    with dagster_instance(one) as instance:
        wrong += [f"run {run.run_id} is left {run.status.value}" for run in instance.get_runs() if not run.is_finished]
    state = look(data)
    return State(state.hashes, wrong + state.wrong)


def _without_checks(definitions: Definitions) -> Definitions:
    """Checks only read, and would take most of the time in which a kill can hit a write."""
    return Definitions(definitions.assets, resources=definitions.resources, executor=definitions.executor)


class Process:
    """`function(*arguments)` in a process of its own. What it returns is asked for with `result`."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._hears, says = PROCESSES.Pipe(duplex=False)
        self._process = PROCESSES.Process(target=_tell, args=(says, function, *arguments))
        self._process.start()
        says.close()

    def kill(self, after_seconds: float) -> bool:
        """SIGKILL once that time has passed; whether it was still at work."""
        self._process.join(after_seconds)
        alive = self._process.is_alive()
        self._process.kill()
        self._process.join()
        return alive

    def ended(self) -> None:
        """Wait for one that ends without a word."""
        self._process.join(PATIENCE_SECONDS)

    def result(self) -> Any:
        """Raises RuntimeError where it died or is held up."""
        try:
            if not self._hears.poll(PATIENCE_SECONDS):
                self.kill(0)
                raise RuntimeError(f"held up for more than {PATIENCE_SECONDS} s")
            return self._hears.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"ended with exit code {self._process.exitcode}") from None


def _tell(says: Any, function: Callable[..., Any], *arguments: object) -> None:
    sys.modules["__main__"].__file__ = __file__  # Without one DuckDB takes us for a notebook, and draws progress bars.
    says.send(function(*arguments))
