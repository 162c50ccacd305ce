"""Whether the first line of a CSV file is a header. Without one, it would be data that messages show."""

from __future__ import annotations

import re
from pathlib import Path

from churn_assets.errors import ChurnError

_LIKE_A_VALUE = re.compile(
    r"\s*(?:[+-]?[\d.,]+(?:e[+-]?\d+)?|\d{4}-\d{2}-\d{2}.*|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}.*|\S+@\S+\.\S+"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+|\{.*\}|true|false)\s*",
    re.IGNORECASE | re.DOTALL,
)


def check_header(path: Path, names: list[str]) -> None:
    """Raises ChurnError where the names look like values, showing none of them."""
    values = sum(bool(_LIKE_A_VALUE.fullmatch(name)) for name in names)
    if values:
        raise ChurnError(
            f"{path} has no header: {values} of the {len(names)} values in its first line look like data; put a line with the "
            "columns' names first."
        )
    if "" in names:
        raise ChurnError(f"{path} has no name for column {names.index('') + 1} of its header; name it or remove it.")
