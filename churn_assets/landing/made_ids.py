"""Ids of events that have none: a digest over the columns that the deployment names, as they were delivered."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from churn_assets.landing.binding import Binder
from churn_assets.landing.rows import ReadRows
from churn_assets.settings import EventsSettings
from churn_assets.source_names import EVENT_ID

DIGEST_BYTES = 16
NULL = "-"


def id_parts(binder: Binder) -> tuple[str, ...]:
    """The columns that ids are made of; none where they are delivered."""
    return binder.settings.event_id_from if isinstance(binder.settings, EventsSettings) else ()


def require_id_parts(rows: ReadRows, binder: Binder) -> None:
    """Raises RefusedFile naming a column that ids are made of and the file lacks."""
    for name in id_parts(binder):
        if rows.columns and _position(name, rows, binder) is None:
            raise binder.refuse(
                f"lacks {name!r}, and event_id_from makes the ids of events of it; deliver it, or change event_id_from under "
                "[sources.events]"
            )


def with_made_ids(rows: ReadRows, binder: Binder) -> ReadRows:
    """The rows with an event_id, 32 hexadecimal digits, where the deployment makes ids of columns; else as they are.

    Equal texts in all these columns give equal ids. Null is not the empty text, and a column that no line of JSON Lines has
    is null; where all are null or empty, so is the id.
    """
    if not (names := id_parts(binder)):
        return rows
    nulls = pa.chunked_array([pa.nulls(rows.count, pa.string())])
    at = [_position(name, rows, binder) for name in names]
    parts = [nulls if position is None else rows.columns[position] for position in at]
    # A length in front of each text, so that ("ab", "c") is not ("a", "bc").
    joined = pc.binary_join_element_wise(*map(_with_length, parts), "") if rows.count else nulls
    is_empty = _all_empty(parts).to_pylist()
    ids = [
        None if empty else blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()
        for text, empty in zip(joined.to_pylist(), is_empty, strict=True)
    ]
    columns = [*rows.columns, pa.chunked_array([pa.array(ids, pa.string())])]
    bound = {**rows.binding.columns, EVENT_ID: len(rows.columns)}
    return replace(rows, columns=columns, binding=replace(rows.binding, columns=bound))


def _position(name: str, rows: ReadRows, binder: Binder) -> int | None:
    """Of a column by its contract name, else by a name it was delivered under."""
    match = binder.match(name)
    if match.column is not None:
        return rows.binding.columns.get(match.column)
    return next((n for extra, n in rows.binding.extra if binder.match(extra).identity == match.identity), None)


def _with_length(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    length = pc.cast(pc.binary_length(texts), pa.string())
    return pc.fill_null(pc.binary_join_element_wise(length, texts, ":"), NULL)


def _all_empty(parts: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    empty = [pc.fill_null(pc.equal(part, ""), True) for part in parts]
    result = empty[0]
    for more in empty[1:]:
        result = pc.and_(result, more)
    return result
