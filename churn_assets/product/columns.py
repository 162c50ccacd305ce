"""Declared features expanded: one `FeatureColumn` for each column of user_features, in the table's order.

Which columns, and in which order, is decided here; what a column of a window is, in `windows.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from types import MappingProxyType

from churn_assets.product.entries import Attribute, Feature
from churn_assets.product.feature_column import FeatureColumn
from churn_assets.product.measures import ACTIVE_DAY, TOTAL_EVENTS, DailyColumn, finite
from churn_assets.product.outputs import FIGURE, WINDOW
from churn_assets.product.reserved import SEGMENT
from churn_assets.product.windows import default_feature_name, of_a_rhythm, of_the_days

WINDOWS = (7, 14, 30)
"""Windows of the features that every product has, in days: `_7d` is [d - 6, d]."""
LOOKBACK_DAYS = 90
"""How far days_since_last_activity looks, the day itself included."""
SEGMENT_DAYS = 28
SEGMENTS: Mapping[str, int] = MappingProxyType({"inactive": 0, "infrequent": 1, "casual": 7, "regular": 14, "core": 21})
"""Least active days of the last SEGMENT_DAYS that put a user into a segment."""

__all__ = ["CORE", "LOOKBACK_DAYS", "SEGMENTS", "SEGMENT_DAYS", "WINDOWS", "FeatureColumn", "feature_columns"]

CORE: tuple[Feature, ...] = (
    Feature(name="active_days_{window}d", of=TOTAL_EVENTS, agg="days", windows=WINDOWS),
    Feature(name="days_observed_{window}d", agg="observed", windows=WINDOWS),
    Feature(name="days_since_last_activity", since=TOTAL_EVENTS, within=LOOKBACK_DAYS),
)
"""Features of every product, which checks, evaluation and figures rely on. A declaration may say where they stand."""


def feature_columns(
    attributes: Sequence[Attribute], measures: Mapping[str, DailyColumn], features: Sequence[Feature]
) -> tuple[FeatureColumn, ...]:
    """Every column in order: of the day; then consecutive entries of the same windows window by window; the segment last."""
    return (
        *_of_the_day(attributes),
        *(column for feature, window, column in expanded(measures, features)),
        _segment(),
    )


def expanded(
    measures: Mapping[str, DailyColumn], features: Sequence[Feature]
) -> Iterator[tuple[Feature, int, FeatureColumn]]:
    """Each column of a feature, with the feature and the window it is of (0: `since` and `rhythm`)."""
    named = [feature_name(feature, measures) for feature in features]
    missing = [core for core in CORE if core.name not in named]
    for windows, group in groupby([*missing, *features], key=lambda f: () if f.trend else f.windows):
        entries = list(group)
        for window in windows or (0,):
            for feature in entries:
                yield from ((feature, window, column) for column in _columns(feature, window, measures))


def feature_name(feature: Feature, measures: Mapping[str, DailyColumn]) -> str:
    """The name of its columns, with `{window}` or `{figure}` in it where they have one."""
    of = measures.get(feature.of or "")
    daily = of.aggregation if of else None
    return feature.name or default_feature_name(feature.of, feature.agg, feature.since, feature.rhythm, daily)


def _columns(feature: Feature, window: int, measures: Mapping[str, DailyColumn]) -> Iterator[FeatureColumn]:
    if feature.rhythm:
        for figure, made in of_a_rhythm(feature, measures[feature.rhythm]):
            yield _column(feature, made, measures, FIGURE, figure)
    else:
        yield _column(feature, of_the_days(feature, window, measures), measures, WINDOW, str(window))


def _column(
    feature: Feature, made: FeatureColumn, measures: Mapping[str, DailyColumn], placeholder: str, filling: str
) -> FeatureColumn:
    low, high = finite(feature.limits or (made.minimum, made.maximum))
    return replace(
        made,
        name=feature_name(feature, measures).replace(placeholder, filling),
        meaning=feature.meaning.replace(placeholder, filling) or made.meaning,
        unit=feature.unit or made.unit,
        minimum=low,
        maximum=high,
        version=feature.version,
        most=feature.most,
        pii=feature.pii or any(measures[name].pii for name in (*made.of, *made.whole)),
    )


def _of_the_day(attributes: Sequence[Attribute]) -> Iterator[FeatureColumn]:
    for a in attributes:
        if a.feature:
            low, high = finite(a.limits or (None, None))
            yield FeatureColumn(
                *(a.name, a.type, "attribute", (f"user_day_grid.{a.name}",), 1, a.meaning or f"{a.name} as of the day"),
                *("", low, high, a.nullable, a.version),
                of=(a.name,),
                pii=a.pii,
            )
    tenure, as_of = ("user_day_grid.days_since_signup",), ("user_day_grid.as_of_date",)
    yield FeatureColumn(
        *("days_since_signup", "integer", "tenure", tenure, 1, "Tenure: as_of_date - signup_date", "days", 0)
    )
    weekday = "Weekday of as_of_date, 1 = Monday .. 7 = Sunday"
    yield FeatureColumn("day_of_week", "integer", "weekday", as_of, 1, weekday, "", 1, 7)
    yield FeatureColumn("is_weekend", "flag", "weekend", as_of, 1, "Whether as_of_date is a Saturday or Sunday")


def _segment() -> FeatureColumn:
    least = ", ".join(f"{name} from {days}" for name, days in SEGMENTS.items())
    meaning = f"Segment by active days of the last {SEGMENT_DAYS}: {least}"
    return FeatureColumn(SEGMENT, "label", "segment", ACTIVE_DAY, SEGMENT_DAYS, meaning)
