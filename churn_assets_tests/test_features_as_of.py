"""Features as of an instant: of the one day that had settled by then, or null. Never an older row, never a later one."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import oracles_training as oracle
from churn_assets import features_as_of
from churn_assets.calendar import DayRange
from churn_assets.errors import ChurnError
from training_worlds import day, deployment_in, features, store
from worlds import days as world_days
from worlds import query

BERLIN = 'start_date = 2026-03-01\ntimezone = "Europe/Berlin"\nlateness_days = 2\n'
FIRST, LAST, GAP = date(2026, 3, 20), date(2026, 4, 5), date(2026, 3, 31)
"""Published days, but for GAP; clocks go forward on 29 March."""
USERS = (1, 2, 3)


@pytest.fixture(scope="module")
def berlin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users 1 to 3 on each published day; a row's total_events_30d says whose and of which day it is."""
    data = tmp_path_factory.mktemp("berlin") / "data"
    deployment = deployment_in(data, BERLIN)
    for days in (DayRange(FIRST, GAP - timedelta(days=1)), DayRange(GAP + timedelta(days=1), LAST)):
        rows = [
            {"user_id": u, "as_of_date": at, "total_events_30d": events_by(u, at), "plan": "pro"}
            for at in days
            for u in USERS
        ]
        store(deployment, "user_features", features(*rows), days)
    return data


def events_by(user: int, at: date) -> int:
    return 1000 * user + at.timetuple().tm_yday


def ask(data: Path, *entities: tuple[Any, Any], **how: Any) -> pd.DataFrame:
    return features_as_of(pd.DataFrame(entities, columns=["user_id", "time"]), data, **how)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc,arg-type]


def test_the_day_is_the_newest_whose_late_events_were_in_too(berlin: Path) -> None:
    # At noon of 28 March the 25th is the last day after which two more, of lateness, have ended.
    found = ask(berlin, (2, utc(2026, 3, 28, 12)))
    assert found["as_of_date"].tolist() == [pd.Timestamp(2026, 3, 25)]
    assert found["total_events_30d"].tolist() == [events_by(2, date(2026, 3, 25))]


def test_unsettled_it_is_the_day_before(berlin: Path) -> None:
    found = ask(berlin, (2, utc(2026, 3, 28, 12)), settled=False)
    assert found["total_events_30d"].tolist() == [events_by(2, date(2026, 3, 27))]


def test_a_day_ends_at_midnight_of_the_deployments_timezone(berlin: Path) -> None:
    # Berlin is an hour ahead of UTC until 29 March, two hours from then on.
    asked = [utc(2026, 3, 27, 22, 59), utc(2026, 3, 27, 23), utc(2026, 4, 1, 21, 59), utc(2026, 4, 1, 22)]
    found = ask(berlin, *((1, at) for at in asked), settled=False)
    assert [at.day for at in found["as_of_date"]] == [26, 27, 31, 1]


def test_a_time_without_an_offset_is_utc_and_an_offset_is_honoured(berlin: Path) -> None:
    naive = ask(berlin, (1, datetime(2026, 3, 27, 23)), settled=False)
    offset = ask(berlin, (1, "2026-03-28T00:00:00+01:00"), settled=False)
    assert naive["as_of_date"].tolist() == offset["as_of_date"].tolist() == [pd.Timestamp(2026, 3, 27)]


def test_each_time_is_read_by_itself_whatever_the_others_look_like(berlin: Path) -> None:
    times = [
        *("2026-03-27T23:00:00", "2026-03-27T23:00:00.5", "2026-03-27 23:00:00Z", "2026-03-28T00:00:00+01:00"),
        *(
            datetime(2026, 3, 27, 23),
            utc(2026, 3, 27, 23),
            pd.Timestamp(2026, 3, 27, 23),
            "2026-03-28",
            date(2026, 3, 28),
        ),
        np.datetime64("2026-03-27T23:00:00"),
    ]
    found = ask(berlin, *((1, at) for at in times), settled=False)
    assert set(found["as_of_date"]) == {pd.Timestamp(2026, 3, 27)}
    alone = [ask(berlin, (1, at), settled=False)["as_of_date"].tolist() for at in times]
    assert alone == [[pd.Timestamp(2026, 3, 27)]] * len(times)


