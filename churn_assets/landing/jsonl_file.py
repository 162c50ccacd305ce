"""JSON Lines: one object per line, its keys bound like a header but line by line, numbers kept as they were written.

A line that is not one JSON object is a malformed row, since unlike in CSV it cannot take its neighbours along.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from churn_assets.landing.binding import MOST_COLUMNS, Binder, Binding, Drift, Match
from churn_assets.landing.delivery import Delivery
from churn_assets.landing.json_text import NESTED, PLAIN, json_text
from churn_assets.landing.nested import with_nested
from churn_assets.landing.rows import ReadRows

ONE_EACH = "write one object on each line (jq -c . does, and jq -c '.[]' for an array)"
TEXT_KINDS = {str, type(None)}


def read_jsonl(delivery: Delivery, data: bytes, binder: Binder) -> ReadRows:
    """Records of `data` (UTF-8, no byte-order mark). Raises RefusedFile."""
    text = data.decode("utf-8")
    if text.lstrip(" \t\r\n").startswith("["):
        # Lines of it would bind, and the others be quarantined.
        raise delivery.refused(f"is one JSON array, or lines of arrays; {ONE_EACH}")
    layouts: dict[tuple[str, ...], tuple[int, ...]] = {}
    positions: dict[str, int] = {}
    spellings: dict[str, Match] = {}
    records: list[tuple[tuple[int, ...], Sequence[str | None]]] = []
    malformed: list[tuple[int, str]] = []
    for ended_line in text.split("\n"):  # not splitlines: a text may hold U+2028
        line = ended_line.removesuffix("\r").removeprefix("\ufeff")  # of files that were joined
        if not line.strip(" \t\r"):
            continue
        try:
            fields = _fields(line)
            keys = tuple(fields)
            if (layout := layouts.get(keys)) is None:
                layout = layouts[keys] = _layout(keys, binder, spellings, positions)
        except (ValueError, RecursionError):
            malformed.append((len(records) + len(malformed) + 1, line))
            continue
        if len(positions) > MOST_COLUMNS:
            raise delivery.refused(f"has more than {MOST_COLUMNS} different keys; deliver values as rows, not as names")
        records.append((layout, list(fields.values())))
    if not records and not malformed:
        return ReadRows((), 0, Binding({}, (), Drift()))
    # Spellings of one column may differ between lines; the first one names it, an alias in any of them is drift.
    first = {match.identity: match for match in reversed(spellings.values())}
    binding = binder.bind([first[identity] for identity in positions], _advice(malformed))
    columns: list[list[str | None]] = [[None] * len(records) for _ in positions]
    for number, (layout, values) in enumerate(records):
        for position, value in zip(layout, values, strict=True):
            columns[position][number] = value
    renamed = [(m.name, m.column) for m in spellings.values() if m.column is not None and m.is_renamed]
    renamed += [(path.name, path.column) for path in binding.nested]
    drift = replace(binding.drift, renamed=tuple(dict.fromkeys(renamed)))
    return with_nested(
        ReadRows(
            [pa.chunked_array([pa.array(column, pa.string())]) for column in columns],
            len(records),
            replace(binding, drift=drift),
            sum(match.is_repaired for match in spellings.values()),
            malformed,
        )
    )


def _advice(malformed: Sequence[tuple[int, str]]) -> str:
    """What to do about lines that bind nothing, by how the first of them is written."""
    line = malformed[0][1].strip() if malformed else ""
    if line.endswith("},"):
        return f"its lines end in commas; {ONE_EACH} and nothing behind it"
    if re.search(r"\}\s*\{", line):
        return f"its lines hold several objects; {ONE_EACH}"
    if line.startswith("{") and not line.endswith("}"):
        return f"its objects stand on several lines; {ONE_EACH}"
    if line.startswith("\x1e"):
        return "its lines begin with a record separator; write JSON Lines without it"
    return "check that each line is a JSON object"


def _fields(line: str) -> dict[str, str | None]:
    """Key -> text of one line. Raises ValueError (UnicodeError and JSONDecodeError are such) or RecursionError."""
    fields: Any = PLAIN.decode(line)
    if not isinstance(fields, dict):
        raise ValueError("not an object")
    kinds = set(map(type, fields.values()))
    if not kinds <= TEXT_KINDS:
        if not kinds.isdisjoint((dict, list)):
            fields = NESTED.decode(line)
        for key, value in fields.items():
            if value is not None and not isinstance(value, str):
                fields[key] = json_text(value)
    if "\\u" in line:  # an escape may name half a surrogate pair, which no UTF-8 text can hold
        "".join([*fields, *(value for value in fields.values() if value)]).encode()
    bound: dict[str, str | None] = fields
    return bound


def _layout(
    keys: tuple[str, ...], binder: Binder, spellings: dict[str, Match], positions: dict[str, int]
) -> tuple[int, ...]:
    """Position of each key of a line, new ones added to `positions`. Raises ValueError if two keys mean one column."""
    matches = {key: binder.match(key) for key in keys}
    identities = [match.identity for match in matches.values()]
    if "" in identities or len(set(identities)) != len(identities):
        raise ValueError("a key is empty or occurs twice")
    spellings.update(matches)
    return tuple(positions.setdefault(identity, len(positions)) for identity in identities)
