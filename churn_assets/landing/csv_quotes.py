"""Whether the quotes of a CSV file pair up: without that, no record of it is certain.

pyarrow does not ask. It swallows the rest of a file after a quote that is never closed, and reads `5"` and `"5"z` as it
sees fit.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

QUOTE, LF, CR = b'"'[0], b"\n"[0], b"\r"[0]
ESCAPED = re.compile(rb'\\(["\\])')
STRAY = "has a stray quote on line {}; quote the whole field and double the quotes in it"


def with_doubled_quotes(data: bytes) -> bytes:
    """`data` whose quotes are escaped by a backslash, as one whose quotes are doubled. A backslash before anything else is a letter:
    what it makes of an n, writers do not agree on.
    """
    return ESCAPED.sub(lambda found: b'""' if found[1] == b'"' else b"\\", data) if b"\\" in data else data


def quote_fault(data: bytes, delimiter: str) -> str | None:
    """What is wrong with the quotes of `data` (UTF-8), naming the line; None if nothing is.

    Numbered from 0, an even quote opens a field and so stands at its start, an odd one closes it and so stands at its
    end; two neighbours, odd then even, are a doubled quote inside a field.
    """
    if QUOTE not in data:
        return None
    text = np.frombuffer(data, np.uint8)
    at = np.flatnonzero(text == QUOTE)
    ends_field = np.zeros(256, dtype=bool)
    ends_field[[ord(delimiter), LF, CR]] = True
    opening, closing = at[::2], at[1::2]
    opens_well = (opening == 0) | ends_field[text[opening - 1]]
    closes_well = (closing == len(text) - 1) | ends_field[text[np.minimum(closing + 1, len(text) - 1)]]
    doubled = closing[: len(opening) - 1] + 1 == opening[1:]
    opens_well[1:] |= doubled
    closes_well[: len(doubled)] |= doubled
    bad_opening, bad_closing = opening[~opens_well], closing[~closes_well]
    if len(bad_opening) and not (len(bad_closing) and bad_closing[0] < bad_opening[0]):
        return STRAY.format(_line(text, bad_opening[0]))
    starts = opening[np.concatenate(([True], ~doubled))]
    if len(bad_closing):
        opened, closed = _line(text, starts[starts < bad_closing[0]][-1]), _line(text, bad_closing[0])
        if opened == closed:
            return STRAY.format(closed)
        return f"has a quote opened on line {opened} not closed at its field's end; deliver it with paired quotes"
    if len(at) % 2:
        return (
            f"has a quote opened on line {_line(text, starts[-1])} that is never closed; deliver it with paired quotes"
        )
    return None


def _line(text: npt.NDArray[np.uint8], position: np.integer) -> int:
    """Line number, from 1, of a byte: LF, CR and CRLF each end a line."""
    before = text[: int(position)]
    lone_cr = (before[:-1] == CR) & (before[1:] != LF)
    return int((before == LF).sum() + lone_cr.sum()) + int(before[-1:].tobytes() == b"\r") + 1
