"""What comes in: an attribute of users, a property of events, a type of events. Each is judged by itself here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from churn_assets.product.condition import Conditions
from churn_assets.product.fields import (
    NUMERIC,
    Case,
    ColumnName,
    Edges,
    Entry,
    Limits,
    Line,
    Missing,
    Names,
    Scale,
    judge_missing,
    why_never,
)


def _source_path(path: str) -> str:
    steps = path.split(".")
    if not all(step.strip() for step in steps):
        raise ValueError(f"'{path}' has an empty step; write column.key.key")
    if any("[" in step or step == "*" or step.isdigit() for step in steps):
        raise ValueError(f"'{path}' is a path through an array, in which no element is the one; deliver it as a column")
    if path == "extra":
        raise ValueError("'extra' is all other columns together; write extra.<column>")
    return path


SourcePath = Annotated[str, AfterValidator(_source_path)]


def _in_case(label: str, case: Case) -> str:
    return label.lower() if case == "lower" else label.upper() if case == "upper" else label


class Attribute(Entry):
    """A column of clean_users, and of the grid as of each day."""

    only_for: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **dict.fromkeys(("values", "values_setting", "words", "case", "drift"), ("label",)),
        "missing_if": ("flag",),
        "limits": NUMERIC,
    }

    type: Literal["label", "flag", "integer", "number", "date"]
    """What it holds."""
    from_: SourcePath | None = Field(default=None, alias="from")
    """A source column, or a path into a JSON value. Left out: the column of this name."""
    aliases: Names = ()
    """Other names that the column may have at the source, unless a deployment gives its own."""
    values: Names | None = None
    """Labels of the product; any other is missing, and counted as a repair. Left out: any label."""
    values_setting: str | None = None
    """Key of `[sources.users]` by which a deployment may give its own `values`."""
    missing: Missing | None = None
    """What an absent value is. Left out: null."""
    missing_if: Conditions = ()
    """Conditions on attributes above it that say what an absent value is."""
    words: Names = ()
    """Labels that elsewhere mean "not known" and here are values, such as a code `na`; lower case."""
    case: Case = "keep"
    """What labels are put into before they are compared."""
    limits: Limits | None = None
    """Lowest and highest value, inclusive. Left out: none."""
    feature: bool = True
    """Whether it is a column of user_features, too."""
    drift: bool = False
    """Whether the mix of its labels among all users is watched."""
    most_missing: float | None = Field(default=None, ge=0, le=1)
    """Share of rows without it above which a check warns. Left out: none."""

    @model_validator(mode="after")
    def _fits_its_type(self) -> Attribute:
        if self.missing_if and self.missing is not None:
            raise ValueError("missing and missing_if both say what an absent value is; keep one of them")
        if self.values == ():
            raise ValueError("values is empty, so that every label would be missing; list the labels, or leave it out")
        for value in self.values or ():
            if value != _in_case(value, self.case):
                raise ValueError(f"values has '{value}', which no label in case = '{self.case}' equals; write it so")
            if value != self.missing and (why := why_never(value, self.words)):
                raise ValueError(f"values has '{value}', which no label equals: {why}")
        for word in self.words:
            if word != word.lower():
                raise ValueError(f"words has '{word}'; write it in lower case")
        judge_missing(self.missing, self.type, self.limits)
        return self

    @property
    def nullable(self) -> bool:
        return self.missing is None and not self.missing_if


Outcome = Literal["out_of_range", "missing", "not_applicable", "bad"]


class Property(Entry):
    """A column of clean_events."""

    only_for: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **dict.fromkeys(("scale", "limits", "bins", "bins_of"), NUMERIC),
        "missing": ("number", "integer", "flag", "label", "text"),
        "case": ("label",),
    }

    type: Literal["number", "integer", "flag", "label", "text", "time"]
    """What it holds. A label has few different values, a text many."""
    from_: SourcePath | None = Field(default=None, alias="from")
    """A source column, or a path into a JSON value. Left out: the column of this name."""
    aliases: Names = ()
    """Other names that the column may have at the source, unless a deployment gives its own."""
    scale: Scale = 1.0
    """What a delivered number is multiplied by: a number, or a fraction such as `"1/1000"`."""
    unit: Line = ""
    """Of the scaled number."""
    limits: Limits | None = None
    """Lowest and highest value, inclusive. Left out: of a number ±1e12, of an integer 64 bits."""
    bad: Literal["quarantine", "null"] = "quarantine"
    """What a value that is none of its type or limits does: reject the row, or become null, counted as a repair."""
    missing: Missing | None = None
    """What an absent value is. Left out: null."""
    case: Case = "keep"
    """What labels are put into."""
    names: Mapping[Outcome, ColumnName] = Field(default_factory=dict)
    """Names of its quarantine reasons and repairs, where others rely on them already. Left out: `<name>_out_of_range` and so on."""
    bins: Edges = ()
    """Edges of a histogram whose drift is watched. Left out: none."""
    bins_of: Names = ()
    """Event types whose values the histogram counts. Left out: all."""

    @model_validator(mode="after")
    def _fits_its_type(self) -> Property:
        judge_missing(self.missing, self.type, self.limits)
        if self.bins_of and not self.bins:
            raise ValueError("bins_of without bins counts nothing; add bins, or take it out")
        return self

    @property
    def nullable(self) -> bool:
        return self.missing is None

    def named(self, what: Outcome) -> str:
        """The name of a reason or repair of this property."""
        return self.names.get(what, f"{self.name}_{what}")


def _event_name(name: str) -> str:
    if not name.strip() or name != name.strip():
        raise ValueError("must be a text that neither begins nor ends with a blank")
    return name


class EventType(Entry):
    """An event of the vocabulary. An event of any other type is kept too, but raises a warning."""

    name: Annotated[str, AfterValidator(_event_name)]
    """As the source writes it; upper and lower case are the same."""
    needs: Names = ()
    """Properties without which the row is rejected."""
    keeps: Names | None = None
    """Properties that mean something on it; others are emptied, counted as a repair. Left out: all."""
    positive: Names = ()
    """Properties that must be above 0 where they are given."""
    expects: Names = ()
    """Properties whose absence raises a warning."""
    scheduled: bool = False
    """Comes by a calendar and not by what users do: left out of the mix of event types that is watched."""
    names: Mapping[Literal["without", "not_positive"], ColumnName] = Field(default_factory=dict)
    """Names of its quarantine reasons, where others rely on them already. Left out: `<event>_without_<property>` and so on."""

    def without(self, name: str) -> str:
        """The reason for a row that lacks a needed property."""
        return self.names.get("without", f"{plain(self.name)}_without_{name}")

    def not_positive(self, name: str) -> str:
        """The reason for a row whose property is not above 0."""
        return self.names.get("not_positive", f"{plain(self.name)}_{name}_not_positive")


def plain(name: str) -> str:
    """Any name as part of a column name: an event type, or a path."""
    letters = (letter if letter.isascii() and letter.isalnum() else "_" for letter in name.lower())
    return "".join(letters).strip("_") or "event"
