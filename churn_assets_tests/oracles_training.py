"""The training set once more in plain Python: which rows it has, and which row an entity gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]


def training_rows(labels: Iterable[Row], features: Mapping[tuple[Any, date], Row], label: str) -> list[Row]:
    """In order of day and user, user-days whose user is known to be at risk and whose label is known."""
    wanted = [row for row in labels if row["is_at_risk"] is True and row[label] is not None]
    wanted.sort(key=lambda row: (row["as_of_date"], row["user_id"]))
    return [{**features[row["user_id"], row["as_of_date"]], label: row[label]} for row in wanted]


def is_sampled(day: date, calendar_start: date, stride_days: int) -> bool:
    return (day - calendar_start).days % stride_days == 0


def as_of_date(time: datetime, timezone: str, days_to_settle: int) -> date:
    """The newest day that had ended at `time`, and after which `days_to_settle` more had."""
    today = time.astimezone(ZoneInfo(timezone)).date()
    return max(
        day
        for back in range(1, days_to_settle + 3)
        if (day := today - timedelta(days=back)) + timedelta(days=days_to_settle) < today
    )
