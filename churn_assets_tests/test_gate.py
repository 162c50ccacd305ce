"""The gate: what breaks its contract is refused, by column and count, and no value of a row is ever quoted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest

from churn_assets.calendar import DayRange
from churn_assets.contracts import Column, Contract, Kind, Rule
from churn_assets.errors import RefusedFrame
from churn_assets.warehouse.gate import admit

DAY = date(2026, 1, 5)
DAYS = DayRange(DAY, DAY)
CONTRACT = Contract(
    table="readings",
    grain="one reading",
    key=("reading_id", "sensor"),
    day="day",
    columns=(
        Column("reading_id", Kind.INTEGER, "Reading", minimum=1),
        Column("sensor", Kind.TEXT, "Sensor"),
        Column("day", Kind.DATE, "Day"),
        Column("taken_at", Kind.INSTANT, "When"),
        Column("level", Kind.NUMBER, "Level", minimum=0, maximum=100),
        Column("drift", Kind.NUMBER, "Drift", nullable=True),
        Column("retries", Kind.INTEGER, "Retries", nullable=True, maximum=9),
        Column("is_valid", Kind.FLAG, "Valid"),
        Column("place", Kind.LABEL, "Place"),
        Column("note", Kind.TEXT, "Note", nullable=True),
    ),
    rules=(Rule("valid_has_level", "is_valid only where level > 0", lambda f: ~f["is_valid"] | (f["level"] > 0)),),
)
SECRETS = ("7001", "7002", "7003", "s3cret", "66.25", "-5", "777", "Hidden Valley", "private note")


def readings() -> pd.DataFrame:
    return CONTRACT.typed(
        pd.DataFrame(
            {
                "reading_id": [7001, 7002, 7003],
                "sensor": ["s3cret"] * 3,
                "day": pd.to_datetime([DAY] * 3),
                "taken_at": pd.to_datetime(["2026-01-05 06:07:08.000009"] * 3),
                "level": [66.25, 12.7, 1.0],
                "drift": [np.nan, -0.5, 0.0],
                "retries": [None, 1, 2],
                "is_valid": [True, False, True],
                "place": ["Hidden Valley", "b", "b"],
                "note": ["private note", None, ""],
            }
        )
    )


def changed(**cells: object) -> pd.DataFrame:
    """The readings with whole columns replaced; the frame keeps its column order."""
    frame = readings()
    for name, values in cells.items():
        frame[name] = values
    return frame


def label(*values: str | None) -> pd.Categorical:
    return pd.Categorical(values)


def instants(*texts: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts), format="ISO8601")).astype("datetime64[us]")


def retries(*values: int) -> pd.Series:
    return pd.Series(values, dtype="Int64")


def test_a_frame_that_keeps_its_contract_passes() -> None:
    admit(CONTRACT, readings(), DAYS)
    admit(CONTRACT, readings().set_axis([5, 5, 5]), DAYS)


def test_a_frame_of_no_rows_passes() -> None:
    admit(CONTRACT, CONTRACT.empty(), DAYS)


BROKEN: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
    "another order of columns": (lambda: readings()[CONTRACT.column_names[::-1]], "not in the contract's order"),
    "a repeated column": (
        lambda: readings()[[*CONTRACT.column_names, "note"]],
        "columns are repeated or not in the contract's order",
    ),
    "a missing column": (lambda: readings().drop(columns=["level"]), "missing: level; 0 more than declared"),
    "a surplus column": (lambda: readings().assign(secret_column=1), "missing: none; 1 more than declared"),
    "integers as floats": (lambda: changed(reading_id=[7001.0, 7002.0, 7003.0]), "type than declared: reading_id"),
    "numbers as text": (lambda: changed(level=["66.25", "1", "2"]), "type than declared: level"),
    "text as objects": (
        lambda: changed(note=pd.Series(["private note", None, ""], dtype=object)),
        "type than declared: note",
    ),
    "labels as text": (lambda: changed(place="Hidden Valley"), "type than declared: place"),
    "labels that are numbers": (lambda: changed(place=pd.Categorical([777, 777, 1])), "type than declared: place"),
    "nanoseconds": (lambda: changed(taken_at=instants(*["2026-01-05"] * 3).astype("datetime64[ns]")), "taken_at"),
    "instants with a zone": (lambda: changed(taken_at=instants(*["2026-01-05"] * 3).dt.tz_localize("UTC")), "taken_at"),
    "flags as numbers": (lambda: changed(is_valid=[1, 0, 1]), "type than declared: is_valid"),
    "a null number": (lambda: changed(level=[np.nan, np.nan, 1.0]), "level is null in 2 rows"),
    "a null text": (lambda: changed(sensor=readings()["sensor"].where([True, False, True])), "sensor is null in 1"),
    "a null label": (lambda: changed(place=label("Hidden Valley", None, None)), "place is null in 2 rows"),
    "a null day": (lambda: changed(day=instants("2026-01-05", None, "2026-01-05")), "day is null in 1 rows"),
    "a null instant": (lambda: changed(taken_at=instants(None, None, "2026-01-05")), "taken_at is null in 2 rows"),
    "infinity": (lambda: changed(drift=[np.inf, 1.0, -np.inf]), "drift is infinite in 2 rows"),
    "a time of day in a date": (
        lambda: changed(day=instants("2026-01-05 00:00:00.000001", "2026-01-05", "2026-01-05 23:00")),
        "day holds a time of day in 2 rows",
    ),
    "too low an integer": (lambda: changed(reading_id=[7001, -5, -5]), "reading_id is below 1 in 2 rows"),
    "too low a number": (lambda: changed(level=[66.25, -5.0, 1.0]), "level is below 0 in 1 rows"),
    "too high a number": (lambda: changed(level=[777.0, 777.0, 1.0]), "level is above 100 in 2 rows"),
    "too high a nullable integer": (lambda: changed(retries=retries(777, 1, 777)), "retries is above 9 in 2 rows"),
    "a repeated key": (lambda: changed(reading_id=[7001, 7001, 7001]), "2 rows repeat the key (reading_id, sensor)"),
    "a repeated key whose parts span more than 63 bits": (
        lambda: changed(reading_id=[2**63 - 1, 1, 1]),
        "1 rows repeat the key (reading_id, sensor)",
    ),
    "another day": (
        lambda: changed(day=instants("2026-01-04", "2026-01-05", "2026-01-06")),
        "2 rows lie outside the partition by day",
    ),
    "a broken rule": (lambda: changed(level=[0.0, 0.0, 0.0]), "2 rows break valid_has_level: is_valid only where"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_breaks_the_contract_is_refused_by_column_and_count_without_a_value(fault: str) -> None:
    make, sentence = BROKEN[fault]
    with pytest.raises(RefusedFrame) as refused:
        admit(CONTRACT, make(), DAYS)
    message = str(refused.value)
    assert message.startswith("readings (2026-01-05) was not published: ")
    assert sentence in message
    assert message.endswith(".")
    assert not [secret for secret in SECRETS if secret in message]


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(RefusedFrame, match=r"level is null in 1 rows; drift is infinite in 1 rows"):
        admit(CONTRACT, changed(level=[np.nan, 1.0, 1.0], drift=[np.inf, 0.0, 0.0]), DAYS)


def test_limits_are_inclusive() -> None:
    admit(CONTRACT, changed(level=[0.0, 100.0, 100.0], is_valid=False), DAYS)


def test_infinity_passes_no_limit_even_where_none_is_declared() -> None:
    with pytest.raises(RefusedFrame, match="level is infinite in 1 rows; level is above 100 in 1 rows"):
        admit(CONTRACT, changed(level=[np.inf, 1.0, 1.0]), DAYS)


def test_both_ends_of_a_range_belong_to_it() -> None:
    days = DayRange(date(2026, 1, 4), date(2026, 1, 6))
    admit(CONTRACT, changed(day=instants("2026-01-04", "2026-01-05", "2026-01-06")), days)
    with pytest.raises(RefusedFrame, match="2 rows lie outside"):
        admit(CONTRACT, changed(day=instants("2026-01-03", "2026-01-05", "2026-01-07")), days)


def test_keys_that_differ_in_one_part_are_not_repeated() -> None:
    sensors = pd.Series(["a", "b", "c"], dtype=CONTRACT.column("sensor").dtype)
    admit(CONTRACT, changed(reading_id=[7001, 7001, 7001], sensor=sensors), DAYS)
