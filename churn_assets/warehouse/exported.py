"""Files that `churn-assets export` wrote, and whether they hold a user: copies, which are removed and made again."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from churn_assets.errors import ChurnError

USER_ID, DAYS = "user_id", {"landing_date", "as_of_date", "event_date"}
"""A file with these columns was made from one of our tables: no source has them."""
UNREADABLE_LINES = ("read_error", "extra")
"""Of rows that could not be bound to the header: their text is in `extra`."""
_WORDS = re.compile(r"[^\s\"',;:|{}\[\]\\]+")


def exports_with(
    folder: Path, sought: Callable[[list[str]], Sequence[bool]], *, apart: Collection[Path]
) -> Iterator[Path]:
    """The exports below `folder` that hold a sought user. Folders `apart` are not looked into. Raises ChurnError."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".csv", ".parquet") and path.is_file() and not any(map(path.is_relative_to, apart)):
            try:
                columns = _columns(path)
                if columns and _holds(path, columns, sought):
                    yield path
            except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
                raise ChurnError(
                    f"{path} cannot be read, so nobody can say that the user is not in it; move it away, or remove it."
                ) from error


def _columns(path: Path) -> list[str]:
    """Those to look at; none if it is no export of ours."""
    if path.suffix.lower() == ".parquet":
        names = pq.read_schema(path).names
    else:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            names = next(csv.reader(file), [])
    return (
        [name for name in (USER_ID, *UNREADABLE_LINES) if name in names] if USER_ID in names and DAYS & {*names} else []
    )


def _holds(path: Path, columns: list[str], sought: Callable[[list[str]], Sequence[bool]]) -> bool:
    table = _read(path, columns)
    ids = [str(user) for user in table.column(USER_ID).unique().to_pylist() if user is not None]
    # In CSV a text that looks like a formula has a quote before it.
    if any(sought(ids)) or any(sought([user.removeprefix("'") for user in ids])):
        return True
    if not {*UNREADABLE_LINES} <= {*columns}:
        return False
    unreadable = zip(*(table.column(name).to_pylist() for name in UNREADABLE_LINES), strict=True)
    words = {word for error, line in unreadable if error for word in _WORDS.findall(line or "")}
    return any(sought(sorted(words)))


def _read(path: Path, columns: list[str]) -> Any:
    if path.suffix.lower() == ".parquet":
        return pq.read_table(path, columns=columns)
    return pacsv.read_csv(
        path,
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=True
        ),
    )
