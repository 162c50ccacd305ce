"""Killed at any moment, run again: the same bytes as if nothing had happened, and nothing to clean up by hand."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import duckdb
import pytest

from churn_assets.automation.verify import verify
from worlds import BIN, DAYS, Hashes, command, deployment_of, differing, environment, hashes

pytestmark = pytest.mark.long
TABLES = 21
POLL_SECONDS = 0.02


def start_backfill(data: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [BIN / "churn-assets", "--data", data, "backfill"],
        cwd=data.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_writing(process: subprocess.Popen[str], data: Path) -> None:
    """The interesting moments begin when the warehouse does; how long the imports take before is the machine's business."""
    while process.poll() is None and not (data / "warehouse.duckdb").exists():
        time.sleep(POLL_SECONDS)


def published_wholly(data: Path) -> None:
    """Each partition that is there is as the ledger says; rows without a ledger row would be found too."""
    if (data / "warehouse.duckdb").exists():
        assert not [finding for _, _, findings in verify(deployment_of(data)) for finding in findings]


@pytest.mark.parametrize("seed", range(3))
def test_sigkill_at_any_moment(landed: Path, expected: Hashes, seed: int) -> None:
    moments = random.Random(seed)
    for _ in range(2):
        process = start_backfill(landed)
        wait_until_writing(process, landed)
        time.sleep(moments.uniform(0, 4))
        process.kill()
        process.communicate(timeout=60)
        published_wholly(landed)
    done = command("churn-assets", "--data", landed, "backfill", cwd=landed.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    published_wholly(landed)
    assert not differing(hashes(landed), expected)
    assert len(hashes(landed)) == TABLES * DAYS


def test_sigint_ends_it_with_a_word_and_without_a_traceback(landed: Path, expected: Hashes) -> None:
    process = start_backfill(landed)
    wait_until_writing(process, landed)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "Traceback" not in out + err and "Stopped" in err, (out, err)
    published_wholly(landed)
    assert command("churn-assets", "--data", landed, "backfill", cwd=landed.parent).returncode == 0
    assert not differing(hashes(landed), expected)


def test_nothing_that_stays_behind_holds_the_warehouse(landed: Path) -> None:
    process = start_backfill(landed)
    wait_until_writing(process, landed)
    time.sleep(0.5)
    process.kill()
    process.communicate(timeout=60)
    with duckdb.connect(str(landed / "warehouse.duckdb")) as connection:
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
