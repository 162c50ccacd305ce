"""What one entry of a declaration may say: an attribute, a property, an event type, a measure, a feature.

Each entry is judged by itself here; whether entries fit together is `product.py`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

LARGEST_NUMBER = 1e12
"""Beyond it a number is a source's mistake, and sums of such numbers would lose their cents."""
LONGEST_WINDOW_DAYS = 365
"""The lookback: no feature sees further back, the day itself included."""
MINUTES_PER_DAY = 1440
NUMERIC = ("number", "integer")
CALCULATED = ("count", "sum", "mean", "min", "max", "distinct", "first", "last", "any", "sessions")

Aggregation = Literal["count", "sum", "mean", "min", "max", "distinct", "first", "last", "any", "sessions"]
WindowAggregation = Literal["sum", "mean", "min", "max", "distinct", "last", "days", "observed"]
Scalar = bool | int | float | str


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _column_name(name: str) -> str:
    if not (name.isidentifier() and name.isascii() and name == name.lower()):
        raise ValueError(f"{name!r} is no column name; use lower-case letters, digits and underscores")
    return name


def _in_order(limits: tuple[float, float]) -> tuple[float, float]:
    if not limits[0] <= limits[1]:
        raise ValueError(f"limits {list(limits)} are not in order; write [lowest, highest]")
    return limits


def _fraction(text: Any) -> Any:
    try:
        factor = float(Fraction(str(text)))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"scale {text!r} is neither a number nor a fraction such as '1/1000'") from None
    if not factor:
        raise ValueError("scale 0 would turn every value into 0")
    return factor


