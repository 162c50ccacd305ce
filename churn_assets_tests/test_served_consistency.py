"""served_consistency: what a service gave out is held against the tables, feature by feature."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn_assets.assets.online_step import publish_online
from churn_assets.calendar import DayRange
from churn_assets.checks.serving import serving_checks
from churn_assets.checks.verdict import Stored
from churn_assets.contracts import Column, Kind
from churn_assets.online.consistency import COUNTS, served_consistency
from churn_assets.online.served import ServedLog
from churn_assets.online.sqlite_store import SqliteStore
from churn_assets.online.store import open_store
from churn_assets.service.answers import Answers
from online_worlds import known_users, served_world
from worlds import (
    CALENDAR,
    DAYS,
    churn,
    day,
    days,
    deliver_late_login,
    deployment_of,
    hashes,
    query,
    run_plainly,
    run_with_dagster,
)

AT = date(2026, 1, 5)
COLUMNS = (
    Column("count", Kind.INTEGER, "", nullable=True),
    Column("share", Kind.NUMBER, "", nullable=True),
    Column("flag", Kind.FLAG, "", nullable=True),
    Column("label", Kind.LABEL, "", nullable=True),
    Column("time", Kind.INSTANT, "", nullable=True),
)
SAME: dict[str, Any] = {"count": 3, "share": 0.1, "flag": True, "label": "a", "time": "2026-01-05T10:00:00.123456Z"}
FAULTS: dict[str, tuple[Callable[[dict[str, Any], str], Any], str]] = {
    "another value": (lambda given, name: given.update({name: OTHER[name]}), "mismatched"),
    "null": (lambda given, name: given.update({name: None}), "mismatched"),
    "no such feature": (lambda given, name: given.pop(name), "missing"),
    "another type": (lambda given, name: given.update({name: [1]}), "errors"),
}
OTHER: dict[str, Any] = {
    "count": 4,
    "share": 0.1 + 2e-17 * 4,
    "flag": False,
    "label": "A",
    "time": "2026-01-05T10:00:00.123457Z",
}


def table(users: int, **changed: Any) -> pd.DataFrame:
    row = {**SAME, "time": datetime(2026, 1, 5, 10, 0, 0, 123456), **changed}
    frame = pd.DataFrame([{"user_id": user, "as_of_date": pd.Timestamp(AT), **row} for user in range(1, users + 1)])
    return frame.astype({column.name: column.dtype for column in COLUMNS})


def found(log: ServedLog, features: pd.DataFrame, version: str = "v") -> dict[str, dict[str, int]]:
    rows = served_consistency(features, days=DayRange(AT, AT), log=log, versions={AT: version}, features=COLUMNS)
    return rows.set_index("feature")[[*COUNTS]].to_dict("index")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("feature", SAME)
def test_one_planted_fault_of_one_user_in_ten_thousand_is_found(tmp_path: Path, fault: str, feature: str) -> None:
    users, log = 10_000, ServedLog(tmp_path)
    plant, counted = FAULTS[fault]
    given_out = [(user, dict(SAME)) for user in range(1, users + 1)]
    plant(given_out[7123][1], feature)
    log.note(AT, "v", given_out)
    counts = found(log, table(users))
    assert {*counts} == {*SAME}
    for name, of_feature in counts.items():
        wanted = dict.fromkeys(COUNTS, 0) | {"vectors": users} | ({counted: 1} if name == feature else {})
        assert of_feature == wanted


def test_null_is_the_same_as_null_alone(tmp_path: Path) -> None:
    log = ServedLog(tmp_path)
    log.note(AT, "v", [(1, dict.fromkeys(SAME)), (2, dict(SAME))])
    counts = found(log, table(2, **dict.fromkeys(SAME)))
    assert all(
        of_feature == dict.fromkeys(COUNTS, 0) | {"vectors": 2, "mismatched": 1} for of_feature in counts.values()
    )


def test_a_user_whom_the_table_has_not_and_a_line_that_was_cut_off_are_counted(tmp_path: Path) -> None:
    log = ServedLog(tmp_path)
    log.note(AT, "v", [(1, SAME), (2, SAME)])
    path = tmp_path / f"{AT}.jsonl"
    path.write_text(path.read_text() + '{"user_id": 1, "vers')
    counts = found(log, table(1))
    assert all(c == dict.fromkeys(COUNTS, 0) | {"vectors": 3, "missing": 1, "errors": 1} for c in counts.values())


def test_a_vector_of_a_state_that_was_replaced_is_not_compared(tmp_path: Path) -> None:
    log = ServedLog(tmp_path)
    log.note(AT, "before", [(1, {**SAME, "count": 99})])
    log.note(AT, "v", [(1, SAME)])
    assert found(log, table(1))["count"] == dict.fromkeys(COUNTS, 0) | {"vectors": 1, "restated": 1}
    assert found(ServedLog(tmp_path / "nothing"), table(1)) == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["v", "old"]),
            st.integers(1, 4),
            st.sampled_from([*FAULTS, "none"]),
            st.sampled_from([*SAME]),
        )
    )
)
def test_counts_are_those_of_the_lines_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, int, str, str]]
) -> None:
    log = ServedLog(tmp_path_factory.mktemp("log"))
    wanted = {name: Counter[str]() for name in SAME}
    for version, user, fault, feature in lines:
        vector = dict(SAME)
        if fault != "none":
            FAULTS[fault][0](vector, feature)
        log.note(AT, version, [(user, vector)])
        for name in SAME:
            if version == "old":
                wanted[name]["restated"] += 1
                continue
            wanted[name]["vectors"] += 1
            if user > 3:
                wanted[name]["missing"] += 1
            elif fault != "none" and name == feature:
                wanted[name][FAULTS[fault][1]] += 1
    counts = found(log, table(3))
    assert counts == ({name: {what: count[what] for what in COUNTS} for name, count in wanted.items()} if lines else {})


# -- in a deployment ---------------------------------------------------------------------------------------------------


def given_out(data: Path, users: list[int]) -> None:
    settings = deployment_of(data).settings
    Answers(settings, open_store(settings)).features(users)


def consistency(data: Path) -> list[tuple[Any, ...]]:
    return query(
        data,
        "SELECT as_of_date, max(vectors), sum(mismatched), sum(missing), sum(errors), max(restated) "
        "FROM churn.served_consistency GROUP BY 1 ORDER BY 1",
    )


def check(data: Path) -> dict[date, bool | None]:
    deployment = deployment_of(data)
    (own,) = serving_checks(deployment.settings)
    with deployment.warehouse.reading() as connection:
        stored = Stored(connection, deployment.contracts, deployment.settings)
        return {at: verdict.passed for at, verdict in own.judge(stored, CALENDAR).items()}


def test_what_a_service_gives_out_is_what_the_table_holds_and_what_was_changed_on_the_way_is_found(
    computed: Path,
) -> None:
    data = served_world(computed)
    publish_online(deployment_of(data))
    assert consistency(data) == []
    given_out(data, [*known_users(data)[:40], 10**9])
    todo = run_plainly(data)
    assert [(work.tables, work.days) for work in todo.works] == [(["served_consistency"], days(DAYS))]
    assert consistency(data) == [(day(DAYS), 40, 0, 0, 0, 0)]
    assert all(check(data).values())
    assert run_plainly(data).works == ()
    path = data / f"served/{day(DAYS)}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[17]["features"]["total_events_7d"] += 1
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run_plainly(data)
    assert consistency(data) == [(day(DAYS), 40, 1, 0, 0, 0)]
    assert [at for at, passed in check(data).items() if not passed] == [day(DAYS)]


def test_a_restated_day_makes_no_alarm(computed: Path) -> None:
    data = served_world(computed)
    publish_online(deployment_of(data))
    given_out(data, known_users(data)[:2])
    deliver_late_login(data)
    before = hashes(data)["user_features", day(DAYS)]
    run_plainly(data)
    assert hashes(data)["user_features", day(DAYS)] != before
    assert consistency(data) == [(day(DAYS), 0, 0, 0, 0, 2)]
    assert all(check(data).values())


def test_a_backfill_publishes_the_newest_day_and_an_erased_user_is_in_no_store_and_no_log(computed: Path) -> None:
    data = served_world(computed)
    report = run_with_dagster(data)
    assert report.succeeded and report.online
    assert not run_with_dagster(data).online, "nothing is due"
    user, other = known_users(data)[:2]
    given_out(data, [user, other])
    log = data / f"served/{day(DAYS)}.jsonl"
    assert log.read_text().count("\n") == 2
    done = churn(data, "erase", str(user), "--yes")
    assert done.returncode == 0, done.stderr
    assert "the online store, and the log of what was served" in done.stdout
    found = open_store(deployment_of(data).settings).read([user, other])
    assert found is not None and found[1][0] is None and found[1][1] is not None
    assert [line.user_id for line in ServedLog(data / "served").lines(day(DAYS))] == [other]
    assert user not in known_users(data)
    assert churn(data, "online", "status").returncode == 0


def test_a_backfill_of_some_days_publishes_what_it_restates(computed: Path) -> None:
    data = served_world(computed)
    assert run_with_dagster(data, days(DAYS)).online, "the store was empty"
    deliver_late_login(data)
    assert run_with_dagster(data, days(DAYS)).online
    held = open_store(deployment_of(data).settings).snapshot()
    assert held is not None and held.version == hashes(data)["user_features", day(DAYS)]


def test_an_erased_user_is_also_in_no_store_that_was_used_before(computed: Path) -> None:
    data = served_world(computed)
    publish_online(deployment_of(data))
    user, other = known_users(data)[:2]
    done = churn(data, "erase", str(user), "--yes", CHURN_SERVING__STORE="none")
    assert done.returncode == 0, done.stderr
    found = SqliteStore(data / "online.sqlite").read([user, other])
    assert found is not None and found[1][0] is None and found[1][1] is not None
