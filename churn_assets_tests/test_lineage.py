"""Column lineage is what the steps do: a column changes if, and only if, one it is said to be made from does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churn_assets.assets.step import Block, Deployment, Inputs, Step
from churn_assets.assets.steps import all_steps
from churn_assets.contracts.lineage import column_lineage
from churn_assets.warehouse import Ledger
from worlds import DAYS, days, deployment_of

STRUCTURE = {
    *("user_id", "event_id", "as_of_date", "event_date", "landing_date", "source_file", "source_row"),
    *("is_active", "read_error"),
}
"""Keys, days and flags that say which rows there are: with another value there, other rows are compared."""
COMPARED_BY = {
    "clean_users": ["source_file", "source_row"],
    "clean_events": ["source_file", "source_row"],
}
IN_WHAT_IS_TRIED = {"user_day_grid", "user_daily", "user_features", "churn_labels"}
"""Here a changed value changes what is made of it; a reason or a count of users need not."""


@pytest.fixture(scope="module")
def deployment(computed_template: Path) -> Deployment:
    return deployment_of(computed_template)


def steps(deployment: Deployment) -> Iterator[Step]:
    yield from (step for step in all_steps(deployment.settings) if isinstance(step, Step))


def lineage_of(deployment: Deployment, table: str) -> dict[str, tuple[str, ...]]:
    return dict(column_lineage(deployment.contracts[table], deployment.settings))


def test_every_column_of_a_computed_table_is_made_from_columns_its_step_reads(deployment: Deployment) -> None:
    for step in steps(deployment):
        known = {f"{table}.{name}" for table in step.reads for name in deployment.contracts[table].column_names}
        for table in step.outputs:
            found = lineage_of(deployment, table)
            has_none = table == "feature_catalogue" or step.group == "scores"
            assert set(found) == (set() if has_none else set(deployment.contracts[table].column_names))
            assert {source for sources in found.values() for source in sources} <= known, table
            assert all(found.values()), table


def test_what_comes_from_files_has_none(deployment: Deployment) -> None:
    assert not any(lineage_of(deployment, f"{kind}") for kind in ("raw_users", "users_files", "raw_events"))


@pytest.mark.long
def test_a_column_changes_only_with_those_it_is_made_from_and_with_each_of_them(deployment: Deployment) -> None:
    """Every column that is no key, one after the other: its values exchanged among each other, and all made one."""
    undeclared, without_effect = [], []
    for step in (step for step in steps(deployment) if step.group != "scores"):
        inputs = loaded(deployment, step)
        before = tables(deployment, step, inputs)
        for source, column in sources_of(deployment, step, inputs):
            worlds = [
                tables(deployment, step, replaced(step, inputs, source, column, change)) for change in (exchanged, same)
            ]
            for output in step.outputs:
                changed = {name for after in worlds for name in different_columns(before[output], after[output])}
                of = lineage_of(deployment, output)
                declared = {name for name in of if f"{source}.{column}" in of[name]} - STRUCTURE
                undeclared += [f"{output}.{name} <- {source}.{column}" for name in changed - declared]
                if output in IN_WHAT_IS_TRIED:
                    without_effect += [f"{output}.{name} <- {source}.{column}" for name in declared - changed]
    assert (undeclared, without_effect) == ([], [])


def loaded(deployment: Deployment, step: Step) -> Inputs:
    with deployment.warehouse.reading() as connection:
        return step._load(deployment, Ledger.read(connection), Block(days(1, DAYS)), None, connection)


def sources_of(deployment: Deployment, step: Step, inputs: Inputs) -> list[tuple[str, str]]:
    return [
        (table, name)
        for table in step.reads
        for name in deployment.contracts[table].column_names
        if name not in STRUCTURE and frames_with(step, inputs, table, name)
    ]


def frames_with(step: Step, inputs: Inputs, table: str, column: str) -> list[str]:
    """The frames that hold a column of a table: under its own name, or as a selection of it."""
    of = {name: step.selects[name].of or name if name in step.selects else name for name in inputs.frames}
    return [name for name, frame in inputs.frames.items() if of[name] == table and column in frame]


def exchanged(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(values, [*values[1:], *values[:1]], strict=True))


def same(values: list[Any]) -> dict[Any, Any]:
    is_number = all(isinstance(value, (int, float)) for value in values)
    return dict.fromkeys(values, 0 if is_number else next(iter(values), None))


def replaced(
    step: Step, inputs: Inputs, table: str, column: str, change: Callable[[list[Any]], dict[Any, Any]]
) -> Inputs:
    """The inputs with a table's column changed value by value, alike in each frame that holds it; null stays."""
    names = frames_with(step, inputs, table, column)
    values = sorted(pd.concat([inputs[name][column].astype(object) for name in names]).dropna().unique(), key=str)
    new, frames = change(values), dict(inputs.frames)
    for name in names:
        old = frames[name][column]
        series = old.astype(object).map(lambda value: new.get(value, value))
        is_label = isinstance(old.dtype, pd.CategoricalDtype)
        frames[name] = frames[name].assign(**{column: series.astype("category" if is_label else old.dtype)})
    return replace(inputs, frames=frames)


def tables(deployment: Deployment, step: Step, inputs: Inputs) -> dict[str, pd.DataFrame]:
    made = dict(zip(step.outputs, step.compute(inputs, days(1, DAYS)), strict=True))
    return {
        table: deployment.contracts[table]
        .typed(frame)
        .set_index(COMPARED_BY.get(table, list(deployment.contracts[table].key)))
        for table, frame in made.items()
    }


def different_columns(before: pd.DataFrame, after: pd.DataFrame) -> set[str]:
    """Columns of which a row that is in both has another value."""
    both = before.index.intersection(after.index)
    one, other = (frame.loc[both].round(6).astype(object) for frame in (before, after))
    different = (one != other) & ~(one.isna() & other.isna())
    return {str(name) for name in different.columns[different.any()] if name not in STRUCTURE}
