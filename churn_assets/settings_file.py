"""Writes to `<data>/churn.toml`: the calendar and the product, where they are not set, leaving every other byte as the user wrote it.

Reading and judging the file is `settings.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from churn_assets.errors import ChurnError
from churn_assets.files import replace_content

_LEADING_COMMENTS = re.compile(r"(?:#[^\n]*\n)+(?=\s*\n|[A-Za-z0-9_\"'-]|\Z)")
"""Not if a table follows directly: then the comment is the table's."""


def write_calendar(settings_path: Path, start: date, end: date) -> None:
    """Set `start_date` and `end_date` in the file where they are absent; create the file if need be.

    Comments, order and line ends stay, and a file with both keys is not touched. Raises ChurnError.
    """
    _write_absent(settings_path, {"start_date": start, "end_date": end}, "calendar")


def write_product(settings_path: Path, product: str) -> None:
    """Set `product` in the file where it is absent, in the same way."""
    _write_absent(settings_path, {"product": product}, "product")


def _write_absent(settings_path: Path, values: Mapping[str, date | str], what: str) -> None:
    try:
        text = settings_path.read_bytes().decode("utf-8-sig") if settings_path.exists() else ""
        present = tomlkit.parse(text)
        for key, value in values.items():
            if key not in present:
                neighbour = {"start_date": "end_date", "end_date": "start_date"}.get(key, "start_date")
                text = _with_key(text, key, value, neighbour, neighbour_first=key == "end_date")
        if tomlkit.parse(text) == present:
            return
        settings_path.parent.mkdir(parents=True, exist_ok=True)
        replace_content(settings_path, text.encode("utf-8"))
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise ChurnError(
            f"{settings_path} is not valid TOML, so no {what} can be written to it; correct it."
        ) from error
    except OSError as error:
        cause = os.strerror(error.errno or 0)
        raise ChurnError(f"The {what} cannot be written into {settings_path} ({cause}); make it writable.") from error


def _with_key(text: str, key: str, value: date | str, neighbour: str, *, neighbour_first: bool) -> str:
    """`text` with one more key before its first table: beside its neighbour, else below the top comment."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    line = f"{key} = {tomlkit.item(value).as_string()}"
    if (beside := re.search(rf"^{neighbour}[ \t]*=[^\n]*(?:\n|\Z)", text, re.MULTILINE)) is not None:
        at = beside.end() if neighbour_first else beside.start()
    else:
        at = comments.end() if (comments := _LEADING_COMMENTS.match(text)) is not None else 0
    before, after = text[:at], text[at:]
    if before and not before.endswith("\n"):
        before += line_end
    gap = line_end if after.startswith(("#", "[")) else ""
    added = before + line + line_end + gap + after
    try:
        if key in tomlkit.parse(added):
            return added
    except TOMLKitError:
        pass  # the place found lies within a multi-line text
    document = tomlkit.parse(text)
    document[key] = value
    return tomlkit.dumps(document)
