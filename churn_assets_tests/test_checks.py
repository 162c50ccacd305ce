"""Every check can turn red, is green where all is well, reports per partition, and stops what it says it stops."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from dagster import AssetCheckKey, AssetKey
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_assets.automation.backfill import dagster_instance, failing_blocking_checks, planned
from churn_assets.calendar import DayRange
from churn_assets.checks import graph
from churn_assets.checks.expectations import validate
from churn_assets.checks.features import recounted
from churn_assets.checks.graph import all_checks, verdicts
from churn_assets.checks.profile import Expectation
from churn_assets.checks.verdict import Check, Stored, Verdict
from churn_assets.report.data_docs import data_docs_context, validated
from churn_assets.settings import Settings
from e_learning import PRODUCT
from sizes import examples
from worlds import (
    CALENDAR,
    DAYS,
    day,
    days,
    deliver,
    deployment_of,
    environment,
    hashes,
    query,
    run_plainly,
    run_with_dagster,
    tamper,
    withdraw,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

BLOCKING = {
    "raw_users.surge",
    "raw_events.surge",
    "clean_users.reconciled",
    "clean_events.reconciled",
    "clean_users.rejected",
    "clean_events.rejected",
    "user_day_grid.complete",
    "user_daily.conserved",
    "user_daily.in_time_order",
    "unmatched_events.share",
    "growth_daily.states_partition_users",
    "growth_daily.recounted",
    "retention_cohorts.recounted",
    "user_features.complete",
    "user_features.recounted",
    "user_features.blind_to_the_future",
    "user_features.blind_to_others",
    "user_features.no_outcome",
    "churn_labels.complete",
    "churn_labels.observed",
    "churn_labels.recounted",
    "churn_scores.everybody_at_risk",
    "score_quality.of_all_scored",
}
READ_BY_CONTRACT = {"user_features.blind_to_the_future", "user_features.blind_to_others"}
"""A table without the columns of its contract is to them one without rows, which are then not as published."""
WARNING = {
    "raw_events.slump",
    "clean_events.drift_of_event_type",
    "clean_events.drift_of_watch_minutes",
    "user_day_grid.drift_of_plan",
    "score_quality.not_below_recency",
    "score_drift.stable",
    "score_drift.values_known",
    "users_files.schema_drift",
    "events_files.schema_drift",
    "clean_events.window_of_raw_events",
    "user_day_grid.window_of_clean_users",
    "user_daily.window_of_clean_events",
    "growth_daily.window_of_user_daily",
    "retention_cohorts.window_of_user_daily",
    "user_features.window_of_user_daily",
    *(
        f"{table}.expectations"
        for table in (
            *("raw_users", "users_files", "raw_events", "events_files", "clean_users", "quarantined_users"),
            *("users_reconciliation", "clean_events", "quarantined_events", "events_reconciliation"),
            *("user_day_grid", "user_daily", "unmatched_events", "growth_daily", "retention_cohorts"),
            *("user_features", "feature_catalogue"),
            "churn_labels",
        )
    ),
}


def named(name: str, settings: Settings | None = None) -> Check:
    found = {check.qualified_name: check for check in all_checks(settings or Settings())}
    return found[name]


def judged(data: Path, name: str, asked: DayRange = CALENDAR) -> dict[date, Verdict]:
    deployment = deployment_of(data)
    with deployment.warehouse.reading() as connection:
        stored = Stored(connection, deployment.contracts, deployment.settings)
        return verdicts(named(name, deployment.settings), stored, asked)


def red_days(data: Path, name: str, asked: DayRange = CALENDAR) -> list[date]:
    return [at for at, verdict in judged(data, name, asked).items() if verdict.failed]


def test_each_check_is_blocking_or_warning_on_purpose() -> None:
    flags = {check.qualified_name: check.blocking for check in all_checks(Settings())}
    assert {name for name, blocking in flags.items() if blocking} == BLOCKING
    assert {name for name, blocking in flags.items() if not blocking} == WARNING


def test_every_check_says_what_it_checks_in_a_sentence() -> None:
    assert all(check.description.endswith(".") for check in all_checks(Settings()))


def test_blocking_checks_are_green_where_all_is_well(computed: Path) -> None:
    assert {name: red_days(computed, name) for name in sorted(BLOCKING)} == dict.fromkeys(sorted(BLOCKING), [])


# What the hand-made rows of the small world deserve, and nothing else. User 800003 signed up long before landing, which
# is no fault; the vocabulary lacks `telepathy`; 999999 is nobody.
DESERVED = {
    "clean_events.expectations": [day(6)],
    "quarantined_events.expectations": [day(6)],
    "quarantined_users.expectations": [day(7)],
    "users_reconciliation.expectations": [day(7)],
    "events_reconciliation.expectations": [day(6)],
    "unmatched_events.expectations": [day(6)],
}


def test_warnings_are_green_but_for_what_the_odd_rows_deserve(computed: Path) -> None:
    quiet = sorted(WARNING - {"raw_users.expectations", "clean_users.expectations"})
    found = {name: red_days(computed, name) for name in quiet}
    assert found == dict.fromkeys(quiet, []) | DESERVED


# --- every check can turn red, on the day and only on the day (volume and drift: test_volume.py, test_drift.py) ---

DAY4 = f"DATE '{day(4)}'"
ONE_ROW = "rowid = (SELECT min(rowid) FROM churn.{table} WHERE {day_column} = {at})"


def one_row(table: str, day_column: str, at: str = DAY4) -> str:
    return ONE_ROW.format(table=table, day_column=day_column, at=at)


def update(table: str, day_column: str, assignment: str) -> str:
    return f"UPDATE churn.{table} SET {assignment} WHERE {one_row(table, day_column)}"


def update_all(table: str, day_column: str, assignment: str) -> str:
    return f"UPDATE churn.{table} SET {assignment} WHERE {day_column} = {DAY4}"


def delete(table: str, day_column: str) -> str:
    return f"DELETE FROM churn.{table} WHERE {one_row(table, day_column)}"


def delete_all(table: str, day_column: str) -> str:
    return f"DELETE FROM churn.{table} WHERE {day_column} = {DAY4}"


def label_of(assignments: str) -> str:
    return update("churn_labels", "as_of_date", assignments)


def invented(source: str, assignments: str) -> str:
    """What is noted of a file, on a day that has no such file."""
    values = ", ".join(" AS ".join(reversed(part.split(" = "))) for part in assignments.split(", "))
    rows = f"SELECT * REPLACE ({DAY4} AS landing_date, {values}) FROM churn.{source}_reconciliation LIMIT 1"
    return f"INSERT INTO churn.{source}_reconciliation {rows}"


SWAPPED = f"""UPDATE churn.user_features SET total_events_30d = total_events_30d + CASE user_id WHEN 1 THEN 1 ELSE -1 END
    WHERE as_of_date = {DAY4} AND user_id IN (1, (SELECT max(user_id) FROM churn.user_features
    WHERE as_of_date = {DAY4} AND total_events_30d > 0))"""
"""An event of one user in the row of another: the day's sum stays what it was."""

