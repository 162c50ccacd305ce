"""The campaign of kills itself: what it calls wrong, and that it does kill what is at work."""

from __future__ import annotations

import time
from datetime import date

import pytest

from churn_assets_tests.torture.rounds import neither_old_nor_new
from churn_assets_tests.torture.runs import Hashes, Process

DAY = date(2026, 1, 1)
OLD: Hashes = {("a", DAY): "1", ("b", DAY): "2"}
NEW: Hashes = {("a", DAY): "1", ("b", DAY): "3", ("c", DAY): "4"}


@pytest.mark.parametrize(
    ("left", "wrong"),
    [
        (OLD, set()),
        (NEW, set()),
        ({**OLD, ("c", DAY): "4"}, set()),  # some partitions new, some old: between two transactions
        ({("a", DAY): "1", ("b", DAY): "5"}, {("b", DAY)}),  # half of each
        ({("a", DAY): "1"}, {("b", DAY)}),  # gone: deleted and not written again
        ({**OLD, ("d", DAY): "6"}, {("d", DAY)}),  # never published by anybody
        ({}, {("a", DAY), ("b", DAY)}),
    ],
)
def test_a_partition_must_be_old_or_new(left: Hashes, wrong: set[tuple[str, date]]) -> None:
    assert neither_old_nor_new(left, OLD, NEW) == wrong


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_a_process_is_killed_at_work_or_found_to_have_ended() -> None:
    assert Process(sleep, 60).kill(0.2)
    assert not Process(sleep, 0).kill(30)
    assert Process(sleep, 0).result() == 0
    with pytest.raises(RuntimeError, match="ended with exit code"):
        Process(sleep, "not a number").result()
