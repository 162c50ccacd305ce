"""Damaged files: what is wrong is named in one sentence, or what is read is wholly the old or the new state."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import worlds
from churn_assets.cli import cli
from churn_assets_tests.torture.damage import HARMS, NAMED, NEW, OLD, TARGETS, WRONG, harm, judged, with_log
from churn_assets_tests.torture.runs import Hashes, State, look
from test_cli import said_here

WAREHOUSE, LOG = TARGETS


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Hashes, Hashes]]:
    yield with_log(tmp_path_factory.mktemp("damage"), seed=1)


@pytest.mark.long
@pytest.mark.parametrize("how", HARMS)
@pytest.mark.parametrize("target", TARGETS)
def test_damage_is_named_or_harmless_and_never_a_wrong_answer(
    world: tuple[Path, Hashes, Hashes], target: str, how: str
) -> None:
    data, old, new = world
    outcomes = set()
    for seed in range(4):
        undo = harm(data, target, how, seed)
        try:
            state = look(data)
        finally:
            undo()
        outcomes.add(judged(state, old, new))
        for sentence in state.wrong:
            assert str(data / WAREHOUSE) in sentence and "\n" not in sentence and sentence.endswith(".")
    assert WRONG not in outcomes
    assert outcomes & ({NAMED} if (target, how) != (LOG, "end cut off") else {OLD}), "the damage did some harm"


@pytest.mark.long
def test_undamaged_it_is_the_new_state(world: tuple[Path, Hashes, Hashes]) -> None:
    data, old, new = world
    assert old != new
    assert judged(look(data), old, new) == NEW


def test_verify_says_which_state_it_is(world: tuple[Path, Hashes, Hashes]) -> None:
    data, _, _ = world
    said = []
    for damage in (None, "end cut off"):
        undo = harm(data, LOG, damage, 0) if damage else None
        done = CliRunner().invoke(cli, ["--data", str(data), "verify"])
        assert done.exit_code == 0 and "All 84 partitions are as published." in done.output
        said += re.findall(r"The newest was published (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC\.", done.output)
        if undo:
            undo()
    after, before = said
    assert before < after, "the transaction that was in the log is not there any more"


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (State({("t", worlds.START): "old"}, []), OLD),
        (State({("t", worlds.START): "new"}, []), NEW),
        (State({("t", worlds.START): "other"}, []), WRONG),
        (State({}, []), WRONG),
        (State({}, ["it is damaged."]), NAMED),
    ],
)
def test_an_outcome_is_what_was_read(state: State, outcome: str) -> None:
    assert judged(state, {("t", worlds.START): "old"}, {("t", worlds.START): "new"}) == outcome


@pytest.mark.parametrize("harmed", TARGETS)
def test_every_command_names_a_damaged_file_in_one_sentence(world: tuple[Path, Hashes, Hashes], harmed: str) -> None:
    data, _, _ = world
    undo = harm(data, harmed, "bit flipped" if harmed == LOG else "end cut off", 0)
    try:
        for command in ("verify", "status", "report", "restate", "export user_daily", "backfill"):
            sentence = said_here(data, *command.split())
            assert "warehouse.duckdb is damaged" in sentence and "churn-assets restore FILE" in sentence
    finally:
        undo()


def test_a_damaged_partition_that_reads_well_is_found_by_its_hash(computed: Path) -> None:
    """The second net, below DuckDB's checksums: whatever the rows say now, the ledger says what they were."""
    worlds.tamper(
        computed, f"UPDATE churn.user_daily SET total_logins = 1 - total_logins WHERE as_of_date = '{worlds.day(3)}'"
    )
    assert "1 of 252 partitions are not as published" in said_here(computed, "verify")