RED = [
    # Conservation where rows land: one lost on the way, one invented, a file forgotten, one never stored.
    ("clean_events.reconciled", delete("clean_events", "landing_date")),
    (
        "clean_events.reconciled",
        "INSERT INTO churn.clean_events SELECT * FROM churn.clean_events WHERE "
        + one_row("clean_events", "landing_date"),
    ),
    ("clean_events.reconciled", delete("events_files", "landing_date")),
    ("clean_events.reconciled", delete("raw_events", "landing_date")),
    ("clean_users.reconciled", invented("users", "rows_duplicate = 1")),
    ("clean_users.reconciled", update("users_files", "landing_date", "rows_read = rows_read + 1")),
    # The grid: a user-day lost, doubled, or of a user who does not exist.
    ("user_day_grid.complete", delete("user_day_grid", "as_of_date")),
    (
        "user_day_grid.complete",
        "INSERT INTO churn.user_day_grid SELECT * FROM churn.user_day_grid WHERE "
        + one_row("user_day_grid", "as_of_date"),
    ),
    ("user_day_grid.complete", update("user_day_grid", "as_of_date", "user_id = 123456")),
    # Conservation of a day: an event lost, counted twice, a user-day lost.
    (
        "user_daily.conserved",
        "UPDATE churn.user_daily SET total_events = total_events - 1 WHERE rowid = (SELECT min(rowid) "
        f"FROM churn.user_daily WHERE as_of_date = {DAY4} AND total_events > 0)",
    ),
    (
        "user_daily.conserved",
        f"INSERT INTO churn.unmatched_events SELECT * REPLACE ({DAY4} AS event_date) FROM churn.unmatched_events",
    ),
    (
        "user_daily.conserved",
        "DELETE FROM churn.user_daily WHERE rowid = (SELECT min(rowid) FROM churn.user_daily "
        f"WHERE as_of_date = {DAY4} AND total_events = 0)",
    ),
    # Time: before signup, a tenure that is not the days since signup, an event that landed before it happened.
    ("user_daily.in_time_order", update("user_daily", "as_of_date", "signup_date = as_of_date + 1")),
    ("user_daily.in_time_order", update("user_daily", "as_of_date", "days_since_signup = days_since_signup + 1")),
    (
        "user_daily.in_time_order",
        "UPDATE churn.clean_events SET landing_date = event_date - 1 WHERE rowid = "
        f"(SELECT min(rowid) FROM churn.clean_events WHERE event_date = {DAY4})",
    ),
    # 21 strays on a day of some hundred events: more than 1 %, and more than the 20 that may happen on a quiet day.
    (
        "unmatched_events.share",
        f"INSERT INTO churn.unmatched_events SELECT u.* REPLACE ({DAY4} AS event_date, event_id + n AS event_id) "
        "FROM churn.unmatched_events u, range(21) r(n)",
    ),
    # Drift of the columns, each way.
    ("users_files.schema_drift", update("users_files", "landing_date", "columns_added = '[\"shoe_size\"]'")),
    ("events_files.schema_drift", update("events_files", "landing_date", "columns_missing = '[\"amount\"]'")),
    (
        "events_files.schema_drift",
        update("events_files", "landing_date", 'columns_renamed = \'{"course": "course_id"}\''),
    ),
    # One expectation after the other.
    (
        "raw_users.expectations",
        "INSERT INTO churn.raw_users (landing_date, source_file, source_row, read_error) "
        f"VALUES ({DAY4}, 'f', 1, 'malformed_row')",
    ),
    ("users_files.expectations", delete_all("users_files", "landing_date")),
    ("raw_events.expectations", update_all("raw_events", "landing_date", "read_error = 'malformed_row'")),
    ("raw_events.expectations", delete_all("raw_events", "landing_date")),
    ("events_files.expectations", delete_all("events_files", "landing_date")),
    (
        "quarantined_users.expectations",
        f"INSERT INTO churn.quarantined_users SELECT * REPLACE ({DAY4} AS landing_date) FROM churn.quarantined_users",
    ),
    (
        "quarantined_events.expectations",
        "INSERT INTO churn.quarantined_events SELECT * REPLACE "
        f"({DAY4} AS landing_date, 'whim' AS reason) FROM churn.quarantined_events",
    ),
    ("users_reconciliation.expectations", invented("users", "rows_read = 100, rows_quarantined = 6")),
    (
        "events_reconciliation.expectations",
        update("events_reconciliation", "landing_date", "rows_read = 100, rows_quarantined = 6"),
    ),
    ("clean_events.expectations", update("clean_events", "landing_date", "event_type = 'telepathy'")),
    (
        "clean_events.expectations",
        update("clean_events", "landing_date", "event_type = 'payment_success', amount = NULL"),
    ),
    ("user_day_grid.expectations", delete_all("user_day_grid", "as_of_date")),
    ("user_day_grid.expectations", update_all("user_day_grid", "as_of_date", "plan = 'unknown'")),
    ("user_day_grid.expectations", update_all("user_day_grid", "as_of_date", "country = 'UNKNOWN'")),
    ("user_day_grid.expectations", update("user_day_grid", "as_of_date", "plan = 'free', is_paid = true")),
    ("user_daily.expectations", delete_all("user_daily", "as_of_date")),
    ("user_daily.expectations", update("user_daily", "as_of_date", "total_watch_minutes = 1440.5")),
    ("user_daily.expectations", update("user_daily", "as_of_date", "total_quiz_attempts = 0, avg_quiz_score = 50")),
    (
        "unmatched_events.expectations",
        f"INSERT INTO churn.unmatched_events SELECT * REPLACE ({DAY4} AS event_date) FROM churn.unmatched_events",
    ),
    # Features: a user-day lost, doubled, or of a user who was not there; a figure that is not that of user_daily.
    ("user_features.complete", delete("user_features", "as_of_date")),
    (
        "user_features.complete",
        "INSERT INTO churn.user_features SELECT * FROM churn.user_features WHERE "
        + one_row("user_features", "as_of_date"),
    ),
    ("user_features.complete", update("user_features", "as_of_date", "user_id = 123456")),
    *(
        ("user_features.recounted", update("user_features", "as_of_date", f"{name} = {name} + 1"))
        for name in recounted(PRODUCT)
    ),
    ("user_features.recounted", SWAPPED),
    ("user_features.expectations", delete_all("user_features", "as_of_date")),
    (
        "user_features.expectations",
        update("user_features", "as_of_date", "active_days_30d = 3, days_since_last_activity = 40"),
    ),
    (
        "user_features.expectations",
        update("user_features", "as_of_date", "active_days_30d = 3, days_since_last_activity = NULL"),
    ),
    ("user_features.expectations", update("user_features", "as_of_date", "avg_daily_watch_minutes_7d = 1440.5")),
    ("user_features.expectations", update_all("user_features", "as_of_date", "activity_segment = 'inactive'")),
    ("feature_catalogue.expectations", delete("feature_catalogue", "as_of_date")),
    ("feature_catalogue.expectations", update("feature_catalogue", "as_of_date", "window_days = 91")),
    # Labels: one lost, one of nobody, one withheld without need, one that counts or judges wrongly.
    ("churn_labels.complete", delete("churn_labels", "as_of_date")),
    ("churn_labels.complete", update("churn_labels", "as_of_date", "user_id = 123456")),
    ("churn_labels.observed", label_of("future_active_days = NULL, churned_4d = NULL, censor_reason = 'missing_day'")),
    (
        "churn_labels.observed",
        label_of("future_active_days = NULL, churned_4d = NULL, censor_reason = 'source_outage'"),
    ),
    ("churn_labels.recounted", label_of("future_active_days = future_active_days + 1")),
    ("churn_labels.recounted", label_of("is_at_risk = NOT is_at_risk")),
    ("churn_labels.expectations", delete_all("churn_labels", "as_of_date")),
    ("churn_labels.expectations", label_of("censor_reason = 'missing_day'")),
    ("churn_labels.expectations", update_all("churn_labels", "as_of_date", "censor_reason = 'source_outage'")),
    ("churn_labels.expectations", update_all("churn_labels", "as_of_date", "is_at_risk = NULL")),
]


