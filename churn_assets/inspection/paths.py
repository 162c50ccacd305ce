"""JSON values taken apart: each value inside an object becomes a column of its own, named by the path that leads to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from churn_assets.inspection.columns import Column

OBJECT_ROWS = 50_000
"""Rows of CSV or Parquet in which JSON objects are looked into."""
DEEPEST_PATH = 4
MOST_PATHS = 600
"""Past this the keys are data."""


@dataclass
class Paths:
    """Texts by path, filled row by row."""

    columns: dict[str, list[str | None]] = field(default_factory=dict)
    lists: set[str] = field(default_factory=set)

    def add(self, value: dict[str, Any], row: int, prefix: str = "", depth: int = 1) -> None:
        for key, inside in value.items():
            path = f"{prefix}{key}"
            if isinstance(inside, dict):
                if depth < DEEPEST_PATH:
                    self.add(inside, row, f"{path}.", depth + 1)
            elif isinstance(inside, list):
                self.lists.add(path)
            else:
                column = self.columns.get(path)
                if column is None:
                    if len(self.columns) >= MOST_PATHS:
                        continue
                    column = self.columns[path] = []
                column += [None] * (row - len(column))
                column.append(_plain(inside))

    def finished(self, rows: int) -> Iterator[Column]:
        for path, texts in self.columns.items():
            padded = [*map(_valid, texts), *[None] * (rows - len(texts))]
            yield Column(path, pa.chunked_array([pa.array(padded, pa.string())]))


def with_objects(named: Iterable[tuple[str, pa.ChunkedArray]]) -> tuple[dict[str, Column], tuple[str, ...]]:
    """Columns by path. A column of JSON objects is replaced by what lies in them."""
    columns: dict[str, Column] = {}
    lists: set[str] = set()
    for name, texts in named:
        first = next((text for text in texts.slice(0, OBJECT_ROWS).to_pylist() if text and text.strip()), "")
        if not first.lstrip().startswith(("{", "[")):
            columns[name] = Column(name, texts)
            continue
        paths, rows = Paths(), 0
        for text in texts.slice(0, OBJECT_ROWS).to_pylist():
            try:
                value = JSON.decode(text) if text else None
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                paths.add(value, rows, f"{name}.")
            elif isinstance(value, list):
                lists.add(name)
            rows += 1
        columns |= {column.path: column for column in paths.finished(rows)}
        lists |= paths.lists
    return columns, tuple(sorted(lists))


JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def _plain(value: Any) -> str | None:
    return ("true" if value else "false") if isinstance(value, bool) else value


def _valid(text: str | None) -> str | None:
    """Half a surrogate pair is no text."""
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
