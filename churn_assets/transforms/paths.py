"""Values by where a declaration says they stand: a raw column, or a path into the JSON of one (`extra.properties.price`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from churn_assets.transforms.parsing import TEXT, Bools, as_text

_EXACT = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
"""Numbers as they were written: 2^53 + 1 and 0.10 are to stay so."""
NESTED = (dict, list)


def value_at(raw: pd.DataFrame, path: Sequence[str]) -> tuple[pd.Series[Any], Bools]:
    """Text of each row at `path`, null where it is absent or null; and which rows have an object or a list in its place."""
    column, *keys = path
    texts = as_text(raw[column])
    if not keys:
        return texts, np.zeros(len(texts), dtype=bool)
    codes, unique = pd.factorize(texts)
    found = [_walk(str(text), keys) for text in unique]
    values = pd.array([value for value, _ in found], dtype=TEXT)
    nested = np.array([*(is_nested for _, is_nested in found), False], dtype=bool)
    return pd.Series(values.take(codes, allow_fill=True)), nested[codes]


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
