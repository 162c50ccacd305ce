"""Tiny frames for tests: rows as dicts in, contract-typed frames out, and back to plain Python values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any

import pandas as pd

from churn_assets.calendar import DayRange
from churn_assets.contracts import Contract, contracts
from churn_assets.settings import Settings
from churn_assets.transforms import Cleaned
from churn_assets.warehouse.gate import admit

Row = dict[str, Any]
EVENT: Row = {"event_id": "1", "user_id": "1", "event_time": "2026-01-05T10:00:00", "event_type": "login"}
USER: Row = {"user_id": "1", "signup_date": "2026-01-05", "plan": "free", "is_paid": "false", "country": "DE"}
USER["marketing_source"] = "ads"
CLEAN_USER: Row = {"user_id": 1, "plan": "free", "is_paid": False, "country": "DE", "marketing_source": "ads"}
CLEAN_EVENT: Row = {"user_id": 1, "event_type": "login", "course_id": None, "watch_minutes": 0.0}
CLEAN_EVENT |= {"quiz_score": None, "amount": None}


@cache
def contract(table: str, id_type: str = "integer", lateness_days: int = 3) -> Contract:
    sources = {"users": {"id_type": id_type}, "events": {"id_type": id_type}}
    return contracts(Settings(lateness_days=lateness_days, sources=sources))[table]  # type: ignore[arg-type]


def frame(table: str, rows: Iterable[Mapping[str, Any]], **of_contract: Any) -> pd.DataFrame:
    """Rows as a frame of `table`'s contract; a column a row does not name is null."""
    declared = contract(table, **of_contract)
    rows = list(rows)
    return declared.typed(pd.DataFrame({name: [row.get(name) for row in rows] for name in declared.column_names}))


def landed(rows: Iterable[Mapping[str, Any]], source: str, defaults: Mapping[str, Any] | None = None) -> list[Row]:
    """Raw rows as landed: unless they say so, on 5 January in one file, numbered in the order given."""
    numbered = []
    for number, row in enumerate(rows, start=1):
        day = row.get("landing_date", date(2026, 1, 5))
        place = {"landing_date": day, "source_file": f"{source}/date={day}/a.csv", "source_row": number}
        numbered.append({**(defaults or {}), **place, **row})
    return numbered