def test_unsettled_it_is_null_where_a_row_landed_after_the_instant(computed: Path) -> None:
    events = query(computed, "SELECT user_id, event_date, landing_date FROM churn.clean_events")
    landed = dict(query(computed, "SELECT user_id, min(landing_date) FROM churn.clean_users GROUP BY ALL"))
    columns = "user_id, as_of_date, total_events_7d"
    stored = {(user, at): count for user, at, count in query(computed, f"SELECT {columns} FROM churn.user_features")}
    asked = [(user, at) for user in sorted(landed) for at in world_days(1, 12)]
    found = ask(
        computed, *((user, datetime.combine(at + timedelta(days=1), time(12))) for user, at in asked), settled=False
    )

    def is_unseen(user: int, at: date) -> bool:
        late = any(who == user and on <= at < arrived for who, on, arrived in events)
        return late or landed[user] > at

    expected = [None if is_unseen(*one) else stored.get(one) for one in asked]
    assert [None if pd.isna(count) else count for count in found["total_events_7d"]] == expected
    assert any(is_unseen(*one) and one in stored for one in asked) and any(expected)


def test_an_unpublished_day_and_an_unknown_user_are_null_and_no_older_row_is_taken(berlin: Path) -> None:
    noon = utc(2026, 4, 1, 12)
    found = ask(berlin, (1, noon), (99, noon - timedelta(days=4)), (None, noon), (1, None), settled=False)
    assert found["as_of_date"].tolist()[:2] == [pd.Timestamp(GAP), pd.Timestamp(2026, 3, 27)]
    assert found.drop(columns=["user_id", "time", "as_of_date"]).isna().all(axis=None)


def test_order_index_repeats_and_other_columns_stay(berlin: Path) -> None:
    at = utc(2026, 3, 25, 12)
    entities = pd.DataFrame(
        {"shown": ["a", "b", "c", "d"], "user_id": [3, 1, 3, 99], "time": [at] * 4}, index=[7, 7, -1, 0]
    )
    before = entities.copy()
    found = features_as_of(entities, berlin)
    assert found.index.tolist() == [7, 7, -1, 0] and found["shown"].tolist() == ["a", "b", "c", "d"]
    assert found["user_id"].tolist() == [3, 1, 3, 99]
    known = found["total_events_30d"].tolist()[:3]
    assert known == [events_by(user, date(2026, 3, 22)) for user in (3, 1, 3)] and pd.isna(
        found["total_events_30d"].iloc[3]
    )
    pd.testing.assert_frame_equal(entities, before)


def test_no_entities_give_no_rows_with_every_column(berlin: Path) -> None:
    found = features_as_of(
        pd.DataFrame({"user_id": pd.Series(dtype="int64"), "time": pd.Series(dtype="datetime64[us]")}), berlin
    )
    assert len(found) == 0 and {"as_of_date", "total_events_30d", "activity_segment"} <= set(found.columns)
    assert str(found["total_events_30d"].dtype) == "Int64" and str(found["is_paid"].dtype) == "boolean"


instants = st.datetimes(datetime(2026, 3, 18), datetime(2026, 4, 9)).map(lambda at: at.replace(tzinfo=timezone.utc))


@pytest.mark.long
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 4), instants), min_size=1, max_size=8), st.booleans())
def test_each_entity_gets_the_row_the_oracle_finds_or_none(
    berlin: Path, entities: list[tuple[int, datetime]], settled: bool
) -> None:
    found = ask(berlin, *entities, settled=settled)
    for (user, at), as_of, events in zip(entities, found["as_of_date"], found["total_events_30d"], strict=True):
        expected = oracle.as_of_date(at, "Europe/Berlin", 2 if settled else 0)
        assert as_of.date() == expected
        is_there = user in USERS and FIRST <= expected <= LAST and expected != GAP
        assert (None if pd.isna(events) else events) == (events_by(user, expected) if is_there else None)
        over = datetime.combine(expected + timedelta(days=1), datetime.min.time(), ZoneInfo("Europe/Berlin"))
        assert over <= at, "the day had ended"


