"""Quarantine as a workflow: what lies there is counted, and what a corrected setting accepts comes back, with all it touches."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from click.testing import CliRunner, Result

from churn_assets.assets.step import Deployment
from churn_assets.automation.backfill import Report
from churn_assets.automation.plan import Plan
from churn_assets.automation.release import Releasable, releasable, release_plan
from churn_assets.cli import cli
from churn_assets.commands.display import console
from worlds import (
    DAYS,
    LATENESS,
    SHORT_LABELS,
    day,
    days,
    deliver,
    deployment_of,
    differing,
    hashes,
    publish_plainly,
    query,
    run_plainly,
    work_by_table,
    write_settings,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
YESTERDAY_MEANT = '[sources.events.values.event_time]\nyesterday = "2026-01-05T10:00:00"\n'
"""Of the odd events' bad times there is one, on 6 January, and it says `yesterday`."""
SCORES = "event_id,user_id,event_time,event_type,score\n710001,1,2026-01-08T08:00:00,quiz_attempt,70\n"


def run(data: Path, *arguments: object) -> Result:
    with patch.multiple(console, _width=200, _height=50):  # Its own idea of a terminal depends on who runs the tests.
        return CliRunner().invoke(cli, ["--data", str(data), "quarantine", *map(str, arguments)])


def line(result: Result, *cells: object) -> bool:
    """Whether a table has these cells in this order in one line."""
    pattern = r"│ *" + r" *│ *".join(re.escape(str(cell)) for cell in cells) + r" *│"
    return re.search(pattern, result.output) is not None


def fresh(data: Path, folder: Path) -> Path:
    """The same landing and settings with nothing computed, then all of it at once."""
    copy = folder / "fresh"
    copy.mkdir()
    shutil.copytree(data / "landing", copy / "landing")
    shutil.copy(data / "churn.toml", copy)
    run_plainly(copy)
    return copy


# --- list ---


def test_list_counts_by_reason_and_by_day_and_file(computed: Path) -> None:
    shown = run(computed, "list")
    assert shown.exit_code == 0, shown.output
    assert "7 rows in quarantine" in shown.output, "six odd events and an odd user"
    assert line(shown, "events", "too_late", 1) and line(shown, "users", "bad_signup_date", 1)
    assert line(shown, "events", day(6), f"events/date={day(6)}/odd.csv", "negative_minutes", 1)


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (("--reason", "too_late"), 1),
        (("--source", "users"), 1),
        (("--day", day(6)), 6),
        (("--day", day(6), "--source", "users"), 0),
    ],
)
def test_list_is_narrowed_by_its_options(computed: Path, options: tuple[object, ...], rows: int) -> None:
    shown = run(computed, "list", *options)
    assert shown.exit_code == 0
    assert (f"{rows} rows in quarantine" if rows else "No such row is in quarantine.") in shown.output


def test_list_never_shows_a_value_and_a_file_s_name_is_no_markup(computed: Path) -> None:
    deliver(
        computed,
        "events",
        day(8),
        "event_id,user_id,event_time,event_type\n,valuesecret,2026-01-08,login\n",
        "[red].csv",
    )
    run_plainly(computed)
    shown = run(computed, "list")
    assert f"events/date={day(8)}/[red].csv" in shown.output and "valuesecret" not in shown.output


def test_an_unknown_reason_is_refused_with_those_there_are(computed: Path) -> None:
    shown = run(computed, "list", "--reason", "late")
    assert shown.exit_code == 1 and shown.output.count("\n") == 1
    assert shown.output.startswith("Error: 'late' is no reason; there are malformed_row,")


def test_before_anything_is_published_it_says_how_to_begin(landed: Path) -> None:
    for command in ("list", "release"):
        shown = run(landed, command)
        assert "Traceback" not in shown.output
    assert "churn-assets backfill" in run(landed, "list").output


def test_where_nothing_was_rejected_it_says_so(computed: Path) -> None:
    for path in computed.glob("landing/*/*/odd.csv"):
        path.unlink()
    run_plainly(computed)
    assert "No row is in quarantine." in run(computed, "list").output


# --- what would be released ---


def test_a_row_is_released_for_what_cleaning_says_now_and_not_for_its_reason(computed: Path) -> None:
    assert releasable(deployment_of(computed)) == []
    deliver(computed, "events", day(9), "event_id,user_id,event_time,event_type\n710009,1,soon,login\n", "soon.csv")
    run_plainly(computed)
    write_settings(computed, SHORT_LABELS + YESTERDAY_MEANT)
    # Two rows have a bad time. One of them is known now.
    assert releasable(deployment_of(computed)) == [Releasable("events", day(6), "bad_event_time", 1)]


def test_only_the_landing_days_of_such_rows_and_what_they_touch_are_planned(computed: Path) -> None:
    write_settings(computed, SHORT_LABELS + YESTERDAY_MEANT)
    deployment = deployment_of(computed)
    todo = work_by_table(release_plan(deployment, releasable(deployment)))
    assert todo["raw_events"] == [day(6)] and "raw_users" not in todo
    assert todo["clean_events"] == list(days(6, 6 + LATENESS))
    assert todo["user_daily"] == list(days(6 - LATENESS, 6 + LATENESS))


