"""What a step reads for a block, and how work is split into blocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from churn_assets.assets.step import Block, Step
from churn_assets.assets.steps import all_steps
from churn_assets.automation.backfill import current_ledger
from churn_assets.warehouse import Ledger
from worlds import DAYS, day, days, deployment_of, query, write_settings


def user_features(data: Path) -> Step:
    (step,) = (step for step in all_steps(deployment_of(data).settings) if step.name == "user_features")
    assert isinstance(step, Step)
    return step


def test_a_selection_under_its_own_name_reads_its_part_of_the_window_besides_the_table(computed: Path) -> None:
    deployment = deployment_of(computed)
    with deployment.warehouse.reading() as connection:
        ledger = Ledger.read(connection)
        inputs = user_features(computed)._load(deployment, ledger, Block(days(DAYS)), None, connection)
    seen = {name: set(frame["as_of_date"].dt.date) for name, frame in inputs.frames.items() if "as_of_date" in frame}
    assert seen["attributes"] == {day(DAYS)}, "the days themselves"
    assert seen["user_day_grid"] == set(days(1, DAYS)), "the whole window"
    assert list(inputs["user_day_grid"]) == ["user_id", "as_of_date"]
    assert inputs.published.keys() == {"user_day_grid", "user_daily", "clean_events"}
    assert inputs.published["user_daily"] == list(days(1, DAYS))
    assert (inputs["windowed"]["total_events"] > 0).all()


@pytest.mark.parametrize("beyond", [0, 0.125, 1])
def test_rows_of_other_days_than_the_blocks_own_count_for_what_reading_them_costs(
    computed: Path, beyond: float
) -> None:
    """The last day alone, whose window holds the whole grid: as many key buckets as its size has blocks of 10 rows."""
    write_settings(computed, block_rows=10)
    step = replace(user_features(computed), beyond=beyond)
    ((own, whole),) = query(
        computed, f"SELECT count(*) FILTER (as_of_date = '{day(DAYS)}'), count(*) FROM churn.user_day_grid"
    )
    deployment = deployment_of(computed)
    blocks = list(step._blocks(deployment, current_ledger(deployment), days(DAYS)))
    assert len(blocks) == -(-int(own + beyond * (whole - own)) // 10)
