"""Contracts of the tables a model learns from: user_features, feature_catalogue. Of what it learns, `labels.py` has the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import pandas as pd

from churn_assets.contracts.base import Column, Contract, Kind, Rule
from churn_assets.contracts.declared import feature_column
from churn_assets.product import Product
from churn_assets.product.columns import SEGMENTS, FeatureColumn

AS_OF_DATE = Column("as_of_date", Kind.DATE, "Day the row describes")


def feature_contracts(user_id: Column, product: Product) -> tuple[Contract, ...]:
    return (_user_features(user_id, product), _feature_catalogue())


def _user_features(user_id: Column, product: Product) -> Contract:
    features = product.feature_columns
    return Contract(
        table="user_features",
        grain="one user and day on or after signup, as the user stood at the end of that day",
        key=("user_id", "as_of_date"),
        day="as_of_date",
        columns=(user_id, AS_OF_DATE, *map(feature_column, features)),
        rules=(*_window_rules(features), _segment_known()),
    )


def _window_rules(features: Sequence[FeatureColumn]) -> Iterator[Rule]:
    """A longer window holds the shorter one, and no window more days than were observed in it."""
    observed = {f.window_days: f.name for f in features if f.operation == "observed"}
    by_measure: dict[tuple[str, tuple[str, ...]], dict[int, str]] = {}
    for feature in features:
        is_positive = feature.minimum is not None and feature.minimum >= 0
        if (
            feature.operation in ("sum", "days", "distinct")
            and is_positive
            and not feature.nullable
            and feature.type == "integer"
        ):
            by_measure.setdefault((feature.operation, feature.of), {})[feature.window_days] = feature.name
    within = [
        (f.name, observed[f.window_days]) for f in features if f.operation == "days" and f.window_days in observed
    ]
    yield Rule(
        "active_days_within_observed",
        "; ".join(f"{days} <= {whole}" for days, whole in within),
        lambda f: _all(f[days] <= f[whole] for days, whole in within),
    )
    nested = [pair for windows in by_measure.values() for pair in pairwise(name for _, name in sorted(windows.items()))]
    yield Rule(
        "windows_nested",
        "counts and active days do not shrink from a window to a longer one",
        lambda f: _all(f[short] <= f[longer] for short, longer in nested),
    )


def _segment_known() -> Rule:
    return Rule(
        "activity_segment_known",
        "activity_segment is one of the declared segments",
        lambda f: f["activity_segment"].isin(tuple(SEGMENTS)),
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