def test_days_that_are_cleaned_in_several_blocks_give_the_same(computed: Path) -> None:
    late = day(4)
    deliver(computed, "events", day(7), f"event_id,user_id,event_time,event_type\n7100,1,{late},login\n", "late.csv")
    write_settings(computed, lateness_days=2)
    run_plainly(computed)
    found = []
    for block_rows in (1, 500_000):
        write_settings(computed, lateness_days=5, block_rows=block_rows)
        found.append(releasable(deployment_of(computed)))
    assert found[0] == found[1] and Releasable("events", day(7), "too_late", 1) in found[0]


def test_rows_whose_files_are_gone_stay_where_they_are(computed: Path) -> None:
    write_settings(computed, SHORT_LABELS + YESTERDAY_MEANT)
    folder = computed / "landing/events" / f"date={day(6)}"
    (folder / "odd.csv").unlink()
    assert releasable(deployment_of(computed)) == []
    shutil.rmtree(folder)
    assert releasable(deployment_of(computed)) == []


# --- release ---


def test_without_a_change_there_is_nothing_to_release(computed: Path) -> None:
    written = (computed / "warehouse.duckdb").stat().st_mtime_ns
    shown = run(computed, "release")
    assert shown.exit_code == 0 and "would be rejected again" in shown.output
    assert (computed / "warehouse.duckdb").stat().st_mtime_ns == written


def test_a_dry_run_says_what_would_come_back_and_does_nothing(computed: Path) -> None:
    write_settings(computed, SHORT_LABELS + YESTERDAY_MEANT)
    before = hashes(computed)
    shown = run(computed, "release", "--dry-run")
    assert shown.exit_code == 0 and "1 rows would be taken today" in shown.output
    assert line(shown, "events", day(6), "bad_event_time", 1) and line(shown, "raw_events", 1, day(6))
    assert not differing(hashes(computed), before)


@pytest.fixture(scope="module")
def released(computed_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Result]]:
    """A value is mapped and a column of scores has an alias; then one release."""
    data = Path(shutil.copytree(computed_template, tmp_path_factory.mktemp("released") / "data"))
    deliver(data, "events", day(8), SCORES, "scores.csv")
    run_plainly(data)
    aliases = '[sources.events.columns]\nquiz_score = ["score"]\n'
    write_settings(data, SHORT_LABELS + YESTERDAY_MEANT + aliases)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("churn_assets.graph.build_definitions", lambda _: None)
        patch.setattr("churn_assets.automation.backfill.backfill", backfill_in_a_plain_loop)
        yield data, run(data, "release")


def backfill_in_a_plain_loop(_: object, deployment: Deployment, todo: Plan, *, narrowed: Any, **__: Any) -> Report:
    """As `backfill` does, without Dagster and the checks."""
    report = Report()
    for left in (left for work in todo.works for left in narrowed(work)):
        publish_plainly(deployment, left)
        report.partitions += left.partitions
    return report


def test_a_release_says_what_came_back_and_what_remains(released: tuple[Path, Result]) -> None:
    _, shown = released
    assert shown.exit_code == 0, shown.output
    assert line(shown, "events", "bad_event_time", 1, 1, 0) and line(shown, "events", "quiz_without_score", 1, 1, 0)
    assert line(shown, "events", "too_late", 1, 0, 1) and "2 rows released, 6 remain." in shown.output


def test_what_came_back_is_in_the_tables_and_all_equals_a_fresh_warehouse(
    released: tuple[Path, Result], tmp_path: Path
) -> None:
    data, _ = released
    back = "FROM churn.clean_events SELECT event_id, quiz_score WHERE event_id IN (900008, 710001) ORDER BY 1"
    assert query(data, back) == [(710001, 70.0), (900008, None)]
    assert not differing(hashes(data), hashes(fresh(data, tmp_path)))


def test_it_says_what_else_the_settings_made_out_of_date(released: tuple[Path, Result]) -> None:
    _, shown = released
    assert re.search(
        r"\d+ other partitions are not as today's settings would make them; 'churn-assets backfill'", shown.output
    )


@pytest.mark.long
def test_too_late_events_come_back_by_a_larger_lateness_and_all_equals_a_fresh_warehouse(
    computed: Path, tmp_path: Path
) -> None:
    write_settings(computed, lateness_days=5)
    assert set(
        work_by_table(release_plan(deployment_of(computed), releasable(deployment_of(computed))))["user_daily"]
    ) == set(days(1, DAYS))
    shown = run(computed, "release")
    assert shown.exit_code == 0, shown.output  # the checks of conservation are blocking
    assert line(shown, "events", "too_late", 1, 1, 0)
    assert query(computed, "SELECT event_date, landing_date FROM churn.clean_events WHERE event_id = 900003") == [
        (day(1), day(6))
    ]
    assert not differing(hashes(computed), hashes(fresh(computed, tmp_path)))
    assert "other partitions" not in shown.output


def test_a_release_that_was_stopped_midway_says_what_is_left_to_do(computed: Path) -> None:
    write_settings(computed, lateness_days=5)
    run_plainly(computed, tables={"raw_events", "clean_events"})
    shown = run(computed, "release")
    assert "Nothing to release" in shown.output and "'churn-assets backfill' does that" in shown.output
