"""Definitions that change under a published warehouse: tables change where they stand, only what is touched is computed again,
history stays, and the end is that of a fresh warehouse whatever was killed in between.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from altered import Altered, alter, run_bit_by_bit
from churn_assets.automation.backfill import current_ledger, failing_blocking_checks, planned
from churn_assets.automation.verify import verify
from churn_assets.errors import ChurnError, OlderDefinition
from churn_assets.training import features_as_of
from churn_assets.warehouse import publish, read_days
from churn_assets.warehouse.export import export_table
from worlds import (
    CALENDAR,
    HORIZON,
    Hashes,
    day,
    days,
    deliver,
    deployment_of,
    differing,
    environment,
    hashes,
    query,
    run_plainly,
    tamper,
    work_by_table,
    write_settings,
)

Change = Callable[[Altered], None]
DAILY = Altered("user_daily", "total_watch_minutes")
"""user_daily as it is, but with declarations of its columns, which are none."""
ONE_MORE = replace(DAILY, added={"twice": 2.0})
CHANGES = {
    "added": ONE_MORE,
    "dropped": replace(DAILY, dropped=("distinct_courses",)),
    "retyped": replace(DAILY, as_text=("distinct_courses",)),
    "renamed": replace(DAILY, dropped=("distinct_courses",), added={"courses": 0.0}),
    "redeclared": replace(DAILY, added={"twice": 3.0}),
    "two tables on": Altered("user_day_grid", "days_since_signup", added={"weeks_since_signup": 1 / 7}),
    "an early table": Altered("clean_events", "watch_minutes", added={"watch_hours": 1 / 60}),
}
MOSTLY_LONG = [pytest.param(name, marks=() if name in ("added", "renamed") else pytest.mark.long) for name in CHANGES]
EVERY_DAY = list(CALENDAR)
NEW_EVENTS = "event_id,user_id,event_time,event_type\n700001,2,2026-01-05T12:00:00,login\n"
KILLED = Path(__file__).parent / "altered.py"


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Change:
    """Let the graph be of another definition from here on."""
    return lambda altered: alter(altered, monkeypatch.setattr)


@pytest.fixture
def declared(landed: Path, change: Change) -> Path:
    """The small world, computed with declarations of user_daily's columns."""
    change(ONE_MORE)
    run_plainly(landed)
    return landed


def fresh(landed: Path) -> Hashes:
    """What a warehouse that never held anything else holds."""
    aside = landed.with_name("fresh")
    shutil.copytree(landed, aside, ignore=shutil.ignore_patterns("warehouse.duckdb*", ".running"))
    run_plainly(aside)
    return hashes(aside)


def todo(data: Path, **how: Any) -> dict[str, list[date]]:
    return work_by_table(planned(deployment_of(data), **how))


def reasons(data: Path) -> list[str]:
    return [str(reason) for reason in planned(deployment_of(data)).reasons]


def wrong(data: Path) -> list[str]:
    """What is not as published, older definitions apart."""
    return [f"{f.table} {f.day}: {f.what}" for _, _, found in verify(deployment_of(data)) for f in found if not f.waits]


def columns(data: Path, table: str) -> list[str]:
    return [name for name, *_ in query(data, f"DESCRIBE churn.{table}")]


# --- the same end as a fresh warehouse ---


@pytest.mark.parametrize("name", MOSTLY_LONG)
def test_a_changed_table_ends_as_a_fresh_one_and_nothing_is_left_to_do(
    computed: Path, change: Change, name: str
) -> None:
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    run_plainly(computed)
    history = "SELECT * FROM churn.{} ORDER BY ALL"
    before = {table: query(computed, history.format(table)) for table in ("restatements", "arrivals")}
    change(CHANGES[name])
    run_plainly(computed)
    assert not differing(hashes(computed), fresh(computed))
    assert not todo(computed) and not wrong(computed)
    assert all(set(map(str, rows)) <= set(map(str, query(computed, history.format(t)))) for t, rows in before.items())
    table = CHANGES[name].table
    assert set(columns(computed, table)) == set(deployment_of(computed).contracts[table].column_names)