@pytest.mark.parametrize(
    ("name", "tampering"), RED, ids=[f"{number:02}-{name}" for number, (name, _) in enumerate(RED)]
)
def test_it_turns_red_on_the_day_and_only_there(computed: Path, name: str, tampering: str) -> None:
    before = red_days(computed, name)
    tamper(computed, tampering)
    assert red_days(computed, name) == sorted({*before, day(4)})
    assert red_days(computed, name, days(4)) == [day(4)], "alone as in a range"


def test_clean_users_expects_plans_that_agree_and_a_signup_that_stays(computed: Path) -> None:
    name = "clean_users.expectations"
    green = [at for at in (day(1),) if at not in red_days(computed, name)]
    assert green
    tamper(
        computed,
        f"UPDATE churn.clean_users SET is_paid = NOT is_paid WHERE landing_date = '{day(1)}' AND plan = 'free'",
    )
    assert day(1) in red_days(computed, name)


def test_a_moved_signup_warns_on_the_day_of_the_version_that_moves_it(computed: Path) -> None:
    user = query(computed, f"SELECT min(user_id) FROM churn.clean_users WHERE landing_date = '{day(1)}'")[0][0]
    tamper(
        computed,
        f"""INSERT INTO churn.clean_users SELECT * REPLACE (DATE '{day(2)}' AS landing_date, signup_date + 1 AS signup_date)
            FROM churn.clean_users WHERE user_id = {user} AND landing_date = '{day(1)}'""",
    )
    verdict = judged(computed, "clean_users.expectations")[day(2)]
    assert not verdict.passed and verdict.figures["rows_of_moved_signup"] == 1