ColumnName = Annotated[str, AfterValidator(_column_name)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Limits = Annotated[tuple[float, float], AfterValidator(_in_order)]
Window = Annotated[int, Field(ge=1, le=LONGEST_WINDOW_DAYS)]


@dataclass(frozen=True)
class Condition:
    """A row counts if `key` has one of `values`, or if `negated` has none of them. Null has none of them."""

    key: str
    values: tuple[Scalar, ...]
    negated: bool = False

    @classmethod
    def read(cls, key: str, said: Any) -> Condition:
        negated = isinstance(said, Mapping)
        if isinstance(said, Mapping) and set(said) != {"not"}:
            raise ValueError(f"the condition on {key!r} must be a value, a list of values, or {{ not = ... }}")
        given = said["not"] if isinstance(said, Mapping) else said
        values = tuple(given) if isinstance(given, list | tuple) else (given,)
        if not values or not all(isinstance(value, bool | int | float | str) for value in values):
            raise ValueError(f"the condition on {key!r} must compare with texts, numbers, true or false")
        return cls(key, values, negated)


def _conditions(where: Any) -> Any:
    if not isinstance(where, Mapping):
        return where
    return tuple(Condition.read(str(key), said) for key, said in where.items())


Conditions = Annotated[tuple[Condition, ...], BeforeValidator(_conditions)]


class Entry(BaseModel):
    """What every entry may say of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: ColumnName
    meaning: str = ""
    owner: str = ""
    version: int = Field(default=1, ge=1)
    """Raised where an entry changes its meaning but not its words."""
    pii: bool = False
    """Personal: in no log, report or export unless asked for."""


class Attribute(Entry):
    """A column of clean_users, and of the grid as of each day."""

    type: Literal["label", "flag", "integer", "number", "date"]
    from_: str | None = Field(default=None, alias="from")
    """A source column, or a path into a JSON value. None: the column of this name."""
    aliases: Names = ()
    """Other names that the column may have at the source, unless a deployment gives its own."""
    values: Names | None = None
    """Labels of the product; any other is missing, and counted as a repair. None: any label."""
    values_setting: str | None = None
    """Key of `[sources.users]` by which a deployment may give its own `values`."""
    missing: Scalar | date | None = None
    """What an absent value is. None: null."""
    missing_if: Conditions = ()
    """Of a flag: conditions on attributes above it which say what an absent value is."""
    words: Names = ()
    """Labels that elsewhere mean "not known" and here are values, such as a code `na`."""
    case: Literal["lower", "upper", "keep"] = "keep"
    limits: Limits | None = None
    feature: bool = True
    drift: bool = False
    """Whether the mix of its labels among all users is watched."""
    most_missing: float | None = Field(default=None, ge=0, le=1)
    """Share of rows without it above which a check warns."""

    @model_validator(mode="after")
    def _fits_its_type(self) -> Attribute:
        if self.type != "label" and (self.values is not None or self.words or self.drift):
            raise ValueError("values, words and drift are for attributes of type label")
        if self.type != "flag" and self.missing_if:
            raise ValueError("missing_if is for attributes of type flag")
        if self.missing_if and self.missing is not None:
            raise ValueError("missing and missing_if both say what an absent value is; keep one of them")
        if self.missing is not None and not _is_a(self.missing, self.type):
            raise ValueError(f"missing {self.missing!r} is no {self.type}")
        if self.limits and self.type not in NUMERIC:
            raise ValueError("limits are for attributes of type integer or number")
        return self

    @property
    def nullable(self) -> bool:
        return self.missing is None and not self.missing_if


class Property(Entry):
    """A column of clean_events."""

    type: Literal["number", "integer", "flag", "label", "text", "time"]
    from_: str | None = Field(default=None, alias="from")
    """A source column, or a path into a JSON value. None: the column of this name."""
    aliases: Names = ()
    """Other names that the column may have at the source, unless a deployment gives its own."""
    scale: Annotated[float, BeforeValidator(_fraction)] = 1.0
    """What a delivered number is multiplied by."""
    unit: str = ""
    limits: Limits | None = None
    bad: Literal["quarantine", "null"] = "quarantine"
    """What a value that is none of its type or limits does: reject the row, or become null, counted as a repair."""
    missing: Scalar | None = None
    """What an absent value is. None: null."""
    case: Literal["lower", "upper", "keep"] = "keep"
    names: Mapping[Literal["out_of_range", "missing", "not_applicable", "bad"], ColumnName] = Field(
        default_factory=dict
    )
    """Names of its quarantine reasons and repairs, where others rely on them already."""
    bins: tuple[float, ...] = ()
    """Edges of a histogram whose drift is watched."""
    bins_of: Names = ()
    """Event types whose values the histogram counts. Empty: all."""

    @model_validator(mode="after")
    def _fits_its_type(self) -> Property:
        if self.type not in NUMERIC and (self.limits or self.scale != 1 or self.bins):
            raise ValueError("scale, limits and bins are for properties of type number or integer")
        if self.missing is not None and not _is_a(self.missing, self.type):
            raise ValueError(f"missing {self.missing!r} is no {self.type}")
        if self.missing is not None and self.limits and not self.limits[0] <= float(self.missing) <= self.limits[1]:
            raise ValueError(f"missing {self.missing!r} lies outside of its own limits")
        return self

    @property
    def nullable(self) -> bool:
        return self.missing is None

    def named(self, what: Literal["out_of_range", "missing", "not_applicable", "bad"]) -> str:
        """The name of a reason or repair of this property."""
        return self.names.get(what, f"{self.name}_{what}")


class EventType(Entry):
    """An event of the vocabulary. An event of any other type is kept too, but raises a warning."""

    name: str
    needs: Names = ()
    """Properties without which the row is rejected."""
    keeps: Names | None = None
    """Properties that mean something on it; others are emptied, counted as a repair. None: all."""
    positive: Names = ()
    """Properties that must be above 0 where they are given."""
    expects: Names = ()
    """Properties whose absence raises a warning."""
    scheduled: bool = False
    """Comes by a calendar and not by what users do: left out of the mix of event types that is watched."""
    names: Mapping[Literal["without", "not_positive"], ColumnName] = Field(default_factory=dict)
    """Names of its quarantine reasons, where others rely on them already."""

    def without(self, name: str) -> str:
        """The reason for a row that lacks a needed property."""
        return self.names.get("without", f"{_plain(self.name)}_without_{name}")

    def not_positive(self, name: str) -> str:
        """The reason for a row whose property is not above 0."""
        return self.names.get("not_positive", f"{_plain(self.name)}_{name}_not_positive")


class Measure(Entry):
    """A column of user_daily: what a user did on a day."""

    event: Names | None = None
    """Event types that count. None: every event."""
    where: Conditions = ()
    """Equality on properties, on attributes as of the day, or on paths into the source's other columns."""
    agg: Aggregation | None = None
    """None: count, or sum where there is a value or a function."""
    value: str | None = None
    """The property that is aggregated."""
    python: str | None = None
    """`module:function`, from a frame of events to a number for each of them; importable from the deployment's folder."""
    unit: str = ""
    empty: Literal[0, "null"] | None = None
    """An observed day without such an event. None: 0 for what is counted or added up, else null."""
    limits: Limits | None = None
    gap_minutes: float = Field(default=30, gt=0, le=MINUTES_PER_DAY)
    """Of sessions: a longer pause begins a new one (Google Analytics' customary half hour)."""
    across_midnight: bool = False
    """Of sessions: one that began the day before is not counted again."""
    weight: str | None = None
    """Of a mean: the count by which days are weighed in a window. None: its own parts are stored beside it."""
    noun: str = ""
    """What it counts or adds up, as in "Minutes played"; for the words of its features."""
    most: float | None = None
    """A value above raises a warning."""

    @model_validator(mode="after")
    def _fits_together(self) -> Measure:
        agg = self.aggregation
        if self.python and self.value:
            raise ValueError("python and value both say what is aggregated; keep one of them")
        if self.python and self.python.count(":") != 1:
            raise ValueError(f"python {self.python!r} is not 'module:function'")
        has_value = bool(self.value or self.python)
        if agg in ("count", "any", "sessions") and self.python:
            raise ValueError(f"agg {agg} aggregates no value; leave out python")
        if agg in ("any", "sessions") and self.value:
            raise ValueError(f"agg {agg} aggregates no value; leave it out")
        if agg in ("sum", "mean", "min", "max", "distinct", "first", "last") and not has_value:
            raise ValueError(f"agg {agg} needs a value, the property it aggregates")
        if self.weight and agg != "mean":
            raise ValueError("weight is for agg mean")
        if agg != "sessions" and ("gap_minutes" in self.model_fields_set or self.across_midnight):
            raise ValueError("gap_minutes and across_midnight are for agg sessions")
        if self.empty == "null" and agg in ("count", "distinct", "sessions", "any"):
            raise ValueError(f"agg {agg} of no event is 0 and not null; leave out empty")
        if self.empty == 0 and agg in ("first", "last", "min", "max", "mean"):
            raise ValueError(f"agg {agg} of no event is null, since 0 would be a value; leave out empty")
        return self

    @property
    def aggregation(self) -> Aggregation:
        if self.agg is not None:
            return self.agg
        return "sum" if self.value or self.python else "count"

    @property
    def nullable(self) -> bool:
        return self.empty == "null" or self.aggregation in ("mean", "min", "max", "first", "last")


class Feature(Entry):
    """Columns of user_features. Exactly one of `of`, `ratio`, `trend`, `since`, or agg observed says what they are."""

    name: str = ""
    """May hold `{window}`. Empty: named by the measure."""
    of: str | None = None
    agg: WindowAggregation | None = None
    """What is done with the days of a window. None: sum."""
    windows: Annotated[tuple[Window, ...], BeforeValidator(lambda v: [v] if isinstance(v, int) else v)] = ()
    ratio: tuple[Names, Names] | None = None
    """Sum of the first measures over the sum of the second; null where that is 0."""
    trend: str | None = None
    """The daily mean of the shorter of two windows over that of the longer; null where that is 0."""
    since: str | None = None
    """Days since the last day on which the measure was above 0."""
    within: Window = 90
    """How far `since` looks back, the day itself included."""
    unit: str = ""
    limits: Limits | None = None
    most: float | None = None
    """A value above raises a warning."""

    @model_validator(mode="after")
    def _says_what_it_is(self) -> Feature:
        kinds = [bool(self.of), bool(self.ratio), bool(self.trend), bool(self.since), self.agg == "observed"]
        if sum(kinds) != 1:
            raise ValueError(
                "say exactly one of: of = a measure, ratio = [part, whole], trend, since, or agg = 'observed'"
            )
        if self.agg and not self.of and self.agg != "observed":
            raise ValueError(f"agg {self.agg} needs of, the measure it is taken of")
        if not self.since and not self.windows:
            raise ValueError("windows, the lengths in days, are missing")
        if self.since and self.windows:
            raise ValueError("since has no windows; say within")
        if self.trend and not (len(self.windows) == 2 and self.windows[0] < self.windows[1]):
            raise ValueError("a trend needs two windows, the shorter first")
        if not self.trend and len(set(self.windows)) != len(self.windows):
            raise ValueError("a window is repeated")
        if self.name and len(self.windows) > 1 and not self.trend and "{window}" not in self.name:
            raise ValueError("a name for several windows must hold {window}")
        if not self.name and not (self.of or self.since):
            raise ValueError("it needs a name")
        return self


def _plain(name: str) -> str:
    """An event type as part of a column name."""
    return (
        "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name.lower()).strip("_")
        or "event"
    )


def _is_a(value: Any, kind: str) -> bool:
    if kind in ("label", "text", "time"):
        return isinstance(value, str) and bool(value)
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "date":
        return isinstance(value, date)
    return isinstance(value, int | float) and not isinstance(value, bool) and (kind == "number" or value == int(value))