@pytest.mark.long
@pytest.mark.parametrize(
    "settings",
    [
        {"labels": f"[labels]\nat_risk_days = 3\nhorizon_days = {HORIZON + 1}\n"},
        {"labels": f"[sources.users]\nid_type = 'string'\n[labels]\nat_risk_days = 3\nhorizon_days = {HORIZON}\n"},
    ],
    ids=["horizon_days", "id_type"],
)
def test_settings_that_change_columns_are_a_change_in_place_too(
    computed: Path, expected: Hashes, settings: dict[str, Any]
) -> None:
    write_settings(computed, **settings)
    assert todo(computed)
    run_bit_by_bit(computed)
    assert not differing(hashes(computed), fresh(computed))
    assert not todo(computed) and not wrong(computed)
    has_outcome = "id_type" in settings["labels"]
    counted = "count(*), count(rows_removed), count(labels_before), count(labels_after)"
    noted = query(computed, f"SELECT {counted} FROM churn.restatements WHERE table_name = 'churn_labels'")
    ((restated, *_),) = noted
    assert noted == [(restated, 0, restated if has_outcome else 0, restated)], "counted is what has the column"
    assert restated
    write_settings(computed)
    run_bit_by_bit(computed)
    assert not differing(hashes(computed), expected) and not todo(computed) and not wrong(computed)


def test_there_and_back_again_does_not_take_nulls_for_what_was_dropped(computed: Path, change: Change) -> None:
    """Partitions published before a column was dropped have lost it, though their definition is that of today again."""
    change(DAILY)
    run_plainly(computed)
    expected = hashes(computed)
    change(CHANGES["dropped"])
    run_plainly(computed, days(12), tables={"user_daily"}, force=True)
    change(DAILY)
    assert todo(computed)["user_daily"] == EVERY_DAY
    run_plainly(computed, days(12), tables={"user_daily"}, force=True)
    waiting = {f.day for _, _, found in verify(deployment_of(computed)) for f in found if f.waits}
    assert waiting == {*days(1, 11)} and not wrong(computed)
    run_plainly(computed)
    assert not differing(hashes(computed), expected)
    assert not [f for _, _, found in verify(deployment_of(computed)) for f in found]


@pytest.mark.long
def test_a_ledger_of_an_older_release_is_taken_over(computed: Path, expected: Hashes, change: Change) -> None:
    """It notes no definitions and no digests of parts, and its tables forbid nulls."""
    tamper(
        computed,
        "ALTER TABLE churn.publish_ledger DROP COLUMN definition",
        "ALTER TABLE churn.publish_ledger DROP COLUMN views",
        "DROP TABLE churn.definitions",
        *(
            f"ALTER TABLE churn.{table} ALTER COLUMN {column.name} SET NOT NULL"
            for table, contract in deployment_of(computed).contracts.items()
            for column in contract.columns
            if not column.nullable
        ),
    )
    assert not wrong(computed)
    change(ONE_MORE)
    run_plainly(computed, days(12), tables={"user_daily"}, force=True)
    assert not wrong(computed)
    run_plainly(computed)
    assert not differing(hashes(computed), fresh(computed))
    assert not todo(computed)
    assert {key: hash for key, hash in hashes(computed).items() if key[0] != "user_daily"} == {
        key: hash for key, hash in expected.items() if key[0] != "user_daily"
    }


# --- narrow ---


def test_a_column_that_nobody_reads_yet_touches_its_table_alone(declared: Path, change: Change) -> None:
    change(replace(DAILY, added={"twice": 2.0, "thrice": 3.0}))
    assert todo(declared) == {"user_daily": EVERY_DAY}
    assert reasons(declared) == ["user_daily: 12 partitions, new definition: thrice added"]
    run_plainly(declared)
    assert not todo(declared), "growth_daily, retention_cohorts and churn_labels read other columns"
    assert not differing(hashes(declared), fresh(declared))


