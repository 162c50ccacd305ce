"""The ledger of restatements: what is written down when a published partition is replaced, and that it is true."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_assets.assets.steps import all_steps
from churn_assets.calendar import SAME_DAY, DayRange, Window
from churn_assets.contracts import Column, Contract, Kind
from churn_assets.settings import Settings
from churn_assets.warehouse import Publication, Warehouse, publish, restatements
from churn_assets.warehouse.arrivals import changed_files
from sizes import examples
from worlds import HORIZON, LATENESS, day, days, deliver, hashes, query, run_plainly, tamper, write_settings

NEW_EVENTS = "event_id,user_id,event_time,event_type\n700001,2,2026-01-05T12:00:00,login\n"
FILE = f"events/date={day(6)}/correction.csv"


def written(data: Path, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    return query(data, f"SELECT {columns} FROM churn.restatements WHERE {where} ORDER BY ALL")


@pytest.fixture
def corrected(computed: Path) -> Path:
    """The small world after one login of 5 January landed late, on the 6th."""
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    run_plainly(computed)
    return computed


# --- what is written down ---


def test_computing_for_the_first_time_restates_nothing(computed: Path) -> None:
    assert query(computed, "SELECT count(*) FROM churn.arrivals WHERE change = 'new'") == [(26,)], "12 + 14 files"
    assert query(computed, "FROM duckdb_tables() SELECT table_name WHERE table_name = 'restatements'") == []


def test_each_partition_of_other_content_is_written_down_and_no_other(computed: Path) -> None:
    before = hashes(computed)
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    run_plainly(computed)
    after = hashes(computed)
    changed = {key for key in after if after[key] != before[key]}
    assert set(written(computed, "table_name, partition_date")) == changed
    assert ("user_daily", day(5)) in changed and ("user_daily", day(6)) not in changed


def test_the_late_file_is_named_as_the_cause_of_all_that_it_changed(corrected: Path) -> None:
    assert written(corrected, "DISTINCT files, is_code_changed, published_at > replaced_at", "true") == [
        ([FILE], False, True)
    ]
    assert query(corrected, f"SELECT landing_date, change FROM churn.arrivals WHERE source_file = '{FILE}'") == [
        (day(6), "new")
    ]


def test_a_changed_row_is_one_removed_and_one_added(corrected: Path) -> None:
    counts = "rows_after - rows_before, rows_removed, rows_added"
    assert written(corrected, counts, "table_name = 'clean_events'") == [(1, 0, 1)]
    assert written(corrected, counts, "table_name = 'user_daily'") == [(0, 1, 1)]


def test_computing_again_what_stays_the_same_restates_nothing(corrected: Path) -> None:
    before = written(corrected, "*")
    run_plainly(corrected, force=True)
    assert written(corrected, "*") == before
    assert query(corrected, "SELECT count(*) FROM churn.arrivals") == [(27,)]


def test_a_label_is_restated_when_its_horizon_closes_with_its_counts_before_and_after(landed: Path) -> None:
    run_plainly(landed, days(1, 1 + HORIZON - 1))
    run_plainly(landed, days(1 + HORIZON))
    ((before, after, files),) = written(
        landed, "labels_before, labels_after, files", f"table_name = 'churn_labels' AND partition_date = '{day(1)}'"
    )
    rows = query(landed, f"SELECT churned_4d FROM churn.churn_labels WHERE as_of_date = '{day(1)}'")
    names = {True: "churned", False: "stayed", None: "unknown"}
    assert after == {"churned": 0, "stayed": 0, "unknown": 0} | Counter(names[churned] for (churned,) in rows)
    assert before == {"churned": 0, "stayed": 0, "unknown": sum(after.values())}
    assert after["stayed"] > 0
    assert files == [f"{source}/date={day(1 + HORIZON)}/{source}.csv" for source in ("events", "users")]


def test_only_labels_have_counts_of_labels(corrected: Path) -> None:
    assert written(corrected, "DISTINCT table_name", "labels_before IS NOT NULL") == [("churn_labels",)]


def test_another_setting_is_no_late_file_and_is_said_to_be_other_code(computed: Path) -> None:
    write_settings(computed, lateness_days=0)
    run_plainly(computed)
    assert written(computed, "DISTINCT files, is_code_changed", "table_name = 'clean_events'") == [([], True)]


def test_rows_of_a_table_that_somebody_changed_are_not_counted(computed: Path) -> None:
    tamper(computed, f"DELETE FROM churn.user_daily WHERE as_of_date = '{day(5)}' AND user_id = 2")
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    run_plainly(computed)
    assert written(computed, "partition_date, rows_removed, rows_added", "table_name = 'user_daily'") == [
        (day(5), None, None)
    ]


def test_a_day_too_large_to_hold_twice_is_not_counted(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restatements, "COMPARED_ROWS", 1)
    deliver(computed, "events", day(6), NEW_EVENTS, name="correction.csv")
    run_plainly(computed)
    assert written(computed, "rows_removed, rows_added", "table_name = 'user_daily'") == [(None, None)]
    assert written(computed, "rows_removed, rows_added", "table_name = 'growth_daily'") == [(1, 1)]


def test_a_publication_that_is_refused_leaves_no_trace(computed: Path) -> None:
    deliver(computed, "events", day(6), 'event_id,user_id,event_time,event_type\n1,1,"torn', name="torn.csv")
    arrivals = query(computed, "FROM churn.arrivals ORDER BY ALL")
    with pytest.raises(Exception, match=r"torn\.csv"):
        run_plainly(computed)
    assert query(computed, "FROM churn.arrivals ORDER BY ALL") == arrivals


# --- its parts ---


def test_what_became_of_each_file() -> None:
    before, now = {"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}
    assert changed_files(before, now) == {"b": "changed", "c": "removed", "d": "new"}


def test_a_table_stems_from_the_landing_days_of_its_windows_one_after_the_other() -> None:
    steps = {step.name: step.landed for step in all_steps(Settings(start_date=day(1)))}
    late, ever = LATENESS, None
    assert steps["raw_events"] == {"events": SAME_DAY}
    assert steps["clean_events"] == {"events": Window(back=late)}
    assert steps["user_daily"] == {"events": Window(back=late, ahead=late), "users": Window(back=ever, ahead=late)}
    # 89 days of user_daily, which looks back and ahead L days of landings.
    assert steps["user_features"]["events"] == Window(back=89 + late, ahead=late)
    assert steps["churn_labels"]["events"] == Window(back=29 + late, ahead=30 + late)


TABLE = Contract(
    table="things",
    grain="one thing of a day",
    day="day",
    key=("day", "name"),
    columns=(
        Column("day", Kind.DATE, "the day"),
        Column("name", Kind.INTEGER, "the thing"),
        Column("is_good", Kind.FLAG, "whether it is good", nullable=True),
    ),
)
Things = dict[tuple[int, int], bool | None]
things = st.dictionaries(st.tuples(st.integers(1, 3), st.integers(0, 5)), st.sampled_from([True, False, None]))


def frame(rows: Things) -> pd.DataFrame:
    return TABLE.typed(
        pd.DataFrame(
            {
                "day": pd.to_datetime([day(at) for at, _ in rows]),
                "name": [name for _, name in rows],
                "is_good": pd.array(list(rows.values()), dtype="boolean"),
            }
        )
    )


def published(path: Path, rows: Things) -> None:
    with Warehouse(path).writing() as connection:
        span = DayRange(day(1), day(3))
        publish(
            connection,
            Publication(TABLE, span, [frame(rows)], lambda _: dict.fromkeys(span, ""), "v", outcome="is_good"),
        )


@settings(max_examples=examples(30), deadline=None)
@given(before=things, after=things)
def test_counts_are_those_of_the_two_versions_laid_side_by_side(
    tmp_path_factory: pytest.TempPathFactory, before: Things, after: Things
) -> None:
    path = tmp_path_factory.mktemp("warehouse") / "warehouse.duckdb"
    published(path, before)
    published(path, after)
    expected = {}
    for number in (1, 2, 3):
        old, new = (
            Counter((name, good) for (at, name), good in version.items() if at == number) for version in (before, after)
        )
        if old != new:
            expected[day(number)] = (
                old.total(),
                new.total(),
                (old - new).total(),
                (new - old).total(),
                *(tuple(sum(good is what for _, good in side) for what in (True, False, None)) for side in (old, new)),
            )
    with Warehouse(path).reading() as connection:
        if not expected:
            tables = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'restatements'")
            assert tables.fetchall() == [(0,)]
            return
        rows = connection.execute(
            "SELECT partition_date, rows_before, rows_after, rows_removed, rows_added, labels_before, labels_after "
            "FROM churn.restatements"
        ).fetchall()
    found: dict[date, Any] = {at: (*counts, tuple(old.values()), tuple(new.values())) for at, *counts, old, new in rows}
    assert found == expected
