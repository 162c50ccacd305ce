"""Import of a dump: flat files split into landing days over one continuous calendar, no record changed, none lost.

What is written is uncompressed (CSV in the dump's own delimiter and encoding, JSON Lines, Parquet): a day is read far
more often than it is landed, small gzip files save little, and one can look into them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from churn_assets.errors import ChurnError
from churn_assets.landing.dump_file import DumpFile, read_dump_file, users_of_several_rows
from churn_assets.landing.folder import Deliveries, files_of_dump
from churn_assets.landing.incoming import incoming, publish
from churn_assets.settings import SETTINGS_FILE, SOURCES, Settings, SourceName
from churn_assets.settings_file import write_calendar

MOST_DERIVED_DAYS = 3653
"""Ten years, in days. A longer calendar is more likely one bad year in one row than a history."""


@dataclass(frozen=True)
class LandedDump:
    """What was landed. `unchanged`: the very same landing was there already.

    Undated rows lie on the first day, moved ones on the calendar's nearest day, as their own lies outside of it.
    """

    start: date
    end: date
    days: int
    user_rows: int
    event_rows: int
    unchanged: bool
    undated_rows: int
    moved_user_rows: int
    moved_event_rows: int
    users_of_several_rows: int
    """Users with rows that differ on one day: the first counts, the others will be quarantined."""
    undated_attributes: tuple[str, ...]
    """Attributes that the dump has and nothing dates: each user's last ones lie on the day of signup."""


def land_dump(
    users: Path | None,
    events: Path,
    settings: Settings,
    *,
    start: date | None = None,
    end: date | None = None,
    replace: bool = False,
    on_day: Callable[[date], None] | None = None,
) -> LandedDump:
    """Split the dump into `settings.landing_dir` and write the calendar into churn.toml where it is not set.

    Each of `users` and `events` is a file, or a folder of files; `users` is None where [sources.users] from_events is set.
    An event lands on its business day, a user on its signup date, or its valid_from where versions are dated; outside the
    calendar (`start`..`end`, else that of
    the settings, else first to last event) on its nearest day; without a usable date on its first day (of JSON Lines: the
    first that has a line to bind it to). Raises
    ChurnError, with the landing as it was unless the disk gave out while days were moved into place.
    """
    users_files, events_files = _read(users, "users", settings), _read(events, "events", settings)
    first, last = _calendar(events_files, events, settings, start, end)
    count = (last - first).days + 1
    with incoming(settings.landing_dir) as staging:
        into = {name: dataclass_replace(Deliveries.of(settings, name), landing_dir=staging) for name in SOURCES}
        cuts = [*_cuts(users_files, first, count), *_cuts(events_files, first, count)]
        for number in range(count):
            day = first + timedelta(days=number)
            for cut in cuts:
                if cut.days[number]:
                    folder = into[cut.file.source].folder(day)
                    folder.mkdir(parents=True, exist_ok=True)
                    content = cut.file.rows.content(int(cut.bounds[number]), int(cut.bounds[number + 1]))
                    (folder / cut.name).write_bytes(content)
            if on_day is not None:
                on_day(day)
        unchanged = publish(staging, settings.landing_dir, replace=replace, whole=True)
    write_calendar(settings.data_dir / SETTINGS_FILE, first, last)
    return LandedDump(
        start=first,
        end=last,
        days=count,
        user_rows=sum(map(len, users_files)),
        event_rows=sum(map(len, events_files)),
        unchanged=unchanged,
        undated_rows=sum(int(np.isnat(file.days).sum()) for file in users_files + events_files),
        moved_user_rows=sum(_outside(file, first, last) for file in users_files),
        moved_event_rows=sum(_outside(file, first, last) for file in events_files),
        users_of_several_rows=users_of_several_rows(users_files),
        undated_attributes=_undated_attributes(users_files, settings),
    )


def _read(path: Path | None, source: SourceName, settings: Settings) -> list[DumpFile]:
    if source == "users" and (path is None) != settings.sources.users.from_events:
        place = settings.data_dir / SETTINGS_FILE
        raise ChurnError(
            f"{place} says that users are made from events, so land the events alone, or take from_events out of it."
            if path is not None
            else f"No users are given; name their file before the events, or set from_events = true under [sources.users] in {place}."
        )
    return [] if path is None else [read_dump_file(file, source, settings) for file in files_of_dump(path)]