def test_other_columns_keep_their_versions_when_one_is_added_or_changed(declared: Path, change: Change) -> None:
    def versions() -> dict[str, str]:
        ledger = current_ledger(deployment_of(declared))
        known = ledger.definition(ledger.of("user_daily")[day(3)])
        assert known is not None
        return {column.name: column.version for column in known.columns}

    before = versions()
    change(replace(DAILY, added={"twice": 2.5, "thrice": 3.0}))
    run_plainly(declared)
    after = versions()
    assert {name for name in before if before[name] != after[name]} == {"twice"}
    assert after.keys() - before.keys() == {"thrice"}


def test_a_column_that_a_later_step_selects_touches_that_step(declared: Path, change: Change) -> None:
    change(replace(ONE_MORE, added={"twice": 2.0, "thrice": 3.0}, read_by=("growth_daily",)))
    assert set(todo(declared)) == {"user_daily", "growth_daily"}
    run_plainly(declared)
    assert not todo(declared)
    change(replace(ONE_MORE, added={"twice": 2.0, "thrice": 4.0}, read_by=("growth_daily",)))
    assert todo(declared)["growth_daily"] == EVERY_DAY
    assert "retention_cohorts" not in todo(declared)


def test_a_dropped_column_touches_nobody_who_did_not_read_it(declared: Path, change: Change) -> None:
    change(DAILY)
    assert todo(declared) == {"user_daily": EVERY_DAY}
    assert reasons(declared) == ["user_daily: 12 partitions, new definition: twice dropped"]


def test_a_changed_value_touches_only_those_whose_part_of_the_table_it_is_in(computed: Path) -> None:
    """A payment more on an active day is another row of user_daily, but no other activity."""
    before = current_ledger(deployment_of(computed))
    tamper(computed, "UPDATE churn.publish_ledger SET content_hash = repeat('1', 32) WHERE table_name = 'user_daily'")
    assert not todo(computed), "what is read of the days has not changed"
    tamper(computed, "UPDATE churn.publish_ledger SET views = NULL WHERE table_name = 'user_daily'")
    assert set(todo(computed)) >= {"growth_daily", "churn_labels"}, "without digests of parts the content hash decides"
    assert before.of("user_daily")[day(1)].views


def test_late_data_is_restated_under_a_new_definition_and_nothing_else(declared: Path, change: Change) -> None:
    change(replace(DAILY, added={"twice": 2.0, "thrice": 3.0}))
    assert not todo(declared, late_only=True)
    deliver(declared, "events", day(12), NEW_EVENTS, name="late.csv")
    late = todo(declared, late_only=True)
    assert late["user_daily"] == list(days(12 - 3, 12))


# --- readers ---


@pytest.fixture
def half(declared: Path, change: Change) -> Path:
    """user_daily with one column more on the last day alone, and growth_daily that reads it."""
    change(replace(ONE_MORE, added={"twice": 2.0, "thrice": 3.0}, read_by=("growth_daily",)))
    run_plainly(declared, days(12), tables={"user_daily"}, force=True)
    return declared


def test_old_days_hold_nulls_that_no_reader_takes_for_values(half: Path, tmp_path: Path) -> None:
    assert query(half, "SELECT DISTINCT as_of_date FROM churn.user_daily WHERE thrice IS NULL ORDER BY 1") == [
        (at,) for at in days(1, 11)
    ]
    deployment = deployment_of(half)
    table = deployment.contracts["user_daily"]
    sentence = r"user_daily holds days of an older definition, 2026-01-01 .. 2026-01-11: thrice is missing"
    with deployment.warehouse.reading() as connection:
        with pytest.raises(OlderDefinition, match=sentence):
            read_days(connection, table)
        assert len(read_days(connection, table, columns=("user_id", "twice")))
        assert read_days(connection, table, days(12))["thrice"].notna().all()
    with pytest.raises(ChurnError, match=sentence):
        export_table(deployment.warehouse, table, tmp_path / "a.csv", file_format="csv", days=CALENDAR, block_rows=9)
    assert not list(tmp_path.glob("*a.csv*"))
    export_table(deployment.warehouse, table, tmp_path / "a.csv", file_format="csv", days=days(12), block_rows=9)


