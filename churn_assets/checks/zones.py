"""Business days of instants in SQL, by the rules of time zones that the transforms go by, not by those that DuckDB brings."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd

FIRST, LAST = np.datetime64("1900-01-01", "s"), np.datetime64("2200-01-01", "s")
WEEK = np.timedelta64(7, "D")
Seconds = npt.NDArray[np.int64]


@cache
def offsets(timezone: str) -> str:
    """SQL for the rows (since, seconds): from which instant in UTC on the zone's clock is so many seconds ahead of it.

    Database editions differ in what they know of a zone: British Columbia keeps one time the year round from 2026 on, and an older
    edition says otherwise.
    """
    weeks = np.arange(FIRST, LAST, WEEK)
    ahead = _seconds_ahead(weeks, timezone)
    changes = np.flatnonzero(np.diff(ahead))
    before, after = weeks[changes].astype("int64"), weeks[changes + 1].astype("int64")
    earlier = ahead[changes]
    while len(changes) and (after - before > 1).any():
        middle = (before + after) // 2
        is_before = _seconds_ahead(middle.astype("datetime64[s]"), timezone) == earlier
        before, after = np.where(is_before, middle, before), np.where(is_before, after, middle)
    steps = [(FIRST, ahead[0]), *zip(after.astype("datetime64[s]"), ahead[changes + 1], strict=True)]
    return "VALUES " + ", ".join(
        f"(TIMESTAMP '{str(since).replace('T', ' ')}', {int(seconds)})" for since, seconds in steps
    )


def _seconds_ahead(instants: npt.NDArray[np.datetime64], timezone: str) -> Seconds:
    utc = pd.DatetimeIndex(instants).tz_localize("UTC")
    local = utc.tz_convert(timezone).tz_localize(None)
    return ((local - utc.tz_localize(None)) // pd.Timedelta(seconds=1)).to_numpy(dtype="int64")
