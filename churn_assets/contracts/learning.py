"""Contracts of the tables a model learns from: user_features, feature_catalogue. Of what it learns, `labels.py` has the contract."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pandas as pd

from churn_assets.contracts.base import Column, Contract, Kind, Rule
from churn_assets.contracts.features import FEATURES, SEGMENTS, WINDOWS

AS_OF_DATE = Column("as_of_date", Kind.DATE, "Day the row describes")


def feature_contracts(user_id: Column) -> tuple[Contract, ...]:
    return (_user_features(user_id), _feature_catalogue())


def _user_features(user_id: Column) -> Contract:
    return Contract(
        table="user_features",
        grain="one user and day on or after signup, as the user stood at the end of that day",
        key=("user_id", "as_of_date"),
        day="as_of_date",
        columns=(user_id, AS_OF_DATE, *(feature.column for feature in FEATURES)),
        rules=(
            Rule(
                "active_days_within_observed",
                "active_days <= days_observed, in each window",
                lambda f: _all(f[f"active_days_{days}d"] <= f[f"days_observed_{days}d"] for days in WINDOWS),
            ),
            Rule(
                "windows_nested",
                "total_events and active_days do not shrink from a window to a longer one",
                lambda f: _all(
                    f[f"{name}_{short}d"] <= f[f"{name}_{long}d"]
                    for name in ("total_events", "active_days")
                    for short, long in pairwise(WINDOWS)
                ),
            ),
            Rule(
                "activity_segment_known",
                "activity_segment is one of the declared segments",
                lambda f: f["activity_segment"].isin(tuple(SEGMENTS)),
            ),
        ),
    )


def _feature_catalogue() -> Contract:
    return Contract(
        table="feature_catalogue",
        grain="one feature and day: the definition by which that day's user_features were made",
        key=("as_of_date", "feature"),
        day="as_of_date",
        columns=(
            Column("as_of_date", Kind.DATE, "Day of user_features the definition was used for"),
            Column("feature", Kind.LABEL, "Column of user_features"),
            Column(
                "version", Kind.INTEGER, "Raised where a definition changes its meaning but not its words", minimum=1
            ),
            Column("type", Kind.LABEL, "DuckDB type"),
            Column("source", Kind.LABEL, "Columns it is made from, table.column"),
            Column("window_days", Kind.INTEGER, "Days it looks at, as_of_date included", minimum=1, unit="days"),
            Column("unit", Kind.LABEL, "Unit; null where it has none", nullable=True),
            Column("meaning", Kind.LABEL, "What it says of the user"),
            Column("sees", Kind.LABEL, "Why it cannot leak: the days it looks at, and how late they may have landed"),
            Column("is_nullable", Kind.FLAG, "Whether it may be null"),
            Column("lower_limit", Kind.NUMBER, "Hard lower limit, inclusive; null if none", nullable=True),
            Column("upper_limit", Kind.NUMBER, "Hard upper limit, inclusive; null if none", nullable=True),
        ),
    )


def _all(conditions: Iterable[pd.Series[bool]]) -> pd.Series[bool]:
    first, *others = conditions
    for other in others:
        first &= other
    return first
