"""JSON whose numbers stay as they were written: no value changes by being read and written again."""

from __future__ import annotations

import json
from typing import Any

DEEPEST_NESTING = 64
"""Levels of arrays and objects in a value. Python's own limit depends on who called; this one does not."""


class Number(str):
    """A number as written; a str subclass so that nested values can tell it from a text."""


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's fields. Raises ValueError if a key occurs twice."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key occurs twice")
    return fields


PLAIN = json.JSONDecoder(object_pairs_hook=unique_keys, parse_int=str, parse_float=str, parse_constant=str)
quoted = json.JSONEncoder(ensure_ascii=False).encode
"""A text as JSON. One encoder for all: json.dumps would make one for each text."""
NESTED = json.JSONDecoder(object_pairs_hook=unique_keys, parse_int=Number, parse_float=Number, parse_constant=Number)


def json_text(value: Any, depth: int = 0) -> str:
    """Compact JSON text of a value of `NESTED`. Raises ValueError if it is nested too deeply."""
    if depth > DEEPEST_NESTING:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return value if isinstance(value, Number) else quoted(value)
    if isinstance(value, dict):
        return "{" + ",".join([f"{quoted(k)}:{json_text(v, depth + 1)}" for k, v in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join([json_text(item, depth + 1) for item in value]) + "]"
    return json.dumps(value)