@pytest.mark.parametrize(
    ("name", "red"),
    [
        ("clean_events.window_of_raw_events", list(days(7, 9))),
        ("user_day_grid.window_of_clean_users", [at for at in days(3, DAYS) if at != day(6)]),
        ("user_daily.window_of_clean_events", list(days(3, 5))),
        ("user_features.window_of_user_daily", list(days(7, DAYS))),
    ],
)
def test_a_window_with_a_missing_day_warns_and_names_it(landed: Path, name: str, red: list[date]) -> None:
    withdraw(landed, day(6))
    run_plainly(landed)
    found = judged(landed, name)
    assert [at for at, v in found.items() if not v.passed and at != day(6)] == red
    assert found[red[0]].figures["missing_days"] == str(day(6))


def test_days_missing_in_a_row_are_named_as_one(landed: Path) -> None:
    for number in (4, 5, 6, 9):
        withdraw(landed, day(number))
    run_plainly(landed)
    verdict = judged(landed, "user_day_grid.window_of_clean_users")[day(10)]
    assert verdict.figures["missing_days"] == f"{day(4)} .. {day(6)}, {day(9)}"


# --- a check that could not look has not passed ---


@pytest.mark.parametrize("name", sorted(BLOCKING | WARNING))
def test_a_day_that_is_not_published_does_not_pass(computed: Path, name: str) -> None:
    table = name.split(".", maxsplit=1)[0]
    tamper(computed, f"DELETE FROM churn.publish_ledger WHERE table_name = '{table}' AND partition_date = {DAY4}")
    verdict = judged(computed, name, days(3, 5))[day(4)]
    assert not verdict.passed and "nothing is published" in verdict.figures["why"]


