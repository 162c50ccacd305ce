"""What each step must know of the others: where its days stem from, what is declared of what it reads, and who reads what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from churn_assets.assets.landing_step import LandingStep
from churn_assets.assets.step import Step
from churn_assets.calendar import SAME_DAY, Window
from churn_assets.settings import SourceName
from churn_assets.warehouse.selection import Selection

AnyStep = LandingStep | Step


def wired(*steps: AnyStep) -> tuple[AnyStep, ...]:
    """The steps, in an order in which each finds its inputs made, with what they must know of the others filled in."""
    landed: dict[str, Mapping[SourceName, Window]] = {}
    declared: dict[str, Mapping[str, Any]] = {}
    done: list[AnyStep] = []
    for step in steps:
        origins, views = _origins(step, landed), _views(step, steps)
        if isinstance(step, LandingStep):
            done.append(replace(step, views=views))
        else:
            known = {table: declared[table] for table in step.reads if table in declared}
            done.append(replace(step, landed=origins, views=views, declared=known))
            declared |= step.definitions
        landed.update(dict.fromkeys(step.outputs, origins))
    return tuple(done)


def _origins(step: AnyStep, landed: Mapping[str, Mapping[SourceName, Window]]) -> dict[SourceName, Window]:
    """Which landing days its days stem from: its windows through those of the steps before."""
    origins = dict(step.landed)
    for table, window in step.reads.items():
        for source, further in landed[table].items():
            origins[source] = origins.get(source, SAME_DAY) | window.through(further)
    return origins


def _views(step: AnyStep, steps: tuple[AnyStep, ...]) -> dict[str, tuple[Selection, ...]]:
    """The parts of its tables that the steps read, each once."""
    readers = [reader for reader in steps if isinstance(reader, Step)]
    return {
        table: tuple(
            dict.fromkeys(
                replace(part, of=None, window=None)
                for reader in readers
                for part in reader.selections(table).values()
                if table in reader.reads and not part.is_whole
            )
        )
        for table in step.outputs
    }
