"""Contracts of the tables a model learns from: user_features, feature_catalogue, churn_labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

import pandas as pd

from churn_assets.contracts.base import Column, Contract, Kind, Rule
from churn_assets.contracts.declared import feature_column
from churn_assets.label_settings import LabelSettings
from churn_assets.product import Product
from churn_assets.product.columns import SEGMENTS, FeatureColumn

CENSOR_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "source_outage": "the horizon overlaps a declared outage that concerns the user (`labels.outages`)",
        "missing_day": "a day of the horizon is not published, though a later one of it is",
        "horizon_incomplete": "the horizon's last days are not in yet",
    }
)
"""Why a label is null; of several the first. An outage comes first, because no later delivery cures it."""

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


def churn_labels_contract(user_id: Column, labels: LabelSettings) -> Contract:
    churned, horizon = labels.churned_column, labels.horizon_days
    return Contract(
        table="churn_labels",
        grain="one user and day on or after signup, and what became of the user after it",
        key=("user_id", "as_of_date"),
        day="as_of_date",
        columns=(
            user_id,
            AS_OF_DATE,
            Column(
                "is_at_risk",
                Kind.FLAG,
                f"Whether the user was active within the last {labels.at_risk_days} days, as_of_date included; "
                "null where no activity was seen but a day of them could not be seen",
                nullable=True,
            ),
            Column(
                "future_active_days",
                Kind.INTEGER,
                f"Active days among the {horizon} after as_of_date; null if not observable",
                nullable=True,
                minimum=0,
                maximum=horizon,
                unit="days",
            ),
            Column(
                churned,
                Kind.FLAG,
                f"Whether none of the {horizon} days after as_of_date is active; null if not observable",
                nullable=True,
            ),
            Column("censor_reason", Kind.LABEL, "Why the label is null; null if it is not", nullable=True),
        ),
        rules=(
            Rule(
                "churned_has_no_active_day",
                f"{churned} exactly where future_active_days = 0, null together",
                lambda f: (
                    (f[churned].isna() & f["future_active_days"].isna())
                    | (f[churned] == (f["future_active_days"] == 0)).fillna(False).astype(bool)
                ),
            ),
            Rule(
                "censored_with_a_reason",
                f"{churned} is null exactly where a declared censor_reason is given",
                lambda f: f[churned].isna() == f["censor_reason"].isin(tuple(CENSOR_REASONS)),
            ),
            Rule(
                "reason_known",
                "censor_reason is null or one of the declared reasons",
                lambda f: f["censor_reason"].isna() | f["censor_reason"].isin(tuple(CENSOR_REASONS)),
            ),
        ),
    )


def _all(conditions: Iterable[pd.Series[bool]]) -> pd.Series[bool]:
    first, *others = conditions
    for other in others:
        first &= other
    return first