@pytest.mark.parametrize("name", sorted((BLOCKING | WARNING) - {"user_features.no_outcome"}))  # Judges any columns.
def test_a_check_that_crashes_does_not_pass_and_quotes_nothing(computed: Path, name: str) -> None:
    table = name.split(".", maxsplit=1)[0]
    tamper(computed, f"DROP TABLE churn.{table}", f"CREATE TABLE churn.{table} (secret VARCHAR)")
    if ".window_of_" in name:
        tamper(computed, "ALTER TABLE churn.publish_ledger DROP COLUMN row_count")
    found = judged(computed, name)
    assert len(found) == DAYS and not any(verdict.passed for verdict in found.values())
    assert all("secret" not in str(v.figures) for v in found.values())
    if name not in READ_BY_CONTRACT:
        assert all("failed with" in v.figures["why"] for v in found.values())


def test_a_check_without_a_verdict_for_a_day_does_not_pass_it(computed: Path) -> None:
    deployment = deployment_of(computed)
    silent = Check("user_daily", "silent", "Says nothing.", True, lambda _stored, _days: {})
    with deployment.warehouse.reading() as connection:
        found = verdicts(silent, Stored(connection, deployment.contracts, deployment.settings), days(1, 2))
    assert [verdict.passed for verdict in found.values()] == [False, False]


