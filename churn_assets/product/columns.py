"""Declared features expanded: one `FeatureColumn` for each column of user_features, in the table's order.

Here is what a column is made from, over which days, in which unit and limits, and what it means in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

from churn_assets.product.entries import Attribute, Feature
from churn_assets.product.measures import ACTIVE_DAY, TOTAL_EVENTS, DailyColumn, parts_of_mean

WINDOWS = (7, 14, 30)
"""Windows of the features that every product has, in days: `_7d` is [d - 6, d]."""
LOOKBACK_DAYS = 90
"""How far days_since_last_activity looks, the day itself included."""
SEGMENT_DAYS = 28
SEGMENTS: Mapping[str, int] = MappingProxyType({"inactive": 0, "infrequent": 1, "casual": 7, "regular": 14, "core": 21})
"""Least active days of the last SEGMENT_DAYS that put a user into a segment."""


@dataclass(frozen=True)
class FeatureColumn:
    """One column of user_features. `sources` are table.column; the window ends with as_of_date and includes it."""

    name: str
    type: str
    """label, flag, integer, number, date or time."""
    operation: str
    """attribute, tenure, weekday, weekend, segment; observed, days, sum, daily_mean, weighted_mean, min, max, last, distinct, ratio,
    trend; or since.
    """
    sources: tuple[str, ...]
    window_days: int
    meaning: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    nullable: bool = False
    version: int = 1
    of: tuple[str, ...] = ()
    """Measures (or the attribute) it is computed from: of a ratio the parts, of a weighted mean the mean and its weight."""
    whole: tuple[str, ...] = ()
    """Of a ratio, what the parts are divided by."""
    shorter_days: int = 0
    """Of a trend, the window that is held against the whole of `window_days`."""
    most: float | None = None
    pii: bool = False

    @property
    def sees(self) -> str:
        """Why it cannot leak: the days it looks at, and how late they may have landed."""
        back = self.window_days - 1
        looked_at = f"as_of_date - {back} .. as_of_date" if back else "as_of_date"
        return f"{looked_at}, as landed by each day + lateness_days; nothing of a later day"


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
        *(column for feature, window in _laid_out(features) for column in _expanded(feature, window, measures)),
        _segment(),
    )


def _laid_out(features: Sequence[Feature]) -> Iterator[tuple[Feature, int]]:
    missing = [core for core in CORE if core.name not in {feature.name for feature in features}]
    for windows, group in groupby([*missing, *features], key=lambda f: () if f.trend else f.windows):
        entries = list(group)
        if not windows:
            yield from ((feature, 0) for feature in entries)
        else:
            yield from ((feature, window) for window in windows for feature in entries)


def _of_the_day(attributes: Sequence[Attribute]) -> Iterator[FeatureColumn]:
    for a in attributes:
        if a.feature:
            yield FeatureColumn(
                *(a.name, a.type, "attribute", (f"user_day_grid.{a.name}",), 1, a.meaning or f"{a.name} as of the day"),
                *("", *(a.limits or (None, None)), a.nullable, a.version),
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
    return FeatureColumn("activity_segment", "label", "segment", ACTIVE_DAY, SEGMENT_DAYS, meaning)


def _expanded(feature: Feature, window: int, measures: Mapping[str, DailyColumn]) -> Iterator[FeatureColumn]:
    made = _made(feature, window, measures)
    limits = feature.limits or (made.minimum, made.maximum)
    low, high = (None if bound is None or math.isinf(bound) else bound for bound in limits)
    yield FeatureColumn(
        name=feature.name.replace("{window}", str(window)) if feature.name else made.name,
        type=made.type,
        operation=made.operation,
        sources=made.sources,
        window_days=made.window_days,
        meaning=feature.meaning.replace("{window}", str(window)) or made.meaning,
        unit=feature.unit or made.unit,
        minimum=low,
        maximum=high,
        nullable=made.nullable,
        version=feature.version,
        of=made.of,
        whole=made.whole,
        shorter_days=made.shorter_days,
        most=feature.most,
        pii=feature.pii or any(measures[name].pii for name in (*made.of, *made.whole) if name in measures),
    )


def _made(feature: Feature, window: int, measures: Mapping[str, DailyColumn]) -> FeatureColumn:
    """The column as it is where the entry says nothing of its own."""
    last = f"of the last {window} days"
    if feature.agg == "observed":
        return FeatureColumn(
            *(
                f"days_observed_{window}d",
                "integer",
                "observed",
                ("user_day_grid.as_of_date", "user_daily.as_of_date"),
                window,
            ),
            f"Days among the last {window} that are published and not before the user's first row; an unobserved day is no zero",
            *("days", 1, window),
        )
    if feature.ratio:
        return _ratio(feature, window, measures)
    if feature.trend:
        return _trend(feature, measures[feature.trend])
    if feature.since:
        return _since(feature, measures[feature.since])
    of = measures[str(feature.of)]
    source = (f"user_daily.{of.name}",)
    column = {"of": (of.name,), "window_days": window, "sources": source}
    if feature.agg == "days":
        is_activity = of.name == TOTAL_EVENTS
        what = "with an event" if is_activity else f"on which {of.name} is above 0"
        return FeatureColumn(
            *(f"active_days_{window}d" if is_activity else f"{of.name}_days_{window}d", "integer", "days"),
            *(ACTIVE_DAY if is_activity else source, window, f"Days {what} among the last {window}", "days", 0, window),
            of=(of.name,),
        )
    if feature.agg == "mean" and of.weight:
        return FeatureColumn(
            *(f"{of.name}_{window}d", "number", "weighted_mean", (*source, f"user_daily.{of.weight}"), window),
            f"{of.noun} {last}, each day weighed by {of.weight}; null if none",
            *(of.unit, of.minimum, of.maximum, True),
            of=(of.name, of.weight),
        )
    if feature.agg == "mean" and of.aggregation == "mean":
        total, count = parts_of_mean(of.name)
        return FeatureColumn(
            *(f"{of.name}_{window}d", "number", "ratio", (f"user_daily.{total}", f"user_daily.{count}"), window),
            *(f"{of.noun} {last}, over all of them alike; null if none", of.unit, of.minimum, of.maximum, True),
            of=(total,),
            whole=(count,),
        )
    if feature.agg == "mean":
        return FeatureColumn(
            *(f"avg_daily_{of.name}_{window}d", "number", "daily_mean", source, window),
            f"{of.noun} {last}, over the days observed: {of.name}_{window}d / days_observed_{window}d",
            *(f"{of.unit} per day", of.minimum),
            of=(of.name,),
        )
    if feature.agg in ("min", "max", "last"):
        words = {"min": "Least", "max": "Greatest", "last": "Last known"}[feature.agg]
        return FeatureColumn(
            name=f"{of.name}_{window}d" if feature.agg == of.aggregation else f"{feature.agg}_{of.name}_{window}d",
            type=of.type,
            operation=feature.agg,
            meaning=f"{words} {of.name} {last}; null if none",
            unit=of.unit,
            minimum=of.minimum,
            maximum=of.maximum,
            nullable=True,
            **column,  # type: ignore[arg-type]
        )
    if feature.agg == "distinct":
        value = f"clean_events.{of.value}"
        return FeatureColumn(
            *(f"{of.name}_{window}d", "integer", "distinct", (value, *ACTIVE_DAY), window),
            *(f"Different {of.value} among the events {last}", "count", 0),
            of=(of.name,),
        )
    return FeatureColumn(
        *(f"{of.name}_{window}d", of.type, "sum", source, window, f"{of.noun} {last}", of.unit),
        of.minimum if of.minimum is not None and of.minimum >= 0 else None,
        nullable=of.nullable,
        of=(of.name,),
    )


def _ratio(feature: Feature, window: int, measures: Mapping[str, DailyColumn]) -> FeatureColumn:
    part, whole = feature.ratio or ((), ())
    is_share = set(part) < set(whole)
    names = tuple(dict.fromkeys((*part, *whole)))
    of_days = f"over {' + '.join(whole)} of the last {window} days"
    is_positive = all((least := measures[name].minimum) is not None and least >= 0 for name in names)
    unit = "share" if is_share else f"{measures[part[0]].unit} per {measures[whole[0]].unit}"
    return FeatureColumn(
        *(
            f"{part[0]}_per_{whole[0]}_{window}d",
            "number",
            "ratio",
            tuple(f"user_daily.{name}" for name in names),
            window,
        ),
        f"{' + '.join(part)} {of_days}, of sums; null if that is 0",
        *(unit, 0 if is_positive else None, 1 if is_share else None, True),
        of=part,
        whole=whole,
    )


def _trend(feature: Feature, of: DailyColumn) -> FeatureColumn:
    short, longer = feature.windows
    return FeatureColumn(
        *(f"{of.name}_trend_{short}d_{longer}d", "number", "trend", (f"user_daily.{of.name}",), longer),
        f"{of.noun} a day over the last {short} days / over the last {longer}: above 1 is picking up; null if none in {longer} days",
        *("ratio", 0, None, True),
        of=(of.name,),
        shorter_days=short,
    )


def _since(feature: Feature, of: DailyColumn) -> FeatureColumn:
    meaning = (
        "Days since the last event" if of.name == TOTAL_EVENTS else f"Days since the last day with a {of.event_noun}"
    )
    return FeatureColumn(
        *(f"days_since_{of.name}", "integer", "since", (f"user_daily.{of.name}",), feature.within),
        f"{meaning}, 0 on such a day; null if none within {feature.within} days",
        *("days", 0, feature.within - 1, True),
        of=(of.name,),
    )
