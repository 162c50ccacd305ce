"""A feature over the days of one window: operation, type, limits, unit and words, as they are where the entry says none.

Names that depend on nothing but the declaration are made here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from churn_assets.product.entries import Feature
from churn_assets.product.feature_column import FeatureColumn
from churn_assets.product.measures import ACTIVE_DAY, TOTAL_EVENTS, DailyColumn, parts_of_mean
from churn_assets.product.outputs import FIGURE

Measures = Mapping[str, DailyColumn]
DEFAULT_AGG: Mapping[str, str] = {
    **dict.fromkeys(("count", "sum", "sessions"), "sum"),
    **{agg: agg for agg in ("mean", "min", "max", "distinct", "last")},
    "first": "last",
    "any": "days",
}
"""Aggregation of the events of a day -> what a feature that does not say it does with the days."""


def default_feature_name(
    of: str | None, agg: str | None, since: str | None, rhythm: str | None, daily: str | None
) -> str:
    """Name of the columns of a feature without one. `daily` is the aggregation of the measure, None if that is unknown."""
    if rhythm:
        return FIGURE if rhythm == TOTAL_EVENTS else f"{rhythm}_{FIGURE}"
    if since:
        return f"days_since_{since}"
    agg = agg or DEFAULT_AGG[daily or "sum"]
    if agg in ("sum", "distinct") or agg == daily:
        return f"{of}_{{window}}d"
    if agg == "days":
        return "active_days_{window}d" if of == TOTAL_EVENTS else f"{of}_days_{{window}}d"
    return f"{'avg_daily' if agg == 'mean' else agg}_{of}_{{window}}d"


def of_the_days(feature: Feature, window: int, measures: Measures) -> FeatureColumn:
    """The column of a feature over a window of days (0: of `since`), under no name yet."""
    if feature.agg == "observed":
        return _observed(window)
    if feature.ratio:
        return _ratio(*feature.ratio, window, measures)
    if feature.trend:
        return _trend(feature, measures[feature.trend])
    if feature.since:
        return _since(feature, measures[feature.since])
    of = measures[str(feature.of)]
    return OPERATIONS[feature.agg or DEFAULT_AGG[of.aggregation]](of, window)


def _from_zero(*measures: DailyColumn) -> float | None:
    """0 if sums of these cannot be below it."""
    return 0 if all(measure.minimum is not None and measure.minimum >= 0 for measure in measures) else None


def _last(window: int) -> str:
    return "of the last day" if window == 1 else f"of the last {window} days"


def _observed(window: int) -> FeatureColumn:
    sources = ("user_day_grid.as_of_date", "user_daily.as_of_date")
    meaning = f"Days among the last {window} that are published and not before the user's first row; an unobserved day is no zero"
    return FeatureColumn("", "integer", "observed", sources, window, meaning, "days", 1, window)


def _sum(of: DailyColumn, window: int) -> FeatureColumn:
    return FeatureColumn(
        *(
            "",
            of.type,
            "sum",
            (f"user_daily.{of.name}",),
            window,
            f"{of.noun} {_last(window)}",
            of.unit,
            _from_zero(of),
        ),
        nullable=of.nullable,
        of=(of.name,),
    )


def _mean(of: DailyColumn, window: int) -> FeatureColumn:
    if of.weight:
        return FeatureColumn(
            *("", "number", "weighted_mean", (f"user_daily.{of.name}", f"user_daily.{of.weight}"), window),
            f"{of.noun} {_last(window)}, each day weighed by {of.weight}; null if none",
            *(of.unit, of.minimum, of.maximum, True),
            of=(of.name, of.weight),
        )
    if of.aggregation == "mean":
        total, count = parts_of_mean(of.name)
        return FeatureColumn(
            *("", "number", "ratio", (f"user_daily.{total}", f"user_daily.{count}"), window),
            *(
                f"{of.noun} {_last(window)}, over all of them alike; null if none",
                of.unit,
                of.minimum,
                of.maximum,
                True,
            ),
            of=(total,),
            whole=(count,),
        )
    return FeatureColumn(
        *("", "number", "daily_mean", (f"user_daily.{of.name}",), window),
        f"{of.noun} {_last(window)}, over the days observed: {of.name}_{window}d / days_observed_{window}d",
        *(f"{of.unit} per day" if of.unit else "", _from_zero(of)),
        nullable=of.nullable,
        of=(of.name,),
    )


def _extreme(agg: str, word: str) -> Callable[[DailyColumn, int], FeatureColumn]:
    def column(of: DailyColumn, window: int) -> FeatureColumn:
        return FeatureColumn(
            *("", of.type, agg, (f"user_daily.{of.name}",), window, f"{word} {of.name} {_last(window)}; null if none"),
            *(of.unit, of.minimum, of.maximum, True),
            of=(of.name,),
        )

    return column


def _distinct(of: DailyColumn, window: int) -> FeatureColumn:
    return FeatureColumn(
        *("", "integer", "distinct", (f"clean_events.{of.value}", *ACTIVE_DAY), window),
        *(f"{_distinct_noun(of)} {_last(window)}", "count", 0),
        of=(of.name,),
    )


def _distinct_noun(of: DailyColumn) -> str:
    return of.noun if of.events or of.conditions else f"Different {of.value} among the events"


def _days(of: DailyColumn, window: int) -> FeatureColumn:
    is_activity = of.name == TOTAL_EVENTS
    sources = ACTIVE_DAY if is_activity else (f"user_daily.{of.name}",)
    meaning = f"Days with {'an event' if is_activity else of.happening} among the last {window}"
    return FeatureColumn("", "integer", "days", sources, window, meaning, "days", 0, window, of=(of.name,))


OPERATIONS: Mapping[str, Callable[[DailyColumn, int], FeatureColumn]] = {
    "sum": _sum,
    "mean": _mean,
    "min": _extreme("min", "Least"),
    "max": _extreme("max", "Greatest"),
    "last": _extreme("last", "Last known"),
    "distinct": _distinct,
    "days": _days,
}


def _ratio(part: tuple[str, ...], whole: tuple[str, ...], window: int, measures: Measures) -> FeatureColumn:
    names = tuple(dict.fromkeys((*part, *whole)))
    lowest = _from_zero(*(measures[name] for name in names))
    is_share = set(part) < set(whole) and lowest == 0
    return FeatureColumn(
        *("", "number", "ratio", tuple(f"user_daily.{name}" for name in names), window),
        f"{' + '.join(part)} over {' + '.join(whole)} {_last(window)}, of sums; null if the second is 0",
        *("share" if is_share else _unit_of_ratio(measures[part[0]], measures[whole[0]]), lowest),
        *(1 if is_share else None, True),
        of=part,
        whole=whole,
    )


def _unit_of_ratio(part: DailyColumn, whole: DailyColumn) -> str:
    if part.unit == whole.unit:
        return "ratio"
    is_one_event = whole.aggregation == "count" and whole.events and len(whole.events) == 1
    per = whole.events[0] if is_one_event and whole.events else whole.name if whole.is_count else whole.unit
    return f"{part.unit or part.name} per {per or whole.name}"


def _trend(feature: Feature, of: DailyColumn) -> FeatureColumn:
    short, longer = feature.windows
    return FeatureColumn(
        *("", "number", "trend", (f"user_daily.{of.name}",), longer),
        f"{of.noun} a day over the last {short} days / over the last {longer}: above 1 is picking up; null if none in {longer} days",
        *("ratio", _from_zero(of), None, True),
        of=(of.name,),
        shorter_days=short,
    )


def _since(feature: Feature, of: DailyColumn) -> FeatureColumn:
    since = "event" if of.name == TOTAL_EVENTS else f"day with {of.happening}"
    return FeatureColumn(
        *("", "integer", "since", (f"user_daily.{of.name}",), feature.within),
        f"Days since the last {since}, 0 on such a day; null if none within {feature.within} days",
        *("days", 0, feature.within - 1, True),
        of=(of.name,),
    )


RHYTHM: Mapping[str, tuple[str, str, int]] = {
    "gap_mean": ("mean gap between two days with {happening}", "days", 1),
    "gap_median": ("median gap between two days with {happening}", "days", 1),
    "gap_longest": ("longest gap between two days with {happening}", "days", 1),
    "gap_deviation": ("standard deviation of the gaps between two days with {happening}, over all of them", "days", 0),
    "silence_to_mean_gap": (
        "days since the last day with {happening} / the mean gap: above 1 is later than usual",
        "ratio",
        0,
    ),
    "silence_to_longest_gap": (
        "days since the last day with {happening} / the longest gap: above 1 is as never before",
        "ratio",
        0,
    ),
    "longer_gaps_share": (
        "share of the gaps between days with {happening} that were longer than the silence now",
        "share",
        0,
    ),
    "active_share": ("days with {happening} per day since the first of them, both ends included", "share", 0),
}
"""Figures of a rhythm, which are operations too: words, unit and lowest value. A gap is the days from one such day to the next: 1 on
the day after.
"""


def of_a_rhythm(feature: Feature, of: DailyColumn) -> Iterator[tuple[str, FeatureColumn]]:
    """Each figure of a rhythm with its column, under no name yet."""
    days, happening = feature.history, "an event" if of.name == TOTAL_EVENTS else of.happening
    for figure, (words, unit, lowest) in RHYTHM.items():
        least = "one such day" if figure == "active_share" else "two such days"
        meaning = f"Over the last {days} days, {words.format(happening=happening)}; null with fewer than {least}"
        yield (
            figure,
            FeatureColumn(
                *("", "integer" if figure == "gap_longest" else "number", figure, (f"user_daily.{of.name}",), days),
                *(meaning, unit, lowest, 1 if unit == "share" else days - 1, True),
                of=(of.name,),
            ),
        )
