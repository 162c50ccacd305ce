"""Typed Parquet columns as text: which types a column of a kind may have, and one rule of ours for each.

A type that is not listed is refused by name. So no library's cast decides what a value means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from churn_assets.landing.binding import ColumnKind

Family = Literal[
    "text",
    "integer",
    "float",
    "single",
    "decimal",
    "boolean",
    "date",
    "timestamp",
    "time",
    "duration",
    "uuid",
    "nested",
]
"""`single`: floats of 32 bits or fewer, which hold whole numbers only up to 16,777,216."""

_NUMBERS: frozenset[Family] = frozenset({"text", "integer", "float", "single", "decimal"})
_LABELS: frozenset[Family] = _NUMBERS | {"boolean", "date", "timestamp", "uuid"}
_TIMES: frozenset[Family] = _NUMBERS | {"date", "timestamp"}
_IDS: frozenset[Family] = frozenset({"text", "integer", "float", "decimal", "uuid"})
FAMILIES: Mapping[ColumnKind, frozenset[Family]] = {
    "id": _IDS,
    "number": _NUMBERS,
    "integer": _NUMBERS,
    "flag": _NUMBERS | {"boolean"},
    "time": _TIMES,
    "date": _TIMES,
    "label": _LABELS,
    "text": _LABELS,
    "other": _LABELS | {"time", "duration", "nested"},
}
"""What a column may be delivered as. `other` is a column outside the contract."""
REMEDIES: Mapping[ColumnKind, str] = {
    "id": "a whole number or a text",
    "number": "a number",
    "integer": "a number",
    "flag": "a boolean",
    "time": "a timestamp",
    "date": "a date",
}
_WHOLE_BELOW = float(2**53)
"""From here on a float no longer tells whole numbers apart."""


def family(kind: pa.DataType) -> Family | None:
    """What a type is; None of one that no column may have."""
    kind = _plain(kind)
    if isinstance(kind, pa.UuidType):
        return "uuid"
    if pt.is_nested(kind):
        inside = (family(kind.field(n).type) for n in range(kind.num_fields))
        return None if None in inside else "nested"
    families: tuple[tuple[Any, Family], ...] = (
        ((pt.is_string, pt.is_large_string, pt.is_string_view, pt.is_null), "text"),
        ((pt.is_integer,), "integer"),
        ((pt.is_float64,), "float"),
        ((pt.is_float32, pt.is_float16), "single"),
        ((pt.is_decimal,), "decimal"),
        ((pt.is_boolean,), "boolean"),
        ((pt.is_date,), "date"),
        ((pt.is_timestamp,), "timestamp"),
        ((pt.is_time,), "time"),
        ((pt.is_duration,), "duration"),
    )
    return next((name for tests, name in families if any(test(kind) for test in tests)), None)


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values: without a dictionary, and of an extension its storage (of UUIDs, themselves)."""
    if isinstance(kind, pa.UuidType):
        return kind
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    return _plain(kind.value_type) if pt.is_dictionary(kind) else kind


def as_text(column: pa.ChunkedArray, kind: ColumnKind = "other") -> pa.ChunkedArray:
    """Integers, decimals and floats in shortest exact form (whole floats below 2^53 as integers), instants in UTC with a Z,
    dates and times in ISO 8601, what is nested as JSON. NaN is no value, but where it may be a number that is wrong.
    """
    if pt.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if isinstance(column.type, pa.UuidType):
        return _each(column, str)
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    delivered = column.type
    if pt.is_nested(delivered):
        return _each(column, _nested_text)
    if pt.is_duration(delivered):
        return _each(column, _seconds)
    if pt.is_floating(delivered):
        return _float_text(column, kind)
    if pt.is_decimal(delivered) and delivered.scale < 0:
        column = column.cast(pa.decimal256(76, 0))
    if pt.is_timestamp(delivered) and delivered.tz is not None:
        column = column.cast(pa.timestamp(delivered.unit, "UTC"))
    return column.cast(pa.string())


def _float_text(column: pa.ChunkedArray, kind: ColumnKind) -> pa.ChunkedArray:
    if kind not in ("number", "integer", "other"):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    texts = column.cast(pa.string())
    has_exponent = pc.match_substring(texts, "e")
    if not pc.any(has_exponent).as_py():
        return texts
    doubles = column.cast(pa.float64())
    is_whole = pc.and_(pc.less(pc.abs(doubles), _WHOLE_BELOW), pc.equal(doubles, pc.trunc(doubles)))
    is_whole = pc.and_(pc.fill_null(is_whole, False), pc.fill_null(has_exponent, False))
    whole = pc.if_else(is_whole, doubles, 0.0).cast(pa.int64()).cast(pa.string())
    return pc.if_else(is_whole, whole, texts)


def _each(column: pa.ChunkedArray, text: Any) -> pa.ChunkedArray:
    texts = [None if value is None else text(value) for value in column.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _nested_text(value: Any) -> str:
    try:
        return _json(value)
    except ValueError:
        return _json(_without_nan(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_leaf_text, allow_nan=False)


def _without_nan(value: Any) -> Any:
    """JSON has no NaN and no infinity: they are texts, which no number equals."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    return [_without_nan(inner) for inner in value] if isinstance(value, list | tuple) else value


def _leaf_text(value: Any) -> str:
    return _seconds(value) if isinstance(value, timedelta) else str(value)


def _seconds(value: timedelta) -> str:
    """A duration in ISO 8601, which cannot be taken for a number of whatever unit."""
    seconds, fraction = divmod(value // timedelta(microseconds=1), 1_000_000)
    nanoseconds = fraction * 1000 + getattr(value, "nanoseconds", 0)
    return f"PT{seconds}.{nanoseconds:09}".rstrip("0").rstrip(".") + "S"
