"""What the keys of an entry may hold: names, lists of names, limits, windows, scalars; and what every entry may say of itself.

A message here begins with a verb: the key it is about is put before it.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from churn_assets.product.reserved import SQL_WORDS

LARGEST_NUMBER = 1e12
"""Beyond it a number is a source's mistake, and sums of such numbers would lose their cents."""
LONGEST_WINDOW_DAYS = 365
"""The lookback: no feature but a rhythm sees further back, the day itself included."""
LONGEST_HISTORY_DAYS = 3653
"""Ten years: so far may a rhythm look back."""
MINUTES_PER_DAY = 1440
MISSING_WORDS = frozenset({"", "unknown", "n/a", "na", "null", "none", "nan", "-"})
"""Texts that mean "not known" in an attribute, compared in lower case."""
NUMERIC = ("number", "integer")

Scalar = bool | int | float | str
Case = Literal["lower", "upper", "keep"]


def is_column_name(name: str) -> bool:
    """Whether a name is safe as a column: lower case, so that no two differ by case alone, and no reserved word of SQL."""
    return name.isascii() and name.isidentifier() and name == name.lower() and name not in SQL_WORDS


def _column_name(name: str) -> str:
    if name in SQL_WORDS:
        raise ValueError(f"'{name}' is a reserved word of SQL; give it another")
    if not is_column_name(name):
        raise ValueError(f"'{name}' is no column name; use lower-case letters, digits and underscores")
    return name


def _names(value: Any) -> Any:
    listed = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()
    if not isinstance(value, str | list | tuple) or not all(isinstance(name, str) and name.strip() for name in listed):
        raise ValueError("must be a text or a list of texts")
    if repeated := next((name for at, name in enumerate(listed) if name in listed[:at]), None):
        raise ValueError(f"names '{repeated}' twice; keep one")
    return listed


def is_number(value: Any) -> bool:
    """Whether it is a number, which true, false and NaN are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def _line(text: str) -> str:
    """Words as one line: runs of space and line breaks are one space. A terminal, a page and a Markdown table show it as it is."""
    line = " ".join(text.split())
    if not line.isprintable():
        raise ValueError("holds a character that cannot be printed; take it out")
    return line


def _limits(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(is_number, value)):
        raise ValueError("must be two numbers, [lowest, highest]")
    if not value[0] <= value[1]:
        raise ValueError(f"{list(value)} are not in order; write [lowest, highest]")
    return tuple(map(float, value))


def _scale(value: Any) -> Any:
    try:
        factor = float(Fraction(str(value)))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(f"'{value}' is neither a number nor a fraction such as '1/1000'") from None
    if not factor:
        raise ValueError("must not be 0, which would turn every value into 0")
    return factor


def _day_count(value: Any, longest: int = LONGEST_WINDOW_DAYS) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be whole numbers of days from 1 up")
    if value > longest:
        raise ValueError(f"of {value} days goes beyond the lookback of {longest} days; take a shorter one")
    return value


def _history(value: Any) -> int:
    if _day_count(value, LONGEST_HISTORY_DAYS) < 2:
        raise ValueError("of 1 day holds no gap between two; take a longer one")
    return int(value)


def _windows(value: Any) -> Any:
    windows = tuple(map(_day_count, value)) if isinstance(value, list | tuple) else (_day_count(value),)
    if len(set(windows)) != len(windows):
        raise ValueError("has a length twice; keep one")
    return windows


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime) or not (isinstance(value, bool | str | date) or is_number(value)):
        raise ValueError("must be a text, a number, a day, true or false")
    if isinstance(value, float) and math.isinf(value):
        raise ValueError("must be finite")
    return value


def _edges(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not all(map(is_number, value)) or len(value) == 1:
        raise ValueError("must be two numbers or more, the edges of a histogram")
    if any(left >= right for left, right in pairwise(value)):
        raise ValueError("must ascend")
    return tuple(map(float, value))


def why_never(label: str, words: tuple[str, ...] | None) -> str:
    """Why no label of an attribute (`words` are its own; None: of a property) is ever this text, or nothing."""
    if label != unicodedata.normalize("NFC", label.strip()):
        return "labels are trimmed and in Unicode's composed form (NFC); write it so"
    if words is not None and label.lower() in MISSING_WORDS - {*words}:
        return f"it means 'not known'; add '{label.lower()}' to words, or take it out"
    return ""


ColumnName = Annotated[str, AfterValidator(_column_name)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Limits = Annotated[tuple[float, float], BeforeValidator(_limits)]
Line = Annotated[str, AfterValidator(_line)]
Scale = Annotated[float, BeforeValidator(_scale)]
Window = Annotated[int, BeforeValidator(_day_count)]
History = Annotated[int, BeforeValidator(_history)]
Windows = Annotated[tuple[int, ...], BeforeValidator(_windows)]
Missing = Annotated[Scalar | date, BeforeValidator(_scalar)]
Edges = Annotated[tuple[float, ...], BeforeValidator(_edges)]


def is_a(value: Any, kind: str) -> bool:
    """Whether a value of a declaration is of a declared type."""
    if kind in ("label", "text"):
        return isinstance(value, str) and bool(value)
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "date":
        return isinstance(value, date)
    if kind == "integer":
        return is_number(value) and float(value).is_integer()
    return kind == "number" and is_number(value)


def either(names: tuple[str, ...] | list[str]) -> str:
    """The names as "a, b or c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


class Entry(BaseModel):
    """What every entry may say of itself."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, strict=True, use_attribute_docstrings=True
    )
    only_for: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Key -> the varieties of the entry in which it means something."""
    variety_key: ClassVar[str] = "type"

    name: ColumnName
    """Of the column."""
    meaning: Line = ""
    """A sentence for people. Left out: made from the other keys."""
    owner: Line = ""
    """Who answers for it."""
    version: int = Field(default=1, ge=1)
    """Raised where an entry changes its meaning but not its words."""
    pii: bool = False
    """Personal: in no log, report or export unless asked for."""

    @property
    def variety(self) -> str:
        """What decides which keys apply: of most entries the type."""
        return str(getattr(self, self.variety_key, ""))

    @model_validator(mode="after")
    def _says_only_what_applies(self) -> Entry:
        for key, varieties in self.only_for.items():
            is_given = getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True)
            if is_given and self.variety and self.variety not in varieties:
                raise ValueError(f"{key} is for {self.variety_key} {either(varieties)}; take it out")
        return self


def judge_missing(missing: Any, kind: str, limits: tuple[float, float] | None) -> None:
    """Raise ValueError where what an absent value is cannot be a value of the column."""
    if missing is None:
        return
    if not is_a(missing, kind):
        raise ValueError(f"missing is no {kind}; give a value of that type, or leave it out")
    if limits and not limits[0] <= float(missing) <= limits[1]:
        raise ValueError(f"missing {missing} lies outside its limits [{limits[0]:g}, {limits[1]:g}]")
