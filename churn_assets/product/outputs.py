"""What is computed: a measure of a user's day, a feature of the days up to it. Each is judged by itself here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from churn_assets.product.condition import Conditions
from churn_assets.product.fields import (
    MINUTES_PER_DAY,
    Entry,
    History,
    Limits,
    Line,
    Names,
    Window,
    Windows,
    is_column_name,
)

Aggregation = Literal["count", "sum", "mean", "min", "max", "distinct", "first", "last", "any", "sessions"]
WindowAggregation = Literal["sum", "mean", "min", "max", "distinct", "last", "days", "observed"]
OF_A_VALUE = ("sum", "mean", "min", "max", "distinct", "first", "last")
EMPTY_IS_NULL = ("mean", "min", "max", "first", "last")
"""Aggregations of which 0 would be a value: without an event they are null."""
WINDOW: str = "{window}"
FIGURE: str = "{figure}"
_OF_ONE_FIGURE = ("of", "ratio", "trend", "since", "observed")


def default_agg(measure: Mapping[str, Any]) -> str:
    """How a measure that does not say it is computed: a value is added up, else events are counted."""
    return str(measure.get("agg") or ("sum" if measure.get("value") or measure.get("python") else "count"))


def _reference(reference: str) -> str:
    module, _, function = reference.partition(":")
    if not function.isidentifier() or not all(step.isidentifier() for step in module.split(".")):
        raise ValueError(f"'{reference}' is not 'module:function'")
    return reference


class Measure(Entry):
    """A column of user_daily: what a user did on a day."""

    variety_key: ClassVar[str] = "agg"
    only_for: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "value": ("count", *OF_A_VALUE),
        "python": ("sum", "mean", "min", "max", "first", "last"),
        "limits": ("count", *OF_A_VALUE, "sessions"),
        "most": ("count", *OF_A_VALUE, "sessions"),
        "gap_minutes": ("sessions",),
        "across_midnight": ("sessions",),
        "weight": ("mean",),
    }

    event: Names | None = None
    """Event types that count. Left out: every event."""
    where: Conditions = ()
    """Equality on properties, on attributes as of the day, or on paths into the source's other columns (`extra.<column>`)."""
    agg: Aggregation = "count"
    """How the day's events become one value. Left out: count, or sum where there is a value or a function."""
    value: str | None = None
    """The property that is aggregated. Of a count: only events that have it."""
    python: Annotated[str, AfterValidator(_reference)] | None = None
    """`module:function`, from a frame of events to a number for each of them; importable from the deployment's folder."""
    unit: Line = ""
    """Of its values. Left out: that of the value, or count."""
    empty: Literal[0, "null"] = 0
    """An observed day without such an event. Left out: 0 for what is counted or added up, else null."""
    limits: Limits | None = None
    """Lowest and highest value of a day, inclusive. Left out: what the value's limits imply."""
    gap_minutes: float = Field(default=30, gt=0, le=MINUTES_PER_DAY)
    """A longer pause begins a new session (Google Analytics' customary half hour)."""
    across_midnight: bool = False
    """Whether a session that began the day before is not counted again."""
    weight: str | None = None
    """The count by which days are weighed in a window. Left out: the mean's own parts are stored beside it."""
    noun: Line = ""
    """What it counts or adds up, as in "Minutes played"; for the words of its features."""
    most: float | None = None
    """A value above raises a warning. Left out: none does."""

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        agg = default_agg(data)
        given = {key: value for key, value in data.items() if not (key in ("agg", "empty") and value is None)}
        return {"agg": agg, "empty": "null" if agg in EMPTY_IS_NULL else 0, **given}

    @model_validator(mode="after")
    def _fits_together(self) -> Measure:
        agg = self.agg
        if self.python and self.value:
            raise ValueError("python and value both say what is aggregated; keep one of them")
        if agg in OF_A_VALUE and not (self.value or self.python):
            raise ValueError(f"agg {agg} needs value, the property it aggregates")
        if self.event == ():
            raise ValueError("event is empty, so that nothing counts; name event types, or leave it out for all")
        if self.empty == "null" and agg not in (*EMPTY_IS_NULL, "sum"):
            raise ValueError(f"agg {agg} of no event is 0 and not null; leave out empty")
        if self.empty == 0 and agg in EMPTY_IS_NULL:
            raise ValueError(f"agg {agg} of no event is null, since 0 would be a value; leave out empty")
        if self.limits and self.empty == 0 and not self.limits[0] <= 0 <= self.limits[1]:
            raise ValueError(
                "a day without such an event is 0, which its limits leave out; widen them, or say empty = 'null'"
            )
        judge_most(self.most, self.limits)
        return self

    @property
    def nullable(self) -> bool:
        return self.empty == "null"


