"""Values by where a declaration says they stand: a raw column, or a path into the JSON of one (`extra.properties.price`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.transforms import parsing
from churn_assets.transforms.parsing import TEXT, Bools, as_text

_EXACT = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
"""Numbers as they were written: 2^53 + 1 and 0.10 are to stay so."""
NESTED = (dict, list)


def value_at(raw: pd.DataFrame, path: Sequence[str], kind: str) -> tuple[pd.Series[Any], Bools]:
    """Text of each row at `path`, of an entry of that type, null where it is absent or null; and which rows have an object or a list in its place."""
    column, *keys = path
    texts = as_text(raw[column])
    if not keys:
        # Of any other type it is bad by being none of that type.
        nested = is_nested(texts) if kind in ("label", "text") else np.zeros(len(texts), dtype=bool)
        return texts.mask(nested) if nested.any() else texts, nested
    codes, unique = pd.factorize(texts)
    found = [_walk(str(text), keys) for text in unique]
    values = pd.array([value for value, _ in found], dtype=TEXT)
    nested = np.array([*(is_nested for _, is_nested in found), False], dtype=bool)
    return pd.Series(values.take(codes, allow_fill=True)), nested[codes]


def ids(texts: pd.Series[Any], id_type: str) -> tuple[pd.Series[Any], Bools]:
    """As `parsing.ids`, for which any text is a text id; but what is nested is none."""
    if id_type == "string" and (nested := is_nested(texts)).any():
        texts = texts.mask(nested)
    return parsing.ids(texts, id_type)


def is_nested(texts: pd.Series[Any]) -> Bools:
    """Which texts are a JSON object or list, in whatever format they came: nothing in a contract is one."""
    given = pa.array(as_text(texts))
    may_be = pc.or_(pc.starts_with(given, "{"), pc.starts_with(given, "["))
    found: Bools = pc.fill_null(may_be, False).to_numpy(zero_copy_only=False)
    if found.any():
        found = found.copy()
        found[found] = [_is_nested(text) for text in texts[found]]
    return found


def _walk(text: str, keys: Sequence[str]) -> tuple[str | None, bool]:
    value: Any = text
    for key in keys:
        if isinstance(value, str):
            try:
                value = _EXACT.decode(value)
            except (ValueError, RecursionError):
                return None, False
        if isinstance(value, list):
            return None, True
        if not isinstance(value, Mapping) or key not in value:
            return None, False
        value = value[key]
    if isinstance(value, NESTED) or (isinstance(value, str) and value[:1] in "{[" and _is_nested(value)):
        return None, True
    return ("true" if value else "false") if isinstance(value, bool) else value, False


def _is_nested(text: str) -> bool:
    """A nested value reaches us as JSON text."""
    try:
        return isinstance(_EXACT.decode(text), NESTED)
    except (ValueError, RecursionError):
        return False
