"""user_features and what a service has given out -> served_consistency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import pandas as pd

from churn_assets.calendar import DayRange
from churn_assets.contracts import Column, Kind
from churn_assets.online.served import Line, ServedLog

COUNTS = ("vectors", "mismatched", "missing", "errors", "restated")
TEXTS = (Kind.TEXT, Kind.LABEL)
NUMBERS: Mapping[Kind, tuple[type, ...]] = {Kind.INTEGER: (int,), Kind.NUMBER: (int, float)}


def served_consistency(
    user_features: pd.DataFrame,
    *,
    days: DayRange,
    log: ServedLog,
    versions: Mapping[date, str],
    features: tuple[Column, ...],
) -> pd.DataFrame:
    """A row for each day with a vector that was given out, and feature: how many agree with the table, value by value.

    `versions`: of each day the content hash of what is published. A vector of another state of the day cannot be compared any
    more, and is counted as restated.
    """
    rows = []
    for day in days:
        if lines := list(log.lines(day)):
            of_day = user_features[user_features["as_of_date"] == pd.Timestamp(day)]
            counts = _compared(of_day, lines, versions.get(day, ""), features)
            rows += [(pd.Timestamp(day), name, *(count[what] for what in COUNTS)) for name, count in counts.items()]
    return pd.DataFrame(rows, columns=["as_of_date", "feature", *COUNTS])


def _compared(
    of_day: pd.DataFrame, lines: list[Line], version: str, features: tuple[Column, ...]
) -> dict[str, Counter[str]]:
    names = [column.name for column in features]
    wanted = of_day[of_day["user_id"].isin({line.user_id for line in lines})].set_index("user_id")[names]
    values = {name: {user: None if pd.isna(value) else value for user, value in wanted[name].items()} for name in names}
    known = {*wanted.index}
    counts = {name: Counter[str]() for name in names}
    for line in lines:
        for column in features:
            counts[column.name][_verdict(column, line, version, known, values[column.name])] += 1
    for count in counts.values():
        count["vectors"] = sum(count[what] for what in ("equal", "mismatched", "missing", "errors"))
    return counts


def _verdict(column: Column, line: Line, version: str, known: set[Any], values: Mapping[Any, Any]) -> str:
    if line.features is None:
        return "errors"
    if line.version != version:
        return "restated"
    if line.user_id not in known or column.name not in line.features:
        return "missing"
    served = line.features[column.name]
    if served is not None and not _is_of_kind(served, column.kind):
        return "errors"
    return "equal" if _same(served, values[line.user_id], column.kind) else "mismatched"


def _is_of_kind(value: Any, kind: Kind) -> bool:
    if isinstance(value, bool) or kind is Kind.FLAG:
        return isinstance(value, bool) and kind is Kind.FLAG
    if kind in NUMBERS:
        return isinstance(value, NUMBERS[kind])
    return isinstance(value, str) and (kind in TEXTS or _is_instant(value))


def _is_instant(text: str) -> bool:
    try:
        _instant(text)
    except ValueError:
        return False
    return True


def _same(served: Any, stored: Any, kind: Kind) -> bool:
    if served is None or stored is None:
        return served is stored
    return bool(served == stored) if kind in TEXTS or not isinstance(served, str) else _instant(served) == stored


def _instant(text: str) -> pd.Timestamp:
    """ISO 8601, in Python 3.10's reading of it too."""
    return pd.Timestamp(datetime.fromisoformat(text.removesuffix("Z")))