def _two_sides(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(value):
        raise ValueError("must be two measures, [part, whole], or two lists of measures")
    return tuple(value)


def _feature_name(name: str) -> str:
    if name and not is_column_name(name.replace(WINDOW, "7").replace(FIGURE, "figure")):
        raise ValueError(
            f"'{name}' is no column name; use lower-case letters, digits, underscores and {{window}} or {{figure}}"
        )
    return name


class Feature(Entry):
    """Columns of user_features. Exactly one of `of`, `ratio`, `trend`, `since`, `rhythm`, or agg observed says what they are."""

    variety_key: ClassVar[str] = "a feature with"
    only_for: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "agg": ("of", "observed"),
        "windows": ("of", "ratio", "trend", "observed"),
        "within": ("since",),
        "history": ("rhythm",),
        **dict.fromkeys(("meaning", "unit", "limits", "most"), _OF_ONE_FIGURE),
    }

    name: Annotated[str, AfterValidator(_feature_name)] = ""
    """May hold `{window}`; of a rhythm, must hold `{figure}`. Left out: made from the measure and agg."""
    of: str | None = None
    """The measure whose days are taken together."""
    agg: WindowAggregation | None = None
    """What is done with the days of a window. Left out: what the measure does with the events of a day."""
    windows: Windows = ()
    """Lengths in days, the day itself included."""
    ratio: Annotated[tuple[Names, Names], BeforeValidator(_two_sides)] | None = None
    """Sum of the first measures over the sum of the second; null where that is 0."""
    trend: str | None = None
    """The daily mean of the shorter of two windows over that of the longer; null where that is 0."""
    since: str | None = None
    """Days since the last day on which the measure was above 0."""
    within: Window = 90
    """How far `since` looks back, the day itself included."""
    rhythm: str | None = None
    """The user's own habit: eight figures of the gaps between the days on which the measure was above 0."""
    history: History = 1095
    """How far `rhythm` looks back, the day itself included."""
    unit: Line = ""
    """Of its values. Left out: what the measures' units imply."""
    limits: Limits | None = None
    """Lowest and highest value, inclusive. Left out: what the measures' limits imply."""
    most: float | None = None
    """A value above raises a warning. Left out: none does."""

    @property
    def variety(self) -> str:
        kinds = [kind for kind in ("of", "ratio", "trend", "since", "rhythm") if getattr(self, kind)]
        return kinds[0] if kinds else "observed" if self.agg == "observed" else ""

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Feature:
        given = [self.of, self.ratio, self.trend, self.since, self.rhythm, self.agg == "observed"]
        if sum(map(bool, given)) != 1:
            raise ValueError(
                "say exactly one of of = a measure, ratio = [part, whole], trend, since, rhythm, or agg = 'observed'"
            )
        if not (self.since or self.rhythm) and not self.windows:
            raise ValueError("windows, the lengths in days, are missing")
        if self.trend and not (len(self.windows) == 2 and self.windows[0] < self.windows[1]):
            raise ValueError("a trend needs two windows, the shorter first")
        if self.name and len(self.windows) > 1 and not self.trend and WINDOW not in self.name:
            raise ValueError("a name for several windows must hold {window}")
        if WINDOW in self.name and (self.since or self.rhythm or self.trend):
            raise ValueError("{window} in a name is for features with windows of their own; write the name out")
        if (FIGURE in self.name) != bool(self.rhythm and self.name):
            raise ValueError("{figure} belongs into the name of a rhythm, which has several columns, and no other")
        if not self.name and not (self.of or self.since or self.rhythm):
            raise ValueError("name is missing")
        judge_most(self.most, self.limits)
        return self


def judge_most(most: float | None, limits: tuple[float, float] | None) -> None:
    """Raise ValueError where a warning could never be raised, or always would be."""
    if most is not None and limits and not limits[0] <= most <= limits[1]:
        raise ValueError(f"most {most:g} lies outside its limits [{limits[0]:g}, {limits[1]:g}]")