def raw_events(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """A raw_events frame; a row says only how it differs from a login of user 1 on 5 January, landed that day."""
    return frame("raw_events", landed(rows, "events", EVENT))


def raw_users(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """A raw_users frame; a row says only how it differs from user 1, who signed up and landed on 5 January."""
    return frame("raw_users", landed(rows, "users", USER))


def clean_users(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """A clean_users frame of user 1 on the free plan, but for what the rows say. They name their landing_date."""
    return frame("clean_users", [{"signup_date": r["landing_date"], **r} for r in landed(rows, "users", CLEAN_USER)])


def clean_events(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """A clean_events frame of logins of user 1, but for what the rows say. They name their event_time (UTC)."""
    whole = []
    for number, row in enumerate(rows, start=1):
        day = row["event_time"].date()
        place = {"landing_date": day, "source_file": f"events/date={day}/a.csv", "source_row": number}
        whole.append({**CLEAN_EVENT, "event_id": number, "event_date": day, **place, **row})
    return frame("clean_events", whole)


def records(values: pd.DataFrame) -> list[Row]:
    """Rows as dicts of plain Python values: None for null, date for a day, datetime for an instant."""
    columns = {name: [_plain(value, name) for value in values[name].tolist()] for name in values.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(value: Any, column: str) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, datetime):
        instant = pd.Timestamp(value).to_pydatetime()
        return instant.date() if column.endswith(("_date", "_week")) else instant
    return value


def admitted(table: str, values: pd.DataFrame, first: date, last: date, **of_contract: Any) -> pd.DataFrame:
    """The frame as it would be published: typed by its contract and passed by the gate, which raises otherwise."""
    declared = contract(table, **of_contract)
    typed = declared.typed(values)
    admit(declared, typed, DayRange(first, last))
    return typed


def parts_of(source: str, cleaned: Cleaned) -> dict[str, pd.DataFrame]:
    """The three frames of a cleaning by the table they become."""
    tables = (f"clean_{source}", f"quarantined_{source}", f"{source}_reconciliation")
    return dict(zip(tables, (cleaned.accepted, cleaned.quarantined, cleaned.reconciliation), strict=True))


def admitted_parts(source: str, cleaned: Cleaned, first: date, last: date, **of_contract: Any) -> list[pd.DataFrame]:
    """The three frames of a cleaning, each as it would be published."""
    parts = parts_of(source, cleaned)
    return [admitted(table, part, first, last, **of_contract) for table, part in parts.items()]


def typed_parts(source: str, cleaned: Cleaned, **of_contract: Any) -> list[pd.DataFrame]:
    """The three frames of a cleaning in their contracts' types."""
    return [contract(table, **of_contract).typed(part) for table, part in parts_of(source, cleaned).items()]


def landed_between(values: pd.DataFrame, first: date, last: date) -> pd.DataFrame:
    return values[values["landing_date"].between(pd.Timestamp(first), pd.Timestamp(last))]


def same_rows(left: pd.DataFrame, right: pd.DataFrame, key: list[str]) -> None:
    """Both frames hold the same rows, to the last bit, in whatever order."""
    assert list(left.columns) == list(right.columns)
    assert _ordered(left, key) == _ordered(right, key)


def _ordered(values: pd.DataFrame, key: list[str]) -> list[Row]:
    """Rows in order of their key; floats as text, which tells -0.0 from 0.0."""
    rows = [{n: repr(v) if isinstance(v, float) else v for n, v in row.items()} for row in records(values)]
    return sorted(rows, key=lambda row: tuple(row[name] for name in key))


PLACE = ["source_file", "source_row"]
"""What names a landed row."""


def place(row: Row) -> tuple[str, int]:
    return row["source_file"], row["source_row"]


def stacked(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Frames of one table, one under the other."""
    plain = [part.astype({c: "object" for c in part if part[c].dtype == "category"}) for part in parts]
    return pd.concat([part for part in plain if len(part)] or plain[:1], ignore_index=True)


def assert_same_parts(left: Iterable[pd.DataFrame], right: Iterable[pd.DataFrame]) -> None:
    """Two cleanings gave the same accepted, quarantined and reconciliation rows."""
    for one, other, key in zip(left, right, (PLACE, PLACE, PLACE[:1]), strict=True):
        same_rows(one, other, key)


def assert_accounted_for(cleaned: Cleaned) -> None:
    """Rows read = accepted + duplicates + unchanged + quarantined, and the frames have as many rows as they say."""
    counts = cleaned.reconciliation.sum(numeric_only=True)
    parts = ("accepted", "duplicate", "unchanged", "quarantined")
    assert counts["rows_read"] == sum(counts[f"rows_{part}"] for part in parts)
    assert (counts["rows_accepted"], counts["rows_quarantined"]) == (len(cleaned.accepted), len(cleaned.quarantined))


def counts_by_file(reconciliation: pd.DataFrame) -> dict[tuple[date, str], Row]:
    """Reconciliation rows by landing day and file, in the oracle's words."""
    return {
        (row.pop("landing_date"), row.pop("source_file")): {
            name.removeprefix("rows_"): json.loads(value) if name == "repairs" else value for name, value in row.items()
        }
        for row in records(reconciliation)
    }


def assert_kept_whole(quarantined: pd.DataFrame, delivered: Iterable[Row]) -> None:
    """Every column of a quarantined row is as it was delivered."""
    by_place = {place(row): row for row in delivered}
    for row in records(quarantined.drop(columns="reason")):
        assert row == {**dict.fromkeys(row), **by_place[place(row)]}
