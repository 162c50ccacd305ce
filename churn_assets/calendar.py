"""Days: the one calendar of the graph, and the fixed window of days each table depends on."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from churn_assets.errors import ChurnError
from churn_assets.settings import SETTINGS_FILE, Settings

if TYPE_CHECKING:
    from dagster import DailyPartitionsDefinition, PartitionMapping

# Dagster is imported where its classes are made: it takes two seconds, which days alone should not cost.

LONGEST_HISTORY_DAYS = 36_525
"""A hundred years: "since the calendar's start" for a partition mapping, which wants a number."""

ONE_DAY = timedelta(days=1)
SAMPLED_YEARS = range(2000, 2038)
"""In which zones are held against each other."""


@dataclass(frozen=True)
class DayRange:
    """Days first..last, both included."""

    first: date
    last: date

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=n) for n in range(len(self)))

    def __len__(self) -> int:
        return max(0, (self.last - self.first).days + 1)

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} .. {self.last}"


NO_DAYS = DayRange(date.max, date.min)


class Horizon(Enum):
    """The days ahead of a day as far as they are published."""

    CLOSED = "all are"
    OPEN = "none is missing before one that is"
    GAP = "one is missing before one that is"


@dataclass(frozen=True)
class Window:
    """What a day D of a table needs of another: its days [D - back, D + ahead]. `back=None`: since the calendar's start.

    `closes`: what the days after D hold counts only once all of them are published. Until then D depends on no more of
    them than whether one is missing in between, and need not be computed again for each that is added.

    `late`: of `ahead`, the days on which rows of the days before may still arrive. A window that closes has closed without
    them: D depends on D + 1 .. D + late always, and once the days up to D + ahead - late are published, on those after, too.
    """

    back: int | None = 0
    ahead: int = 0
    closes: bool = False
    late: int = 0

    def of(self, days: DayRange, calendar_start: date) -> DayRange:
        """The union of the windows of `days`, clipped at the calendar's start."""
        first = calendar_start if self.back is None else max(calendar_start, days.first - timedelta(days=self.back))
        return DayRange(first, days.last + timedelta(days=self.ahead))

    def horizon(self, day: date, published: Container[date]) -> Horizon:
        """How much of the days ahead of `day` can be seen, those for late rows apart."""
        there = [day + timedelta(days=n) in published for n in range(1, self.ahead - self.late + 1)]
        if all(there):
            return Horizon.CLOSED
        return Horizon.GAP if any(there[there.index(False) :]) else Horizon.OPEN

    def through(self, further: Window) -> Window:
        """What a day may need of a table of which the table it reads in this window needs `further`."""
        back = None if self.back is None or further.back is None else self.back + further.back
        return Window(back, self.ahead + further.ahead)

    def __or__(self, other: Window) -> Window:
        """The smallest window that holds both, whether or not one closes."""
        back = None if self.back is None or other.back is None else max(self.back, other.back)
        return Window(back, max(self.ahead, other.ahead))

    def partition_mapping(self) -> PartitionMapping:
        """The same window as Dagster shows it in the lineage."""
        from dagster import TimeWindowPartitionMapping

        back = LONGEST_HISTORY_DAYS if self.back is None else self.back
        return TimeWindowPartitionMapping(
            start_offset=-back, end_offset=self.ahead, allow_nonexistent_upstream_partitions=True
        )


SAME_DAY = Window()


class RowCounts:
    """Rows of consecutive days from `first` on, and so of any range of them."""

    def __init__(self, first: date, rows: Iterable[int]) -> None:
        self._first = first
        self._running = [0, *accumulate(rows)]

    def __call__(self, days: DayRange) -> int:
        return self._running[(days.last - self._first).days + 1] - self._running[(days.first - self._first).days]


def chunks(
    days: DayRange, most_rows: int, rows: Callable[[DayRange], int], *, fewest_days: int = 1
) -> Iterator[DayRange]:
    """`days` as consecutive ranges, each as long as its rows are at most `most_rows`, or of `fewest_days`."""
    begin = days.first
    for day in days:
        longer = DayRange(begin, day + ONE_DAY)
        if day == days.last or (len(longer) > fewest_days and rows(longer) > most_rows):
            yield DayRange(begin, day)
            begin = day + ONE_DAY


def daily_partitions(settings: Settings) -> DailyPartitionsDefinition:
    """Every table's partitions: the days of the calendar. Without an end date Dagster offers them until yesterday."""
    from dagster import DailyPartitionsDefinition

    end = settings.end_date + timedelta(days=1) if settings.end_date else None
    return DailyPartitionsDefinition(
        start_date=settings.calendar_start.isoformat(),
        end_date=end.isoformat() if end else None,
        timezone=settings.timezone,
    )


def calendar_days(settings: Settings) -> DayRange:
    """The days of the calendar. Without an end date they end yesterday, which only the clock can say.

    Raises ChurnError where they would end before they start, today's start apart: its first day is not over yet.
    """
    last = settings.end_date or datetime.now(ZoneInfo(settings.timezone)).date() - ONE_DAY
    if settings.calendar_start > last + ONE_DAY:
        raise ChurnError(
            f"{settings.data_dir / SETTINGS_FILE}: start_date {settings.calendar_start} is yet to come, so that the calendar has no "
            "day; correct it."
        )
    return DayRange(settings.calendar_start, last)


@cache
def days_behind(zone: str, other: str) -> int:
    """How many days after a day of `zone` has begun it ends in `other`, at the most: 1 for UTC held against India, 0 against New
    York. The same for all days, winter and summer.
    """
    ends = (
        datetime(year, month, 1, tzinfo=ZoneInfo(zone)) + ONE_DAY for year in SAMPLED_YEARS for month in range(1, 13)
    )
    last = ((end - timedelta(microseconds=1)).astimezone(ZoneInfo(other)).date() for end in ends)
    firsts = (date(year, month, 1) for year in SAMPLED_YEARS for month in range(1, 13))
    return max(0, *((day - first).days for day, first in zip(last, firsts, strict=True)))


def days_of_run(start: str, end: str) -> DayRange:
    """The days of a run from its first and last partition key. Raises ChurnError for a range that ends before it starts."""
    days = DayRange(date.fromisoformat(start), date.fromisoformat(end))
    if not days:
        raise ChurnError(f"The partition range {start}...{end} ends before it starts; swap its days.")
    return days


def contiguous(days: Iterable[date]) -> list[DayRange]:
    """Sorted days as the fewest ranges."""
    ranges: list[DayRange] = []
    for day in sorted(days):
        if ranges and ranges[-1].last + timedelta(days=1) == day:
            ranges[-1] = DayRange(ranges[-1].first, day)
        else:
            ranges.append(DayRange(day, day))
    return ranges