# --- expectations ---

MINUTES = Expectation("minutes", "max(total_watch_minutes)", "at most a day of minutes", minimum=0, maximum=1440)


@pytest.mark.parametrize(("figure", "passes"), [(0.0, True), (1440.0, True), (1441.0, False), (-1.0, False)])
def test_a_figure_passes_within_its_limits_both_included(figure: float, passes: bool) -> None:
    profile = pd.DataFrame({"day": [pd.Timestamp(day(1))], "minutes": [figure]})
    breaches = validate(profile, [MINUTES])
    assert breaches == {pd.Timestamp(day(1)): set() if passes else {"minutes"}}


@pytest.mark.parametrize("figure", [float("nan"), float("inf")])
def test_a_figure_that_is_missing_or_infinite_is_a_breach(figure: float) -> None:
    at_least = Expectation("minutes", "", "some", minimum=1)
    profile = pd.DataFrame({"day": pd.to_datetime([day(1), day(2)]), "minutes": [figure, 5.0]})
    suite = [at_least if math.isnan(figure) else MINUTES]
    assert [bool(breach) for breach in validate(profile, suite).values()] == [True, False]


LIMITS = st.none() | st.sampled_from([-1.0, 0.0, 0.05, 1.0, 3.0])
FIGURES = st.sampled_from([-1.0, 0.0, -0.0, 0.05, 0.1, 1.0, 2.0, 3.0, 1e300, math.inf, -math.inf, math.nan])


@pytest.mark.long
@settings(max_examples=examples(40))
@given(
    limits=st.lists(st.tuples(LIMITS, LIMITS).filter(lambda pair: pair != (None, None)), min_size=1, max_size=3),
    rows=st.lists(st.tuples(FIGURES, FIGURES, FIGURES), min_size=1, max_size=6),
)
def test_our_answers_are_those_of_great_expectations(
    limits: list[tuple[float | None, float | None]], rows: list[tuple[float, ...]]
) -> None:
    lows_first = [tuple(sorted(pair)) if None not in pair else pair for pair in limits]  # type: ignore[type-var]
    suite = [
        Expectation(f"figure_{at}", "", "within", minimum=low, maximum=high)
        for at, (low, high) in enumerate(lows_first)
    ]
    profile = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=len(rows))})
    for at, one in enumerate(suite):
        profile[one.figure] = [row[at] for row in rows]
    context = data_docs_context(Path(tempfile.gettempdir()) / "never written")
    result = validated(context, context.data_sources.add_pandas("warehouse"), "table", profile, suite)
    theirs: dict[pd.Timestamp, set[str]] = {at: set() for at in profile["day"]}
    for each in result.results:
        assert not each.exception_info.get("raised_exception")
        for entry in each.result.get("unexpected_index_list") or ():
            theirs[pd.Timestamp(entry["day"])].add(each.expectation_config.kwargs["column"])
    assert validate(profile, suite) == theirs


