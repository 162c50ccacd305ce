"""How a source writes instants: names of formats, and strptime patterns, each tried when the settings are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone

ISO_8601 = "iso8601"
EPOCHS = ("epoch_s", "epoch_ms", "epoch_us", "epoch_ns")
NAMES = (ISO_8601, *EPOCHS)
_SAMPLE = datetime(2026, 11, 23, 17, 48, 59, 123456, timezone.utc)
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_UTC_BY_LETTERS = re.compile(r"(?<!%)(Z|UTC|GMT)\s*$")


def known_formats(given: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """One format, or several. Raises ValueError, a clause, as `known_format` does."""
    for name in listed(given):
        known_format(name)
    return given


def listed(formats: str | Sequence[str]) -> tuple[str, ...]:
    return (formats,) if isinstance(formats, str) else tuple(formats)


def known_format(name: str) -> None:
    """Raises ValueError, a clause, for what is neither a name nor a pattern that gives back a day."""
    if name in NAMES:
        return
    if "%" not in name:
        raise ValueError(
            f"'{name}' is no format; write {', '.join(NAMES)}, or a strptime pattern such as '%d/%m/%Y %H:%M'"
        )
    directives = _DIRECTIVE.findall(name)
    if "Z" in directives:
        raise ValueError(
            f"'{name}' has %Z, and a zone's letters name no single zone; write %z for offsets, or the letters themselves and the "
            "source's timezone"
        )
    if "I" in directives and "p" not in directives:
        raise ValueError(f"'{name}' has %I without %p, which tells no morning from evening; write %H, or add %p")
    if not _gives_back_its_day(name):
        raise ValueError(
            f"'{name}' does not give back a day that was written by it; it needs a year, month and day in directives of strptime"
        )


def _gives_back_its_day(pattern: str) -> bool:
    import pandas as pd  # Only a pattern needs it.

    try:
        read = pd.to_datetime([_SAMPLE.strftime(pattern)], format=pattern)[0]
        return bool(read.date() == _SAMPLE.date()) and bool(read.strftime(pattern) == _SAMPLE.strftime(pattern))
    except (ValueError, TypeError, re.error):
        return False  # "%-d", which strftime knows and strptime does not; a bad directive; the same twice; a lone %.


def fault_of_zone(given: str | Sequence[str], own_zone: str | None, zone: str) -> str | None:
    """What is wrong with reading these formats in `zone`; None: nothing. `own_zone` is the source's own zone, if it declares one."""
    formats = listed(given)
    if own_zone not in (None, "UTC") and all(name in EPOCHS for name in formats):
        return (
            f"timezone '{own_zone}' has no effect on {' and '.join(formats)}, which counts from 1970 in UTC; take it out, or deliver "
            "the clock of that zone as text"
        )
    for name in formats:
        if name not in NAMES and zone != "UTC" and (letters := _UTC_BY_LETTERS.search(name)):
            return (
                f"timestamp_format '{name}' ends in the letters {letters[1]}, but its times would be read in {zone}; write %z in "
                'place of Z, or timezone = "UTC"'
            )
    return None