def _calendar(
    events: list[DumpFile], path: Path, settings: Settings, start: date | None, end: date | None
) -> tuple[date, date]:
    """First and last landing day: as given, else as set, else of the first and last event."""
    first, last = start or settings.start_date, end or settings.end_date
    if first is None or last is None:
        days = np.concatenate([file.days for file in events])
        dated = days[~np.isnat(days)]
        if not len(dated):
            raise ChurnError(
                f"{path} has no event with a usable date to take the calendar from; check timestamp_format and "
                "timezone of [sources.events] in churn.toml, or give --start and --end."
            )
        first, last = first or dated.min().item(), last or dated.max().item()
        if (last - first).days >= MOST_DERIVED_DAYS:
            raise ChurnError(
                f"{path} makes a calendar of {(last - first).days + 1} days, {first} to {last}, past ten years, "
                "perhaps by one wrong date; give --start and --end, and events outside of them will end in quarantine."
            )
    if last < first:
        raise ChurnError(
            f"The calendar would end on {last}, before it starts on {first}; check --start, --end and churn.toml."
        )
    return first, last


@dataclass(frozen=True)
class _Cut:
    """A file with its rows by landing day: those of day n lie from `bounds[n]` to `bounds[n + 1]`. `name` is the file's on each
    of `days`, those on which it has rows or which only it says are empty.
    """

    file: DumpFile
    bounds: npt.NDArray[np.int64]
    name: str
    days: npt.NDArray[np.bool_]


def _cuts(files: list[DumpFile], first: date, count: int) -> list[_Cut]:
    """Of the files of one source: each day gets those that have rows on it, and an empty day one that says so."""
    cut = [_cut(file, first, count) for file in files]
    has_rows = np.array([np.diff(bounds) > 0 for _, bounds in cut], dtype=bool).reshape(len(cut), count)
    has_rows[:1] |= ~has_rows.any(axis=0)
    digits = len(str(len(files)))
    return [
        _Cut(
            file,
            bounds,
            f"{file.source}{'' if len(files) == 1 else f'-{number:0{digits}}'}.{file.format}",
            has_rows[number - 1],
        )
        for number, (file, bounds) in enumerate(cut, 1)
    ]


def _cut(file: DumpFile, first: date, count: int) -> tuple[DumpFile, npt.NDArray[np.int64]]:
    """The file's rows by landing day, in the dump's order within each; and where each day begins among them."""
    offsets = np.where(np.isnat(file.days), 0, (file.days - np.datetime64(first, "D")).astype(np.int64))
    landing = _in_company(np.clip(offsets, 0, count - 1), file.stands_alone)
    order = np.argsort(landing, kind="stable")
    bounds = np.searchsorted(landing[order], np.arange(count + 1))
    cut = DumpFile(file.source, file.format, file.days[order], file.rows.take(order), file.stands_alone[order])
    return cut, bounds


def _in_company(landing: npt.NDArray[np.int64], stands_alone: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Days on which no record stands alone give theirs to the next on which one does, or the last: a file of them would be
    refused, and all of them end in quarantine on whatever day.
    """
    readable = np.unique(landing[stands_alone])
    if stands_alone.all() or not len(readable):
        return landing
    nearest = readable[np.minimum(np.searchsorted(readable, landing), len(readable) - 1)]
    return np.where(stands_alone, landing, nearest)


def _undated_attributes(users: list[DumpFile], settings: Settings) -> tuple[str, ...]:
    if settings.sources.users.attributes_as_of:
        return ()
    delivered = {name for file in users if file.versions is not None for name in file.versions.column_names}
    return tuple(entry.name for entry in settings.declaration.attributes if entry.name in delivered)


def _outside(file: DumpFile, first: date, last: date) -> int:
    return int(((file.days < np.datetime64(first, "D")) | (file.days > np.datetime64(last, "D"))).sum())
