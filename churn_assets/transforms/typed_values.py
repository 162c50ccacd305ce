"""One declared attribute or property, from text to its type: what is missing, what is bad, and what was repaired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_assets.product import Attribute, Condition, Property
from churn_assets.product.entries import LARGEST_NUMBER
from churn_assets.product.fields import MISSING_WORDS
from churn_assets.transforms import parsing
from churn_assets.transforms.parsing import Bools

CASES: Mapping[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "keep": str}


@dataclass(frozen=True)
class Typed:
    """Values of one entry, a row each: null where they are absent or bad. `changed`: a text was put in its normal form."""

    values: Any
    is_null: Bools
    is_bad: Bools
    changed: Bools


@dataclass(frozen=True)
class Times:
    """How a source writes instants, and the zone of the business day."""

    timestamp_format: parsing.Formats
    source_zone: str
    business_zone: str


def typed(texts: pd.Series[Any], entry: Attribute | Property, times: Times) -> Typed:
    """Text of an entry as its type."""
    none = np.zeros(len(texts), dtype=bool)
    if entry.type == "label":
        missing = entry.missing if isinstance(entry, Attribute) else None
        values, changed = parsing.labels(texts, _cleaner(entry), missing=None if missing is None else str(missing))
        return Typed(values, np.asarray(values.codes < 0), none, changed)
    if entry.type == "text":
        whole = parsing.text_ids(texts)
        return Typed(whole, whole.isna().to_numpy(), none, none)
    if entry.type == "flag":
        return _flags(texts)
    if entry.type in ("time", "date"):
        return _times(texts, entry.type, times)
    return _numbers(texts, entry)


def with_missing(values: Any, is_null: Bools, missing: Any) -> Any:
    """`values` with `missing` in the places that are null, as what is never null."""
    if isinstance(values, pd.Categorical):
        if not is_null.any():
            return values
        if missing not in values.categories:
            values = values.add_categories([missing])
        codes = np.where(is_null, values.categories.get_loc(missing), values.codes)
        return pd.Categorical.from_codes(codes, categories=values.categories)
    if isinstance(values, pd.Series):
        return values.mask(is_null, pd.Timestamp(missing) if values.dtype.kind == "M" else missing)
    if isinstance(values, pd.arrays.BooleanArray | pd.arrays.IntegerArray):
        return np.where(is_null, missing, values.to_numpy(dtype=type(missing), na_value=missing))
    return np.where(is_null, missing, values)


def emptied(values: Any, rows: Bools) -> Any:
    """`values` with null in the places `rows`."""
    if not rows.any():
        return values
    if isinstance(values, pd.Categorical):
        codes: Any = np.where(rows, -1, values.codes)
        return pd.Categorical.from_codes(codes, categories=values.categories)
    if isinstance(values, pd.Series):
        return values.mask(rows)
    if isinstance(values, pd.arrays.BooleanArray | pd.arrays.IntegerArray):
        nulled = values.copy()
        nulled[rows] = pd.NA
        return nulled
    return np.where(rows, np.nan, values)


def holds(values: Any, condition: Condition) -> Bools:
    """Which values meet a condition on them; null has none of any values."""
    if isinstance(values, pd.Series):
        values = values.array
    if isinstance(values, pd.Categorical):
        known = np.array([*(name in condition.values for name in values.categories), False], dtype=bool)
        found = known[values.codes]
    else:
        found = np.asarray(pd.Series(values).isin(condition.values).fillna(False), dtype=bool)
    return ~found if condition.negated else found


def _cleaner(entry: Attribute | Property) -> Callable[[str], str | None]:
    in_case = CASES[entry.case]
    if isinstance(entry, Property):
        return lambda value: parsing.normalised(in_case(parsing.normalised(value) or ""))
    missing_words = MISSING_WORDS - set(entry.words)
    known = None if entry.values is None else set(entry.values)

    def clean(value: str) -> str | None:
        text = in_case(parsing.normalised(value) or "")
        if text.lower() in missing_words:
            return None
        label = parsing.normalised(text)
        return label if known is None or label in known else None

    return clean


def _flags(texts: pd.Series[Any]) -> Typed:
    words, _ = parsing.labels(texts, _truth, missing=None)
    given, _ = parsing.labels(texts, parsing.normalised, missing=None)
    is_null = np.asarray(words.codes < 0)
    values = pd.arrays.BooleanArray(np.asarray(words == "true"), is_null.copy())
    return Typed(values, is_null, is_null & np.asarray(given.codes >= 0), np.zeros(len(texts), dtype=bool))


def _truth(value: str) -> str | None:
    word = value.strip().lower()
    return "true" if word in parsing.TRUE_WORDS else "false" if word in parsing.FALSE_WORDS else None


def _times(texts: pd.Series[Any], kind: str, times: Times) -> Typed:
    if kind == "time":
        values = parsing.instants(texts, timestamp_format=times.timestamp_format, zone=times.source_zone)
    else:
        values = parsing.days(
            texts, timestamp_format=times.timestamp_format, zone=times.source_zone, timezone=times.business_zone
        )
    is_null = values.isna().to_numpy()
    given = parsing.text_ids(texts).notna().to_numpy()
    return Typed(values, is_null, is_null & given, np.zeros(len(texts), dtype=bool))


def _numbers(texts: pd.Series[Any], entry: Attribute | Property) -> Typed:
    none = np.zeros(len(texts), dtype=bool)
    scale = entry.scale if isinstance(entry, Property) else 1.0
    if entry.type == "integer" and scale == 1:
        whole, is_bad = parsing.integers(texts)
        return Typed(whole, np.asarray(whole.isna()), is_bad, none)
    floats, is_bad = parsing.numbers(texts)
    if scale != 1:
        floats = floats * scale
        too_large = np.abs(floats) > LARGEST_NUMBER
        floats, is_bad = np.where(too_large, np.nan, floats), is_bad | too_large
    floats = floats + 0.0  # -0.0 becomes 0.0, so that equal payloads have equal bytes
    if entry.type == "integer":
        is_null = np.isnan(floats)
        rounded: npt.NDArray[np.int64] = np.where(is_null, 0, np.round(np.nan_to_num(floats))).astype("int64")
        return Typed(pd.arrays.IntegerArray(rounded, is_null), is_null, is_bad, none)
    return Typed(floats, np.isnan(floats), is_bad, none)
