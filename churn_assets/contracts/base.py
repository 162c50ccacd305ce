"""What a contract is: a table's grain, ordered columns, types, nullability and hard rules, declared once.

DuckDB DDL, frame types, the pre-publish gate, the column schema in the UI and docs/tables.md all derive from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd


class Kind(Enum):
    """What a column holds; (pandas dtype, pandas dtype where nulls are allowed, DuckDB type)."""

    INTEGER = ("int64", "Int64", "BIGINT")
    NUMBER = ("float64", "float64", "DOUBLE")
    FLAG = ("bool", "boolean", "BOOLEAN")
    DATE = ("datetime64[us]", "datetime64[us]", "DATE")
    INSTANT = ("datetime64[us]", "datetime64[us]", "TIMESTAMP")
    TEXT = ("str", "str", "VARCHAR")
    LABEL = ("category", "category", "VARCHAR")

    def dtype(self, nullable: bool) -> Any:
        """The pandas dtype. Text is Arrow-backed with NaN for missing: what pandas 3 calls `str`."""
        if self is Kind.TEXT:
            return pd.StringDtype("pyarrow", na_value=np.nan)
        return self.value[1] if nullable else self.value[0]

    @property
    def duckdb_type(self) -> str:
        return str(self.value[2])


@dataclass(frozen=True)
class Column:
    """One column. `minimum` and `maximum` are hard limits, inclusive; NaN counts as null, infinity never passes."""

    name: str
    kind: Kind
    description: str
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    provenance: bool = False
    """Says where a row came from, not what it says: left out of the content hash."""

    @property
    def description_with_unit(self) -> str:
        return self.description + (f" [{self.unit}]" if self.unit else "")

    @property
    def dtype(self) -> Any:
        return self.kind.dtype(self.nullable)


@dataclass(frozen=True)
class Rule:
    """A hard rule between columns: `holds` maps a frame to one boolean per row."""

    name: str
    sentence: str
    holds: Callable[[pd.DataFrame], pd.Series[bool]] = field(compare=False)


@dataclass(frozen=True)
class Contract:
    """One table. `day` is its partition column, `key` what makes a row unique."""

    table: str
    grain: str
    key: tuple[str, ...]
    day: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def values(self) -> tuple[Column, ...]:
        """The columns but for the key."""
        return tuple(column for column in self.columns if column.name not in self.key)

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def empty(self) -> pd.DataFrame:
        """A frame of no rows with this contract's columns and types."""
        return pd.DataFrame({column.name: pd.Series(dtype=column.dtype) for column in self.columns})

    def typed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """`frame` in this contract's column order and types. Raises KeyError for a column it lacks."""
        return pd.DataFrame(
            {c.name: s if (s := frame[c.name]).dtype == c.dtype else s.astype(c.dtype) for c in self.columns},
            copy=False,
        )