def test_a_step_counts_days_without_a_column_it_reads_as_not_published(half: Path) -> None:
    deployment = deployment_of(half)
    (step,) = (one for work in planned(deployment).works for one in work.steps if one.name == "growth_daily")
    with deployment.warehouse.writing() as connection:
        for publication in step.publications(deployment, days(12)):
            publish(connection, publication)
    with pytest.raises(ChurnError, match=r"user_daily is of an older definition there \(thrice is .*churn-assets back"):
        list(next(iter(step.publications(deployment, days(11)))).blocks)
    assert todo(half)["growth_daily"] == EVERY_DAY, "day 12 was made of itself alone"
    run_plainly(half)
    assert not differing(hashes(half), fresh(half))


def test_days_of_another_meaning_do_not_mix(declared: Path, change: Change) -> None:
    change(CHANGES["redeclared"])
    run_plainly(declared, days(12), tables={"user_daily"}, force=True)
    deployment = deployment_of(declared)
    with deployment.warehouse.reading() as connection, pytest.raises(OlderDefinition, match="of another meaning"):
        read_days(connection, deployment.contracts["user_daily"], columns=("twice",))


def test_checks_do_not_judge_days_that_wait(half: Path) -> None:
    deployment = deployment_of(half)
    assert not failing_blocking_checks(deployment, ["user_daily", "growth_daily", "churn_labels"], CALENDAR)


def test_features_of_an_older_definition_are_refused_in_a_sentence(computed: Path, change: Change) -> None:
    asked = pd.DataFrame({"user_id": [1], "time": ["2026-01-12T10:00:00"]})
    assert len(features_as_of(asked, computed, settled=False))
    write_settings(computed, labels="[sources.users]\nid_type = 'string'\n")
    with pytest.raises(ChurnError, match=r"user_features holds days of an older .* run 'churn-assets backfill'"):
        features_as_of(asked.assign(user_id="1"), computed, settled=False)


# --- killed ---


@pytest.mark.parametrize("name", ["added", "retyped"])
def test_a_failure_anywhere_leaves_what_one_more_backfill_completes(
    declared: Path, change: Change, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change(replace(CHANGES[name], added={**CHANGES[name].added, "thrice": 3.0}, read_by=("growth_daily",)))
    expected = fresh(declared)

    def fail(*_: object, **__: object) -> None:
        raise OSError("the plug was pulled")

    for step in ("record_definition", "change_in_place", "delete_days", "record", "record_restatements"):
        with monkeypatch.context() as patched:
            patched.setattr(sys.modules[publish.__module__], step, fail)
            with pytest.raises(OSError, match="plug"):
                run_bit_by_bit(declared)
        assert not wrong(declared)
    with pytest.raises(KeyboardInterrupt):
        run_bit_by_bit(declared, on_publication=_stop_after(1))
    assert not wrong(declared)
    run_bit_by_bit(declared)
    assert not todo(declared) and not wrong(declared) and not differing(hashes(declared), expected)


def _stop_after(publications: int) -> Callable[[int], None]:
    def stop(done: int) -> None:
        if done == publications:
            raise KeyboardInterrupt

    return stop


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_sigkill_in_the_middle_of_a_change(computed: Path, change: Change, seed: int) -> None:
    write_settings(computed, backfill_chunk_days=3)
    moments = random.Random(seed)
    altered = replace(CHANGES["retyped"], added={"thrice": 3.0}, read_by=("growth_daily",))
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, KILLED, computed, repr(altered)],
            cwd=KILLED.parent,
            env=environment(PYTHONPATH=str(KILLED.parent)),
        )
        written = (computed / "warehouse.duckdb").stat().st_mtime_ns
        while process.poll() is None and (computed / "warehouse.duckdb").stat().st_mtime_ns == written:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 1))
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        change(altered)
        assert not wrong(computed)
    run_bit_by_bit(computed)
    assert not todo(computed) and not wrong(computed) and not differing(hashes(computed), fresh(computed))
