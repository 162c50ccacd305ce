"""Contract columns that lie inside a JSON value: `user_id = ["properties.distinct_id"]` is key distinct_id of the column properties.

Only files whose source declares such an alias come here. What is taken out of an object leaves it; the rest stays as it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from churn_assets.landing.binding import Nested
from churn_assets.landing.json_text import NESTED, json_text
from churn_assets.landing.rows import ReadRows

_ABSENT = object()


def with_nested(rows: ReadRows) -> ReadRows:
    """`rows` with a column more for each contract column that lies inside a JSON value, and without it in that value.

    Where a row has several of a column's paths, the first declared one is taken. A value that is no object, or an object or
    list in the value's place, gives null and stays where it is.
    """
    if not rows.binding.nested:
        return rows
    columns = list(rows.columns)
    bound = dict(rows.binding.columns)
    found: dict[str, list[str | None]] = {path.column: [None] * rows.count for path in rows.binding.nested}
    for position in dict.fromkeys(path.position for path in rows.binding.nested):
        paths = [path for path in rows.binding.nested if path.position == position]
        rest = [_taken(text, row, paths, found) for row, text in enumerate(columns[position].to_pylist())]
        columns[position] = pa.chunked_array([pa.array(rest, pa.string())])
    for column, values in found.items():
        bound[column] = len(columns)
        columns.append(pa.chunked_array([pa.array(values, pa.string())]))
    return replace(rows, columns=columns, binding=replace(rows.binding, columns=bound))


def _taken(text: str | None, row: int, paths: Sequence[Nested], found: dict[str, list[str | None]]) -> str | None:
    """Put what `paths` lead to in `text` into `found`; gives the text without it."""
    if text is None:
        return None
    try:
        value = NESTED.decode(text)
    except (ValueError, RecursionError):
        return text
    is_less = False
    for path in paths:
        holder = _holder(value, path.keys)
        inside = _ABSENT if holder is None else holder.get(path.keys[-1], _ABSENT)
        if (
            holder is None
            or inside is _ABSENT
            or isinstance(inside, (dict, list))
            or found[path.column][row] is not None
        ):
            continue
        found[path.column][row] = _plain_text(inside)
        del holder[path.keys[-1]]
        is_less = True
    return json_text(value) if is_less else text


def _holder(value: Any, keys: Sequence[str]) -> dict[str, Any] | None:
    """The object in which the last of `keys` stands, if it is there."""
    for key in keys[:-1]:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else None


def _plain_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    return json.dumps(value)
