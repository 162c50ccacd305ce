"""Eight processes on one warehouse at once: nobody fails for a lock, nothing is lost, and the hashes are those of one by one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from churn_assets.calendar import DayRange
from churn_assets.report import write_report
from churn_assets.warehouse.export import export_table
from churn_assets_tests.torture.runs import (
    Hashes,
    Process,
    State,
    bring_up_to_date,
    compute_all_days,
    compute_one_day,
    look,
    make,
)
from churn_assets_tests.torture.world import LAST, START, deployment
from worlds import differing

pytestmark = pytest.mark.long
LOOKS = 5


def keep_looking(data: Path) -> list[State]:
    """What `churn-assets verify` does, again and again while others write."""
    return [look(data) for _ in range(LOOKS)]


def report_and_export(data: Path) -> int:
    """What `churn-assets report` and `export` do. Gives how many rows were exported."""
    one = deployment(data)
    with tempfile.TemporaryDirectory() as folder:
        assert all(path.stat().st_size for path in write_report(one, Path(folder)))
        _, rows = export_table(
            one.warehouse,
            one.contracts["user_daily"],
            Path(folder) / "user_daily.parquet",
            file_format="parquet",
            days=DayRange(START, LAST),
            block_rows=1000,
        )
    return rows


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Hashes, Hashes]:
    """A deployment with work to do, what it holds, and what it holds once that is done in one process."""
    data = tmp_path_factory.mktemp("eight") / "data"
    Process(make, data, 3).result()
    old = Process(look, data).result().hashes
    copy = data.with_name("serial")
    shutil.copytree(data, copy)
    serial = Process(bring_up_to_date, copy).result()
    assert not serial.wrong
    return data, old, serial.hashes


def test_eight_processes_on_one_warehouse_give_what_one_gives(world: tuple[Path, Hashes, Hashes]) -> None:
    data, old, serial = world
    assert differing(old, serial)
    writers = [
        Process(run, data)
        for run in (compute_all_days, compute_all_days, bring_up_to_date, bring_up_to_date, compute_one_day)
    ]
    readers = [Process(keep_looking, data) for _ in range(2)]
    reporter = Process(report_and_export, data)
    assert reporter.result() > 0
    for reader in readers:
        for state in reader.result():
            assert state.wrong == []
            assert len(state.hashes) == len(old), "no partition is ever missing"
    for writer in writers:
        # A run that others are still at work beside sees their runs unfinished, as it should.
        assert [sentence for sentence in writer.result().wrong if " is left " not in sentence] == []
    finished = Process(bring_up_to_date, data).result()
    assert finished.wrong == []
    assert not differing(finished.hashes, serial)