def test_a_time_past_what_nanoseconds_hold_is_a_day_not_published(berlin: Path) -> None:
    times = np.array(["9999-01-01"], dtype="datetime64[s]")
    found = features_as_of(pd.DataFrame({"user_id": [1], "time": times}), berlin, settled=False)
    assert str(found["as_of_date"][0].date()) == "9998-12-31" and found["total_events_30d"].isna().all()


def test_text_ids_are_looked_up_as_text(tmp_path: Path) -> None:
    deployment = deployment_in(tmp_path / "data", 'start_date = 2026-01-01\n[sources.users]\nid_type = "string"\n')
    rows = [{"user_id": "u1", "as_of_date": day(1), "total_events_30d": 5}]
    store(deployment, "user_features", features(*rows, settings=deployment.settings), DayRange(day(1), day(1)))
    found = ask(tmp_path / "data", ("u1", utc(2026, 1, 2)), ("u2", utc(2026, 1, 2)), settled=False)
    assert found["total_events_30d"].tolist() == [5, pd.NA]
    with pytest.raises(ChurnError, match="user_id must be text"):
        ask(tmp_path / "data", (1, utc(2026, 1, 2)))


@pytest.mark.parametrize(
    ("entities", "sentence"),
    [
        ({"user": [1]}, "no column user_id and time"),
        ({"user_id": [1], "time": ["soon"]}, "time must be instants"),
        ({"user_id": [1], "time": ["05/03/2026 12:00"]}, "time must be instants"),
        ({"user_id": [1, 1], "time": ["2026-03-25", "now"]}, "time must be instants"),
        ({"user_id": [1], "time": [""]}, "time must be instants"),
        ({"user_id": [1], "time": [1_770_206_400]}, "time must be instants"),
        ({"user_id": [1], "time": [1_770_206_400.5]}, "time must be instants"),
        ({"user_id": [1, 1], "time": [datetime(2026, 3, 25), 7]}, "time must be instants"),
        ({"user_id": [1], "time": [True]}, "time must be instants"),
        ({"user_id": [1], "time": [timedelta(days=3)]}, "time must be instants"),
        ({"user_id": ["u1"], "time": ["2026-03-25"]}, "user_id must be integers"),
        ({"user_id": [1.5], "time": ["2026-03-25"]}, "user_id must be integers"),
        ({"user_id": [2**70], "time": ["2026-03-25"]}, "user_id must be integers"),
        ({"user_id": [True], "time": ["2026-03-25"]}, "user_id must be integers"),
        ({"user_id": [1], "time": ["2026-03-25"], "plan": ["x"]}, "have a column plan already"),
    ],
)
def test_what_cannot_be_looked_up_is_refused_without_quoting_it(
    berlin: Path, entities: dict[str, list[Any]], sentence: str
) -> None:
    with pytest.raises(ChurnError, match=sentence) as refused:
        features_as_of(pd.DataFrame(entities), berlin)
    assert "soon" not in str(refused.value) and "u1" not in str(refused.value)


def test_before_anything_is_published_it_says_how_to_begin(tmp_path: Path) -> None:
    deployment = deployment_in(tmp_path / "data")
    with pytest.raises(ChurnError, match="churn-assets backfill"):
        ask(tmp_path / "data", (1, utc(2026, 1, 2)))
    store(deployment, "churn_labels", deployment.contracts["churn_labels"].empty(), DayRange(day(1), day(1)))
    with pytest.raises(ChurnError, match="user_features is not published yet"):
        ask(tmp_path / "data", (1, utc(2026, 1, 2)))
