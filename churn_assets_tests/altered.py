"""A graph whose definitions change, by a way that knows no product: columns added to, dropped from or retyped in any table.

`alter` works for the rest of the process: in a test with `monkeypatch`, or in a process of its own that is killed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from churn_assets.assets import step as step_module
from churn_assets.assets import steps as steps_module
from churn_assets.assets.step import Inputs, Step
from churn_assets.assets.wiring import AnyStep, wired
from churn_assets.automation.backfill import planned
from churn_assets.calendar import DayRange
from churn_assets.contracts import Column, Contract, Kind, contracts
from churn_assets.settings import Settings
from churn_assets.warehouse import publish
from churn_assets.warehouse.selection import Selection
from worlds import deployment_of

Set = Callable[[Any, str, Any], None]
REAL_CONTRACTS = contracts


@dataclass(frozen=True)
class Altered:
    """Another definition of one table. Its added columns are multiples of a number that it has."""

    table: str
    number: str
    added: Mapping[str, float] = field(default_factory=dict)
    """By name: so many times the number."""
    dropped: tuple[str, ...] = ()
    as_text: tuple[str, ...] = ()
    """Columns that become text."""
    read_by: tuple[str, ...] = ()
    """Steps that select the added columns too, and so make nothing else of them."""


def alter(change: Altered, set_attribute: Set = setattr) -> None:
    """Let the graph be of another definition; `set_attribute` as of a monkeypatch."""

    def changed_contracts(settings: Settings) -> dict[str, Contract]:
        tables = REAL_CONTRACTS(settings)
        return {**tables, change.table: _contract(tables[change.table], change)}

    set_attribute(step_module, "contracts", changed_contracts)
    set_attribute(steps_module, "wired", lambda *steps: wired(*(_step(step, change) for step in steps)))


def _contract(contract: Contract, change: Altered) -> Contract:
    kept = [
        replace(column, kind=Kind.TEXT, minimum=None, maximum=None) if column.name in change.as_text else column
        for column in contract.columns
        if column.name not in change.dropped
    ]
    added = [Column(name, Kind.NUMBER, "So many times a number") for name in change.added]
    return replace(contract, columns=(*kept, *added), rules=())


def _step(step: AnyStep, change: Altered) -> AnyStep:
    if not isinstance(step, Step):
        return step
    if step.name in change.read_by:
        own = step.selects[change.table]
        more = replace(own, columns=(*(own.columns or ()), *change.added))
        return replace(step, selects={**step.selects, change.table: more})
    if change.table not in step.outputs:
        return step
    compute, at = step.compute, step.outputs.index(change.table)
    # In collections: what is declared of single columns stands in `definitions`.
    added, as_text = dict(change.added), list(change.as_text)

    def altered(inputs: Inputs, days: DayRange) -> tuple[pd.DataFrame, ...]:
        frames = list(compute(inputs, days))
        frame = frames[at]
        frames[at] = frame.assign(
            **{name: frame[change.number].astype("float64") * factor for name, factor in added.items()},
            **{name: frame[name].astype(str).astype("str") for name in as_text},
        )
        return tuple(frames)

    return replace(step, compute=altered, definitions={change.table: dict(change.added)})


def run_bit_by_bit(data: Path, on_publication: Callable[[int], None] = lambda _: None) -> None:
    """What is to do, each publication in its own transaction, as Dagster does. `on_publication` gets how many are done."""
    deployment = deployment_of(data)
    done = 0
    for work in planned(deployment).works:
        for step in work.steps:
            publications = step.publications(deployment, work.days)
            for publication in publications:
                with deployment.warehouse.writing() as connection:
                    publish(connection, publication)
                done += 1
                on_publication(done)


def main(data: Path, change: Altered) -> None:
    alter(change)
    run_bit_by_bit(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]), eval(sys.argv[2]))


__all__ = ["Altered", "Selection", "alter", "run_bit_by_bit"]
