"""Work cut into blocks, so that memory does not grow with what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from churn_assets.calendar import DayRange, RowCounts, Window, chunks

OVERLAP = 4
"""A block that can be bucketed covers at least this many times the days its window reaches beyond a day, so that little
is read twice.
"""


@dataclass(frozen=True)
class Block:
    """A part of the work: some days, or one of so many key buckets of them."""

    days: DayRange
    bucket: tuple[int, int] | None = None


def blocks(
    days: DayRange,
    window: Window,
    stored: RowCounts,
    *,
    most_rows: int,
    beyond: float,
    is_bucketed: bool,
    calendar_start: date,
) -> Iterator[Block]:
    """`days` as blocks of about `most_rows` rows of the table that is read in `window` and has the rows `stored`.

    `beyond` is what a row costs that lies in the window but not on the block's own days, against one that does.
    """

    def read(block: DayRange) -> int:
        own, whole = stored(block), stored(window.of(block, calendar_start))
        return int(own + beyond * (whole - own))

    # A window from the calendar's start is no more for many days than for one: what counts is what is made of it.
    made = RowCounts(days.first, (read(DayRange(day, day)) for day in days))
    rows, reach = (made, 0) if window.back is None else (read, window.back + window.ahead)
    # What cannot be bucketed is held whole: there memory comes first, and a day may be read twice.
    fewest = (OVERLAP if is_bucketed else 1) * reach
    for block in chunks(days, most_rows, rows, fewest_days=fewest):
        count = -(-rows(block) // most_rows) if is_bucketed else 1
        yield from (Block(block, (number, count)) for number in range(count)) if count > 1 else [Block(block)]