IMPORTED = """
import sys
from churn_assets.cli import main
try:
    main()
finally:
    heavy = ("great_expectations", "matplotlib")
    print("imported:", *(name for name in heavy if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.long
def test_a_backfill_needs_neither_great_expectations_nor_a_canvas(landed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, "--data", landed, "backfill", str(day(1))],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "imported:"


# --- in Dagster ---


def history(data: Path, table: str, check: str) -> dict[str, list[tuple[bool, str]]]:
    """Results of a check by partition, newest first: passed and severity."""
    with dagster_instance(deployment_of(data)) as instance:
        records = instance.event_log_storage.get_asset_check_execution_history(
            check_key=AssetCheckKey(AssetKey(table), check), limit=1000
        )
    found: dict[str, list[tuple[bool, str]]] = {}
    for record in records:
        evaluation = record.event.asset_check_evaluation if record.event else None
        if evaluation is not None:
            found.setdefault(evaluation.partition or "none", []).append((evaluation.passed, evaluation.severity.value))
    return found


def test_each_partition_gets_its_own_result_in_a_range_and_in_a_single_day(landed: Path) -> None:
    assert run_with_dagster(landed, days(1, 7)).succeeded
    expected = {str(at): [(at != day(6), "WARN")] for at in days(1, 7)}
    assert history(landed, "quarantined_events", "expectations") == expected
    assert history(landed, "clean_events", "reconciled") == {str(at): [(True, "ERROR")] for at in days(1, 7)}
    run_with_dagster(landed, days(6), tables={"clean_events"}, force=True)
    assert history(landed, "quarantined_events", "expectations")[str(day(6))] == [(False, "WARN")] * 2
    assert history(landed, "quarantined_events", "expectations")[str(day(5))] == [(True, "WARN")]


@pytest.fixture
def broken_conservation(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """clean_events counted wrongly on day 4, as by a transform that loses a row and does not tell."""
    original = graph.verdicts

    def judge(check: Check, stored: Stored, asked: DayRange) -> dict[date, Verdict]:
        found = original(check, stored, asked)
        if (check.table, check.name) == ("clean_events", "reconciled") and day(4) in found:
            found[day(4)] = Verdict(False, {"files_not_adding_up": 1})
        return found

    monkeypatch.setattr(graph, "verdicts", judge)
    return monkeypatch.undo


def test_a_failed_blocking_check_stops_what_is_downstream_until_it_passes(
    landed: Path, broken_conservation: Callable[[], None]
) -> None:
    report = run_with_dagster(landed, days(1, 5))
    assert report.blocking == {"clean_events.reconciled": 1} and not report.succeeded and not report.failures
    published = {table for table, _ in hashes(landed)}
    assert "clean_events" in published and "user_daily" not in published and "unmatched_events" not in published
    assert "user_day_grid" in published, "does not depend on events"

    again = run_with_dagster(landed, days(1, 5))
    assert again.blocking == {"clean_events.reconciled": 1} and not again.partitions, "not by asking twice either"

    broken_conservation()
    assert run_with_dagster(landed, days(1, 5)).succeeded
    assert "user_daily" in {table for table, _ in hashes(landed)}


STRANGERS = "event_id,user_id,event_time,event_type\n" + "".join(
    f"{800_000 + number},{99_000 + number},{day(5)}T12:00:00,login\n" for number in range(400)
)
"""More events of nobody than a day may have."""


@pytest.mark.long
@pytest.mark.parametrize("select", [None, {"user_daily"}], ids=["all", "user_daily alone"])
def test_what_waits_for_a_table_whose_check_fails_is_not_computed_by_a_second_try(
    landed: Path, select: set[str] | None
) -> None:
    deliver(landed, "events", day(5), STRANGERS, name="strangers.csv")
    first = run_with_dagster(landed)
    assert first.blocking["unmatched_events.share"]
    published = hashes(landed)
    again = run_with_dagster(landed, tables=select)
    assert again.blocking["unmatched_events.share"] and not again.partitions
    assert hashes(landed) == published and "user_daily" not in {table for table, _ in published}


def test_warnings_stop_nothing(landed: Path) -> None:
    deliver(
        landed, "events", day(3), "event_id,user_id,event_time,event_type,shoe_size\n1,1,2026-01-03T01:00:00,nap,42\n"
    )
    report = run_with_dagster(landed, days(3))
    assert report.succeeded
    assert {"events_files.schema_drift", "clean_events.expectations"} <= set(report.warnings)
    assert not planned(deployment_of(landed), days(3)).works


def test_stored_data_can_be_judged_without_computing_it(computed: Path) -> None:
    deployment = deployment_of(computed)
    assert not failing_blocking_checks(deployment, deployment.contracts, CALENDAR)
    tamper(computed, delete("user_daily", "as_of_date"))
    assert len(failing_blocking_checks(deployment, deployment.contracts, CALENDAR)["user_daily.conserved"]) == 1
