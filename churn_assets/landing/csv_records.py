"""Where the records of a CSV or JSON Lines text begin and end, so that they can be moved without being rewritten.

Works on bytes of UTF-8; quotes must be known to pair up (`csv_quotes`), so a line end is a record's end exactly where
an even number of quotes stands before it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

QUOTE, LF, CR, BACKSLASH = b'"'[0], b"\n"[0], b"\r"[0], b"\\"[0]


def csv_records(data: bytes, quote: str = '"', escape: str = "") -> pa.LargeBinaryArray:
    """Every record of `data`, header first, each with its line end. Blank lines are none."""
    text = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(text == LF)
    if b"\r" in data:
        returns = np.flatnonzero(text == CR)
        alone = text[np.minimum(returns + 1, len(text) - 1)] != LF
        alone[returns == len(text) - 1] = True
        ends = np.union1d(ends, returns[alone])
    if quote and b'"' in data:
        quotes = np.flatnonzero(text == QUOTE)
        if escape:
            quotes = quotes[~_is_escaped(text, quotes)]
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return _sliced(data, ends, blank=b"\r\n")


def _is_escaped(text: npt.NDArray[np.uint8], at: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Whether an odd number of backslashes stands right before each position."""
    others = np.flatnonzero(text != BACKSLASH)
    place = np.searchsorted(others, at)
    before = np.where(place > 0, others[np.maximum(place - 1, 0)], -1)
    escaped: npt.NDArray[np.bool_] = (at - before - 1) % 2 == 1
    return escaped


def jsonl_records(data: bytes) -> pa.LargeBinaryArray:
    """Every line of `data` with its line end, blank ones left out."""
    return _sliced(data, np.flatnonzero(np.frombuffer(data, np.uint8) == LF), blank=b" \t\r\n")


def _sliced(data: bytes, last_bytes: npt.NDArray[np.int64], blank: bytes) -> pa.LargeBinaryArray:
    """`data` (which ends in a line end) cut after each of `last_bytes`, without copying it."""
    offsets = np.concatenate(([0], last_bytes + 1)).astype(np.int64)
    count = len(offsets) - 1
    records = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    first_bytes = np.frombuffer(data, np.uint8)[offsets[:-1]]
    suspects = np.flatnonzero(np.isin(first_bytes, list(blank)))
    blanks = [at for at in suspects if not data[offsets[at] : offsets[at + 1]].strip(blank)]
    return records.take(pa.array(np.delete(np.arange(count), blanks))) if blanks else records
